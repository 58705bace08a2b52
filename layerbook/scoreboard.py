"""The scoreboard: every claim of the four papers with its verdicts, read from the chapters' own reports."""

import html
import os
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from IPython.display import HTML
from matplotlib.axes import Axes

from layerbook.claims import COLOURS, FIRST_ROUND_OPEN, NOT_RECORDED, size_told
from layerbook.record import recorded_claims
from layerbook.report import item_order, recorded_by
from layerbook.trials import PAPERS, Trial, read_trial
from layerbook.verdicts import OUTCOMES

VERDICTS = (*OUTCOMES, FIRST_ROUND_OPEN)

SIDES = ("full-size record", "this run")

_ITEM = re.compile(r"[a-z]+-([a-z])(\d+)")  # davel-f9, xie-e6: figure 9 and equation 6 of the paper


class Scoreboard:
    """Every claim of the four papers: the paper's value, the full-size record, this run, the test and the verdicts.

    In a notebook it shows itself as a table, which ``sortable.js`` makes sortable.

    Parameters
    ----------
    executed : folder of the executed notebooks, from which this build's reports are read
    records : folder of the full-size records

    Raises
    ------
    ValueError
        if a notebook there is none, or a record is damaged

    Examples
    --------
    >>> board = Scoreboard("../_build/executed", "records")
    >>> board.counts("full-size record").loc["Davel et al. 2020", "holds"]
    """

    def __init__(self, executed: str | os.PathLike, records: str | os.PathLike):
        self.trials = [read_trial(chapter, executed, records) for chapter in PAPERS]
        self.records = records

    def rows(self) -> pd.DataFrame:
        """Return one row per claim, in the order of their numbers; one for a paper without any.

        Columns: paper, claim, says, paper's value, test, then a verdict and what was measured for the full-size
        record and for this run, then chapter and anchor of where it is shown.
        """
        rows = []
        for trial in self.trials:
            full, run = map(recorded_claims, (trial.record, trial.run))
            for item in sorted({**full, **run}, key=item_order) or [""]:
                # Words come from this run: a record may be older than a better wording.
                claim = run.get(item) or full.get(item)
                words = [getattr(claim, name, "") for name in ("says", "paper", "test")]
                sides = [part for side, missing in ((full, NOT_RECORDED), (run, trial.state))
                         for part in ((side[item].outcome, side[item].here) if item in side else (missing, ""))]
                rows.append([trial.paper, item, *words, *sides, trial.chapter, getattr(claim, "figure", "")])
        columns = ["paper", "claim", "says", "paper's value", "test"]
        columns += [name for side in SIDES for name in (side, f"{side}: measured")]
        return pd.DataFrame(rows, columns=[*columns, "chapter", "anchor"])

    def counts(self, side: str) -> pd.DataFrame:
        """Return how many of each paper's claims got which verdict.

        Only claims fixed beforehand count, whose items are whole numbers; rows added beside them do not.

        Parameters
        ----------
        side : one of `SIDES`

        Returns
        -------
        DataFrame, int: a row per paper, a column per verdict

        Raises
        ------
        ValueError
            if there is no such side
        """
        if side not in SIDES:
            raise ValueError(f"side: expected one of {', '.join(SIDES)}, got {side!r}")
        rows = self.rows()
        rows = rows[rows["claim"].str.isdigit() & rows[side].isin(VERDICTS)]
        table = pd.crosstab(rows["paper"], rows[side])
        return table.reindex(index=list(PAPERS.values()), columns=list(VERDICTS), fill_value=0)

    def summary(self) -> HTML:
        """Return a small table for another page: each paper's counts in words, beside the chapter's link."""
        lines = []
        for trial in self.trials:
            told = [_counted(self.counts(side).loc[trial.paper]) or (NOT_RECORDED if side == SIDES[0] else trial.state)
                    for side in SIDES]
            lines.append([_link(trial, "", html.escape(trial.paper)), *told])
        return HTML(_table(["paper", *SIDES], lines, "layerlib-summary"))

    def origins(self) -> list[str]:
        """Return a sentence per paper: where its full-size record and this build's run come from."""
        told = []
        for trial in self.trials:
            full = recorded_by(trial.record, self.records) if trial.record else NOT_RECORDED
            size = "" if trial.run is None else size_told(trial.run["size"], trial.run["size_says"])
            told.append(f"{trial.paper}. Full-size record: {full}. This run: {size or trial.state}.")
        return told

    def places(self) -> pd.DataFrame:
        """Return a row per figure and numbered equation of the chapters: paper, item, what it shows, claims.

        The item is ``F9`` or ``E6`` where the anchor names one of the paper, else empty: ours.
        """
        claims = self.rows().groupby(["chapter", "anchor"])["claim"].agg(", ".join)
        rows = [
            [trial.paper, _item(anchor), what, claims.get((trial.chapter, anchor), ""), trial.chapter, anchor]
            for trial in self.trials for anchor, what in trial.places.items()
        ]
        return pd.DataFrame(rows, columns=["paper", "item", "what", "claims", "chapter", "anchor"])

    def places_table(self) -> HTML:
        """Return `places` as a sortable table with links."""
        trials = {trial.chapter: trial for trial in self.trials}
        lines = []
        for row in self.places().itertuples():
            what = re.split(r"(?<=[.!?]) ", row.what)[0]
            link = _link(trials[row.chapter], row.anchor, row.item or "ours")
            lines.append([html.escape(row.paper), (link, _item_key(row.item)), html.escape(what), row.claims])
        return HTML(_table(["paper", "item", "what", "claims"], lines, "layerlib-report sortable"))

    def _repr_html_(self) -> str:
        trials = {trial.chapter: trial for trial in self.trials}
        heads = ["paper", "claim", "says", "paper's value", "test", *SIDES, "shown in"]
        lines = []
        for place, row in enumerate(self.rows().to_dict("records")):
            trial = trials[row["chapter"]]
            cells = [html.escape(row["paper"]), (row["claim"], place)]
            cells += [html.escape(row[name]) for name in heads[2:5]]
            cells += [_verdict(row[side], row[f"{side}: measured"]) for side in SIDES]
            shown = _link(trial, row["anchor"], _shown_in(row["anchor"])) if row["claim"] else ""
            lines.append([*cells, (shown, row["anchor"])])
        notes = "".join(f"<li>{html.escape(origin)}</li>" for origin in self.origins())
        return _table(heads, lines, "layerlib-report sortable") + f"<ul class='layerlib-origins'>{notes}</ul>"

    def __repr__(self) -> str:
        lines = []
        for row in self.rows().to_dict("records"):
            sides = "; ".join(f"{side}: {row[side]}" for side in SIDES)
            lines.append(f"{row['paper']} {row['claim']}: {sides}".replace(" :", ":"))
        return "\n".join([*lines, *self.origins()])


