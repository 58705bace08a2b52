"""The scoreboard: every claim of the four papers with its verdicts, read from the chapters' own reports."""

import os
import re
from pathlib import Path

import pandas as pd
from IPython.display import HTML

from layerbook import _html
from layerbook._tables import board_cell, second, successor, under_successors
from layerbook.built import PAPERS, Built, read_built
from layerbook.claims import NOT_RECORDED, Claim, agreement, item_order, numbered
from layerbook.record import recorded_claims
from layerbook.recorded import record_size_told, recorded_by
from layerbook.registration import marks, registered_in
from layerbook.verdicts import OUTCOMES, SIZES
from layerlib._checks import checked, choice, path

SIDES = RECORD, THIS_RUN = ("record", "this run")

_ITEM = re.compile(r"[a-z]+-([a-z])(\d+)")  # davel-f9, xie-e6: figure 9 and equation 6 of the paper


class Scoreboard:
    """Every claim of the four papers: the paper's value, the record, this run, the test and the verdicts.

    In a notebook it shows itself as a table a paper, which ``sortable.js`` makes sortable.

    Parameters
    ----------
    executed : folder of the executed notebooks, from which this build's reports are read
    records : folder of the records; the registration of the tests lies beside it, in ``registration.md``

    Raises
    ------
    ValueError
        if a notebook there is none, or a record or the registration is damaged

    Examples
    --------
    >>> board = Scoreboard("../_build/executed", "records")
    >>> board.counts("record").loc["Davel et al. 2020", "holds"].sum()
    """

    @checked(executed=path, records=path)
    def __init__(self, executed: str | os.PathLike, records: str | os.PathLike):
        self.chapters = [read_built(chapter, executed, records) for chapter in PAPERS]
        self.records = records
        self.registered = registered_in(Path(records).resolve().parent)

    def rows(self) -> pd.DataFrame:
        """Return one row per claim, in the order of their numbers; one for a paper without any.

        Columns: paper, claim, its round (``first round``, ``superseded by 5c``, ``second round``, ``added beside``),
        says, paper's value, test; then outcome, size and what was measured for the record and for this run, whether
        the two agree, and chapter and anchor of where it is shown.
        """
        rows = []
        for built in self.chapters:
            for item, full, run in self._claims(built):
                # Words come from this run: a record may be older than a better wording.
                claim = run or full
                words = [getattr(claim, name, "") for name in ("says", "paper", "test")]
                sides = [
                    part
                    for side, missing in ((full, NOT_RECORDED), (run, built.state))
                    for part in ((side.outcome, side.size, side.here) if side else (missing, "", ""))
                ]
                place = agreement(run, full) if run else "", built.chapter, getattr(claim, "figure", "")
                rows.append([built.paper, item, self._mark(item), *words, *sides, *place])
        columns = ["paper", "claim", "round", "says", "paper's value", "test"]
        columns += [name for side in SIDES for name in (side, f"{side}: size", f"{side}: measured")]
        return pd.DataFrame(rows, columns=[*columns, "agreement", "chapter", "anchor"])

    def counts(self, side: str) -> pd.DataFrame:
        """Return how many of each paper's claims came to which outcome, at which size.

        Only claims count whose test was fixed beforehand; rows added beside them do not, nor does a claim whose place
        another has taken that is judged on this side.

        Parameters
        ----------
        side : one of `SIDES`

        Returns
        -------
        DataFrame, int: a row per paper, a column per outcome and size

        Raises
        ------
        ValueError
            if there is no such side
        """
        rows = self._counted(side)
        columns = pd.MultiIndex.from_product([OUTCOMES, SIZES], names=["outcome", "size"])
        table = pd.DataFrame(0, index=list(PAPERS.values()), columns=columns)
        for paper, outcome, size in zip(rows["paper"], rows[side], rows[f"{side}: size"], strict=True):
            table.loc[paper, (outcome, size)] += 1
        return table

    def agreeing(self) -> pd.DataFrame:
        """Return, for each paper, how many claims run and record both judge, and in how many they agree."""
        rows = self._counted(THIS_RUN)
        rows = rows[rows[RECORD].isin(OUTCOMES)]
        both = rows.groupby("paper").size().reindex(list(PAPERS.values()), fill_value=0)
        same = rows[rows[RECORD] == rows[THIS_RUN]].groupby("paper").size().reindex(both.index, fill_value=0)
        return pd.DataFrame({"both": both, "agree": same})

    def summary(self) -> HTML:
        """Return a small table for another page: each paper's counts in words, beside the chapter's link."""
        lines, agreeing = [], self.agreeing()
        for built in self.chapters:
            told = [
                _told(self.counts(side).loc[built.paper]) or (NOT_RECORDED if side == RECORD else built.state)
                for side in SIDES
            ]
            both, agree = agreeing.loc[built.paper]
            lines.append([_link(built, "", built.paper), *told, f"{agree} of {both}" if both else ""])
        return HTML(_html.table(["paper", *SIDES, "agree"], lines, "layerlib-summary"))

    def origins(self) -> list[str]:
        """Return a sentence per paper: where its record and this build's run come from."""
        told = []
        for built in self.chapters:
            full = recorded_by(built.record, self.records) if built.record else NOT_RECORDED
            run = built.state if built.run is None else record_size_told(built.run)
            told.append(f"{built.paper}. Record: {full}. This run: {run}.")
        return told

    def places(self) -> pd.DataFrame:
        """Return a row per figure and numbered equation of the chapters: paper, item, what it shows, claims.

        The item is ``F9`` or ``E6`` where the anchor names one of the paper, else empty: ours.
        """
        rows = self.rows()
        rows["claim"] = [numbered(item, chapter) for item, chapter in zip(rows["claim"], rows["chapter"], strict=True)]
        claims = rows.groupby(["chapter", "anchor"])["claim"].agg(", ".join)
        rows = [
            [built.paper, _item(anchor), what, claims.get((built.chapter, anchor), ""), built.chapter, anchor]
            for built in self.chapters
            for anchor, what in built.places.items()
        ]
        return pd.DataFrame(rows, columns=["paper", "item", "what", "claims", "chapter", "anchor"])

    def places_table(self) -> HTML:
        """Return `places` as a sortable table with links."""
        by_name = {built.chapter: built for built in self.chapters}
        lines = [
            [
                row.paper,
                (_link(by_name[row.chapter], row.anchor, row.item or "ours"), _item_key(row.item)),
                re.split(r"(?<=[.!?]) ", row.what)[0],
                row.claims,
            ]
            for row in self.places().itertuples()
        ]
        return HTML(_html.table(["paper", "item", "what", "claims"], lines, "layerlib-report sortable"))

    def _claims(self, built: Built) -> list[tuple[str, Claim | None, Claim | None]]:
        full, run = map(recorded_claims, (built.record, built.run))
        items = sorted({**full, **run}, key=item_order) or [""]
        return [(item, full.get(item), run.get(item)) for item in items]

    def _mark(self, item: str) -> str:
        return marks(self.registered, [item]).get(item, "") if item else ""

    def _counted(self, side: str) -> pd.DataFrame:
        if side not in SIDES:
            raise ValueError(f"side: expected one of {', '.join(SIDES)}, got {side!r}")
        rows = self.rows()
        rows = rows[rows[side].isin(OUTCOMES)]
        if rows.empty:
            return rows
        judged = set(rows["claim"])
        counts = {item: self.registered[item].superseded_by not in judged for item in judged & set(self.registered)}
        # Without a registration, whole numbers are what a paper's claims have.
        return rows[[counts.get(item, item.isdigit() and not self.registered) for item in rows["claim"]]]

    @checked(chapter=choice(*PAPERS))
    def table(self, chapter: str) -> HTML:
        """Return the claims of one paper as a sortable table; verdicts open to what was measured.

        Parameters
        ----------
        chapter : one of `layerbook.built.PAPERS`

        Raises
        ------
        ValueError
            if there is no such chapter
        """
        place = list(PAPERS).index(chapter)
        built, origin = self.chapters[place], self.origins()[place]
        found = {item: (self._mark(item), *sides) for item, *sides in self._claims(built)}
        lines = []
        for item in under_successors(list(found), {item: mark for item, (mark, *_) in found.items()}):
            mark, full, run = found[item]
            claim = run or full
            anchor = getattr(claim, "figure", "")
            cell = board_cell(claim, built.chapter, mark) if claim else _html.Html("")
            shown = _link(built, anchor, _item(anchor) or anchor.rpartition("-")[2] or "chapter") if item else ""
            lines.append(
                [
                    (second(cell) if successor(mark) in found else cell, len(lines)),
                    _verdict(full, NOT_RECORDED),
                    _verdict(run, built.state, full),
                    (shown, anchor),
                ]
            )
        heads = ["claim", *SIDES, "shown in"]
        return HTML(_html.table(heads, lines, "layerlib-report layer-board sortable", caption=origin))

    def _repr_html_(self) -> str:
        return "".join(self.table(chapter).data for chapter in PAPERS)

    def __repr__(self) -> str:
        lines = []
        for built in self.chapters:
            for item, full, run in self._claims(built):
                told = full.outcome if full else NOT_RECORDED, run.outcome if run else built.state
                number = f" {numbered(item, built.chapter)} ({item})" if item else ""
                lines.append(f"{built.paper}{number}: {RECORD}: {told[0]}; {THIS_RUN}: {told[1]}")
        return "\n".join([*lines, *self.origins()])


