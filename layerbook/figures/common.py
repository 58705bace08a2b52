"""Every figure of the book: functions take data and an axes, draw, and return the axes.

One scheme of colours for all chapters, in which a colour means one thing within a figure: that of ``layerlib.palette``,
and

- layers, and networks by depth or width: light to dark, ``depth_colours``
- two data sets or networks side by side: ``DATA_COLOURS``, the easier set or ResNet first, the harder set or VGG second
- verdicts: ``VERDICT_COLOURS``

Names that come with the data are text, dollar signs too; lengths that do not fit are refused.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullLocator

from layerbook.claims import COLOURS as VERDICT_COLOURS
from layerbook.figures._drawing import as_text, class_colours, fits
from layerlib.palette import (
    BASELINE_COLOUR,
    CLASS_COLOURS,
    CONTROL_COLOUR,
    INK,
    KIND_COLOURS,
    SYSTEM_COLOURS,
    as_array,
    bare,
    pictures,
    use_style,
)

__all__ = [
    "BASELINE_COLOUR",
    "CLASS_COLOURS",
    "CONTROL_COLOUR",
    "DATA_COLOURS",
    "INK",
    "KIND_COLOURS",
    "MARK_COLOURS",
    "SYSTEM_COLOURS",
    "VERDICT_COLOURS",
    "activation_shares",
    "as_array",
    "class_histograms",
    "class_legend",
    "cloud",
    "depth_colours",
    "evenly",
    "intervals",
    "marked",
    "over_training",
    "per_layer",
    "pictures",
    "spread",
    "systems",
    "trials",
    "use_style",
]

DATA_COLOURS = CLASS_COLOURS[0], CLASS_COLOURS[3]
MARK_COLOURS = {"crossings": CLASS_COLOURS[3], "turns": CLASS_COLOURS[2]}  # red and green, as in Xie & Lai's figure 8


def depth_colours(layers: int) -> list:
    """A colour for each layer (or depth, or width), light to dark from the first to the last, in every chapter."""
    return sns.color_palette("flare", layers)


def spread(x: Sequence[float], values: np.ndarray, ax: Axes, label: str | None = None, **line) -> Axes:
    """Mean over seeds as a line, the range from smallest to largest seed as a band.

    Parameters
    ----------
    x : shape (points,)
    values : shape (seeds, points); NaN where nothing was measured
    """
    values = as_array(values)
    known = ~np.isnan(values).any(0)
    x, values = as_array(x, None)[known], values[:, known]
    (drawn,) = ax.plot(x, values.mean(0), label=label, **({"marker": "o", "markersize": 3.5, "linewidth": 1.4} | line))
    ax.fill_between(x, values.min(0), values.max(0), color=drawn.get_color(), alpha=0.18, linewidth=0)
    return ax


def activation_shares(shares: np.ndarray, layer_sizes: Sequence[int], classes: Sequence[str], ax: Axes) -> Axes:
    """Share of each class's samples that switches each node on: one dot per node and class (Davel et al., fig. 1).

    Parameters
    ----------
    shares : in [0, 1], shape (C, nodes), the nodes of all layers in a row
    layer_sizes : number of nodes of each layer

    Raises
    ------
    ValueError
        if there are not as many classes as rows, or nodes as columns
    """
    shares = 100 * as_array(shares)
    fits("classes", len(classes), len(shares), "one name per row of shares")
    fits("layer_sizes", sum(layer_sizes), shares.shape[1], "the nodes of shares")
    nodes = np.arange(shares.shape[1])
    order = np.random.default_rng(0).permutation(shares.size)  # so that no class covers the others
    which, node = np.unravel_index(order, shares.shape)
    colours = np.array([to_rgba(c) for c in class_colours(len(shares))])[which]
    ax.scatter(nodes[node], shares[which, node], c=colours, s=3, linewidths=0, rasterized=True)
    edges = np.cumsum([0, *layer_sizes])
    for edge in edges[1:-1]:
        ax.axvline(edge - 0.5, color="0.85", linewidth=0.6, zorder=0)
    centres = (edges[1:] + edges[:-1]) / 2
    ax.set_xticks(centres, [*map(str, range(1, len(layer_sizes))), "out"])
    ax.set(xlim=(-5, edges[-1] + 4), ylim=(-3, 103), xlabel="layer", ylabel="samples that switch the node on [%]")
    ax.grid(False)
    for name, colour in zip(classes, class_colours(len(classes)), strict=True):
        ax.scatter([], [], color=colour, s=18, label=as_text(name))
    return ax


def per_layer(values: np.ndarray, series: Sequence[int], ax: Axes, title: str) -> Axes:
    """One line over the layers for each of several networks, light to dark, with the spread over seeds.

    Parameters
    ----------
    values : shape (networks, seeds, layers); NaN where a network has no such layer
    series : what sets the networks apart (depth, width), in the legend under ``title``
    """
    colours = depth_colours(len(series))
    for row, name, colour in zip(values, series, colours, strict=True):
        spread(np.arange(1, row.shape[-1] + 1), row, ax, label=str(name), color=colour)
    ax.set_xlabel("layer")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(title=title, ncols=1 + (len(series) > 6), fontsize="x-small", title_fontsize="x-small")
    return ax


def systems(accuracy: np.ndarray, network: float | None, ax: Axes, first: int = 1) -> Axes:
    """Accuracy of the three node systems at every layer, and of the network itself as a dotted line.

    Parameters
    ----------
    accuracy : in [0, 1], shape (3, seeds, layers), for the discrete, continuous and combined system
    network : accuracy of the network, or None
    """
    accuracy = 100 * as_array(accuracy)
    marks = dict(zip(SYSTEM_COLOURS, "so^", strict=True))
    for name, rows in zip(SYSTEM_COLOURS, accuracy, strict=True):
        layers = np.arange(first, first + rows.shape[-1])
        spread(layers, rows, ax, label=name, color=SYSTEM_COLOURS[name], marker=marks[name])
    if network is not None:
        ax.axhline(100 * network, color=INK, linestyle=":", linewidth=1.2, label="network")
    ax.set_xlabel("layer")
    ax.xaxis.get_major_locator().set_params(integer=True)
    return ax


def class_histograms(counts: np.ndarray, edges: np.ndarray, classes: Sequence[str], ax: Axes) -> Axes:
    """Number of samples of each class by pre-activation value at one node (Davel et al., fig. 11).

    Parameters
    ----------
    counts : shape (C, bins)
    edges : shape (bins + 1,)

    Raises
    ------
    ValueError
        if there are not as many classes as rows
    """
    fits("classes", len(classes), len(counts), "one name per row of counts")
    counts, edges = as_array(counts, None), as_array(edges, None)
    for row, name, colour in zip(counts, classes, class_colours(len(classes)), strict=True):
        ax.stairs(row, edges, color=colour, label=as_text(name), linewidth=1.2)
    ax.axvline(0, color="0.4", linestyle="--", linewidth=1)
    ax.set(xlabel="pre-activation value z", ylabel="samples per bin")
    return ax


def evenly(items: int, at_most: int) -> list[int]:
    """Indices of at most ``at_most`` of ``items`` things, evenly spread from the first to the last."""
    return np.linspace(0, items - 1, min(items, at_most)).round().astype(int).tolist()


def cloud(points: np.ndarray, labels: np.ndarray, ax: Axes, title: str = "") -> Axes:
    """Points in the plane, coloured by class; a plane of t-SNE has no axes to read.

    Parameters
    ----------
    points : shape (N, 2); rows with NaN are left out
    labels : class numbers, shape (N,)

    Raises
    ------
    ValueError
        if there are not as many labels as points
    """
    points, labels = as_array(points), as_array(labels, None)
    fits("labels", len(labels), len(points), "one per point")
    known = ~np.isnan(points).any(1)
    colours = np.array([to_rgba(c) for c in class_colours(1 + int(labels.max(initial=0)))])[labels[known].astype(int)]
    ax.scatter(*points[known].T, c=colours, s=4, linewidths=0, rasterized=True)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, color="0.85")
    ax.set_title(title, fontsize="small")
    return ax


def class_legend(figure: Figure, classes: Sequence[str]) -> None:
    """One legend for all clouds of a figure, under them."""
    handles = [
        Line2D([], [], linestyle="", marker="o", markersize=5, color=colour) for colour in class_colours(len(classes))
    ]
    figure.legend(
        handles,
        [as_text(name) for name in classes],
        loc="outside lower center",
        ncols=min(len(handles), 10),
        fontsize="x-small",
        handletextpad=0.1,
        columnspacing=0.8,
    )


def over_training(iterations: Sequence[int], values: np.ndarray, ax: Axes, **line) -> Axes:
    """One line over the iterations for each layer, light to dark, with the spread over seeds.

    ``values`` have shape (iterations, seeds, layers); layers are labelled where the line has no style of its own.
    """
    values = as_array(values)
    for layer, colour in enumerate(depth_colours(values.shape[2])):
        label = None if line else str(layer + 1)
        spread(iterations, values[:, :, layer].T, ax, label=label, color=colour, **line)
    ax.set_xscale("symlog", linthresh=10)
    ax.set_xlabel("iteration")
    ax.xaxis.set_minor_locator(NullLocator())
    return ax


def marked(image: np.ndarray, crossings: Sequence[tuple], turns: Sequence[tuple], ax: Axes) -> Axes:
    """A drawn image with boxes: red, solid around crossings; green, dashed around turns (Xie & Lai, fig. 8).

    Parameters
    ----------
    image : shape (H, W)
    crossings, turns : (top, left, height, width) in pixels, as ``strokes.boxes`` gives them
    """
    ax.imshow(as_array(image, None), cmap="gray_r", interpolation="nearest")
    for boxes, colour, style in zip((crossings, turns), MARK_COLOURS.values(), ("-", "--"), strict=True):
        for top, left, height, width in boxes:
            ax.add_patch(Rectangle((left - 0.5, top - 0.5), width, height, fill=False, ec=colour, ls=style, lw=1.5))
    return bare(ax)


def intervals(rows: Mapping[str, Sequence[float]], ax: Axes, **dot) -> Axes:
    """A mean and its interval for each row, one below the other.

    Parameters
    ----------
    rows : name -> (mean, low, high)
    """
    values = np.array([row[:3] for row in rows.values()], dtype=float)
    height = -np.arange(len(rows)) + dot.pop("shift", 0)
    errors = [values[:, 0] - values[:, 1], values[:, 2] - values[:, 0]]
    ax.errorbar(values[:, 0], height, xerr=errors, **({"ls": "", "marker": "o", "ms": 5, "capsize": 2} | dot))
    ax.axvline(0, color="0.5", linewidth=0.8, zorder=0)
    ax.set_yticks(-np.arange(len(rows)), list(rows))
    ax.grid(axis="y", visible=False)
    return ax


def trials(rows: Sequence[tuple], ax: Axes) -> Axes:
    """Claims against their controls: what was measured, what the control gives, the threshold, and the verdict.

    Parameters
    ----------
    rows : (claim in words, measured, control or None, name of the control, threshold, +1 or -1, verdict), where the
        claim asks for more (+1) or less (-1) than the threshold
    """

    def beside(text: str, x: float, y: float, **look) -> None:
        ax.annotate(text, (x, y), xycoords=("axes fraction", "data"), va="center", fontsize="small", **look)

    beside("control", 1.02, -0.9, color="0.35")
    beside("verdict", 1.24, -0.9, color="0.35")
    for y, (_, value, control, name, threshold, side, verdict) in enumerate(rows):
        ax.plot([threshold] * 2, [y - 0.35, y + 0.35], color="0.35", linewidth=1.5)
        ax.annotate(
            "",
            (threshold + side * 0.09, y - 0.3),
            (threshold, y - 0.3),
            arrowprops={"arrowstyle": "->", "color": "0.35"},
        )
        ax.plot(value, y, "o", color=INK, markersize=8)
        if control is not None:
            ax.plot(control, y, "D", color=CONTROL_COLOUR, markersize=8, fillstyle="none", markeredgewidth=1.8)
            beside(name, 1.02, y, color=CONTROL_COLOUR)
        beside(verdict, 1.24, y, color=VERDICT_COLOURS[verdict], fontweight="bold")
    ax.set_yticks(range(len(rows)), [row[0] for row in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.axvline(0, color="0.8", linewidth=0.8, zorder=0)
    return ax
