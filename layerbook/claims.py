"""Claims: what a paper says, what came of it, at which size, and whether a record says the same."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from layerbook.verdicts import HOLDS, OUTCOMES, SIZES, UNDECIDED, Part, decided

NOT_RECORDED = "not yet recorded"

# The colour-blind palette; the word is always there too, in the theme's own text colour.
COLOURS = dict(zip(OUTCOMES, ("#029e73", "#de8f05", "#d55e00", "#56b4e9"), strict=True))

_VERBS = dict(zip(OUTCOMES, (*OUTCOMES[:3], "stays undecided"), strict=True))
# Number and first claim of each chapter: readers count by chapter, the registration through the book.
_FIRST = {
    "cooperating_classifiers": (1, 1),
    "forward_backward": (2, 18),
    "layer_distributions": (3, 28),
    "filter_evolution": (4, 36),
    "four_lenses": (5, 44),
}
# Tests of ours that belong to no claim of the paper's come after its claims.
_AFTER = {"E11b": "18b", "F9b": "9b"}

# Said once, and glued where a chapter's reader meets the first verdict.
HOW_JUDGED = (
    "A test has one part or several. A claim holds if all of them do, holds in part if at least half do, and fails "
    "otherwise. A part decides nothing while the interval around its number contains the threshold, or where it would "
    "pass emptily; where that could turn the outcome, the claim is undecided. Each verdict is told for the largest "
    "record first, then for this run, and belongs to the size it was reached at: the paper's (its data, weights, "
    "schedule and width) or a smaller one. Claims count by chapter, as 2.3; the last table has the number under which "
    "each is registered beside it."
)
HOW_ROUNDS = (
    "Tests were fixed in two rounds. A letter, as in 2.3b, marks a test of ours beside the paper's claim. Those of the "
    "second round were fixed before the runs that they judge, and some supersede one of the first, which had not "
    "compared like with like. The others were added beside, after trial runs, and are no blind tests."
)

_WORDS = ("item", "says", "paper", "here")
_KEPT = ("item", "says", "paper", "test", "here", "figure", "outcome", "reason", "size")
_SIZE_TOLD = {"paper": "at the paper's size", "smaller": "at a smaller size", "own": "our own study"}


@dataclass(frozen=True)
class Claim:
    """One claim, its parts and what follows from them; made by `judged` or read from a record.

    Parameters
    ----------
    item : number of the claim in the book's registration, as text: ``"3"``
    says : the claim in words
    paper : the paper's value
    here : what was measured
    outcome : one of `OUTCOMES`
    size : one of `SIZES`
    parts : the tests, at least one
    reason : why it is undecided
    test : the thresholds that decided it, in words
    figure : where the chapter's page shows it: the name of a figure, or any other anchor there

    Raises
    ------
    ValueError
        if a field is not text, one of the first four is empty, the size is none, there is no part, or the outcome
        does not follow from them
    """

    item: str
    says: str
    paper: str
    here: str
    outcome: str
    size: str
    parts: tuple[Part, ...]
    reason: str = ""
    test: str = ""
    figure: str = ""

    def __post_init__(self):
        for name in (*_WORDS, "test", "figure"):
            value = getattr(self, name)
            if not isinstance(value, str) or not (value.strip() or name not in _WORDS):
                raise ValueError(f"{name}: expected text, got {value!r} (claim {self.item})")
        if self.size not in SIZES:
            raise ValueError(f"size: expected one of {', '.join(SIZES)}, got {self.size!r} (claim {self.item})")
        follows = decided([part.outcome for part in self.parts])
        if self.outcome != follows:
            raise ValueError(
                f"outcome: expected {follows}, which follows from the parts, got {self.outcome!r} (claim {self.item})"
            )

    @classmethod
    def from_json(cls, kept: Mapping) -> "Claim":
        """The claim that a record keeps."""
        return cls(**{name: kept[name] for name in _KEPT}, parts=tuple(map(Part.from_json, kept["parts"])))

    def to_json(self) -> dict:
        """What a record keeps of it."""
        return {name: getattr(self, name) for name in _KEPT} | {"parts": [part.to_json() for part in self.parts]}

    @property
    def verdict(self) -> str:
        """Both halves of the verdict: the outcome, with the reason where it is undecided, and the size."""
        reason = f" ({self.reason})" if self.reason else ""
        return f"{self.outcome}{reason}, {_SIZE_TOLD[self.size]}"


def judged(
    item: str, says: str, paper: str, here: str, parts: Sequence[Part], size: str, test: str = "", figure: str = ""
) -> Claim:
    """A claim and what follows from its parts (see `Claim`); an empty ``here`` is put together from them.

    Raises
    ------
    ValueError
        if there is no part, something else than a part, or a field is wrong
    """
    for part in parts:
        if not isinstance(part, Part):
            raise ValueError(
                f"parts: expected tests made by above, below, within, shown or undecided, got {part!r} (claim {item})"
            )
    if not parts:
        raise ValueError("parts: expected at least one test, got none")
    outcome = decided([part.outcome for part in parts])
    reason = _reasons(parts) if outcome == UNDECIDED else ""
    return Claim(item, says, paper, here or _composed(parts), outcome, size, tuple(parts), reason, test, figure)


def agreement(here: Claim, recorded: Claim | None) -> str:
    """Whether a run and the record say the same of a claim, in words."""
    if recorded is None:
        return NOT_RECORDED
    if here.outcome == recorded.outcome:
        return "undecided, as in the record" if here.outcome == UNDECIDED else "agrees with the record"
    return f"the record says {recorded.outcome}"


def sentence(here: Claim, recorded: Claim | None) -> str:
    """A claim's verdict as a reader meets it: in the record first, then in this run."""
    reasons = dict.fromkeys(part.reason for part in here.parts if part.reason) if here.reason else {}
    reason = f" ({'; '.join(reasons)})" if reasons else ""
    if recorded is None:
        return f"In this run, {_SIZE_TOLD[here.size]}, it {_VERBS[here.outcome]}{reason}; no record has it yet."
    where = {"paper": "At the paper's size", "smaller": "In the largest record", "own": "In the largest record"}
    told = f"{where[recorded.size]} it {_VERBS[recorded.outcome]}"
    if here.outcome == recorded.outcome:
        return f"{told}, and in this run too."
    return f"{told}; in this run it {_VERBS[here.outcome]}{reason}."


