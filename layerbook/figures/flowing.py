"""Drawings of the chapter on forward and backward: what goes up, what comes down, and what is held against it."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch
from torch import Tensor
from xarray import DataArray

from layerbook.figures._drawing import draws
from layerbook.figures.common import CLASS_COLOURS, CONTROL_COLOUR, DATA_COLOURS, INK, KIND_COLOURS, as_array, spread
from layerbook.figures.sides import WIDE, by_side, panels
from layerbook.figures.slider import drawing
from layerbook.report import Report

_UP, _DOWN = DATA_COLOURS
# what is sent down, class by class, for four images of two classes
_SENT = {"true labels": (0, 0, 3, 3), "random labels": (3, 0, 0, 3), "errors of other images": (0, 3, 3, 0)}


@draws
def idea() -> HTML:
    """The idea: features go up through the weights, targets come down through the same weights."""
    figure, ax = plt.subplots(figsize=(WIDE, 2.7))
    up, down = (
        ("image", "features\nz₁", "features\nz₂", "answer p"),
        ("a picture", "target\nõ₁", "target\nõ₂", "p − y"),
    )
    for at, (above, below) in enumerate(zip(up, down, strict=True)):
        _box(ax, at, 1, above, _UP)
        _box(ax, at, 0, below, _DOWN)
        if at:
            _arrow(ax, (at - 0.7, 1), (at - 0.3, 1), _UP)
            _arrow(ax, (at - 0.3, 0), (at - 0.7, 0), _DOWN)
            ax.text(at - 0.5, 0.5, f"W{'₁₂₃'[at - 1]}", ha="center", va="center", color=INK)
        if at in (1, 2):
            _arrow(ax, (at, 0.26), (at, 0.74), INK, linestyle="--")
    _arrow(ax, (3, 0.74), (3, 0.26), INK)
    ax.text(3.12, 0.5, "label y", va="center")
    ax.text(-0.42, 1.42, "the encoder →", color=_UP)
    ax.text(-0.42, -0.52, "← the decoder", color=_DOWN)
    ax.text(1.5, -0.52, "dashed: each layer should move against its target", ha="center", fontsize="small")
    ax.set(xlim=(-0.45, 3.75), ylim=(-0.6, 1.6))
    ax.axis("off")
    return drawing(
        figure,
        "The encoder goes up from the image through the layers' features to the answer. The decoder comes down from "
        "the error through the same weights and gives each layer a target, and at the end a picture",
    )


@draws
def toy(layers: list[Tensor], images: Tensor, passes: list[Tensor]) -> HTML:
    """A network of two nodes a layer, with what goes up and what comes down at each node.

    Parameters
    ----------
    layers : weights, shape (2, 2) each
    images : the one sample, shape (1, 2)
    passes : pre-activations and targets of every layer, shape (1, 2) each, first the pre-activations
    """
    figure, ax = plt.subplots(figsize=(WIDE, 2.7))
    half = len(passes) // 2
    ups, downs = [images, *passes[:half]], [None, *passes[half:]]
    for at, (z, back) in enumerate(zip(ups, downs, strict=True)):
        for node in range(2):
            off = at and at < half and z[0, node] <= 0
            look: dict[str, Any] = {"facecolor": "none", "edgecolor": _UP, "linestyle": "--" if off else "-"}
            ax.add_patch(Circle((2 * at, -node), 0.28, linewidth=1.4, **look))
            ax.text(2 * at, -node, f"{z[0, node].item():.2g}".replace("-", "−"), ha="center", va="center", color=_UP)
            if back is not None:
                told = f"õ = {back[0, node].item() + 0.0:.2f}".replace("-", "−")  # no minus before a zero
                ax.text(2 * at, -node - 0.42, told, ha="center", va="center", color=_DOWN, fontsize="small")
            if at:
                for other in range(2):
                    weight = layers[at - 1][node, other].item()
                    if weight:
                        ends = [2 * at - 1.7, 2 * at - 0.3], [-other, -node]
                        ax.plot(*ends, color=INK, linewidth=0.8, zorder=0)
                        x, y = 2 * at - 0.65, -node + 0.25 * (node - other)
                        told = f"{weight:.2g}".replace("-", "−")
                        ax.text(x, y + 0.09, told, ha="center", va="center", fontsize="small")
    for at, name in enumerate(("image", "z₁", "z₂")):
        ax.text(2 * at, 0.5, name, ha="center")
    ax.text(2 * half + 0.5, -0.5, "label: the\nupper node", va="center", fontsize="small")
    ax.set(xlim=(-0.5, 2 * half + 1.5), ylim=(-1.65, 0.75), aspect="equal")
    ax.axis("off")
    return drawing(
        figure,
        "Two inputs, two hidden nodes and two outputs with their numbers: pre-activations in the nodes, targets below "
        "them. The hidden node that is off gets the target 0",
    )


@draws
def controls() -> HTML:
    """What the two controls change: which error is sent down through which image."""
    figure, axes = plt.subplots(1, 3, figsize=(WIDE, 2.2))
    for ax, (title, classes) in zip(axes, _SENT.items(), strict=True):
        for at, (image, sent) in enumerate(zip((0, 0, 3, 3), classes, strict=True)):
            ax.add_patch(Circle((at, 1), 0.3, color=CLASS_COLOURS[image]))
            look: dict[str, Any] = {"facecolor": CLASS_COLOURS[sent], "edgecolor": "none", "boxstyle": "round,pad=0.02"}
            ax.add_patch(FancyBboxPatch((at - 0.26, -0.26), 0.52, 0.52, **look))
            _arrow(ax, (at, 0.34), (at, 0.64), INK)
        ax.set(xlim=(-0.6, 3.6), ylim=(-0.6, 1.6), aspect="equal", xticks=[])
        ax.set_yticks([1, 0], ["image", "error"] if ax is axes[0] else ["", ""])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.grid(False)
        ax.set_title(title)
    return drawing(
        figure,
        "Four images of two classes and the class of the error that is sent through each: its own, a random one, or "
        "that of another image; targets are coloured by the error's class",
    )


@draws
def guiding(z: Tensor, back: Tensor) -> HTML:
    """Which entries guided back-propagation keeps: those on which both passes agree in sign.

    Parameters
    ----------
    z, back : what came up and what comes down, shape (n,)
    """
    figure, axes = plt.subplots(1, 3, figsize=(WIDE, 1.9), sharey=True)
    kept = back * (z.sign() == back.sign())
    titles = "z, what came up", "z̃, what comes down", "kept: where signs agree"
    for ax, values, title, colour in zip(axes, (z, back, kept), titles, (_UP, _DOWN, KIND_COLOURS[0]), strict=True):
        ax.bar(range(1, len(values) + 1), as_array(values), color=colour, width=0.6)
        ax.axhline(0, color=INK, linewidth=0.8)
        ax.set(title=title, xticks=range(1, len(values) + 1), xlabel="entry")
    return drawing(
        figure,
        f"{len(z)} entries of z and z̃ as bars; of z̃ the {int((kept != 0).sum())} with the sign of z are kept",
    )


@draws
def in_short(report: Report) -> HTML:
    """The findings in one picture: features get compact, and a wrong label draws hardly less of the image."""

    def draw(curve: DataArray, side: str) -> Figure:
        figure, (left, right) = panels(2, 2.9)
        for at, label, colour in ((0, "before training", CONTROL_COLOUR), (-1, "after", KIND_COLOURS[1])):
            values = curve.isel(iteration=at, layer=slice(5)).sel(number="silhouette", cloud="features")
            spread(values.layer, values.transpose("seed", "layer"), left, label=label, color=colour)
        left.set(title="how compact features are", xlabel="layer", ylabel="silhouette", ylim=(-0.05, None))
        left.legend(fontsize="small")
        drawn = report.sides("decoder_cosine")[side]
        looks = (("guided", "right label", KIND_COLOURS[0]), ("guided, wrong label", "wrong label", CONTROL_COLOUR))
        for kind, label, colour in looks:
            values = drawn.sel(picture=kind).transpose("seed", "iteration")
            line = "--" if "wrong" in kind else "-"
            spread(np.arange(drawn.sizes["iteration"]), values, right, label=label, color=colour, linestyle=line)
        ticks = [at for at, step in enumerate(drawn.iteration.values) if step in (0, 10, 100, 1000, 10000)]
        right.set_xticks(ticks, [f"{drawn.iteration.values[at]:,}" for at in ticks])
        right.set(title="how like the image it draws", xlabel="iteration", ylabel="cosine", ylim=(0, None))
        right.legend(fontsize="small")
        return figure

    alt = "Features are compact by class after training, hardly before; guided pictures for a wrong label are hardly "
    wrong = "less like the image than those for the right one"
    return by_side(report, "separation_mnist", draw, alt + wrong, also=["decoder_cosine"])


def _box(ax: Axes, x: float, y: float, text: str, colour: Any) -> None:
    look: dict[str, Any] = {"facecolor": "none", "edgecolor": colour, "boxstyle": "round,pad=0.02", "linewidth": 1.4}
    ax.add_patch(FancyBboxPatch((x - 0.28, y - 0.24), 0.56, 0.48, **look))
    ax.text(x, y, text, ha="center", va="center", fontsize="small")


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: Any, **look: Any) -> None:
    arrow: dict[str, Any] = {"arrowstyle": "->", "color": colour, "linewidth": 1.4, "shrinkA": 0, "shrinkB": 0} | look
    ax.annotate("", end, start, arrowprops=arrow)
