"""Filters set to zero for a while, and what a network loses without them (Hu et al. 2018, sec. IV-E)."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from layerlib._checks import checked, several_names, text, whole_number
from layerlib._forward import alone, evaluated
from layerlib._tensors import first_parameter, labelled, network, numbers
from layerlib.data.splits import Split
from layerlib.layers._names import bare, named_layers
from layerlib.layers._weights import rows_zeroed, weight_of


@contextmanager
@checked(model=network, name=text, also=several_names)
def zeroed(model: nn.Module, name: str, filters: Sequence[int] | Tensor, also: Sequence[str] = ()) -> Iterator[None]:
    """Within the context ``filters`` of layer ``name`` are zero, weights and bias; afterwards as before, to the bit.

    A batch norm that follows still shifts a zeroed channel: it puts out bias - weight * running mean / deviation, a
    constant, unless its name is in ``also``. Then its weight and bias of these channels are zero, too, and so is its
    output. Restored after an exception as well, and where the model was brought to another dtype or device meanwhile.

    Parameters
    ----------
    model : any module
    name : of a layer with a weight, as ``model.named_modules()`` gives it; a parametrised or pruned one is zeroed in
        what it makes of its parameters, which stay as they are
    filters : whole numbers from 0, or bool of shape (filters,); they are the numbers of what the layer puts out
    also : names of layers, batch norms as a rule, whose entries of the same numbers are zeroed along

    Raises
    ------
    ValueError
        for an unknown layer (with the closest names), one without a weight, or a filter that is not there

    Examples
    --------
    >>> with zeroed(model, "features.28", [3, 17]):
    ...     error = error_rate(model, test)
    """
    names = (name, *also)
    layers = [layer(model, name), *(named_layers(model, each, "also")[each] for each in also)]
    counts = [len(weight_of(each, label)) for each, label in zip(layers, names, strict=True)]
    for count, label in zip(counts, names, strict=True):
        if count != counts[0]:
            raise ValueError(
                f"also: expected {counts[0]} channels, as {name!r} has filters, got {label!r} with {count}"
            )
    rows = _rows(filters, counts[0])
    with ExitStack() as zeros:
        zeros.enter_context(alone(model))
        for each in layers:
            for key in ("weight", "bias"):
                zeros.enter_context(rows_zeroed(each, key, rows))
        yield


@torch.no_grad()
@checked(model=network, name=text, split=labelled, also=several_names, batch_size=whole_number)
def accuracy_without(
    model: nn.Module,
    name: str,
    choices: Sequence[Sequence[int] | Tensor],
    split: Split,
    also: Sequence[str] = (),
    best: Sequence[int] = (1, 5),
    batch_size: int = 1000,
) -> Tensor:
    """Accuracy while filters of layer ``name`` are zero, for each of several choices of them; in evaluation mode.

    Parameters
    ----------
    choices : which filters, as for `zeroed`; an empty choice gives the network as it is
    split : images and class numbers, such as a test set
    also : as for `zeroed`
    best : a sample counts as right if its class is among that many largest logits

    Returns
    -------
    float64, shape (choices, len(best)), shares of the samples, on the CPU

    Raises
    ------
    ValueError
        as `zeroed`; and if ``split`` has other labels than class numbers or ``best`` exceeds the classes

    Examples
    --------
    >>> whole, without = accuracy_without(model, "features.28", [[], [3, 17]], data.test)
    """
    if split.labels.ndim != 1:
        raise ValueError(f"split: expected class numbers as labels, got multi-hot {tuple(split.labels.shape)}")
    if not isinstance(choices, Iterable) or isinstance(choices, str):
        raise ValueError(f"choices: expected choices of filters, got {choices!r}")
    choices = [numbers("choices", each) for each in choices]
    best = [whole_number("best", each) for each in (best if isinstance(best, Iterable) else [best])]
    if not best:
        raise ValueError("best: expected at least one number, got none")
    device = first_parameter(bare(model)).device
    right = torch.zeros(len(choices), len(best), dtype=torch.int64, device=device)
    parts = split.labels.to(right.device).split(batch_size)
    for number, filters in enumerate(choices):
        with zeroed(model, name, filters, also):
            for logits, y in zip(evaluated(model, split.images, batch_size), parts, strict=True):
                if not 1 <= min(best) <= max(best) <= logits.shape[1]:
                    raise ValueError(f"best: expected 1 to {logits.shape[1]}, the number of classes, got {best}")
                hits = (logits.topk(max(best)).indices == y[:, None]).cumsum(1).sum(0)
                right[number] += hits[torch.tensor(best, device=hits.device) - 1]
    return right.cpu().double() / len(split)


def layer(model: nn.Module, name: str) -> nn.Module:
    """The layer called ``name``, also of a compiled model (ValueError with the closest names if there is none)."""
    return named_layers(model, name, "name")[name]


def _rows(filters: Sequence[int] | Tensor, count: int) -> Tensor:
    rows = numbers("filters", filters)
    rows = rows if rows.numel() else torch.empty(0, dtype=torch.int64)
    if rows.dtype == torch.bool and rows.shape == (count,):
        return rows.nonzero()[:, 0]
    whole = not rows.is_floating_point() and rows.dtype != torch.bool and rows.ndim == 1
    if not whole or (rows.numel() and not 0 <= int(rows.min()) <= int(rows.max()) < count):
        raise ValueError(
            f"filters: expected whole numbers from 0 to {count - 1}, or bool of shape ({count},), got {filters}"
        )
    return rows.long()
