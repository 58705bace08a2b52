"""What teachers are told fits the exercises, and the checks know a right answer from the likely mistakes."""

import ast
import re

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from copies import BOOK, CHAPTERS, solutions, unrun
from nbformat.v4 import new_code_cell
from scipy.stats import kendalltau

from layerbook.analysis.agreement import LENSES, agreement
from layerbook.analysis.intervention import followed
from layerbook.analysis.strokes import find_strokes
from layerbook.editions import EDITIONS, notes_of, student
from layerbook.pieces import Piece
from layerbook.plain_yaml import from_yaml
from layerbook.training.fit import cross_entropy
from layerlib import Split, filter_change, inspect, outputs
from layerlib.distributions.distances import label_cost, label_distribution, sinkhorn, wasserstein
from layerlib.distributions.early_exit import exit_layers
from layerlib.models import MLP
from layerlib.patterns import layer_perplexity
from layerlib.similarity import effective_rank

NOTED = {label: note for name in CHAPTERS for label, note in notes_of(BOOK / "teach" / f"{name}.yaml").items()}
SOLUTIONS = {label: code for name in CHAPTERS for label, code in solutions(name).items()}


def test_every_exercise_with_a_solution_has_notes_and_none_else():
    assert len(SOLUTIONS) > 5
    assert set(NOTED) == set(SOLUTIONS)
    assert all({"minutes", "level", "wrong", "discuss"} <= set(note) for note in NOTED.values())
    assert all(note["level"] in (1, 2, 3) and 0 < note["minutes"] <= 45 for note in NOTED.values())


def test_every_exercise_has_a_check_with_what_is_asked_and_an_answer_that_fills_it():
    for label, note in NOTED.items():
        assert {"answer", "check", "filled"} <= set(note), label


@pytest.mark.parametrize("kind", EDITIONS)
@pytest.mark.parametrize("name", CHAPTERS)
def test_every_chapter_has_plain_words_for_all_that_its_prose_says(kind, name):
    made = unrun(kind, name)
    nbformat.validate(made)
    prose = "\n".join(cell.source for cell in made.cells if cell.cell_type == "markdown")
    assert re.findall(r"\{[\w:-]+\}`|```\{|^\([\w-]+\)=$", prose, re.M) == []
    code = [cell.source for cell in nbformat.read(BOOK / f"{name}.ipynb", 4).cells if cell.cell_type == "code"]
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


def xie_toy():
    down = {"0": torch.tensor([[-0.2747, 0.0]]), "2": torch.tensor([[0.25, -0.25]])}
    return {"toy": None, "x": None, "targets": lambda model, x, y: down}


def by_hand():
    before = torch.zeros(1, 2, 2, 2, dtype=torch.float64)
    after = before.clone()
    after[0, 0, 1, 1], after[0, 1, 0, 0] = 0.3, 0.05
    return {"before": before, "after": after, "filter_change": filter_change}


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
        "near": {"ResNet-18": torch.linspace(0.5, 0.1, 3)},
        "kendalltau": kendalltau,
        "wasserstein": wasserstein,
        "sinkhorn": sinkhorn,
        "exit_layers": exit_layers,
    }


def by_name(cell):
    """What a cell of the chapter on four lenses makes, from those before it that it needs."""
    notebook = nbformat.read(BOOK / "four_lenses.ipynb", 4)
    namespace = {"torch": torch, "np": np, "nn": torch.nn, "inspect": inspect, "Split": Split, "MLP": MLP,
                 "outputs": outputs, "followed": followed, "strokes": strokes(),
                 "READS": ("mean", "grid", "flat")}  # fmt: skip
    exec(next(each.source for each in notebook.cells if each.id == cell), namespace)
    return namespace


def strokes():
    made = torch.zeros(3, 1, 8, 8)
    made[0, 0, 0, :4] = made[1, 0, 6, 4:] = made[2, 0, 1, :4] = 1
    return made


