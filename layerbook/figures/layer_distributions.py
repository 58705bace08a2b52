"""The figures of the chapter on layer distributions, from its report; their parts are in `distribution_panels`."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from torch import Tensor

from layerbook.figures._drawing import closed_on_error
from layerbook.figures.common import BASELINE_COLOUR, DATA_COLOURS, INK, KIND_COLOURS, depth_colours, evenly, spread
from layerbook.figures.distribution_panels import costs, label_bars, scene, stacked_shares
from layerbook.report import THIS_RUN, Report

NETWORKS = {"ResNet-18": "resnet18", "VGG-16": "vgg16_bn"}
UNIFORM = "W, uniform"
LEAST_SPAN = 0.02  # of an axis for distances that may hardly move


@closed_on_error
def cost_matrix(cost: Tensor, classes: Sequence[str]) -> Figure:
    """Cost between every two labels, shape (K, K), as a heat map."""
    figure, ax = plt.subplots(figsize=(5.4, 4.6))
    costs(cost, classes, ax)
    return figure


@closed_on_error
def distances(report: Report) -> Figure:
    """Distance to the target by tap, a panel a measure, with that of guessing (Cao et al., fig. 5)."""
    figure, axes = plt.subplots(2, 3, figsize=(9.5, 5.6))
    for key, ax in zip(report.curves["baseline"].measure.values, axes.flat, strict=False):
        for side, baseline in report.sides("baseline").items():
            line = ":" if side == THIS_RUN and report.size != "paper" else "-"
            for (name, kind), colour in zip(NETWORKS.items(), DATA_COLOURS, strict=True):
                values = report.sides(f"distance_{kind}")[side].sel(measure=key).values
                spread(range(values.shape[1]), values, ax, f"{name}, {side}", linestyle=line, color=colour)
            ax.axhline(baseline.sel(measure=key), color=BASELINE_COLOUR, linewidth=1, linestyle=line)
        ax.set(title=key, xlabel="tap", ylim=(0, None))
        ax.xaxis.get_major_locator().set_params(integer=True)
    for ax, unit in zip(axes[:, 0], ("", " [nats]"), strict=True):
        ax.set_ylabel(f"distance to the target{unit}")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


@closed_on_error
def probe_readings(report: Report) -> Figure:
    """Distance by tap as several kinds of probes read it, and before training."""
    figure, panels = pairs(report, "reading", 2.9, sharey=True)
    for name, side, curve, ax in panels:
        for each, marker in zip(curve, "os^D", strict=False):
            ax.plot(each, marker=marker, markersize=3.5, label=each.way.item())
        ax.axhline(report.sides("baseline")[side].sel(measure=UNIFORM), color=BASELINE_COLOUR, linewidth=1)
        ax.set(title=f"{name}, {side}", xlabel="tap", ylabel="W, uniform")
        ax.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(*panels[0][-1].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


@closed_on_error
def through_the_layers(image: Tensor, told: Mapping[str, Tensor], target: Tensor, classes: Sequence[str]) -> Figure:
    """One sample's label distribution at four taps of each network (Cao et al., fig. 6).

    Parameters
    ----------
    image : uint8, shape (C, H, W)
    told : network -> shape (taps, K)
    target : shape (K,)
    """
    figure, axes = plt.subplots(2, 5, figsize=(10, 3.9), width_ratios=[0.8] + [1] * 4)
    for row, (name, taps), colour in zip(axes, told.items(), DATA_COLOURS, strict=True):
        scene(image, row[0], name)
        for tap, ax in zip(evenly(len(taps), 4), row[1:], strict=True):
            label_bars(taps[tap], target, ax, classes if name == list(told)[-1] else None, colour)
            ax.set_title(f"tap {tap}", fontsize=9)
    return figure


@closed_on_error
def over_epochs(report: Report) -> Figure:
    """Distance of some probes and of the network while they train (Cao et al., fig. 7)."""
    figure, panels = pairs(report, "probe_epochs", 2.9, sharey=True)
    for name, side, inner, ax in panels:
        own = report.sides(f"network_epochs_{NETWORKS[name]}")[side].values
        lines = [*((f"tap {tap}", inner.sel(tap=tap).values) for tap in inner.tap.values), ("output", own)]
        for (label, values), colour in zip(lines, depth_colours(4), strict=True):
            spread(np.linspace(0, 100, values.shape[1]), values, ax, label, color=colour, marker="")
        ax.axhline(report.sides("baseline")[side].sel(measure=UNIFORM), color=BASELINE_COLOUR, linewidth=1)
        ax.set(title=f"{name}, {side}", xlabel="training [% of its epochs]", ylabel="W, uniform")
        ax.legend(fontsize=8)
    return figure


@closed_on_error
def sample_over_epochs(told: Mapping[str, Tensor], target: Tensor) -> Figure:
    """One sample's label distribution at the output of each network at some epochs (Cao et al., fig. 8).

    Parameters
    ----------
    told : network -> shape (epochs + 1, K)
    target : shape (K,)
    """
    figure, axes = plt.subplots(2, 5, figsize=(10, 3.2))
    for row, (name, epochs), colour in zip(axes, told.items(), DATA_COLOURS, strict=True):
        for epoch, ax in zip(evenly(len(epochs), 5), row, strict=False):
            label_bars(epochs[epoch], target, ax, colour=colour)
            ax.set_title(f"{name}, epoch {epoch}", fontsize=9)
    return figure


@closed_on_error
def rough(report: Report) -> Figure:
    """Distance at tap 1 and at the last inner tap while probes learn; the epochs that are not judged are shaded."""
    figure, panels = pairs(report, "rough", 2.7, sharey=True)
    for name, side, curve, ax in panels:
        for tap, colour in zip(curve.tap.values, depth_colours(2), strict=True):
            spread(curve.epoch.values, curve.sel(tap=tap).values, ax, f"tap {tap}", color=colour, marker="")
        ax.axvspan(0, curve.epoch.values[-1] // 2, color="0.5", alpha=0.12, linewidth=0)
        ax.set(title=f"{name}, {side}", xlabel="epochs of the probes", ylabel="W, uniform")
        ax.legend(fontsize=8)
    return figure


@closed_on_error
def settling(report: Report) -> Figure:
    """Distance at two taps over training, plain, with batch norm, and with an auxiliary loss; a panel a tap."""
    sides = report.sides("settling")
    figure, axes = plt.subplots(len(sides), 2, figsize=(8.5, 3 * len(sides)), squeeze=False)
    colours = dict(zip(("plain", "batch norm", "auxiliary loss"), (INK, *KIND_COLOURS), strict=False))
    for row, (side, curve) in zip(axes, sides.items(), strict=True):
        for tap, ax in zip(curve.tap.values, row, strict=True):
            for kind in curve.kind.values:
                values = curve.sel(tap=tap, kind=kind).values
                longest = values[:, ~np.isnan(values).all(0)]
                # a trial that has settled stays where it is
                held = pd.DataFrame(longest).ffill(axis=1).to_numpy()
                spread(range(longest.shape[1]), held, ax, kind, marker="", color=colours[kind])
            ax.set(title=f"tap {tap}, {side}", xlabel="epochs", ylabel="W, uniform")
            low, high = ax.get_ylim()
            wider = max(0, LEAST_SPAN - (high - low)) / 2  # what trembles by less than the claim asks looks flat
            ax.set_ylim(low - wider, high + wider)
            ax.ticklabel_format(axis="y", useOffset=False)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


@closed_on_error
def students(report: Report) -> Figure:
    """Distance of probes that copy the output, to the output and to the labels, by tap."""
    figure, panels = pairs(report, "student", 2.8, sharey=True)
    for name, side, curve, ax in panels:
        for each, marker, i in zip(curve, "D^s", (3, 4, 1), strict=True):
            ax.plot(each, marker=marker, markersize=3.5, label=each.line.item(), color=KIND_COLOURS[i])
        ax.set(title=f"{name}, {side}", xlabel="tap", ylabel="W, uniform", ylim=(0, None))
        ax.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(*panels[0][-1].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


@closed_on_error
def kinds(report: Report) -> Figure:
    """Shares of easy, hard and confused samples, and how many of each are right."""
    sides = report.sides("kinds_by_thirds")
    figure, axes = plt.subplots(
        len(sides), 2, figsize=(8.5, 1.9 * len(sides) + 0.4), squeeze=False, width_ratios=[1.4, 1]
    )
    for (left, right), (side, shares) in zip(axes, sides.items(), strict=True):
        names, rights = shares.kind.values, report.sides("right_by_thirds")[side]
        stacked_shares(shares.values, names, list(NETWORKS), left, KIND_COLOURS).set_title(side)
        for i, (name, colour) in enumerate(zip(NETWORKS, DATA_COLOURS, strict=True)):
            right.barh(
                np.arange(len(names)) + 0.2 * (2 * i - 1),
                100 * rights.sel(network=name),
                height=0.36,
                label=name,
                color=colour,
            )
        right.set_yticks(range(len(names)), names)
        right.set(xlabel="exactly right [%]", xlim=(0, 100), ylim=(len(names) - 0.5, -0.5), title=side)
        right.legend(fontsize=8)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


@closed_on_error
def examples(
    images: Tensor,
    found: Mapping[str, int],
    distance: np.ndarray,
    told: Tensor,
    truth: Tensor,
    classes: Sequence[str],
) -> Figure:
    """A sample of each kind: the picture, its label distribution at one tap, its distance by tap (Cao et al., fig. 9).

    Parameters
    ----------
    images : uint8, shape (N, C, H, W)
    found : kind -> number of the sample
    distance : w of every sample, shape (taps, N)
    told, truth : label distributions, shapes (taps, N, K) and (N, K)
    """
    figure, axes = plt.subplots(
        len(found), 3, figsize=(8.2, 1.75 * len(found)), squeeze=False, width_ratios=[0.6, 1.5, 1.2]
    )
    for (kind, i), row in zip(found.items(), axes, strict=True):
        tap = int(distance[:, i].argmin()) if kind == "confused" else len(distance) - 1
        scene(images[i], row[0], kind)
        last = kind == list(found)[-1]
        label_bars(told[tap, i], truth[i], row[1], classes if last else None)
        row[2].plot(distance[:, i], marker="o", markersize=3.5, color=DATA_COLOURS[0])
        row[2].plot(tap, distance[tap, i], "o", color=INK, fillstyle="none", markersize=9)
        row[2].set(xlabel="tap" if last else "", ylabel="w", ylim=(0, None))
    return figure


@closed_on_error
def pairs(report: Report, name: str, height: float, **shared: bool) -> tuple[Figure, list[tuple]]:
    """A row a side, a panel a network: the figure, and (network, side, curve, axes) of each."""
    sides = report.sides(f"{name}_resnet18")
    figure, axes = plt.subplots(len(sides), 2, figsize=(8.5, height * len(sides)), squeeze=False, **shared)
    return figure, [
        (label, side, report.sides(f"{name}_{key}")[side], ax)
        for row, side in zip(axes, sides, strict=True)
        for (label, key), ax in zip(NETWORKS.items(), row, strict=True)
    ]
