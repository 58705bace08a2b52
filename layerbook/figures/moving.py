"""Drawings of the chapter on layer distributions: mass that moves, kinds of samples, and who may leave."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.patches import Circle

from layerbook.figures._drawing import draws
from layerbook.figures.common import BASELINE_COLOUR, DATA_COLOURS, INK, KIND_COLOURS, as_array
from layerbook.figures.sides import WIDE, panels
from layerbook.figures.slider import drawing

_TARGET = (0.5, 0.5, 0, 0)
_ANSWERS = {
    "an early layer": (0.25, 0.25, 0.25, 0.25),
    "a middle layer": (0.35, 0.3, 0.2, 0.15),
    "a late layer": (0.45, 0.4, 0.1, 0.05),
    "the output": (0.49, 0.48, 0.02, 0.01),
}
_LABELS = ("shoe", "3", "bag", "7")


@draws
def idea() -> HTML:
    """The idea: every layer answers, and its answer gets nearer to the truth."""
    figure, axes = panels(len(_ANSWERS), 2.3, sharey=True)
    for ax, (where, answer) in zip(axes, _ANSWERS.items(), strict=True):
        ax.bar(range(4), answer, color=DATA_COLOURS[0], width=0.7)
        ax.bar(range(4), _TARGET, facecolor="none", edgecolor=INK, linewidth=1.2, width=0.7)
        away = np.abs(np.subtract(answer, _TARGET)).sum() / 2
        ax.set(title=where, xlabel=f"distance {away:.2f}", yticks=[], ylim=(0, 0.6))
        ax.set_xticks(range(4), _LABELS)
        ax.tick_params(length=0)
        ax.grid(False)
    return drawing(
        figure,
        "A picture shows a shoe and a 3. What four layers answer, as bars, beside the truth, as outlines: an early "
        "layer gives every label the same, the output nearly the truth; the distance falls",
    )


@draws
def plan(answer: Sequence[float], target: Sequence[float], moved: np.ndarray, cost: np.ndarray) -> HTML:
    """An answer, how its mass moves to the target, and what moving costs.

    Parameters
    ----------
    answer, target : shape (K,), each of sum 1
    moved, cost : from label (row) to label (column), shape (K, K)
    """
    answer, target, moved, cost = (as_array(each, None) for each in (answer, target, moved, cost))
    names = "abcdefgh"[: len(answer)]
    figure, (left, middle, right) = panels(3, 2.7, width_ratios=(0.8, 1, 1))
    left.barh(range(len(answer)), answer, color=DATA_COLOURS[0], height=0.6)
    left.barh(range(len(answer)), target, facecolor="none", edgecolor=INK, linewidth=1.2, height=0.6)
    left.set(title="answer, and target", xlim=(0, 1.1), ylim=(len(answer) - 0.5, -0.5), xticks=[0, 1])
    left.set_yticks(range(len(answer)), names)
    left.grid(False)
    _table(moved, names, middle, DATA_COLOURS[0]).set_title("the plan: how much moves")
    _table(cost, names, right, KIND_COLOURS[1]).set_title("what moving costs")
    work = (moved * cost).sum()
    middle.set_xlabel("to")
    right.set_xlabel(f"to\nplan × cost, added up: {work:.2f}")
    return drawing(
        figure,
        f"An answer of three labels, the plan that moves its mass to the target, and the costs; the work is {work:.2f}",
    )


def _table(values: np.ndarray, names: str, ax: Axes, colour: object) -> Axes:
    """Numbers in rows and columns, each on a disc of its size."""
    for (row, column), value in np.ndenumerate(values):
        ax.add_patch(Circle((column, row), 0.46 * np.sqrt(value), color=colour, alpha=0.35, linewidth=0))
        ax.text(column, row, f"{value:g}", ha="center", va="center")
    ax.set(xlim=(-0.6, len(names) - 0.4), ylim=(len(names) - 0.4, -0.6), aspect="equal", ylabel="from")
    ax.set_xticks(range(len(names)), names)
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.grid(False)
    return ax


@draws
def leaving(taps: np.ndarray, s1: float, s2: float, rho: float) -> HTML:
    """One picture at some taps: which labels are predicted, which surely, and where it leaves.

    Parameters
    ----------
    taps : probabilities, shape (taps, K)
    s1, s2, rho : thresholds
    """
    taps = as_array(taps, None)
    figure, axes = panels(len(taps), 2.4, sharey=True)
    gone = False
    for number, (ax, row) in enumerate(zip(axes, taps, strict=True)):
        predicted, sure = (row > s1).sum(), (row > s2).sum()
        ax.barh(range(len(row)), row, height=0.6, color=BASELINE_COLOUR if gone else DATA_COLOURS[0])
        for level, style in ((s1, ":"), (s2, "--")):
            ax.axvline(level, color=INK, linestyle=style, linewidth=1)
        leaves = (predicted and sure / predicted >= rho) or number == len(taps) - 1
        told = "never computed" if gone else f"{sure} of {predicted} surely: " + ("leave" if leaves else "go on")
        ax.set(title=f"tap {number}", xlabel=told, xlim=(0, 1.02), xticks=[0, s1, s2])
        ax.set_yticks(range(len(row)), "abcdefgh"[: len(row)])
        ax.set_ylim(len(row) - 0.5, -0.5)
        ax.grid(False)
        gone = gone or leaves
    return drawing(
        figure,
        "The probabilities of one picture at four taps with two thresholds: it goes on until enough of the predicted "
        "labels are above the second one, and leaves there",
    )


@draws
def kinds() -> HTML:
    """How the distance of an easy, a hard and a confused sample goes through the layers."""
    depth = np.linspace(0, 1, 60)
    fall = 1 / (1 + np.exp(14 * (depth - 0.4)))
    courses = {
        "easy: near early": 0.08 + 0.92 * fall,
        "hard: far to the end": 1 - 0.25 * depth**3,
        "confused: was nearer before": 0.35 + 0.65 * fall + 0.4 / (1 + np.exp(-25 * (depth - 0.85))),
    }
    figure, ax = plt.subplots(figsize=(0.7 * WIDE, 2.4))
    for (told, course), colour in zip(courses.items(), KIND_COLOURS, strict=False):
        ax.plot(depth, course, color=colour, label=told)
    ax.axhline(1, color=BASELINE_COLOUR, linewidth=1)
    ax.set(xlabel="depth", ylabel="w, by guessing", ylim=(0, 1.15), xticks=[], yticks=[0, 1])
    ax.legend(fontsize="small", bbox_to_anchor=(1, 0.5), loc="center left")
    ax.grid(False)
    return drawing(
        figure, "Distance by depth of three samples: an easy one falls early, a hard one hardly, a confused one rises"
    )
