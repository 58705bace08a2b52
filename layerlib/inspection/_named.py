"""Names of layers beside a figure."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

NAMES, LONGEST = 32, 30  # names below the layers at most, and characters of a name


def name_layers(ax: Axes, layers: Sequence[str]) -> None:
    """Names of the layers below an axes, thinned out where they are many."""
    ax.set_xlim(-0.6, max(len(layers) - 0.4, 1))  # room for a single layer too
    ticks = range(0, len(layers), -(-len(layers) // NAMES))
    ax.set_xticks(list(ticks), [short(layers[i]) for i in ticks], rotation=90, fontsize="x-small", parse_math=False)


def short(name: str) -> str:
    """The end of a long name."""
    return name if len(name) <= LONGEST else f"…{name[-LONGEST + 1 :]}"
