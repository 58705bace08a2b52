"""The figures of the chapter on filters, from its report; their parts are in `filter_panels`."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor
from xarray import DataArray

from layerbook.figures._drawing import REPORT, closed_on_error
from layerbook.figures.common import KIND_COLOURS, as_array, evenly, pictures
from layerbook.figures.filter_panels import (
    WAYS,
    by_size,
    columns,
    filters_over_steps,
    moves_over_steps,
    orders,
    outer_legend,
    over_steps,
    percent,
    powers,
    ranked_filters,
    zeroing_costs,
)
from layerbook.report import Report
from layerlib._checks import checked

NETWORKS = {"VGG-16": "vgg", "ResNet-50": "resnet"}
CASES = NETWORKS | {"ResNet-50, batch norm too": "resnet_norm"}


@closed_on_error
def first_filters(strip: Tensor, moved: Tensor, steps: Sequence) -> Figure:
    """Six filters of a first layer over the training steps, and how far they moved since then (Hu et al., fig. 1).

    Parameters
    ----------
    strip : shape (steps, filters, 3, h, w)
    moved : how far each has moved, shape (filters,); from the least to the most are shown
    steps : what the columns are called
    """
    strip = strip[:, moved.argsort()[evenly(len(moved), 6)]]
    figure, axes = plt.subplots(1, 2, figsize=(12, 3.7))
    for ax, draw, title in zip(
        axes, (filters_over_steps, moves_over_steps), ("filters", "change since step 0"), strict=True
    ):
        draw(strip.numpy(), steps, ax)
        ax.set_title(title)
    return figure


@checked(report=REPORT)
@closed_on_error
def metrics(report: Report) -> Figure:
    """D, S and Z over training, a column a network, in this run and in the record (Hu et al., fig. 2)."""
    shown = _panels(report, "metrics")
    drawn = {"distance": "$D_t$, as printed", "significant_fixed": "$S_t$: moved", "still_fixed": "$Z_t$: still"}
    axes = columns(len(shown), rows=3)
    for column, (title, side, curve) in zip(axes, shown, strict=True):
        column[0].set_title(title)
        for ax, metric in zip(column, drawn, strict=True):
            values = curve.sel(metric=metric)
            over_steps(curve.step.values, values, curve.layer.values, ax, report.sides("halvings")[side].values)
    for column in axes[::2]:
        for ax, what, look in zip(column, drawn.values(), (powers, percent, percent), strict=True):
            ax.set_ylabel(what)
            look(ax)
    outer_legend(axes[1::2, 0])
    return axes[0, 0].figure.figure


@checked(report=REPORT)
@closed_on_error
def depth_orders(report: Report) -> Figure:
    """Rank correlation of depth and change, in this run and in the record."""
    sides = report.sides("order")
    figure, axes = plt.subplots(len(sides), 1, figsize=(7.5, 0.8 + 2.9 * len(sides)), squeeze=False)
    for ax, (side, curve) in zip(axes[:, 0], sides.items(), strict=True):
        orders(
            {
                run.item(): {how.item(): each.sel(reading=how).values for how in each.reading}
                for run, each in zip(curve.run, curve, strict=True)
            },
            ax,
        )
        ax.set_title(side)
        ax.label_outer()
    outer_legend(axes[0])
    return figure


@checked(report=REPORT)
@closed_on_error
def sizes(report: Report) -> Figure:
    """Mean change of each layer against the size of its filters, in this run and in the record."""
    sides = report.sides("mean_change")
    names = {"VGG-16, Adam": "VGG-16", "VGG-16, SGD": "VGG-16, SGD", "ResNet-50, Adam": "ResNet-50"}
    figure, axes = plt.subplots(1, len(sides), figsize=(1.5 + 4 * len(sides), 3.6), squeeze=False)
    for ax, (side, curve) in zip(axes[0], sides.items(), strict=True):
        by_size(
            *(
                {name: each.sel(run=run).values for name, run in names.items()}
                for each in (report.sides("weights")[side], curve)
            ),
            ax,
        )
        ax.set_title(side)
    axes[0, 0].set_ylabel("mean $D_t$, as printed")
    axes[0, -1].legend(fontsize="x-small", loc="upper left", bbox_to_anchor=(1, 1))
    return figure


@checked(report=REPORT)
@closed_on_error
def gradients(report: Report) -> Figure:
    """Sizes of input, error and gradient of each convolution before and after training."""
    shown = _panels(report, "gradients")
    axes = columns(len(shown), height=2.9)[:, 0]
    for ax, (title, _, curve) in zip(axes, shown, strict=True):
        for state, style in zip(curve, ("-", ":"), strict=True):
            for values, colour in zip(state, KIND_COLOURS, strict=False):
                label = values.factor.item() if style == "-" else None
                ax.plot(curve.layer.values, values, style, color=colour, label=label, marker=".")
        ax.set(yscale="log", xlabel="convolution", title=title)
    for ax in axes[::2]:
        ax.set_ylabel("root mean square")
    outer_legend(axes[1::2])
    return axes[0].figure.figure


@checked(report=REPORT)
@closed_on_error
def stillness(report: Report) -> Figure:
    """Z and its null over training, with both thresholds."""
    shown = _panels(report, "metrics")
    kinds = ("fixed", "falling")
    axes = columns(len(shown), rows=2)
    for column, (title, side, curve), (*_, null) in zip(axes, shown, _panels(report, "null"), strict=True):
        column[0].set_title(title)
        for ax, kind in zip(column, kinds, strict=True):
            steps, layers = curve.step.values, curve.layer.values
            over_steps(steps, curve.sel(metric=f"still_{kind}"), layers, ax, report.sides("halvings")[side].values)
            over_steps(steps, null.sel(threshold=kind), layers, ax, linestyle=":")
    for column in axes[::2]:
        for ax, kind in zip(column, kinds, strict=True):
            ax.set_ylabel(f"$Z_t$, {kind} threshold")
            percent(ax)
    outer_legend(axes[1::2, 0])
    return axes[0, 0].figure.figure


@checked(report=REPORT)
@closed_on_error
def idle_filters(report: Report) -> Figure:
    """Mean change of every filter by its rank within its layer."""
    shown = _panels(report, "filters")
    axes = columns(len(shown), height=2.9)[:, 0]
    for ax, (title, _, curve) in zip(axes, shown, strict=True):
        ranked_filters({row.layer.item(): row.dropna("filter").values for row in curve}, ax)
        ax.set_title(title)
    for ax in axes[::2]:
        ax.set_ylabel("mean $D_t$ of a filter")
    outer_legend(axes[1::2])
    return axes[0].figure.figure


@checked(report=REPORT)
@closed_on_error
def zeroing(report: Report) -> Figure:
    """Accuracy lost without some filters of each layer: random choices and picked ones."""
    sides = list(report.sides("cost_vgg"))
    figure, axes = plt.subplots(len(sides), len(CASES), figsize=(12, 0.4 + 3.2 * len(sides)), squeeze=False)
    for row, side in zip(axes, sides, strict=True):
        for ax, (case, key) in zip(row, CASES.items(), strict=True):
            curve = report.sides(f"cost_{key}")[side]
            values = curve.sel(best="top-1").values
            zeroing_costs(values[:, len(WAYS) :], dict(zip(WAYS, values.T, strict=False)), curve.layer.values, ax)
            ax.set_title(f"{case} · {side}", fontsize="small")
        row[0].set_ylabel("accuracy lost [points]")
    axes[0, -1].legend(fontsize="x-small", loc="upper left", bbox_to_anchor=(1, 1))
    return figure


@checked(report=REPORT)
def zeroing_table(report: Report) -> pd.DataFrame:
    """Points lost, by network and layer: random (mean, spread, 5th percentile) and picked; top-1 and top-5."""
    side = list(report.sides("cost_vgg"))[-1]
    rows = []
    for case, key in CASES.items():
        for each in report.sides(f"cost_{key}")[side]:
            random = [
                f"{column.mean():.2f} ± {column.std(ddof=1):.2f} ({np.quantile(column, 0.05):.2f})"
                for column in each.values[len(WAYS) :].T
            ]
            picked = (f"{top1:.2f} / {top5:.2f}" for top1, top5 in each.values[: len(WAYS)])
            rows.append([case, each.layer.item(), *random, *picked])
    heads = ["network", "layer", "random, top-1", "random, top-5", *(f"{way}, top-1 / top-5" for way in WAYS)]
    return pd.concat({side: pd.DataFrame(rows, columns=heads).set_index(heads[:2])}, axis=1)


@closed_on_error
def feature_maps(picture: Tensor, features: Mapping[str, Sequence[Tensor]], seed: int) -> Figure:
    """Maps of five random filters of the first layer for one picture, before and after training (Hu et al., fig. 3).

    Parameters
    ----------
    picture : uint8, shape (3, H, W)
    features : network -> maps before training and at the end, each of shape (N, filters, h, w), the picture first
    seed : of the choice
    """
    generator = torch.Generator().manual_seed(seed)
    figure, axes = plt.subplots(2, 3, figsize=(11, 2.9), width_ratios=[1, 5, 5])
    for row, (label, both) in zip(axes, features.items(), strict=True):
        chosen = torch.randperm(both[0].shape[1], generator=generator)[:5]
        row[0].imshow(as_array(picture.permute(1, 2, 0), None))
        row[0].set(xticks=[], yticks=[])
        for ax, each, when in zip(row[1:], both, ("before training", "at the end"), strict=True):
            pictures(each[0, chosen], ax, "", "gray_r")
            ax.set_title(f"{label}, {when}", fontsize="small")
    return figure


def _panels(report: Report, name: str) -> list[tuple[str, str, DataArray]]:
    """What a figure shows side by side: (title, side, curve) of both networks, in this run and in the record."""
    return [
        (f"{label} · {side}", side, report.sides(f"{name}_{key}")[side])
        for side in report.sides(f"{name}_vgg")
        for label, key in NETWORKS.items()
    ]
