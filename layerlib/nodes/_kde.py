"""Gaussian kernel density estimates of every node and class of a layer, from histograms.

Two steps after :class:`layerlib.nodes._moments.Moments`, each batched over nodes and classes: linear-binned histograms
on a grid per node and class (:class:`Histograms`), fed batch by batch, and a table of log densities on one grid per
node, convolved by FFT and read by linear interpolation (:class:`LogDensities`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from layerlib.nodes._moments import CACHED_VALUES, row_blocks

BINS_PER_BANDWIDTH = 4
ROWS_PER_BANDWIDTH = 6
MIN_BINS = 512
# The grid reaches this many bandwidths beyond the samples: there the kernel is at exp(-32), below the floor.
MARGIN = 8.0
# Rounding in the FFT is 36 nats below the highest density.
FLOOR_NATS = 30.0
CELLS = 128


def pick(values: Tensor, index: Tensor) -> Tensor:
    """``values[index]`` for one axis of values, which indexing does several times slower."""
    return values.index_select(0, index.flatten()).view_as(index)


class TooLarge(Exception):
    """The nodes have to be taken in parts."""


class Histograms:
    """Linear-binned histograms on one grid per node and class, batch by batch.

    Parameters
    ----------
    low, high : float64, shape (nodes, C), range of the values that will come; inf and -inf for none
    bandwidth : float64, shape (nodes, C)
    dtype : of the values; float32 counts up to 16 million samples a bin
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
        resolution: int = 1,
        memory: float = math.inf,
    ) -> None:
        empty = low > high
        low = torch.where(empty, low.amin(1, keepdim=True), low)
        high = torch.where(empty, low, high)
        self.bandwidth = bandwidth
        self.origin = low - MARGIN * bandwidth
        extent = high - low + 2 * MARGIN * bandwidth
        needed = math.ceil(float((extent / bandwidth).max()) * BINS_PER_BANDWIDTH * resolution) + 1
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

    def update(self, z: Tensor, labels: Tensor) -> None:
        """Add a batch: z float, shape (N, nodes); labels int64, shape (N,)."""
        nodes = len(self.origin)
        scale = self.spacing.reciprocal().T.to(z)
        shift = -self.origin.T.to(z) * scale
        first, one = self._first.T.contiguous(), z.new_ones(1)
        for z_block, label_block in row_blocks(z, labels, width=nodes):
            position = torch.addcmul(shift.index_select(0, label_block), z_block, scale.index_select(0, label_block))
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
        variance = (self.bandwidth.square() - self.added_variance)[nodes] / spacing.square()
        frequency = torch.fft.rfftfreq(bins, dtype=torch.float64, device=counts.device)
        kernel = (variance[..., None] * (-0.5 * (2 * math.pi * frequency).square())).exp_()
        mass = torch.fft.irfft(torch.fft.rfft(counts).mul_(kernel), n=bins)
        total = counts.sum(2).clamp(min=1)
        return mass.div_((total * spacing)[..., None]).clamp_(min=0)


