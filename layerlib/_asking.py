"""What the host must know of numbers on a device, asked for at once: it waits for a device each time.

What asks is a generator. It yields a tensor, and is sent the numbers in it as a list of floats.
"""

from collections.abc import Generator, Iterable
from itertools import islice
from typing import TypeVar

import torch
from torch import Tensor

R = TypeVar("R")
Asking = Generator[Tensor, list[float], R]


def answered(asking: Asking[R]) -> R:
    """What ``asking`` returns, each question answered by itself."""
    try:
        asked = next(asking)
        while True:
            asked = asking.send(asked.flatten().tolist())
    except StopIteration as end:
        return end.value


def in_step(several: Iterable[Asking[None]]) -> None:
    """Run all of them to their end: each to its next question, then one copy from each device answers all."""
    waiting = [(each, asked) for each in several if (asked := next(each, None)) is not None]
    while waiting:
        told: list[tuple[Asking[None], list[float]]] = []
        for device in {asked.device for _, asked in waiting}:
            there = [(each, asked) for each, asked in waiting if asked.device == device]
            numbers = iter(torch.cat([asked.flatten().double() for _, asked in there]).tolist())
            told += [(each, [*islice(numbers, asked.numel())]) for each, asked in there]
        waiting = [(each, asked) for each, answers in told if (asked := _sent(each, answers)) is not None]


def _sent(asking: Asking[None], answers: list[float]) -> Tensor | None:
    try:
        return asking.send(answers)
    except StopIteration:
        return None
