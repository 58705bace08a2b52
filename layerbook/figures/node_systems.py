"""Figures of the three node systems: each takes the chapter's report and shows the largest record or this run."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from xarray import DataArray

from layerbook.figures._drawing import as_text, class_colours, draws, fits
from layerbook.figures.common import INK, KIND_COLOURS, SYSTEM_COLOURS, as_array, spread
from layerbook.figures.cooperating_classifiers import SETS, by_set
from layerbook.figures.sides import WIDE, by_side, in_powers, legend_below, panels
from layerbook.figures.slider import Side, touchable
from layerbook.figures.svg import svg
from layerbook.report import Report


@draws
def histogram(report: Report, classes: Sequence[str]) -> HTML:
    """Training samples of each class by their value at one node, in this run (figure 11)."""
    curve = report.curves["histogram"]
    *counts, left = curve.to_numpy()
    figure, ax = plt.subplots(figsize=(WIDE, 3.2))
    class_histograms(np.array(counts), np.append(left, 2 * left[-1] - left[-2]), classes, ax)
    legend_below(figure, ax)
    picture = svg(figure, "Samples of each class by their value at one node: classes lie apart, and overlap")
    return touchable({"this run": Side({"": picture}, curve)}, name="histogram")


@draws
def systems_epochs(report: Report) -> HTML:
    """The three systems after some epochs, on training and on test images (figure 4)."""
    alt = (
        "Accuracy of the three systems by layer: late layers are as good as the network, the first layer learns little"
    )
    return _moments(report, "epochs", "epoch", "part", alt, -1)


@draws
def systems_batches(report: Report) -> HTML:
    """The three systems after some mini-batches of the first epoch, for two bandwidths (figure 5)."""
    alt = "Accuracy of the three systems by layer: with a bandwidth of 1.0 the continuous system starts far behind"
    return _moments(report, "batches", "batch", "bandwidth", alt, 0)


@draws
def bandwidths(report: Report) -> HTML:
    """Held-out likelihood and accuracy against the bandwidth."""

    def draw(curve: DataArray, side: str) -> Figure:
        figure, axes = panels(2, 3.2)
        multiples = curve.bandwidth.values[:-1].astype(float)
        for state, colour in zip(curve.state.values, KIND_COLOURS, strict=False):
            one = report.side_number(f"bandwidth_one_{'trained' if state == 'trained' else 'before'}", side)
            for ax, what, scale in zip(axes, curve.what.values, (1, 100), strict=True):
                values = scale * curve.sel(state=state, what=what).to_numpy()
                ax.plot(multiples, values[:-1], color=colour, marker="o", ms=4, label=state)
                ax.plot(one, values[-1], "*", color=colour, ms=13)
        told = "mean log-likelihood [nats]", "accuracy of the\ncontinuous system [%]"
        for ax, what in zip(axes, told, strict=True):
            in_powers(ax.xaxis)
            ax.set(xlabel="bandwidth / Scott's rule", ylabel=what)
        axes[1].legend(fontsize="small")
        return figure

    alt = "Held-out likelihood peaks near Scott's rule; accuracy falls where the bandwidth gets much larger"
    return by_side(report, "bandwidth", draw, alt)


@draws
def systems_depth(report: Report) -> HTML:
    """The three systems in networks of every depth, harder set (figure 6)."""

    def draw(curve: DataArray, _: str, step: int) -> Figure:
        figure, (ax,) = panels(1, 3)
        systems(curve.sel(depth=step).transpose("system", "seed", "layer"), None, ax)
        ax.set(ylabel="accuracy [%]", xlim=(0.6, curve.sizes["layer"] + 0.4), ylim=_span(curve))
        ax.legend()
        return figure

    alt = "Accuracy of the three systems by layer: in deep enough networks they meet in the last layers"
    return by_side(report, "systems_depth", draw, alt, "depth", "hidden layers:")


@draws
def systems_width(report: Report) -> HTML:
    """The three systems in networks of every width, both sets (figures 9 and 10)."""

    def draw(_: DataArray, side: str, step: int) -> Figure:
        figure, axes = panels(2, 3, sharey=True)
        curves = {label: report.sides(f"systems_width_{label}")[side].sel(part="test") for label in ("easy", "hard")}
        for ax, (label, curve) in zip(axes, curves.items(), strict=True):
            systems(curve.sel(width=step).transpose("system", "seed", "layer"), None, ax)
            ax.set(title=SETS[label], ylim=_span(*curves.values()))
        axes[0].set_ylabel("accuracy [%]")
        axes[0].legend()
        return figure

    alt = "Accuracy of the three systems by layer: in narrow networks the discrete system loses most"
    easy = ["systems_width_easy"]
    return by_side(report, "systems_width_hard", draw, alt, "width", "nodes a layer:", start=0, also=easy)


@draws
def first_layer(report: Report) -> HTML:
    """Accuracy of layer 1's continuous system against width."""

    def draw(curve: DataArray, _: str) -> Figure:
        figure, (ax,) = panels(1, 2.6)
        by_set(100 * curve, "width", ax)
        ax.set(xlabel="nodes per layer", ylabel="accuracy of layer 1's\ncontinuous system [%]")
        ax.legend()
        return figure

    return by_side(report, "continuous_layer_1", draw, "Accuracy of the first layer's continuous system against width")


