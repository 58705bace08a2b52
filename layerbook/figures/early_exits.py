"""The figures on leaving a network early, from the report of the chapter on layer distributions."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from layerbook.figures._drawing import closed_on_error
from layerbook.figures.common import DATA_COLOURS, INK
from layerbook.figures.distribution_panels import gains, heat_table, stacked_shares
from layerbook.figures.layer_distributions import NETWORKS, pairs
from layerbook.report import THIS_RUN, Report


@closed_on_error
def confused(report: Report) -> Figure:
    """Samples that a tap is the first to get right, where the network is wrong (Cao et al., table 1)."""
    figure, panels = pairs(report, "confused", 2.3)
    for name, side, curve, ax in panels:
        values = curve.values[:, :-1]
        low, high = values.mean(0) - values.min(0), values.max(0) - values.mean(0)
        colour = DATA_COLOURS[list(NETWORKS).index(name)]
        ax.bar(range(values.shape[1]), values.mean(0), yerr=[low, high], color=colour, error_kw={"linewidth": 1})
        ax.set(title=f"{name}, {side}", xlabel="tap", ylabel="confused samples [%]")
    return figure


@closed_on_error
def thresholds(report: Report) -> Figure:
    """Accuracy of early exit by its two thresholds, coarse and fine (Cao et al., table 4)."""
    sides = report.sides("table_resnet18")
    figure, axes = plt.subplots(len(sides), 2, figsize=(9.5, 3.6 * len(sides)), squeeze=False)
    for row, (side, small) in zip(axes, sides.items(), strict=True):
        large = report.sides("fine_resnet18")[side]
        heat_table(small.values.T, small.rho.values, small.s2.values, row[0], "accuracy [%]", ".2f")
        heat_table(large.values.T, large.rho.values, large.s2.values, row[1], "gain [points]")
        for ax in row:
            ax.set(title=side, xlabel="$s_2$", ylabel=r"$\rho$")
    return figure


@closed_on_error
def exit_gains(report: Report) -> Figure:
    """What early exit gains over the whole network, by way to choose and metric (Cao et al., table 3)."""
    sides = report.sides("gain_resnet18")
    figure, axes = plt.subplots(len(sides), 4, figsize=(10, 2.9 * len(sides)), squeeze=False, sharey=True)
    for row, (side, first) in zip(axes, sides.items(), strict=True):
        for metric, ax in zip(first.metric.values, row, strict=True):
            values = {
                name: report.sides(f"gain_{key}")[side].sel(metric=metric).values for name, key in NETWORKS.items()
            }
            gains(values, first.way.values, ax)
            ax.set(title=f"{metric}, {side}", xlabel="gain [points]")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


@closed_on_error
def against_best_tap(report: Report) -> Figure:
    """What early exit gains over the best fixed tap, by score: every trial with its interval."""
    sides = report.sides("best_tap_resnet18")
    figure, axes = plt.subplots(1, len(sides), figsize=(5 * len(sides), 2.9), squeeze=False, sharey=True)
    for (side, first), ax in zip(sides.items(), axes[0], strict=True):
        values = {name: report.sides(f"best_tap_{key}")[side].values for name, key in NETWORKS.items()}
        gains(values, first.metric.values, ax)
        ax.set(title=side, xlabel="gain [points]")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def exit_scores(report: Report) -> pd.DataFrame:
    """Scores of the whole network and of every way to leave, mean of the trials (Cao et al., table 3)."""
    rows = {}
    for name, key in NETWORKS.items():
        for side, gain in report.sides(f"gain_{key}").items():
            whole = report.sides(f"score_{key}")[side].mean("trial").values
            half = report.sides(f"half_{key}").get(side)
            ways = ["whole network", *gain.way.values]
            by_way = [whole, *(whole + gain.sel(value="difference").mean("trial").values)]
            at_half = np.full((len(ways), 2), np.nan) if half is None else half.mean("trial").values
            rows |= {(name, side, way): [*each, *other] for way, each, other in zip(ways, by_way, at_half, strict=True)}
    columns = [*gain.metric.values, *report.curves[f"half_{key}"].metric.values]
    table = pd.DataFrame(list(rows.values()), pd.MultiIndex.from_tuples(rows), columns)
    return table.map("{:.2f}".format).replace("nan", "–")


@closed_on_error
def leaving(report: Report) -> Figure:
    """Where samples leave, by every way; and which labels gain."""
    side = list(report.sides("leaving_resnet18"))[-1]
    figure, axes = plt.subplots(2, 2, figsize=(9.5, 4.6), width_ratios=[1.1, 1])
    for (name, key), row, colour in zip(NETWORKS.items(), axes, DATA_COLOURS, strict=True):
        curve, labels = report.sides(f"leaving_{key}")[side], report.curves[f"classes_{key}"]
        stacked_shares(curve.values, [f"tap {i}" for i in curve.tap.values], curve.way.values, row[0])
        row[0].set_title(f"{name}, {side}")
        row[1].bar(range(len(labels)), labels, color=colour)
        row[1].axhline(0, color="0.4", linewidth=0.8)
        row[1].set_xticks(range(len(labels)), labels.label.values, rotation=90, fontsize=7)
        row[1].set(ylabel="gain [points]", title=f"{name}, {THIS_RUN}")
    return figure


@closed_on_error
def speed(report: Report) -> Figure:
    """Exact match against time of a network that really leaves early."""
    sides = report.sides("speed_labels")
    figure, axes = plt.subplots(1, len(sides), figsize=(4.6 * len(sides), 3.3), squeeze=False)
    for side, ax in zip(sides, axes[0], strict=True):
        for key, label, marker in (("labels", "labels (paper)", "o"), ("confidence", "confidence", "s")):
            times, accuracies = report.sides(f"speed_{key}")[side]
            ax.plot(times, accuracies, marker=marker, markersize=4, label=label)
        ax.plot(1, report.side_number("whole_accuracy", side), "*", color=INK, markersize=10)
        ax.set(title=side, xlabel="time, relative to the whole network", ylabel="exact match [%]", xlim=(0, None))
        ax.legend(fontsize=8)
    return figure
