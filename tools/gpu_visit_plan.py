"""What a visit is asked for, and which rungs of a chapter's ladder are for this one.

A plan has ``steps``: of ``tests`` and of ``bench`` their ``share`` of the time, at most, the seconds that a start is
worth, ``at_least``, and ``names``, files of tests or modules of benchmarks, none of them for all. And it has
``chapters``, a ladder each.

A ladder has ``values``, parameters of every rung, and ``rungs``, from the smallest on. Its trainings' time grows with
the product of the parameters in ``grows_with``. ``pictures`` names those that count pictures of the file ``data``, and
``size`` those by whose product a record is larger than another, each to its power. ``folders`` have to be in the one
that LAYERLIB_DATA names.
"""

import json
import os
from collections.abc import Collection, Mapping
from math import inf, prod
from pathlib import Path

import numpy as np

MARGIN = 1.2  # on what is predicted
NUMBER, TEXT, TEXTS, TABLE, TABLES = "a number from 0 up", "a text", "a list of texts", "an object", "a list of objects"
STEP = {"share": NUMBER, "at_least": NUMBER, "names": TEXTS}
LADDER = {
    "first_takes": NUMBER,
    "grows_with": TEXTS,
    "pictures": TEXTS,
    "size": TABLE,
    "values": TABLE,
    "rungs": TABLES,
}
MAY = {"folders": TEXTS, "shares": TABLES}


def read_plan(path: Path) -> dict:
    """The plan in a file, once all that it needs is there and nothing else.

    Raises
    ------
    OSError
        if the file cannot be read
    ValueError
        if it is no JSON, or a key is unknown, missing or of another kind, with its place
    """
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path.name}: expected JSON, got {error}") from None
    _check("plan", plan, {"steps": TABLE, "chapters": TABLE})
    _check("steps", plan["steps"], {"tests": TABLE, "bench": TABLE})
    for name, step in plan["steps"].items():
        _check(f"steps.{name}", step, STEP)
    for name, ladder in plan["chapters"].items():
        _check(f"chapters.{name}", ladder, LADDER, MAY)
        for place, rung in enumerate(ladder["rungs"]):
            counted = dict.fromkeys([*ladder["grows_with"], *ladder["pictures"]], NUMBER)
            _check(f"chapters.{name}.rungs[{place}]", rung, counted, dict.fromkeys(rung, ""))
        if not ladder["rungs"]:
            raise ValueError(f"chapters.{name}.rungs: expected at least one, got none")
    return plan


def _check(place: str, given: object, must: Mapping[str, str], may: Mapping[str, str] | None = None) -> None:
    """Whether a part of the plan has these keys, and values of these kinds."""
    if not _is(given, TABLE):
        raise ValueError(f"{place}: expected {TABLE}, got {given!r}")
    known = (may or {}) | must
    if (missing := must.keys() - given) or (unknown := given.keys() - known):
        says = f"{min(missing)} is missing" if missing else f"{min(unknown)} is unknown"
        raise ValueError(f"{place}: {says}: expected {', '.join(sorted(known))}, got {', '.join(sorted(given))}")
    for key, value in given.items():
        if not _is(value, kind := known[key]):
            raise ValueError(f"{place}.{key}: expected {kind}, got {value!r}")


def _is(value: object, kind: str) -> bool:
    if kind in (TEXTS, TABLES):
        return isinstance(value, list) and all(_is(each, TEXT if kind == TEXTS else TABLE) for each in value)
    if kind == NUMBER:
        return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    return not kind or isinstance(value, str if kind == TEXT else dict)


def packed(data: str) -> float:
    """Training pictures in the file at ``data``, 0 where there is none; of a set known by its name, any number."""
    if not data.endswith(".npz"):
        return inf
    if not Path(data).is_file():
        return 0
    with np.load(data, allow_pickle=False) as kept:
        return len(kept["train_labels" if "train_labels" in kept else "y_train"])


def size(ladder: Mapping, parameters: Mapping) -> float:
    """How large a record with these parameters is; 0 where it lacks one that counts."""
    return prod(parameters.get(name, 0) ** power for name, power in ladder["size"].items())


def not_now(ladder: Mapping, records: Collection[Mapping]) -> dict[int, str]:
    """The rungs that are left out, and why.

    Parameters
    ----------
    ladder : of a chapter
    records : of that chapter that there are, from the book and from earlier visits
    """
    data = Path(os.environ.get("LAYERLIB_DATA", ""))  # where none is named, none is packed
    if lacking := [each for each in ladder.get("folders", ()) if not (data / each).is_dir()]:
        return dict.fromkeys(range(len(ladder["rungs"])), f"{', '.join(lacking)}: not packed")
    there = packed(ladder["values"].get("data", ""))
    known = max((size(ladder, each["parameters"]) for each in records), default=0)
    found = {}
    for place, rung in enumerate(ladder["rungs"]):
        asked = max((rung[name] for name in ladder["pictures"]), default=0)
        if asked > there:
            found[place] = f"it asks for {asked:,} pictures, and {there:,} were packed"
        elif size(ladder, ladder["values"] | rung) <= known:
            found[place] = "there is a record that is as large"
    return found


def largest(
    ladder: Mapping, record: Mapping, seconds: float, left: float, without: Collection[int] = ()
) -> tuple[int, list[float]]:
    """The largest rung of a ladder that fits, and what each is predicted to take.

    Parameters
    ----------
    ladder : of a chapter
    record : of the smallest rung, with what its trainings took
    seconds : that the smallest rung took in all
    left : seconds that there are
    without : rungs that are left out

    Returns
    -------
    number of the rung, 0 where no larger one fits; and the predictions, in seconds
    """
    # a record tells tenths of seconds, so that none may have been nearly one
    trained = sum(max(0.1, each["seconds"]) for each in record["provenance"].get("trainings", []))
    work = [prod(rung[name] for name in ladder["grows_with"]) for rung in ladder["rungs"]]
    rest = max(0.0, seconds - trained)  # trainings that are read back took their time in an earlier command
    needs = [MARGIN * (rest + trained * each / work[0]) for each in work]
    fitting = [place for place, need in enumerate(needs) if place and place not in without and need <= left]
    return max(fitting, default=0), needs
