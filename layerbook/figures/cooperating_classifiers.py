"""Figures of the chapter about node classifiers: each takes its report, draws every side of it, returns the figure.

Those of the three node systems are in `node_systems`.
"""

from collections.abc import Iterator, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from xarray import DataArray

from layerbook.figures._drawing import as_text, class_colours, class_names, closed_on_error, fits
from layerbook.figures.common import DATA_COLOURS, INK, KIND_COLOURS, as_array, depth_colours, spread
from layerbook.report import Report

SETS = {"easy": "MNIST", "hard": "Fashion-MNIST"}
WIDE = 8.8  # inches, so that letters stay legible on a page of 780 pixels


@closed_on_error
def active_shares(report: Report, width: int, classes: Sequence[str]) -> Figure:
    """What share of each class switches each node on, before and after training, a row a side (figure 1).

    Parameters
    ----------
    width : nodes of a hidden layer
    classes : their names in this run; a record of other data may have more or fewer
    """
    figure, axes = row_a_side(report, "active_shares", 2, 3.2)
    for row, (side, curve) in axes:
        _, rows, nodes = curve.shape
        layers = [width] * ((nodes - rows) // width) + [rows]
        for ax, state in zip(row, curve.state.values, strict=True):
            activation_shares(curve.sel(state=state), layers, class_names(classes, rows), ax)
            ax.set(title=f"{state} · {side}", ylabel="")
        row[0].set_ylabel("samples that switch\nthe node on [%]")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 10), fontsize="x-small")
    return figure


@closed_on_error
def errors(report: Report) -> Figure:
    """Test error against depth and width, a row a side (figure 2)."""
    figure, axes = row_a_side(report, "error_depth", 2, 2.8, sharey="row")
    for row, (side, _) in axes:
        for ax, over, told in zip(row, ("depth", "width"), ("hidden layers", "nodes per layer"), strict=True):
            curve = report.sides(f"error_{over}")[side]
            by_set(100 * curve, over, ax)
            ax.set(xlabel=told, title=side)
        row[0].set(ylabel="test error [%]", ylim=(0, None))
    figure.axes[0].legend()
    return figure


@closed_on_error
def perplexities(report: Report) -> Figure:
    """Layer perplexity of networks of every depth, then of every width; columns are the sets (figure 3)."""
    pairs = [(over, *each) for each in report.sides("perplexity_depth").items() for over in ("depth", "width")]
    figure, axes = plt.subplots(len(pairs), 2, figsize=(WIDE, 2.7 * len(pairs)), sharey="row", squeeze=False)
    for row, (over, side, _) in zip(axes, pairs, strict=True):
        _perplexities(report, f"perplexity_{over}", over, side, row)
    return figure


@closed_on_error
def settled(report: Report) -> Figure:
    """Layer perplexity of networks of one rate that know their training images, and the middle of its drop."""
    sides = report.sides("perplexity_settled")
    figure, axes = plt.subplots(len(sides), 3, figsize=(WIDE, 2.9 * len(sides)), squeeze=False)
    for row, side in zip(axes, sides, strict=True):
        _perplexities(report, "perplexity_settled", "depth", side, row[:2])
        middles = report.sides("midpoint_settled")[side]
        if middles.notnull().any():
            by_set(middles, "depth", row[2])
            row[2].legend(fontsize="x-small")
        else:
            row[2].text(0.5, 0.5, "no network\ngets below half", transform=row[2].transAxes, ha="center", va="center")
            row[2].set(xticks=[], yticks=[])
        row[2].set(xlabel="hidden layers", ylabel="layer of the midpoint", title=side)
    return figure


@closed_on_error
def variants(report: Report) -> Figure:
    """Layer perplexity of networks trained in other ways, a panel a set and side."""
    panels = [(side, each) for side, curve in report.sides("perplexity_variants").items() for each in curve]
    figure, axes = grid_of(len(panels), min(len(panels), 2), WIDE / 2, 3)
    for ax, (side, curve) in zip(axes, panels, strict=True):
        for each, colour in zip(curve, KIND_COLOURS, strict=False):
            spread(each.layer, each, ax, label=each.variant.item(), color=colour)
        ax.set(yscale="log", xlabel="layer", title=f"{SETS[curve['data'].item()]} · {side}")
    for ax in axes[:: min(len(panels), 2)]:
        ax.set_ylabel("layer perplexity P")
    figure.axes[0].legend(fontsize="x-small")
    return figure


@closed_on_error
def noises(report: Report) -> Figure:
    """How much of its cap ln P takes, against the noise on the inputs in training, a panel a side."""
    figure, axes = panel_a_side(report, "height_noise")
    for ax, (side, curve) in axes:
        by_set(curve, "noise", ax)
        ax.set(xlabel="standard deviation of the noise, in units of the pixel range", title=side)
    figure.axes[0].set_ylabel("ln P / ln N_c,\nmean over layers")
    figure.axes[0].legend(fontsize="x-small")
    return figure


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


@closed_on_error
def row_a_side(report: Report, name: str, count: int, height: float, **shared: object) -> tuple[Figure, Iterator]:
    """A figure with a row of ``count`` axes for every side of a curve, and those rows with their side."""
    sides = report.sides(name)
    figure, axes = plt.subplots(len(sides), count, figsize=(WIDE, height * len(sides)), squeeze=False, **shared)
    return figure, zip(axes, sides.items(), strict=True)


@closed_on_error
def panel_a_side(report: Report, name: str) -> tuple[Figure, Iterator]:
    """A figure with a panel for every side of a curve, and those with their side."""
    sides = report.sides(name)
    figure, axes = plt.subplots(1, len(sides), figsize=(WIDE, 3), squeeze=False, sharey=True)
    return figure, zip(axes[0], sides.items(), strict=True)


@closed_on_error
def grid_of(count: int, across: int, width: float, height: float, **shared: object) -> tuple[Figure, Sequence[Axes]]:
    """A figure of ``count`` panels of one size, so many ``across``."""
    down = -(-count // across)
    figure, axes = plt.subplots(
        down, across, figsize=(width * across, height * down), squeeze=False, sharex=True, **shared
    )
    for ax in axes.flat[count:]:
        ax.remove()
    return figure, axes.flat[:count]


def by_set(curve: DataArray, over: str, ax: Axes) -> None:
    """A line a set, with the range of the seeds, over one of its axes; what is missing is left out."""
    for each, colour in zip(curve, DATA_COLOURS, strict=False):
        spread(each[over], each.transpose("seed", over), ax, label=SETS[each["data"].item()], color=colour)
    ax.xaxis.get_major_locator().set_params(integer=over != "noise")


def _perplexities(report: Report, name: str, over: str, side: str, row: Sequence[Axes]) -> None:
    """Layer perplexity of several networks in the two sets, with its cap as a dashed line."""
    for ax, each in zip(row, report.sides(name)[side], strict=True):
        per_layer(each, each[over].values, ax, title=over)
        label = each["data"].item()
        ax.axhline(report.side_number(f"samples_{label}", side), color=INK, linestyle="--")
        ax.set(yscale="log", ylim=(0.9, None), title=f"{SETS[label]} · {side}")
    row[0].set_ylabel("layer perplexity P")
