"""Sweeps against running one chapter after the other: ``python -m benchmarks sweeps``.

Chapters of three cells that burn processor time, so that what is measured is the sweep: how much faster two processes
are than one, what a run costs beside its chapter, and a thousand runs kept and collected without running anything.
"""

import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from layerbook.collected import collect, write
from layerbook.sweep import plan, sweep
from layerbook.swept import Combination, in_a_process, perform

RUNS, BURNED, STUBS = 12, 3.0, 1000
BURN = """\
import time
from layerbook.report import Report
while time.process_time() < burned: pass
report = Report("burning", "own")
report.number("asked", seed)
report
"""


def _book(folder: Path) -> Path:
    first = new_code_cell(f"seed: int = 0\nburned: float = {BURNED}", metadata={"tags": ["parameters"]})
    (folder / "book").mkdir()
    nbformat.write(new_notebook(cells=[first, new_code_cell(BURN)]), folder / "book" / "burning.ipynb")
    return folder / "book"


def _kept(run: Combination) -> dict:
    """A run that is kept without being run."""

    def execute(chapter: object, values: dict, out: Path) -> nbformat.NotebookNode:
        out.write_text("{}")
        return nbformat.from_dict({"cells": []})

    return perform(run, execute)


def _seconds(action: object) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def _papermill(book: Path, folder: Path) -> float:
    """Seconds of the chapter itself: what a reader would use instead, papermill on its own."""
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", "-k", "python3"]
    return min(
        _seconds(
            partial(
                subprocess.run,
                [*command, book / "burning.ipynb", folder / f"alone{i}.ipynb"],
                check=True,
                capture_output=True,
            )
        )
        for i in range(3)
    )


def _processor(run: Combination) -> float:
    """Processor seconds of a run and all that it starts: other programs do not make them more."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    in_a_process(run, 1)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> dict:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        book, seeds = _book(folder), {"seed": list(range(RUNS))}
        walls = {
            jobs: _seconds(lambda jobs=jobs: sweep("burning", seeds, jobs=jobs, out=folder / f"jobs{jobs}", book=book))
            for jobs in (1, 2)
        }
        alone = _papermill(book, folder)
        [run] = plan("burning", {"seed": [0]}, {"burned": 0.0}, out=folder / "one", book=book)
        beside = _processor(run)
        many = {"seed": list(range(STUBS))}
        stubs = _seconds(lambda: sweep("burning", many, runner=_kept, jobs=2, out=folder / "many", book=book))
        stubs += _seconds(lambda: write(collect(folder / "many"), folder / "many"))
    print(f"{RUNS} chapters that burn {BURNED:g} s of a processor each, one process each; s")
    print(f"  one at a time     {walls[1]:8.1f}")
    print(f"  two side by side  {walls[2]:8.1f}   x{walls[1] / walls[2]:.2f}")
    print(f"  papermill alone   {alone:8.1f}   a chapter; a sweep takes {walls[1] / RUNS - alone:+.2f} s more for each")
    print(f"  a run of nothing  {beside:8.1f}   of a processor, for Python, kernel, papermill and packages")
    print(f"{STUBS:,} runs planned, kept and collected, without running anything: {stubs:.1f} s")
    return {"one": walls[1], "two": walls[2], "alone": alone, "beside": beside, "stubs": stubs}