def _told(counts: pd.Series) -> str:
    """Counts in words, and which are of smaller sizes."""
    told, whole = [], counts.sum() == counts.xs("smaller", level="size").sum() > 0
    for outcome in OUTCOMES:
        count, smaller = int(counts[outcome].sum()), int(counts[outcome, "smaller"])
        apart = f" ({smaller} at a smaller size)" if smaller and not whole else ""
        told += [f"{outcome}: {count}{apart}"] if count else []
    return " · ".join(told) + ", at a smaller size" * bool(whole)


def _item(anchor: str) -> str:
    found = _ITEM.fullmatch(anchor.removeprefix("equation-"))
    return f"{found[1].upper()}{found[2]}" if found else ""


def _item_key(item: str) -> str:
    return f"{item[0]}{int(item[1:]):03d}" if item else "~"


def _link(built: Built, anchor: str, text: str) -> str:
    return _html.link(f"{built.chapter}.html{'#' * bool(anchor)}{anchor}", text) if built.places else text


def _verdict(claim: Claim | None, missing: str, recorded: Claim | None = None) -> tuple[str, int]:
    """A cell with a verdict that opens, and its place among the verdicts to sort by."""
    if claim is None:
        return missing, len(OUTCOMES)
    notes = [agreement(claim, recorded)] if recorded else []
    return _html.verdict(claim, *notes), OUTCOMES.index(claim.outcome)
