"""What teachers are told fits the exercises, and the checks know a right answer from the likely mistakes."""

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from nbformat.v4 import new_code_cell

from layerbook.built import OVERVIEWS
from layerbook.editions import EDITIONS, edition, notes_of, student
from layerbook.pieces import Piece
from layerbook.plain_markdown import Words, places_in, works_of
from layerbook.plain_yaml import from_yaml
from layerlib.distributions.distances import label_cost, label_distribution, sinkhorn, wasserstein
from layerlib.distributions.early_exit import exit_layers
from layerlib.patterns import layer_perplexity

BOOK = Path(__file__).parents[2] / "book"
CHAPTERS = sorted(path.stem for path in BOOK.glob("*.ipynb") if path.stem not in OVERVIEWS)
NOTED = {label: note for name in CHAPTERS for label, note in notes_of(BOOK / "teach" / f"{name}.yaml").items()}


def solutions(name):
    """The code of each solution of a chapter, by the exercise's label."""
    found, label = {}, ""
    for cell in nbformat.read(BOOK / f"{name}.ipynb", 4).cells:
        if cell.cell_type == "code" and label:
            found[label] += f"{cell.source}\n"
        elif "{solution-start}" in cell.source:
            label = cell.source.rpartition("{solution-start} ")[2].split()[0]
            found[label] = ""
        elif "{solution-end}" in cell.source:
            label = ""
    return found


SOLUTIONS = {label: code for name in CHAPTERS for label, code in solutions(name).items()}


def test_every_exercise_with_a_solution_has_notes_and_none_else():
    assert len(SOLUTIONS) > 5
    assert set(NOTED) == set(SOLUTIONS)
    assert all({"minutes", "level", "wrong", "discuss"} <= set(note) for note in NOTED.values())
    assert all(note["level"] in (1, 2, 3) and 0 < note["minutes"] <= 45 for note in NOTED.values())


def test_a_check_comes_with_what_is_asked_and_an_answer_that_fills_it():
    for label, note in NOTED.items():
        assert len({"answer", "check", "filled"} & set(note)) in (0, 3), label


class Any(dict):
    """A number for whatever name a run would give one."""

    def __contains__(self, name):
        return True

    def __missing__(self, name):
        return 0.5


@pytest.mark.parametrize("kind", EDITIONS)
@pytest.mark.parametrize("name", CHAPTERS)
def test_every_chapter_has_plain_words_for_all_that_its_prose_says(kind, name):
    sources = {path.stem: nbformat.read(path, 4) for path in BOOK.glob("*.ipynb")}
    places = {label: says for each in sources.values() for label, says in places_in(each).items()}
    places |= {path.stem: f"*{path.stem}*" for path in [*BOOK.glob("*.md"), *BOOK.glob("*.ipynb")]}
    words = Words(Any(), places, works_of(BOOK / "references.bib"))
    made = edition(kind, sources[name], words, notes_of(BOOK / "teach" / f"{name}.yaml"))
    nbformat.validate(made)
    prose = "\n".join(cell.source for cell in made.cells if cell.cell_type == "markdown")
    assert re.findall(r"\{[\w:-]+\}`|```\{|^\([\w-]+\)=$", prose, re.M) == []
    code = [cell.source for cell in sources[name].cells if cell.cell_type == "code"]
    here = [cell.source for cell in made.cells if cell.cell_type == "code"]
    solved = set(solutions(name).values())
    assert [each for each in code if each not in here] == [each for each in code if f"{each}\n" in solved] * (
        kind == "student"
    )


class Data:
    classes = tuple("ab")

    def __init__(self):
        random = torch.Generator().manual_seed(0)
        self.test = self
        self.images, self.labels = torch.rand(500, 3, 40, generator=random), torch.arange(500) % 2


class Series:
    def series(self, what):
        return np.array([[1e-6, 2e-6], [2e-6, 3e-6]])


def davel():
    first = type("Run", (), {"models": [None]})
    return {"data": {"easy": Data()}, "first": first, "depth": 3, "layer_perplexity": layer_perplexity,
            "patterns": lambda model, images: images.transpose(0, 1) > 0.8}  # fmt: skip


