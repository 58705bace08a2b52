"""The verdicts of runs of a sweep as the repository keeps them, beside the records: small, and naming no machine."""

import json
import os
from pathlib import Path

from layerbook.claims import Claim
from layerbook.swept import FINISHED, read_outcome
from layerlib._files import replacing

SCHEMA = "layerlib verdicts 1"
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
            claims = [compact(Claim.from_json(claim)) for claim in outcome["report"]["claims"]]
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


def read_stored(path: Path) -> list[dict]:
    """The runs that `keep_verdicts` has kept; none where there is no file.

    Raises
    ------
    ValueError
        if the file is damaged
    """
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


def compact(claim: Claim) -> dict:
    """What is kept of a claim: its outcome, and those of its parts that have a number and a threshold."""
    parts = [
        [part.text, float(f"{part.value:.6g}"), part.relation, part.to_json()["threshold"], part.outcome]
        for part in claim.parts
        if part.value is not None and part.threshold is not None
    ]
    return {"item": claim.item, "says": claim.says, "outcome": claim.outcome, "parts": parts}
