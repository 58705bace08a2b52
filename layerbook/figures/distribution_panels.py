"""Figures of label distributions: bars against their target, a sample through the layers, tables as heat maps."""

from collections.abc import Sequence

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba

from layerbook.figures._drawing import as_text, fits
from layerbook.figures.common import DATA_COLOURS, INK, as_array, depth_colours


def label_bars(
    predicted: np.ndarray,
    target: np.ndarray,
    ax: Axes,
    classes: Sequence[str] | None = None,
    colour: object = DATA_COLOURS[0],
) -> Axes:
    """A label distribution as bars, with the target as an outline (Cao et al. 2022, fig. 6).

    Parameters
    ----------
    predicted, target : shape (K,), each of sum 1
    classes : names of the labels under the bars; without them the bars stay unnamed
    colour : of the bars, the network's own
    """
    predicted, target = as_array(predicted, None), as_array(target, None)
    fits("predicted", len(predicted), len(target), "as many labels as target")
    places = np.arange(len(target))
    ax.bar(places, predicted, width=0.8, color=colour)
    ax.bar(places, target, width=0.8, facecolor="none", edgecolor=INK, linewidth=1.1)
    ax.set(xlim=(-0.6, len(target) - 0.4), ylim=(0, 1.05 * max(target.max(), predicted.max())))
    ax.grid(False)
    if classes is None:
        ax.set_xticks([])
    else:
        fits("classes", len(classes), len(target), "one name per label")
        ax.set_xticks(places, [as_text(name) for name in classes], rotation=90, fontsize=6)
    return ax


def scene(image: np.ndarray, ax: Axes, title: str = "") -> Axes:
    """A picture uint8 (C, H, W), grey where it has one channel."""
    image = as_array(image, None)
    ax.imshow(image[0] if len(image) == 1 else np.moveaxis(image, 0, -1), cmap="gray", vmin=0, vmax=255)
    ax.set_title(title, fontsize=8)
    ax.set_axis_off()
    return ax


def heat_table(
    values: np.ndarray, rows: Sequence, columns: Sequence, ax: Axes, unit: str, written: str | None = None
) -> Axes:
    """A table in colours, lighter for larger, numbered if ``written`` is a format (Cao et al. 2022, table 4).

    Parameters
    ----------
    values : shape (rows, columns)
    rows, columns : what stands at the two sides; with more than ten, every tenth is written
    unit : of the values, beside the colour bar
    """
    sns.heatmap(
        as_array(values, None),
        ax=ax,
        cmap="viridis",
        annot=written is not None,
        fmt=written or "",
        annot_kws={"fontsize": 8},
        cbar_kws={"label": unit},
        linewidths=0.5 if written else 0,
    )
    for axis, ticks in ((ax.xaxis, columns), (ax.yaxis, rows)):
        shown = range(len(ticks)) if len(ticks) <= 10 else range(0, len(ticks), 10)
        axis.set_ticks([i + 0.5 for i in shown], [f"{ticks[i]:.2g}" for i in shown], rotation=0)
    ax.grid(False)
    return ax


def stacked_shares(
    shares: np.ndarray, parts: Sequence[str], rows: Sequence[str], ax: Axes, colours: Sequence | None = None
) -> Axes:
    """Shares that add up to 100 % as one bar a row.

    Parameters
    ----------
    shares : in [0, 1], shape (rows, parts)
    colours : of the parts; without them the parts are layers, light to dark from the first to the last
    """
    fits("rows", len(rows), len(shares), "one name per row of shares")
    left = np.zeros(len(rows))
    colours = depth_colours(len(parts)) if colours is None else colours[: len(parts)]
    for part, share, colour in zip(parts, 100 * as_array(shares, None).T, colours, strict=True):
        ax.barh(rows, share, left=left, color=colour, label=part, height=0.6)
        for i, (start, width) in enumerate(zip(left, share, strict=True)):
            if width >= 7:
                dark = sum(to_rgba(colour)[:3]) < 1.5
                ax.text(
                    start + width / 2,
                    i,
                    f"{width:.0f}",
                    ha="center",
                    va="center",
                    fontsize=8,
                    color="white" if dark else "black",
                )
        left += share
    ax.set(xlim=(0, 100), xlabel="samples [%]")
    ax.invert_yaxis()
    ax.grid(False)
    return ax


def costs(cost: np.ndarray, classes: Sequence[str], ax: Axes) -> Axes:
    """Cost between every two labels, shape (K, K), as a heat map."""
    cost = as_array(cost, None)
    fits("classes", len(classes), len(cost), "one name per label")
    fits("cost", cost.shape[1], len(cost), "as many columns as rows")
    names = [as_text(name) for name in classes]
    sns.heatmap(cost, ax=ax, cmap="viridis", vmin=0, vmax=1, square=True, cbar_kws={"label": "cost"})
    ax.set_xticks(np.arange(len(names)) + 0.5, names, rotation=90, fontsize=7)
    ax.set_yticks(np.arange(len(names)) + 0.5, names, rotation=0, fontsize=7)
    ax.grid(False)
    return ax


def gains(values: dict[str, np.ndarray], ways: Sequence[str], ax: Axes) -> Axes:
    """Differences with their intervals, one row a way, one colour a network, one line a trial.

    Parameters
    ----------
    values : network -> shape (ways, trials, 3): difference, low and high end
    """
    for network, (name, each) in enumerate(values.items()):
        each = as_array(each, None)
        trials = each.shape[1]
        shift = 0.3 * (network - (len(values) - 1) / 2) + 0.07 * (np.arange(trials) - (trials - 1) / 2)
        y = (np.arange(len(ways))[:, None] + shift).ravel()
        middle, low, high = each.reshape(-1, 3).T
        ax.hlines(y, low, high, color=DATA_COLOURS[network], linewidth=1)
        ax.plot(middle, y, "o", color=DATA_COLOURS[network], markersize=3, label=name)
    ax.axvline(0, color="0.4", linewidth=0.8)
    ax.set_yticks(range(len(ways)), ways)
    ax.set_ylim(len(ways) - 0.5, -0.5)
    return ax
