"""Where a record comes from, in words."""

import os
from collections.abc import Mapping

from layerbook.claims import size_told
from layerbook.provenance import changed_since
from layerbook.record import record_size
from layerbook.training.origins import at_commit, duration, trained_by


def record_size_told(record: Mapping) -> str:
    """A record's size in words."""
    return size_told(record_size(record), record.get("size_says", ""))


def recorded_by(record: Mapping, records: str | os.PathLike) -> str:
    """In words: when a record was made, on what and by which code, whether that is other code than today's, its size.

    Parameters
    ----------
    record : as read
    records : the folder that it was read from
    """
    origin = record["provenance"]
    other = ", other code than today's" if changed_since(origin["commit"], record["chapter"], records) else ""
    if origin.get("trainings"):
        measured = f"measured {at_commit(origin)} on {origin['device']} in {duration(origin['duration_s'])}"
        when = f"{trained_by(origin['trainings'])}, {measured} ({origin['date'][:10]})"
    else:
        when = f"{origin['date'][:10]}, {origin['device']}, {at_commit(origin).removeprefix('at ')}"
    return f"{when}{other}, {record_size_told(record)}"