def numbered(item: str, chapter: str) -> str:
    """The number of a claim that readers see, by chapter: ``2.3b`` for ``20b``; the item in a chapter of no paper."""
    if chapter not in _FIRST:
        return item
    place, first = _FIRST[chapter]
    if item in _AFTER:
        return f"{place}.{_AFTER[item]}"
    return f"{place}." + re.sub(r"^\d+", lambda found: str(int(found[0]) - first + 1), item)


def item_order(item: str) -> tuple[bool, int, str]:
    """What sorts items as a reader counts: ``2, 10, 10b, F9b``; a chapter may reach them in another order."""
    return not item[:1].isdigit(), int((re.search(r"\d+", item) or "0")[0]), item


def size_told(size: str, says: str) -> str:
    """A run's size in words: what it says of itself, or else which it is."""
    return f"{_SIZE_TOLD[size]} ({says})" if says else _SIZE_TOLD[size]


def _reasons(parts: Sequence[Part]) -> str:
    """Why parts are undecided; those of one reason are named together, or counted where they are more than three."""
    found: dict[str, list[str]] = {}
    for part in parts:
        if part.outcome == UNDECIDED:
            found.setdefault(part.reason, []).append(part.text)
    named = {
        reason: ", ".join(texts) if len(texts) <= 3 else f"{texts[0]} and {len(texts) - 1} others"
        for reason, texts in found.items()
    }
    return "; ".join(f"{texts}: {reason}" for reason, texts in named.items())


def _composed(parts: Sequence[Part]) -> str:
    marked = len(parts) > 1
    return "; ".join(f"{part} ({part.outcome})" if marked and part.outcome != HOLDS else str(part) for part in parts)
