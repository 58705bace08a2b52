"""The figures of the chapter on filters, from its report: the largest record first, this run behind a tab.

Those of the second round are in `filter_controls`, the drawings in `changing`, their parts in `filter_panels`.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import xarray as xr
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from xarray import DataArray

from layerbook.figures._drawing import draws
from layerbook.figures.common import KIND_COLOURS, as_array, evenly, pictures
from layerbook.figures.filter_panels import (
    WAYS,
    by_size,
    filters_over_steps,
    moves_over_steps,
    orders,
    over_steps,
    percent,
    powers,
    ranked_filters,
    zeroing_costs,
)
from layerbook.figures.sides import WIDE, by_side, legend_below, of_sides, pairs, panels
from layerbook.figures.slider import Side, touchable
from layerbook.figures.svg import svg
from layerbook.report import THIS_RUN, Report

NETWORKS = {"VGG-16": "vgg", "ResNet-50": "resnet"}
CASES = NETWORKS | {"ResNet-50, batch norm too": "resnet_norm"}
MEASURES = {
    "distance": "D, as printed",
    "per_weight": "D, per weight",
    "significant_fixed": "S: moved",
    "still_fixed": "Z: still",
    "significant_falling": "S, falling threshold",
    "still_falling": "Z, falling threshold",
}


@draws
def first_filters(strip: Tensor, moved: Tensor, steps: Sequence[int | str]) -> HTML:
    """Six filters of a first layer over the training steps, and how far they moved since then (Hu et al., fig. 1).

    Parameters
    ----------
    strip : shape (steps, filters, 3, h, w)
    moved : how far each has moved, shape (filters,); from the least to the most are shown
    steps : what the columns are called
    """
    chosen = moved.argsort()[evenly(len(moved), 6)]
    figure, axes = panels(2, 3)
    for ax, draw, title in zip(
        axes, (filters_over_steps, moves_over_steps), ("filters", "change since step 0"), strict=True
    ):
        draw(strip[:, chosen].numpy(), steps, ax)
        ax.set_title(title)
    alt = "Six filters of the first layer look the same at all steps; their changes, drawn beside them, do not"
    numbers = DataArray(as_array(moved[chosen]), dims="filter", coords={"filter": chosen.tolist()})
    return touchable({THIS_RUN: Side({"": svg(figure, alt)}, numbers)}, name="first filters")


@draws
def metrics(report: Report) -> HTML:
    """D, S and Z over training, a panel a network; the slider picks the measure (Hu et al., fig. 2)."""

    def draw(curve: DataArray, ax: Axes, side: str, metric: str) -> None:
        halved = report.sides("halvings")[side].values
        over_steps(curve.step.values, curve.sel(metric=metric), curve.layer.values, ax, halved)
        ax.set_ylabel(MEASURES[metric])
        (powers if metric in ("distance", "per_weight") else percent)(ax)

    alt = "Change of five layers over training; as printed, upper layers change more than lower ones"
    return pairs(report, "metrics", draw, alt, NETWORKS, "metric", MEASURES, 0, {}, ["halvings"], sharey=True)


@draws
def depth_orders(report: Report) -> HTML:
    """Rank correlation of depth and change."""

    def draw(curve: DataArray, _: str) -> Figure:
        figure, (ax,) = panels(1, 3.6)
        readings = curve.reading.values
        orders({each.run.item(): {how: each.sel(reading=how).values for how in readings} for each in curve}, ax)
        legend_below(figure, ax)
        return figure

    alt = "With Adam change rises with depth, as printed; with SGD it falls"
    return by_side(report, "order", draw, alt)


@draws
def sizes(report: Report) -> HTML:
    """Mean change of each layer against the size of its filters."""
    names = {"VGG-16, Adam": "VGG-16", "VGG-16, SGD": "VGG-16, SGD", "ResNet-50, Adam": "ResNet-50"}

    def draw(curve: DataArray, side: str) -> Figure:
        figure, (ax,) = panels(1, 3.3)
        weights = report.sides("weights")[side]
        by_size(*({name: each.sel(run=run).values for name, run in names.items()} for each in (weights, curve)), ax)
        ax.set_ylabel("mean $D_t$, as printed")
        legend_below(figure, ax)
        return figure

    alt = "With Adam the change of a layer grows with the number of weights of its filters, with SGD it does not"
    return by_side(report, "mean_change", draw, alt, also=["weights"])


@draws
def gradients(report: Report) -> HTML:
    """Sizes of input, error and gradient of each convolution before and after training."""

    def draw(curve: DataArray, ax: Axes, _: str) -> None:
        for state, style in zip(curve, ("-", ":"), strict=True):
            for values, colour in zip(state, KIND_COLOURS, strict=False):
                label = values.factor.item() if style == "-" else None
                ax.plot(curve.layer.values, values, style, color=colour, label=label, marker=".")
        ax.set(yscale="log", xlabel="convolution", ylabel="root mean square\n(dotted: after training)")

    alt = "Gradients of the weights are larger at lower convolutions, before training and after"
    return pairs(report, "gradients", draw, alt, NETWORKS, below={}, sharey=True)


@draws
def stillness(report: Report) -> HTML:
    """Z and its null over training; the slider picks the threshold."""

    def draw(null: DataArray, ax: Axes, side: str, kind: str) -> None:
        curve = report.sides(f"metrics_{NETWORKS[null.network.item()]}")[side].sel(metric=f"still_{kind}")
        halved = report.sides("halvings")[side].values
        over_steps(null.step.values, curve, null.layer.values, ax, halved)
        over_steps(null.step.values, null.sel(threshold=kind), null.layer.values, ax, linestyle=":")
        ax.set_ylabel("$Z_t$: still")
        percent(ax)

    alt = "Somewhat more channels are still than if weights moved independently, most in lower layers"
    also = [*(f"metrics_{key}" for key in NETWORKS.values()), "halvings"]
    return pairs(report, "null", draw, alt, NETWORKS, "threshold", "threshold:", 0, {}, also, sharey=True)


@draws
def idle_filters(report: Report) -> HTML:
    """Mean change of every filter by its rank within its layer."""

    def draw(curve: DataArray, ax: Axes, _: str) -> None:
        ranked_filters({row.layer.item(): row.dropna("filter").values for row in curve}, ax)
        ax.set_ylabel("mean $D_t$ of a filter")

    alt = "Within a layer all filters change about as much; none lies below a hundredth of the median"
    return pairs(report, "filters", draw, alt, NETWORKS, below={}, sharey=True)


@draws
def zeroing(report: Report) -> HTML:
    """Accuracy lost without some filters of each layer: random choices and picked ones (Hu et al., table 4)."""

    def draw(curve: DataArray, _: str) -> Figure:
        figure, axes = panels(len(CASES), 3.2, sharey=True)
        for each, ax in zip(curve, axes, strict=True):
            values = each.sel(best="top-1").values
            zeroing_costs(values[:, len(WAYS) :], dict(zip(WAYS, values.T, strict=False)), each.layer.values, ax)
            ax.set_title(each.case.item(), fontsize="small")
            ax.tick_params("x", labelrotation=45)
        axes[0].set_ylabel("accuracy lost [points]")
        legend_below(figure, axes[0])
        return figure

    sides = {
        side: xr.concat([report.sides(f"cost_{key}")[side] for key in CASES.values()], pd.Index(CASES, name="case"))
        for side in report.sides("cost_vgg")
    }
    return of_sides(
        sides, "cost", draw, "In the record, filters of VGG picked for keeping still cost more than random ones"
    )


@draws
def feature_maps(picture: Tensor, features: Mapping[str, Sequence[Tensor]], seed: int) -> HTML:
    """Maps of up to five random filters of the first layer, before and after training (Hu et al., fig. 3).

    Parameters
    ----------
    picture : uint8, shape (3, H, W)
    features : network -> maps before training and at the end, each of shape (N, filters, h, w), the picture first
    seed : of the choice
    """
    generator = torch.Generator().manual_seed(seed)
    figure, axes = plt.subplots(2, 3, figsize=(WIDE, 2.2), width_ratios=[1, 5, 5])
    kept = {}
    for row, (label, both) in zip(axes, features.items(), strict=True):
        chosen = torch.randperm(both[0].shape[1], generator=generator)[:5]
        row[0].imshow(as_array(picture.permute(1, 2, 0), None))
        row[0].set(xticks=[], yticks=[])
        for ax, each, when in zip(row[1:], both, ("before training", "at the end"), strict=True):
            pictures(each[0, chosen], ax, "", "ink")
            ax.set_title(f"{label}, {when}", fontsize="small")
            kept[label, when] = as_array(each[0, chosen].flatten(1).mean(1))
    index = [f"{label}, {when}" for label, when in kept]
    most = max(map(len, kept.values()))  # a narrow network has fewer than five
    rows = [np.pad(each, (0, most - len(each)), constant_values=np.nan) for each in kept.values()]
    numbers = DataArray(rows, coords=[("maps", index), ("mean of map", range(1, most + 1))])
    alt = "One picture and a few feature maps of it, before training and at the end, for two networks"
    return touchable({THIS_RUN: Side({"": svg(figure, alt)}, numbers)}, name="feature maps")


@draws
def in_short(report: Report) -> HTML:
    """The finding in one picture: what the optimizer does to the order of the layers."""

    def draw(order: DataArray, _: str) -> Figure:
        figure, (ax,) = panels(1, 2)
        names = {"Adam": "VGG-16", "SGD": "VGG-16, SGD"}
        values = [order.sel(run=run, reading="as printed", value="mean").item() for run in names.values()]
        ax.barh(list(names), values, color=KIND_COLOURS[:2], height=0.5)
        ax.axvline(0, color="0.5", linewidth=0.8)
        ax.set(title="VGG-16: rank correlation of depth and change, as printed", xlim=(-1.05, 1.05))
        ax.set_xlabel("−1: lower layers change more · 1: upper layers do")
        ax.grid(axis="y", visible=False)
        ax.invert_yaxis()
        return figure

    return by_side(report, "order", draw, "With SGD lower layers change more, with Adam upper ones, as printed")
