"""Gaussian kernel density estimates of every node and class of a layer, from histograms.

Three steps, each batched over nodes and classes: moments and ranges (:class:`Moments`), linear-binned histograms
on a grid per node and class (:class:`Histograms`), and a table of log densities on one grid per node, convolved
by FFT and read by linear interpolation (:class:`LogDensities`). The first two are fed batch by batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

BINS_PER_BANDWIDTH = 4
ROWS_PER_BANDWIDTH = 6
MIN_BINS = 512
# The grid reaches this many bandwidths beyond the samples: there the kernel is at exp(-32), below the floor.
MARGIN = 8.0
# Rounding in the FFT is 36 nats below the highest density.
FLOOR_NATS = 30.0
NARROWEST_OF_NODE = 1e-4
NARROWEST_OF_RANGE = 1 / 4096
CELLS = 128
_CACHED_VALUES = 1 << 17


def row_blocks(*tensors: Tensor, width: int) -> Iterator[tuple[Tensor, ...]]:
    """Views of the same rows of each tensor: on a CPU so few that ``width`` values a row stay in the cache."""
    values = _CACHED_VALUES if tensors[0].device.type == "cpu" else _CACHED_VALUES << 6
    return zip(*(tensor.split(max(1, values // width)) for tensor in tensors), strict=True)


def is_on(z: Tensor) -> Tensor:
    """1 where z > 0, else 0, in the type of z."""
    return torch.gt(z, 0, out=torch.empty_like(z))


def pick(values: Tensor, index: Tensor) -> Tensor:
    """``values[index]`` for one axis of values, which indexing does several times slower."""
    return values.index_select(0, index.flatten()).view_as(index)


class Moments:
    """Sample counts, on counts, spread and range per node and class, batch by batch.

    Parameters
    ----------
    nodes, classes : int
    device : device of the values that will come

    Attributes
    ----------
    count : float64, shape (C,), samples of each class
    on : float64, shape (nodes, C), samples of each class with z > 0
    low, high : float64, shape (nodes, C), smallest and largest value; inf and -inf without samples
    """

    def __init__(self, nodes: int, classes: int, device: torch.device | str = "cpu") -> None:
        self.nodes, self.classes = nodes, classes
        zeros = torch.zeros(nodes, classes, dtype=torch.float64, device=device)
        self.count = zeros[0].clone()
        self.on, self.mean, self._squares = zeros.clone(), zeros.clone(), zeros.clone()
        self.low, self.high = zeros + math.inf, zeros - math.inf

    def update(self, z: Tensor, labels: Tensor) -> None:
        """Add a batch: z float, shape (N, nodes); labels int64, shape (N,)."""
        low = z.new_full((self.classes, self.nodes), math.inf)
        high = -low
        for z_block, label_block in row_blocks(z, labels, width=self.nodes):
            rows = label_block[:, None].expand_as(z_block)
            low.scatter_reduce_(0, rows, z_block, "amin")
            high.scatter_reduce_(0, rows, z_block, "amax")
            self._merge(z_block, label_block, rows)
        self.low = torch.minimum(self.low, low.T)
        self.high = torch.maximum(self.high, high.T)

    def _merge(self, z: Tensor, labels: Tensor, rows: Tensor) -> None:
        """Chan's update: squares are taken around the block's own means, so nothing cancels."""
        zeros = z.new_zeros(self.classes, self.nodes)
        count = torch.bincount(labels, minlength=self.classes).double()
        mean = zeros.scatter_add(0, rows, z) / count.to(z).clamp(min=1)[:, None]
        squares = zeros.scatter_add(0, rows, (z - mean.index_select(0, labels)).square_())
        self.on += zeros.scatter_add(0, rows, is_on(z)).T
        total = (self.count + count).clamp(min=1)
        difference = mean.T - self.mean
        self._squares += squares.T + difference.square() * (self.count * count / total)
        self.mean += difference * (count / total)
        self.count += count

    @property
    def finite(self) -> bool:
        """Whether every value so far, and its square, was finite."""
        return bool(self._squares.isfinite().all())

    @property
    def std(self) -> Tensor:
        """Standard deviation (ddof=1), float64, shape (nodes, C); the node's own for a class with one sample."""
        own = (self._squares / (self.count - 1).clamp(min=1)).sqrt()
        # The mean of equal float32 values is rounded, and then they seem to differ.
        own = own.where(self.low < self.high, 0)
        return torch.where(self.count > 1, own, self._node_std[:, None])

    @property
    def _node_std(self) -> Tensor:
        total = self.count.sum()
        centre = (self.mean * self.count).sum(1, keepdim=True) / total
        squares = self._squares + self.count * (self.mean - centre).square()
        return (squares.sum(1) / (total - 1).clamp(min=1)).sqrt()

    def bandwidth(self, rule: str | float | Tensor, dtype: torch.dtype) -> Tensor:
        """Bandwidth per node and class, float64, shape (nodes, C), as :meth:`NodeClassifiers.fit` describes it."""
        if isinstance(rule, str):
            factors = {"scott": 1.0, "silverman": 0.75}
            if rule not in factors:
                raise ValueError(f'bandwidth: expected "scott", "silverman", a number or a tensor, got "{rule}"')
            wanted = self.std * (factors[rule] * self.count.clamp(min=1)) ** -0.2
        else:
            wanted = torch.as_tensor(rule, dtype=torch.float64, device=self.count.device)
            if not bool((wanted.isfinite() & (wanted > 0)).all()):
                raise ValueError(f"bandwidth: expected finite values > 0, got {rule}")
            shape = (self.nodes, self.classes)
            try:
                wanted = wanted.broadcast_to(shape)
            except RuntimeError:
                raise ValueError(f"bandwidth: expected a shape that broadcasts to (nodes, classes) = {shape}, "
                                 f"got {tuple(wanted.shape)}") from None
        return torch.maximum(wanted, self._narrowest(dtype))

    def _narrowest(self, dtype: torch.dtype) -> Tensor:
        largest = torch.maximum(self.low.abs(), self.high.abs()).nan_to_num(posinf=0).amax(1)
        node = torch.maximum(NARROWEST_OF_NODE * self._node_std, 8 * torch.finfo(dtype).eps * largest)
        node = torch.where(node > 0, node, 1e-6)
        extent = (self.high - self.low).clamp(min=0)
        return torch.maximum(node[:, None], NARROWEST_OF_RANGE * extent)


