"""What the benchmarks measured: speed against peers and limits, how time grows, networks at their own size."""

from collections.abc import Callable, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, NullLocator, StrMethodFormatter
from xarray import DataArray

from layerbook.figures._drawing import draws
from layerbook.figures.common import BASELINE_COLOUR, CLASS_COLOURS, INK
from layerbook.figures.slider import Side, touchable
from layerbook.figures.svg import svg
from layerbook.figures.tables import NOTHING, Table

BELOW = 0.15  # of its label, where a line's dots are
PLAIN = StrMethodFormatter("{x:,g}")  # on logarithmic scales, 100 rather than a power of ten
PREFIXED = EngFormatter(places=1).format_eng  # 6.5 M rather than 6,480,000


@draws
def against_peers(rows: pd.DataFrame, released: pd.DataFrame) -> Figure:
    """How many times a peer's speed: a dot a task, its range over the turns, the release before, a busy machine.

    Parameters
    ----------
    rows, released : tasks by name, with columns such as ``times_peer.median``; of ``benchmarks/results.json``
    """
    rows = rows[rows["times_peer.median"].notna()]
    figure, ax = _lines_of(list(map(_label, rows.index, rows.peer)))
    at = np.arange(len(rows)) + BELOW
    before = released["times_peer.median"].reindex(rows.index)
    ax.plot(before, at, "D", color=BASELINE_COLOUR, fillstyle="none", label="release before")
    ax.plot(rows["times_peer_busy.median"], at, "x", color=CLASS_COLOURS[1], label="on a busy machine")
    _dots(ax, rows, "times_peer", "now, one thread")
    ax.set(xlabel="times the speed of what one would use instead")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False)
    return figure


@draws
def against_limits(rows: pd.DataFrame) -> Figure:
    """How many times as long as what must be done in any case: a dot a task, its range over the turns.

    Parameters
    ----------
    rows : tasks by name, with columns such as ``times_limit.median``; of ``benchmarks/results.json``
    """
    rows = rows[rows["times_limit.median"].notna()]
    rows = rows[~rows.index.map(_label).duplicated()]  # what is held against several peers has one limit
    figure, ax = _lines_of(list(map(_label, rows.index)))
    _dots(ax, rows, "times_limit", "")
    ax.set(xlabel="times what must be done in any case")
    return figure


def _lines_of(labels: list[str]) -> tuple[Figure, Axes]:
    """A line a task under its name, the first on top, over a scale of ratios; one is marked."""
    figure, ax = plt.subplots(figsize=(7.8, 0.9 + 0.4 * len(labels)), layout="constrained")
    ax.set(xscale="log", ylim=(len(labels) - 0.4, -0.6), yticks=[])
    ax.xaxis.set_major_formatter(PLAIN)
    for at, label in enumerate(labels):
        ax.text(0.005, at - 0.22, label, transform=ax.get_yaxis_transform(), fontsize="small", va="center")
    rows = np.arange(len(labels))
    ax.vlines(np.ones(len(labels)), rows, rows + 0.55, color=INK, linewidth=0.8)  # between the names
    return figure, ax


def _label(name: str, peer: str = "") -> str:
    """What is done, and against what."""
    task = name.partition(", against ")[0]
    return f"{task}: {peer}" if peer else task


def _dots(ax: Axes, rows: pd.DataFrame, ratio: str, label: str) -> None:
    middle, low, high = (rows[f"{ratio}.{part}"] for part in ("median", "low", "high"))
    beyond = [middle - low, high - middle]
    ax.errorbar(
        middle, np.arange(len(rows)) + BELOW, xerr=beyond, fmt="o", color=CLASS_COLOURS[0], capsize=2, label=label
    )


@draws
def growing(points: Mapping[str, Mapping[str, float]]) -> Figure:
    """Seconds over samples, classes and nodes: a panel an axis, a line an instrument, both scales logarithmic.

    Parameters
    ----------
    points : seconds and mb of each point, by names such as ``"perplexity, samples, 10000"``; of
        ``benchmarks/results.json``
    """
    table = _by_axis(points)
    axes = list(dict.fromkeys(table.axis))
    figure, panels = plt.subplots(1, len(axes), figsize=(7.8, 3.4), sharey=True, squeeze=False, layout="constrained")
    for name, ax in zip(axes, panels[0], strict=True):
        for colour, (instrument, found) in zip(CLASS_COLOURS, table.groupby("instrument", sort=False), strict=False):
            here = found[found.axis == name]
            ax.plot(here["at"], here["seconds"], "o-", color=colour, label=instrument)
        ax.set(xscale="log", yscale="log", xlabel=name)
        marks = sorted(set(table["at"][table.axis == name]))
        ax.set_xticks(marks, [f"{mark:,}" for mark in marks])
        ax.xaxis.set_minor_locator(NullLocator())
    panels[0, 0].set_ylabel("seconds of one core")
    panels[0, 0].yaxis.set_major_formatter(PLAIN)
    figure.get_layout_engine().set(wspace=0.08)  # the last mark of a panel is long
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    return figure


