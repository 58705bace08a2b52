"""Patterns of on and off, checked and counted; as words of 64 bits, equal words for equal patterns."""

import math
from functools import lru_cache
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from layerlib._asking import Asking

Words = TypeVar("Words", Tensor, np.ndarray)

CACHED = 1 << 16  # words that a CPU hashes at a time
PLACES = 20  # bits of a hash given up for its place: of a million patterns two that differ agree in the rest 1 in 30


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


def grouped(active: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Patterns (..., N, nodes) as words, int64 (words + 1, patterns); the last one tells the layer and the class.

    Equal words, equal patterns of one layer and class. They lie one below the other, so that what is done to each of
    them runs along the patterns.
    """
    nodes = active.shape[-1]
    flat = active.flatten()  # since a single pattern may have any stride
    words = torch.empty(-(-nodes // 64) + 1, len(flat) // nodes, dtype=torch.int64, device=flat.device)
    if flat.is_cpu:
        _pack(flat.numpy(), nodes, words[:-1].numpy().view(np.uint64))
    else:
        _pack_on_device(flat, nodes, words[:-1])
    layers = torch.arange(words.shape[1] // len(labels), device=flat.device)
    words[-1].view(-1, len(labels)).copy_(layers[:, None] * classes + labels.to(flat.device))
    return words


def _pack(flat: np.ndarray, nodes: int, packed: np.ndarray) -> None:
    """Bits to uint64 (words, patterns) in the memory of a CPU, without padding: that would copy every bit as a byte.

    A pattern may begin at any bit of a byte; all that begin at the same one are read at once.
    """
    bits = np.packbits(flat, bitorder="little")  # whatever is not 0 is on
    bits = np.concatenate([bits, np.zeros(16, np.uint8)])  # the last words are read whole
    every = 8 // math.gcd(nodes, 8)  # one in so many patterns begins at a bit
    for first in range(min(every, packed.shape[1])):
        byte, bit = divmod(first * nodes, 8)
        there = packed[:, first::every]
        low, high = (np.ndarray(there.shape, "<u8", bits, at, (8, every * nodes // 8)) for at in (byte, byte + 8))
        if bit:
            low, high = low.copy(), high.copy()  # what is not aligned is read once
            low >>= bit
            high <<= 64 - bit
            np.bitwise_or(low, high, out=there)
        else:
            there[:] = low
    packed[-1] &= 2 ** (nodes - 64 * (len(packed) - 1)) - 1


def _pack_on_device(flat: Tensor, nodes: int, packed: Tensor) -> None:
    """The same to int64, by arithmetic alone."""
    missing = -nodes % 64
    padded = torch.nn.functional.pad(flat.view(-1, nodes), (0, missing)) if missing else flat
    # eight bytes of 0 or 1 times this constant: their bits meet, in order, in the top byte, and uint8 keeps 8 bits
    eights = as_bytes(padded.flatten()).view(torch.int64) * 0x0102040810204080
    packed.copy_((eights >> 56).to(torch.uint8).view(torch.int64).view(packed.shape[::-1]).T)


def distinct(words: Tensor, counts: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Where one of each kind of ``words``, int64 (words, N), is, and the sum of its ``counts``, (N,), by default 1."""
    order, last = _by_hash(words)
    # NumPy finds them five times as fast as torch
    where = torch.from_numpy(np.flatnonzero(last.numpy())) if last.is_cpu else last.nonzero()[:, 0]
    # two patterns of one hash could alternate in the sorted order: then group them the slow way
    if len(where) < len(order) and _mistaken(words, order, last):
        kinds, group = words.unique(dim=1, return_inverse=True)
        each = torch.ones_like(group) if counts is None else counts
        some = order.new_empty(kinds.shape[1]).scatter_(0, group, torch.arange(len(group), device=group.device))
        return some, torch.zeros_like(some).index_add_(0, group, each)
    totals = where + 1 if counts is None else counts.index_select(0, order).cumsum(0).index_select(0, where)
    return order.index_select(0, where), totals.diff(prepend=totals.new_zeros(1))


def ordered(words: Tensor) -> Asking[tuple[Tensor, Tensor]]:
    """An order in which equal ``words``, int64 (words, N), follow one another, and the last of each kind in it.

    It is the order of ``distinct``. A mask, bool (N,), tells the last ones: how many they are, only the device knows.
    """
    order, last = _by_hash(words)
    [mistaken] = yield _mistaken(words, order, last)
    if mistaken:  # as in distinct
        group, order = words.unique(dim=1, return_inverse=True)[1].sort()
        last = _last(group)
    return order, last


def _by_hash(words: Tensor) -> tuple[Tensor, Tensor]:
    """An order of ``words``, int64 (words, N), by a hash of each, and a mask of the last of each hash in it."""
    count, odd = words.shape[1], _odd(len(words), words.device)
    bits = count.bit_length()
    if not words.is_cpu or bits > PLACES:
        hashes, order = _mix(words, odd, odd.flip(0)).sort()
        return order, _last(hashes)
    # NumPy sorts numbers several times as fast as torch, but not their places with them: these are in the lower bits
    words, odd = words.numpy(), odd.numpy()
    few = max(1, CACHED // count)  # rows at a time that stay in a cache
    keys = _mix(words[:few], odd[:few], odd[::-1][:few])
    for at in range(few, len(words), few):
        keys += _mix(words[at : at + few], odd[at : at + few], odd[::-1][at : at + few])
    keys >>= bits
    keys <<= bits
    keys |= np.arange(count)
    keys.sort()
    last = _last(torch.from_numpy(keys >> bits))
    keys &= (1 << bits) - 1
    return torch.from_numpy(keys), last


def _last(ordered: Tensor) -> Tensor:
    """Which of these, (N,), are unlike the next one: bool (N,)."""
    differs = ordered[1:] != ordered[:-1]
    return torch.cat([differs, differs.new_ones(1)])


def _mistaken(words: Tensor, order: Tensor, last: Tensor) -> Tensor:
    """Whether ``words``, int64 (words, N), in this order are ever unlike the next one where ``last`` tells nothing."""
    if words.is_cpu:  # NumPy takes columns, and compares them, in a third of the time
        taken = words.numpy().take(order.numpy(), 1)
        return torch.as_tensor(((taken[:, 1:] != taken[:, :-1]) > last.numpy()[:-1]).any())
    words = words.index_select(1, order)
    return ((words[:, 1:] != words[:, :-1]) > last[:-1]).any()


def _mix(words: Words, odd: Words, other: Words) -> Words:
    """A 64-bit hash of each, (N,): multiply and add with fixed random odd numbers, (words, 1), wrapping around."""
    mixed = words >> 29
    mixed ^= words
    mixed *= odd
    mixed ^= mixed >> 32
    mixed *= other
    return mixed.sum(0)


@lru_cache(maxsize=64)
def _odd(count: int, device: torch.device) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(-(2**63), 2**63 - 1, (count, 1), generator=generator).to(device) | 1
