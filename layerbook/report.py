"""Claims under trial, numbers for the text, and what the full-size record says beside them."""

import html
import math
import os
import re
import textwrap
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from IPython import get_ipython

from layerbook.provenance import changed_since
from layerbook.record import MIME, VERDICTS, Claim, check_axes, json_values, read_record, verdict

__all__ = ["MIME", "VERDICTS", "Claim", "Report", "item_order", "measured_html", "recorded_by", "verdict"]

NOT_RECORDED = "not yet recorded"

# The colour-blind palette; the word is always there too, in the theme's own text colour.
COLOURS = dict(zip(VERDICTS, ("#029e73", "#de8f05", "#d55e00", "#949494"), strict=True))
_CELL = ' style="text-align: left; vertical-align: top; white-space: normal; padding: 0.3em 0.6em"'


class Report:
    """What a chapter found: claims with verdicts, numbers for its text, curves for its record.

    Prose refers to what was reported: ``{glue:text}`error:.2%` `` is the number ``error`` of this run,
    ``{glue:text}`full_error` `` the full-size record's (text already, so without a format),
    ``{glue:text}`claim_3` `` and ``{glue:text}`full_claim_3` `` the two verdicts. A chapter's last cell is
    the report itself: it shows the table of claims and carries everything for ``layerlib record``.

    Parameters
    ----------
    chapter : name of the notebook, without ``.ipynb``
    paper_size : whether this run is of the paper's size
    record : path of the full-size record; by default ``records/CHAPTER.json``, here or in ``book``

    Raises
    ------
    ValueError
        if the record is damaged or another chapter's
    FileNotFoundError
        if ``record`` was given and is not there

    Examples
    --------
    >>> report = Report("cooperating_classifiers", paper_size=False)
    >>> report.number("error", 0.031)
    0.031
    >>> report.curve("perplexity", [[9.8, 4.1, 1.2]], seed=[0], layer=[1, 2, 3])
    >>> report.claim(Claim("3", "Late layers are ordered", "P <= 1.5", "P = 1.2", verdict([True], False)))
    """

    def __init__(self, chapter: str, paper_size: bool, record: str | os.PathLike | None = None):
        self.chapter = chapter
        self.paper_size = bool(paper_size)
        self.numbers: dict[str, int | float] = {}
        self.curves: dict[str, dict] = {}
        self.claims: dict[str, Claim] = {}
        # A notebook runs in the book's folder under layerlib and nbval, anywhere under plain papermill.
        places = [Path("records"), Path("book", "records")]
        found = [place / f"{chapter}.json" for place in places if (place / f"{chapter}.json").is_file()]
        path = record if record is not None else next(iter(found), None)
        self.record = read_record(path) if path is not None else None
        self._records = Path(path).parent if path is not None else None
        if self.record is not None and self.record["chapter"] != chapter:
            raise ValueError(f"{path}: expected a record of {chapter}, got one of {self.record['chapter']}")

    def number(self, name: str, value: object, shown: str = ".3g") -> int | float:
        """Keep a number and glue it for the text, beside the record's.

        Reporting a name again replaces its number, so that a cell can be run again.

        Parameters
        ----------
        name : how the text calls it, an identifier
        value : number, or torch or numpy scalar
        shown : format of the record's number in the text, where it is not whole

        Returns
        -------
        int or float, the value

        Raises
        ------
        ValueError
            if the name is taken or no identifier, or the value is not a finite number
        """
        self._check_name(name, self.curves)
        scalar = value
        if getattr(value, "shape", ()) == () and hasattr(value, "item"):
            scalar = value.item()
        if isinstance(scalar, bool) or not isinstance(scalar, (int, float)) or not math.isfinite(scalar):
            raise ValueError(f"{name}: expected a finite number, got {value!r}")
        self.numbers[name] = scalar
        full = self.recorded(name)
        self._glue(name, scalar)
        self._glue(f"full_{name}", _shown(full, shown))
        return scalar

    def curve(self, name: str, values: object, **axes: object) -> None:
        """Keep numbers of any dimensions for the record, rounded to 6 significant digits.

        Parameters
        ----------
        name : an identifier
        values : tensor, array or nested list; NaN (nothing measured there) is kept as null
        axes : what each dimension runs over, outermost first: ``seed=[0, 1], layer=[1, 2, 3]``

        Raises
        ------
        ValueError
            if the name is taken or no identifier, a value is infinite or no number, or an axis does not fit
        """
        self._check_name(name, self.numbers)
        kept = json_values(name, values)
        if not isinstance(kept, list):
            raise ValueError(f"{name}: expected at least one dimension, got the number {values!r}")
        ticks = {}
        for axis, along in axes.items():
            along = along.tolist() if hasattr(along, "tolist") else list(along)
            ticks[axis] = [tick if isinstance(tick, str) else json_values(axis, tick) for tick in along]
        check_axes(name, kept, list(ticks.items()))
        # The dimensions apart, in order: a notebook file sorts the keys of its objects.
        self.curves[name] = {"dims": list(ticks), "axes": ticks, "values": kept}

    def claim(self, claim: Claim) -> None:
        """Keep a claim and glue its verdict as ``claim_ITEM``, the record's as ``full_claim_ITEM``.

        Raises
        ------
        ValueError
            if the same item was reported before
        """
        if claim.item in self.claims:
            raise ValueError(f"item: claim {claim.item} was reported before")
        self.claims[claim.item] = claim
        [full] = [full for row, full in self._rows() if row is claim]
        self._glue(f"claim_{claim.item}", claim.holds)
        self._glue(f"full_claim_{claim.item}", full["holds"] if full else NOT_RECORDED)

    def recorded(self, name: str, default: object = None) -> object:
        """Return a number, or a curve, of the full-size record.

        A curve is a dict: ``values``, ``dims`` (names, outermost first) and ``axes`` (what each runs over).
        ``default`` where there is no record yet, or nothing of that name.
        """
        if self.record is None:
            return default
        return self.record["numbers"].get(name, self.record["curves"].get(name, default))

    def sides(self, name: str) -> dict[str, dict]:
        """Return a curve as reported here and, where this run is smaller than the paper, as recorded at full size.

        What a figure draws side by side: ``{"this run": curve, "full size": curve}``, each curve as in ``recorded``.
        """
        full = None if self.paper_size else self.recorded(name)
        return {"this run": self.curves[name]} | ({"full size": full} if full else {})

    def side_number(self, name: str, side: str) -> int | float:
        """Return a number on one of the ``sides``."""
        return self.numbers[name] if side == "this run" else self.recorded(name)

    def table(self) -> pd.DataFrame:
        """Return one row per claim: claim, says, paper, test, full-size record, this run (verdict: measured)."""
        rows = [
            [claim.item, claim.says, claim.paper, claim.test, _measured(full), _measured(asdict(claim))]
            for claim, full in self._rows()
        ]
        return pd.DataFrame(rows, columns=["claim", "says", "paper", "test", "full-size record", "this run"])

    def payload(self) -> dict:
        """Return everything reported, as JSON values."""
        return {
            "chapter": self.chapter,
            "paper_size": self.paper_size,
            "numbers": dict(self.numbers),
            "curves": dict(self.curves),
            "claims": [asdict(claim) for claim in self.claims.values()],
        }

    def _repr_mimebundle_(self, include=None, exclude=None) -> tuple[dict, dict]:
        # The payload travels as metadata: an unknown MIME type among the data is a warning to myst-nb.
        return {"text/html": self._html(), "text/plain": self._plain()}, {MIME: self.payload()}

    def __repr__(self) -> str:
        return self._plain()

    def _check_name(self, name: str, others: Mapping) -> None:
        if not isinstance(name, str) or not name.isidentifier() or name.startswith(("full_", "claim_")):
            raise ValueError(f"name: expected an identifier, not beginning full_ or claim_, got {name!r}")
        if name in others:
            raise ValueError(f"name: {name!r} is taken: a number and a curve cannot share it")

    def _glue(self, name: str, value: object) -> None:
        if get_ipython() is not None:
            from myst_nb import glue

            glue(name, value, display=False)

    def _rows(self) -> list[tuple[Claim, dict | None]]:
        recorded = {claim["item"]: claim for claim in self.record["claims"]} if self.record else {}
        order = sorted(self.claims, key=item_order)
        return [(self.claims[item], recorded.get(item)) for item in order]

    def _caption(self) -> str:
        here = f"This run: {'the paper' if self.paper_size else 'below the paper'}'s size."
        if self.record is None:
            return f"{here} Full-size record: {NOT_RECORDED}."
        return f"{here} Full-size record: {recorded_by(self.record, self._records)}."

    def _html(self) -> str:
        # The test stands under the claim: a page beside two sidebars is narrow.
        heads = "".join(f"<th{_CELL}>{head}</th>" for head in self.table().columns if head != "test")
        rows = []
        for claim, full in self._rows():
            test = f"<br><small>Test: {html.escape(claim.test)}</small>" if claim.test else ""
            says = html.escape(claim.says) + test
            cells = [html.escape(claim.item), says, html.escape(claim.paper)]
            cells += [measured_html(full), measured_html(asdict(claim))]
            rows.append("<tr>" + "".join(f"<td{_CELL}>{cell}</td>" for cell in cells) + "</tr>")
        # The theme shows a table of class dataframe in its own colours, and any other on a light ground.
        return (
            f'<div style="overflow-x: auto"><table class="dataframe layerlib-report">'
            f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
            f"<p><small>{html.escape(self._caption())}</small></p></div>"
        )

    def _plain(self) -> str:
        lines = [f"{self.chapter}: {len(self.claims)} claims"]
        for row in self.table().itertuples(index=False):
            lines += textwrap.wrap(f"{row[0]}. {row[1]}", 100, subsequent_indent="   ")
            for head, text in zip(self.table().columns[2:], row[2:], strict=True):
                if not text:
                    continue
                indents = {"initial_indent": "   ", "subsequent_indent": "      "}
                lines += textwrap.wrap(f"{head}: {text}", 100, **indents)
        return "\n".join([*lines, self._caption()])


