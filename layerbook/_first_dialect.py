"""The first round's way to report claims, for chapters not yet converted; delete with the last of them.

What goes then: this file and its test, and in `layerbook.report` ``Report.__new__`` and ``__getattr__``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from layerbook import claims, report
from layerbook.claims import COLOURS, FIRST_ROUND_OPEN
from layerbook.verdicts import FAILS, HOLDS, IN_PART, UNDECIDED, decided, shown

__all__ = ["COLOURS", "VERDICTS", "Claim", "Report", "verdict"]

VERDICTS = (HOLDS, IN_PART, FAILS, FIRST_ROUND_OPEN, UNDECIDED)


class _Verdict(str):
    """An outcome that remembers its parts."""

    parts: tuple = ()


def verdict(parts: Mapping[str, bool] | Sequence[bool], paper_size: bool) -> str:
    """Put booleans together; the size no longer matters."""
    named = dict(parts) if isinstance(parts, Mapping) else {f"part {i}": part for i, part in enumerate(parts, start=1)}
    tests = tuple(shown(name, passed) for name, passed in named.items())
    found = _Verdict(decided([test.outcome for test in tests]))
    found.parts = tests
    return found


@dataclass(frozen=True)
class Claim:
    """A claim with what `verdict` said."""

    item: str
    says: str
    paper: str
    here: str
    holds: str
    test: str = ""
    figure: str = ""


class _Kept(claims.Claim):
    """A claim as reports keep it, with the outcome's old name."""

    holds = property(lambda self: self.outcome)


class Report(report.Report):
    """A report of one size or the other, whose curves are dictionaries."""

    def __init__(self, chapter: str, paper_size: bool, record: object = None, store: object = None):
        super().__init__(chapter, "paper" if paper_size else "smaller", record=record, store=store)

    def claim(self, item: Claim | str, *arguments: object, **more: object) -> None:
        """Keep a claim of this dialect, or of the new one."""
        if not isinstance(item, Claim):
            super().claim(item, *arguments, **more)
            return
        kept = claims.judged(item.item, item.says, item.paper, item.here, item.holds.parts, self.size, item.test,
                             item.figure)
        self._keep(_Kept(**vars(kept)))

    def recorded(self, name: str, default: object = None) -> object:
        """A number or a curve of the record."""
        found = super().recorded(name)
        return found if found is not None else (self.record or {"curves": {}})["curves"].get(name, default)

    @property
    def curves(self) -> dict[str, dict]:
        """The curves as a record keeps them."""
        return self._curves

    def sides(self, name: str) -> dict[str, dict]:
        """A curve of this run and of the record, as a record keeps them."""
        full = None if self.size == "paper" else (self.record or {"curves": {}})["curves"].get(name)
        return {report.THIS_RUN: self._curves[name]} | ({"full size": full} if full else {})
