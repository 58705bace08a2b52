"""The figures of the chapter on four lenses, from its report: the largest record first, this run behind a tab.

When layers decide is drawn in `lens_times`, drawings are in `looking`; `lens_curves` keeps the numbers.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from xarray import DataArray

from layerbook.analysis.agreement import FIVE, LENSES, agreement
from layerbook.figures._drawing import draws
from layerbook.figures.common import CONTROL_COLOUR, INK, KIND_COLOURS, evenly, pictures, spread
from layerbook.figures.lens_panels import NETWORK_LOOKS, PAIRS, over_layers, pairs_of_lenses
from layerbook.figures.lens_tables import SHORT
from layerbook.figures.sides import WIDE, by_network, by_side, legend_below, of_sides, pairs, panels
from layerbook.figures.slider import Side, touchable
from layerbook.figures.svg import svg
from layerbook.report import THIS_RUN, Report
from layerlib import Inspection

WAYS = {"layers": "over the layers, at the end", "steps": "over the steps", "rest": "in what is left"}
STEPS = "training step"


@draws
def readings(report: Report) -> HTML:
    """What the lenses read of each layer, a panel a network; the slider goes through training."""

    def draw(curve: DataArray, ax: Axes, side: str, step: int) -> None:
        for lens in ("means", *FIVE[:-1]):
            over_layers(curve.sel(lens=lens, step=step), lens, ax)
        ax.set(ylim=(-0.45, 1.05), ylabel="reading")
        ax.label_outer()

    alt = "Four lenses, the distance by two read-outs, over the layers of four networks; most rise while these learn"
    return pairs(report, "readings", draw, alt, SHORT, "step", STEPS, below={"ncols": 5}, sharey=True)


@draws
def told(report: Report) -> HTML:
    """How well what a layer is told separates the classes, beside permuted errors; the slider goes through training."""

    def draw(curve: DataArray, ax: Axes, side: str, step: int) -> None:
        for what, look in (("targets", {"color": KIND_COLOURS[3]}), ("permuted errors", {"color": CONTROL_COLOUR})):
            each = curve.sel(what=what, step=step)
            spread(each.layer, each.transpose("seed", "layer"), ax, label=what, **look)
        ax.set(ylim=(-0.15, 1.05), xlabel="layer", ylabel="silhouette")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.label_outer()

    alt = "Before training targets separate the classes no better than permuted errors do; later some networks' do"
    return pairs(report, "told", draw, alt, SHORT, "step", STEPS, 0, below={}, sharey=True)


@draws
def by_heart(report: Report) -> HTML:
    """Networks that know drawn labels by heart: distance to the true ones, and entropy of patterns, by layer."""

    def draw(curve: DataArray, side: str) -> Figure:
        figure, axes = panels(2, 3.2)
        for ax, what, title in zip(
            axes, curve.what.values, ("distance to the true labels", "entropy of patterns"), strict=True
        ):
            for each in curve.sel(what=what):
                colour, mark = NETWORK_LOOKS[each.network.item()]
                each = each.dropna("layer")
                spread(each.layer, each, ax, label=each.network.item(), color=colour, marker=mark)
            ax.set(title=title, xlabel="layer", ylabel="by its control")
            ax.axhline(1, color="0.5", linewidth=0.8, linestyle=":")
            ax.xaxis.get_major_locator().set_params(integer=True)
        legend_below(figure, axes[0])
        return figure

    alt = "In networks that know random labels the last hidden layers are hardly nearer to the true ones than the first"
    return of_sides(by_network(report, "by_heart", SHORT), "by_heart", draw, alt)


@draws
def obedience(report: Report, share: float) -> HTML:
    """How often a network follows where a layer is moved, by what the lens says; the slider goes through training.

    Parameters
    ----------
    share : of where the network ends, from which on a layer counts as decided
    """

    def draw(curve: DataArray, ax: Axes, side: str, step: int) -> None:
        each, colour = curve.sel(step=step), NETWORK_LOOKS[curve.network.item()][0]
        reading = each.sel(what="reading").to_numpy().ravel()
        for what, told, look in (
            ("shuffled", "between shuffled classes", {"color": CONTROL_COLOUR, "marker": "x"}),
            ("moved", "moved to another class", {"color": colour, "marker": "o"}),
        ):
            ax.plot(reading, each.sel(what=what).to_numpy().ravel(), ls="", ms=4, alpha=0.8, label=told, **look)
        ax.axvline(share, color="0.5", linewidth=0.8)
        ax.set(xlim=(-0.1, 1.5), ylim=(-0.03, 1.03), xlabel="reading", ylabel="pictures that follow")
        ax.label_outer()

    alt = "Before training layers can be read and next to no picture follows; at the end most follow"
    return pairs(report, "obeyed", draw, alt, SHORT, "step", STEPS, 0, below={}, sharex=True, sharey=True)


@draws
def agreements(report: Report) -> HTML:
    """Rank correlation of every two of five lenses, a panel a way to ask."""
    sides: dict[str, list] = {}
    both = [(LENSES.index(a), LENSES.index(b)) for a, b in PAIRS]
    told = [" – ".join(pair).replace("flat", "distance") for pair in PAIRS]
    for key in SHORT.values():
        for side, curve in report.sides(f"readings_{key}").items():
            found = agreement(curve.to_numpy())
            values = [[found[way][:, i, j] for i, j in both] for way in WAYS]
            axes = {"way": list(WAYS), "pair": told, "seed": curve.seed.values}
            sides.setdefault(side, []).append(DataArray(np.array(values), axes, list(axes)))
    curves = {side: xr.concat(each, pd.Index(list(SHORT), name="network")) for side, each in sides.items()}

    def draw(curve: DataArray, side: str) -> Figure:
        figure, axes = panels(len(WAYS), 4.3, sharey=True)
        for ax, way in zip(axes, WAYS, strict=True):
            pairs_of_lenses(curve.sel(way=way), ax)
            ax.set_title(WAYS[way], fontsize="medium")
        axes[1].set_xlabel("rank correlation")
        legend_below(figure, axes[0])
        return figure

    alt = "In what layers and steps do not add, distance and nodes agree most of ten pairs in convolutional networks"
    return of_sides(curves, "agreement", draw, alt)


@draws
def drawings(report: Report, looks: Mapping[str, Sequence[Inspection]]) -> HTML:
    """What guided back-propagation draws of some test pictures, a row a network; the slider goes through training.

    Parameters
    ----------
    looks : network -> inspections of one seed, by moment
    """
    alike, frames = report.curves["drawn_alike"], {}
    for at in evenly(alike.sizes["step"], 6):
        figure, axes = plt.subplots(1 + len(looks), 1, figsize=(0.75 * WIDE, 0.62 * (1 + len(looks))))
        first = next(iter(looks.values()))[0]
        pictures(first.images[:, 0].numpy(), axes[0], "", "gray_r")
        for ax, moments in zip(axes[1:], looks.values(), strict=True):
            pictures(moments[at].pictures.mean(1).numpy(), ax, "")
        for ax, name in zip(axes, ("pictures", *looks), strict=True):
            ax.set_ylabel(name, rotation=0, ha="right", va="center", fontsize="small")
        label = f"{STEPS} {alike.step.values[at].item()}"
        frames[label] = svg(figure, f"Eight pictures, and what guided back-propagation draws for each ({label})")
    return touchable({THIS_RUN: Side(frames, alike)}, STEPS, "drawn_alike")


@draws
def in_short(report: Report, share: float) -> HTML:
    """The finding in one picture: what can be read of a plain CNN's layers, and how many pictures go by it."""

    def draw(curve: DataArray, side: str) -> Figure:
        figure, axes = panels(2, 2.9, sharey=True)
        moved = report.sides("obeyed_plain")[side]
        for ax, at, title in zip(axes, (0, -1), ("before training", "at the end"), strict=True):
            for lens in ("means", "flat"):
                over_layers(_by_output(curve, lens).isel(step=at), lens, ax)
            each = moved.sel(what="moved").isel(step=at)
            spread(each.layer, each.transpose("seed", "layer"), ax, "pictures that follow", color=INK, marker="s")
            ax.axhline(share, color="0.5", linewidth=0.8, linestyle="--")
            ax.set(title=f"plain CNN, {title}", ylim=(-0.05, 1.45), ylabel="reading (1: trained output)")
            ax.label_outer()
        legend_below(figure, axes[0])
        return figure

    alt = "Before training much can be read of a plain CNN's layers, yet no picture follows when one is moved"
    return by_side(report, "readings_plain", draw, alt, also=["obeyed_plain"])


def _by_output(curve: DataArray, lens: str) -> DataArray:
    """A lens's readings of hidden layers, by that of the trained output; dims seed, step, layer."""
    each = curve.sel(lens=lens)
    return each.isel(layer=slice(-1)) / each.isel(layer=-1, step=-1)
