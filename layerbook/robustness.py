"""The map of verdicts: in what share of stored runs each claim holds, and how its numbers move as the run grows."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from layerbook.claims import FIRST_ROUND_OPEN, Claim, item_order
from layerbook.provenance import short
from layerbook.record import read_record, recorded_claims
from layerbook.recorded import record_size_told
from layerbook.swept import FINISHED, read_outcome
from layerbook.verdicts import OUTCOMES, UNDECIDED
from layerlib._files import replacing

SCHEMA = "layerlib verdicts 1"
RECORD = "the record"
# What the map tells runs apart by; the first is what a run grows by, of a list its last entry.
VARIED = {
    "cooperating_classifiers": ("epochs", "seeds", "width", "easy"),
    "forward_backward": ("iterations", "seeds", "learning_rate", "easy"),
    "layer_distributions": ("epochs", "first_seed", "vgg_rate", "data"),
    "filter_evolution": ("epochs", "seed", "width", "data"),
    "four_lenses": ("looked_at", "seeds", "learning_rate", "data"),
}
_KNOWN_BY = ("parameters", "code", "commit", "dirty", "date")


def keep_verdicts(folder: str | os.PathLike, records: str | os.PathLike) -> list[Path]:
    """Keep the claims of a sweep's finished runs among the records, for the map: small enough for the repository.

    Parameters
    ----------
    folder : ``out`` of `layerbook.sweep.sweep`; runs of several chapters may lie there
    records : folder of the records; a chapter's runs go to ``sweeps/CHAPTER.json`` there, in place of earlier ones

    Returns
    -------
    list of Path, what was written

    Raises
    ------
    ValueError
        if no run in the folder has finished, or a file of one is damaged
    """
    kept: dict[str, list] = {}
    for path in sorted(Path(folder).glob("*.json")):
        outcome = read_outcome(path)
        if outcome["state"] == FINISHED and outcome["report"] and outcome["report"]["claims"]:
            known = {name: outcome[name] for name in _KNOWN_BY}
            claims = [_kept(Claim.from_json(claim, "smaller")) for claim in outcome["report"]["claims"]]
            kept.setdefault(outcome["chapter"], []).append(known | {"claims": claims})
    if not kept:
        raise ValueError(f"{folder}: expected the folder of a sweep, no run with claims has finished there")
    written = []
    for chapter, runs in kept.items():
        path = Path(records, "sweeps", f"{chapter}.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = ",\n".join(json.dumps(run, ensure_ascii=False) for run in runs)
        with replacing(path) as beside:
            beside.write_text(f'{{"schema": "{SCHEMA}", "runs": [\n{lines}\n]}}\n', encoding="utf-8")
        written.append(path)
    return written


def read_verdicts(chapter: str, records: str | os.PathLike) -> pd.DataFrame:
    """Every verdict of a chapter's stored runs, and of its record.

    Parameters
    ----------
    chapter : name of the notebook, without ``.ipynb``
    records : folder of the records

    Returns
    -------
    DataFrame, a row per run and claim: ``run``, its number or `RECORD`; ``claim``, ``says``, ``outcome``; ``at``, how
    large the run was, by the first of `VARIED`; and of the first part that has a number: ``text``, ``value``,
    ``relation``, ``threshold``. Claims that a record of the first round left open are undecided.

    Raises
    ------
    ValueError
        if a file is damaged
    """
    rows = [
        [number, *_row(claim), _grown(chapter, run["parameters"])]
        for number, run in enumerate(_runs(chapter, records))
        for claim in run["claims"]
    ]
    path = Path(records, f"{chapter}.json")
    if path.is_file():
        record = read_record(path)
        claims = map(_kept, recorded_claims(record).values())
        rows += [[RECORD, *_row(claim), _grown(chapter, record["parameters"])] for claim in claims]
    columns = ["run", "claim", "says", "outcome", "text", "value", "relation", "threshold", "at"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values("claim", key=lambda items: items.map(item_order), kind="stable", ignore_index=True)


def conditions(chapter: str, records: str | os.PathLike) -> dict[str, list]:
    """What the stored runs have in common, in words -> the runs; the record, the largest, is a condition of its own.

    "all runs" comes first. Then, for each parameter of `VARIED` that differs among them, the runs with each value.
    """
    runs = [run["parameters"] for run in _runs(chapter, records)]
    found: dict[str, list] = {"all runs": list(range(len(runs)))} if runs else {}
    for name in VARIED[chapter]:
        values = [run[name] for run in runs]
        several = [value for place, value in enumerate(values) if value not in values[:place]]
        for value in sorted(several) if len(several) > 1 else ():
            told = value if isinstance(value, str) else json.dumps(value)
            found[f"{name} {told}"] = [number for number, each in enumerate(values) if each == value]
    if Path(records, f"{chapter}.json").is_file():
        found[RECORD] = [RECORD]
    return found


def shares(verdicts: pd.DataFrame, groups: Mapping[str, list]) -> pd.DataFrame:
    """In how many of the runs under each condition a claim holds.

    Parameters
    ----------
    verdicts : of `read_verdicts`
    groups : of `conditions`

    Returns
    -------
    DataFrame, a row per claim and condition with any run: ``claim``, ``says``, ``condition``, ``runs``, the ``share``
    of them in which it holds; and in how many it ``holds``, holds ``in_part``, ``fails`` and is ``undecided``
    """
    rows = []
    for item, told in verdicts.groupby("claim", sort=False):
        for condition, members in groups.items():
            outcomes = list(told.outcome[told.run.isin(members)])
            if outcomes:
                counts = [outcomes.count(word) for word in OUTCOMES]
                rows.append([item, told.says.iloc[0], condition, len(outcomes), counts[0] / len(outcomes), *counts])
    return pd.DataFrame(
        rows, columns=["claim", "says", "condition", "runs", "share", "holds", "in_part", "fails", "undecided"]
    )


def carried(table: pd.DataFrame) -> dict[str, list[str]]:
    """Which claims hold in every stored run, in none, in some; and of which the record says otherwise than all of them.

    Parameters
    ----------
    table : of `shares`
    """
    found: dict[str, list[str]] = {"every run": [], "no run": [], "some runs": [], "the record says otherwise": []}
    share = table.set_index(["condition", "claim"]).share.to_dict()
    for item in dict.fromkeys(table.claim):
        runs, record = share.get(("all runs", item)), share.get((RECORD, item))
        if runs is not None:
            found[{1: "every run", 0: "no run"}.get(runs, "some runs")].append(item)
            if record is not None and {runs, record} == {0, 1}:
                found["the record says otherwise"].append(item)
    return found


def behind(chapter: str, records: str | os.PathLike) -> str:
    """In a sentence: how many runs stand behind a chapter's map, how large, by which code, and what the record is."""
    runs = _runs(chapter, records)
    sizes = sorted({_grown(chapter, run["parameters"]) for run in runs})
    commits = sorted({short(run["commit"]) if run["commit"] else "no commit" for run in runs})
    grows = "steps" if VARIED[chapter][0] == "looked_at" else VARIED[chapter][0]
    told = f"{len(runs)} stored runs of {', '.join(f'{size:,}' for size in sizes)} {grows}"
    told = f"{told}, by the code of {', '.join(commits)}"
    path = Path(records, f"{chapter}.json")
    if not path.is_file():
        return f"{told}. No record."
    record = read_record(path)
    return f"{told}. The record: {_grown(chapter, record['parameters']):,} {grows}, {record_size_told(record)}."


