"""Gaussian kernel density estimates of every node and class of a layer, from histograms.

The second of three steps, each batched over nodes and classes: after moments (``_moments``), linear-binned histograms
on a grid per node and class, fed batch by batch and convolved by FFT; then a table of their logs (``_densities``).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from layerlib.nodes._moments import row_blocks

BINS_PER_BANDWIDTH = 4
MIN_BINS = 512
# The grid reaches this many bandwidths beyond the samples: there the kernel is at exp(-32), below the floor.
MARGIN = 8.0
# Nodes that a CPU takes at a time: their histograms stay in the cache.
TOGETHER = 32


class TooLarge(Exception):
    """The nodes have to be taken in parts."""


class Histograms:
    """Linear-binned histograms on one grid per node and class, batch by batch.

    Parameters
    ----------
    low, high : float64, shape (nodes, C), range of the values that will come; inf and -inf for none
    bandwidth : float64, shape (nodes, C)
    dtype : of the values; float32 counts up to 16 million samples a bin
    widest : what `widest` finds, as a number
    resolution : how many times as fine as by default, which also the tables made of them are
    memory : bytes

    Attributes
    ----------
    counts : float64, shape (nodes, C, bins)
    origin, spacing : float64, shape (nodes, C), first grid point and distance between two

    Raises
    ------
    TooLarge
        if several nodes together need more than ``memory``
    """

    def __init__(
        self,
        low: Tensor,
        high: Tensor,
        bandwidth: Tensor,
        dtype: torch.dtype,
        widest: float,
        resolution: int = 1,
        memory: float = math.inf,
    ) -> None:
        self.bandwidth = bandwidth
        self.origin, extent = self._reach(low, high, bandwidth)
        needed = math.ceil(widest * BINS_PER_BANDWIDTH * resolution) + 1
        # The FFT is fast for lengths with small factors.
        bins = max(MIN_BINS * resolution, -(-needed // 64) * 64)
        self.spacing = extent / (bins - 1)
        self.bins, self.resolution = bins, resolution
        if len(low) > 1 and low.numel() * bins * dtype.to_complex().itemsize > memory:
            raise TooLarge
        # One scattered addition for both neighbours of a sample: how many, and the shares of the right ones.
        self._sums = torch.zeros(*low.shape, bins, dtype=dtype.to_complex(), device=low.device)
        # Sharing a sample between its two neighbours adds spacing²/6 of variance, on average.
        self.added_variance = self.spacing.square() / 6

    @staticmethod
    def _reach(low: Tensor, high: Tensor, bandwidth: Tensor) -> tuple[Tensor, Tensor]:
        """First point of each grid, and from there to the last."""
        empty = low > high
        low = torch.where(empty, low.amin(1, keepdim=True), low)
        high = torch.where(empty, low, high)
        return low - MARGIN * bandwidth, high - low + 2 * MARGIN * bandwidth

    @classmethod
    def widest(cls, low: Tensor, high: Tensor, bandwidth: Tensor) -> Tensor:
        """Extent of the widest grid in its bandwidths, float64, shape (); only the device knows it."""
        return (cls._reach(low, high, bandwidth)[1] / bandwidth).max()

    def update(self, z: Tensor, labels: Tensor) -> None:
        """Add a batch: z float, shape (N, nodes); labels int64, shape (N,)."""
        scale = self.spacing.reciprocal().T.to(z)
        shift = -self.origin.T.to(z) * scale
        one, width = z.new_ones(1), TOGETHER if z.device.type == "cpu" else len(self.origin)
        for z_part, *grids in zip(*(part.split(width, 1) for part in (z, shift, scale, self._first.T)), strict=True):
            shift, scale, first = (grid.contiguous() for grid in grids)
            for z_block, label_block in row_blocks(z_part, labels, width=z_part.shape[1]):
                position = shift.index_select(0, label_block).addcmul_(z_block, scale.index_select(0, label_block))
                position.clamp_(0, self.bins - 1.5)
                left = position.to(first.dtype).add_(first.index_select(0, label_block)).long()
                pairs = torch.complex(one, position.frac_())
                self._sums.view(-1).scatter_add_(0, left.flatten(), pairs.flatten())

    @property
    def _first(self) -> Tensor:
        narrow = torch.int32 if self._sums.numel() < 2**31 else torch.int64
        return torch.arange(0, self._sums.numel(), self.bins, dtype=narrow, device=self._sums.device).view_as(
            self.origin
        )

    @property
    def counts(self) -> Tensor:
        """Samples at each grid point, each shared between its two neighbours."""
        return self._counts(slice(None))

    def _counts(self, nodes: slice) -> Tensor:
        all_of_them, right = torch.view_as_real(self._sums[nodes]).double().unbind(-1)
        counts = all_of_them - right
        counts[..., 1:] += right[..., :-1]
        return counts

    @property
    def samples(self) -> Tensor:
        """Samples so far of each class, float64, shape (C,)."""
        return self._sums.real.sum((0, 2), dtype=torch.float64) / len(self.origin)

    def density(self, nodes: slice = slice(None)) -> Tensor:
        """Gaussian kernel density at the grid points, float64, shape (nodes, C, bins); 0 without samples."""
        counts, bins = self._counts(nodes), self.bins
        spacing = self.spacing[nodes]
        variance = (self.bandwidth[nodes].square() - self.added_variance[nodes]) / spacing.square()
        frequency = torch.fft.rfftfreq(bins, dtype=torch.float64, device=counts.device)
        # below -600 exp is three times as slow, and adds nothing that a density above its floor could tell
        kernel = (variance[..., None] * (-0.5 * (2 * math.pi * frequency).square())).clamp_(min=-600).exp_()
        mass = torch.fft.irfft(torch.fft.rfft(counts).mul_(kernel), n=bins)
        total = counts.sum(2).clamp(min=1)
        return mass.div_((total * spacing)[..., None]).clamp_(min=0)