class Histograms:
    """Linear-binned histograms on one grid per node and class, batch by batch.

    Parameters
    ----------
    low, high : float64, shape (nodes, C), range of the values that will come; inf and -inf for none
    bandwidth : float64, shape (nodes, C)
    dtype : of the values; float32 counts up to 16 million samples a bin

    Attributes
    ----------
    counts : shape (nodes, C, bins)
    origin, spacing : float64, shape (nodes, C), first grid point and distance between two
    """

    def __init__(self, low: Tensor, high: Tensor, bandwidth: Tensor, dtype: torch.dtype) -> None:
        empty = low > high
        low = torch.where(empty, low.amin(1, keepdim=True), low)
        high = torch.where(empty, low, high)
        self.low, self.high, self.bandwidth = low, high, bandwidth
        self.origin = low - MARGIN * bandwidth
        extent = high - low + 2 * MARGIN * bandwidth
        needed = math.ceil(float((extent / bandwidth).max()) * BINS_PER_BANDWIDTH) + 1
        # The FFT is fast for lengths with small factors.
        bins = max(MIN_BINS, -(-needed // 64) * 64)
        self.spacing = extent / (bins - 1)
        self.counts = low.new_zeros(*low.shape, bins, dtype=dtype)
        # Sharing a sample between its two neighbours adds spacing²/6 of variance, on average.
        self.added_variance = self.spacing.square() / 6

    def update(self, z: Tensor, labels: Tensor) -> None:
        """Add a batch: z float, shape (N, nodes); labels int64, shape (N,)."""
        nodes, classes, bins = self.counts.shape
        origin, scale = self.origin.T.to(z), self.spacing.reciprocal().T.to(z)
        first = torch.arange(0, nodes * classes * bins, bins, device=z.device).view(nodes, classes).T.contiguous()
        shift = -origin * scale
        for z_block, label_block in row_blocks(z, labels, width=nodes):
            position = torch.addcmul(shift.index_select(0, label_block), z_block, scale.index_select(0, label_block))
            self._share(position, first.index_select(0, label_block))

    def _share(self, position: Tensor, first: Tensor, amount: Tensor | None = None) -> None:
        position.clamp_(0, self.counts.shape[2] - 1.5)
        left = position.long().add_(first).flatten()
        right_share = position.frac_().flatten()
        counts = self.counts.view(-1)
        if amount is None:
            counts.scatter_add_(0, left, 1 - right_share)
        else:
            right_share *= amount
            counts.scatter_add_(0, left, amount - right_share)
        counts.scatter_add_(0, left.add_(1), right_share)

    def rebinned(self, bandwidth: Tensor) -> Histograms:
        """The same samples on the grids that another bandwidth asks for, from the bins alone."""
        bins_each = float((bandwidth / self.spacing).min())
        if bins_each < 2:
            raise ValueError(f"bandwidth: expected at least 2 bins of the histograms at every node and class, "
                             f"got {bins_each:.2g} at one: fit with the narrowest bandwidth first")
        new = Histograms(self.low, self.high, bandwidth, self.counts.dtype)
        bins, new_bins = self.counts.shape[2], new.counts.shape[2]
        grid = torch.arange(bins, dtype=torch.float64, device=bandwidth.device)
        position = self.origin[..., None] + self.spacing[..., None] * grid
        position = ((position - new.origin[..., None]) / new.spacing[..., None]).to(self.counts)
        first = torch.arange(0, new.counts.numel(), new_bins, device=bandwidth.device)
        new._share(position, first.view(*bandwidth.shape, 1), self.counts.flatten())
        new.added_variance = new.added_variance + self.added_variance
        return new

    def density(self, nodes: slice = slice(None)) -> Tensor:
        """Gaussian kernel density at the grid points, float64, shape (nodes, C, bins); 0 without samples."""
        counts, bins = self.counts[nodes].double(), self.counts.shape[2]
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
        nodes, classes, bins = histograms.counts.shape
        step = max(1, _CACHED_VALUES // (classes * bins))
        tables, starts, parts = [], [], []
        self._low = histograms.origin.amin(1)
        extent = histograms.spacing * (bins - 1)
        self._cell = ((histograms.origin + extent).amax(1) - self._low) / CELLS
        for begin in range(0, nodes, step):
            block = slice(begin, begin + step)
            start, part, cell, inside = self._divide(histograms, block)
            tables.append(self._tabulate(histograms, block, cell, inside, dtype))
            starts.append(start + sum(map(len, tables[:-1])))
            parts.append(part)
        self.table = torch.cat(tables)
        self._start, self._parts = torch.cat(starts).flatten(), torch.cat(parts).flatten().to(dtype)
        self._low, self._scale = self._low.to(dtype), self._cell.reciprocal().to(dtype)
        self._first = torch.arange(0, nodes * CELLS, CELLS, device=self.table.device)

    def _divide(self, histograms: Histograms, block: slice) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """First row and number of parts of each cell; cell and place inside it of each row."""
        low, cell = self._low[block, None], self._cell[block, None]
        origin = histograms.origin[block]
        extent = histograms.spacing[block] * (histograms.counts.shape[2] - 1)
        numbers = torch.arange(CELLS, device=low.device)
        seen = (numbers >= ((origin - low) / cell).floor()[..., None]) & (
            numbers <= ((origin + extent - low) / cell)[..., None])
        wanted = ROWS_PER_BANDWIDTH * cell / histograms.bandwidth[block]
        parts = (seen * wanted[..., None]).amax(1).ceil().clamp(min=1).long()
        rows = parts.clone()
        rows[:, -1] += 1
        start = (rows.flatten().cumsum(0) - rows.flatten()).view_as(rows)
        cells = torch.arange(rows.numel(), device=low.device).repeat_interleave(rows.flatten())
        place = torch.arange(len(cells), device=low.device) - start.flatten()[cells]
        return start, parts, cells, place / parts.flatten()[cells]

    def _tabulate(self, histograms: Histograms, block: slice, cell: Tensor, inside: Tensor,
                  dtype: torch.dtype) -> Tensor:
        density = histograms.density(block)
        _, classes, bins = density.shape
        highest = density.amax((1, 2), keepdim=True)
        log_density = density.clamp_(min=highest * math.exp(-FLOOR_NATS)).to(dtype).log_().flatten()
        node = cell // CELLS
        point = self._low[block][node] + self._cell[block][node] * (cell % CELLS + inside)
        position = point[:, None] - histograms.origin[block].index_select(0, node)
        position /= histograms.spacing[block].index_select(0, node)
        left = position.clamp_(0, bins - 1.5).long()
        left += (node[:, None] * classes + torch.arange(classes, device=node.device)) * bins
        return torch.lerp(pick(log_density, left), pick(log_density, left.add_(1)), position.frac_().to(dtype))

    def locate(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The two table rows around each value, int64, and their weights; both shape (N, 2, nodes)."""
        place = (z - self._low).mul_(self._scale).clamp_(0, CELLS - CELLS * 2**-22)
        cell = place.long().add_(self._first)
        place.frac_().mul_(pick(self._parts, cell))
        row = pick(self._start, cell).add_(place.long())
        rows = row.new_empty(len(z), 2, z.shape[1])
        weights = z.new_empty(rows.shape)
        rows[:, 0] = row
        torch.add(row, 1, out=rows[:, 1])
        weights[:, 1] = place.frac_()
        torch.sub(1, weights[:, 1], out=weights[:, 0])
        return rows, weights

    def sum(self, rows: Tensor, weights: Tensor) -> Tensor:
        """Log densities summed over the nodes, shape (N, C)."""
        return torch.nn.functional.embedding_bag(rows.flatten(1), self.table, mode="sum",
                                                 per_sample_weights=weights.flatten(1))

    def at(self, z: Tensor) -> Tensor:
        """Log density of each value under each class, shape (N, nodes, C)."""
        rows, weights = self.locate(z)
        return torch.lerp(self.table[rows[:, 0]], self.table[rows[:, 1]], weights[:, 1, :, None])
