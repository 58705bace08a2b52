"""Samples and labels side by side, for instruments that call a network with one tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from layerlib._tensors import first_parameter
from layerlib.data._source import gather
from layerlib.data.splits import Split


@dataclass(frozen=True)
class Pairs:
    """What a network takes, shape (N, …), in its precision, and labels: a ``Split`` of any kind of samples."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.images)


def pairs(argument: str, data: Any, model: nn.Module) -> Any:
    """A ``Split``, or other images with labels and no items, as it is; of all else that ``gather`` takes, ``Pairs``.

    Raises
    ------
    ValueError
        naming the argument, if it is none of these, or the network is called with more than one tensor
    """
    labelled = all(hasattr(data, name) for name in ("images", "labels"))
    itemless = not any(hasattr(data, name) for name in ("__getitem__", "__iter__"))
    if isinstance(data, Split) or (labelled and itemless):  # items may be other than the images
        return data
    try:
        samples = gather(data, model)
    except ValueError as error:
        raise ValueError(f"{argument}: {str(error).removeprefix('data: ')}") from error
    given = samples.blocks[0].given
    if len(samples.blocks) > 1 or len(given) > 1:
        raise ValueError(
            f"{argument}: expected one tensor of samples of one shape, with labels, got {samples.blocks[0].shape()}"
            f"{' and others' if len(samples.blocks) > 1 else ''}"
        )
    [x] = given.values()
    return Pairs(x.to(first_parameter(model).dtype) if x.is_floating_point() else x, samples.labels)
