"""For the Makefile: whether a chapter must run again, and new words for an executed copy that need not.

``python -m layerbook.used look BOOK FOLDER`` writes for every chapter a digest of what its run uses,
``refresh CHAPTER EXECUTED`` takes the words of a chapter over into its executed copy,
``report EXECUTED FILE`` writes a digest of what other pages show of it. Files that would stay the same are not touched.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from layerbook.reach import PACKAGES, files_in, reached
from layerbook.record import MIME
from layerbook.recorded import read_verified
from layerbook.syntax import digest
from layerlib._files import replacing

_ADDED = "injected-parameters"  # papermill's tag for the cell that it adds
_OF_A_RUN = ("papermill", "execution")  # what a run notes in the metadata of a cell


def look(book: Path, folder: Path) -> None:
    """Write ``CHAPTER.digest`` for each chapter: of its code, what that reaches, its record and parameters, the data.

    Parameters
    ----------
    book : folder of the chapters, beside the packages
    folder : where the digests go

    Raises
    ------
    ValueError
        if a chapter is no notebook
    """
    files = files_in(book.parent)
    data = [
        digest(path.read_bytes().hex())
        for package in PACKAGES
        for path in sorted((book.parent / package).rglob("*.npz"))
    ]
    for chapter in sorted(book.glob("*.ipynb")):
        beside = [book / "records" / f"{chapter.stem}.json", book / "parameters" / f"{chapter.stem}.yaml"]
        texts = [path.read_text(encoding="utf-8") if path.is_file() else "" for path in beside]
        code = [_to_run(cell) for cell in _notebook(chapter)["cells"] if cell["cell_type"] == "code"]
        if chapter.stem == "your_network":
            texts += [digest(path.read_bytes().hex()) for path in sorted((book / "inspections").glob("*.npz"))]
        texts.append(json.dumps(read_verified(book / "records").get(chapter.stem)))
        uses = sorted(reached(chapter.read_text(encoding="utf-8"), files))
        _write(folder / f"{chapter.stem}.digest", digest(json.dumps(code), *texts, *data, *uses))


def refresh(chapter: Path, executed: Path) -> bool:
    """Take the words and the metadata of a chapter over into its executed copy, beside and then renamed.

    Parameters
    ----------
    chapter : the notebook as it is now
    executed : the copy with outputs, of an earlier wording

    Returns
    -------
    bool; False, and nothing is written, where the copy ran other code

    Raises
    ------
    ValueError
        if one of the two is no notebook
    """
    new, old = _notebook(chapter), _notebook(executed)
    ran = [cell for cell in old["cells"] if cell["cell_type"] == "code"]
    added = [_ADDED in _tags(cell) for cell in ran]
    outputs = iter([cell for cell, extra in zip(ran, added, strict=True) if not extra])
    if [_to_run(cell) for cell, extra in zip(ran, added, strict=True) if not extra] != [
        _to_run(cell) for cell in new["cells"] if cell["cell_type"] == "code"
    ]:
        return False
    cells = []
    for cell in new["cells"]:
        if cell["cell_type"] == "code":
            before = next(outputs)
            notes = {name: before["metadata"][name] for name in _OF_A_RUN if name in before["metadata"]}
            cell = {**before, "metadata": {**cell["metadata"], **notes}}
        cells.append(cell)
        if "parameters" in _tags(cell):
            cells += [each for each, extra in zip(ran, added, strict=True) if extra]
    whole = {**old, "cells": cells, "metadata": {**old["metadata"], **new["metadata"]}}
    with replacing(executed) as beside:
        beside.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return True


def report(executed: Path, path: Path) -> None:
    """Write a digest of what the scoreboard reads in an executed chapter: its report, captions, places of equations.

    Raises
    ------
    ValueError
        if the chapter is no notebook
    """
    notebook = _notebook(executed)
    shown: list[object] = [bool(notebook["metadata"].get("papermill", {}).get("exception"))]
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            shown.append(cell["metadata"].get("mystnb"))
            shown += [output["metadata"][MIME] for output in cell["outputs"] if MIME in output.get("metadata", {})]
        else:
            shown += [line for line in _source(cell).splitlines() if line.startswith("#") or "$$" in line]
    _write(path, digest(json.dumps(shown, sort_keys=True)))


def _notebook(path: Path) -> dict:
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            cell["source"], cell["metadata"], cell["cell_type"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected a notebook, got {error!r}") from None
    return notebook


def _source(cell: dict) -> str:
    return "".join(cell["source"])


def _tags(cell: dict) -> list[str]:
    return cell["metadata"].get("tags", [])


def _to_run(cell: dict) -> list:
    """What of a code cell its run depends on: captions and the like do not count."""
    return [_source(cell), _tags(cell)]


def _write(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        with replacing(path) as beside:
            beside.write_text(text, encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Run one of the three; 0 for done, 1 where an executed copy needs more than new words."""
    command, first, second = arguments
    return 1 if {"look": look, "refresh": refresh, "report": report}[command](Path(first), Path(second)) is False else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
