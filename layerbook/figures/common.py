"""What several figures of the book share: functions take data and an axes, draw, and return the axes.

One scheme of colours for all chapters, in which a colour means one thing within a figure: that of ``layerlib.palette``,
and

- layers, and networks by depth or width: light to dark, ``depth_colours``
- two data sets or networks side by side: ``DATA_COLOURS``, the easier set or ResNet first, the harder set or VGG second
- verdicts: ``VERDICT_COLOURS``

Names that come with the data are text, dollar signs too; lengths that do not fit are refused.
"""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullLocator

from layerbook.claims import COLOURS as VERDICT_COLOURS
from layerbook.figures._drawing import draws
from layerlib.palette import (
    BASELINE_COLOUR,
    CLASS_COLOURS,
    CONTROL_COLOUR,
    INK,
    KIND_COLOURS,
    SYSTEM_COLOURS,
    as_array,
    bare,
    pictures,
    use_style,
)

__all__ = [
    "BASELINE_COLOUR",
    "CLASS_COLOURS",
    "CONTROL_COLOUR",
    "DATA_COLOURS",
    "INK",
    "KIND_COLOURS",
    "MARK_COLOURS",
    "SYSTEM_COLOURS",
    "VERDICT_COLOURS",
    "as_array",
    "depth_colours",
    "evenly",
    "intervals",
    "marked",
    "over_training",
    "pictures",
    "spread",
    "use_style",
]

DATA_COLOURS = CLASS_COLOURS[0], CLASS_COLOURS[3]
MARK_COLOURS = {"crossings": CLASS_COLOURS[3], "turns": CLASS_COLOURS[2]}  # red and green, as in Xie & Lai's figure 8

# Scales of colours for pictures that stand on any ground: where there is nothing, the page shows, light or dark.
_THERE = np.linspace(0, 1, 128)[:, None]
_GREY, _RED, _BLUE = (
    np.append(np.tile(rgb, (128, 1)), _THERE, axis=1) for rgb in ([0.48] * 3, [0.9, 0.3, 0.2], [0.2, 0.5, 0.9])
)
mpl.colormaps.register(ListedColormap(_GREY), name="ink", force=True)
mpl.colormaps.register(ListedColormap(np.concatenate([_BLUE[::-1], _RED])), name="signed", force=True)


@draws
def depth_colours(layers: int) -> list:
    """A colour for each layer (or depth, or width), light to dark from the first to the last, in every chapter."""
    return sns.color_palette("flare", layers)


@draws
def spread(x: Sequence[float], values: np.ndarray, ax: Axes, label: str | None = None, **line) -> Axes:
    """Mean over seeds as a line, the range from smallest to largest seed as a band.

    Parameters
    ----------
    x : shape (points,)
    values : shape (seeds, points); NaN where nothing was measured
    """
    values = as_array(values)
    known = ~np.isnan(values).any(0)
    x, values = as_array(x, None)[known], values[:, known]
    (drawn,) = ax.plot(x, values.mean(0), label=label, **({"marker": "o", "markersize": 3.5, "linewidth": 1.4} | line))
    ax.fill_between(x, values.min(0), values.max(0), color=drawn.get_color(), alpha=0.18, linewidth=0)
    return ax


@draws
def evenly(items: int, at_most: int) -> list[int]:
    """Indices of at most ``at_most`` of ``items`` things, evenly spread from the first to the last."""
    return np.linspace(0, items - 1, min(items, at_most)).round().astype(int).tolist()


@draws
def over_training(iterations: Sequence[int], values: np.ndarray, ax: Axes, **line) -> Axes:
    """One line over the iterations for each layer, light to dark, with the spread over seeds.

    ``values`` have shape (iterations, seeds, layers); layers are labelled where the line has no style of its own.
    """
    values = as_array(values)
    for layer, colour in enumerate(depth_colours(values.shape[2])):
        label = None if line else str(layer + 1)
        spread(iterations, values[:, :, layer].T, ax, label=label, color=colour, **line)
    ax.set_xscale("symlog", linthresh=10)
    ax.set_xlabel("iteration")
    ax.xaxis.set_minor_locator(NullLocator())
    return ax


@draws
def marked(image: np.ndarray, crossings: Sequence[tuple], turns: Sequence[tuple], ax: Axes) -> Axes:
    """A drawn image with boxes: red, solid around crossings; green, dashed around turns (Xie & Lai, fig. 8).

    Parameters
    ----------
    image : shape (H, W)
    crossings, turns : (top, left, height, width) in pixels, as ``strokes.boxes`` gives them
    """
    ax.imshow(as_array(image, None), cmap="ink", interpolation="nearest")
    for boxes, colour, style in zip((crossings, turns), MARK_COLOURS.values(), ("-", "--"), strict=True):
        for top, left, height, width in boxes:
            ax.add_patch(Rectangle((left - 0.5, top - 0.5), width, height, fill=False, ec=colour, ls=style, lw=1.5))
    return bare(ax)


@draws
def intervals(rows: Mapping[str, Sequence[float]], ax: Axes, **dot) -> Axes:
    """A mean and its interval for each row, one below the other.

    Parameters
    ----------
    rows : name -> (mean, low, high)
    """
    values = np.array([row[:3] for row in rows.values()], dtype=float)
    height = -np.arange(len(rows)) + dot.pop("shift", 0)
    errors = [values[:, 0] - values[:, 1], values[:, 2] - values[:, 0]]
    ax.errorbar(values[:, 0], height, xerr=errors, **({"ls": "", "marker": "o", "ms": 5, "capsize": 2} | dot))
    ax.axvline(0, color="0.5", linewidth=0.8, zorder=0)
    ax.set_yticks(-np.arange(len(rows)), list(rows))
    ax.grid(axis="y", visible=False)
    return ax
