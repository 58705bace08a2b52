"""The map of verdicts: a table whose cells are coloured by the share of runs; and how numbers move as runs grow."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from layerbook import _html
from layerbook.claims import COLOURS
from layerbook.figures._drawing import draws
from layerbook.figures.common import INK
from layerbook.robustness import BUILT, RECORD
from layerbook.verdicts import FAILS, HOLDS, OUTCOMES

# From no run to every run, by way of a grey that says neither.
SHARES = LinearSegmentedColormap.from_list("shares", [COLOURS[FAILS], "#e8e8e8", COLOURS[HOLDS]])
ACROSS = 4  # panels in a row

# Touch, the pointer and the tab key open a cell; nothing here needs a kernel or a script.
_STYLE = """<style>
.layerlib-map td > span { position: relative; display: block; text-align: center; color: #000; padding: 0.2em }
.layerlib-map td > span > span { display: none; position: absolute; z-index: 2; right: 0; top: 100%; width: 15em;
  padding: 0.4em 0.6em; background: #fff; color: #000; border: 1px solid #666; text-align: left; font-size: 0.9em }
.layerlib-map td > span:hover > span, .layerlib-map td > span:focus > span { display: block }
</style>"""


@draws
def verdict_map(shares: pd.DataFrame, moves: pd.DataFrame) -> HTML:
    """Claims by conditions: the colour is the share of runs in which a claim holds; a touch tells the numbers.

    Parameters
    ----------
    shares, moves : of `layerbook.robustness.Robustness`; how a number moves stands in the last column
    """
    columns = list(dict.fromkeys(shares.condition))
    moved = {row.claim: _moved(row) for row in moves.itertuples()}
    rows = []
    for item, told in shares.groupby("claim", sort=False):
        cells = {row.condition: _cell(row) for row in told.itertuples()}
        claim = _html.joined(item, _html.small(told.says.iloc[0]))
        rows.append([claim, *(cells.get(name, "") for name in columns), moved.get(item, "")])
    return HTML(_STYLE + _html.table(["claim", *columns, "as the run grows"], rows, "layerlib-map"))


def _moved(row: object) -> _html.Html:
    ends = " to ".join(f"{end:.3g}" for end in np.atleast_1d(row.threshold))
    threshold = f"{'from' if ' to ' in ends else row.relation} {ends}"
    return _html.joined(row.move, _html.small(f"{row.text}: {row.smallest:.3g}, then {row.largest:.3g} ({threshold})"))


def _cell(row: object) -> _html.Html:
    counts = dict(zip(OUTCOMES, (row.holds, row.in_part, row.fails, row.undecided), strict=True))
    told = ", ".join(f"{word}: {count}" for word, count in counts.items() if count)
    runs = f"{row.runs} run{'s' if row.runs > 1 else ''}"
    more = _html.markup(f"Claim {row.claim}, {row.condition}: holds in {row.share:.0%} of {runs}. {told}")
    style = f'style="background: {to_hex(SHARES(row.share))}"'
    return _html.Html(f'<span tabindex="0" {style}>{row.holds}/{row.runs}<span>{more}</span></span>')


@draws
def trends(verdicts: pd.DataFrame, grows: str) -> Figure:
    """How the decisive number of each claim moves as the run grows: a panel a claim, its threshold as a line.

    Parameters
    ----------
    verdicts : of `layerbook.robustness.Robustness`
    grows : what the runs grow by, for the axis

    Returns
    -------
    Figure; a dot is a stored run, the line their mean, a square this book's run, a diamond the record; where the number
    should lie is shaded

    Raises
    ------
    ValueError
        if no claim has a number
    """
    rows = verdicts[verdicts.value.notna() & np.isfinite(verdicts.value.astype(float))]
    claims = list(dict.fromkeys(rows.claim))
    if not claims:
        raise ValueError("verdicts: expected claims with a number, got none")
    down = math.ceil(len(claims) / ACROSS)
    space = {"hspace": 0.45, "wspace": 0.35}
    figure, axes = plt.subplots(down, ACROSS, figsize=(11, 2 * down), sharex=True, squeeze=False, gridspec_kw=space)
    for ax, item in zip(axes.flat, claims, strict=False):
        _trend(ax, rows[rows.claim == item])
    for ax in axes.flat[len(claims) :]:
        ax.set_visible(False)
    sizes = sorted(set(rows["at"]))
    axes.flat[0].set_xscale("log")
    axes.flat[0].set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.flat[0].set_xlim(sizes[0] / 1.3, sizes[-1] * 1.3)
    axes.flat[0].xaxis.set_minor_locator(NullLocator())
    for ax in axes[-1]:
        ax.set_xlabel(f"{grows} of the run")
    return figure


def _trend(ax: plt.Axes, rows: pd.DataFrame) -> None:
    runs = rows[~rows.run.isin((BUILT, RECORD))]
    ax.plot(runs["at"], runs.value, ".", color=INK, alpha=0.6)
    mean = runs.groupby("at").value.mean()
    ax.plot(mean.index, mean, color=INK)
    for name, mark in ((BUILT, "s"), (RECORD, "D")):
        own = rows[rows.run == name]
        ax.plot(own["at"], own.value, mark, color=COLOURS[HOLDS], markeredgecolor=INK)
    _shade(ax, rows)
    ax.set_title(f"{rows.claim.iloc[0]}: {_short(rows.text.iloc[-1])}", fontsize="small")
    ax.tick_params(labelsize="small")


def _shade(ax: plt.Axes, rows: pd.DataFrame) -> None:
    """Mark the threshold, and the side on which the test passes; all that was measured is in view."""
    row = rows.iloc[-1]
    ends = np.atleast_1d(np.asarray(row.threshold, dtype=float))
    seen = [*rows.value, *ends]
    room = 0.12 * (max(seen) - min(seen) or 1.0)
    low, high = min(seen) - room, max(seen) + room
    passes = tuple(ends) if len(ends) == 2 else (ends[0], high) if row.relation in "≥>" else (low, ends[0])
    ax.axhspan(*passes, color=COLOURS[HOLDS], alpha=0.15, linewidth=0)
    for end in ends:
        ax.axhline(end, color="0.4", linewidth=1, linestyle="--")
    ax.set_ylim(low, high)


def _short(text: str, most: int = 30) -> str:
    return text.replace("$", r"\$") if len(text) <= most else f"{text[: most - 1].replace('$', chr(92) + '$')}…"
