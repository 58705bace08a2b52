"""Figures of the three node systems: each takes the chapter's report, draws every side of it, returns the figure."""

from collections.abc import Sequence
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from xarray import DataArray

from layerbook.figures._drawing import as_text, class_colours, closed_on_error, fits
from layerbook.figures.common import INK, KIND_COLOURS, SYSTEM_COLOURS, as_array, evenly, spread
from layerbook.figures.cooperating_classifiers import SETS, WIDE, by_set, grid_of, panel_a_side, row_a_side
from layerbook.report import Report


@closed_on_error
def histogram(report: Report, classes: Sequence[str]) -> Figure:
    """Training samples of each class by their value at one node, in this run (figure 11)."""
    figure, ax = plt.subplots(figsize=(7, 3.4))
    *counts, left = report.curves["histogram"].to_numpy()
    class_histograms(np.array(counts), np.append(left, 2 * left[-1] - left[-2]), classes, ax)
    ax.legend(fontsize="x-small", bbox_to_anchor=(1, 1))
    return figure


@closed_on_error
def systems_epochs(report: Report) -> Figure:
    """The three systems after some epochs, on training and on test images, two rows a side (figure 4)."""
    return _moments(report, "epochs", "epoch", "part", 5)


@closed_on_error
def systems_batches(report: Report) -> Figure:
    """The three systems after some mini-batches of the first epoch, for two bandwidths, two rows a side (figure 5)."""
    return _moments(report, "batches", "batch", "bandwidth", 5)


@closed_on_error
def bandwidths(report: Report) -> Figure:
    """Held-out likelihood and accuracy against the bandwidth, this run solid, the record dashed."""
    figure, axes = plt.subplots(1, 2, figsize=(WIDE, 3.4))
    for style, (side, curve) in zip(("-", "--"), report.sides("bandwidth").items(), strict=False):
        multiples = curve.bandwidth.values[:-1].astype(float)
        for state, colour in zip(curve.state.values, KIND_COLOURS, strict=False):
            one = report.side_number(f"bandwidth_one_{'trained' if state == 'trained' else 'before'}", side)
            for ax, what, scale in zip(axes, curve.what.values, (1, 100), strict=True):
                values = scale * curve.sel(state=state, what=what).to_numpy()
                ax.plot(multiples, values[:-1], style, color=colour, marker="o", ms=4, label=f"{state}, {side}")
                ax.plot(one, values[-1], "*", color=colour, ms=13)
    for ax, what in zip(axes, ("mean log-likelihood [nats]", "accuracy of the\ncontinuous system [%]"), strict=True):
        ax.set(xscale="log", xlabel="bandwidth, in multiples of Scott's rule", ylabel=what)
    axes[1].legend(fontsize="x-small")
    return figure


@closed_on_error
def systems_depth(report: Report) -> Figure:
    """The three systems in networks of every depth, harder set (figure 6)."""
    panels = [(side, each) for side, curve in report.sides("systems_depth").items() for each in curve]
    figure, axes = grid_of(len(panels), 5, (WIDE + 1) / 5, 2.3, sharey=True)
    for ax, (side, each) in zip(axes, panels, strict=True):
        _systems(each, None, ax, f"depth {each.depth.item()}\n{side}")
    for ax in axes[::5]:
        ax.set_ylabel("accuracy [%]")
    figure.axes[0].legend(fontsize="x-small")
    figure.supxlabel("layer", fontsize="medium")
    return figure


@closed_on_error
def systems_width(report: Report) -> Figure:
    """The three systems in networks of every width, both sets, a row a set and side (figures 9 and 10)."""
    sides = {
        (label, side): curve.sel(part="test")
        for label in ("hard", "easy")
        for side, curve in report.sides(f"systems_width_{label}").items()
    }
    columns = max(min(4, curve.sizes["width"]) for curve in sides.values())
    figure, axes = plt.subplots(
        len(sides), columns, figsize=(WIDE, 2.3 * len(sides)), sharex=True, sharey="row", squeeze=False
    )
    for row, ((label, side), curve) in zip(axes, sides.items(), strict=True):
        shown = evenly(curve.sizes["width"], columns)
        for ax, each in zip(row, curve[shown], strict=False):
            _systems(each, None, ax, f"width {each.width.item()}")
        for ax in row[len(shown) :]:
            ax.remove()
        row[0].set_ylabel(f"{SETS[label]}\n{side}\naccuracy [%]")
    figure.axes[0].legend(fontsize="x-small")
    return figure


