"""How long something takes, on whatever device it runs."""

import time
from collections.abc import Callable

import numpy as np
import torch


def milliseconds(call: Callable[[], object], times: int = 5) -> float:
    """Median time of a call.

    A GPU works on while Python goes on: the clock is read when all that was asked of it is done.

    Parameters
    ----------
    times : how often it is called
    """
    taken = []
    for _ in range(times):
        _finish()
        start = time.perf_counter()
        call()
        _finish()
        taken.append(1000 * (time.perf_counter() - start))
    return float(np.median(taken))


def _finish() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