def hu():
    return {"every": 10, "learning_rate": 1e-3, "weights": {"VGG-16": [27, 576]}, "runs": {"VGG-16": Series()},
            "CONVS": ["conv1", "conv2"]}  # fmt: skip


def cao():
    scores = torch.rand(3, 200, 6, generator=torch.Generator().manual_seed(0)) ** 4
    truth = label_distribution((scores[0] == scores[0].max(1, keepdim=True)[0]).float())
    return {
        "answered": {"ResNet-18": label_distribution(scores)[None]},
        "sharp": {"VGG-16": [(8 * (2 * scores - 1)).sigmoid()]},
        "truth": truth,
        "classes": tuple("abcdef"),
        "names": ["ResNet-18"],
        "cost": {"uniform": label_cost(6)},
        "wasserstein": wasserstein,
        "sinkhorn": sinkhorn,
        "exit_layers": exit_layers,
    }


STUBS = {"davel-ex-samples": davel, "hu-ex-adam": hu, "cao-ex-cost": cao, "cao-ex-entropic": cao, "cao-ex-strict": cao}


def checked(label, filled):
    namespace = {"torch": torch, "np": np, **STUBS[label]()}
    exec(SOLUTIONS[label], namespace)
    exec(filled, namespace)
    code = [cell.source for cell in student([Piece(new_code_cell(), label)], NOTED)]
    assert code[0].endswith("answer = ...\n")
    exec(code[1], namespace)  # as students have it


@pytest.mark.parametrize("label", [label for label, note in NOTED.items() if "check" in note])
def test_the_solution_on_a_small_stand_in_passes_its_check(label):
    checked(label, NOTED[label]["filled"])


@pytest.mark.parametrize(
    "label, filled, told",
    [
        ("davel-ex-samples", "answer = ...", "fill in"),
        ("davel-ex-samples", "answer = {10: [1.0]}", "an entry for each"),
        (
            "davel-ex-samples",
            "answer = dict.fromkeys((10, 20, 50, 100, 200), torch.zeros(3, 2).unbind(1))",
            "average over",
        ),
        ("davel-ex-samples", "answer = dict.fromkeys((10, 20, 50, 100, 200), 3 * [2.3])", "more than 1"),
        ("davel-ex-samples", "answer = dict.fromkeys((10, 20, 50, 100, 200), 3 * [-0.1])", "below 0"),
        ("hu-ex-adam", "answer = bound[:1]", "for each layer"),
        ("hu-ex-adam", "answer = np.array([27, 576]) * 1e-2", "square the way"),
        ("hu-ex-adam", "answer = np.array([27, 576]) * 1e-6", "that is one step"),
        ("hu-ex-adam", "answer = np.array([27, 576]) * 1e-5", "right angles"),
        ("hu-ex-adam", "answer = bound + 1", "expected n times"),
        ("cao-ex-cost", "answer = grouped[:5]", "a row and a column"),
        ("cao-ex-cost", "answer = grouped + 0.1 * torch.eye(6)", "on the diagonal"),
        ("cao-ex-cost", "answer = grouped.tril()", "symmetric"),
        ("cao-ex-cost", "answer = (1.1 - grouped).fill_diagonal_(0)", "swapped"),
        ("cao-ex-cost", "answer = grouped.clamp(max=0.5)", "a digit and an article"),
        ("cao-ex-entropic", "answer = 0.5, 0.4, 0.9", "cheaper"),
        ("cao-ex-entropic", "answer = 0.5, 0.6, 0.6", "counts twice"),
        ("cao-ex-strict", "answer = [0, 0, 12.5]", "not percent"),
        ("cao-ex-strict", "answer = [0.1, 0.1, 0.0]", "strict=False"),
    ],
)
def test_a_likely_mistake_is_named(label, filled, told):
    with pytest.raises(AssertionError, match=told):
        checked(label, filled)


def test_notes_are_yaml_without_a_chapter_of_their_own():
    for path in (BOOK / "teach").glob("*.yaml"):
        assert path.stem in CHAPTERS
        assert isinstance(from_yaml(path.read_text(encoding="utf-8"), str(path)), dict)