STUBS = {
    "lens-ex-read": lambda: by_name("cell-read-by"),
    "lens-ex-mean": dict,
    "lens-ex-move": lambda: by_name("cell-move-by"),
    "lens-ex-rest": lambda: {"pd": pd, "agreement": agreement},
    "davel-ex-samples": davel,
    "davel-ex-hand": lambda: {"layer_perplexity": layer_perplexity},
    "davel-ex-loss": lambda: {"cross_entropy": cross_entropy},
    "xie-ex-hand": xie_toy,
    "xie-ex-strokes": lambda: {"find_strokes": find_strokes},
    "hu-ex-adam": hu,
    "hu-ex-hand": by_hand,
    "hu-ex-null": dict,
    "hu-ex-rank": lambda: {"effective_rank": effective_rank},
    "cao-ex-cost": cao,
    "cao-ex-entropic": cao,
    "cao-ex-strict": cao,
    "cao-ex-plan": lambda: {"wasserstein": wasserstein, "cost": torch.tensor([[0, 0.2, 1], [0.2, 0, 1], [1, 1, 0]])},
    "cao-ex-step": lambda: {
        "wasserstein": wasserstein,
        "label_cost": label_cost,
        "near": torch.tensor([0.52, 0.48]),
        "aim": torch.tensor([0.5, 0.5]),
        "slope": torch.tensor([0.5, -0.5]),
    },
}


class Test:
    """Ten test pictures of two classes, six of the one."""

    labels = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 1, 1])

    def __getitem__(self, some):
        return self


ALONE = {
    "davel-ex-random": lambda: {"depth_watched": 3, "p_depth": {("easy", 3): np.full((2, 3, 10), [[90], [50], [20]])}},
    "davel-ex-own": dict,
    "davel-ex-narrow": dict,
    "davel-ex-untrained": lambda: {
        "depth": 3,
        "widths": [20, 50],
        "p_width": {("easy", 20): np.full((2, 3, 10), [[90], [50], [20]])},
    },
    "hu-ex-zero": lambda: {"test": Test(), "judged": 10},
    "hu-ex-own": dict,
    "xie-ex-identity": dict,
    "xie-ex-mask": dict,
    "xie-ex-own": dict,
    "xie-ex-classes": lambda: {"separated": {"MNIST": torch.tensor([0.97, 0.18]).expand(1, 1, 1, 1, 2)}},
    "lens-ex-own": dict,
    "lens-ex-share": lambda: {"LENSES": LENSES, "seeds": [0, 1], "when": {"residual CNN": np.full((2, 7, 9), 5.0)}},
    "cao-ex-own": dict,
}
RIGHT = {
    "davel-ex-random": "answer = [100, 99, 98], [90, 50, 20]",
    "davel-ex-own": "answer = {'0': torch.tensor(90.0), '2': torch.tensor(20.0)}",
    "davel-ex-narrow": "answer = [[-1.2, 0.7], [-1.3, 0.74], [-3.3, 0.7]]",
    "davel-ex-untrained": "answer = [100, 99, 98], [90, 50, 20]",
    "hu-ex-zero": "answer = [0.9, 0.9, 0.8, 0.7, 0.6], [0.9, 0.8, 0.7, 0.7, 0.6]",
    "hu-ex-own": "answer = {'Adam': {'0': 1e-6, '2': 1e-6}, 'SGD': {'0': 4e-6, '2': 1e-6}}",
    "xie-ex-identity": "answer = [2, 2, 2, 2, 2, 2], [0, 1, 2, 3, 4, 5], [0, 1, 1, 1, 1, 2]",
    "xie-ex-mask": "answer = {'untrained': (0.2, 0.65), 'trained': (0.4, 0.7)}",
    "xie-ex-own": "answer = [0.5, 0.8, 1.0], [0.4, 0.8, 1.0]",
    "xie-ex-classes": "answer = torch.tensor([0.94, 0.14])",
    "lens-ex-own": "answer = {'mean': [0.8, 0.7], 'flat': torch.tensor([0.4, 0.5])}",
    "lens-ex-share": "answer = {0.3: np.full((2, 7), 4), 0.8: np.full((2, 7), np.nan)}",
    "cao-ex-own": "answer = torch.tensor([0.6, 0.7, 0.5])",
}


@pytest.mark.parametrize("label", RIGHT)
def test_a_right_answer_passes_its_check(label):
    assert checked(label, RIGHT[label]) == "Right."


