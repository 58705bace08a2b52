"""Figures of the chapter that lays several instruments side by side."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator
from xarray import DataArray

from layerbook.analysis.agreement import FIVE, LENSES, READ_OUTS, agreement, made_up
from layerbook.figures._drawing import AXES, REPORT, closed_on_error
from layerbook.figures.common import (
    CONTROL_COLOUR,
    DATA_COLOURS,
    INK,
    KIND_COLOURS,
    as_array,
    evenly,
    pictures,
)
from layerbook.report import Report
from layerlib import Inspection
from layerlib._checks import checked

Sides = Mapping[str, Mapping[str, DataArray]]  # this run and the record -> network -> dims seed, lens, step, layer

# one instrument, the paler the more its read-out leaves out
LENS_COLOURS = dict(zip(LENSES, ["#b8aee6", "#7766cc", *KIND_COLOURS], strict=True))
LENS_MARKS = dict(zip(LENSES, "v^osD<>", strict=True))
LENS_NAMES = {read: f"distance\n({read})" for read in READ_OUTS}
NETWORK_LOOKS = {
    "MLP": (INK, "o"),
    "plain CNN": (DATA_COLOURS[1], "s"),
    "residual CNN": (DATA_COLOURS[0], "^"),
    "ViT": (KIND_COLOURS[-1], "D"),
}
WAYS = {
    "layers": "over the layers,\nat the end",
    "steps": "over the steps,\nwithin a layer",
    "rest": "beyond what layers\nand steps add",
}


@checked(report=REPORT)
def sides_of(report: Report, names: Mapping[str, str]) -> Sides:
    """The readings of this run and, where it has them, of the record; ``names``: network -> end of its curve's name."""
    found: dict[str, dict[str, DataArray]] = {}
    for net, name in names.items():
        for side, curve in report.sides(f"readings_{name}").items():
            found.setdefault(side, {})[net] = curve
    return found


@closed_on_error
def maps(readings: Mapping[str, DataArray]) -> Figure:
    """The readings of all lenses (columns) in all networks (rows), mean over seeds, by layer and step.

    Parameters
    ----------
    readings : network -> dims seed, lens, step, layer
    """
    means = {name: each.mean("seed") for name, each in readings.items()}
    figure, axes = plt.subplots(
        len(means), len(LENSES), figsize=(8.8, 0.5 + 1.6 * len(means)), sharex=True, sharey="row", squeeze=False
    )
    for column, lens in zip(axes.T, LENSES, strict=True):
        top = max(each.sel(lens=lens).max().item() for each in means.values())
        for ax, each in zip(column, means.values(), strict=True):
            reading_map(each.sel(lens=lens).to_numpy(), each.step.values, ax, top=top)
        column[0].set_title(LENS_NAMES.get(lens, lens), fontsize="small")
    for ax, name in zip(axes[:, 0], means, strict=True):
        ax.set_ylabel(f"{name}\nlayer", fontsize="small")
    figure.supxlabel("training step", fontsize="medium")
    return figure


@closed_on_error
def decided(sides: Sides, share: float, lenses: Sequence[str] = FIVE) -> Figure:
    """From which step on each layer has made up its mind, a row a side, a panel a network.

    Parameters
    ----------
    share : of where the network ends, see `made_up`
    lenses : those to draw
    """
    figure, axes = _panels(sides, len(next(iter(sides.values()))), 2.7, 0.6)
    for row, (side, networks) in zip(axes, sides.items(), strict=True):
        for ax, (name, readings) in zip(row, networks.items(), strict=True):
            steps = readings.step.values
            when = made_up(readings.to_numpy(), steps, share)
            times({lens: when[:, LENSES.index(lens)] for lens in lenses}, steps[-1], ax)
            ax.set_title(f"{name},\n{side}", fontsize="small")
        row[0].set_ylabel("layer")
    figure.supxlabel("step from which on the layer has made up its mind", fontsize="medium")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=len(lenses))
    return figure


@closed_on_error
def agreements(sides: Sides) -> Figure:
    """Rank correlation of every two of the five lenses; a row a side, a panel a way to ask."""
    figure, axes = _panels(sides, len(WAYS), 3.9, 0.8)
    for row, (side, networks) in zip(axes, sides.items(), strict=True):
        agreed = {name: agreement(each.to_numpy()) for name, each in networks.items()}
        for ax, way in zip(row, WAYS, strict=True):
            pairs(agreed, way, ax)
        row[0].set_ylabel(side)
        for ax in row[1:]:
            ax.tick_params(labelleft=False)
    axes[-1, 1].set_xlabel("rank correlation")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(NETWORK_LOOKS))
    return figure


@closed_on_error
def obedience(networks: Mapping[str, DataArray], share: float) -> Figure:
    """How often a network follows when a layer is moved to another class, by what the lens says of the layer.

    Parameters
    ----------
    networks : network -> dims what ("reading", "moved", "shuffled"), seed, step, layer
    share : of where the network ends, from which on a layer counts as decided
    """
    figure, axes = plt.subplots(1, len(networks), figsize=(8.8, 2.9), sharex=True, sharey=True, squeeze=False)
    for ax, (name, each) in zip(axes[0], networks.items(), strict=True):
        reading = each.sel(what="reading").to_numpy().ravel()
        for what, colour, mark in (("shuffled", CONTROL_COLOUR, "x"), ("moved", NETWORK_LOOKS[name][0], "o")):
            ax.plot(reading, each.sel(what=what).to_numpy().ravel(), mark, color=colour, markersize=3.5, alpha=0.7)
        ax.axvline(share, color="0.5", linewidth=0.8)
        ax.set_title(name, fontsize="small")
    axes[0, 0].set(ylim=(-0.03, 1.03), ylabel="pictures that follow")
    figure.supxlabel("reading of the layer (distance, flat), by that of the trained output", fontsize="medium")
    figure.legend(
        [Line2D([], [], color=INK, marker="o", ls=""), Line2D([], [], color=CONTROL_COLOUR, marker="x", ls="")],
        ["moved to another class", "between shuffled classes"],
        loc="outside upper center",
        ncols=2,
    )
    return figure


