"""Tests of a claim and what follows from them: holds, holds in part, fails, or undecided with the reason."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from layerlib._checks import checked, flag, number_format
from layerlib._checks import text as words

HOLDS, IN_PART, FAILS, UNDECIDED = OUTCOMES = ("holds", "holds in part", "fails", "undecided")
SIZES = ("paper", "smaller", "own")

ON_THE_THRESHOLD = "the interval contains the threshold"
NOT_MEASURED = "nothing was measured"
INFINITE = "the measured value is infinite"

_PASSES = {
    "≥": lambda value, threshold: value >= threshold,
    ">": lambda value, threshold: value > threshold,
    "≤": lambda value, threshold: value <= threshold,
    "<": lambda value, threshold: value < threshold,
    "from … to": lambda value, low, high: low <= value <= high,
}
_KEPT = ("text", "value", "low", "high", "threshold", "relation", "outcome", "reason")


@dataclass(frozen=True)
class Part:
    """One test of a claim; made by `above`, `below`, `within`, `shown` and `undecided`.

    Parameters
    ----------
    text : what was measured, in words
    outcome : "holds", "fails" or "undecided"
    reason : why it is undecided
    value : the measured number
    low, high : its interval; one end alone is None where the interval is open there
    threshold : one number; two for `within`; None for a test without numbers
    relation : how value and threshold should stand: ``≥``, ``>``, ``≤``, ``<``, ``from … to``
    form : format of the numbers in a claim's text

    Raises
    ------
    ValueError
        if the outcome does not follow from the numbers, or an undecided part has no reason
    """

    text: str
    outcome: str
    reason: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    threshold: float | tuple[float, float] | None = None
    relation: str = ""
    form: str = ".3g"

    def __post_init__(self):
        if not isinstance(self.text, str) or not self.text.strip():
            raise ValueError(f"text: expected what was measured in words, got {self.text!r}")
        if self.outcome not in (HOLDS, FAILS, UNDECIDED):
            raise ValueError(f"outcome: expected holds, fails or undecided, got {self.outcome!r} ({self.text})")
        if self.outcome == UNDECIDED and not self.reason.strip():
            raise ValueError(f"reason: expected why it is undecided, got none ({self.text})")
        follows, _ = _follows(self.value, self.low, self.high, self.threshold, self.relation)
        if follows and self.outcome not in (follows, UNDECIDED):
            raise ValueError(
                f"outcome: expected {follows}, which follows from the numbers, got {self.outcome} ({self.text})"
            )

    @classmethod
    def from_json(cls, kept: Mapping) -> "Part":
        """The part that a record keeps (see `to_json`); numbers decide again."""
        fields = {name: kept[name] for name in _KEPT if name in kept}
        if isinstance(fields["threshold"], list):
            fields["threshold"] = tuple(fields["threshold"])
        return cls(**fields)

    def to_json(self) -> dict:
        """What a record keeps of it."""
        fields = {name: getattr(self, name) for name in _KEPT}
        if isinstance(self.threshold, tuple):
            fields["threshold"] = list(self.threshold)
        return fields

    def __str__(self) -> str:
        if self.value is None:
            return self.text
        told = f"{self.text}: {self.value:{self.form}}"
        if self.low is None and self.high is None:
            return told
        low, high = ("…" if end is None else format(end, self.form) for end in (self.low, self.high))
        return f"{told} [{low}, {high}]"


@checked(text=words, strict=flag, empty=words, form=number_format)
def above(
    text: str,
    value: object,
    threshold: float,
    interval: Sequence | None = None,
    *,
    strict: bool = False,
    empty: str = "",
    form: str = ".3g",
) -> Part:
    """A test that a number reaches a threshold.

    Parameters
    ----------
    text : what was measured, in words
    value : number, or torch or numpy scalar; NaN where there was nothing to measure
    threshold : with an interval, all of it must lie above; one that contains the threshold decides nothing
    interval : (low, high)
    strict : whether the threshold itself fails (``>``), where there is no interval
    empty : why the test says nothing here, if it does not: the part is undecided then
    form : format of the numbers in the claim's text

    Examples
    --------
    >>> above("P/N_c of layers 1-2", 0.97, 0.95, (0.96, 0.98)).outcome
    'holds'
    """
    return _compared(text, value, {"threshold": threshold}, interval, ">" if strict else "≥", empty, form)


@checked(text=words, strict=flag, empty=words, form=number_format)
def below(
    text: str,
    value: object,
    threshold: float,
    interval: Sequence | None = None,
    *,
    strict: bool = False,
    empty: str = "",
    form: str = ".3g",
) -> Part:
    """A test that a number stays below a threshold; parameters as for `above`, ``strict`` for ``<``."""
    return _compared(text, value, {"threshold": threshold}, interval, "<" if strict else "≤", empty, form)


@checked(text=words, empty=words, form=number_format)
def within(
    text: str,
    value: object,
    low_threshold: float,
    high_threshold: float,
    interval: Sequence | None = None,
    *,
    empty: str = "",
    form: str = ".3g",
) -> Part:
    """A test that a number lies between two thresholds, or on one; other parameters as for `above`."""
    ends = {"low_threshold": low_threshold, "high_threshold": high_threshold}
    return _compared(text, value, ends, interval, "from … to", empty, form)


@checked(text=words, empty=words)
def shown(text: str, passed: bool, *, empty: str = "") -> Part:
    """A test without a number, passed or not; ``empty`` as for `above`."""
    if not isinstance(scalar(passed), bool):
        raise ValueError(f"passed: expected True or False, got {passed!r} ({text})")
    return undecided(text, empty) if empty else Part(text, HOLDS if passed else FAILS)


@checked(text=words, reason=words)
def undecided(text: str, reason: str) -> Part:
    """A test that could not be made, and why."""
    return Part(text, UNDECIDED, reason)


def decided(outcomes: Sequence[str]) -> str:
    """What follows for a claim from the outcomes of its parts.

    Parameters
    ----------
    outcomes : "holds", "fails" or "undecided", at least one

    Returns
    -------
    str: "holds" if all do; "holds in part" if at least half hold and one fails; "fails" if fewer than half hold or
    still could; "undecided" where undecided parts could make it one or the other
    """
    known = (HOLDS, FAILS, UNDECIDED)
    if not isinstance(outcomes, Sequence) or not outcomes or not all(each in known for each in outcomes):
        raise ValueError(f"outcomes: expected at least one of {', '.join(known)}, got {outcomes!r}")
    hold, fail = outcomes.count(HOLDS), outcomes.count(FAILS)
    if hold == len(outcomes):
        return HOLDS
    if fail and 2 * hold >= len(outcomes):
        return IN_PART
    return FAILS if 2 * (len(outcomes) - fail) < len(outcomes) else UNDECIDED


def scalar(value: object) -> object:
    """A torch or numpy scalar as Python's own; anything else as it is."""
    return value.item() if hasattr(value, "item") and getattr(value, "shape", ()) == () else value