def test_every_check_is_tried():
    assert set(STUBS) | set(ALONE) == set(NOTED) and set(RIGHT) == set(ALONE)


def checked(label, filled):
    """Check an answer after the chapter's solution has run on a stand-in, or on its own where that would train."""
    namespace = {"torch": torch, "np": np, **(STUBS | ALONE)[label]()}
    if label in STUBS:
        exec(SOLUTIONS[label], namespace)
    exec(filled, namespace)
    code = [cell.source for cell in student([Piece(new_code_cell(), label)], NOTED)]
    assert code[0].endswith("answer = ...\n")
    exec(code[1], namespace)  # as students have it
    return namespace["check"](namespace["answer"])


@pytest.mark.parametrize("label", sorted(STUBS))
def test_the_solution_on_a_small_stand_in_passes_its_check(label):
    assert checked(label, NOTED[label]["filled"]) == "Right."


@pytest.mark.parametrize("label", sorted(NOTED))
def test_an_empty_answer_stops_nothing(label):
    assert "Fill in" in checked(label, "answer = ...")


def made(code):
    """The names that code gives to something: variables, functions, their arguments, imports."""
    nodes = list(ast.walk(ast.parse(code)))
    found = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    found |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    return found | {getattr(node, "asname", None) or node.name for node in nodes if hasattr(node, "name")}


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_uses_nothing_that_only_its_solutions_make(name):
    solved = "\n".join(solutions(name).values())
    code = [cell.source for cell in nbformat.read(BOOK / f"{name}.ipynb", 4).cells if cell.cell_type == "code"]
    chapter = "\n".join(each for each in code if each not in solved)
    used = {node.id for node in ast.walk(ast.parse(chapter)) if isinstance(node, ast.Name)}
    assert (made(solved) - made(chapter)) & used == set()