def _runs(chapter: str, records: str | os.PathLike) -> list[dict]:
    path = Path(records, "sweeps", f"{chapter}.json")
    if not path.is_file():
        return []
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        runs = [{name: run[name] for name in (*_KNOWN_BY, "claims")} for run in kept["runs"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected verdicts of stored runs, got {error!r:.80}") from None
    if kept.get("schema") != SCHEMA:
        raise ValueError(f"{path}: expected {SCHEMA}, got {kept.get('schema')!r}")
    return runs


def _kept(claim: Claim) -> dict:
    """What is kept of a claim: its outcome, and those of its parts that have a number and a threshold."""
    parts = [
        [part.text, float(f"{part.value:.6g}"), part.relation, part.threshold, part.outcome]
        for part in claim.parts
        if part.value is not None and part.threshold is not None
    ]
    outcome = UNDECIDED if claim.outcome == FIRST_ROUND_OPEN else claim.outcome
    return {"item": claim.item, "says": claim.says, "outcome": outcome, "parts": parts}


def _row(kept: Mapping) -> list:
    """A claim with the first of its numbers."""
    text, value, relation, threshold, _ = kept["parts"][0] if kept["parts"] else ["", None, "", None, ""]
    return [kept["item"], kept["says"], kept["outcome"], text, value, relation, threshold]


def _grown(chapter: str, given: Mapping) -> float:
    """How large a run is, by the parameter that it grows by."""
    value = given[VARIED[chapter][0]]
    return value[-1] if isinstance(value, list) else value
