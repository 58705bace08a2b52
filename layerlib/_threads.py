"""How many threads PyTorch works with, where more than one would only wait for one another."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

FEW = 2**20  # numbers: an operation on as many takes a fraction of a millisecond


@contextmanager
def one_thread(numbers: int = 0) -> Iterator[None]:
    """One thread while each operation is on so many ``numbers`` at most, and that is few; afterwards as many as before.

    At the end of every operation threads wait for the last of them. Where other programs want the cores too, that is
    a slice of the scheduler's time, some milliseconds, far more than the second thread has saved.
    """
    before = torch.get_num_threads()
    if numbers > FEW or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