def _measured(claim: dict | None) -> str:
    return f"{claim['holds']}: {claim['here']}" if claim else NOT_RECORDED


def measured_html(claim: dict | None) -> str:
    """A claim's verdict, marked in its colour, and what was measured."""
    if not claim:
        return NOT_RECORDED
    mark = f"border-left: 0.4em solid {COLOURS[claim['holds']]}; padding-left: 0.4em"
    return f'<strong style="{mark}">{claim["holds"]}</strong><br>{html.escape(claim["here"])}'


def item_order(item: str) -> tuple[int, str]:
    """What sorts items as a reader counts: ``2, 10, 10b``; a chapter may reach them in another order."""
    return int("0" + re.sub(r"\D.*", "", item)), item


def recorded_by(record: dict, records: str | os.PathLike) -> str:
    """In words: when a record was made, on what and by which code, and whether that is other code than today's.

    Parameters
    ----------
    record : as read
    records : the folder that it was read from
    """
    origin = record["provenance"]
    commit = f"commit {origin['commit'][:7]}" if origin["commit"] else "outside git"
    changed = " with local changes" if origin["dirty"] else ""
    other = ", other code than today's" if changed_since(origin["commit"], record["chapter"], records) else ""
    size = "" if record["paper_size"] else ", below the paper's size"
    return f"{origin['date'][:10]}, {origin['device']}, {commit}{changed}{other}{size}"


def _shown(value: object, spec: str) -> str:
    if value is None:
        return NOT_RECORDED
    return format(value, spec) if isinstance(value, float) else str(value)
