"""The figures of the chapter on layer distributions, from its report: the largest record first, this run behind a tab.

Those on leaving early are in `early_exits`, the drawings in `moving`, their parts in `distribution_panels`.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from xarray import DataArray

from layerbook.figures._drawing import draws
from layerbook.figures.common import (
    BASELINE_COLOUR,
    DATA_COLOURS,
    INK,
    KIND_COLOURS,
    as_array,
    depth_colours,
    evenly,
    spread,
)
from layerbook.figures.distribution_panels import label_bars, label_costs, scene
from layerbook.figures.sides import MOST, WIDE, by_side, legend_below, pairs, panels
from layerbook.figures.slider import Side, drawing, touchable
from layerbook.figures.svg import svg
from layerbook.report import THIS_RUN, Report

NETWORKS = {"ResNet-18": "resnet18", "VGG-16": "vgg16_bn"}
UNIFORM = "W, uniform"
LEAST_SPAN = 0.02  # of an axis for distances that may hardly move


@draws
def scenes(images: Tensor, labels: Tensor, classes: Sequence[str]) -> HTML:
    """Some pictures with their labels below.

    Parameters
    ----------
    images : uint8, shape (N, C, H, W)
    labels : multi-hot, shape (N, K)
    """
    figure, axes = panels(len(images), 2.0)
    for image, label, ax in zip(images, as_array(labels, None), axes, strict=True):
        scene(image, ax, "\n".join(str(classes[i]) for i in label.nonzero()[0]))
    return drawing(figure, f"{len(images)} scenes of the test set, each with the names of the things in it")


@draws
def cost_matrix(cost: Tensor, classes: Sequence[str]) -> HTML:
    """Cost between every two labels, shape (K, K), as a heat map."""
    figure, ax = plt.subplots(figsize=(5.6, 4.6))
    label_costs(cost, classes, ax)
    values = DataArray(as_array(cost), coords=[("from", list(classes)), ("to", list(classes))])
    alt = "Heat map of the cost between every two labels, cheap within the digits and between similar clothes"
    return touchable({THIS_RUN: Side({"": svg(figure, alt)}, values)}, name="cost")


@draws
def distances(report: Report) -> HTML:
    """Distance to the target by tap, and that of guessing; the slider picks the measure (Cao et al., fig. 5)."""

    def draw(curve: DataArray, ax: Axes, side: str, measure: str) -> None:
        values = curve.sel(measure=measure)
        spread(values.tap, values, ax, color=DATA_COLOURS[list(NETWORKS).index(curve.network.item())])
        ax.axhline(report.sides("baseline")[side].sel(measure=measure), color=BASELINE_COLOUR, linewidth=1)
        unit = " [nats]" if measure.startswith(("JS", "KL")) else ""
        ax.set(xlabel="tap", ylabel=f"{measure}{unit}", ylim=(0, None))
        _whole(ax)

    alt = "Distance to the target by tap: level at that of guessing over the first taps, then falling to the last"
    return pairs(report, "distance", draw, alt, NETWORKS, "measure", "measure:", 0, also=["baseline"], sharey=True)


@draws
def probe_readings(report: Report) -> HTML:
    """Distance by tap as several kinds of probes read it, and before training."""

    def draw(curve: DataArray, ax: Axes, side: str) -> None:
        for each, marker in zip(curve, "os^D", strict=False):
            ax.plot(each.tap, each, marker=marker, markersize=3.5, label=each.way.item())
        ax.axhline(report.sides("baseline")[side].sel(measure=UNIFORM), color=BASELINE_COLOUR, linewidth=1)
        ax.set(xlabel="tap", ylabel=UNIFORM)
        _whole(ax)

    alt = "Probes that learn faster and see where things are bring the distance down at earlier taps"
    return pairs(report, "reading", draw, alt, NETWORKS, below={"ncols": 2}, also=["baseline"], sharey=True)


@draws
def one_picture(
    image: Tensor, told: Mapping[str, Tensor], target: Tensor, classes: Sequence[str], what: str, alt: str
) -> HTML:
    """One sample's label distributions in both networks, at some steps on the slider (Cao et al., figs. 6 and 8).

    Parameters
    ----------
    image : uint8, shape (C, H, W)
    told : network -> shape (steps, K)
    target : shape (K,)
    what : of what there are steps: tap, epoch
    """
    frames = {}
    shown = {name: evenly(len(each), MOST) for name, each in told.items()}
    for steps in zip(*shown.values(), strict=True):
        figure, axes = plt.subplots(1, 3, figsize=(WIDE, 0.8 + 0.17 * len(target)), width_ratios=[0.9, 1, 1])
        scene(image, axes[0], "")
        for ax, (name, each), step, colour in zip(axes[1:], told.items(), steps, DATA_COLOURS, strict=True):
            label_bars(each[step], target, ax, classes if ax is axes[1] else None, colour)
            ax.set(title=f"{name}, {what} {step}", xlim=(0, 1), xticks=[0, 0.5, 1], xlabel="share")
        label = f"{what} {steps[0]}" if len(set(steps)) == 1 else f"{what}s {' and '.join(map(str, steps))}"
        frames[label] = svg(figure, f"{alt}: {label}")
    both = [DataArray(as_array(each), dims=(what, "label"), coords={"label": list(classes)}) for each in told.values()]
    both = [each.assign_coords({what: range(each.sizes[what])}) for each in both]
    numbers = xr.concat(both, pd.Index(list(told), name="network"), join="outer")
    return touchable({THIS_RUN: Side(frames, numbers, 0)}, f"{what}:", f"one picture by {what}")


@draws
def over_epochs(report: Report) -> HTML:
    """Distance of some probes and of the network while they train (Cao et al., fig. 7)."""

    def draw(inner: DataArray, ax: Axes, side: str) -> None:
        own = report.sides(f"network_epochs_{NETWORKS[inner.network.item()]}")[side].values
        lines = [*((f"tap {tap}", inner.sel(tap=tap).values) for tap in inner.tap.values), ("output", own)]
        for (label, values), colour in zip(lines, depth_colours(4), strict=True):
            spread(np.linspace(0, 100, values.shape[1]), values, ax, label, color=colour, marker="")
        ax.axhline(report.sides("baseline")[side].sel(measure=UNIFORM), color=BASELINE_COLOUR, linewidth=1)
        ax.set(xlabel="training [% of its epochs]", ylabel=UNIFORM)
        ax.legend(fontsize="small")

    alt = "Over training the output and the last probe come nearer to the target, inner probes stay at guessing"
    also = [*(f"network_epochs_{key}" for key in NETWORKS.values()), "baseline"]
    return pairs(report, "probe_epochs", draw, alt, NETWORKS, also=also, sharey=True)


@draws
def rough(report: Report) -> HTML:
    """Distance at tap 1 and at the last inner tap while probes learn; the epochs that are not judged are shaded."""

    def draw(curve: DataArray, ax: Axes, _: str) -> None:
        for tap, colour in zip(curve.tap.values, depth_colours(2), strict=True):
            spread(curve.epoch.values, curve.sel(tap=tap).values, ax, f"tap {tap}", color=colour, marker="")
        ax.axvspan(0, curve.epoch.values[-1] // 2, color="0.5", alpha=0.12, linewidth=0)
        ax.set(xlabel="epochs of the probes", ylabel=UNIFORM)
        ax.legend(fontsize="small")

    alt = "Distance at tap 1 and at the last inner tap while their probes learn"
    return pairs(report, "rough", draw, alt, NETWORKS)


@draws
def settling(report: Report) -> HTML:
    """Distance at two taps over training, plain, with batch norm, and with an auxiliary loss; a panel a tap."""
    colours = dict(zip(("plain", "batch norm", "auxiliary loss"), (INK, *KIND_COLOURS), strict=False))

    def draw(curve: DataArray, _: str) -> Figure:
        figure, axes = panels(2, 2.9)
        for tap, ax in zip(curve.tap.values, axes, strict=True):
            for kind in curve.kind.values:
                values = curve.sel(tap=tap, kind=kind).values
                longest = values[:, ~np.isnan(values).all(0)]
                # a trial that has settled stays where it is
                held = pd.DataFrame(longest).ffill(axis=1).to_numpy()
                spread(range(longest.shape[1]), held, ax, kind, marker="", color=colours[kind])
            ax.set(title=f"tap {tap}", xlabel="epochs", ylabel=UNIFORM)
            low, high = ax.get_ylim()
            wider = max(0, LEAST_SPAN - (high - low)) / 2  # what trembles by less than the claim asks looks flat
            ax.set_ylim(low - wider, high + wider)
            ax.ticklabel_format(axis="y", useOffset=False)
        legend_below(figure, axes[0])
        return figure

    alt = "Distance at taps 1 and 4 over the epochs of training: plain, with batch norm, with an auxiliary loss"
    return by_side(report, "settling", draw, alt)


@draws
def students(report: Report) -> HTML:
    """Distance of probes that copy the output, to the output and to the labels, by tap."""

    def draw(curve: DataArray, ax: Axes, _: str) -> None:
        for each, marker, i in zip(curve, "D^s", (3, 4, 1), strict=True):
            ax.plot(each.tap, each, marker=marker, markersize=3.5, label=each.line.item(), color=KIND_COLOURS[i])
        ax.set(xlabel="tap", ylabel=UNIFORM, ylim=(0, None))
        _whole(ax)

    alt = "Distance of students of the network's output to it and to the labels, and of probes: least at the last taps"
    return pairs(report, "student", draw, alt, NETWORKS, sharey=True, below={"ncols": 3})


def _whole(ax: Axes) -> None:
    """Taps have whole numbers."""
    ax.xaxis.get_major_locator().set_params(integer=True)
