"""Log densities of every node and class of a layer in one table, read by linear interpolation."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from layerlib._asking import Asking
from layerlib.nodes._histograms import Histograms, TooLarge
from layerlib.nodes._moments import CACHED_VALUES, row_blocks

ROWS_PER_BANDWIDTH = 6
# Rounding in the FFT is 36 nats below the highest density.
FLOOR_NATS = 30.0
CELLS = 128


def pick(values: Tensor, index: Tensor) -> Tensor:
    """``values[index]`` for one axis of values, which indexing does several times slower."""
    return values.index_select(0, index.flatten()).view_as(index)


class LogDensities:
    """Log densities of all nodes and classes in one table, read by linear interpolation.

    The classes of a node share its grid: `CELLS` equal cells, each divided as finely as the narrowest bandwidth
    of the classes seen there asks for. A log density is at least `FLOOR_NATS` below the node's highest one over
    all classes; the floor is one per node, so a value far from every class speaks for none.

    Parameters
    ----------
    low, cell : float64, shape (nodes,), where the grid of a node begins, and how wide its cells are
    start : int64, shape (nodes * CELLS,), the first row of each cell in a table that has all rows
    parts : int64, shape (nodes, CELLS), of each cell
    dtype : of the table and of what is read from it

    Attributes
    ----------
    table : shape (rows, C), the rows of one node after those of another
    """

    def __init__(self, low: Tensor, cell: Tensor, start: Tensor, parts: Tensor, dtype: torch.dtype) -> None:
        self._low, self._scale = low.to(dtype), cell.reciprocal().to(dtype)
        self._start, self._parts = start.int(), parts.flatten().to(dtype)
        self._first = torch.arange(0, parts.numel(), CELLS, dtype=torch.int32, device=low.device)
        self._number: Tensor | None = None
        self.table = low.new_empty(0, 0, dtype=dtype)

    @classmethod
    def of(
        cls, histograms: Histograms, dtype: torch.dtype, values: Tensor | None = None, memory: float = math.inf
    ) -> Asking[LogDensities]:
        """The densities that histograms tell.

        Parameters
        ----------
        values : shape (N, nodes); where they are given, the table has the rows around these alone
        memory : bytes of the table

        Raises
        ------
        TooLarge
            if several nodes together need more than ``memory``
        """
        (nodes, classes), bins = histograms.origin.shape, histograms.bins
        low = histograms.origin.amin(1)
        cell = ((histograms.origin + histograms.spacing * (bins - 1)).amax(1) - low) / CELLS
        step = max(1, CACHED_VALUES // (classes * CELLS))
        blocks = [slice(begin, begin + step) for begin in range(0, nodes, step)]
        parts = torch.cat([cls._divide(histograms, low[block], cell[block], block) for block in blocks])
        rows = parts.clone()
        rows[:, -1] += 1
        end = rows.flatten().cumsum(0)
        start = end - rows.flatten()
        new = cls(low, cell, start, parts, dtype)
        [count] = yield end[-1]
        if values is None:
            wanted = torch.arange(int(count), device=low.device)
            cells = torch.arange(len(start), device=low.device)
            of_row = cells.repeat_interleave(rows.flatten(), output_size=int(count))
        else:
            wanted = yield from new._around(values, int(count))
            of_row = torch.searchsorted(start, wanted, right=True).sub_(1)
        if nodes > 1 and len(wanted) * classes * dtype.itemsize > memory:
            raise TooLarge
        new.table = low.new_empty(len(wanted), classes, dtype=dtype)
        node = of_row // CELLS
        point = pick((low[:, None] + cell[:, None] * torch.arange(CELLS, device=low.device)).flatten(), of_row)
        point += pick((cell[:, None] / parts).flatten(), of_row) * (wanted - pick(start, of_row))
        step = max(1, CACHED_VALUES // (classes * bins))
        ends = [len(wanted)]
        if marks := [*range(step, nodes, step)]:
            found = yield torch.searchsorted(node, torch.tensor(marks).to(node.device, non_blocking=True))
            ends = [*map(int, found), *ends]
        for begin, first, last in zip(range(0, nodes, step), [0, *ends], ends, strict=False):
            block, here = slice(begin, begin + step), slice(first, last)
            cls._tabulate(histograms, block, node[here] - begin, point[here], new.table[here])
        return new

    def _around(self, values: Tensor, count: int) -> Asking[Tensor]:
        """Those of ``count`` rows between which values lie; from now on rows are numbered among these."""
        self._number = torch.zeros(count, dtype=torch.int32, device=values.device)
        for (some,) in row_blocks(values, width=values.shape[1]):
            self._number.index_fill_(0, self.locate(some, numbered=False)[0].flatten().long(), 1)
        there = self._number.bool()
        self._number.cumsum_(0).sub_(1)
        [last] = yield self._number[-1]
        # as nonzero would, without waiting to hear how many there are: the other rows go to one place more
        wanted = torch.empty(int(last) + 2, dtype=torch.int64, device=values.device)
        begin = 0
        for number, is_there in row_blocks(self._number, there, width=1):
            place = number.where(is_there, int(last) + 1).long()
            wanted.scatter_(0, place, torch.arange(begin, begin + len(place), device=values.device))
            begin += len(place)
        return wanted[:-1]

    @staticmethod
    def _divide(histograms: Histograms, low: Tensor, cell: Tensor, block: slice) -> Tensor:
        """Number of parts of each cell, (nodes, CELLS)."""
        low, cell, origin = low[:, None], cell[:, None], histograms.origin[block]
        extent = histograms.spacing[block] * (histograms.bins - 1)
        numbers = torch.arange(CELLS, device=low.device)
        seen = (numbers >= ((origin - low) / cell).floor()[..., None]) & (
            numbers <= ((origin + extent - low) / cell)[..., None]
        )
        wanted = ROWS_PER_BANDWIDTH * histograms.resolution * cell / histograms.bandwidth[block]
        return (seen * wanted[..., None]).amax(1).ceil().clamp(min=1).long()

    @staticmethod
    def _tabulate(histograms: Histograms, block: slice, node: Tensor, point: Tensor, out: Tensor) -> None:
        density = histograms.density(block)
        classes, bins = density.shape[1:]
        highest = density.amax((1, 2), keepdim=True)
        log_density = density.clamp_(min=highest * math.exp(-FLOOR_NATS)).log_().flatten()
        # a class at a time, whose values lie together
        narrow = torch.int32 if log_density.numel() < 2**31 else torch.int64
        first = torch.arange(0, log_density.numel(), bins, dtype=narrow, device=node.device).view(-1, classes)
        grids = [part.T.contiguous() for part in (histograms.origin[block], histograms.spacing[block], first)]
        for some, value, rows in row_blocks(node, point, out, width=classes):
            # a grid that all have in common is not copied for each
            some = some.expand(classes, -1)
            origin, spacing, start = grids if len(first) == 1 else (part.gather(1, some) for part in grids)
            position = (value - origin).div_(spacing)
            left = position.clamp_(0, bins - 1.5).to(narrow).add_(start)
            rows.copy_(torch.lerp(pick(log_density, left), pick(log_density, left.add_(1)), position.frac_()).T)

    def locate(self, z: Tensor, numbered: bool = True) -> tuple[Tensor, Tensor]:
        """The two table rows around each value, int32, and their weights; both shape (N, 2, nodes).

        Not ``numbered``, the rows are those of a table that has all of them.
        """
        place = (z - self._low).mul_(self._scale).clamp_(0, CELLS - CELLS * 2**-22)
        cell = place.int().add_(self._first)
        place.frac_().mul_(pick(self._parts, cell))
        row = pick(self._start, cell).add_(place.int())
        rows = row.new_empty(len(z), 2, z.shape[1])
        weights = z.new_empty(rows.shape)
        rows[:, 0] = row
        torch.add(row, 1, out=rows[:, 1])
        if numbered and self._number is not None:
            rows = pick(self._number, rows)
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
