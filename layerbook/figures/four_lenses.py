"""Figures that lay several instruments side by side: maps over layers and steps, times, and how far they agree."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from layerbook.analysis.agreement import LENSES
from layerbook.figures.common import DATA_COLOURS, INK, KIND_COLOURS, evenly

LENS_COLOURS = dict(zip(LENSES, KIND_COLOURS, strict=True))
LENS_MARKS = dict(zip(LENSES, "osD^v", strict=True))
NETWORK_LOOKS = {"MLP": (INK, "o"), "plain CNN": (DATA_COLOURS[1], "s"), "residual CNN": (DATA_COLOURS[0], "^")}
WAYS = {"layers": "over the layers,\nat the end", "steps": "over the steps,\nwithin a layer",
        "rest": "beyond what layers\nand steps add"}


def reading_map(values: np.ndarray, steps: Sequence[int], ax: Axes, top: float | None = None) -> Axes:
    """A lens's readings as colours, the first layer at the bottom, the moments from left to right.

    Parameters
    ----------
    values : shape (moments, layers); below 0 is drawn as 0
    top : the reading of the darkest colour; by default 1
    """
    values = np.asarray(values, dtype=float)
    ax.imshow(values.T, origin="lower", aspect="auto", cmap="viridis_r", vmin=0, vmax=top or 1, interpolation="nearest")
    shown = evenly(len(steps), 5)
    ax.set_xticks(shown, [_short(steps[i]) for i in shown])
    layers = values.shape[1]
    ax.set_yticks(range(layers), [*map(str, range(1, layers)), "out"])
    ax.grid(False)
    ax.tick_params(length=2)
    return ax


def times(when: np.ndarray, last: float, ax: Axes) -> Axes:
    """When each lens says that a layer has made up its mind: one line a lens, upwards through the layers.

    A mark, the geometric mean over seeds, at the left edge means from the beginning on. A layer without a mark of a
    lens was not in every seed; the band is the range over seeds.

    Parameters
    ----------
    when : in steps, shape (seeds, lenses, layers), NaN for never
    last : the last step
    """
    when = np.asarray(when, dtype=float)
    layers = when.shape[2]
    for lens, each in zip(LENSES, when.swapaxes(0, 1), strict=True):
        known = ~np.isnan(each).any(0)
        y = np.arange(1, layers + 1)
        middle = np.where(known, np.expm1(np.log1p(each).mean(0)), np.nan)
        ax.plot(middle, y, LENS_MARKS[lens] + "-", color=LENS_COLOURS[lens], label=lens, markersize=5, linewidth=1.4)
        ax.fill_betweenx(y, np.where(known, each.min(0), np.nan), np.where(known, each.max(0), np.nan),
                         color=LENS_COLOURS[lens], alpha=0.15, linewidth=0)
    ax.set_xscale("symlog", linthresh=1)
    ax.set_xlim(-0.25, last * 1.3)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_yticks(range(1, layers + 1), [*map(str, range(1, layers)), "out"])
    ax.set_ylim(0.5, layers + 0.5)
    return ax


def agreements(values: Mapping[str, Mapping[str, np.ndarray]], way: str, ax: Axes) -> Axes:
    """Rank correlation of every two lenses: one row a pair, one mark a network, the seeds as small dots.

    Parameters
    ----------
    values : network, one of `NETWORK_LOOKS` -> way -> shape (seeds, lenses, lenses)
    way : a key of ``agreement``
    """
    pairs = [(i, j) for i in range(len(LENSES)) for j in range(i + 1, len(LENSES))]
    y = -np.arange(len(pairs))
    for (name, ways), shift in zip(values.items(), np.linspace(0.24, -0.24, len(values)), strict=True):
        colour, mark = NETWORK_LOOKS[name]
        each = np.array([np.asarray(ways[way], dtype=float)[:, i, j] for i, j in pairs])
        for seed in each.T:
            ax.plot(seed, y + shift, ".", color=colour, markersize=3, alpha=0.6)
        ax.plot(each.mean(1), y + shift, mark, color=colour, markersize=5.5, label=name)
    ax.axvline(0, color="0.5", linewidth=0.8, zorder=0)
    for line in y[1:] + 0.5:
        ax.axhline(line, color="0.92", linewidth=0.8, zorder=0)
    ax.set_yticks(y, [f"{LENSES[i]} – {LENSES[j]}" for i, j in pairs])
    ax.set(xlim=(-1.08, 1.08), ylim=(y[-1] - 0.5, 0.5), title=WAYS[way])
    ax.grid(axis="y", visible=False)
    return ax


def _short(step: int) -> str:
    return f"{step // 1000}k" if step >= 1000 and step % 1000 == 0 else str(step)
