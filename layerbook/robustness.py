"""The map of verdicts: in what share of stored runs each claim holds, and how its numbers move as the run grows."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import nbformat
import pandas as pd

from layerbook.chapters import read_chapter, reported
from layerbook.claims import item_order, numbered
from layerbook.provenance import short
from layerbook.record import read_record, recorded_claims
from layerbook.recorded import record_size_told
from layerbook.stored_verdicts import compact, read_stored
from layerbook.verdicts import FAILS, HOLDS, OUTCOMES
from layerlib._checks import checked, choice, path

_MEASURED = re.compile(
    r"\[[-+−\d., ]+\]|[-+−]?\d[\d.,]*"
)  # numbers in the text of a test, which differ from run to run
BUILT, RECORD = "this book's run", "the record"
# What the map tells runs apart by: what a run grows by, of a list its last entry; then seeds, width, learning rate and
# data, as far as a chapter has them for parameters.
VARIED = {
    "cooperating_classifiers": ("epochs", "seeds", "width", "learning_rate", "hard"),
    "forward_backward": ("iterations", "seeds", "learning_rate", "hard"),
    "layer_distributions": ("epochs", "first_seed", "vgg_width", "vgg_rate", "objects"),
    "filter_evolution": ("epochs", "seed", "width", "learning_rate", "data"),
    "four_lenses": ("looked_at", "seeds", "width", "learning_rate", "data"),
}


@checked(chapter=choice(*VARIED), records=path, executed=path)
class Robustness:
    """A chapter's stored runs, this book's run of it, and its record: what came of each claim in each of them.

    Parameters
    ----------
    chapter : name of the notebook, without ``.ipynb``
    records : folder of the records
    executed : folder of the executed chapters, from which this book's run is read; None for none

    Raises
    ------
    ValueError
        for a chapter without sweeps, what is no path, or a damaged file

    Examples
    --------
    >>> Robustness("forward_backward", "records", "../_build/executed").shares().query("claim == '2.2'")
    """

    def __init__(self, chapter: str, records: str | os.PathLike, executed: str | os.PathLike | None = None):
        self.chapter = chapter
        self.stored = read_stored(Path(records, "sweeps", f"{chapter}.json"))
        kept = Path(records, f"{chapter}.json")
        self.record = read_record(kept) if kept.is_file() else None
        self.built = None if executed is None else _built(Path(executed, f"{chapter}.ipynb"))

    def verdicts(self) -> pd.DataFrame:
        """Return a row per run and claim, in a reader's order of claims.

        Columns: ``run``, its number, `BUILT` or `RECORD`; ``claim``, as the book counts, ``says``, ``outcome``; of one
        of its parts with a number, the first that does not hold in the largest run, ``text``, ``value``, ``relation``,
        ``threshold`` and, as ``part``, what came of that part; and ``at``, how large the run was, by the first of
        `VARIED`. A test is known by its text but for the numbers there; dots stand for those that differ.
        """
        runs = [(number, run["parameters"], run["claims"]) for number, run in enumerate(self.stored)]
        for run, kept in ((BUILT, self.built), (RECORD, self.record)):
            if kept:
                runs.append((run, kept["parameters"], [*map(compact, recorded_claims(kept).values())]))
        decisive: dict[str, str] = {}
        for _, _, claims in sorted(runs, key=lambda each: self._grown(each[1])):
            for claim in claims:
                parts = claim["parts"]  # of the largest run, the first that does not hold, or else the first
                decisive |= {claim["item"]: next((p[0] for p in parts if p[-1] != HOLDS), parts[0][0])} if parts else {}
        rows = [[run, *_row(claim, decisive), self._grown(given)] for run, given, claims in runs for claim in claims]
        columns = ["run", "claim", "says", "outcome", "text", "value", "relation", "threshold", "part", "at"]
        table = pd.DataFrame(rows, columns=columns)
        for _, texts in table.text[table.text != ""].groupby(table.claim):
            table.loc[texts.index, "text"] = _alike(list(texts))
        table = table.sort_values("claim", key=lambda items: items.map(item_order), kind="stable", ignore_index=True)
        return table.assign(claim=[numbered(item, self.chapter) for item in table.claim])

    def conditions(self) -> dict[str, list]:
        """Return what stored runs have in common, in words -> their numbers; this book's run and the record are apart.

        "stored runs" comes first. Then, for each parameter of `VARIED` that differs among them, those with each value
        but one that more than half of them have: those are nearly the same runs, and no condition of their own.
        """
        found: dict[str, list] = {"stored runs": list(range(len(self.stored)))} if self.stored else {}
        for name in VARIED[self.chapter]:
            values = [run["parameters"][name] for run in self.stored]
            several = [value for place, value in enumerate(values) if value not in values[:place]]
            for value in sorted(several) if len(several) > 1 else ():
                members = [number for number, each in enumerate(values) if each == value]
                if 2 * len(members) <= len(values):
                    found[f"{name.replace('_', ' ')} {_told(value)}"] = members
        return found | {run: [run] for run, kept in ((BUILT, self.built), (RECORD, self.record)) if kept}

    def shares(self) -> pd.DataFrame:
        """Return a row per claim and condition with any run that judges it.

        Columns: ``claim``, ``says``, ``condition``, ``runs``, the ``share`` of them in which it holds; and in how many
        it ``holds``, holds ``in_part``, ``fails`` and is ``undecided``.
        """
        rows, groups = [], self.conditions()
        for item, told in self.verdicts().groupby("claim", sort=False):
            says = next(iter(told.says[told.run == BUILT]), told.says.iloc[0])  # stored words may be older
            for condition, members in groups.items():
                outcomes = list(told.outcome[told.run.isin(members)])
                if outcomes:
                    counts = [outcomes.count(word) for word in OUTCOMES]
                    rows.append([item, says, condition, len(outcomes), counts[0] / len(outcomes), *counts])
        columns = ["claim", "says", "condition", "runs", "share", "holds", "in_part", "fails", "undecided"]
        return pd.DataFrame(rows, columns=columns)

    def moves(self) -> pd.DataFrame:
        """Return how the number of each claim in `verdicts` moves from the smallest runs to the largest.

        A row per claim with a number at two sizes: ``claim``, ``text``, ``smallest`` and ``largest``, the means there,
        ``relation``, ``threshold``, and ``move``. A size passes if that part of the claim holds in each of its runs.
        Where the smallest or the largest passes: "passes throughout", "passes at both ends", "comes to pass", "no
        longer passes". Where neither does, but the largest number lies where the test passes: "on its side, undecided"
        or "on its side, not in every run". Else "leaves its side", "towards the threshold", "away from it" or, if the
        distance changes by less than a fiftieth, "stays".
        """
        table, rows = self.verdicts().dropna(subset=["value"]), []
        for item, own in table.groupby("claim", sort=False):
            largest = own[own["at"] == own["at"].max()].iloc[-1]
            beyond = [_beyond(*each) for each in zip(own.value, own.relation, own.threshold, strict=True)]
            means = own.assign(beyond=beyond).groupby("at")[["value", "beyond"]].mean()
            if len(means) > 1:
                by_size = [list(parts) for _, parts in own.groupby("at").part]
                move = _passing(by_size) or _short_of(*means.beyond.iloc[[0, -1]], largest.relation, by_size[-1])
                ends = means.value.iloc[0], means.value.iloc[-1]
                rows.append([item, largest.text, *ends, largest.relation, largest.threshold, move])
        columns = ["claim", "text", "smallest", "largest", "relation", "threshold", "move"]
        return pd.DataFrame(rows, columns=columns)

    def carried(self) -> dict[str, list[str]]:
        """Return which claims hold in every run, stored, of this book or the record; in none; and in some."""
        found: dict[str, list[str]] = {"holds in every run": [], "in some": [], "in none": []}
        for item, outcomes in self.verdicts().groupby("claim", sort=False).outcome:
            holds = set(outcomes == HOLDS)
            found["in some" if len(holds) > 1 else "holds in every run" if True in holds else "in none"].append(item)
        return found

    def __str__(self) -> str:
        """How many runs there are, how large, by which code; then `carried`, a line each."""
        sizes = sorted({self._grown(run["parameters"]) for run in self.stored})
        commits = sorted({short(run["commit"]) if run["commit"] else "no commit" for run in self.stored})
        grows = "steps" if VARIED[self.chapter][0] == "looked_at" else VARIED[self.chapter][0]
        told = ["no stored runs"]
        if self.stored:
            large = " or ".join(f"{size:,}" for size in sizes)
            told = [f"{len(self.stored)} stored runs, of {large} {grows}, by the code of {', '.join(commits)}"]
        for run, kept in ((BUILT, self.built), (RECORD, self.record)):
            if kept:
                told.append(f"{run}: {self._grown(kept['parameters']):,} {grows}, {record_size_told(kept)}")
        told += [f"{how}: {', '.join(items) or 'no claim'}" for how, items in self.carried().items()]
        return "\n".join(told)

    def _grown(self, given: Mapping) -> float:
        """How large a run is, by the parameter that it grows by."""
        value = given[VARIED[self.chapter][0]]
        return value[-1] if isinstance(value, list) else value


def _beyond(value: float, relation: str, threshold: float | Sequence[float]) -> float:
    """How far a number lies on the side where its test passes; below zero where it fails."""
    if isinstance(threshold, Sequence):
        return min(value - threshold[0], threshold[1] - value)
    return value - threshold if relation in "≥>" else threshold - value


def _passing(by_size: Sequence[Sequence[str]]) -> str:
    """What becomes of a part of a claim, by its outcomes at each size; empty where it passes at neither end."""
    passed = [set(parts) == {HOLDS} for parts in by_size]
    if all(passed):
        return "passes throughout"
    if passed[0] and passed[-1]:
        return "passes at both ends"
    return "comes to pass" if passed[-1] else "no longer passes" if passed[0] else ""


def _short_of(smallest: float, largest: float, relation: str, parts: Sequence[str]) -> str:
    """What becomes of a distance beyond the threshold that passes at neither end; with the largest runs' outcomes."""
    before, now = (end > 0 or (end == 0 and relation not in "<>") for end in (smallest, largest))
    if now:
        return "on its side, not in every run" if FAILS in parts else "on its side, undecided"
    if before:
        return "leaves its side"
    if abs(largest - smallest) <= 0.02 * max(-smallest, -largest):
        return "stays"
    return "towards the threshold" if largest > smallest else "away from it"


