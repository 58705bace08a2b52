"""The look of figures: one scheme of colours, in which a colour means one thing within a figure.

- classes: ``CLASS_COLOURS``, by class number
- node systems: ``SYSTEM_COLOURS``
- controls, such as random labels or random filters: ``CONTROL_COLOUR``
- what must be beaten, such as label frequencies or bare pixels: ``BASELINE_COLOUR``
- the target, the whole network, and what a test measured: ``INK``
- whatever else a figure compares, such as kinds of probe: ``KIND_COLOURS``, which lines without a colour take in turn
"""

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from torch import Tensor

# seaborn's "colorblind", which colour-blind readers can tell apart
CLASS_COLOURS = [
    to_rgb(colour)
    for colour in (
        "#0173b2",
        "#de8f05",
        "#029e73",
        "#d55e00",
        "#cc78bc",
        "#ca9161",
        "#fbafe4",
        "#949494",
        "#ece133",
        "#56b4e9",
    )
]
SYSTEM_COLOURS = dict(zip(("discrete", "continuous", "combined"), CLASS_COLOURS, strict=False))
CONTROL_COLOUR, BASELINE_COLOUR, INK = CLASS_COLOURS[4], "0.5", "0.15"
# Paul Tol's muted colours, likewise: none is a class's
KIND_COLOURS = [to_rgb(colour) for colour in ("#332288", "#44aa99", "#999933", "#88ccee", "#882255")]

STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": "0.15",
    "axes.grid": True,
    "axes.labelcolor": "0.15",
    "axes.linewidth": 1.25,
    "axes.prop_cycle": cycler(color=KIND_COLOURS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "figure.dpi": 110,
    "figure.facecolor": "white",
    "font.family": ["sans-serif"],
    "font.sans-serif": ["Arial", "DejaVu Sans", "Liberation Sans", "Bitstream Vera Sans", "sans-serif"],
    "grid.color": "0.92",
    "grid.linewidth": 1.0,
    "legend.frameon": False,
    "lines.solid_capstyle": "round",
    "patch.edgecolor": "white",
    "patch.force_edgecolor": True,
    "savefig.facecolor": "white",
    "text.color": "0.15",
    "font.size": 10.2,
    "axes.labelsize": 10.2,
    "axes.titlesize": 10.2,
    "legend.fontsize": 9.35,
    "legend.title_fontsize": 10.2,
    "xtick.labelsize": 9.35,
    "ytick.labelsize": 9.35,
    "xtick.color": "0.15",
    "xtick.major.size": 6.0,
    "xtick.major.width": 1.25,
    "xtick.minor.size": 4.0,
    "xtick.minor.width": 1.0,
    "ytick.color": "0.15",
    "ytick.major.size": 6.0,
    "ytick.major.width": 1.25,
    "ytick.minor.size": 4.0,
    "ytick.minor.width": 1.0,
}


def use_style() -> None:
    """The look of the figures: ticks, colours for the colour-blind, white ground in either theme of a page."""
    mpl.rcParams.update(STYLE)  # type: ignore[arg-type]


def as_array(values: object, dtype: type | None = float) -> np.ndarray:
    """What is to be drawn, tensors of any device and sequences of them, as an array on the CPU.

    Parameters
    ----------
    dtype : of the array; None keeps the values' own
    """
    if isinstance(values, Tensor):
        values = values.detach().cpu()
    elif isinstance(values, (list, tuple)):
        values = [as_array(each, dtype) for each in values]
    return np.asarray(values, dtype=dtype)


def pictures(strip: np.ndarray, ax: Axes, label: str, colours: str = "RdBu_r") -> Axes:
    """Pictures in a row, each on its own scale around 0: with the default colours red is above 0 and blue below.

    Parameters
    ----------
    strip : shape (N, H, W)
    """
    strip = as_array(strip)
    largest = np.abs(strip).max((1, 2), keepdims=True)
    scaled = np.pad(strip / np.where(largest > 0, largest, 1), ((0, 0), (1, 1), (1, 1)), constant_values=np.nan)
    lowest = 0 if colours != "RdBu_r" and strip.min() >= 0 else -1
    ax.imshow(np.concatenate(scaled, 1), cmap=colours, vmin=lowest, vmax=1, interpolation="nearest")
    return bare(ax, label)


def bare(ax: Axes, label: str | None = None) -> Axes:
    """Axes of pictures, without ticks, spines or grid, and with what they are beside them."""
    ax.set(xticks=[], yticks=[])
    if label is not None:
        ax.set_ylabel(label, rotation=0, ha="right", va="center", fontsize="small")
    ax.spines[:].set_visible(False)
    ax.grid(False)
    return ax