class LogDensities:
    """Log densities of all nodes and classes in one table, read by linear interpolation.

    The classes of a node share its grid: `CELLS` equal cells, each divided as finely as the narrowest bandwidth
    of the classes seen there asks for. A log density is at least `FLOOR_NATS` below the node's highest one over
    all classes; the floor is one per node, so a value far from every class speaks for none.

    Parameters
    ----------
    histograms : Histograms
    dtype : of the table and of what is read from it

    Attributes
    ----------
    table : shape (rows, C), the rows of one node after those of another
    """

    def __init__(self, histograms: Histograms, dtype: torch.dtype) -> None:
        (nodes, classes), bins = histograms.origin.shape, histograms.bins
        step = max(1, CACHED_VALUES // (classes * bins))
        tables, starts, parts = [], [], []
        self._low = histograms.origin.amin(1)
        extent = histograms.spacing * (bins - 1)
        self._cell = ((histograms.origin + extent).amax(1) - self._low) / CELLS
        for begin in range(0, nodes, step):
            block = slice(begin, begin + step)
            start, part, node, point = self._divide(histograms, block)
            tables.append(
                self._tabulate(
                    histograms.density(block), histograms.origin[block], histograms.spacing[block], node, point
                ).to(dtype)
            )
            starts.append(start + sum(map(len, tables[:-1])))
            parts.append(part)
        self.table = torch.cat(tables)
        self._start, self._parts = torch.cat(starts).flatten().int(), torch.cat(parts).flatten().to(dtype)
        self._low, self._scale = self._low.to(dtype), self._cell.reciprocal().to(dtype)
        self._first = torch.arange(0, nodes * CELLS, CELLS, dtype=torch.int32, device=self.table.device)

    def _divide(self, histograms: Histograms, block: slice) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """First row and number of parts of each cell; node and value of each row."""
        low, cell = self._low[block, None], self._cell[block, None]
        origin = histograms.origin[block]
        extent = histograms.spacing[block] * (histograms.bins - 1)
        numbers = torch.arange(CELLS, device=low.device)
        seen = (numbers >= ((origin - low) / cell).floor()[..., None]) & (
            numbers <= ((origin + extent - low) / cell)[..., None]
        )
        wanted = ROWS_PER_BANDWIDTH * histograms.resolution * cell / histograms.bandwidth[block]
        parts = (seen * wanted[..., None]).amax(1).ceil().clamp(min=1).long()
        rows = parts.clone()
        rows[:, -1] += 1
        start = (rows.flatten().cumsum(0) - rows.flatten()).view_as(rows)
        of_row = torch.arange(rows.numel(), device=low.device).repeat_interleave(rows.flatten())
        place = torch.arange(len(of_row), device=low.device) - pick(start.flatten(), of_row)
        point = pick((low + cell * numbers).flatten(), of_row) + pick((cell / parts).flatten(), of_row) * place
        node = torch.arange(len(rows), device=low.device).repeat_interleave(rows.sum(1))
        return start, parts, node, point

    @staticmethod
    def _tabulate(density: Tensor, origin: Tensor, spacing: Tensor, node: Tensor, point: Tensor) -> Tensor:
        classes, bins = density.shape[1:]
        highest = density.amax((1, 2), keepdim=True)
        log_density = density.clamp_(min=highest * math.exp(-FLOOR_NATS)).log_().flatten()
        position = (point[:, None] - origin.index_select(0, node)).div_(spacing.index_select(0, node))
        left = position.clamp_(0, bins - 1.5).long()
        left += (node[:, None] * classes + torch.arange(classes, device=node.device)) * bins
        return torch.lerp(pick(log_density, left), pick(log_density, left.add_(1)), position.frac_())

    def locate(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The two table rows around each value, int32, and their weights; both shape (N, 2, nodes)."""
        place = (z - self._low).mul_(self._scale).clamp_(0, CELLS - CELLS * 2**-22)
        cell = place.int().add_(self._first)
        place.frac_().mul_(pick(self._parts, cell))
        row = pick(self._start, cell).add_(place.int())
        rows = row.new_empty(len(z), 2, z.shape[1])
        weights = z.new_empty(rows.shape)
        rows[:, 0] = row
        torch.add(row, 1, out=rows[:, 1])
        weights[:, 1] = place.frac_()
        torch.sub(1, weights[:, 1], out=weights[:, 0])
        return rows, weights

    def sum(self, rows: Tensor, weights: Tensor) -> Tensor:
        """Log densities summed over the nodes, shape (N, C)."""
        return torch.nn.functional.embedding_bag(
            rows.flatten(1), self.table, mode="sum", per_sample_weights=weights.flatten(1)
        )

    def at(self, z: Tensor) -> Tensor:
        """Log density of each value under each class, shape (N, nodes, C)."""
        rows, weights = self.locate(z)
        return torch.lerp(self.table[rows[:, 0]], self.table[rows[:, 1]], weights[:, 1, :, None])
