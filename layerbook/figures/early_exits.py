"""The figures on leaving a network early, from the report of the chapter on layer distributions."""

import matplotlib.pyplot as plt
import pandas as pd
import xarray as xr
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from xarray import DataArray

from layerbook.figures._drawing import draws
from layerbook.figures.common import BASELINE_COLOUR, DATA_COLOURS, INK
from layerbook.figures.distribution_panels import gains
from layerbook.figures.layer_distributions import NETWORKS
from layerbook.figures.sides import WIDE, by_network, legend_below, of_sides, pairs, panels
from layerbook.report import Report

_OTHER = "0.75"  # settings that the slider does not stand at


@draws
def confused(report: Report) -> HTML:
    """Samples that a tap is the first to get right, where the network is wrong (Cao et al., table 1)."""

    def draw(curve: DataArray, ax: Axes, _: str) -> None:
        values = curve.values[:, :-1]
        low, high = values.mean(0) - values.min(0), values.max(0) - values.mean(0)
        colour = DATA_COLOURS[list(NETWORKS).index(curve.network.item())]
        ax.bar(range(values.shape[1]), values.mean(0), yerr=[low, high], color=colour, error_kw={"linewidth": 1})
        ax.set(xlabel="tap", ylabel="first right here [%]")
        ax.xaxis.get_major_locator().set_params(integer=True)

    alt = "Samples that the network gets wrong and an earlier tap right: most at late taps, hardly any at the first"
    return pairs(report, "confused", draw, alt, NETWORKS, sharey=True)


@draws
def thresholds(report: Report) -> HTML:
    """Accuracy of early exit by its two thresholds; the slider picks the share ρ (Cao et al., table 4)."""

    def draw(curve: DataArray, ax: Axes, side: str, rho: float) -> None:
        for each in curve.transpose("rho", "s2"):
            stands = each.rho.item() == rho
            colour = DATA_COLOURS[list(NETWORKS).index(curve.network.item())] if stands else _OTHER
            ax.plot(each.s2, each, color=colour, marker="o" if stands else "", linewidth=1.4, zorder=3 if stands else 2)
        whole = report.side_number(f"last_{NETWORKS[curve.network.item()]}", side)
        ax.axhline(whole, color=INK, linestyle=":", label="the whole network")
        ax.set(xlabel="s₂", ylabel="exact match [%]")
        ax.legend(fontsize="small", loc="lower right")

    alt = "Exact match of early exit against its second threshold: at the highest it is that of the whole network"
    return pairs(report, "table", draw, alt, NETWORKS, "rho", "ρ =", 4, sharey=True)


@draws
def exit_gains(report: Report) -> HTML:
    """What early exit gains over the whole network, by way to choose and metric (Cao et al., table 3)."""

    def draw(curve: DataArray, _: str) -> Figure:
        figure, axes = plt.subplots(2, 2, figsize=(WIDE, 5.2), sharey=True)
        for metric, ax in zip(curve.metric.values, axes.flat, strict=True):
            gains({each.network.item(): each.sel(metric=metric).values for each in curve}, curve.way.values, ax)
            ax.set(title=metric, xlabel="gain [points]")
        legend_below(figure, axes[0, 0])
        return figure

    alt = "Gains of early exit over the whole network by way of choosing: the oracle gains the most whole answers"
    return of_sides(by_network(report, "gain", NETWORKS), "gain", draw, alt)


@draws
def against_best_tap(report: Report) -> HTML:
    """What early exit gains over the best fixed tap, by score: every trial with its interval."""

    def draw(curve: DataArray, _: str) -> Figure:
        figure, (ax,) = panels(1, 2.9)
        gains({each.network.item(): each.values for each in curve}, curve.metric.values, ax)
        ax.set(xlabel="gain [points]")
        legend_below(figure, ax)
        return figure

    alt = "Difference of early exit to the best fixed tap in four scores, with intervals"
    return of_sides(by_network(report, "best_tap", NETWORKS), "best_tap", draw, alt)


@draws
def speed(report: Report) -> HTML:
    """Exact match against time of a network that really leaves early."""
    rules = {"labels": "by labels, as in the paper", "confidence": "by confidence"}
    sides = {
        side: xr.concat(
            [report.sides(f"speed_{rule}")[side] for rule in rules], pd.Index(list(rules), name="rule"), join="outer"
        )
        for side in report.sides("speed_labels")
    }

    def draw(curve: DataArray, side: str) -> Figure:
        figure, (ax,) = panels(1, 3)
        for each, marker in zip(curve, "os", strict=True):
            ax.plot(*each, marker=marker, markersize=4, label=rules[each.rule.item()])
        whole = report.side_number("whole_accuracy", side)
        ax.plot(1, whole, "*", color=INK, markersize=10, label="the whole network")
        ax.set(xlabel="time, relative to the whole network", ylabel="exact match [%]", xlim=(0, None))
        ax.legend(fontsize="small")
        return figure

    return of_sides(sides, "speed", draw, "Exact match against the time of a batch, for two rules of leaving early")


@draws
def in_short(report: Report) -> HTML:
    """The findings in one picture: distance by depth, and what leaving early gains."""

    def draw(curve: DataArray, side: str) -> Figure:
        figure, (left, right) = panels(2, 2.9, width_ratios=(1.2, 1))
        for each, colour in zip(by_network(report, "distance", NETWORKS)[side], DATA_COLOURS, strict=True):
            values = each.isel(measure=0).dropna("tap", how="all").mean("trial")
            left.plot(values.tap / values.tap.max(), values, color=colour, marker="o", markersize=3)
        guess = report.sides("baseline")[side][0].item()
        left.axhline(guess, color=BASELINE_COLOUR, linewidth=1)
        left.annotate("guessing by frequency", (1, guess), (0, 3), textcoords="offset points", ha="right", fontsize=8)
        left.set(title="distance to the true labels", xlabel="depth of the tap", ylim=(0, 1.15 * guess))
        left.set_xticks([0, 1], ["first", "last"])
        values = {each.network.item(): each.sel(metric="accuracy").values for each in curve}
        gains(values, curve.way.values, right)
        right.set(title="gain of leaving early [points]")
        legend_below(figure, right)
        return figure

    alt = "Early layers are as far from the labels as guessing by frequency, the last are nearer; leaving early "
    also = {"distance": by_network(report, "distance", NETWORKS), "baseline": report.sides("baseline")}
    gained = by_network(report, "gain", NETWORKS)
    return of_sides(gained, "gain", draw, alt + "gains most for an oracle", also=also)
