"""What a record must look like, as a JSON Schema, and the sentence that says where one does not."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING

import fastjsonschema

from layerbook.verdicts import OUTCOMES, SIZES

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

SCHEMA = 2  # number of the form that records have

_TEXT, _TEXTS = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
_NUMBER, _SECONDS = {"type": ["number", "null"]}, {"type": "number", "minimum": 0}


def _object(properties: Mapping, optional: Mapping | None = None) -> dict:
    """An object with these fields; it may have others, which later versions of the book add."""
    return {"type": "object", "required": list(properties), "properties": {**properties, **(optional or {})}}


_ORIGIN = {
    "device": _TEXT,
    "versions": {"type": "object", "minProperties": 1, "additionalProperties": _TEXT},
    "duration_s": _SECONDS,
    "date": _TEXT,
    "commit": {"type": ["string", "null"], "pattern": "^[0-9a-f]{40}$"},
}
# of one code, device and set of versions, see layerbook.training.origins.summarised
_TRAININGS = _object(
    {
        **{name: _ORIGIN[name] for name in ("commit", "device", "versions")},
        "first": _TEXT,
        "last": _TEXT,
        "dirty": {"type": ["boolean", "null"]},
        "seconds": _SECONDS,
        "trainings": {"type": "integer", "minimum": 1},
    },
    {"precision": _TEXT},
)
_CURVE = _object(
    {"dims": _TEXTS, "axes": {"type": "object", "additionalProperties": {"type": "array"}}, "values": {"type": "array"}}
)
_PART = _object(
    {
        "text": _TEXT,
        "value": _NUMBER,
        "low": _NUMBER,
        "high": _NUMBER,
        "threshold": {"anyOf": [_NUMBER, {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}]},
        "outcome": {"enum": [word for word in OUTCOMES if word != "holds in part"]},
    },
    {"relation": {"enum": ["", "≥", ">", "≤", "<", "from … to"]}, "reason": _TEXT},
)
_CLAIM = _object(
    {
        **dict.fromkeys(("item", "says", "paper", "test", "here", "figure"), _TEXT),
        "outcome": {"enum": list(OUTCOMES)},
        "reason": _TEXT,
        "size": {"enum": list(SIZES)},
        "parts": {"type": "array", "items": _PART, "minItems": 1},
    }
)
_RECORD = _object(
    {
        "chapter": _TEXT,
        "size": {"enum": list(SIZES)},
        "size_says": _TEXT,
        "parameters": {"type": "object"},
        "numbers": {"type": "object", "additionalProperties": {"type": "number"}},
        "curves": {"type": "object", "additionalProperties": _CURVE},
        "claims": {"type": "array", "items": _CLAIM},
        "provenance": _object(
            {**_ORIGIN, "dirty": {"type": ["boolean", "null"]}},
            {"precision": _TEXT, "trainings": {"type": "array", "items": _TRAININGS}},
        ),
    }
)

_KINDS = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    type(None): "null",
    int: "integer",
    float: "number",
}


def check_schema(record: object, where: str) -> None:
    """Refuse what is no record, or one of another schema.

    Raises
    ------
    ValueError
        ``where: place in the record: what was expected, what came``
    """
    if not isinstance(record, dict):
        raise ValueError(f"{where}: expected an object, got {_kind(record)}")
    if "schema" not in record:
        raise ValueError(f"{where}: schema is missing: not a record")
    number = record["schema"]
    if isinstance(number, bool) or number != SCHEMA:
        raise ValueError(f"{where}: schema: expected {SCHEMA}, got {_shortened(number)}: written by other code")
    try:
        _quick()(record)
    except fastjsonschema.JsonSchemaValueException:
        # a second or more to import, which tells better what is wrong
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import best_match

        error = best_match(Draft202012Validator(_RECORD).iter_errors(record))
        if error is not None:
            raise ValueError(f"{_place(where, error)}: {_told(error)}") from None


@cache
def _quick() -> Callable[[object], object]:
    return fastjsonschema.compile(_RECORD)


def _place(where: str, error: "ValidationError") -> str:
    place = where
    for step in error.absolute_path:
        place += f"[{step}]" if isinstance(step, int) else f": {step}"
    return place


def _told(error: "ValidationError") -> str:
    """The library's own message repeats the whole value, which may be a curve of megabytes."""
    wanted, got = error.validator_value, _shortened(error.instance)
    if error.validator == "required":
        return f"{next(name for name in wanted if name not in error.instance)} is missing"
    if error.validator == "type":
        expected = " or ".join([wanted] if isinstance(wanted, str) else wanted)
        return f"expected {expected}, got {_kind(error.instance)} {got}"
    if error.validator == "enum":
        return f"expected one of {', '.join(filter(None, wanted))}, got {got}"
    if error.validator == "pattern":
        return f"expected 40 hexadecimal digits or null, got {got}"
    if error.validator == "minimum":
        return f"expected {wanted} or more, got {got}"
    if error.validator in ("minItems", "minProperties"):
        return f"expected at least {wanted}, got {got}"
    return f"expected {error.validator} {_shortened(wanted)}, got {got}"


def _kind(value: object) -> str:
    return _KINDS.get(type(value), type(value).__name__)


def _shortened(value: object) -> str:
    told = repr(value)
    return told if len(told) <= 80 else f"{told[:77]}..."
