"""Claims with their verdicts, and records: what a full-size run of a chapter reported, as readable JSON."""

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path

from layerlib._files import replacing

SCHEMA = 1
MIME = "application/vnd.layerlib.report+json"
VERDICTS = ("holds", "holds in part", "fails", "not at this size")

_FIELDS = {
    "schema": int,
    "chapter": str,
    "paper_size": bool,
    "parameters": dict,
    "numbers": dict,
    "curves": dict,
    "claims": list,
    "provenance": dict,
}
_PROVENANCE = {
    "device": str,
    "versions": dict,
    "duration_s": (int, float),
    "date": str,
    "commit": (str, type(None)),
    "dirty": (bool, type(None)),
}
_CURVE = {"dims": list, "axes": dict, "values": list}
_CLAIM = {"item": str, "says": str, "paper": str, "here": str, "holds": str}


@dataclass(frozen=True)
class Claim:
    """One claim of a paper, and what came of it.

    Parameters
    ----------
    item : number of the claim in the book's list of claims, as text: ``"3"``
    says : the claim in words
    paper : the paper's value
    here : what was measured, as text made from numbers
    holds : one of `VERDICTS`; see `verdict`
    test : the threshold that decided it, in words
    figure : where the chapter's page shows it: the name of a figure, or any other anchor there

    Raises
    ------
    ValueError
        if a field is not text, one of the first five is empty, or ``holds`` is no verdict
    """

    item: str
    says: str
    paper: str
    here: str
    holds: str
    test: str = ""
    figure: str = ""

    def __post_init__(self):
        for name, value in asdict(self).items():
            if not isinstance(value, str) or not (value.strip() or name not in _CLAIM):
                raise ValueError(f"{name}: expected text, got {value!r} (claim {self.item})")
        if self.holds not in VERDICTS:
            expected = ", ".join(VERDICTS)
            raise ValueError(f"holds: expected one of {expected}, got {self.holds!r} (claim {self.item})")


def verdict(parts: Mapping[str, bool] | Sequence[bool], paper_size: bool) -> str:
    """Put the tests of one claim together.

    Parameters
    ----------
    parts : which tests passed, with or without their names
    paper_size : whether this run is of the paper's size; a smaller one can confirm a claim, not refute it

    Returns
    -------
    str, one of `VERDICTS`: all passed: "holds"; else below the paper's size: "not at this size"; else some
    passed: "holds in part"; none: "fails"

    Raises
    ------
    ValueError
        if there is no part, or one is not a boolean

    Examples
    --------
    >>> verdict({"early layers": True, "late layers": False}, paper_size=True)
    'holds in part'
    """
    named = dict(parts) if isinstance(parts, Mapping) else dict(enumerate(parts))
    if not named:
        raise ValueError("parts: expected at least one test, got none")
    for name, value in named.items():
        named[name] = value.item() if hasattr(value, "item") else value
        if not isinstance(named[name], bool):
            raise ValueError(f"parts: expected True or False for {name!r}, got {value!r}")
    if all(named.values()):
        return "holds"
    if not paper_size:
        return "not at this size"
    return "holds in part" if any(named.values()) else "fails"


def json_values(name: str, values: object) -> object:
    """Tensors, arrays and nested sequences as JSON: 6 significant digits, NaN as None."""
    if hasattr(values, "tolist"):
        values = values.tolist()
    if isinstance(values, (list, tuple, range)):
        return [json_values(name, value) for value in values]
    if isinstance(values, (bool, int)):
        return int(values)
    if not isinstance(values, float) or math.isinf(values):
        raise ValueError(f"{name}: expected finite numbers or NaN, got {values!r}")
    return None if math.isnan(values) else float(f"{values:.6g}")


def check_axes(name: str, values: object, axes: Sequence[tuple[str, list]]) -> None:
    """Refuse an axis whose length is not that of its dimension; the axes come outermost first."""
    if not axes:
        return
    (axis, ticks), *inner = axes
    length = len(values) if isinstance(values, list) else 0
    if length != len(ticks):
        raise ValueError(f"{axis}: expected {length} values, one for each of {name}'s, got {len(ticks)}")
    for value in values:
        check_axes(name, value, inner)