@closed_on_error
def first_layer(report: Report) -> Figure:
    """Accuracy of layer 1's continuous system against width, a panel a side."""
    figure, axes = panel_a_side(report, "continuous_layer_1")
    for ax, (side, curve) in axes:
        by_set(100 * curve, "width", ax)
        ax.set(xlabel="nodes per layer", title=side)
    figure.axes[0].set_ylabel("accuracy of layer 1's\ncontinuous system [%]")
    figure.axes[0].legend(fontsize="x-small")
    return figure


@closed_on_error
def anomaly(report: Report) -> Figure:
    """The discrete system of every single network of the narrowest width, easier set, a panel a side."""
    figure, axes = panel_a_side(report, "systems_width_easy")
    for ax, (side, curve) in axes:
        narrow = 100 * curve.isel(width=0).sel(part="test", system="discrete")
        for each, mark in zip(narrow, "os^Dv", strict=False):
            look = {"marker": mark, "ms": 4, "color": SYSTEM_COLOURS["discrete"], "alpha": 0.8}
            ax.plot(each.layer, each, label=f"seed {each.seed.item()}", **look)
        ax.set(xlabel="layer", title=f"width {narrow.width.item()} · {side}")
    figure.axes[0].set_ylabel("accuracy of the\ndiscrete system [%]")
    figure.axes[0].legend(fontsize="x-small")
    return figure


@closed_on_error
def systems_sigmoid(report: Report) -> Figure:
    """The three systems in a sigmoid network, on training and test images, a row a side (figure 7)."""
    figure, axes = row_a_side(report, "systems_sigmoid", 2, 2.8, sharey=True)
    for row, (side, curve) in axes:
        for ax, each in zip(row, curve, strict=True):
            own = report.side_number("accuracy_sigmoid", side) if each.part == "test" else None
            _systems(each, own, ax, f"{each.part.item()} · {side}")
        row[0].set_ylabel("accuracy [%]")
    figure.axes[1].legend()
    return figure


def systems(accuracy: np.ndarray, network: float | None, ax: Axes) -> Axes:
    """Accuracy of the three node systems at every layer, and of the network itself as a dotted line.

    Parameters
    ----------
    accuracy : in [0, 1], shape (3, seeds, layers), for the discrete, continuous and combined system
    network : accuracy of the network, or None
    """
    accuracy = 100 * as_array(accuracy)
    marks = dict(zip(SYSTEM_COLOURS, "so^", strict=True))
    for name, each in zip(SYSTEM_COLOURS, accuracy, strict=True):
        spread(np.arange(1, each.shape[-1] + 1), each, ax, label=name, color=SYSTEM_COLOURS[name], marker=marks[name])
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


def _systems(accuracy: DataArray, network: float | None, ax: Axes, title: str) -> None:
    systems(accuracy.transpose("system", "seed", "layer"), network, ax)
    ax.set(title=title, xlabel="")


def _moments(report: Report, name: str, moment: str, inner: str, columns: int) -> Figure:
    """The three systems at some moments of a training, a row for every side and value of ``inner``."""
    sides = report.sides(f"systems_{name}")
    rows = list(product(sides, next(iter(sides.values()))[inner].values))
    figure, axes = plt.subplots(
        len(rows), columns, figsize=(WIDE + 1, 2.2 * len(rows)), sharex=True, sharey=True, squeeze=False
    )
    for row, (side, value) in zip(axes, rows, strict=True):
        curve, own = sides[side].sel({inner: value}), report.sides(f"network_{name}")[side]
        own = own.sel({inner: value}) if inner in own.dims else own
        for ax, i in zip(row, evenly(curve.sizes[moment], columns), strict=False):
            _systems(curve[i], own[i].item(), ax, f"{moment} {curve[moment][i].item()}")
        told = f"bandwidth {value}" if inner == "bandwidth" else value
        row[0].set_ylabel(f"{told}, {side}\naccuracy [%]", fontsize="small")
    figure.axes[0].legend(fontsize="x-small")
    figure.supxlabel("layer", fontsize="medium")
    return figure