def _number(name: str, value: object, text: str) -> float:
    number = scalar(value)
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise ValueError(f"{name}: expected a number, got {value!r} ({text})")
    return number


def _ends(interval: Sequence | None, text: str) -> list[float]:
    """Both ends of an interval; none where there is no interval."""
    if interval is None:
        return []
    given = list(interval) if hasattr(interval, "__iter__") and not isinstance(interval, str) else []
    ends = [_number("interval", end, text) for end in given]
    if len(ends) != 2 or ends[0] > ends[1]:
        raise ValueError(f"interval: expected (low, high), got {interval!r} ({text})")
    return ends


def _compared(
    text: str,
    value: object,
    named: Mapping[str, object],
    interval: Sequence | None,
    relation: str,
    empty: str,
    form: str,
) -> Part:
    value = _number("value", value, text)
    ends = _ends(interval, text)
    thresholds = tuple(_number(name, each, text) for name, each in named.items())
    for name, each in zip(named, thresholds, strict=True):
        if not math.isfinite(each):
            raise ValueError(f"{name}: expected a finite number, got {each} ({text})")
    if thresholds[0] > thresholds[-1]:
        raise ValueError(
            f"low_threshold: expected at most high_threshold, {thresholds[1]}, got {thresholds[0]} ({text})"
        )
    low, high = (end if math.isfinite(end) else None for end in ends or (math.nan, math.nan))
    numbers = {
        "value": value if math.isfinite(value) else None,
        "low": low,
        "high": high,
        "threshold": thresholds if len(thresholds) == 2 else thresholds[0],
        "relation": relation,
    }
    if any(map(math.isnan, (value, *ends))):
        empty = empty or NOT_MEASURED
    elif math.isinf(value):
        empty = empty or INFINITE
    elif ends and low is None and high is None:
        empty = empty or ON_THE_THRESHOLD
    outcome, reason = (UNDECIDED, empty) if empty else _follows(**numbers)
    return Part(text, outcome, reason, form=form, **numbers)


def _follows(
    value: float | None, low: float | None, high: float | None, threshold: float | tuple | None, relation: str
) -> tuple[str, str]:
    """Outcome and reason that follow from a part's numbers; no outcome where they do not decide it."""
    thresholds = threshold if isinstance(threshold, tuple) else (threshold,)
    if threshold is None or value is None:
        return "", ""
    point = value
    if low is not None or high is not None:
        if any((low is None or low <= each) and (high is None or each <= high) for each in thresholds):
            return UNDECIDED, ON_THE_THRESHOLD
        # No threshold lies within: one point of the interval speaks for all.
        point = high if low is None else low
    if not relation:
        return "", ""
    return (HOLDS if _PASSES[relation](point, *thresholds) else FAILS), ""
