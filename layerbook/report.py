"""A chapter's report: claims under trial, numbers for the text, and what the record says beside them."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from IPython import get_ipython
from xarray import DataArray

from layerbook import _tables, claims
from layerbook.claims import NOT_RECORDED, agreement, item_order, judged, sentence, size_told
from layerbook.curves import as_array, curve_json
from layerbook.precision import exact
from layerbook.record import MIME, recorded_claims
from layerbook.recorded import find_record, record_size_told, recorded_by
from layerbook.registration import marks, registered_in
from layerbook.training.origins import summarised
from layerbook.verdicts import OUTCOMES, SIZES, Part, above, below, scalar, shown, undecided, within
from layerlib._checks import checked, number_format, path, text

if TYPE_CHECKING:
    from layerbook.training.fit import Store

__all__ = ["MIME", "OUTCOMES", "Report", "above", "below", "shown", "undecided", "within"]

THIS_RUN = "this run"
_GLUED = ("full_", "claim_", "verdict_", "says_")


def _store(argument: str, value: object) -> "Store":
    if not hasattr(value, "used"):
        raise ValueError(f"{argument}: expected a Store, got {type(value).__name__}")
    return value


class Report:
    """What a chapter found: claims with verdicts, numbers for its text, curves for its record.

    Prose refers to what was reported: ``{glue:text}`error:.2%` `` is the number ``error`` of this run,
    ``{glue:text}`full_error` `` the record's (text already, so without a format), ``{glue:text}`claim_3` `` and
    ``{glue:text}`full_claim_3` `` the two outcomes, ``{glue:text}`verdict_3` `` the outcome with the size and whether
    the record agrees, ``{glue:text}`says_3` `` the same as a sentence; ``{glue:text}`run_size` `` and
    ``{glue:text}`full_size` `` are the sizes in words, ``{glue:text}`how_judged` `` and ``{glue:text}`how_rounds` ``
    the rules of verdicts. A chapter's last cell is the report itself: it shows the table
    of claims and carries everything for ``layerlib record``.

    Parameters
    ----------
    chapter : name of the notebook, without ``.ipynb``
    size : "paper" where data, weights, schedule and width are the paper's, "smaller", or "own" for a study of ours
    size_says : the size in words: ``"8,000 pictures, width ¼"``
    record : path of the record; by default ``records/CHAPTER.json``, here or in ``book``
    store : that of the chapter's trainings; the record dates those, too

    Raises
    ------
    ValueError
        if the record is damaged or another chapter's, or the size is none
    FileNotFoundError
        if ``record`` was given and is not there

    Examples
    --------
    >>> report = Report("cooperating_classifiers", size="smaller", size_says="6,000 pictures")
    >>> report.number("error", 0.031)
    0.031
    >>> report.curve("perplexity", [[9.8, 4.1, 1.2]], seed=[0], layer=[1, 2, 3])
    >>> report.claim("3", "Late layers are ordered", "P ≈ 1", "", below("P of the last layer", 1.2, 1.5, (1.1, 1.3)),
    ...              test="P ≤ 1.5", figure="davel-f3")
    """

    @checked(chapter=text, size=text, size_says=text, record=path, store=_store)
    def __init__(
        self,
        chapter: str,
        size: str = "smaller",
        size_says: str = "",
        record: str | os.PathLike | None = None,
        store: "Store | None" = None,
    ):
        if size not in SIZES:
            raise ValueError(f"size: expected one of {', '.join(SIZES)}, got {size!r}")
        exact()  # what a chapter measures from here on
        self.chapter, self.size, self.size_says = chapter, size, size_says
        self.store = store
        self.numbers: dict[str, int | float] = {}
        self.claims: dict[str, claims.Claim] = {}
        self._curves: dict[str, dict] = {}
        self.record, self._records = find_record(chapter, record)
        self._recorded = recorded_claims(self.record)
        self._glue("how_judged", claims.HOW_JUDGED)
        self._glue("how_rounds", claims.HOW_ROUNDS)
        self._glue("run_size", size_told(size, size_says))
        self._glue("full_size", NOT_RECORDED if self.record is None else record_size_told(self.record))

    @checked(shown=number_format)
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
        self._check_name(name, self._curves)
        number = scalar(value)
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
            raise ValueError(f"value: {name}: expected a finite number, got {value!r}")
        self.numbers[name] = number
        full = self.recorded(name)
        self._glue(name, number)
        told = NOT_RECORDED if full is None else format(full, shown if isinstance(full, float) else "")
        self._glue(f"full_{name}", told)
        return number

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
        self._curves[name] = curve_json(name, values, axes)

    @checked(item=text, says=text, paper=text, here=text, test=text, figure=text)
    def claim(
        self, item: str, says: str, paper: str, here: str, *parts: Part, test: str = "", figure: str = ""
    ) -> None:
        """Keep a claim with what follows from its parts, and glue its verdict (see `Report`).

        Parameters
        ----------
        item : number of the claim in the book's registration, as text: ``"3"``
        says : the claim in words
        paper : the paper's value
        here : what was measured, as text made from numbers; empty: put together from the parts
        parts : tests, made by `above`, `below`, `within`, `shown` or `undecided`
        test : the thresholds, in words
        figure : where the chapter's page shows it: the name of a figure, or any other anchor there

        Raises
        ------
        ValueError
            if the same item was reported before, there is no part, or a field is wrong
        """
        claim = judged(item, says, paper, here, parts, self.size, test, figure)
        if item in self.claims:
            raise ValueError(f"item: claim {item} was reported before")
        self.claims[item] = claim
        recorded = self._recorded.get(item)
        self._glue(f"claim_{item}", claim.outcome)
        self._glue(f"full_claim_{item}", recorded.outcome if recorded else NOT_RECORDED)
        self._glue(f"verdict_{item}", f"{claim.verdict}; {agreement(claim, recorded)}")
        self._glue(f"says_{item}", sentence(claim, recorded))

    @checked(name=text)
    def recorded(self, name: str) -> int | float | None:
        """Return a number of the record; None where there is no record yet, or nothing of that name."""
        return self.record["numbers"].get(name) if self.record else None

    @checked(name=text)
    def recorded_curve(self, name: str) -> DataArray | None:
        """Return a curve of the record as numbers with named axes; None where it has none of that name."""
        kept = self.record["curves"].get(name) if self.record else None
        return None if kept is None else as_array(name, kept)

    @property
    def curves(self) -> dict[str, DataArray]:
        """The curves reported in this run, by name."""
        return {name: as_array(name, kept) for name, kept in self._curves.items()}

    @property
    def record_side(self) -> str:
        """What figures call the record: "the paper's size", or "largest record" where it is smaller or our own."""
        return "the paper's size" if self.record and self.record["size"] == "paper" else "largest record"

    @checked(name=text)
    def sides(self, name: str) -> dict[str, DataArray]:
        """Return a curve as reported here and, unless this run is of the paper's size, as recorded.

        What a figure draws side by side: ``{"this run": curve, "largest record": curve}`` (see `record_side`).
        """
        if name not in self._curves:
            raise ValueError(f"name: expected a curve of this run, one of {', '.join(self._curves)}, got {name!r}")
        full = None if self.size == "paper" else self.recorded_curve(name)
        here = {THIS_RUN: as_array(name, self._curves[name])}
        return here if full is None else here | {self.record_side: full}

    @checked(name=text)
    def side_number(self, name: str, side: str) -> int | float:
        """Return a number on one of the ``sides``."""
        self._check_side(side)
        if side == THIS_RUN and name not in self.numbers:
            raise ValueError(f"name: expected a number of this run, got {name!r}")
        return self.numbers[name] if side == THIS_RUN else self.recorded(name)

    @checked(item=text)
    def outcome(self, item: str, side: str) -> str:
        """Return the outcome of a claim on one of the ``sides``; NOT_RECORDED where the record has no such claim."""
        self._check_side(side)
        if item not in self.claims and item not in self._recorded:
            raise ValueError(f"item: expected a claim that was reported, got {item!r}")
        claim = self.claims.get(item) if side == THIS_RUN else self._recorded.get(item)
        return claim.outcome if claim else NOT_RECORDED

    def table(self) -> pd.DataFrame:
        """Return one row per claim: claim, says, paper, test, record, this run, and whether they agree."""
        return _tables.report_frame(self._rows())

    def payload(self) -> dict:
        """Return everything reported, as JSON values; ``trainings`` where the store gave or kept any."""
        trainings = summarised(self.store.used.values()) if self.store is not None else []
        return {
            "chapter": self.chapter,
            "size": self.size,
            "size_says": self.size_says,
            "numbers": dict(self.numbers),
            "curves": dict(self._curves),
            "claims": [claim.to_json() for claim in self.claims.values()],
        } | ({"trainings": trainings} if trainings else {})

    def _repr_mimebundle_(self, include=None, exclude=None) -> tuple[dict, dict]:
        # The payload travels as metadata: an unknown MIME type among the data is a warning to myst-nb.
        table = _tables.report_html(self.chapter, self._rows(), self._caption(), self._marks())
        return {"text/html": table, "text/plain": repr(self)}, {MIME: self.payload()}

    def __repr__(self) -> str:
        return _tables.report_text(self.chapter, self._rows(), self._caption())

    def _check_side(self, side: str) -> None:
        if side not in (THIS_RUN, self.record_side):
            raise ValueError(f"side: expected {THIS_RUN!r} or {self.record_side!r}, got {side!r}")

    def _check_name(self, name: str, others: Mapping) -> None:
        if not isinstance(name, str) or not name.isidentifier() or name.startswith(_GLUED):
            raise ValueError(f"name: expected an identifier, not beginning {', '.join(_GLUED)}, got {name!r}")
        if name in others:
            raise ValueError(f"name: {name!r} is taken: a number and a curve cannot share it")

    def _glue(self, name: str, value: object) -> None:
        if get_ipython() is not None:
            from myst_nb import glue

            glue(name, value, display=False)

    def _rows(self) -> list[tuple[claims.Claim, claims.Claim | None]]:
        return [(self.claims[item], self._recorded.get(item)) for item in sorted(self.claims, key=item_order)]

    def _marks(self) -> dict[str, str]:
        """The round of each claim, where the registration of the tests lies beside the records."""
        books = [self._records.resolve().parent] if self._records else [Path(), Path("book")]
        return marks(registered_in(*books), self.claims)

    def _caption(self) -> str:
        here = f"This run: {size_told(self.size, self.size_says)}."
        if self.record is None:
            return f"{here} Record: {NOT_RECORDED}."
        return f"{here} Record: {recorded_by(self.record, self._records)}."
