"""What takes how long in a lesson, read from chapters that have run."""

import re
from pathlib import Path

import nbformat
import pytest
from copies import CHAPTERS, solutions
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from layerbook.lesson import LEVELS, clock, exercises, times

TEACH = Path(__file__).parents[2] / "book" / "teach"
PLANS = ("plan", "half_day", "two_days")


def at(seconds):
    return f"2026-01-01T10:{seconds // 60:02d}:{seconds % 60:02d}+00:00"


def ran(source, end, seconds, **figure):
    took = {"start_time": at(end - seconds), "end_time": at(end), "duration": float(seconds)}
    return new_code_cell(source, metadata={"papermill": took, **({"mystnb": {"figure": figure}} if figure else {})})


def chapter():
    cells = [
        new_markdown_cell("# Toy"),
        ran("train()", 70, 60),
        ran("draw()", 75, 5, name="toy-first"),
        new_markdown_cell("```{exercise} Count\n:label: toy-ex-b\n```\n"),
        new_markdown_cell("```{exercise} What if?\n:label: toy-ex-a\n```\n\n```{solution-start} toy-ex-a\n```\n"),
        ran("answer", 78, 3),
        ran("more", 79, 1),
        new_markdown_cell("```{solution-end}\n```\n"),
        ran("draw()", 130, 2, name="toy-late"),
    ]
    told = {"start_time": at(0), "end_time": at(131), "duration": 131.0, "exception": None}
    return new_notebook(cells=cells, metadata={"papermill": told})


@pytest.fixture
def root(tmp_path):
    for folder in ("_build/executed", "book/teach"):
        (tmp_path / folder).mkdir(parents=True)
    nbformat.write(chapter(), tmp_path / "_build" / "executed" / "toy.ipynb")
    (tmp_path / "book" / "teach" / "toy.yaml").write_text(
        "toy-ex-b:\n  minutes: 5\n  level: 3\ntoy-ex-a:\n  minutes: 20\n  level: 1\n"
    )
    return tmp_path


def test_figures_are_there_when_their_cell_ends_and_solutions_take_their_cells():
    read = clock(chapter())
    assert read.total == 131
    assert read.figures == {"toy-first": 75, "toy-late": 130}
    assert read.solutions == {"toy-ex-a": 4}


@pytest.mark.parametrize("ran", [{}, {"end_time": None}, {"end_time": at(9), "exception": True}])
def test_a_chapter_that_did_not_run_to_its_end_has_no_clock(ran):
    broken = chapter()
    broken.metadata["papermill"] = nbformat.from_dict(ran)
    with pytest.raises(ValueError, match="executed"):
        clock(broken)


def test_a_plan_is_told_when_the_figures_it_names_are_there(root):
    rows = times(root, "Look: {numref}`toy-late`.", "toy", "not_run").splitlines()[-2:]
    assert rows == [
        "| {doc}`../toy` | {numref}`toy-late` | 2:10 |",
        "| {doc}`../toy` | all of it | 2:11 |",
    ]


def test_exercises_are_listed_by_level_with_what_they_take(root):
    rows = exercises(root, "", "toy").splitlines()[-2:]
    assert rows == [
        f"| 1, {LEVELS[1]} | {{ref}}`toy-ex-a`, What if? | 20 | 4.0 s |",
        f"| 3, {LEVELS[3]} | {{ref}}`toy-ex-b`, Count | 5 | no code to run |",
    ]


@pytest.mark.parametrize("name", PLANS)
def test_every_plan_has_what_a_teacher_asks_for(name):
    text = (TEACH / f"{name}.md").read_text(encoding="utf-8")
    headings = set(re.findall(r"(?m)^## (.+)$", text))
    wanted = {"What they can do afterwards", "What they should know before", "The evening before"}
    wanted |= {"What takes how long", "A figure to touch", "Exercises by level", "What goes wrong, and how to get out"}
    assert wanted <= headings
    assert "**Bet" in text or "bet**" in text
    assert "{admonition} Answers" in text


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_runs_the_chapters_whose_figures_and_exercises_it_shows(name):
    text = (TEACH / f"{name}.md").read_text(encoding="utf-8")
    asked = {part: set(told.split()) for part, told in re.findall(r"(?m)^% generated: (\w+) *(.*)$", text)}
    assert asked["times"] <= set(CHAPTERS) and asked["exercises"] <= set(CHAPTERS)
    table = "\n".join(line for line in text.splitlines() if re.match(r"\| \d+ to \d+", line))
    shown = set(re.findall(r"\{ref\}`([\w-]+-ex-[\w-]+)`", table))
    assert shown <= {label for chapter in asked["exercises"] for label in solutions(chapter)}
