"""Each instrument against what one would use instead, both in one run: ``python -m benchmarks``, or ``make bench``."""

import time
from collections.abc import Callable
from statistics import median

from layerbook.timing import finish


def seconds(repeats: int, **runs: Callable[[], object]) -> dict[str, float]:
    """Median wall time of each of ``runs``, taken in turns so that noise on a shared machine meets all of them.

    On a GPU it is the time until that has finished, too.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(repeats):
        for name, run in runs.items():
            finish()
            start = time.perf_counter()
            run()
            finish()
            times[name].append(time.perf_counter() - start)
    return {name: median(taken) for name, taken in times.items()}
