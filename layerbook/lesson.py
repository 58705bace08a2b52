"""What takes how long in a lesson: when a chapter's figures are there, and what its exercises take."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from layerbook.editions import notes_of
from layerbook.pieces import SOLUTION

LEVELS = {1: "change a number and look", 2: "write some lines", 3: "train or read a network of one's own"}
_EXERCISE = re.compile(r"```\{exercise\} (.+)\n:label: ([\w-]+)")
_FIGURE = re.compile(r"\{numref\}`([\w-]+)`")


@dataclass(frozen=True)
class Clock:
    """When what was there in a run of a chapter, in seconds after its start.

    Attributes
    ----------
    total : the end
    figures : each figure, by its label
    solutions : what the solution of each exercise took, by the exercise's label
    titles : of the exercises, by label
    """

    total: float
    figures: dict[str, float]
    solutions: dict[str, float]
    titles: dict[str, str]


def clock(executed: NotebookNode) -> Clock:
    """Read it from a chapter that papermill ran.

    Raises
    ------
    ValueError
        if papermill did not run it to its end
    """
    ran, solves = executed.metadata.get("papermill", {}), ""
    figures, solutions, titles = {}, {}, {}
    if ran.get("exception") or not ran.get("end_time"):
        raise ValueError("executed: expected a chapter that ran to its end")
    start = datetime.fromisoformat(ran.start_time)
    for cell in executed.cells:
        if cell.cell_type != "code":
            titles |= {label: title for title, label in _EXERCISE.findall(cell.source)}
            for kind, label in SOLUTION.findall(cell.source):
                solves = label if kind == "start" else ""
            continue
        took = cell.metadata.papermill
        if solves:
            solutions[solves] = solutions.get(solves, 0) + took.duration
        if name := cell.metadata.get("mystnb", {}).get("figure", {}).get("name"):
            figures[name] = (datetime.fromisoformat(took.end_time) - start).total_seconds()
    return Clock(ran.duration, figures, solutions, titles)


def times(root: Path, page: str, *chapters: str) -> str:
    """A table for a plan: when each figure that it names is there, once a chapter's cells all run.

    Parameters
    ----------
    root : of the repository, with the executed chapters in ``_build``
    page : the plan, in MyST
    chapters : those that are run in this lesson
    """
    clocks = _clocks(root, chapters)
    named, rows = set(_FIGURE.findall(page)), []
    for chapter, ran in clocks.items():
        shown = sorted((after, label) for label, after in ran.figures.items() if label in named)
        rows += [f"| {{doc}}`../{chapter}` | {{numref}}`{label}` | {_minutes(after)} |" for after, label in shown]
        rows.append(f"| {{doc}}`../{chapter}` | all of it | {_minutes(ran.total)} |")
    return "\n".join([_measured(), "", "| chapter | what | is there after |", "|---|---|---|", *rows])


def exercises(root: Path, page: str, *chapters: str) -> str:
    """A table of the exercises of some chapters by level: what they plan for people, and take of a computer."""
    rows = []
    for chapter, ran in _clocks(root, chapters).items():
        for label, note in notes_of(root / "book" / "teach" / f"{chapter}.yaml").items():
            level, minutes = note["level"], note["minutes"]
            took = f"{ran.solutions[label]:.1f} s" if label in ran.solutions else "no code to run"
            named = f"{{ref}}`{label}`, {ran.titles[label]}"
            rows.append((level, minutes, f"| {level}, {LEVELS[level]} | {named} | {minutes} | {took} |"))
    head = ["| level | exercise | minutes | its solution runs |", "|---|---|---|---|"]
    return "\n".join(head + [row for *_, row in sorted(rows)])


def _clocks(root: Path, chapters: Sequence[str]) -> dict[str, Clock]:
    paths = {name: root / "_build" / "executed" / f"{name}.ipynb" for name in chapters}
    return {name: clock(nbformat.read(path, 4)) for name, path in paths.items() if path.is_file()}


def _measured() -> str:
    cores = os.cpu_count()
    return f"Minutes and seconds, measured when this copy of the book was built, on a computer with {cores} cores."


def _minutes(seconds: float) -> str:
    return f"{round(seconds) // 60}:{round(seconds) % 60:02d}"
