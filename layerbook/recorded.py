"""Where a record comes from, in words; and whether it was seen since that today's code gives the same numbers."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from layerbook.claims import size_told
from layerbook.provenance import changed_since, short
from layerbook.record import read_record
from layerbook.training.origins import at_commit, duration, trained_by
from layerlib._files import replacing

VERIFIED = "verified.json"
_ENTRY = {"record": str, "commit": str, "date": str, "numbers": int, "curves": int}


def find_record(chapter: str, given: str | os.PathLike | None = None) -> tuple[dict | None, Path | None]:
    """A chapter's record and its folder: the given one, else ``CHAPTER.json`` in ``records``, here or in ``book``.

    Returns
    -------
    the record and the folder; both None where there is none

    Raises
    ------
    ValueError
        if the record is damaged or another chapter's
    FileNotFoundError
        if ``given`` is not there
    """
    # A notebook runs in the book's folder under layerlib and nbval, anywhere under plain papermill.
    places = [Path(folder, f"{chapter}.json") for folder in ("records", "book/records")]
    path = given if given is not None else next((place for place in places if place.is_file()), None)
    if path is None:
        return None, None
    record = read_record(path)
    if record["chapter"] != chapter:
        raise ValueError(f"chapter: expected {record['chapter']!r}, whose record {path} is, got {chapter!r}")
    return record, Path(path).parent


def record_size_told(record: Mapping) -> str:
    """A record's size in words."""
    return size_told(record["size"], record["size_says"])


def recorded_by(record: Mapping, records: str | os.PathLike) -> str:
    """In words: when a record was made, on what and by which code, whether that is other code than today's, its size.

    Parameters
    ----------
    record : as read
    records : the folder that it was read from
    """
    origin = record["provenance"]
    if origin.get("trainings"):
        measured = f"measured {at_commit(origin)} on {origin['device']} in {duration(origin['duration_s'])}"
        when = f"{trained_by(origin['trainings'])}, {measured} ({origin['date'][:10]})"
    else:
        when = f"{origin['date'][:10]}, {origin['device']}, {at_commit(origin).removeprefix('at ')}"
    return f"{when}{_code_since(record, records)}, {record_size_told(record)}"


def _code_since(record: Mapping, records: str | os.PathLike) -> str:
    chapter, commit = record["chapter"], record["provenance"]["commit"]
    if not changed_since(commit, chapter, records):
        return ""
    seen = read_verified(records).get(chapter)
    if seen and seen["record"] == commit and changed_since(seen["commit"], chapter, records) is False:
        return f", code changed since, same numbers at small size (commit {short(seen['commit'])}, {seen['date'][:10]})"
    return ", other code than today's"


def read_verified(records: str | os.PathLike) -> dict[str, dict]:
    """What `layerbook.verify` has found the same, by chapter: commit of the record, of the code that gave the same
    numbers, date, and how many numbers and curves; empty where there is nothing yet.

    Raises
    ------
    ValueError
        if the file is damaged
    """
    path = Path(records, VERIFIED)
    if not path.is_file():
        return {}
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        whole = all(type(entry[name]) is kind for entry in kept.values() for name, kind in _ENTRY.items())
    except (ValueError, RecursionError, AttributeError, TypeError, KeyError) as error:
        raise ValueError(f"{path}: expected what was verified, by chapter: {error!r:.80}") from None
    if not whole:
        raise ValueError(f"{path}: expected what was verified, by chapter, each with {', '.join(_ENTRY)}")
    return kept


def keep_verified(records: str | os.PathLike, chapter: str, entry: Mapping) -> Path:
    """Keep that a chapter's record was verified; the file, with its entries by name."""
    path = Path(records, VERIFIED)
    kept = dict(sorted((read_verified(records) | {chapter: dict(entry)}).items()))
    with replacing(path) as beside:
        beside.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path