def _built(path: Path) -> dict | None:
    """What a chapter's run reported, with the parameters that it ran with; None where there is none, or it failed."""
    if not path.is_file():
        return None
    notebook, chapter = nbformat.read(path, as_version=4), read_chapter(path)
    ran, report = notebook.metadata.get("papermill", {}), reported(notebook)
    if chapter is None or report is None or ran.get("exception"):
        return None
    defaults = {name: p.default for name, p in chapter.parameters.items()}
    return report | {"parameters": defaults | dict(ran.get("parameters", {}))}


def _told(value: object) -> str:
    """A value as a column's heading has it: of a file, its name."""
    return Path(value).stem if isinstance(value, str) else json.dumps(value)


def _alike(texts: Sequence[str]) -> str:
    """What texts say in common, word by word, with dots in place of numbers that differ."""
    words = [text.split(" ") for text in texts]
    if len({len(each) for each in words}) > 1:
        return _MEASURED.sub("…", texts[-1])
    common = " ".join(each[0] if len(set(each)) == 1 else "…" for each in zip(*words, strict=True))
    return re.sub(r"…(?: …)+", "…", common)


def _row(kept: Mapping, decisive: Mapping[str, str]) -> list:
    """A claim with its decisive number, where it has that."""
    text = decisive.get(kept["item"], "")
    parts = [part for part in kept["parts"] if part[0] == text]
    if not parts:
        alike = [part for part in kept["parts"] if _MEASURED.sub("", part[0]) == _MEASURED.sub("", text)]
        parts = alike if len(alike) == 1 else []
    number = parts[0] if parts else ["", None, "", None, ""]
    return [kept["item"], kept["says"], kept["outcome"], *number]
