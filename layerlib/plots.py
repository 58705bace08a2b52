"""Every figure of the book: functions take data and an axes, draw, and return the axes."""

from collections.abc import Sequence

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba

CLASS_COLOURS = sns.color_palette("colorblind", 10)
SYSTEM_COLOURS = dict(zip(("discrete", "continuous", "combined"), CLASS_COLOURS, strict=False))
DATA_COLOURS = (sns.color_palette("colorblind")[0], sns.color_palette("colorblind")[3])


def use_style() -> None:
    """The look of the book's figures: seaborn ticks, colour-blind palette, white ground in either theme."""
    sns.set_theme(style="ticks", context="notebook", palette="colorblind", font_scale=0.85, rc={
        "figure.dpi": 110, "figure.facecolor": "white", "figure.constrained_layout.use": True,
        "savefig.facecolor": "white", "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
        "grid.color": "0.92", "legend.frameon": False})


def spread(x: Sequence[float], values: np.ndarray, ax: Axes, label: str | None = None, **line) -> Axes:
    """Mean over seeds as a line, the range from smallest to largest seed as a band.

    Parameters
    ----------
    x : shape (points,)
    values : shape (seeds, points); NaN where nothing was measured
    """
    values = np.asarray(values, dtype=float)
    known = ~np.isnan(values).any(0)
    x, values = np.asarray(x)[known], values[:, known]
    (drawn,) = ax.plot(x, values.mean(0), label=label, **({"marker": "o", "markersize": 3.5, "linewidth": 1.4} | line))
    ax.fill_between(x, values.min(0), values.max(0), color=drawn.get_color(), alpha=0.18, linewidth=0)
    return ax


def activation_shares(shares: np.ndarray, layer_sizes: Sequence[int], classes: Sequence[str], ax: Axes) -> Axes:
    """Share of each class's samples that switches each node on: one dot per node and class (Davel et al., fig. 1).

    Parameters
    ----------
    shares : in [0, 1], shape (C, nodes), the nodes of all layers in a row
    layer_sizes : number of nodes of each layer
    """
    shares = 100 * np.asarray(shares, dtype=float)
    nodes = np.arange(shares.shape[1])
    order = np.random.default_rng(0).permutation(shares.size)  # so that no class covers the others
    which, node = np.unravel_index(order, shares.shape)
    colours = np.array([to_rgba(c) for c in CLASS_COLOURS])[which % len(CLASS_COLOURS)]
    ax.scatter(nodes[node], shares[which, node], c=colours, s=3, linewidths=0, rasterized=True)
    edges = np.cumsum([0, *layer_sizes])
    for edge in edges[1:-1]:
        ax.axvline(edge - 0.5, color="0.85", linewidth=0.6, zorder=0)
    centres = (edges[1:] + edges[:-1]) / 2
    ax.set_xticks(centres, [*map(str, range(1, len(layer_sizes))), "out"])
    ax.set(xlim=(-5, edges[-1] + 4), ylim=(-3, 103), xlabel="layer", ylabel="samples that switch the node on [%]")
    ax.grid(False)
    for name, colour in zip(classes, CLASS_COLOURS, strict=False):
        ax.scatter([], [], color=colour, s=18, label=name)
    return ax


def per_layer(values: np.ndarray, series: Sequence[int], ax: Axes, title: str) -> Axes:
    """One line over the layers for each of several networks, light to dark, with the spread over seeds.

    Parameters
    ----------
    values : shape (networks, seeds, layers); NaN where a network has no such layer
    series : what sets the networks apart (depth, width), in the legend under ``title``
    """
    colours = sns.color_palette("flare", len(series))
    for row, name, colour in zip(values, series, colours, strict=True):
        spread(np.arange(1, row.shape[-1] + 1), row, ax, label=str(name), color=colour)
    ax.set_xlabel("layer")
    ax.legend(title=title, ncols=1 + (len(series) > 6), fontsize="x-small", title_fontsize="x-small")
    return ax


def systems(accuracy: np.ndarray, network: float | None, ax: Axes, first: int = 1) -> Axes:
    """Accuracy of the three node systems at every layer, and of the network itself as a dotted line.

    Parameters
    ----------
    accuracy : in [0, 1], shape (3, seeds, layers), for the discrete, continuous and combined system
    network : accuracy of the network, or None
    """
    accuracy = 100 * np.asarray(accuracy, dtype=float)
    marks = dict(zip(SYSTEM_COLOURS, "so^", strict=True))
    for name, rows in zip(SYSTEM_COLOURS, accuracy, strict=True):
        layers = np.arange(first, first + rows.shape[-1])
        spread(layers, rows, ax, label=name, color=SYSTEM_COLOURS[name], marker=marks[name])
    if network is not None:
        ax.axhline(100 * network, color="0.25", linestyle=":", linewidth=1.2, label="network")
    ax.set_xlabel("layer")
    ax.xaxis.get_major_locator().set_params(integer=True)
    return ax


def class_histograms(counts: np.ndarray, edges: np.ndarray, classes: Sequence[str], ax: Axes) -> Axes:
    """Number of samples of each class by pre-activation value at one node (Davel et al., fig. 11).

    Parameters
    ----------
    counts : shape (C, bins)
    edges : shape (bins + 1,)
    """
    for row, name, colour in zip(counts, classes, CLASS_COLOURS, strict=False):
        ax.stairs(row, edges, color=colour, label=name, linewidth=1.2)
    ax.axvline(0, color="0.4", linestyle="--", linewidth=1)
    ax.set(xlabel="pre-activation value z", ylabel="samples per bin")
    return ax


def evenly(items: int, at_most: int) -> list[int]:
    """Indices of at most ``at_most`` of ``items`` things, evenly spread from the first to the last."""
    return np.linspace(0, items - 1, min(items, at_most)).round().astype(int).tolist()
