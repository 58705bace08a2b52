"""What the batches of a layer bring to its nodes: checked, and gone through twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from layerlib._asking import Asking
from layerlib._checks import kind_of
from layerlib._tensors import floats, numbers
from layerlib.nodes._histograms import Histograms
from layerlib.nodes._moments import Moments


def counted(
    batches: Iterable[tuple[Tensor, Tensor]],
    classes: int,
    bandwidth: str | float | Tensor,
    resolution: int,
    memory: float,
    dtype: torch.dtype | None = None,
    known: bool = False,
) -> Asking[tuple[Moments, Histograms, torch.dtype]]:
    """Moments and histograms of what two passes over the batches bring, and their precision.

    Where it is ``known`` that there are samples, the same in both passes, and that labels are classes, no device is
    kept waiting for that.
    """
    moments = None
    for z, labels in as_they_must_be(batches, classes, None, dtype, known):
        moments = moments or Moments(z.shape[1], classes, z.device)
        moments.update(z, labels)
        found = z.dtype
    if moments is None or not (known or moments.count.sum()):
        raise ValueError("batches, z: expected at least one sample, got none")
    widths = moments.bandwidth(bandwidth, found)
    flags = [moments.finite, moments.beyond(widths, 1e15), moments.beyond(widths, 1e100)]
    widest = Histograms.widest(moments.low, moments.high, widths)
    finite, coarse, huge, widest = yield torch.stack([*(flag.double() for flag in flags), widest])
    if not finite:
        raise ValueError("z: expected finite values with finite squares, got NaN, infinity or larger")
    if found == torch.float32 and coarse:
        return (yield from counted(batches, classes, bandwidth, resolution, memory, torch.float64, known))
    if huge:
        raise ValueError(f"bandwidth: expected at most 1e100, of values not all below 1e-100, got {widths.max():.3g}")
    histograms = Histograms(moments.low, moments.high, widths, found, widest, resolution, memory)
    for z, labels in as_they_must_be(batches, classes, moments.nodes, found, known):
        histograms.update(z, labels)
    if known:
        return moments, histograms, found
    seen = histograms.samples
    if not torch.allclose(seen, moments.count, rtol=1e-5, atol=0.01):
        raise ValueError(
            f"batches: expected the same samples in both passes, got {moments.count.tolist()} "
            f"a class in the first and {[round(n) for n in seen.tolist()]} in the second"
        )
    return moments, histograms, found


def check_batches(batches: object) -> Iterable[tuple[Tensor, Tensor]]:
    if not isinstance(batches, Iterable) or isinstance(batches, str):
        raise ValueError(f"batches: expected an iterable of (z, labels), got {batches!r}")
    if isinstance(batches, Iterator):
        raise ValueError("batches: expected an iterable that can be gone through twice, got an iterator")
    return batches


def check_values(z: Tensor, nodes: int | None) -> Tensor:
    z = floats("z", z)
    if z.ndim != 2 or z.shape[1] == 0 or z.shape[1] != (nodes or z.shape[1]):
        raise ValueError(f"z: expected shape (N, {nodes or 'nodes'}), got {tuple(z.shape)}")
    return z if z.dtype == torch.float64 else z.float()


def check(z: Tensor, labels: Tensor, classes: int, nodes: int | None, known: bool = False) -> tuple[Tensor, Tensor]:
    z = check_values(z, nodes)
    labels = numbers("labels", labels)
    if labels.dtype != torch.int64:
        raise ValueError(f"labels: expected an int64 tensor, got {labels.dtype}")
    if labels.shape != z.shape[:1]:
        raise ValueError(f"labels: expected shape ({len(z)},), got {tuple(labels.shape)}: one label per row of z")
    if not known and len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ValueError(f"labels: expected classes 0 .. {classes - 1}, got {int(labels.min())} .. {int(labels.max())}")
    return z, labels.to(z.device)


def as_they_must_be(
    batches: Iterable[tuple[Tensor, Tensor]],
    classes: int,
    nodes: int | None,
    dtype: torch.dtype | None,
    known: bool = False,
) -> Iterator[tuple[Tensor, Tensor]]:
    for batch in batches:
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            raise ValueError(f"batches: expected pairs (z, labels), got {kind_of(batch)}")
        z, labels = check(*batch, classes, nodes, known)
        nodes = z.shape[1]
        yield z if dtype is None else z.to(dtype), labels
