"""Figures of the chapter about node classifiers: each takes its report, draws every side of it, returns the figure."""

from collections.abc import Iterator, Sequence
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from xarray import DataArray

from layerbook.figures._drawing import class_names, closed_on_error
from layerbook.figures.common import (
    DATA_COLOURS,
    INK,
    KIND_COLOURS,
    SYSTEM_COLOURS,
    activation_shares,
    class_histograms,
    evenly,
    per_layer,
    spread,
    systems,
)
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
    figure, axes = _rows(report, "active_shares", 2, 3.2)
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
    figure, axes = _rows(report, "error_depth", 2, 2.8, sharey="row")
    for row, (side, _) in axes:
        for ax, over, told in zip(row, ("depth", "width"), ("hidden layers", "nodes per layer"), strict=True):
            curve = report.sides(f"error_{over}")[side]
            _by_set(100 * curve, over, ax)
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
            _by_set(middles, "depth", row[2])
            row[2].legend(fontsize="x-small")
        else:
            row[2].text(0.5, 0.5, "no network\ngets below half", transform=row[2].transAxes, ha="center", va="center")
            row[2].set(xticks=[], yticks=[])
        row[2].set(xlabel="hidden layers", ylabel="layer of the midpoint", title=side)
    return figure


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
    return _grid(panels, "depth", 5)


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
    sides = report.sides("continuous_layer_1")
    figure, axes = plt.subplots(1, len(sides), figsize=(WIDE, 3), squeeze=False, sharey=True)
    for ax, (side, curve) in zip(axes[0], sides.items(), strict=True):
        _by_set(100 * curve, "width", ax)
        ax.set(xlabel="nodes per layer", title=side)
    axes[0, 0].set_ylabel("accuracy of layer 1's\ncontinuous system [%]")
    axes[0, 0].legend(fontsize="x-small")
    return figure


@closed_on_error
def anomaly(report: Report) -> Figure:
    """The discrete system of every single network of the narrowest width, easier set, a panel a side."""
    sides = report.sides("systems_width_easy")
    figure, axes = plt.subplots(1, len(sides), figsize=(WIDE, 3), squeeze=False, sharey=True)
    for ax, (side, curve) in zip(axes[0], sides.items(), strict=True):
        narrow = 100 * curve.isel(width=0).sel(part="test", system="discrete")
        for each, mark in zip(narrow, "os^Dv", strict=False):
            ax.plot(
                each.layer,
                each,
                marker=mark,
                ms=4,
                color=SYSTEM_COLOURS["discrete"],
                alpha=0.8,
                label=f"seed {each.seed.item()}",
            )
        ax.set(xlabel="layer", title=f"width {narrow.width.item()} · {side}")
    axes[0, 0].set_ylabel("accuracy of the\ndiscrete system [%]")
    axes[0, 0].legend(fontsize="x-small")
    return figure


@closed_on_error
def systems_sigmoid(report: Report) -> Figure:
    """The three systems in a sigmoid network, on training and test images, a row a side (figure 7)."""
    figure, axes = _rows(report, "systems_sigmoid", 2, 2.8, sharey=True)
    for row, (side, curve) in axes:
        for ax, each in zip(row, curve, strict=True):
            own = report.side_number("accuracy_sigmoid", side) if each.part == "test" else None
            _systems(each, own, ax, f"{each.part.item()} · {side}")
        row[0].set_ylabel("accuracy [%]")
    figure.axes[1].legend()
    return figure


@closed_on_error
def variants(report: Report) -> Figure:
    """Layer perplexity of networks trained in other ways, a panel a set and side."""
    panels = [(side, each) for side, curve in report.sides("perplexity_variants").items() for each in curve]
    columns = min(len(panels), 2)
    figure, axes = plt.subplots(
        -(-len(panels) // columns),
        columns,
        squeeze=False,
        sharex=True,
        figsize=(WIDE / 2 * columns, 3 * -(-len(panels) // columns)),
    )
    for ax, (side, curve) in zip(axes.flat, panels, strict=False):
        for each, colour in zip(curve, KIND_COLOURS, strict=False):
            spread(each.layer, each, ax, label=each.variant.item(), color=colour)
        ax.set(yscale="log", xlabel="layer", title=f"{SETS[curve['data'].item()]} · {side}")
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    for row in axes:
        row[0].set_ylabel("layer perplexity P")
    figure.axes[0].legend(fontsize="x-small")
    return figure


@closed_on_error
def noises(report: Report) -> Figure:
    """How much of its cap ln P takes, against the noise on the inputs in training, a panel a side."""
    figure, axes = plt.subplots(1, len(report.sides("height_noise")), figsize=(WIDE, 3), squeeze=False, sharey=True)
    for ax, (side, curve) in zip(axes[0], report.sides("height_noise").items(), strict=True):
        _by_set(curve, "noise", ax)
        ax.set(xlabel="standard deviation of the noise, in units of the pixel range", title=side)
    axes[0, 0].set_ylabel("ln P / ln N_c,\nmean over layers")
    axes[0, 0].legend(fontsize="x-small")
    return figure


def _rows(report: Report, name: str, columns: int, height: float, **shared: object) -> tuple[Figure, Iterator]:
    """A figure with a row of axes for every side of a curve, and those rows with their side."""
    sides = report.sides(name)
    figure, axes = plt.subplots(len(sides), columns, figsize=(WIDE, height * len(sides)), squeeze=False, **shared)
    return figure, zip(axes, sides.items(), strict=True)


def _by_set(curve: DataArray, over: str, ax: Axes) -> None:
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


def _grid(panels: Sequence[tuple[str, DataArray]], over: str, columns: int) -> Figure:
    """The three systems of every network in a panel of its own."""
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(WIDE + 1, 2.3 * rows), sharey=True, sharex=True, squeeze=False)
    for ax, (side, each) in zip(axes.flat, panels, strict=False):
        _systems(each, None, ax, f"{over} {each[over].item()}\n{side}")
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    for ax in axes[:, 0]:
        ax.set_ylabel("accuracy [%]")
    figure.axes[0].legend(fontsize="x-small")
    figure.supxlabel("layer", fontsize="medium")
    return figure
