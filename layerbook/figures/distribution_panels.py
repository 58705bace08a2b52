"""Figures of label distributions: bars against their target, a sample through the layers, tables as heat maps."""

from collections.abc import Sequence

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes

from layerbook.figures._drawing import as_text, draws, fits
from layerbook.figures.common import DATA_COLOURS, INK, as_array


@draws
def label_bars(
    predicted: np.ndarray,
    target: np.ndarray,
    ax: Axes,
    classes: Sequence[str] | None = None,
    colour: object = DATA_COLOURS[0],
) -> Axes:
    """A label distribution as bars, one below the other, with the target as an outline (Cao et al. 2022, fig. 6).

    Parameters
    ----------
    predicted, target : shape (K,), each of sum 1
    classes : names of the labels beside the bars; without them the bars stay unnamed
    colour : of the bars, the network's own
    """
    predicted, target = as_array(predicted, None), as_array(target, None)
    fits("predicted", len(predicted), len(target), "as many labels as target")
    places = np.arange(len(target))
    ax.barh(places, predicted, height=0.8, color=colour)
    ax.barh(places, target, height=0.8, facecolor="none", edgecolor=INK, linewidth=1.1)
    ax.set(ylim=(len(target) - 0.4, -0.6), xlim=(0, 1.05 * max(target.max(), predicted.max())))
    ax.grid(False)
    if classes is None:
        ax.set_yticks([])
    else:
        fits("classes", len(classes), len(target), "one name per label")
        ax.set_yticks(places, [as_text(name) for name in classes], fontsize="small")
        ax.tick_params(axis="y", length=0)
    return ax


@draws
def scene(image: np.ndarray, ax: Axes, title: str = "") -> Axes:
    """A picture uint8 (C, H, W), grey where it has one channel."""
    image = as_array(image, None)
    ax.imshow(image[0] if len(image) == 1 else np.moveaxis(image, 0, -1), cmap="gray", vmin=0, vmax=255)
    ax.set_title(title, fontsize=8)
    ax.set_axis_off()
    return ax


@draws
def label_costs(cost: np.ndarray, classes: Sequence[str], ax: Axes) -> Axes:
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


@draws
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
