"""What drawing takes care of, in every figure."""

import ast
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from layerbook.figures import clouds
from layerbook.figures import common as plots
from layerbook.figures._drawing import as_text, class_colours, class_names, draws
from layerbook.figures.cooperating_classifiers import activation_shares
from layerbook.figures.distribution_panels import label_bars, label_costs
from layerbook.figures.filter_panels import zeroing_costs
from layerbook.figures.node_systems import class_histograms

BAD = ["$\\frac{$", "costs $5 or $6", "{", "_x^", "\\", "plain"]


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


@pytest.mark.parametrize(
    "draw",
    [
        lambda names, ax: activation_shares(np.full((len(names), 2), 0.5), [1, 1], names, ax) and ax.legend(),
        lambda names, ax: class_histograms(np.ones((len(names), 3)), np.arange(4), names, ax) and ax.legend(),
        lambda names, ax: clouds.class_legend(ax.figure, names),
        lambda names, ax: label_bars(np.full(len(names), 1 / len(names)), np.eye(len(names))[0], ax, names),
        lambda names, ax: label_costs(np.eye(len(names)), names, ax),
    ],
    ids=["shares", "histograms", "legend", "bars", "costs"],
)
def test_names_of_classes_are_drawn_as_they_are(ax, draw):
    draw(BAD, ax)
    ax.figure.canvas.draw()
    drawn = {text.get_text().replace("\\$", "$").removeprefix(" ") for text in ax.figure.findobj(plt.Text)}
    assert set(BAD) <= drawn


def test_a_name_is_text_whatever_dollars_it_has(ax):
    for name in BAD:
        text = ax.text(0, 0, as_text(name))
        shown, kind = text._preprocess_math(text.get_text())
        assert (shown.removeprefix(" "), kind) == (name, False)


@pytest.mark.parametrize("count", [1, 10, 20, 47])
def test_every_class_has_a_colour_of_its_own(count):
    assert len({to_rgb(colour) for colour in class_colours(count)}) == count
    assert class_colours(10) == plots.CLASS_COLOURS


def test_more_than_ten_classes_are_all_drawn(ax):
    names = [str(i) for i in range(12)]
    class_histograms(np.ones((12, 3)), np.arange(4), names, ax)
    assert [patch.get_label() for patch in ax.patches] == names
    clouds.plane(np.zeros((12, 2)), np.arange(12), ax)
    assert len(np.unique(ax.collections[0].get_facecolors(), axis=0)) == 12


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (
            lambda ax: activation_shares(np.ones((3, 4)), [2, 2], ["a", "b"], ax),
            "classes: expected 3, one name per row of shares, got 2",
        ),
        (
            lambda ax: activation_shares(np.ones((2, 4)), [2, 3], ["a", "b"], ax),
            "layer_sizes: expected 4, the nodes of shares, got 5",
        ),
        (
            lambda ax: class_histograms(np.ones((3, 4)), np.arange(5), ["a", "b"], ax),
            "classes: expected 3, one name per row of counts, got 2",
        ),
        (lambda ax: clouds.plane(np.ones((3, 2)), np.arange(2), ax), "labels: expected 3, one per point, got 2"),
        (lambda ax: label_costs(np.eye(3), ["a", "b"], ax), "classes: expected 3, one name per label, got 2"),
        (lambda ax: label_costs(np.ones((3, 2)), ["a", "b", "c"], ax), "cost: expected 3, .* got 2"),
        (lambda ax: label_bars(np.ones(3) / 3, np.ones(2) / 2, ax), "predicted: expected 2, .* got 3"),
        (lambda ax: label_bars(np.ones(3) / 3, np.ones(3) / 3, ax, ["a"]), "classes: expected 3, .* got 1"),
        (lambda ax: zeroing_costs(np.ones((3, 4)), {"Z": np.ones(2)}, ["a", "b", "c"], ax), "Z: expected 3, .* got 2"),
        (lambda ax: zeroing_costs(np.ones((3, 4)), {}, ["a", "b"], ax), "layers: expected 3, .* got 2"),
    ],
)
def test_lengths_that_differ_are_refused(ax, draw, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        draw(ax)


def test_a_figure_that_fails_does_not_stay_open():
    @draws
    def draw(fail):
        figure, _ = plt.subplots()
        plt.figure()
        if fail:
            raise KeyError("late")
        return figure

    mine = plt.figure()
    before = plt.get_fignums()
    with pytest.raises(KeyError, match="late"):
        draw(True)
    assert plt.get_fignums() == before
    draw(False)
    assert len(plt.get_fignums()) == len(before) + 2
    plt.close("all")
    assert mine is not None


def test_names_of_other_data_are_numbers():
    assert class_names(["a", "b"], 2) == ["a", "b"] and class_names(["a"], 2) == ["0", "1"]


def making_figures(path):
    """Public functions of a module that open a figure, themselves, by functions beside them or by shared ones."""
    functions = {node.name: node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}
    calls = {
        name: {ast.unparse(call.func) for call in ast.walk(node) if isinstance(call, ast.Call)}
        for name, node in functions.items()
    }
    shared = {"panels"}
    found, more = set(), {"plt.subplots", "plt.figure", "plt.subplot_mosaic", *shared}
    while more:
        found |= more
        more = {name for name in functions if calls[name] & found} - found
    return [functions[name] for name in functions if name in found and not name.startswith("_")]


@pytest.mark.parametrize("path", sorted(Path(plots.__file__).parent.glob("[a-z]*.py")), ids=lambda path: path.stem)
def test_every_function_that_opens_a_figure_closes_it_when_it_fails(path):
    open_ended = [node.name for node in making_figures(path) if "draws" not in map(ast.unparse, node.decorator_list)]
    assert open_ended == []


def test_functions_that_open_figures_are_found(tmp_path):
    (tmp_path / "figures.py").write_text("def _a():\n    plt.figure()\ndef b():\n    _a()\ndef c(ax):\n    ax.plot()\n")
    assert [node.name for node in making_figures(tmp_path / "figures.py")] == ["b"]