@pytest.mark.parametrize(
    "label, filled, told",
    [
        ("davel-ex-samples", "answer = {10: [1.0]}", "an entry for each"),
        (
            "davel-ex-samples",
            "answer = dict.fromkeys((10, 20, 50, 100, 200), torch.zeros(3, 2).unbind(1))",
            "average over",
        ),
        ("davel-ex-samples", "answer = dict.fromkeys((10, 20, 50, 100, 200), 3 * [2.3])", "more than 1"),
        ("davel-ex-samples", "answer = dict.fromkeys((10, 20, 50, 100, 200), 3 * [-0.1])", "below 0"),
        ("davel-ex-random", "answer = np.ones((2, 3, 2))", "average over"),
        ("davel-ex-random", "answer = [4.6, 4.5, 0.3], [4.5, 3.9, 3.0]", "not its logarithm"),
        ("davel-ex-random", "answer = [90, 50, 20], [100, 99, 98]", "that of the network of this chapter"),
        ("davel-ex-random", "answer = [90, 50, 20], [90, 50, 20]", "twice the same"),
        ("davel-ex-random", "answer = [90, 40, 10], [90, 50, 20]", "teach no classes"),
        ("davel-ex-hand", "answer = np.log(4), 1.07", "exponential forgotten"),
        ("davel-ex-hand", "answer = 4, 4", "less than four"),
        ("davel-ex-hand", "answer = 4, 2.11", "same base"),
        ("davel-ex-own", "answer = {'0': 90.0}", "at least two"),
        ("davel-ex-own", "answer = {'0': 4.5, '2': 0.3}", "not its logarithm"),
        ("davel-ex-own", "answer = {'0': 90.0, '2': 90.0}", "one module"),
        ("davel-ex-loss", "answer = lambda z, y: z.sum(1)", "a row a sample"),
        ("davel-ex-loss", "answer = lambda z, y: z - torch.nn.functional.one_hot(y, 3)", "as printed"),
        ("davel-ex-loss", "answer = lambda z, y: z.softmax(1)", "not the gradient"),
        ("davel-ex-narrow", "answer = [-1.2, -3.3]", "each of three"),
        ("davel-ex-narrow", "answer = [[-1, 70], [-2, 70], [-3, 70]]", "not percent"),
        ("davel-ex-narrow", "answer = [[-1, 0.7], [0, 0.7], [1, 0.7]]", "fitted to"),
        ("davel-ex-untrained", "answer = np.ones((2, 3, 2))", "average over"),
        ("davel-ex-untrained", "answer = [4.6, 4.5, 4.5], [4.5, 3.9, 0.9]", "not its logarithm"),
        ("davel-ex-untrained", "answer = [90, 50, 20], [100, 99, 98]", "swapped"),
        ("davel-ex-untrained", "answer = [100, 99, 98], [90, 50, 30]", "of this chapter"),
        ("hu-ex-hand", "answer = 0.09, 0.25, 0", "no threshold"),
        ("hu-ex-hand", "answer = 0.0925, 0.125, 0", "two of eight"),
        ("hu-ex-hand", "answer = 0.0925, 0.25, 0.5", "in each channel"),
        ("hu-ex-null", "answer = 0.2, 0.13", "1 - S"),
        ("hu-ex-rank", "answer = 1", "independent"),
        ("hu-ex-rank", "answer = 4", "no direction"),
        ("hu-ex-null", "answer = 0.8, 1.8", "multiply"),
        ("hu-ex-own", "answer = {'Adam': {'0': 1e-6, '2': 1e-6}}", "two optimizers"),
        ("hu-ex-own", "answer = {'Adam': {'0': 1e-6}, 'SGD': {'0': 4e-6}}", "two layers"),
        ("hu-ex-own", "answer = {'a': {'0': 0, '2': 0}, 'b': {'0': 0, '2': 0}}", "nothing moved"),
        ("hu-ex-own", "answer = {'a': {'0': 1, '2': 1}, 'b': {'0': 1, '2': 1}}", "twice the same"),
        ("hu-ex-zero", "answer = [0.9, 0.6], [0.9, 0.6]", "five accuracies"),
        ("hu-ex-zero", "answer = 2 * [[90, 80, 70, 70, 60]]", "not percent"),
        ("hu-ex-zero", "answer = [0.9, 0.8, 0.7, 0.7, 0.6], [0.6, 0.6, 0.6, 0.6, 0.6]", "left zeroed"),
        ("hu-ex-zero", "answer = [0.9, 0.8, 0.7, 0.7, 0.6], [0.9, 0.8, 0.7, 0.7, 0.5]", "whichever order"),
        ("hu-ex-zero", "answer = 2 * [[0.9, 0.8, 0.7, 0.7, 0.7]]", "all of them gone"),
        ("xie-ex-identity", "answer = np.ones((3, 6, 10))", "average over"),
        ("xie-ex-identity", "answer = np.arange(18.).reshape(3, 6)", "have biases"),
        ("xie-ex-identity", "answer = np.ones((3, 6))", "handed on"),
        ("xie-ex-classes", "answer = 94, 0.14", "as a share"),
        ("xie-ex-classes", "answer = 0.94, 14", "between -1 and 1"),
        ("xie-ex-classes", "answer = 0.97, 0.18", "grad_outputs"),
        ("xie-ex-classes", "answer = 0.2, -0.02", "not a new one for each image"),
        ("xie-ex-hand", "answer = [-0.27, 0], [0.25, 0.75]", "sums to zero"),
        ("xie-ex-hand", "answer = [-0.27, 0], [-0.75, 0.75]", "take away the label"),
        ("xie-ex-hand", "answer = [-0.27, 0.5], [0.25, -0.25]", "is off"),
        ("xie-ex-hand", "answer = [0.27, 0], [0.25, -0.25]", "down through the weights"),
        ("xie-ex-mask", "answer = {'trained': (0.4, 0.7)}", "each of the two"),
        ("xie-ex-mask", "answer = {'untrained': (20, 65), 'trained': (40, 70)}", "at most 1"),
        ("xie-ex-mask", "answer = {'untrained': (0.65, 0.2), 'trained': (0.7, 0.4)}", "swapped"),
        ("xie-ex-mask", "answer = {'untrained': (0.2, 0.3), 'trained': (0.4, 0.7)}", "the mask alone"),
        ("xie-ex-strokes", "answer = [True, False], [True]", "for the plus and one"),
        ("xie-ex-strokes", "answer = [False, False], [False, True]", "longer than a spur"),
        ("xie-ex-strokes", "answer = [True, False], [True, True]", "a crossing is none"),
        ("xie-ex-own", "answer = [0.5], [0.4]", "a number a layer"),
        ("xie-ex-own", "answer = [50, 80], [40, 80]", "between -1 and 1"),
        ("xie-ex-own", "answer = [0.5, 0.8], [0.5, 0.8]", "twice the same"),
        ("lens-ex-share", "answer = {0.3: np.ones(7), 0.8: np.ones(7)}", "a row a seed"),
        ("lens-ex-share", "answer = {0.3: np.full((2, 7), 5), 0.8: np.full((2, 7), 5)}", "hand it on"),
        ("lens-ex-share", "answer = {0.3: np.full((2, 7), 6), 0.8: np.full((2, 7), 4)}", "swapped"),
        ("lens-ex-share", "answer = {0.3: np.full((2, 7), 6), 0.8: np.full((2, 7), 7)}", "another layer"),
        ("lens-ex-own", "answer = {'mean': [0.8, 0.7]}", "by mean and flat"),
        ("lens-ex-own", "answer = {'mean': [0.8, 0.7], 'flat': [0.4]}", "of the same layers"),
        ("lens-ex-own", "answer = {'mean': [0.8], 'flat': [-0.4]}", "not below 0"),
        ("lens-ex-own", "answer = {'mean': [0.8], 'flat': [0.8]}", "twice the same"),
        ("lens-ex-read", "answer = {'mean': False}", "an entry for each"),
        ("lens-ex-read", "answer = {'mean': True, 'grid': True, 'flat': True}", "the mean stays"),
        ("lens-ex-read", "answer = {'mean': False, 'grid': False, 'flat': True}", "a third cell"),
        ("lens-ex-read", "answer = {'mean': False, 'grid': True, 'flat': False}", "every entry"),
        ("lens-ex-mean", "answer = [0], [0.5]", "each of two pictures"),
        ("lens-ex-mean", "answer = [0, 1], [0.5, 1]", "the same mean patch"),
        ("lens-ex-mean", "answer = [0, 0], [0.5, 0.5]", "they must differ"),
        ("lens-ex-mean", "answer = [0, 0], [-0.5, 0]", "swapped"),
        ("lens-ex-move", "answer = {0.2: 5, 0.4: 3, 0.6: 1, 0.8: 1}", "in order"),
        ("lens-ex-move", "answer = {0.2: 5, 0.4: 5, 0.6: 5, 0.8: 5}", "handed on"),
        ("lens-ex-move", "answer = {0.2: 0, 0.4: 1, 0.6: 3, 0.8: 5}", "1, 1, 3 and 5"),
        ("lens-ex-rest", "answer = 9, 0.1", "between -1 and 1"),
        ("lens-ex-rest", "answer = 0.1, 0.1", "over everything"),
        ("lens-ex-rest", "answer = 0.9, 0.9", "the same noise"),
        ("cao-ex-plan", "answer = 0.36", "leaves a where it is"),
        ("cao-ex-plan", "answer = 0.06", "already on a and c"),
        ("cao-ex-step", "answer = 0.04", "it arrives"),
        ("cao-ex-step", "answer = 0.02", "half a step"),
        ("cao-ex-own", "answer = 0.6, 0.7", "each of three"),
        ("cao-ex-own", "answer = 60, 70, 50", "not sums"),
        ("cao-ex-own", "answer = 0.6, 0.6, 0.6", "have not learned"),
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
    said = checked(label, filled)
    assert said.startswith("Not yet: ") and told in said


@pytest.mark.parametrize("filled", ["answer = 0.5", "answer = 'deeper layers'", "answer = None"])
@pytest.mark.parametrize("label", sorted(NOTED))
def test_an_answer_of_another_form_is_told_and_stops_nothing(label, filled):
    assert checked(label, filled).startswith(("Not yet: ", "Is it what the comment above it asks for?"))


def test_notes_are_yaml_without_a_chapter_of_their_own():
    for path in (BOOK / "teach").glob("*.yaml"):
        assert path.stem in CHAPTERS
        assert isinstance(from_yaml(path.read_text(encoding="utf-8"), str(path)), dict)
