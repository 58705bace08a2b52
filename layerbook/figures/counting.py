"""Drawings of the chapter about node classifiers: what it counts, and how a node votes."""

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from xarray import DataArray

from layerbook.figures._drawing import draws
from layerbook.figures.common import CLASS_COLOURS, DATA_COLOURS, INK, SYSTEM_COLOURS, spread
from layerbook.figures.cooperating_classifiers import SETS
from layerbook.figures.sides import WIDE, by_side, in_powers, panels
from layerbook.figures.slider import drawing
from layerbook.report import Report

# Two pictures each of two classes: four patterns in an early layer, two in a late one.
_EARLY = ("101100", "110100", "011010", "001011")
_MIDDLE = ("110010", "110010", "011001", "001101")
_LATE = ("110100", "110100", "001011", "001011")
_ROWS = ("a 3", "another 3", "a 7", "another 7")


@draws
def idea() -> HTML:
    """The idea: pictures light sets of nodes, which differ by picture early and by class late."""
    figure, axes = plt.subplots(1, 3, figsize=(WIDE, 2.3))
    titles = ("an early layer", "a middle layer", "a late layer")
    for ax, patterns, title in zip(axes, (_EARLY, _MIDDLE, _LATE), titles, strict=True):
        switches(np.array([[int(bit) for bit in row] for row in patterns]), ax, (0, 0, 3, 3))
        many = len(set(patterns))
        ax.set_title(title)
        ax.set_xlabel(f"4 pictures, {many} patterns")
        ax.set_yticks(range(4), _ROWS if ax is axes[0] else [""] * 4)
    return drawing(
        figure,
        "Four pictures as rows, six nodes as columns, filled where a picture switches a node on: in an early layer "
        "every picture has its own pattern, in a late layer both pictures of a class have the same one",
    )


@draws
def counting(on: np.ndarray) -> HTML:
    """How the patterns of one class are counted: samples, patterns with their shares, perplexity.

    Parameters
    ----------
    on : bool, shape (samples, nodes)
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDE, 2.3), width_ratios=(1, 1.6))
    switches(np.asarray(on, dtype=int), left)
    left.set_yticks(range(len(on)), [f"sample {number}" for number in range(1, len(on) + 1)])
    left.set_title("which nodes are on")
    patterns, counts = np.unique(on, axis=0, return_counts=True)
    order = counts.argsort()[::-1]
    shares = counts[order] / counts.sum()
    right.barh(range(len(order)), shares, color=CLASS_COLOURS[0], height=0.5)
    for row, (share, count) in enumerate(zip(shares, counts[order], strict=True)):
        right.text(share + 0.02, row, f"{count} of {len(on)}", va="center")
    names = ["".join("●" if bit else "○" for bit in pattern) for pattern in patterns[order]]
    right.set_yticks(range(len(order)), names)
    many = np.exp(-(shares * np.log(shares)).sum())
    right.set(xlim=(0, 1.2), ylim=(len(order) - 0.4, -0.6), xticks=[], title=f"as good as {many:.2f} patterns")
    right.spines["bottom"].set_visible(False)
    right.grid(False)
    return drawing(
        figure,
        f"{len(on)} samples at {on.shape[1]} nodes show {len(counts)} patterns; their shares give a perplexity of "
        f"{many:.2f}",
    )


@draws
def densities() -> HTML:
    """One node and two classes: the discrete system compares areas, the continuous one heights."""
    z = np.linspace(-3.2, 3.6, 400)
    curves = [np.exp(-((z - centre) ** 2) / (2 * wide**2)) / wide for centre, wide in ((-0.7, 0.8), (0.9, 1.0))]
    figure, axes = panels(2, 2.6, sharey=True)
    for ax, title in zip(
        axes, ("discrete: how much lies right of 0?", "continuous: how high is it at z?"), strict=True
    ):
        for curve, colour, name in zip(curves, DATA_COLOURS, ("class A", "class B"), strict=True):
            ax.plot(z, curve, color=colour, label=name)
        ax.axvline(0, color=INK, linestyle="--", linewidth=1)
        ax.set(title=title, xlabel="pre-activation z", yticks=[], xticks=[0])
        ax.grid(False)
    for curve, colour in zip(curves, DATA_COLOURS, strict=True):
        axes[0].fill_between(z, curve, where=z >= 0, color=colour, alpha=0.3, linewidth=0)
        axes[1].plot([1.2, 1.2], [0, np.interp(1.2, z, curve)], color=colour, marker="o", linewidth=1.5)
    axes[0].text(0.1, 1.36, "on", ha="left")
    axes[0].text(-0.1, 1.36, "off", ha="right")
    axes[0].set_ylim(0, 1.5)
    axes[1].legend(loc="upper right")
    return drawing(
        figure,
        "Two bell curves, one a class, over the values of one node. The discrete system compares their areas right of "
        "zero, the continuous system their heights at the value of the sample",
    )


@draws
def in_short(report: Report) -> HTML:
    """The finding in one picture: patterns a class, and what the switches of a layer can tell."""

    def draw(curve: DataArray, side: str) -> Figure:
        figure, (left, right) = panels(2, 2.9)
        depth = report.side_number("depth", side)
        for each, colour in zip(curve.sel(depth=depth), DATA_COLOURS, strict=True):
            spread(each.layer, each, left, label=SETS[each["data"].item()], color=colour)
        in_powers(left.yaxis)
        left.set(
            ylim=(0.9, None), title=f"patterns a class uses, {depth:.0f} layers", xlabel="layer", ylabel="perplexity P"
        )
        left.legend(fontsize="small")
        last = report.sides("systems_epochs")[side].isel(epoch=-1).sel(part="test", system="discrete")
        own = report.sides("network_epochs")[side].isel(epoch=-1).sel(part="test").item()
        spread(last.layer, 100 * last, right, label="its switches' vote", color=SYSTEM_COLOURS["discrete"])
        right.axhline(100 * own, color=INK, linestyle=":", label="the network")
        right.set(title=f"right on Fashion-MNIST [%], {last.sizes['layer']} layers", xlabel="layer")
        right.legend(fontsize="small", loc="lower right")
        for ax in (left, right):
            ax.xaxis.get_major_locator().set_params(integer=True)
        return figure

    alt = "Patterns a class uses fall from all samples to a few with depth, while the vote of a layer's switches gets "
    also = ["systems_epochs", "network_epochs"]
    return by_side(report, "perplexity_depth", draw, alt + "as good as the network", also=also)


@draws
def switches(on: np.ndarray, ax: Axes, colours: tuple = ()) -> Axes:
    """Samples as rows, nodes as columns, filled where a sample switches a node on.

    Parameters
    ----------
    on : 0 or 1, shape (samples, nodes)
    colours : of each row, a class's number
    """
    for (row, node), lit in np.ndenumerate(on):
        colour = CLASS_COLOURS[colours[row] if colours else 0]
        look = {"facecolor": colour if lit else "none", "edgecolor": colour}
        ax.add_patch(Circle((node, row), 0.36, linewidth=1.3, **look))
    ax.set(xlim=(-0.6, on.shape[1] - 0.4), ylim=(len(on) - 0.4, -0.6), aspect="equal", xticks=[])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.grid(False)
    return ax
