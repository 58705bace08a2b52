"""Records: what a run of a chapter reported, as readable JSON that is checked when it is read and written."""

import json
import math
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from layerbook._schemas import check_schema
from layerbook.claims import Claim
from layerbook.curves import check_axes
from layerlib._files import replacing

MIME = "application/vnd.layerlib.report+json"

_ORDER = ("schema", "chapter", "size", "size_says", "parameters", "numbers", "curves", "claims", "provenance")


def recorded_claims(record: Mapping | None) -> dict[str, Claim]:
    """The claims of a record, or of what a run reported, by item; none where there is none."""
    if record is None:
        return {}
    return {kept["item"]: Claim.from_json(kept) for kept in record["claims"]}


def check_record(record: object, where: str = "record") -> dict:
    """Return a record unchanged once its structure is right and its outcomes follow from their parts.

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
    check_schema(record, where)
    _check_finite(record, where)
    for name, curve in record["curves"].items():
        _check_curve(name, curve, f"{where}: curves: {name}")
    for place, kept in enumerate(record["claims"]):
        try:
            Claim.from_json(kept)
        except ValueError as error:
            raise ValueError(f"{where}: claims[{place}]: {error}") from None
    origin = record["provenance"]
    dates = [
        ("date", origin["date"]),
        *(
            (f"trainings[{i}]: {name}", each[name])
            for name in ("first", "last")
            for i, each in enumerate(origin.get("trainings", []))
        ),
    ]
    for place, date in dates:
        try:
            datetime.fromisoformat(date)
        except ValueError:
            raise ValueError(f"{where}: provenance: {place}: expected year-month-day and time, got {date!r}") from None
    return record


def _check_finite(value: object, where: str) -> None:
    """JSON has no NaN, and a threshold compared with one says nothing."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        if isinstance(each, float) and not math.isfinite(each):
            raise ValueError(f"{where}: {name}: expected a finite number, got {each!r}")
        if isinstance(each, (dict, list)):
            _check_finite(each, f"{where}: {name}")


def _check_curve(name: str, curve: Mapping, where: str) -> None:
    if set(curve["dims"]) != set(curve["axes"]):
        expected, got = (", ".join(curve[field]) or "none" for field in ("dims", "axes"))
        raise ValueError(f"{where}: axes: expected {expected}, got {got}")
    _check_numbers(curve["values"], f"{where}: values")
    try:
        check_axes(name, curve["values"], [(axis, curve["axes"][axis]) for axis in curve["dims"]])
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _check_numbers(values: list, where: str) -> None:
    for place, value in enumerate(values):
        if isinstance(value, list):
            _check_numbers(value, f"{where}[{place}]")
        elif value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise ValueError(f"{where}[{place}]: expected numbers or null, got {value!r:.80}")


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
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file") from None
    except (ValueError, RecursionError) as error:
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
    claims = [Claim.from_json(kept).to_json() for kept in record["claims"]]
    ordered = {name: record[name] for name in _ORDER} | {
        "numbers": dict(sorted(record["numbers"].items())),
        "claims": claims,
    }
    fields = (
        f" {_text(name)}: {_lines(value) if name != 'curves' else _curve_lines(value)}"
        for name, value in ordered.items()
    )
    with replacing(Path(path)) as beside:
        beside.write_text("{\n" + ",\n".join(fields) + "\n}\n", encoding="utf-8")


def _text(value: object, indent: int | None = None) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)


def _lines(value: object) -> str:
    return _text(value, indent=1).replace("\n", "\n ")


def _curve_lines(curves: Mapping) -> str:
    lines = (
        f"  {_text(name)}: {_text({field: curve[field] for field in ('dims', 'axes', 'values')})}"
        for name, curve in sorted(curves.items())
    )
    return "{\n" + ",\n".join(lines) + "\n }" if curves else "{}"