@draws
def anomaly(report: Report) -> HTML:
    """The discrete system of every single network of the narrowest width, easier set."""

    def draw(curve: DataArray, _: str) -> Figure:
        figure, (ax,) = panels(1, 2.6)
        narrow = 100 * curve.isel(width=0).sel(part="test", system="discrete")
        for each, mark, colour in zip(narrow, "os^Dv", KIND_COLOURS, strict=False):
            look = {"marker": mark, "ms": 4, "color": colour}
            ax.plot(each.layer, each, label=f"seed {each.seed.item()}", **look)
        ax.set(xlabel="layer", ylabel="accuracy of the\ndiscrete system [%]", title=f"width {narrow.width.item()}")
        ax.legend(fontsize="small")
        return figure

    alt = "In the narrowest networks the discrete system's accuracy drops at a single layer of a single network"
    return by_side(report, "systems_width_easy", draw, alt)


@draws
def systems_sigmoid(report: Report) -> HTML:
    """The three systems in a sigmoid network, on training and test images (figure 7)."""

    def draw(curve: DataArray, side: str) -> Figure:
        figure, axes = panels(2, 2.9, sharey=True)
        for ax, each in zip(axes, curve, strict=True):
            own = report.side_number("accuracy_sigmoid", side) if each.part == "test" else None
            systems(each.transpose("system", "seed", "layer"), own, ax)
            ax.set_title(f"{each.part.item()} images")
        axes[0].set_ylabel("accuracy [%]")
        axes[1].legend()
        return figure

    alt = "Accuracy of the three systems by layer in a sigmoid network: the discrete one is close behind"
    return by_side(report, "systems_sigmoid", draw, alt)


@draws
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


@draws
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


def _moments(report: Report, name: str, moment: str, inner: str, alt: str, start: int) -> HTML:
    """The three systems at moments of a training, through which a slider goes from ``start``; a panel an ``inner``."""

    def draw(curve: DataArray, side: str, step: int) -> Figure:
        figure, axes = panels(2, 3, sharey=True)
        network = report.sides(f"network_{name}")[side]
        own = network.sel({moment: step})
        for ax, value in zip(axes, curve[inner].values, strict=True):
            at = curve.sel({moment: step, inner: value}).transpose("system", "seed", "layer")
            systems(at, (own.sel({inner: value}) if inner in own.dims else own).item(), ax)
            ax.set(
                title=f"bandwidth {value}" if inner == "bandwidth" else f"{value} images", ylim=_span(curve, network)
            )
        axes[0].set_ylabel("accuracy [%]")
        legend_below(figure, axes[1])
        return figure

    own = [f"network_{name}"]
    return by_side(report, f"systems_{name}", draw, alt, moment, f"after {moment}", start, own)


def _span(*curves: DataArray) -> tuple[float, float]:
    """Limits of an axis of percent that hold for every position of a slider."""
    lowest = 100 * min(float(curve.min()) for curve in curves)
    highest = 100 * max(float(curve.max()) for curve in curves)
    room = 0.06 * (highest - lowest)
    return lowest - room, highest + room
