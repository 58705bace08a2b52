"""Drawings of the chapter on filters: what D, S and Z count, what chance makes of Z, what an optimizer does."""

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from layerbook.figures._drawing import draws
from layerbook.figures.common import DATA_COLOURS, INK, KIND_COLOURS, as_array
from layerbook.figures.sides import WIDE, panels
from layerbook.figures.slider import drawing

_BEFORE = np.array([[2, -1, 0], [1, 3, -2], [0, 1, -1]]) / 10
_MOVE = np.array([[0, 0, 1], [0, -2, 0], [0, 0, 3]]) / 10


@draws
def idea() -> HTML:
    """The idea: look at a filter twice, and at what has changed in between."""
    figure, axes = panels(3, 2.2)
    for ax, values, title in zip(
        axes, (_BEFORE, _BEFORE + _MOVE, _MOVE), ("a filter now", "ten steps later", "what has changed"), strict=True
    ):
        _grid(values, ax, 0.3).set_title(title)
    axes[0].set_xlabel("filled: above zero; hollow: below", fontsize="small")
    return drawing(
        figure, "Nine weights of a filter now and ten steps later, and their differences: six stayed, three have moved"
    )


@draws
def change(before: np.ndarray, after: np.ndarray, threshold: float) -> HTML:
    """Channels of one filter: by how much each weight moved, framed where that is more than a threshold.

    Parameters
    ----------
    before, after : shape (channels, h, w)
    """
    moved = as_array(after, None) - as_array(before, None)
    figure, axes = panels(len(moved), 2.2)
    for number, (ax, values) in enumerate(zip(axes, moved, strict=True), 1):
        _grid(values, ax, np.abs(moved).max())
        for row, column in np.argwhere(np.abs(values) > threshold):
            ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=INK, linewidth=2.2))
        far = (np.abs(values) > threshold).sum()
        ax.set(title=f"channel {number}", xlabel=f"{far} of {values.size} moved" if far else "still")
    return drawing(
        figure,
        f"Moves of the weights of one filter, a grid a channel: {(np.abs(moved) > threshold).sum()} of {moved.size} "
        f"moved by more than {threshold:g}",
    )


@draws
def chance(weights: int) -> HTML:
    """How many channels are still by chance, where a share S of the weights moves, each on its own."""
    figure, ax = plt.subplots(figsize=(0.7 * WIDE, 2.4))
    share = np.linspace(0, 1, 100)
    for count, colour in zip((1, weights), KIND_COLOURS, strict=False):
        ax.plot(share, (1 - share) ** count, color=colour, label=f"{count} weight{'s' * (count > 1)} a channel")
    ax.set(xlabel="S, share of weights that move", ylabel="Z by chance", xlim=(0, 1), ylim=(0, 1))
    ax.legend(fontsize="small")
    return drawing(
        figure, f"By chance, a channel of {weights} weights is hardly ever still unless next to no weight moves"
    )


@draws
def steps() -> HTML:
    """What two optimizers make of the same gradients."""
    gradients = {"lower layer": (4, 3.5, 4.2, 3.8), "upper layer": (0.4, 0.5, 0.35, 0.45)}
    figure, axes = panels(3, 2.2, sharey=True)
    for ax, title, step in zip(
        axes,
        ("gradients", "steps of SGD", "steps of Adam"),
        (lambda g: g, lambda g: 0.5 * g, lambda g: 2 * g / np.abs(g)),
        strict=True,
    ):
        for at, ((layer, values), colour) in enumerate(zip(gradients.items(), DATA_COLOURS, strict=True)):
            ax.bar(np.arange(4) + 5 * at, step(np.array(values)), color=colour, label=layer)
        ax.set(title=title, xticks=[1.5, 6.5], yticks=[])
        ax.set_xticklabels(gradients)
        ax.tick_params(length=0)
        ax.grid(False)
    return drawing(
        figure,
        "Gradients are large in a lower layer and small in an upper one; steps of SGD are as well, steps of Adam are "
        "of one size",
    )


def _grid(values: np.ndarray, ax: Axes, largest: float) -> Axes:
    """Weights as discs, filled above zero and open below."""
    for (row, column), value in np.ndenumerate(values):
        ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="0.75", linewidth=0.6))
        size = 0.42 * np.sqrt(abs(value) / largest)
        look = {"color": DATA_COLOURS[0]} if value > 0 else {"fill": False, "edgecolor": DATA_COLOURS[1]}
        if value:
            ax.add_patch(plt.Circle((column, row), size, linewidth=1.6, **look))
    ax.set(xlim=(-0.6, values.shape[1] - 0.4), ylim=(values.shape[0] - 0.4, -0.6), aspect="equal", xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.grid(False)
    return ax
