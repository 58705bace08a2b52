"""Targets and features in the plane, in the chapter on forward and backward: what t-SNE gave, from its report."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from xarray import DataArray

from layerbook.figures._drawing import as_text, class_colours, class_names, draws, fits
from layerbook.figures.common import as_array
from layerbook.figures.sides import WIDE, by_side
from layerbook.report import THIS_RUN, Report

CLOUDS = ("targets", "targets of random labels", "features")
TOLD = ["tsne_classes", "separation_mnist"]  # the colours of the points, and the numbers above them


@draws
def target_clouds(report: Report, classes: Sequence[str]) -> HTML:
    """Targets of a layer in the plane, of true and of random labels, at two moments (Xie & Lai, fig. 4).

    Parameters
    ----------
    classes : their names in this run; a record of other data may have more or fewer
    """

    def draw(curve: DataArray, side: str, layer: int) -> Figure:
        figure, axes = plt.subplots(2, 2, figsize=(WIDE, 5.6))
        for column, cloud in zip(axes.T, curve.cloud.values, strict=True):
            for ax, step in zip(column, curve.iteration.values, strict=True):
                points = curve.sel(layer=layer, cloud=cloud, iteration=step)
                labels = "true labels" if cloud == "targets" else "random labels"
                told = f"{labels}, iteration {step}\n{_told(report, side, step, layer, cloud)}"
                plane(points.values, _classes_of(report, side, cloud), ax, told)
        class_legend(figure, _names(report, side, classes))
        return figure

    alt = "Targets in the plane cluster by the label that was put in, also where the labels are random"
    return by_side(report, "tsne_targets", draw, alt, "layer", "layer", also=TOLD)


@draws
def first_layer(report: Report, classes: Sequence[str]) -> HTML:
    """Targets and features of layer 1 while it learns (Xie & Lai, fig. 5); ``classes`` as for `target_clouds`."""

    def draw(curve: DataArray, side: str, step: int) -> Figure:
        figure, axes = plt.subplots(1, 2, figsize=(WIDE, 3.4))
        for ax, cloud in zip(axes, curve.cloud.values, strict=True):
            points = curve.sel(iteration=step, cloud=cloud).values
            told = f"{cloud}\n{_told(report, side, step, 1, cloud)}"
            plane(points, _classes_of(report, side), ax, told)
        class_legend(figure, _names(report, side, classes))
        return figure

    alt = "Targets and features of layer 1 in the plane: the targets cluster early, the features get tidier, and differ"
    return by_side(report, "tsne_first_layer", draw, alt, "iteration", "iteration", also=TOLD)


@draws
def feature_clouds(report: Report, classes: Sequence[str]) -> HTML:
    """Features of a layer in the plane, before and after training (Xie & Lai, fig. 6)."""

    def draw(curve: DataArray, side: str, layer: int) -> Figure:
        figure, axes = plt.subplots(1, 2, figsize=(WIDE, 3.4))
        for ax, step, when in zip(axes, curve.iteration.values, ("before training", "after"), strict=True):
            points = curve.sel(iteration=step, layer=layer).values
            told = f"{when}\n{_told(report, side, step, layer, 'features')}"
            plane(points, _classes_of(report, side), ax, told)
        class_legend(figure, _names(report, side, classes))
        return figure

    alt = "Features in the plane: classes lie apart before training already, and are compact after it"
    return by_side(report, "tsne_features", draw, alt, "layer", "layer", also=TOLD)


@draws
def plane(points: np.ndarray, labels: np.ndarray, ax: Axes, title: str = "") -> Axes:
    """Points in the plane, coloured by class; a plane of t-SNE has no axes to read.

    Parameters
    ----------
    points : shape (N, 2); rows with NaN are left out
    labels : class numbers, shape (N,)

    Raises
    ------
    ValueError
        if there are not as many labels as points
    """
    points, labels = as_array(points), as_array(labels, None)
    fits("labels", len(labels), len(points), "one per point")
    known = ~np.isnan(points).any(1)
    colours = np.array([to_rgba(c) for c in class_colours(1 + int(labels.max(initial=0)))])[labels[known].astype(int)]
    ax.scatter(*points[known].T, c=colours, s=4, linewidths=0, rasterized=True)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, color="0.85")
    ax.set_title(title, fontsize="small")
    return ax


@draws
def class_legend(figure: Figure, classes: Sequence[str]) -> None:
    """One legend for all clouds of a figure, under them."""
    handles = [
        Line2D([], [], linestyle="", marker="o", markersize=5, color=colour) for colour in class_colours(len(classes))
    ]
    figure.legend(
        handles,
        [as_text(name) for name in classes],
        loc="outside lower center",
        ncols=min(len(handles), 10),
        fontsize="small",
        handletextpad=0.1,
        columnspacing=0.8,
    )


def _names(report: Report, side: str, classes: Sequence[str]) -> Sequence[str]:
    """The classes' names; on the record's side their numbers, where it is of other data."""
    seen = 1 + int(_classes_of(report, side).max())
    return classes if side == THIS_RUN or seen <= len(classes) else class_names(classes, seen)


def _told(report: Report, side: str, step: int, layer: int, cloud: str) -> str:
    """The numbers of a cloud on one side of the report, of the first seed: its network is pictured."""
    at = report.sides("separation_mnist")[side].sel(iteration=step, layer=layer, cloud=cloud)
    knn, silhouette = at.isel(seed=0).transpose("number").values
    return f"k-NN {knn:.2f}, silhouette {silhouette:.2f}"


def _classes_of(report: Report, side: str, cloud: str = "targets") -> DataArray:
    """The classes of the points, on one side of the report."""
    return report.sides("tsne_classes")[side].sel(cloud=cloud).astype(int)
