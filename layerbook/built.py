"""A chapter as it was last built: what its run reported, its record, and what its page shows."""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat

from layerbook.chapters import reported
from layerbook.record import read_record

PAPERS = {
    "cooperating_classifiers": "Davel et al. 2020",
    "forward_backward": "Xie & Lai 2018",
    "layer_distributions": "Cao et al. 2022",
    "filter_evolution": "Hu et al. 2018",
}
OVERVIEWS = ("performance", "robustness", "scoreboard")  # notebooks that show what others found, and claim nothing
NO_REPORT = "no report yet"
FAILED = "the run failed"

_EQUATION = re.compile(r"\$\$\s*\(([\w-]+)\)")


@dataclass(frozen=True)
class Built:
    """A chapter of a paper, as it was last built.

    Parameters
    ----------
    chapter : name of the notebook, without ``.ipynb``
    paper : authors and year
    run : what this build's run reported; None where there is none, or where it failed
    record : the record; None where there is none
    failed : whether this build's run stopped at an error
    places : what the chapter's page shows, by anchor: a figure's caption, or the section of an equation
    """

    chapter: str
    paper: str
    run: dict | None
    record: dict | None
    failed: bool
    places: dict[str, str]

    @property
    def state(self) -> str:
        """What stands in place of a claim that this build's run did not report."""
        return FAILED if self.failed else NO_REPORT


def read_built(chapter: str, executed: str | os.PathLike, records: str | os.PathLike) -> Built:
    """Read a chapter's report out of its executed notebook, and its record.

    Parameters
    ----------
    chapter : one of `PAPERS`
    executed : folder of the executed notebooks
    records : folder of the records

    Raises
    ------
    ValueError
        if the notebook is none, or the record is damaged
    """
    path, record = Path(executed, f"{chapter}.ipynb"), Path(records, f"{chapter}.json")
    full = read_record(record) if record.is_file() else None
    if not path.is_file():
        return Built(chapter, PAPERS[chapter], None, full, False, {})
    try:
        notebook = nbformat.from_dict(json.loads(path.read_text(encoding="utf-8")))
        ran, cells = notebook["metadata"]["papermill"], notebook["cells"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected a notebook that papermill ran, got {error!r}") from None
    failed = bool(ran.get("exception")) or not ran.get("end_time")
    return Built(chapter, PAPERS[chapter], None if failed else reported(notebook), full, failed, _places(cells))


def _places(cells: Sequence) -> dict[str, str]:
    places, section = {}, ""
    for cell in cells:
        text = "".join(cell.source)
        if cell.cell_type == "markdown":
            for line in text.splitlines():
                section = line.lstrip("# ") if line.startswith("#") else section
                places |= {f"equation-{name}": section for name in _EQUATION.findall(line)}
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if "name" in figure:
            places[figure["name"]] = figure.get("caption", "")
    # A table cell is no place for mathematics: what is left of it reads well enough.
    return {name: re.sub(r"\$(.+?)\$", r"\1", what) for name, what in places.items()}
