"""Where trainings came from: each tells code, device, versions, date and time; several are told in few words."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from layerbook.precision import TRAINING, told
from layerbook.provenance import device_name, on_gpu, versions

_SAME = ("commit", "dirty", "device", "versions", "precision")


def origin(code: Mapping, device: str, seconds: float) -> dict:
    """Where a training came from that ends now.

    Parameters
    ----------
    code : commit and dirty, see `layerbook.provenance.code_state`
    device : where it ran
    seconds : how long it took

    Returns
    -------
    dict with ``commit``, ``dirty``, ``device``, ``versions``, ``date`` (UTC) and ``seconds``; of a GPU with the
    ``precision`` there
    """
    ran = {"device": device}
    return {
        "commit": code["commit"],
        "dirty": code["dirty"],
        "device": device_name(ran),
        "versions": versions(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
    } | ({"precision": told(TRAINING)} if on_gpu(ran) else {})


def summarised(origins: Iterable[Mapping]) -> list[dict]:
    """One entry for each code, device, versions and precision, in the order of their first trainings.

    Parameters
    ----------
    origins : each as `origin` gives it

    Returns
    -------
    list of dicts with ``commit``, ``dirty``, ``device``, ``versions``, ``precision`` where it is told, number of
    ``trainings``, ``seconds`` of them all, and the dates of the ``first`` and the ``last``
    """
    groups: dict[str, list[Mapping]] = {}
    for each in sorted(origins, key=lambda each: each["date"]):
        groups.setdefault(repr([each.get(name) for name in _SAME]), []).append(each)
    return [
        {name: group[0][name] for name in _SAME if name in group[0]}
        | {
            "trainings": len(group),
            "seconds": round(sum(each["seconds"] for each in group), 1),
            "first": group[0]["date"],
            "last": group[-1]["date"],
        }
        for group in groups.values()
    ]


def trained_by(entries: Sequence[Mapping]) -> str:
    """The entries of `summarised` in words: "trained at commit 0123456 on H200 in 73 min (2 trainings, 2025-01-02)"."""
    return "trained " + "; ".join(_entry(entry) for entry in entries)


def _entry(entry: Mapping) -> str:
    first, last = entry["first"][:10], entry["last"][:10]
    count = f"{entry['trainings']} training{'s' * (entry['trainings'] > 1)}"
    return (
        f"{at_commit(entry)} on {entry['device']} in {duration(entry['seconds'])} "
        f"({count}, {first if first == last else f'{first} to {last}'})"
    )


def at_commit(code: Mapping) -> str:
    """Which code: "at commit 0123456 with local changes"."""
    if not code["commit"]:
        return "outside git"
    return f"at commit {code['commit'][:7]}{' with local changes' if code['dirty'] else ''}"


def duration(seconds: float) -> str:
    """Seconds below ten minutes, minutes below three hours, else hours."""
    if seconds < 600:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3 * 3600 else f"{seconds / 3600:.1f} h"
