"""Each instrument against what one would use instead, and against what this machine can: ``python -m benchmarks``."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """A piece of work for an instrument, and what it is held against.

    Parameters
    ----------
    name : what is done, with its size
    run, given : the instrument, and what it is called with: tensors, networks and splits, which can go to a GPU
    peer, other, share : what one would use instead; it, called with the same; the part of the work that it does, where
        all of it would take too long: its time is scaled
    nbytes, operations : what has to be moved and computed in any case, once; by default the bytes of what is given,
        and the operations that PyTorch counts in ``must``
    must : what has to be done in any case, such as plain passes through a network, called with the same
    apart : the largest difference between what both find
    says : what else its row says, asked after all were timed
    turns : how often all are timed, in turns
    """

    name: str
    run: Callable[..., object]
    given: tuple = ()
    peer: str = ""
    other: Callable[..., object] | None = None
    share: float = 1.0
    nbytes: int = 0
    operations: float = 0
    must: Callable[..., object] | None = None
    apart: Callable[[], float] | None = None
    says: Callable[[], dict] = dict
    turns: int = 5
