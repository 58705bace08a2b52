"""Time of an instrument, of its peer and of what must be done, in turns; on a busy machine; memory at the peak."""

import contextlib
import copy
import ctypes
import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import Task
from layerbook.timing import finish
from layerlib._checks import in_short
from layerlib.data.splits import Split

COPIED, SIDE = 16_000_000, 1024  # float32 numbers of a copy; rows of square matrices
BURN = "import torch; torch.set_num_threads(1); a = torch.rand(700, 700)\nwhile True: a @ a"


def taken(turns: int, *calls: Callable[[], object]) -> list[list[float]]:
    """Seconds of each call, in turns, so that what else the machine does meets all of them; the first turn warms up.

    On a GPU it is the time until that has finished, too.
    """
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(turns + 1):
        for call, spent in zip(calls, times, strict=True):
            finish()
            start = time.perf_counter()
            call()
            finish()
            if turn:
                spent.append(time.perf_counter() - start)
    return times


def spread(values: Sequence[float]) -> dict[str, float]:
    """The middle of what was measured, and its ends."""
    return {"median": median(values), "low": min(values), "high": max(values)}


def ratios(theirs: Sequence[float], ours: Sequence[float]) -> dict[str, float]:
    return spread([their / our for their, our in zip(theirs, ours, strict=True)])


def measured(task: Task) -> dict:
    """One thread: milliseconds of ``task``, of its peer and of its limit, how often one is the other, and noise.

    With them the bytes and the operations that it cannot do without. What the machine can is measured in the same
    turns: a product of large matrices, a copy of many bytes. The copy comes before each of the others, so that none
    finds in the cache what another left there.
    """
    here, there = torch.rand(COPIED), torch.empty(COPIED)
    a, b, c = (torch.rand(SIDE, SIDE) for _ in range(3))
    run, peer, needed = calls(task)

    def copies() -> None:
        there.copy_(here)

    with threads(1):
        multiplied, copied, ours, _, other, _, must = taken(
            task.turns, lambda: torch.mm(a, b, out=c), copies, run, copies, peer, copies, needed
        )
    able = {
        "bytes_a_second": 2 * here.nbytes / min(copied),
        "operations_a_second": 2 * SIDE**3 / min(multiplied),
    }
    row = {"name": task.name, "ms": milliseconds(ours)} | able
    if task.other:
        their = [spent / task.share for spent in other]
        row |= {"peer": task.peer, "peer_ms": milliseconds(their), "times_peer": ratios(their, ours)}
    if task.apart:
        row["apart"] = task.apart()
    nbytes, operations = least(task)
    row |= {"bytes": nbytes, "operations": operations}
    if task.must or nbytes or operations:
        limit = (
            must
            if task.must
            else [
                max(
                    nbytes * copy / (2 * here.nbytes),
                    operations * product / (2 * SIDE**3),
                )
                for copy, product in zip(copied, multiplied, strict=True)
            ]
        )
        row |= {"limit_ms": milliseconds(limit), "times_limit": ratios(ours, limit)}
    return row | task.says()


def least(task: Task) -> tuple[int, float]:
    """Bytes that a task has to move, and operations that it has to do, in any case."""
    operations = task.operations
    if task.must and not operations:
        with FlopCounterMode(display=False) as counter:
            task.must(*task.given)
        operations = counter.get_total_flops()
    return task.nbytes or sum(map(held, task.given)), operations


def held(given: object) -> int:
    """Bytes of tensors, of a network, of a split; 0 of anything else."""
    if isinstance(given, nn.Module):
        return sum(each.nbytes for each in (*given.parameters(), *given.buffers()))
    if isinstance(given, Split):
        return given.images.nbytes + given.labels.nbytes
    return given.nbytes if isinstance(given, Tensor) else 0


def on_gpu(task: Task) -> dict:
    """Milliseconds of a task whose tensors, networks and splits lie on a GPU, and of its peer.

    A peer that cannot compute there does so on the processor, with one thread, and the row says why.
    """
    given = [copy.deepcopy(each).to("cuda") if hasattr(each, "to") else each for each in task.given]
    row = {"name": task.name, "gpu_ms": milliseconds(taken(task.turns, partial(task.run, *given))[0])}
    if not task.other:
        return row | task.says()
    where, turns = "gpu", min(3, task.turns)
    try:
        [spent] = taken(turns, partial(task.other, *given))
    except (RuntimeError, TypeError, ValueError) as error:  # of CUDA tensors NumPy and its friends say one of these
        where = "cpu"
        row["peer_refused"] = in_short(error)
        with threads(1):
            [spent] = taken(turns, partial(task.other, *task.given))
    row |= {"peer": task.peer, "peer_on": where, "peer_ms": milliseconds([each / task.share for each in spent])}
    return row | task.says()


def calls(task: Task) -> list[Callable[[], object]]:
    """The instrument, its peer, and what must be done."""
    return [partial(each, *task.given) if each else nothing for each in (task.run, task.other, task.must)]


def beside_others(task: Task, turns: int = 3) -> dict[str, float]:
    """How many times the peer's speed, as many threads as cores, while other programs want every core."""
    cores = os.cpu_count() or 1
    burning = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(cores)]
    try:
        with threads(cores):
            ours, other = taken(min(turns, task.turns), *calls(task)[:2])
    finally:
        for process in burning:
            process.kill()
            process.wait()
    return ratios([spent / task.share for spent in other], ours)


def alone(call: Callable[[], object], warm: bool = True) -> dict[str, float]:
    """Seconds of one processor core, and megabytes at the peak beyond what was there; for a process of its own.

    Parameters
    ----------
    warm : whether to call once before, so that what is loaded with a first call does not count
    """
    with threads(1):
        if warm:
            call()
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before, start = megabytes("VmRSS"), time.process_time()
        call()
        return {"seconds": time.process_time() - start, "mb": max(megabytes("VmHWM") - before, 0.0)}


def megabytes(line: str) -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(each for each in status if each.startswith(line)).split()[1]) * 1024 / 1e6


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def milliseconds(values: Sequence[float]) -> dict[str, float]:
    return spread([1e3 * value for value in values])


def nothing() -> None:
    """In place of a call that a task does not have."""