@closed_on_error
def drawings(looks: Mapping[str, Sequence[Sequence[Inspection]]], steps: Sequence[int]) -> Figure:
    """What guided back-propagation draws at some of the steps, a column a network, the first seed.

    Parameters
    ----------
    looks : network -> inspections, by step and seed
    """
    shown = evenly(len(steps), 5)
    figure, axes = plt.subplots(len(shown) + 1, len(looks), figsize=(8.8, 0.5 * len(shown) + 0.8))
    for column, (name, moments) in zip(axes.T, looks.items(), strict=True):
        pictures(moments[0][0].images[:, 0].numpy(), column[0], "", "gray_r")
        column[0].set_title(name)
        for ax, i in zip(column[1:], shown, strict=True):
            pictures(moments[i][0].pictures.mean(1).numpy(), ax, "")
    for ax, i in zip(axes[1:, 0], shown, strict=True):
        ax.set_ylabel(f"step {steps[i]}", rotation=0, ha="right", va="center", fontsize="small")
    return figure


@checked(ax=AXES)
def reading_map(values: np.ndarray, steps: Sequence[int], ax: Axes, top: float | None = None) -> Axes:
    """A lens's readings as colours, the first layer at the bottom, the moments from left to right.

    Parameters
    ----------
    values : shape (moments, layers); below 0 is drawn as 0
    top : the reading of the darkest colour; by default 1
    """
    values = as_array(values)
    ax.imshow(values.T, origin="lower", aspect="auto", cmap="viridis_r", vmin=0, vmax=top or 1, interpolation="nearest")
    shown = evenly(len(steps), 3)
    ax.set_xticks(shown, [_short(steps[i]) for i in shown])
    layers = values.shape[1]
    ax.set_yticks(range(layers), [*map(str, range(1, layers)), "out"])
    ax.grid(False)
    ax.tick_params(length=2)
    return ax


@checked(ax=AXES)
def times(when: Mapping[str, np.ndarray], last: float, ax: Axes) -> Axes:
    """When each lens says that a layer has made up its mind: one line a lens, upwards through the layers.

    A mark, the geometric mean over seeds, at the left edge means from the beginning on. A layer without a mark of a
    lens was not in every seed; the band is the range over seeds.

    Parameters
    ----------
    when : lens -> in steps, shape (seeds, layers), NaN for never
    last : the last step
    """
    for lens, each in when.items():
        each = as_array(each)
        layers, known = each.shape[1], ~np.isnan(each).any(0)
        y = np.arange(1, layers + 1)
        middle = np.where(known, np.expm1(np.log1p(each).mean(0)), np.nan)
        look = {"color": LENS_COLOURS[lens], "label": lens, "markersize": 5, "linewidth": 1.4}
        ax.plot(middle, y, LENS_MARKS[lens] + "-", **look)
        ends = (np.where(known, end, np.nan) for end in (each.min(0), each.max(0)))
        ax.fill_betweenx(y, *ends, color=LENS_COLOURS[lens], alpha=0.15, linewidth=0)
    ax.set_xscale("symlog", linthresh=1)
    ax.set_xlim(-0.25, last * 1.3)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_yticks(range(1, layers + 1), [*map(str, range(1, layers)), "out"])
    ax.set_ylim(0.5, layers + 0.5)
    return ax


@checked(ax=AXES)
def pairs(values: Mapping[str, Mapping[str, np.ndarray]], way: str, ax: Axes) -> Axes:
    """Rank correlation of every two lenses: one row a pair, one mark a network, the seeds as small dots.

    Parameters
    ----------
    values : network, one of `NETWORK_LOOKS` -> way -> shape (seeds, lenses, lenses)
    way : a key of ``agreement``
    """
    both = [(LENSES.index(a), LENSES.index(b)) for a, b in combinations(FIVE, 2)]
    y = -np.arange(len(both))
    for (name, ways), shift in zip(values.items(), np.linspace(0.24, -0.24, len(values)), strict=True):
        colour, mark = NETWORK_LOOKS[name]
        each = np.array([as_array(ways[way])[:, i, j] for i, j in both])
        for seed in each.T:
            ax.plot(seed, y + shift, ".", color=colour, markersize=3, alpha=0.6)
        ax.plot(each.mean(1), y + shift, mark, color=colour, markersize=5.5, label=name)
    ax.axvline(0, color="0.5", linewidth=0.8, zorder=0)
    for line in y[1:] + 0.5:
        ax.axhline(line, color="0.92", linewidth=0.8, zorder=0)
    ax.set_yticks(y, [" – ".join(pair).replace("flat", "distance") for pair in combinations(FIVE, 2)])
    ax.set(xlim=(-1.08, 1.08), ylim=(y[-1] - 0.5, 0.5), title=WAYS[way])
    ax.grid(axis="y", visible=False)
    return ax


def _short(step: int) -> str:
    return f"{step // 1000}k" if step >= 1000 and step % 1000 == 0 else str(step)


def _panels(sides: Sides, columns: int, height: float, around: float) -> tuple[Figure, np.ndarray]:
    return plt.subplots(len(sides), columns, figsize=(8.8, around + height * len(sides)), squeeze=False)
