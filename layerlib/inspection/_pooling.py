"""What is kept of a layer's output for a sample: means over all places, over a grid of them, or every entry."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

READS, POSITIONS = ("mean", "grid", "flat"), ("mean", "first", "last")
CELLS = 4  # along each side of the grid


@dataclass(frozen=True)
class Pooling:
    """How an output (n, channels, places …) becomes one row a sample.

    Attributes
    ----------
    read : "mean" over all places; "grid", means over 4 x 4 stretches of a map or 16 of a row; "flat", every entry
    position : of tokens, all of them ("mean"), or the "first" or "last" one alone
    """

    read: str = "mean"
    position: str = "mean"

    def __call__(self, z: Tensor, tokens: bool, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Means and largest values, (n, features) each; the same tensor where there is one place for each.

        Parameters
        ----------
        tokens : whether the places are those of tokens, in a row
        mask : bool, shape (n, T), the tokens that count; it speaks of rows of as many places
        """
        mask = mask if mask is not None and z.shape[2:] == mask.shape[1:] and not bool(mask.all()) else None
        if z.ndim == 2:
            return z, z
        if tokens and self.position != "mean":
            rows = _one(z, mask, self.position)
            return rows, rows
        if self.read == "flat":
            rows = (z if mask is None else z * mask[:, None]).flatten(1)
            return rows, rows
        if self.read == "grid":
            return _grid(z, mask)
        places = z.flatten(2)
        if mask is None:
            return places.mean(2), places.amax(2)
        kept = mask[:, None]
        return (places * kept).sum(2) / kept.sum(2), places.masked_fill(~kept, -torch.inf).amax(2)


def _one(z: Tensor, mask: Tensor | None, position: str) -> Tensor:
    if mask is None:
        return z[:, :, 0 if position == "first" else -1]
    numbers = torch.arange(mask.shape[1], device=z.device)
    place = numbers.where(mask, mask.shape[1]).amin(1) if position == "first" else numbers.where(mask, -1).amax(1)
    return z.gather(2, place[:, None, None].expand(-1, z.shape[1], 1))[..., 0]


def _grid(z: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    sides = z.shape[2:]
    cells = (
        [min(CELLS**2, sides[0])]
        if len(sides) == 1
        else [1] * (len(sides) - 2) + [min(CELLS, side) for side in sides[-2:]]
    )
    average = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)[len(sides) - 1]
    largest = (F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d)[len(sides) - 1]
    if mask is None:
        return average(z, cells).flatten(1), largest(z, cells).flatten(1)
    kept = mask[:, None]
    share = average(kept.to(z.dtype), cells)
    means = average(z * kept, cells) / share.where(share > 0, 1)
    # a stretch without a token is off
    peaks = largest(z.masked_fill(~kept, -torch.inf), cells)
    return means.flatten(1), peaks.where(share > 0, 0).flatten(1)
