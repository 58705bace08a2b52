"""Drawings of the chapter on four lenses: one layer under four instruments, read-outs, marks, moves, what is left."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyBboxPatch

from layerbook.figures._drawing import draws
from layerbook.figures.common import CLASS_COLOURS, DATA_COLOURS, INK, KIND_COLOURS, as_array
from layerbook.figures.sides import WIDE, panels
from layerbook.figures.slider import drawing

_ASKED = (
    ("distance", "can a probe read\nthe class off?", 0),
    ("patterns and nodes", "which nodes are on,\nand for whom?", 1),
    ("targets", "what is the layer\ntold from above?", 2),
    ("filters", "how far have its\nweights moved?", 3),
)


@draws
def idea() -> HTML:
    """The idea: four instruments look at one layer of one network."""
    figure, ax = plt.subplots(figsize=(WIDE, 2.5))
    for place in range(3):
        chosen = place == 2
        for node in range(4):
            look = {"facecolor": DATA_COLOURS[0], "edgecolor": DATA_COLOURS[0]} if chosen else {"fill": False}
            ax.add_patch(Circle((1.5 + 1.1 * place, 2.6 - 0.62 * node), 0.2, **({"edgecolor": "0.5"} | look)))
    for place in range(2):
        _arrow(ax, (1.8 + 1.1 * place, 1.67), (2.3 + 1.1 * place, 1.67))
    ax.text(0.35, 1.67, "a picture", ha="center", va="center")
    _arrow(ax, (0.9, 1.67), (1.2, 1.67))
    ax.text(3.3, 0.2, "one layer of many, at one moment", ha="center", va="center")
    for row, (name, asks, colour) in enumerate(_ASKED):
        y = 3.05 - 0.93 * row
        ax.add_patch(
            FancyBboxPatch(
                (6.3, y - 0.37), 4.6, 0.74, boxstyle="round,pad=0.02", fill=False, edgecolor=KIND_COLOURS[colour]
            )
        )
        ax.text(6.45, y, name.replace(" and ", "\nand "), va="center", fontweight="bold", fontsize="small")
        ax.text(10.8, y, asks, va="center", ha="right", fontsize="small")
        ax.plot([3.95, 6.25], [2.6 - 0.62 * row, y], color=KIND_COLOURS[colour], linewidth=1.2, linestyle=":")
    ax.set(xlim=(-0.3, 11.1), ylim=(-0.2, 3.6))
    ax.axis("off")
    return drawing(
        figure,
        "Four instruments look at the same layer of one network: can a probe read the class off, which nodes are on "
        "and for whom, what is the layer told from above, how far have its weights moved",
    )


@draws
def places(pictures: np.ndarray, cells: int = 4) -> HTML:
    """Outputs of one channel with the cells of a grid, and what their mean is.

    Parameters
    ----------
    pictures : shape (pictures, height, width)
    """
    pictures = as_array(pictures)
    figure, axes = panels(len(pictures), 2.5)
    for ax, picture, name in zip(axes, pictures, "abcdefgh", strict=False):
        for (row, column), value in np.ndenumerate(picture):
            colour = DATA_COLOURS[0] if value else "none"
            ax.add_patch(plt.Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=colour, edgecolor="0.8", lw=0.5))
        for line in np.linspace(0, len(picture), cells + 1) - 0.5:
            for draw in (ax.axhline, ax.axvline):
                draw(line, color="0.45", linewidth=1.2)
        height, width = picture.shape
        ax.set(xlim=(-0.6, width - 0.4), ylim=(height - 0.4, -0.6), aspect="equal", xticks=[], yticks=[])
        ax.set(title=f"picture {name}", xlabel=f"mean 1/{round(1 / picture.mean())}")
        _bare(ax)
    return drawing(
        figure,
        "Three outputs of one channel: the strokes of a and c lie in the same cells of the grid, that of b in others; "
        "all three have the same mean",
    )


@draws
def mark(steps: Sequence[float], reading: np.ndarray, output: np.ndarray, share: float, when: float) -> HTML:
    """How a step is read off: the mark is a share of where the output ends.

    Parameters
    ----------
    steps, reading, output : of the layer and of the output at each step, shape (moments,)
    when : the step that was read off
    """
    figure, ax = plt.subplots(figsize=(0.75 * WIDE, 2.7))
    time, level = np.log1p(steps), share * output[-1]
    ax.plot(time, output, "s-", color=INK, label="the output layer")
    ax.plot(time, reading, "o-", color=DATA_COLOURS[0], label="a hidden layer")
    ax.axhline(level, color="0.5", linestyle="--", linewidth=1)
    ax.text(0.02, level + 0.03, "half of where the output ends", fontsize="small")
    ax.plot([np.log1p(when)] * 2, [0, level], color=DATA_COLOURS[0], linestyle=":")
    ax.text(np.log1p(when) + 0.05, 0.03, f"step {when:.1f}", fontsize="small", color=DATA_COLOURS[0])
    ax.set_xticks(time, [f"{step:g}" for step in steps])
    ax.set(xlabel="training step", ylabel="reading", ylim=(0, None))
    ax.legend(loc="upper left", fontsize="small", bbox_to_anchor=(0, 0.92))
    return drawing(
        figure, f"The reading of a layer passes half of where the output ends at step {when:.1f}, and stays above"
    )


@draws
def move() -> HTML:
    """The test by intervention: a picture's output moved from one class to another, and where the network cuts."""
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [2.2, 1.2]])
    figure, axes = panels(2, 2.5, sharey=True)
    for ax, told in zip(axes, ("the network follows", "it does not: it cuts elsewhere"), strict=True):
        for centre, colour, name in zip(centres, DATA_COLOURS, ("class a", "class b"), strict=True):
            cloud = centre + 0.35 * rng.standard_normal((18, 2))
            ax.plot(*cloud.T, ".", color=colour, alpha=0.55)
            ax.plot(*centre, "+", color=INK, markersize=11, markeredgewidth=2)
            ax.text(centre[0] - 0.1, centre[1] + 0.85, name, ha="center", color=colour)
        start = np.array([0.35, -0.45])
        _arrow(ax, start, start + centres[1], 1.8)
        ax.plot(*start, "o", color=INK)
        cut = ([0.4, 1.8], [2.0, -1.0]) if told.startswith("the") else ([3.3, 3.5], [2.0, -1.0])
        ax.plot(*cut, color="0.4", linestyle="--")
        ax.set(title=told, xlim=(-1.1, 3.7), ylim=(-1.3, 2.4), xticks=[], yticks=[])
        ax.set_xlabel("output of a layer")
        ax.grid(False)
    return drawing(
        figure,
        "A picture's output is moved by the way between the means of two classes. On the left it crosses the line at "
        "which the rest of the network changes its answer; on the right the line lies elsewhere, and it does not",
    )


