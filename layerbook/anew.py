"""Whether a chapter gives its record's numbers again: trained anew with the record's parameters, and compared."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from layerbook.asked import chapter_of, fitting
from layerbook.chapters import STORE, reported
from layerbook.curves import repeatable
from layerbook.needs import check_needs
from layerbook.places import check_writable, out_path
from layerbook.provenance import device_name, versions
from layerbook.record import read_record, recorded_claims

# Relative tolerances. Where device and versions are the record's, what is left is the order of sums, which hangs on the
# number of threads. Elsewhere rounding differs, and training makes much of little.
SAME_SETTING, ELSEWHERE = 1e-5, 0.05


@dataclass(frozen=True)
class Again:
    """What came of making a record's run again.

    Parameters
    ----------
    chapter : name of the notebook, without ``.ipynb``
    notebook : the executed notebook
    tolerance : the relative one that was applied
    because : what of the setting is not the record's, in words; empty where it is the same
    compared : how many numbers, values of curves and verdicts
    differences : in words, one for each number, curve or verdict that differs by more, or is missing
    """

    chapter: str
    notebook: Path
    tolerance: float
    because: list[str]
    compared: int
    differences: list[str] = field(default_factory=list)


def anew(record: Path, book: Path, *, from_store: Path | None = None) -> Again:
    """Run a chapter with its record's parameters, by today's code, and compare all that the record holds.

    What only today's run reports does not count. A value of a curve is compared relative to the largest of the curve.

    Parameters
    ----------
    record : its file
    book : folder of the chapters
    from_store : folder of stored trainings, from which networks are taken; without one all are trained anew

    Returns
    -------
    Again

    Raises
    ------
    ValueError
        if the record is damaged, a parameter of it does not fit the chapter of today, or ``from_store`` is no folder
    CellFailed, Interrupted
        as `layerbook.running.execute`
    """
    from layerbook.running import execute  # papermill and what it brings take seconds to import

    kept = read_record(record)
    name, asked = kept["chapter"], dict(kept["parameters"])
    chapter = chapter_of(book, name)
    gone = sorted(set(asked) - set(chapter.parameters))
    values = fitting({key: value for key, value in asked.items() if key not in gone}, chapter, f"{record}: ")
    check_needs(chapter, values)
    if from_store is not None and not from_store.is_dir():
        raise ValueError(f"from_store: expected a folder of stored trainings, got {from_store}")
    if STORE in chapter.parameters:
        values[STORE] = "" if from_store is None else str(from_store.resolve())
    out = out_path(None, "again", book, chapter.path)
    check_writable(out, None)
    out.parent.mkdir(parents=True, exist_ok=True)
    report = reported(execute(chapter, values, out))
    if report is None:
        raise ValueError(f"{name}: reported nothing today")
    because = _setting(kept["provenance"], values)
    tolerance = ELSEWHERE if because else SAME_SETTING
    found = [f"parameter {key}: the chapter has none of that name today" for key in gone]
    found += [*_numbers(kept, report, tolerance), *_curves(kept, report, tolerance), *_verdicts(kept, report)]
    compared = len(kept["numbers"]) + len(kept["curves"]) + len(kept["claims"])
    return Again(name, out, tolerance, because, compared, found)


def _setting(origin: Mapping, values: Mapping[str, object]) -> list[str]:
    """What of device and versions is not the record's."""
    here = {"device": device_name(values)} | versions()
    then = {"device": origin["device"]} | origin["versions"]
    told = [f"{key} {then[key]} then, {here.get(key, 'none')} here" for key in then if then[key] != here.get(key)]
    return [each for each in told if not each.startswith("layerlib ")]


def _numbers(kept: Mapping, report: Mapping, tolerance: float) -> Iterator[str]:
    for key, then in kept["numbers"].items():
        now = report["numbers"].get(key)
        if now is None:
            yield f"number {key}: not reported today"
        elif not math.isclose(then, now, rel_tol=tolerance, abs_tol=tolerance**2):
            yield f"number {key}: {then:g} in the record, {now:g} now"


def _curves(kept: Mapping, report: Mapping, tolerance: float) -> Iterator[str]:
    for key, curve in kept["curves"].items():
        if key not in report["curves"]:
            yield f"curve {key}: not reported today"
            continue
        then, now = (repeatable(key, each).to_numpy() for each in (curve, report["curves"][key]))
        if then.shape != now.shape:
            yield f"curve {key}: shape {then.shape} in the record, {now.shape} now"
        elif (np.isnan(then) != np.isnan(now)).any():
            yield f"curve {key}: other values are missing"
        elif then.size and not np.isnan(then).all():
            apart = np.nanmax(np.abs(then - now)) / max(np.nanmax(np.abs(then)), tolerance)
            if apart > tolerance:
                yield f"curve {key}: up to {apart:.2g} of its largest value apart"


def _verdicts(kept: Mapping, report: Mapping) -> Iterator[str]:
    today = recorded_claims(report)
    for item, claim in recorded_claims(kept).items():
        if item not in today:
            yield f"claim {item}: not judged today"
        elif claim.outcome != today[item].outcome:
            yield f"claim {item}: {claim.outcome} in the record, {today[item].outcome} now"
