"""What `inspect` is given, checked before any work: the data, and the weights of an earlier moment."""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from layerlib._checks import kind_of, whole_number
from layerlib.data.splits import Split
from layerlib.layers._names import bare


def split_of(model: nn.Module, split: Split, batch_size: int) -> Split:
    """The split on the device of the network.

    Raises
    ------
    ValueError
        if it is something else or too small, the network has no weights, or ``batch_size`` is no whole number from 1
    """
    if not isinstance(split, Split):
        raise ValueError("split: expected a layerlib.Split of uint8 images and their labels, "
                         f"got {kind_of(split)}")
    parameters = list(model.parameters())
    if not parameters:
        raise ValueError(f"model: expected a network with weights, got {type(model).__name__} without")
    if any(p.is_meta or isinstance(p, UninitializedParameter) for p in parameters):
        raise ValueError("model: expected weights with values, got some without: run its lazy layers once, or load "
                         "weights into those on the meta device")
    if len(split) < 4:
        raise ValueError(f"split: expected at least 4 images, two for each half, got {len(split)}")
    whole_number("batch_size", batch_size)
    return split.to(parameters[0].device)


def earlier_weights(before: nn.Module | Mapping[str, Tensor] | None) -> Mapping[str, Tensor] | None:
    """The ``state_dict`` of a network at an earlier moment, which may be given as such.

    Raises
    ------
    ValueError
        if it is neither
    """
    if before is None or isinstance(before, Mapping):
        return before
    if not isinstance(before, nn.Module):
        raise ValueError("before: expected the network at an earlier moment or its state_dict(), "
                         f"got {kind_of(before)}")
    return bare(before).state_dict()
