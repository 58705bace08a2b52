"""How much a network keeps of one sample, found out on a few: from it follow batches that fit the memory."""

from __future__ import annotations

from dataclasses import replace

import torch

from layerlib._forward import differentiating
from layerlib.data._samples import Given
from layerlib.inspection._passes import Reader, frozen
from layerlib.layers._calls import Call, numbered, recording

MOST = 200  # samples at a time, beyond which nothing gets faster
PASSING = 4  # layers' outputs that are there at once
SHARE = 0.45  # of the memory for a pass; readings, and holes between what is freed and what is kept, need the rest


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

    entries: dict[str, int] = {}
    bytes_of: dict[str, int] = {}

    def put(place: str, call: Call) -> None:
        if isinstance(call.output, torch.Tensor):
            entries[place], bytes_of[place] = call.output.numel() // len(given), call.output.nbytes

    watching = recording(reader.watched, numbered(put), reachable=True, copied=False)
    with differentiating(reader.model), frozen(reader.model), watching:
        try:
            with torch.set_grad_enabled(back), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
                reader.run(given)
        except Exception:  # some networks run only where no gradient is kept
            with torch.no_grad():
                reader.run(given)
    # a step makes its outcome of what came, and an output is read while both are there
    largest = PASSING * max(bytes_of.values(), default=0)
    inputs = sum(value.nbytes for value in given.tensors().values())
    return (sum(held.values()) + largest + inputs) / len(given), {
        layer: entries[place] for layer, place in reader.places.items() if place in entries
    }


def batch_for(memory: float, each: float) -> int:
    """Samples at a time of which a pass holds ``each`` bytes, in their share of the memory."""
    return max(1, min(MOST, int(SHARE * memory / max(each, 1))))


def batched(reader: Reader, few: Given, size: int) -> Reader:
    """The reader with so many samples at a time.

    Where the memory leaves room for few, networks are large, and on a CPU convolutions then take less time when the
    channels of a pixel lie together, but for those in groups; forward alone twice as many are faster still. A network
    must give the same for a ``few`` samples laid so.
    """
    reader = replace(reader, batch_size=size, ahead=size)
    groups = {module.groups for module in reader.model.modules() if isinstance(module, torch.nn.Conv2d)}
    if size == MOST or reader.like.device.type != "cpu" or groups != {1}:
        return reader
    laid = replace(reader, ahead=min(MOST, 2 * size), channels_last=True)
    with differentiating(reader.model), torch.no_grad():
        try:
            expected, got = reader.run(few), laid.run(few)
            same = torch.allclose(expected, got, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))
        except Exception:  # some networks want the usual order, or put out something else
            return reader
    return laid if same else reader


def guided(batch_size: int) -> int:
    """Samples at a time of a guided pass: it keeps two at once, each with what the weights' gradients need."""
    return max(1, batch_size // 3)


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
