"""Rows of on and off, checked and counted; as words of 64 bits, equal words for equal rows."""

from functools import lru_cache

import numpy as np
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
    missing = -active.shape[-1] % 64
    padded = torch.nn.functional.pad(active, (0, missing)) if missing else active
    flat = padded.flatten()  # since a single pattern may have any stride
    if flat.device.type == "cpu":  # in one pass, for which whatever is not 0 is on
        words = torch.from_numpy(np.packbits(flat.numpy(), bitorder="little")).view(torch.int64)
    else:
        # eight bytes of 0 or 1 times this constant: their bits meet, in order, in the top byte, and uint8 keeps 8 bits
        eights = as_bytes(flat).view(torch.int64) * 0x0102040810204080
        words = (eights >> 56).to(torch.uint8).view(torch.int64)
    return words.view(*padded.shape[:-1], padded.shape[-1] // 64)


def grouped(active: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Words of the patterns (..., N, nodes), one below the other; the last word of each tells its layer and class."""
    words = pack(active).flatten(0, -3) if active.ndim > 2 else pack(active)[None]
    groups = torch.arange(len(words), device=words.device)[:, None] * classes + labels.to(words.device)
    return torch.cat([words, groups[..., None]], -1).flatten(0, 1)


def distinct(rows: Tensor, counts: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Where one of each kind of ``rows``, int64 (N, W), is, and the sums of their ``counts``, (N,), by default 1."""
    hashes, order = _mix(rows).sort()
    differs = hashes[1:] != hashes[:-1]
    last = torch.cat([differs.nonzero()[:, 0], order.new_full((1,), len(rows) - 1)])
    # two patterns of one hash could alternate in the sorted order: then group them the slow way
    if len(last) < len(rows) and not torch.equal(_differ(rows.index_select(0, order)), differs):
        kinds, group = rows.unique(dim=0, return_inverse=True)
        each = torch.ones_like(group) if counts is None else counts
        some = order.new_empty(len(kinds)).scatter_(0, group, torch.arange(len(rows), device=rows.device))
        return some, torch.zeros_like(some).index_add_(0, group, each)
    totals = last + 1 if counts is None else counts.index_select(0, order).cumsum(0).index_select(0, last)
    return order.index_select(0, last), totals.diff(prepend=totals.new_zeros(1))


def ordered(rows: Tensor) -> Asking[tuple[Tensor, Tensor]]:
    """An order in which equal rows of ``rows``, int64 (N, W), follow one another, and the last of each kind in it.

    It is the order of ``distinct``. A mask, bool (N,), tells the last ones: how many they are, only the device knows.
    """
    hashes, order = _mix(rows).sort()
    differs = _differ(rows.index_select(0, order))
    [sure] = yield (differs == (hashes[1:] != hashes[:-1])).all()
    if not sure:  # as in distinct
        order = rows.unique(dim=0, return_inverse=True)[1].argsort()
        differs = _differ(rows.index_select(0, order))
    return order, torch.nn.functional.pad(differs, (0, 1), value=True)


def _differ(rows: Tensor) -> Tensor:
    """Which rows, int64 (N, W), but for the last, are unlike the next one: bool (N - 1,)."""
    return (rows[1:] != rows[:-1]).any(1)


def _mix(words: Tensor) -> Tensor:
    """A 64-bit hash of each row: multiply and add with fixed random odd numbers, wrapping around."""
    odd = _odd(words.shape[1], words.device)
    mixed = (words >> 29).bitwise_xor_(words).mul_(odd)
    return mixed.bitwise_xor_(mixed >> 32).mul_(odd.flip(0)).sum(1)


@lru_cache(maxsize=64)
def _odd(count: int, device: torch.device) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(-(2**63), 2**63 - 1, (count,), generator=generator).to(device) | 1
