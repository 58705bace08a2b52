"""Parts of the figures on four lenses: functions take data and an axes, draw, and return the axes."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator
from xarray import DataArray

from layerbook.analysis.agreement import FIVE, LENSES, READ_OUTS
from layerbook.figures._drawing import draws
from layerbook.figures.common import DATA_COLOURS, INK, KIND_COLOURS, as_array, spread
from layerbook.figures.lens_tables import SHORT

# one instrument, the paler the more its read-out leaves out
LENS_COLOURS = dict(zip(LENSES, ["#9a86e0", "#6650b8", *KIND_COLOURS], strict=True))
LENS_MARKS = dict(zip(LENSES, "v^osD<>", strict=True))
LENS_LINES = {"means": ":", "grid": "--"}  # the more gaps, likewise
LENS_NAMES = {read: f"distance, {read}" for read in READ_OUTS}
NETWORK_LOOKS = dict(
    zip(SHORT, ((INK, "o"), (DATA_COLOURS[1], "s"), (DATA_COLOURS[0], "^"), (KIND_COLOURS[-1], "D")), strict=True)
)
PAIRS = list(combinations(FIVE, 2))


@draws
def over_layers(values: DataArray, lens: str, ax: Axes) -> Axes:
    """What a lens reads of each layer, dims seed and layer: the mean as a line, the seeds' range as a band."""
    look = {"color": LENS_COLOURS[lens], "marker": LENS_MARKS[lens], "linestyle": LENS_LINES.get(lens, "-")}
    spread(values.layer, values.transpose("seed", "layer"), ax, LENS_NAMES.get(lens, lens), **look)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("layer")
    return ax


@draws
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
        look = {"color": LENS_COLOURS[lens], "label": LENS_NAMES.get(lens, lens), "markersize": 5, "linewidth": 1.4}
        ax.plot(middle, y, LENS_MARKS[lens] + LENS_LINES.get(lens, "-"), **look)
        ends = (np.where(known, end, np.nan) for end in (each.min(0), each.max(0)))
        ax.fill_betweenx(y, *ends, color=LENS_COLOURS[lens], alpha=0.15, linewidth=0)
    ax.set_xscale("symlog", linthresh=1)
    ax.set_xlim(-0.25, last * 1.3)
    ax.xaxis.set_major_locator(FixedLocator([0, *(step for step in (1, 10, 100, 1000, 10_000) if step <= last)]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(lambda step, _: f"{step / 1000:g}k" if step >= 1000 else f"{step:g}")
    ax.set_yticks(range(1, layers + 1), [*map(str, range(1, layers)), "out"])
    ax.set_ylim(0.5, layers + 0.5)
    return ax


@draws
def pairs_of_lenses(values: DataArray, ax: Axes) -> Axes:
    """Rank correlation of every two lenses: one row a pair, one mark a network, the seeds as small dots.

    Parameters
    ----------
    values : dims network, one of `NETWORK_LOOKS`; pair, as of `PAIRS`; seed
    """
    y = -np.arange(len(PAIRS))
    for each, shift in zip(values, np.linspace(0.24, -0.24, len(values)), strict=True):
        name = each.network.item()
        colour, mark = NETWORK_LOOKS[name]
        for seed in each.transpose("seed", "pair").values:
            ax.plot(seed, y + shift, ".", color=colour, markersize=3, alpha=0.6)
        ax.plot(each.mean("seed", skipna=False), y + shift, mark, color=colour, markersize=5.5, label=name)
    ax.axvline(0, color="0.5", linewidth=0.8, zorder=0)
    for line in y[1:] + 0.5:
        ax.axhline(line, color="0.92", linewidth=0.8, zorder=0)
    ax.set_yticks(y, values.pair.values)
    ax.set(xlim=(-1.08, 1.08), ylim=(y[-1] - 0.5, 0.5))
    ax.grid(axis="y", visible=False)
    return ax