def _check_fields(values: object, fields: Mapping, where: str) -> None:
    if not isinstance(values, dict):
        raise ValueError(f"{where}: expected an object, got {type(values).__name__}")
    for name, kind in fields.items():
        if name not in values:
            raise ValueError(f"{where}: {name} is missing: expected the fields {', '.join(fields)}")
        value, kinds = values[name], kind if isinstance(kind, tuple) else (kind,)
        # bool is an int to isinstance, but not to a reader of the record.
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            expected = " or ".join("null" if k is type(None) else k.__name__ for k in kinds)
            raise ValueError(f"{where}: {name}: expected {expected}, got {type(value).__name__} {value!r}")


def _claim(values: Mapping) -> Claim:
    """The claim of a record; the two last fields are missing in records made before there were any."""
    return Claim(**{field.name: values[field.name] for field in fields(Claim) if field.name in values})


def _check_provenance(origin: object, where: str) -> None:
    _check_fields(origin, _PROVENANCE, where)
    if not origin["versions"]:
        raise ValueError(f"{where}: versions: expected at least Python's, got none")
    if not 0 <= origin["duration_s"] < math.inf:
        raise ValueError(f"{where}: duration_s: expected seconds, got {origin['duration_s']!r}")
    if origin["commit"] is not None and not re.fullmatch("[0-9a-f]{40}", origin["commit"]):
        raise ValueError(f"{where}: commit: expected 40 hexadecimal digits or null, got {origin['commit']!r}")
    try:
        datetime.fromisoformat(origin["date"])
    except ValueError:
        raise ValueError(f"{where}: date: expected year-month-day and time, got {origin['date']!r}") from None


def check_record(record: object, where: str = "record") -> dict:
    """Return a record unchanged once its structure is right.

    Parameters
    ----------
    record : what was read, or is about to be written
    where : what an error begins with, usually the file

    Returns
    -------
    dict, the record itself

    Raises
    ------
    ValueError
        naming the field that is missing or wrong, what came and what was expected
    """
    _check_fields(record, _FIELDS, where)
    if record["schema"] != SCHEMA:
        raise ValueError(f"{where}: schema: expected {SCHEMA}, got {record['schema']}: written by other code")
    for name, value in record["numbers"].items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ValueError(f"{where}: numbers: {name}: expected a finite number, got {value!r}")
    for name, curve in record["curves"].items():
        _check_fields(curve, _CURVE, f"{where}: curves: {name}")
        if set(curve["dims"]) != set(curve["axes"]):
            expected, got = (", ".join(curve[field]) or "none" for field in ("dims", "axes"))
            raise ValueError(f"{where}: curves: {name}: axes: expected {expected}, got {got}")
        try:
            check_axes(name, curve["values"], [(axis, curve["axes"][axis]) for axis in curve["dims"]])
        except ValueError as error:
            raise ValueError(f"{where}: curves: {name}: {error}") from None
    for place, claim in enumerate(record["claims"]):
        _check_fields(claim, _CLAIM, f"{where}: claims[{place}]")
        try:
            _claim(claim)
        except ValueError as error:
            raise ValueError(f"{where}: claims[{place}]: {error}") from None
    _check_provenance(record["provenance"], f"{where}: provenance")
    return record


def read_record(path: str | os.PathLike) -> dict:
    """Read and check a record.

    Raises
    ------
    FileNotFoundError
        if there is no such file
    ValueError
        if it is not JSON or not a record; the message begins with the path
    """
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not JSON: {error}") from None
    return check_record(record, str(path))


def write_record(record: dict, path: str | os.PathLike) -> None:
    """Check a record and write it: beside, then renamed, so that ``path`` is whole at every moment.

    Fields come in a fixed order, numbers and curves by name, each curve on one line: two records differ
    where their contents do.

    Raises
    ------
    ValueError
        if the record is not complete (see `check_record`); nothing is written then
    """
    check_record(record, str(path))
    ordered = {name: record[name] for name in _FIELDS}
    ordered["claims"] = [asdict(_claim(claim)) for claim in record["claims"]]
    ordered["numbers"] = dict(sorted(record["numbers"].items()))
    # A NUL cannot come from a reported name, so a curve's stand-in is unlike any other text.
    curves = sorted(record["curves"].items())
    stand_ins = {f"\0{name}": {field: curve[field] for field in _CURVE} for name, curve in curves}
    ordered["curves"] = {mark[1:]: mark for mark in stand_ins}
    text = json.dumps(ordered, indent=1, ensure_ascii=False, allow_nan=False)
    for mark, curve in stand_ins.items():
        text = text.replace(json.dumps(mark), json.dumps(curve, ensure_ascii=False, allow_nan=False))
    with replacing(Path(path)) as beside:
        beside.write_text(text + "\n", encoding="utf-8")