@draws
def left_over(ranks: np.ndarray, left: np.ndarray) -> HTML:
    """A table of ranks, layers by moments; what layers and moments add; and what is left.

    Parameters
    ----------
    ranks, left : shape (moments, layers)
    """
    figure, axes = panels(3, 2.1)
    titles = ("ranks of a lens", "what layers and steps add", "what is left")
    for ax, values, title in zip(axes, (ranks, ranks - left, left), titles, strict=True):
        for (row, column), value in np.ndenumerate(as_array(values, None)):
            colour = CLASS_COLOURS[0] if value > 0 else CLASS_COLOURS[3] if value < 0 else "none"
            if title == titles[-1] and abs(value) > 1e-9:
                ax.add_patch(Circle((column, row), 0.38, facecolor=colour, alpha=0.3, linewidth=0))
            ax.text(column, row, f"{value:.2g}".replace("-", "−"), ha="center", va="center")
        moments, layers = values.shape
        ax.set(xlim=(-0.6, layers - 0.4), ylim=(moments - 0.4, -0.6), aspect="equal", title=title, xlabel="layer")
        ax.set_xticks(range(layers), range(1, layers + 1))
        ax.set_yticks(range(moments), ["start", *["middle"] * (moments - 2), "end"])
        _bare(ax)
    return drawing(
        figure,
        f"A table of {ranks.size} ranks is the sum of what its layers and steps add and of what is left, at most "
        f"{np.abs(left).max():.2g}",
    )


def _arrow(ax: Axes, start: Sequence[float], end: Sequence[float], width: float = 1.2) -> None:
    ax.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": INK, "linewidth": width})


def _bare(ax: Axes) -> None:
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    ax.grid(False)
