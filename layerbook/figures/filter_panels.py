"""Parts of the figures on filters: functions take data and an axes, draw, and return the axes."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, PercentFormatter

from layerbook.figures._drawing import draws, fits
from layerbook.figures.common import CONTROL_COLOUR, INK, KIND_COLOURS, as_array, depth_colours

WAYS = ("Z", "D", "norm")
PICK_COLOURS = dict(zip(WAYS, KIND_COLOURS, strict=False))


@draws
def filters_over_steps(filters: np.ndarray, steps: Sequence, ax: Axes) -> Axes:
    """Filters of a first layer as colours, one a row, over the training steps (Hu et al., fig. 1).

    Each filter has one scale of brightness for all steps, from its smallest weight to its largest.

    Parameters
    ----------
    filters : shape (steps, filters, 3, h, w); only the first three channels are drawn
    steps : what the columns are called
    """
    filters = as_array(filters)[:, :, :3].transpose(1, 0, 3, 4, 2)
    low, high = (end(filters, axis=(1, 2, 3, 4), keepdims=True) for end in (np.min, np.max))
    return _tiles((filters - low) / np.where(high > low, high - low, 1), steps, ax)


@draws
def moves_over_steps(filters: np.ndarray, steps: Sequence, ax: Axes) -> Axes:
    """How far the weights of a first layer have moved since the first column, as colours: grey is not at all.

    One scale for all filters, from the largest move down to the largest up; shapes as of `filters_over_steps`.
    """
    moved = as_array(filters)[:, :, :3].transpose(1, 0, 3, 4, 2)
    moved = moved - moved[:, :1]
    largest = np.abs(moved).max()
    return _tiles(0.5 + moved / (2 * largest if largest > 0 else 1), steps, ax)


def _tiles(colours: np.ndarray, steps: Sequence, ax: Axes) -> Axes:
    """Draw small pictures in [0, 1], shape (filters, steps, h, w, 3), one filter a row; the page shows between them."""
    solid = np.append(colours, np.ones_like(colours[..., :1]), axis=-1)
    rows = np.pad(solid, [(0, 0), (0, 0), (0, 1), (0, 1), (0, 0)]).transpose(0, 2, 1, 3, 4)
    count, height, columns, width, _ = rows.shape
    ax.imshow(rows.reshape(count * height, columns * width, 4), interpolation="nearest")
    ax.set_xticks(np.arange(columns) * width + (width - 2) / 2, list(map(str, steps)))
    ax.set_yticks(np.arange(count) * height + (height - 2) / 2, list(map(str, range(1, count + 1))))
    ax.set(xlabel="training step", ylabel="filter")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.grid(False)
    return ax


@draws
def over_steps(
    steps: Sequence[float], values: np.ndarray, layers: Sequence[str], ax: Axes, halved: Sequence[float] = (), **line
) -> Axes:
    """One line over the training steps for each layer, light to dark; dashed where the learning rate is halved.

    Parameters
    ----------
    values : shape (steps, layers); layers are labelled where the line has no style of its own
    """
    values = as_array(values)
    for at, (column, name, colour) in enumerate(zip(values.T, layers, depth_colours(len(layers)), strict=True)):
        # dark shades are hard to tell apart, so a few marks tell them, too
        marks = (
            {} if line else {"marker": "osv^D"[at % 5], "markersize": 3.5, "markevery": (at, max(5, len(steps) // 8))}
        )
        ax.plot(steps, column, color=colour, label=None if line else name, **({"linewidth": 1.3} | marks | line))
    for step in halved:
        ax.axvline(step, color="0.55", linestyle="--", linewidth=0.8, zorder=0)
    ax.set_xlabel("training step")
    ax.label_outer()
    return ax


@draws
def ranked_filters(values: Mapping[str, np.ndarray], ax: Axes) -> Axes:
    """Each filter's change by its rank within the layer, smallest first; dotted at 1 % of the layer's median.

    Parameters
    ----------
    values : layer -> shape (filters,)
    """
    for (name, each), colour in zip(values.items(), depth_colours(len(values)), strict=True):
        each = np.sort(as_array(each))
        rank = (np.arange(len(each)) + 0.5) / len(each)
        ax.plot(100 * rank, each, color=colour, label=name, marker="o", markersize=2.5, linewidth=1)
        ax.axhline(0.01 * np.median(each), color=colour, linestyle=":", linewidth=1)
    ax.set(xlabel="rank of the filter in its layer [%]", yscale="log")
    return ax


@draws
def zeroing_costs(random: np.ndarray, picked: Mapping[str, np.ndarray], layers: Sequence[str], ax: Axes) -> Axes:
    """Accuracy lost without some filters of each layer: random choices as pale dots, picked ones as marks.

    Parameters
    ----------
    random : shape (layers, draws), in points of accuracy lost
    picked : how they were picked -> shape (layers,)
    """
    random = as_array(random)
    fits("layers", len(layers), len(random), "one name per row of random")
    for name, values in picked.items():
        fits(name, len(values), len(random), "one number per row of random")
    places = np.arange(len(random))
    jitter = np.linspace(-0.12, 0.12, random.shape[1])
    control = {"color": CONTROL_COLOUR, "linestyle": ""}
    ax.plot(
        (places[:, None] + jitter).ravel(),
        random.ravel(),
        "o",
        markersize=3.5,
        markeredgewidth=0,
        alpha=0.5,
        label="random",
        **control,
    )
    ax.plot(places, random.mean(1), "_", markersize=18, markeredgewidth=2, label="random, mean", **control)
    shifts = 0.2 + 0.13 * np.arange(len(picked))
    for (name, values), shift, marker in zip(picked.items(), shifts, "^sD", strict=False):
        ax.plot(
            places + shift, values, marker, color=PICK_COLOURS.get(name, INK), markersize=6, linestyle="", label=name
        )
    ax.axhline(0, color="0.5", linewidth=0.8, zorder=0)
    ax.set_xticks(places, layers)
    ax.set_xlim(-0.4, len(places) - 0.2)
    ax.grid(axis="x", visible=False)
    return ax


@draws
def orders(rows: Mapping[str, Mapping[str, Sequence[float]]], ax: Axes) -> Axes:
    """Rank correlation of depth and change with its interval: one row a network, one mark a definition of change.

    Parameters
    ----------
    rows : network -> definition -> (mean, low, high)
    """
    kinds = list(next(iter(rows.values())))
    shifts = np.linspace(0.22, -0.22, len(kinds))
    for kind, shift, colour, marker in zip(kinds, shifts, KIND_COLOURS, "os^D", strict=False):
        values = np.array([row[kind][:3] for row in rows.values()], dtype=float)
        errors = np.abs(values[:, 1:] - values[:, :1]).T
        ax.errorbar(
            values[:, 0],
            shift - np.arange(len(rows)),
            xerr=errors,
            linestyle="",
            marker=marker,
            markersize=5.5,
            capsize=2,
            color=colour,
            label=kind,
        )
    ax.axvline(0, color="0.5", linewidth=0.8, zorder=0)
    ax.set_yticks(-np.arange(len(rows)), list(rows))
    ax.set(
        xlim=(-1.08, 1.08),
        ylim=(0.5 - len(rows), 0.5),
        xlabel="rank correlation of depth and change\n(−1: falls with depth, +1: rises)",
    )
    ax.grid(axis="y", visible=False)
    return ax


@draws
def by_size(weights: Mapping[str, Sequence[int]], change: Mapping[str, np.ndarray], ax: Axes) -> Axes:
    """Mean change of each layer against the number of weights of its filters, with a line of slope 1 for each network.

    Parameters
    ----------
    weights : network -> shape (layers,), layers from bottom to top
    change : network -> shape (layers,), D_t as printed
    """
    for (name, x), colour, marker in zip(weights.items(), KIND_COLOURS, "os^D", strict=False):
        x, y = as_array(x), as_array(change[name])
        look = {"markeredgecolor": colour, "markeredgewidth": 1.6, "markersize": 8, "linestyle": ""}
        for at, height, shade in zip(x, y, depth_colours(len(x)), strict=True):
            ax.plot(at, height, marker, color=shade, **look)
        ax.plot([], [], marker, color="white", label=name, **look)
        ends = np.array([x.min(), x.max()])
        ax.plot(ends, np.exp(np.log(y / x).mean()) * ends, color=colour, linewidth=0.9, linestyle="--")
    ax.set(xscale="log", yscale="log", xlabel="weights of a filter")
    ax.xaxis.set_minor_formatter(NullFormatter())
    return ax


@draws
def powers(ax: Axes) -> Axes:
    """A logarithmic vertical axis."""
    ax.set_yscale("log")
    return ax


@draws
def percent(ax: Axes) -> Axes:
    """Shares on the vertical axis, from 0 to 1, written as per cent."""
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.set_ylim(-0.03, 1.03)
    return ax
