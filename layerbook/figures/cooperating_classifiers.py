"""Figures of the chapter about node classifiers: each takes its report and shows the largest record or this run.

Those of the three node systems are in `node_systems`, the drawings in `counting`.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from xarray import DataArray

from layerbook.figures._drawing import as_text, class_colours, class_names, draws, fits
from layerbook.figures.common import CONTROL_COLOUR, DATA_COLOURS, INK, KIND_COLOURS, as_array, depth_colours, spread
from layerbook.figures.sides import WIDE, by_side, in_powers, legend_below, panels
from layerbook.report import Report

SETS = {"easy": "MNIST", "hard": "Fashion-MNIST"}
_OTHER = "0.75"  # networks that the slider does not stand at


@draws
def active_shares(report: Report, width: int, classes: Sequence[str]) -> HTML:
    """What share of each class switches each node on, before and after training (figure 1).

    Parameters
    ----------
    width : nodes of a hidden layer
    classes : their names in this run; a record of other data may have more or fewer
    """

    def draw(curve: DataArray, _: str) -> Figure:
        figure, axes = plt.subplots(2, 1, figsize=(WIDE, 5), sharex=True)
        _, rows, nodes = curve.shape
        layers = [width] * ((nodes - rows) // width) + [rows]
        for ax, state in zip(axes, curve.state.values, strict=True):
            activation_shares(curve.sel(state=state), layers, class_names(classes, rows), ax)
            ax.set(title=state, ylabel="switch it on [%]")
        axes[0].set_xlabel("")
        legend_below(figure, axes[0])
        return figure

    alt = "One dot a node and class: before training they lie anywhere, after it those of late layers at 0 and 100 %"
    return by_side(report, "active_shares", draw, alt)


@draws
def errors(report: Report) -> HTML:
    """Test error against depth and width (figure 2)."""

    def draw(_: DataArray, side: str) -> Figure:
        figure, axes = panels(2, 2.6, sharey=True)
        for ax, over, told in zip(axes, ("depth", "width"), ("hidden layers", "nodes per layer"), strict=True):
            by_set(100 * report.sides(f"error_{over}")[side], over, ax)
            ax.set_xlabel(told)
        axes[0].set(ylabel="test error [%]", ylim=(0, None))
        axes[0].legend()
        return figure

    alt = "Test error falls over the first layers and nodes, then stays level"
    return by_side(report, "error_depth", draw, alt, also=["error_width"])


@draws
def perplexities(report: Report, over: str) -> HTML:
    """Layer perplexity of networks of every depth, or of every width; the slider picks one (figure 3)."""

    def draw(curve: DataArray, side: str, step: int) -> Figure:
        figure, axes = panels(2, 3, sharey=True)
        for ax, each in zip(axes, curve, strict=True):
            label = each["data"].item()
            _capped(each, over, report.side_number(f"samples_{label}", side), ax, step)
            ax.set_title(SETS[label])
        axes[0].set_ylabel("layer perplexity P")
        return figure

    alt = "Layer perplexity stays at the number of samples in early layers, then falls towards one pattern a class"
    told = {"depth": "hidden layers:", "width": "nodes a layer:"}[over]
    return by_side(report, f"perplexity_{over}", draw, alt, over, told)


@draws
def untrained(report: Report) -> HTML:
    """Layer perplexity of the same networks before and after training."""

    def draw(curve: DataArray, side: str) -> Figure:
        figure, axes = panels(2, 2.9, sharey=True)
        trained = report.sides("perplexity_depth")[side].sel(depth=report.side_number("depth", side))
        for ax, each, colour in zip(axes, curve, DATA_COLOURS, strict=True):
            label = each["data"].item()
            spread(each.layer, each, ax, label="untrained", color=CONTROL_COLOUR, linestyle="--")
            spread(trained.layer, trained.sel(data=label), ax, label="trained", color=colour)
            ax.axhline(report.side_number(f"samples_{label}", side), color=INK, linestyle="--", linewidth=1)
            in_powers(ax.yaxis)
            ax.set(ylim=(0.9, None), xlabel="layer", title=SETS[label])
            ax.legend(fontsize="small", loc="lower left")
        axes[0].set_ylabel("layer perplexity P")
        return figure

    alt = (
        "Before training layer perplexity stays near the number of samples at all layers; after it, it falls with depth"
    )
    return by_side(report, "perplexity_untrained", draw, alt, also=["perplexity_depth"])


@draws
def settled(report: Report) -> HTML:
    """Layer perplexity of networks of one rate that know their training images, and the middle of its drop."""

    def draw(curve: DataArray, side: str) -> Figure:
        middles = report.sides("midpoint_settled")[side]
        middles = middles if middles.notnull().all("seed").any() else None
        figure, axes = panels(2 if middles is None else 3, 2.9)
        for ax, each in zip(axes, curve, strict=False):
            label = each["data"].item()
            _capped(each, "depth", report.side_number(f"samples_{label}", side), ax)
            ax.set_title(SETS[label])
        axes[0].set_ylabel("layer perplexity P")
        axes[0].legend(
            title="hidden layers", fontsize="small", title_fontsize="small", loc="upper right", bbox_to_anchor=(1, 0.95)
        )
        if middles is not None:
            by_set(middles, "depth", axes[2])
            axes[2].legend(fontsize="small")
            axes[2].set(xlabel="hidden layers", ylabel="layer", title="middle of the drop")
        return figure

    alt = "At a layer of one number, a deeper network that is trained alike keeps more patterns than a shallow one"
    return by_side(report, "perplexity_settled", draw, alt, also=["midpoint_settled"])


@draws
def variants(report: Report) -> HTML:
    """Layer perplexity of networks trained in other ways, a panel a set."""

    def draw(curve: DataArray, _: str) -> Figure:
        figure, axes = panels(len(curve), 3, sharey=True)
        for ax, rows in zip(axes, curve, strict=True):
            for each, colour in zip(rows, KIND_COLOURS, strict=False):
                spread(each.layer, each, ax, label=each.variant.item(), color=colour)
            in_powers(ax.yaxis)
            ax.set(xlabel="layer", title=SETS[rows["data"].item()])
        axes[0].set_ylabel("layer perplexity P")
        legend_below(figure, axes[0])
        return figure

    alt = "Layer perplexity with batch norm, input noise, cross-entropy and plain SGD beside training as before"
    return by_side(report, "perplexity_variants", draw, alt)


@draws
def noises(report: Report) -> HTML:
    """How much of its cap ln P takes, against the noise on the inputs in training."""

    def draw(curve: DataArray, _: str) -> Figure:
        figure, (ax,) = panels(1, 2.6)
        by_set(curve, "noise", ax)
        ax.set(xlabel="standard deviation of the noise, in units of the pixel range")
        ax.set_ylabel("ln P / ln N_c,\nmean over layers")
        ax.legend(fontsize="small")
        return figure

    return by_side(report, "height_noise", draw, "Mean height of ln P against the strength of noise on the inputs")


@draws
def activation_shares(shares: np.ndarray, layer_sizes: Sequence[int], classes: Sequence[str], ax: Axes) -> Axes:
    """Share of each class's samples that switches each node on: one dot per node and class (Davel et al., fig. 1).

    Parameters
    ----------
    shares : in [0, 1], shape (C, nodes), the nodes of all layers in a row
    layer_sizes : number of nodes of each layer

    Raises
    ------
    ValueError
        if there are not as many classes as rows, or nodes as columns
    """
    shares = 100 * as_array(shares)
    fits("classes", len(classes), len(shares), "one name per row of shares")
    fits("layer_sizes", sum(layer_sizes), shares.shape[1], "the nodes of shares")
    nodes = np.arange(shares.shape[1])
    order = np.random.default_rng(0).permutation(shares.size)  # so that no class covers the others
    which, node = np.unravel_index(order, shares.shape)
    colours = np.array([to_rgba(c) for c in class_colours(len(shares))])[which]
    ax.scatter(nodes[node], shares[which, node], c=colours, s=3, linewidths=0, rasterized=True)
    edges = np.cumsum([0, *layer_sizes])
    for edge in edges[1:-1]:
        ax.axvline(edge - 0.5, color="0.85", linewidth=0.6, zorder=0)
    centres = (edges[1:] + edges[:-1]) / 2
    ax.set_xticks(centres, [*map(str, range(1, len(layer_sizes))), "out"])
    ax.set(xlim=(-5, edges[-1] + 4), ylim=(-3, 103), xlabel="layer", ylabel="samples that switch the node on [%]")
    ax.grid(False)
    for name, colour in zip(classes, class_colours(len(classes)), strict=True):
        ax.scatter([], [], color=colour, s=18, label=as_text(name))
    return ax


@draws
def by_set(curve: DataArray, over: str, ax: Axes) -> None:
    """A line a set, with the range of the seeds, over one of its axes; what is missing is left out."""
    for each, colour in zip(curve, DATA_COLOURS, strict=False):
        spread(each[over], each.transpose("seed", over), ax, label=SETS[each["data"].item()], color=colour)
    ax.xaxis.get_major_locator().set_params(integer=over != "noise")


def _capped(curve: DataArray, over: str, cap: float, ax: Axes, step: int | None = None) -> None:
    """Layer perplexity of several networks, with its cap as a dashed line; one of them stands out where it is named."""
    for each, colour in zip(curve, depth_colours(len(curve)), strict=True):
        value = each[over].item()
        if step in (None, value):
            spread(each.layer, each, ax, label=str(value), color=colour, zorder=3)
        else:
            ax.plot(each.layer, each.mean("seed"), color=_OTHER, linewidth=0.9)
    ax.axhline(cap, color=INK, linestyle="--", linewidth=1)
    ax.axhspan(cap**0.1, cap**0.9, color=INK, alpha=0.13, linewidth=0)  # where the length of the drop is measured
    in_powers(ax.yaxis)
    ax.set(ylim=(0.9, None), xlabel="layer")
    ax.xaxis.get_major_locator().set_params(integer=True)
