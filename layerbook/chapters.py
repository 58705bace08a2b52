"""The chapters of a book: notebooks with a cell of parameters, and what a run of one reported."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from layerbook.parameters import Parameter, read_parameters
from layerbook.record import MIME

STORE = "store"  # what chapters call the folder of their stored trainings


class CellFailed(Exception):
    """A cell of a chapter raised; the message names the cell, and the executed notebook was kept."""


class Interrupted(Exception):
    """A run was stopped from outside; the message says how far it came, and where that is kept."""


@dataclass(frozen=True)
class Chapter:
    """A notebook that can be run again: its path, first heading, and parameters by name."""

    path: Path
    title: str
    parameters: dict[str, Parameter]


def read_chapter(path: Path) -> Chapter | None:
    """Read a notebook's title and parameters; None where no cell is tagged ``parameters``.

    Raises
    ------
    ValueError
        if the file is not a notebook, or its parameters are no Python; the message begins with the path
    """
    cells = _cells(path)
    tagged = [source for kind, source, tags in cells if kind == "code" and "parameters" in tags]
    if not tagged:
        return None
    headings = (re.search(r"^#+ +(.+)$", source, re.M) for kind, source, _ in cells if kind == "markdown")
    heading = next(filter(None, headings), None)
    try:
        # papermill takes the first such cell.
        return Chapter(path, heading[1].strip() if heading else path.stem, read_parameters(tagged[0]))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def chapters(book: Path) -> tuple[dict[str, Chapter], dict[str, str]]:
    """Return the chapters of a book by name, and what is wrong with each notebook there that cannot be read."""
    found, broken = {}, {}
    for path in sorted(book.glob("*.ipynb")):
        try:
            found[path.stem] = read_chapter(path)
        except (ValueError, OSError) as error:
            broken[path.stem] = str(error)
    return {name: chapter for name, chapter in found.items() if chapter is not None}, broken


def _cells(path: Path) -> list[tuple[str, str, list[str]]]:
    """Kind, source and tags of each cell; of notebooks as they are written since 2014 (format 4)."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not a notebook: {str(error).splitlines()[0]}") from None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or not isinstance(notebook.get("metadata"), dict):
        raise ValueError(f"{path}: not a notebook: expected cells and metadata")
    return [_cell(cell, f"{path}: not a notebook: cells[{place}]") for place, cell in enumerate(cells)]


def _cell(cell: object, where: str) -> tuple[str, str, list[str]]:
    if not isinstance(cell, dict):
        raise ValueError(f"{where}: expected an object, got {cell!r:.80}")
    source, metadata = cell.get("source"), cell.get("metadata", {})
    lines = source if isinstance(source, list) else [source]
    if not all(isinstance(line, str) for line in lines):
        raise ValueError(f"{where}: source: expected text, got {source!r:.80}")
    tags = metadata.get("tags", []) if isinstance(metadata, dict) else None
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise ValueError(f"{where}: tags: expected a list of text, got {tags!r:.80}")
    return str(cell.get("cell_type")), "".join(lines), tags


def run(
    chapter: str,
    values: Mapping[str, object] | None = None,
    *,
    size: str = "small",
    out: str | os.PathLike | None = None,
    book: str | os.PathLike | None = None,
) -> dict | None:
    """Run a chapter with other values, as ``layerlib run`` does, and return what it reported.

    Parameters
    ----------
    chapter : name of the notebook, without ``.ipynb``
    values : of its parameters; a file is looked for where you are
    size : "small", or "full": what is not named has the values of ``parameters/CHAPTER.yaml``
    out : the executed notebook; by default ``_build/runs/CHAPTER.SIZE.ipynb`` beside the book
    book : folder of the chapters; by default ``./book``

    Returns
    -------
    dict with ``numbers``, ``curves`` and ``claims``, as a record keeps them; None where it showed no report

    Raises
    ------
    ValueError
        if anything is wrong with what was asked for; nothing has run then
    CellFailed, Interrupted
        as `layerbook.running.execute`

    Examples
    --------
    >>> from layerbook.chapters import run
    >>> run("cooperating_classifiers", {"depth": 8}, out="deeper.ipynb")["numbers"]["agnostic_early"]
    """
    from layerbook.asked import chapter_of, wanted  # which reads chapters with this module
    from layerbook.places import check_writable, find_book, from_here, out_path
    from layerbook.running import execute

    home = find_book(None if book is None else Path(book))
    found = chapter_of(home, chapter)
    asked = wanted(found, {name: from_here(value, home) for name, value in (values or {}).items()}, size, home)
    path = out_path(None if out is None else Path(out), size, home, found.path)
    check_writable(path, None)
    return reported(execute(found, asked, path))


def reported(notebook: object) -> dict | None:
    """Return what the last report displayed in an executed notebook carries; None where there is none."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    found = [output.metadata[MIME] for output in outputs if MIME in output.get("metadata", {})]
    return found[-1] if found else None
