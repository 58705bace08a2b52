"""What the runs of a sweep reported, as one tidy table: parameters beside numbers, curves and claims."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from layerbook.curves import as_array
from layerbook.swept import read_outcome
from layerlib._files import replacing

OF_A_RUN = ("chapter", "run", "state", "error", "code", "commit", "host", "date")
OF_A_ROW = ("kind", "name", "value", "low", "high", "relation", "threshold", "threshold_high", "outcome")


def collect(folder: str | os.PathLike) -> pd.DataFrame:
    """What the runs of a folder reported, a row for each value.

    Parameters
    ----------
    folder : ``out`` of `layerbook.sweep.sweep`; runs of several chapters may lie there

    Returns
    -------
    DataFrame, whose columns are: what a run is known by (``chapter``, ``run``, ``state``, ``error``, …), the parameters
    (lists as JSON), then ``kind``, ``name``, ``value`` and the axes of curves; an axis that is called as a parameter
    is, or another column, has ``_axis`` behind its name. ``kind`` is

    - "run": the run itself, with its duration in seconds, also where it failed
    - "number": a reported number
    - "curve": one value of a curve, but for those that were not measured
    - "claim": ``outcome`` in words, ``value`` 1 for "holds", 0 for "fails", none for what lies between
    - "part": a test of the claim before it: ``value`` from ``low`` to ``high``, and the threshold, of which
      ``threshold_high`` is the upper one of two

    Raises
    ------
    ValueError
        if there is no run in the folder, or a file of one is damaged
    """
    folder = Path(folder)
    outcomes = {path.stem: read_outcome(path) for path in sorted(folder.glob("*.json"))}
    if not outcomes:
        raise ValueError(f"{folder}: expected the folder of a sweep, no run has ended there")
    taken = {*OF_A_RUN, *OF_A_ROW, *(name for kept in outcomes.values() for name in kept["parameters"])}
    parameters = list(dict.fromkeys(name for kept in outcomes.values() for name in kept["parameters"]))
    rows = [_rows(run, kept, taken) for run, kept in outcomes.items()]
    table = pd.concat(rows, ignore_index=True)
    axes = [name for name in table if name not in taken]
    return table[[*OF_A_RUN, *parameters, "kind", "name", *axes, *OF_A_ROW[2:]]]


def write(table: pd.DataFrame, folder: str | os.PathLike) -> list[Path]:
    """Write a table as ``runs.csv`` and, where pyarrow is installed, ``runs.parquet``.

    Parameters
    ----------
    table : of `collect`
    folder : where they go

    Returns
    -------
    list of Path, what was written
    """
    csv, parquet = Path(folder, "runs.csv"), Path(folder, "runs.parquet")
    with replacing(csv) as beside:
        table.to_csv(beside, index=False)
    if find_spec("pyarrow") is None:
        print("layerlib: no runs.parquet, which needs pyarrow: pip install 'layerlib[sweep]'", file=sys.stderr)
        return [csv]
    with replacing(parquet) as beside:
        table.to_parquet(beside, index=False)
    return [parquet, csv]


def _rows(run: str, kept: Mapping, taken: set[str]) -> pd.DataFrame:
    """The rows of a run; each has what the run is known by."""
    report = kept["report"] or {"numbers": {}, "curves": {}, "claims": []}
    single = [{"kind": "run", "name": "duration_s", "value": kept["duration_s"]}]
    single += [{"kind": "number", "name": name, "value": value} for name, value in report["numbers"].items()]
    for claim in report["claims"]:
        single += _claim(claim)
    frames = [pd.DataFrame(single, columns=list(OF_A_ROW))]
    frames += [_curve(name, curve, taken) for name, curve in report["curves"].items()]
    rows = pd.concat([_typed(frame) for frame in frames], ignore_index=True)
    known = {name: kept[name] for name in OF_A_RUN if name != "run"} | {"run": run}
    known |= {name: _cell(value) for name, value in kept["parameters"].items()}
    return pd.concat([pd.DataFrame({name: [value] * len(rows) for name, value in known.items()}), rows], axis=1)


def _claim(claim: Mapping) -> Iterator[dict]:
    share = {"holds": 1.0, "fails": 0.0}.get(claim["outcome"])
    yield {"kind": "claim", "name": claim["item"], "value": share, "outcome": claim["outcome"]}
    for part in claim["parts"]:
        threshold = part["threshold"] if isinstance(part["threshold"], list) else [part["threshold"]]
        yield {
            "kind": "part",
            "name": f"{claim['item']}: {part['text']}",
            **{name: part[name] for name in ("value", "low", "high", "relation", "outcome")},
            "threshold": threshold[0],
            "threshold_high": threshold[1] if len(threshold) > 1 else None,
        }


def _curve(name: str, kept: Mapping, taken: set[str]) -> pd.DataFrame:
    array = as_array(name, kept)
    array = array.rename({dim: f"{dim}_axis" for dim in array.dims if dim in taken})
    rows = array.rename("value").to_series().dropna().reset_index()
    return rows.assign(kind="curve", name=name)


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    """Measured values as float64, also where there are none."""
    return rows.assign(**{c: rows[c].astype(np.float64) for c in ("value", "low", "high", "threshold") if c in rows})


def _cell(value: object) -> object:
    """A parameter's value as one cell holds it."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else value
