"""Rows of on and off, checked and counted; as words of 64 bits, equal words for equal rows."""

from functools import lru_cache

import torch
from torch import Tensor

from layerlib._asking import Asking


def classes_of(active: Tensor, labels: Tensor, classes: int | None) -> int:
    """C, by default the largest label + 1; ValueError unless patterns are boolean, with a class for each."""
    if active.dtype != torch.bool:
        raise ValueError(f"active: expected boolean patterns (z > 0), got {active.dtype}")
    if active.ndim < 2 or active.numel() == 0:
        raise ValueError(f"active: expected shape (N, nodes) or (..., N, nodes), not empty, got {tuple(active.shape)}")
    if labels.dtype != torch.int64 or labels.shape != active.shape[-2:-1]:
        raise ValueError(
            f"labels: expected int64 of shape ({active.shape[-2]},), one label per row of active, "
            f"got {labels.dtype} {tuple(labels.shape)}"
        )
    largest = int(labels.max())
    classes = largest + 1 if classes is None else classes
    if int(labels.min()) < 0 or largest >= classes:
        raise ValueError(f"labels: expected classes 0 to {classes - 1}, got {int(labels.min())} to {largest}")
    return classes


def on_counts(active: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """How many samples of each class switch each node on, float64 (..., C, nodes), and how many there are, (C,)."""
    member = torch.nn.functional.one_hot(labels.to(active.device), classes).T.float()
    # a float32 sum of ones is exact up to 2^24 samples of one class
    return (member @ as_bytes(active).float()).double(), member.sum(1).double()


def as_bytes(active: Tensor) -> Tensor:
    """0 or 1 for each entry: a tensor viewed as bool may hold other bytes, which count as on."""
    whole = active.view(torch.uint8)
    if whole.device.type == "cpu" and whole.numel() and int(whole.max()) <= 1:
        return whole  # to look is quicker than to write; a GPU would have to wait for the answer
    return (whole > 0).view(torch.uint8)


def pack(active: Tensor) -> Tensor:
    """Patterns (..., nodes) as int64 words (..., ceil(nodes / 64)): equal words, equal patterns."""
    nodes = active.shape[-1]
    padded = torch.nn.functional.pad(as_bytes(active), (0, -nodes % 64))
    eights = padded.flatten().view(torch.int64)  # flat, since a single pattern may have any stride
    # eight bytes of 0 or 1 times this constant: their bits meet, in order, in the top byte, and uint8 keeps 8 bits
    words = ((eights * 0x0102040810204080) >> 56).to(torch.uint8).view(torch.int64)
    return words.view(*padded.shape[:-1], padded.shape[-1] // 64)


def distinct(rows: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct rows of ``rows``, int64 (N, W), and the sums of their ``counts``, int64 (N,)."""
    hashes, order = _mix(rows).sort()
    rows, totals = rows[order], counts[order].cumsum(0)
    differs = (rows[1:] != rows[:-1]).any(1)
    # two patterns of one hash could alternate in the sorted order: then group them the slow way
    if not torch.equal(differs, hashes[1:] != hashes[:-1]):
        kinds, group = rows.unique(dim=0, return_inverse=True)
        return kinds, torch.zeros_like(counts[: len(kinds)]).index_add_(0, group, counts[order])
    last = torch.cat([differs.nonzero()[:, 0], differs.new_full((1,), len(rows) - 1, dtype=torch.int64)])
    return rows[last], totals[last].diff(prepend=totals.new_zeros(1))


def ordered(rows: Tensor) -> Asking[tuple[Tensor, Tensor]]:
    """An order in which equal rows of ``rows``, int64 (N, W), follow one another, and the last of each kind in it.

    It is the order of ``distinct``. A mask, bool (N,), tells the last ones: how many they are, only the device knows.
    """
    hashes, order = _mix(rows).sort()
    last = _last(rows[order])
    [sure] = yield (last[:-1] == (hashes[1:] != hashes[:-1])).all()
    if not sure:  # as in distinct
        order = rows.unique(dim=0, return_inverse=True)[1].argsort()
        last = _last(rows[order])
    return order, last


def _last(rows: Tensor) -> Tensor:
    """Which rows, int64 (N, W), are unlike the next one."""
    return torch.nn.functional.pad((rows[1:] != rows[:-1]).any(1), (0, 1), value=True)


def _mix(words: Tensor) -> Tensor:
    """A 64-bit hash of each row: multiply and add with fixed random odd numbers, wrapping around."""
    odd = _odd(words.shape[1], words.device)
    mixed = (words ^ (words >> 29)) * odd
    return (mixed ^ (mixed >> 32)).mul(odd.flip(0)).sum(1)


@lru_cache(maxsize=64)
def _odd(count: int, device: torch.device) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(-(2**63), 2**63 - 1, (count,), generator=generator).to(device) | 1