@draws
def growth_rates(points: Mapping[str, Mapping[str, float]]) -> Table:
    """With what power of samples, classes and nodes the time grows, and the most memory that a point took.

    Parameters
    ----------
    points : as of `growing`
    """
    table, rows = _by_axis(points), []
    axes = list(dict.fromkeys(table.axis))
    for instrument, found in table.groupby("instrument", sort=False):
        powers = []
        for name in axes:
            here = found[found.axis == name]
            grown = np.log(here.seconds.iloc[-1] / here.seconds.iloc[0]) if len(here) else np.nan
            powers.append(
                NOTHING if not len(here) else f"{grown / np.log(here['at'].iloc[-1] / here['at'].iloc[0]):.1f}"
            )
        rows.append([instrument, *powers, f"{found.mb.max():,.0f}"])
    return Table("Power of growth over a decade", [], ["instrument", *axes, "MB at most"], rows)


def _by_axis(points: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    found = pd.DataFrame(list(points.values()))
    named = pd.DataFrame([name.split(", ") for name in points], columns=["instrument", "axis", "at"])
    return pd.concat([named.astype({"at": int}), found], axis=1)


@draws
def measured_rows(rows: pd.DataFrame, released: pd.DataFrame, visit: pd.DataFrame | None = None) -> Table:
    """Every task with its milliseconds, peer, limit and memory; with its milliseconds on a GPU, where one was visited.

    Parameters
    ----------
    rows, released : tasks by name, of ``benchmarks/results.json``
    visit : tasks by name, of ``benchmarks/gpu.json``
    """
    before = pd.DataFrame({"before": released["times_peer.median"].reindex(rows.index)})
    columns = [
        _column(rows, "ms.median", ",.1f"),
        *([] if visit is None else [_column(visit.reindex(rows.index), "gpu_ms.median", ",.1f")]),
        [peer if isinstance(peer, str) else NOTHING for peer in rows.peer],
        *(_column(rows, f"times_{which}.median", ",.1f") for which in ("peer", "peer_busy")),
        _column(before, "before", ",.1f"),
        *(_column(rows, what, PREFIXED) for what in ("bytes", "operations")),
        _column(rows, "times_limit.median", ",.1f"),
        _column(rows, "mb", ",.0f"),
        _column(rows, "apart", ".0e"),
    ]
    names = [name.partition(", against ")[0] for name in rows.index]
    heads = ["task", "ms", *([] if visit is None else ["ms, GPU"]), "peer", "× its speed", "× busy", "× before"]
    heads += ["bytes", "operations", "× limit", "MB", "apart"]
    return Table("Every task", [], heads, [list(cells) for cells in zip(names, *columns, strict=True)])


def _column(rows: pd.DataFrame, name: str, form: str | Callable[[float], str]) -> list[str]:
    """Numbers as texts; nothing for what was not measured."""
    told = form if callable(form) else f"{{:{form}}}".format
    values = rows[name] if name in rows else np.full(len(rows), np.nan)
    return [NOTHING if np.isnan(value) else told(value) for value in values]


@draws
def at_their_size(points: Mapping[str, Mapping[str, float]]) -> Table:
    """``inspect`` of each network beside plain passes.

    Parameters
    ----------
    points : seconds and mb by names such as ``"ResNet-50, inspect"`` and ``"ResNet-50, passes"``; of
        ``benchmarks/results.json``
    """
    rows = []
    for name in dict.fromkeys(each.split(", ")[0] for each in points):
        ours, passes = points[f"{name}, inspect"], points[f"{name}, passes"]
        seconds = ours["seconds"], passes["seconds"]
        rows.append(
            [name, *(f"{each:,.0f}" for each in seconds), f"{seconds[0] / seconds[1]:.2f}", f"{ours['mb']:,.0f}"]
        )
    heads = ["network", "inspect, s", "passes, s", "times the passes", "MB at the peak"]
    return Table("1,000 pictures of 224 × 224, one processor core", [], heads, rows)


@draws
def in_page(figure: Figure, numbers: pd.DataFrame, alt: str, name: str) -> HTML:
    """A figure in the colours of the page's theme, with its numbers as a table and a file.

    Parameters
    ----------
    numbers : rows by name
    alt : what it shows, in a sentence that says the finding
    name : of the file
    """
    rows = {"row": list(map(str, numbers.index)), "what": list(map(str, numbers.columns))}
    values = DataArray(numbers.to_numpy(float), dims=list(rows), coords=rows)
    return touchable({"stored run": Side({"": svg(figure, alt)}, values)}, name=name)
