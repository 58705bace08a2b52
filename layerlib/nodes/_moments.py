"""Sample counts, spread and range per node and class of a layer, batch by batch: what bandwidths are made of."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from layerlib._tensors import as_tensor

CACHED_VALUES = 1 << 17
NARROWEST_OF_NODE = 1e-4
NARROWEST_OF_RANGE = 1 / 4096


def row_blocks(*tensors: Tensor, width: int) -> Iterator[tuple[Tensor, ...]]:
    """Views of the same rows of each tensor: on a CPU so few that ``width`` values a row stay in the cache."""
    values = CACHED_VALUES if tensors[0].device.type == "cpu" else CACHED_VALUES << 6
    return zip(*(tensor.split(max(1, values // width)) for tensor in tensors), strict=True)


def is_on(z: Tensor) -> Tensor:
    """1 where z > 0, else 0, in the type of z."""
    return torch.gt(z, 0, out=torch.empty_like(z))


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
        count = self.count.new_zeros(self.classes).index_add_(0, labels, self.count.new_ones(len(labels)))
        mean = zeros.scatter_add(0, rows, z) / count.to(z).clamp(min=1)[:, None]
        squares = zeros.scatter_add(0, rows, (z - mean.index_select(0, labels)).square_())
        self.on += zeros.scatter_add(0, rows, is_on(z)).T
        total = (self.count + count).clamp(min=1)
        difference = mean.T - self.mean
        self._squares += squares.T + difference.square() * (self.count * count / total)
        self.mean += difference * (count / total)
        self.count += count

    @property
    def finite(self) -> Tensor:
        """Whether every value so far, and its square, was finite: bool, shape ()."""
        return self._squares.isfinite().all()

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

    def beyond(self, bandwidth: Tensor, limit: float) -> Tensor:
        """Whether a bandwidth is above this limit, or all values of a node that has several below its inverse."""
        largest = torch.maximum(self.high.amax(1), -self.low.amin(1))
        several = self.high.amax(1) > self.low.amin(1)
        return (bandwidth > limit).any() | (several & (largest < 1 / limit)).any()

    def bandwidth(self, rule: str | float | Tensor, dtype: torch.dtype) -> Tensor:
        """Bandwidth per node and class, float64, shape (nodes, C), as :meth:`NodeClassifiers.fit` describes it."""
        if isinstance(rule, str):
            factors = {"scott": 1.0, "silverman": 0.75}
            if rule not in factors:
                raise ValueError(f'bandwidth: expected "scott", "silverman", a number or a tensor, got "{rule}"')
            wanted = self.std * (factors[rule] * self.count.clamp(min=1)) ** -0.2
        else:
            if isinstance(rule, bool):
                raise ValueError(f"bandwidth: expected a number, got {rule}")
            wanted = as_tensor("bandwidth", rule, torch.float64).to(self.count.device)
            if not bool((wanted.isfinite() & (wanted > 0)).all()):
                raise ValueError(f"bandwidth: expected finite values > 0, got {rule}")
            shape = (self.nodes, self.classes)
            try:
                wanted = wanted.broadcast_to(shape)
            except RuntimeError:
                raise ValueError(
                    f"bandwidth: expected a shape that broadcasts to (nodes, classes) = {shape}, "
                    f"got {tuple(wanted.shape)}"
                ) from None
        return torch.maximum(wanted, self._narrowest(dtype))

    def _narrowest(self, dtype: torch.dtype) -> Tensor:
        largest = torch.maximum(self.low.abs(), self.high.abs()).nan_to_num(posinf=0).amax(1)
        node = torch.maximum(NARROWEST_OF_NODE * self._node_std, 8 * torch.finfo(dtype).eps * largest)
        node = torch.where(node > 0, node, 1e-6)
        extent = (self.high - self.low).clamp(min=0)
        return torch.maximum(node[:, None], NARROWEST_OF_RANGE * extent)
