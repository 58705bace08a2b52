"""How much a network keeps of one sample, found out on a few: from it follow batches that fit the memory."""

from __future__ import annotations

import torch

from layerlib._forward import differentiating
from layerlib.data._samples import Given
from layerlib.inspection._reading import Reader
from layerlib.layers._calls import calls_of

MOST = 200  # samples at a time, beyond which nothing gets faster
SHARE = 0.42  # of the memory for a pass: readings, and what is freed and not given back at once, need the rest


def measured(reader: Reader, given: Given, back: bool) -> tuple[float, dict[str, int]]:
    """Bytes that a pass holds for one sample, and how many numbers each layer puts out for it.

    Parameters
    ----------
    back : whether the pass goes back, for which it keeps what autograd needs
    """
    held: dict[int, int] = {}
    weights = {each.untyped_storage().data_ptr() for each in (*reader.model.parameters(), *reader.model.buffers())}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            held[storage.data_ptr()] = storage.nbytes()
        return tensor

    with differentiating(reader.model), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        try:
            with torch.set_grad_enabled(back):
                calls, _ = calls_of(reader.run, given, reader.watched)
        except Exception:  # some networks run only where no gradient is kept
            with torch.no_grad():
                calls, _ = calls_of(reader.run, given, reader.watched)
    outputs = {layer: calls[place].output for layer, place in reader.places.items() if place in calls}
    # each output is there twice, and again while it is pooled; and the largest step holds what it makes
    copies = 3 * sum(z.nbytes for z in outputs.values())
    inputs = sum(value.nbytes for value in given.tensors().values())
    return (sum(held.values()) + copies + inputs) / len(given), {
        layer: z.numel() // len(given) for layer, z in outputs.items()
    }


def batch_for(memory: float, each: float) -> int:
    """Samples at a time of which a pass holds ``each`` bytes, in their share of the memory."""
    return max(1, min(MOST, int(SHARE * memory / max(each, 1))))


def numbers(model: torch.nn.Module, entries: dict[str, int], batch_size: int) -> float:
    """On how many an operation of a pass is, for ``one_thread``; a product does 32 while another step does one."""
    weights = max((each.numel() for each in model.parameters()), default=0)
    return batch_size * max([*entries.values(), weights / 32])


def groups(sizes: dict[str, int], samples: int, itemsize: int, memory: float) -> list[list[str]]:
    """Layers that are read in one pass, so that every entry they put out for all samples fits half of the memory."""
    found: list[list[str]] = []
    room = 0.0
    for layer, size in sizes.items():
        # of two halves the outputs, of one the targets and those of other samples' errors
        needed = 2 * samples * size * itemsize
        if not found or needed > room:
            found.append([])
            room = memory / 2
        found[-1].append(layer)
        room -= needed
    return found
