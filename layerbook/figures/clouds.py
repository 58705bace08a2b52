"""Targets and features in the plane, in the chapter on forward and backward: from its report and what t-SNE gave."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor
from xarray import DataArray

from layerbook.figures._drawing import as_text, class_colours, closed_on_error, fits
from layerbook.figures.common import as_array
from layerbook.figures.slider import png, slider
from layerbook.report import THIS_RUN, Report

CLOUDS = ("targets", "targets of random labels", "features")


@closed_on_error
def target_clouds(report: Report, classes: Sequence[str]) -> Figure:
    """Targets of five layers in the plane, of true and of random labels, at two moments (Xie & Lai, fig. 4)."""
    rows = [
        (side, step.item(), cloud.item(), curve.sel(iteration=step, cloud=cloud).values)
        for side, curve in report.sides("tsne_targets").items()
        for step in curve.iteration
        for cloud in curve.cloud
    ]
    figure, axes = plt.subplots(len(rows), 5, figsize=(9.5, 1.95 * len(rows)))
    for n, (line, (side, step, cloud, points)) in enumerate(zip(axes, rows, strict=True)):
        for i, ax in enumerate(line):
            text = _told(report, side, step, i + 1, cloud, f"layer {i + 1}\n" * (n == 0))
            plane(points[i], _classes_of(report, side, cloud), ax, text)
        labels = "true labels" if cloud == "targets" else "random labels"
        line[0].set_ylabel(f"iteration {step}\n{labels}\n{side}", fontsize="small")
    class_legend(figure, classes)
    return figure


@closed_on_error
def first_layer_slider(
    report: Report, planes: Mapping[str, Mapping[int, Tensor]], labels: Tensor, classes: Sequence[str]
) -> HTML:
    """Targets and features of layer 1 after every step, to leaf through.

    Parameters
    ----------
    planes : cloud -> step -> points, shape (N, 2)
    labels : int64, shape (N,)
    """
    frames, steps = [], list(next(iter(planes.values())))
    for step in steps:
        figure, axes = plt.subplots(1, 2, figsize=(7.6, 3.9), dpi=80)
        for ax, (cloud, each) in zip(axes, planes.items(), strict=True):
            plane(each[step], labels, ax, _told(report, THIS_RUN, step, 1, cloud, f"{cloud}\n"))
        class_legend(figure, classes)
        frames.append(png(figure, 80))
        plt.close(figure)
    return slider(frames, [f"iteration {step}" for step in steps], "Targets and features of layer 1", "iteration")


@closed_on_error
def first_layer(report: Report, classes: Sequence[str]) -> Figure:
    """Targets and features of layer 1 at the paper's moments (Xie & Lai, fig. 5)."""
    rows = [
        (side, cloud.item(), curve.sel(cloud=cloud))
        for side, curve in report.sides("tsne_first_layer").items()
        for cloud in curve.cloud
    ]
    columns = max(each.sizes["iteration"] for *_, each in rows)
    figure, axes = plt.subplots(len(rows), columns, figsize=(1.9 * columns, 2.15 * len(rows)))
    for line, (side, cloud, moments) in zip(axes, rows, strict=True):
        line[0].set_ylabel(f"{cloud}\n{side}", fontsize="small")
        for ax, points in zip(line, moments, strict=False):
            step = points.iteration.item()
            plane(
                points.values, _classes_of(report, side), ax, _told(report, side, step, 1, cloud, f"iteration {step}\n")
            )
    class_legend(figure, classes)
    return figure


@closed_on_error
def feature_clouds(report: Report, classes: Sequence[str]) -> Figure:
    """Features of five layers in the plane, before and after training (Xie & Lai, fig. 6)."""
    rows = [
        (side, each.iteration.item(), each.values)
        for side, curve in report.sides("tsne_features").items()
        for each in curve
    ]
    figure, axes = plt.subplots(len(rows), 5, figsize=(9.5, 2 * len(rows)))
    for n, (line, (side, step, points)) in enumerate(zip(axes, rows, strict=True)):
        for i, ax in enumerate(line):
            text = _told(report, side, step, i + 1, "features", f"layer {i + 1}\n" * (n == 0))
            plane(points[i], _classes_of(report, side), ax, text)
        line[0].set_ylabel(f"iteration {step}\n{side}", fontsize="small")
    class_legend(figure, classes)
    return figure


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
        fontsize="x-small",
        handletextpad=0.1,
        columnspacing=0.8,
    )


def _told(report: Report, side: str, step: int, layer: int, cloud: str, what: str = "") -> str:
    """The numbers of a cloud on one side of the report, of the first seed: its network is pictured."""
    at = report.sides("separation_mnist")[side].sel(iteration=step, layer=layer, cloud=cloud)
    knn, silhouette = at.isel(seed=0).values
    return f"{what}k-NN {knn:.2f}, silh. {silhouette:.2f}"


def _classes_of(report: Report, side: str, cloud: str = "targets") -> DataArray:
    """The classes of the points, on one side of the report."""
    return report.sides("tsne_classes")[side].sel(cloud=cloud).astype(int)
