"""What the benchmarks measured: speed against peers and limits, how time grows, networks at their own size."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from layerbook.figures._drawing import draws
from layerbook.figures.common import BASELINE_COLOUR, CLASS_COLOURS, INK
from layerbook.figures.tables import NOTHING, Table


@draws
def against_peers(rows: pd.DataFrame, released: pd.DataFrame) -> Figure:
    """How many times a peer's speed: a dot a task, its range over the turns, the release before, a busy machine.

    Parameters
    ----------
    rows, released : tasks by name, with columns such as ``times_peer.median``; of ``benchmarks/results.json``
    """
    rows = rows[rows["times_peer.median"].notna()]
    figure, ax = _lines_of(rows)
    at = np.arange(len(rows))
    before = released["times_peer.median"].reindex(rows.index)
    ax.plot(before, at, "D", color=BASELINE_COLOUR, fillstyle="none", label="release before")
    ax.plot(rows["times_peer_busy.median"], at, "x", color=CLASS_COLOURS[1], label="on a busy machine")
    _dots(ax, rows, "times_peer", "now, one thread")
    ax.set(xlabel="times the speed of what one would use instead")
    ax.legend(loc="lower center", bbox_to_anchor=(0.3, 1), ncols=3, frameon=False)
    return figure


@draws
def against_limits(rows: pd.DataFrame) -> Figure:
    """How many times as long as what must be done in any case: a dot a task, its range over the turns.

    Parameters
    ----------
    rows : tasks by name, with columns such as ``times_limit.median``; of ``benchmarks/results.json``
    """
    rows = rows[rows["times_limit.median"].notna()]
    figure, ax = _lines_of(rows)
    _dots(ax, rows, "times_limit", "")
    ax.set(xlabel="times what the machine needs for the bytes, the operations or the passes")
    return figure


def _lines_of(rows: pd.DataFrame) -> tuple[Figure, Axes]:
    """A line a task, the first on top, over a scale of ratios; one is marked."""
    figure, ax = plt.subplots(figsize=(7.8, 0.8 + 0.27 * len(rows)))
    ax.set(xscale="log", ylim=(len(rows) - 0.5, -0.5), yticks=range(len(rows)))
    ax.set_yticklabels(rows.index, fontsize="small")
    ax.axvline(1, color=INK, linewidth=0.8)
    ax.grid(axis="y", alpha=0.4)
    return figure, ax


def _dots(ax: Axes, rows: pd.DataFrame, ratio: str, label: str) -> None:
    middle, low, high = (rows[f"{ratio}.{part}"] for part in ("median", "low", "high"))
    beyond = [middle - low, high - middle]
    ax.errorbar(middle, range(len(rows)), xerr=beyond, fmt="o", color=CLASS_COLOURS[0], capsize=2, label=label)


@draws
def growing(points: pd.DataFrame) -> Figure:
    """Seconds over samples, classes and nodes: a panel an axis, a line an instrument, both scales logarithmic.

    Parameters
    ----------
    points : columns instrument, axis, at, seconds
    """
    axes = list(dict.fromkeys(points.axis))
    figure, panels = plt.subplots(1, len(axes), figsize=(7.8, 3.4), sharey=True, squeeze=False, layout="constrained")
    for name, ax in zip(axes, panels[0], strict=True):
        for colour, (instrument, found) in zip(CLASS_COLOURS, points.groupby("instrument", sort=False), strict=False):
            here = found[found.axis == name]
            ax.plot(here["at"], here["seconds"], "o-", color=colour, label=instrument)
        ax.set(xscale="log", yscale="log", xlabel=name)
    panels[0, 0].set_ylabel("seconds of one core")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    return figure


@draws
def measured_rows(rows: pd.DataFrame, released: pd.DataFrame) -> Table:
    """Every task with its milliseconds, peer, limit and memory.

    Parameters
    ----------
    rows, released : tasks by name, of ``benchmarks/results.json``
    """
    before = released["times_peer.median"].reindex(rows.index)
    columns = [
        _column(rows, "ms.median", ",.1f"),
        [peer if isinstance(peer, str) else NOTHING for peer in rows.peer],
        _column(rows, "times_peer.median", ",.3g"),
        [NOTHING if np.isnan(value) else f"{value:,.3g}" for value in before],
        _column(rows, "times_peer_busy.median", ",.3g"),
        _column(rows, "times_limit.median", ",.3g"),
        _column(rows, "mb", ",.0f"),
        _column(rows, "apart", ".0e"),
    ]
    heads = [
        "task",
        "ms",
        "peer",
        "times its speed",
        "release before",
        "busy machine",
        "times the limit",
        "MB",
        "apart",
    ]
    return Table("Every task", [], heads, [list(cells) for cells in zip(rows.index, *columns, strict=True)])


def _column(rows: pd.DataFrame, name: str, form: str) -> list[str]:
    values = rows[name] if name in rows else np.full(len(rows), np.nan)
    return [NOTHING if np.isnan(value) else format(value, form) for value in values]


@draws
def at_their_size(points: pd.DataFrame) -> Table:
    """``inspect`` of each network beside plain passes.

    Parameters
    ----------
    points : networks by name, with columns inspect, passes (seconds) and mb (of ``inspect``)
    """
    rows = [
        [name, f"{row.inspect:,.0f}", f"{row.passes:,.0f}", f"{row.inspect / row.passes:.2f}", f"{row.mb:,.0f}"]
        for name, row in points.iterrows()
    ]
    heads = ["network", "inspect, s", "passes, s", "times the passes", "MB at the peak"]
    return Table("1,000 pictures of 224 × 224, one processor core", [], heads, rows)
