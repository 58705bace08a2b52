"""Samples kept, and what a network is called with for some of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from layerlib._forward import as_input
from layerlib._room import room


@dataclass(frozen=True)
class Given:
    """What a network is called with for some samples.

    Attributes
    ----------
    given : by position (numbers) or by name: tensors with the samples first, or anything else that all of them share
    mask : bool, shape (n, T), True where a token counts; None where all do
    """

    given: dict[int | str, Any]
    mask: Tensor | None = None

    def __len__(self) -> int:
        return next(len(value) for value in self.given.values() if per_sample(value))

    def __getitem__(self, rows) -> Given:
        given = {key: value[rows] if per_sample(value) else value for key, value in self.given.items()}
        return Given(given, None if self.mask is None else self.mask[rows])

    def ready(self, like: Tensor) -> Given:
        """On the device of ``like``, floats in its precision, and pictures of bytes as numbers in [0, 1]."""
        return Given(
            {key: _ready(value, like) for key, value in self.given.items()},
            None if self.mask is None else self.mask.to(like.device),
        )

    def copied(self) -> Given:
        """The same samples in memory of their own."""
        given = {key: value.clone() if per_sample(value) else value for key, value in self.given.items()}
        return Given(given, None if self.mask is None else self.mask.clone())

    def channels_last(self) -> Given:
        """The same, each picture with its channels beside one another in memory."""
        given = {
            key: value.contiguous(memory_format=torch.channels_last) if per_sample(value) and value.ndim == 4 else value
            for key, value in self.given.items()
        }
        return Given(given, self.mask)

    def run(self, model: nn.Module) -> object:
        # a network that works in place on its input must not change the caller's, nor what it is given next
        given = {key: value.clone() if isinstance(value, Tensor) else value for key, value in self.given.items()}
        positions = sorted(key for key in given if isinstance(key, int))
        named = {key: value for key, value in given.items() if isinstance(key, str)}
        return model(*(given[key] for key in positions), **named)

    def tensors(self) -> dict[int | str, Tensor]:
        return {key: value for key, value in self.given.items() if per_sample(value)}

    def shape(self) -> str:
        """What one sample is, in words."""
        return " and ".join(
            f"{str(value.dtype).removeprefix('torch.')} of shape {tuple(value.shape[1:])}"
            for value in self.tensors().values()
        )


@dataclass(frozen=True)
class Samples:
    """The samples of a source, in its order, kept in memory or in a file that ends with them.

    Attributes
    ----------
    blocks : samples that have one shape, one after the other
    labels : int64, shape (N,), or multi-hot float32, shape (N, K)
    """

    blocks: tuple[Given, ...]
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, wanted: Tensor, size: int, like: Tensor) -> Iterator[Given]:
        """The ``wanted`` samples, bool (N,), in their order, at most ``size`` at a time, ready for the network."""
        start = 0
        for block in self.blocks:
            rows = wanted[start : start + len(block)].nonzero()[:, 0]
            start += len(block)
            for some in _parts(rows, size):
                yield block[some.to(next(iter(block.tensors().values())).device)].ready(like)

    def take(self, rows: list[int]) -> Given:
        """A few samples of one block, by their numbers."""
        start = 0
        for block in self.blocks:
            here = [row - start for row in rows if start <= row < start + len(block)]
            if len(here) == len(rows):
                return block[torch.tensor(here, device=next(iter(block.tensors().values())).device)]
            start += len(block)
        raise ValueError("data: expected samples of one shape, got batches of several")


def _parts(rows: Tensor, size: int) -> tuple[Tensor, ...]:
    """At most ``size`` at a time, and two where one would be left: networks that squeeze lose the samples with it."""
    if 2 < size < len(rows) and len(rows) % size == 1:
        return (*rows[:-2].split(size), rows[-2:])
    return rows.split(size) if len(rows) else ()


class Kept:
    """Batches one after the other; beyond ``memory`` bytes in files."""

    def __init__(self, memory: float):
        self.memory, self._bytes = memory, 0
        self._done: list[Given] = []
        self._waiting: list[Given] = []

    def add(self, call: Given) -> None:
        self._waiting.append(call)
        self._bytes += sum(value.nbytes for value in call.tensors().values())
        if self._bytes > self.memory / 2:
            self._done += [_merged(group, 0) for group in _alike(self._waiting)]
            self._waiting, self._bytes = [], 0

    def blocks(self) -> tuple[Given, ...]:
        return (*self._done, *(_merged(group, self.memory) for group in _alike(self._waiting)))


def _alike(calls: list[Given]) -> list[list[Given]]:
    """Neighbours whose samples have the same shapes, together."""
    groups: list[list[Given]] = []
    for call in calls:
        if groups and _form(groups[-1][0]) == _form(call):
            groups[-1].append(call)
        else:
            groups.append([call])
    return groups


def _form(call: Given) -> list:
    return [
        (key, value.shape[1:], value.dtype, value.device) if per_sample(value) else (key, id(value))
        for key, value in call.given.items()
    ] + [None if call.mask is None else call.mask.shape[1:]]


def _merged(calls: list[Given], memory: float) -> Given:
    if len(calls) == 1 and memory:
        return calls[0]
    samples = sum(map(len, calls))
    given = dict(calls[0].given)
    for key, first in calls[0].tensors().items():
        whole = room((samples, *first.shape[1:]), first, memory)
        given[key] = torch.cat([call.given[key] for call in calls], out=whole)
    masks = [call.mask for call in calls if call.mask is not None]
    return Given(given, torch.cat(masks) if masks else None)


def per_sample(value: object) -> bool:
    return isinstance(value, Tensor) and value.ndim > 0


def _ready(value: object, like: Tensor) -> object:
    if not isinstance(value, Tensor):
        return value
    value = value.to(like.device)
    if value.dtype == torch.uint8 and value.ndim > 2:
        return as_input(value, like.dtype)
    return value.to(like.dtype) if value.is_floating_point() else value
