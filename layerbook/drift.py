"""What moves as the packages that the book stands on grow older and newer: a run of all chapters, kept and compared."""

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import nbformat

from layerbook.anew import ELSEWHERE
from layerbook.chapters import reported
from layerbook.provenance import versions
from layerbook.record import recorded_claims

SHOWN = ("python", "torch", "numpy", "scipy", "scikit-learn")


def kept(name: str, executed: Path) -> dict:
    """What a run of the chapters gave: versions, and each chapter's verdicts and numbers.

    Parameters
    ----------
    name : of the run, such as "newest"
    executed : folder of the executed chapters; those that failed are not in it, or have no report
    """
    told = {}
    for path in sorted(executed.glob("*.ipynb")):
        report = reported(nbformat.read(path, as_version=4))
        if report:
            outcomes = {item: claim.outcome for item, claim in recorded_claims(report).items()}
            told[path.stem] = {"claims": outcomes, "numbers": report["numbers"]}
    return {
        "name": name,
        "date": datetime.now(UTC).isoformat("T", "seconds"),
        "versions": versions(),
        "chapters": told,
    }


def page(book: Path, executed: Path) -> str:
    """The runs that are kept in ``book/drift`` beside the chapters as they were built, in Markdown."""
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((book / "drift").glob("*.json"))]
    if not runs:
        return "No weekly run is kept yet: that takes a repository whose workflows run."
    here = kept("pinned", executed)
    head = f"| run | {' | '.join(SHOWN)} | verdicts as here | numbers as here |\n|{'---|' * (len(SHOWN) + 3)}"
    rows = [_row(here, here), *(_row(run, here) for run in runs)]
    moved = [f"### {run['name'].capitalize()}, {run['date'][:10]}\n\n{_moved(run, here)}" for run in runs]
    return "\n".join([head, *rows]) + "\n\n" + "\n\n".join(moved)


def _row(run: Mapping, here: Mapping) -> str:
    same, judged = _same(run, here, "claims")
    near, counted = _same(run, here, "numbers")
    told = [run["name"], *(run["versions"].get(each, "") for each in SHOWN)]
    return f"| {' | '.join(told)} | {same} of {judged} | {near} of {counted} |"


def _same(run: Mapping, here: Mapping, kind: str) -> tuple[int, int]:
    pairs = list(_pairs(run, here, kind))
    return sum(_alike(there, value) for _, _, there, value in pairs), len(pairs)


def _pairs(run: Mapping, here: Mapping, kind: str):
    for chapter, told in here["chapters"].items():
        there = run["chapters"].get(chapter, {kind: {}})[kind]
        yield from ((chapter, key, there.get(key), value) for key, value in told[kind].items())


def _alike(there: object, value: object) -> bool:
    if isinstance(value, int | float) and isinstance(there, int | float):
        return math.isclose(there, value, rel_tol=ELSEWHERE, abs_tol=1e-9)
    return there == value


def _moved(run: Mapping, here: Mapping) -> str:
    verdicts = [
        f"| {{doc}}`{chapter}` | {item} | {value} | {'no report' if there is None else there} |"
        for chapter, item, there, value in _pairs(run, here, "claims")
        if not _alike(there, value)
    ]
    numbers = [
        f"`{key}` ({chapter}): {value:.4g}, there {there:.4g}" if isinstance(there, int | float) else f"`{key}`: gone"
        for chapter, key, there, value in _pairs(run, here, "numbers")
        if isinstance(value, int | float) and not _alike(there, value)
    ]
    table = "\n".join(["| chapter | claim | here | there |\n|---|---|---|---|", *verdicts])
    told = [table if verdicts else "No verdict moved."]
    if numbers:
        body = "\n".join(f"- {each}" for each in numbers)
        told.append(f"```{{admonition}} {len(numbers)} numbers moved\n:class: dropdown\n\n{body}\n```")
    return "\n\n".join(told)


def main(argv: Sequence[str] | None = None) -> int:
    """Keep what a run of the chapters gave."""
    parser = argparse.ArgumentParser(prog="python -m layerbook.drift")
    parser.add_argument("name", help="of the run, such as newest")
    parser.add_argument("executed", type=Path, help="folder of the executed chapters")
    parser.add_argument("out", type=Path, help="file that it is kept in")
    asked = parser.parse_args(argv)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    told = kept(asked.name, asked.executed)
    asked.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return 0 if told["chapters"] else 1


if __name__ == "__main__":
    sys.exit(main())
