"""The map of verdicts: a table whose cells are coloured by the share of runs; and how numbers move as runs grow."""

import math
import textwrap

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
ACROSS = 3  # panels in a row
MOVES = "one number, as the run grows"  # head of the last column
WIDE = 38  # characters in a line of a panel's title

# Touch, the pointer and the tab key open a cell; nothing here needs a kernel or a script. Head and claims stay in view.
_STYLE = """<style>
.layerlib-scroll:has(> .layerlib-map) { max-height: 90vh; overflow: auto }
.layerlib-map :is(td, th) { padding: 0.3em 0.4em !important; font-size: 0.8rem; line-height: 1.35 }
.layerlib-map small { font-size: 0.75rem }
.layerlib-map th, .layerlib-map td:first-child { position: sticky; background: var(--pst-color-background, #fff) }
.layerlib-map th { top: 0; z-index: 2; vertical-align: bottom !important }
.layerlib-map td:first-child { left: 0; z-index: 1; min-width: 11rem }
.layerlib-map th:first-child { left: 0; z-index: 3 }
.layerlib-map td:last-child { min-width: 12rem }
.layerlib-map td > span { position: relative; display: block; text-align: center; color: #000; padding: 0.2em }
.layerlib-map td > span > span { position: absolute; z-index: 4; right: 0; top: 100%; width: 15em;
  padding: 0.4em 0.6em; background: #fff; color: #000; border: 1px solid #666; text-align: left; font-size: 0.9em }
.layerlib-map td:nth-child(-n + 4) > span > span { left: 0; right: auto }
.layerlib-map td > span:hover > span, .layerlib-map td > span:focus > span { display: block !important }
@media (max-width: 600px) { .layerlib-map td:first-child { min-width: 0; max-width: 8rem } }
@media print { .layerlib-scroll:has(> .layerlib-map) { max-height: none } }
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
    return HTML(_STYLE + _html.table(["claim", *columns, MOVES], rows, "layerlib-map"))


def _moved(row: object) -> _html.Html:
    ends = " to ".join(f"{end:.3g}" for end in np.atleast_1d(row.threshold))
    threshold = f"{'from' if ' to ' in ends else row.relation}\N{NO-BREAK SPACE}{ends}"
    return _html.joined(row.move, _html.small(f"{row.text}: {row.smallest:.3g}, then {row.largest:.3g} ({threshold})"))


def _cell(row: object) -> _html.Html:
    counts = dict(zip(OUTCOMES, (row.holds, row.in_part, row.fails, row.undecided), strict=True))
    told = ", ".join(f"{word}: {count}" for word, count in counts.items() if count)
    runs = f"{row.runs} run{'s' if row.runs > 1 else ''}"
    more = _html.markup(f"Claim {row.claim}, {row.condition}: holds in {row.share:.0%} of {runs}. {told}")
    style = f'style="background: {to_hex(SHARES(row.share))}"'
    more = f'<span style="display: none">{more}</span>'  # also where there is no style sheet, as on paper
    return _html.Html(f'<span tabindex="0" {style}>{row.holds}/{row.runs}{more}</span>')


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
    space = {"hspace": 0.7, "wspace": 0.35}
    figure, axes = plt.subplots(down, ACROSS, figsize=(9, 2.2 * down), sharex=True, squeeze=False, gridspec_kw=space)
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
    ax.set_title(_wrapped(f"{rows.claim.iloc[0]}: {rows.text.iloc[-1]}"), fontsize="small", loc="left")
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


def _wrapped(text: str) -> str:
    """The whole text, in lines broken between words."""
    return textwrap.fill(text, WIDE, break_long_words=False, break_on_hyphens=False).replace("$", r"\$")