def draw(board: Scoreboard, sides: Sequence[str], axes: Sequence[Axes]) -> None:
    """Draw the counts of verdicts, one bar a paper, one axes a side.

    Parameters
    ----------
    board : the scoreboard
    sides : some of `SIDES`
    axes : as many
    """
    for ax, side in zip(axes, sides, strict=True):
        counts = board.counts(side)
        left = np.zeros(len(counts))
        for verdict in VERDICTS:
            widths = counts[verdict].to_numpy()
            bars = ax.barh(counts.index, widths, left=left, color=COLOURS[verdict], edgecolor="white", label=verdict)
            ax.bar_label(bars, [str(n) if n else "" for n in widths], label_type="center", color="black")
            left += widths
        for place, (trial, total) in enumerate(zip(board.trials, left, strict=True)):
            if not total:
                missing = NOT_RECORDED if side == SIDES[0] else trial.state
                ax.text(0.1, place, missing, va="center", style="italic", color="0.35")
        ax.set(title=side, xlabel="number of claims", xlim=(0, None), ylim=(len(counts) - 0.5, -0.5))
        ax.spines[["top", "right"]].set_visible(False)


def _counted(counts: pd.Series) -> str:
    return " · ".join(f"{verdict}: {n}" for verdict, n in counts.items() if n)


def _item(anchor: str) -> str:
    found = _ITEM.fullmatch(anchor.removeprefix("equation-"))
    return f"{found[1].upper()}{found[2]}" if found else ""


def _item_key(item: str) -> str:
    return f"{item[0]}{int(item[1:]):03d}" if item else "~"


def _shown_in(anchor: str) -> str:
    return _item(anchor) or anchor.rpartition("-")[2] or "chapter"


def _link(trial: Trial, anchor: str, text: str) -> str:
    if not trial.places:
        return text
    return f'<a href="{trial.chapter}.html{"#" * bool(anchor)}{html.escape(anchor)}">{text}</a>'


def _verdict(holds: str, here: str) -> tuple[str, int]:
    """A cell with a verdict, and its place among the verdicts to sort by."""
    if holds not in VERDICTS:
        return holds, len(VERDICTS)
    return f"<strong>{html.escape(holds)}</strong><br>{html.escape(here)}", VERDICTS.index(holds)


def _table(heads: Sequence[str], lines: Sequence[Sequence], kind: str) -> str:
    """A table that scrolls by itself; a cell is its text, or its text and what to sort it by."""
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in heads)
    body = ""
    for line in lines:
        cells = (cell if isinstance(cell, tuple) else (cell, None) for cell in line)
        body += "<tr>" + "".join(
            f"<td>{text}</td>" if key is None else f'<td data-sort="{html.escape(str(key))}">{text}</td>'
            for text, key in cells) + "</tr>"
    # Focus lets the arrow keys scroll it. The theme shows a table of class dataframe in its own colours.
    return (f'<div class="layerlib-scroll" style="overflow-x: auto" tabindex="0" role="region" aria-label="Table">'
            f'<table class="dataframe {kind}">'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>")
