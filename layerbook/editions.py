"""Copies of the chapters to hand out: for students, for who teaches them, and for any computer with a notebook program.

All are made of one executed chapter. Between ``{solution-start}`` and ``{solution-end}`` lies what students find
themselves. What a teacher says about an exercise is in ``book/teach/CHAPTER.yaml``, by the exercise's label.
"""

import copy
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from layerbook.built import OVERVIEWS
from layerbook.carried import carry
from layerbook.pieces import Piece, pieces
from layerbook.plain_markdown import Words, glued_in, places_in, works_of
from layerbook.plain_yaml import from_yaml

EDITIONS = ("student", "instructor", "portable")
PORTABLE = "_downloads/portable"  # where the built book has the portable ones, with the package
NOTES = {"minutes", "level", "answer", "check", "filled", "wrong", "discuss"}

_INSTALL = """\
# Install layerlib where it is missing. A PyTorch that is there stays as it is.
import importlib.util, subprocess, sys, types
from importlib.metadata import version
from pathlib import Path

if importlib.util.find_spec("layerbook") is None:
    package = [f"{wheel}[chapters]" for wheel in sorted(Path().glob("layerlib-*.whl"))] or {elsewhere}
    assert package, "put the file layerlib-*.whl beside this notebook: it came with it, or the same page offers it"
    stay = [f"{name}=={version(name)}" for name in ("torch", "torchvision") if importlib.util.find_spec(name)]
    Path("stay.txt").write_text("\\n".join(stay))
    command = [sys.executable, "-m", "pip", "install", "-q", package[-1], "-c", "stay.txt"]
    subprocess.run(command, check=True)
    Path("stay.txt").unlink()
if importlib.util.find_spec("myst_nb") is None:  # it puts numbers into the book's prose, where they are already here
    sys.modules["myst_nb"] = types.SimpleNamespace(glue=lambda *name, **how: None)
"""

# In a function, so that it leaves the chapter's names as they are. A wrong answer is no error, at which programs would
# stop before a copy has run as a whole.
_CHECK = """\
def check(answer):
    if answer is ...:
        return "Fill in the cell above, then run both again."
    try:
{}
    except AssertionError as mistake:
        return f"Not yet: {{mistake}}"
    except Exception as error:
        return f"Is it what the comment above it asks for? The check stopped: {{type(error).__name__}}, {{error}}"
    return "Right."


check(answer)
"""
_FOLDED = {"jupyter": {"source_hidden": True}, "cellView": "form"}  # for JupyterLab and Colab


def student(all_of: Sequence[Piece], notes: Mapping[str, Mapping]) -> list[NotebookNode]:
    """Solutions taken out: an empty cell for each, and a cell that checks the answer where there is a check."""
    cells, before = [], ""
    for piece in all_of:
        if piece.solves and piece.solves != before:
            note = notes.get(piece.solves, {})
            asked = note.get("answer", "").strip().replace("\n", "\n# ")
            cells.append(new_code_cell(f"# {asked}\nanswer = ...\n" if asked else "# Your turn.\n"))
            if "check" in note:
                code = _CHECK.format(textwrap.indent(note["check"].strip(), " " * 8))
                cells.append(new_code_cell(code, metadata=_FOLDED))
        if not piece.solves:
            cells.append(_without_outputs(piece.cell))
        before = piece.solves
    return cells


def instructor(all_of: Sequence[Piece], notes: Mapping[str, Mapping]) -> list[NotebookNode]:
    """Solutions with what they gave, and before each what there is to say about it."""
    cells, before = [], ""
    for piece in all_of:
        if piece.solves and piece.solves != before:
            cells.append(new_markdown_cell(_told(notes.get(piece.solves, {}))))
        cells.append(piece.cell)
        before = piece.solves
    return cells


def portable(all_of: Sequence[Piece], notes: Mapping[str, Mapping], address: str = "") -> list[NotebookNode]:
    """Everything, to be run from the top: the first cell installs what is missing, at need from the published book."""
    wheel = f"layerlib[chapters] @ {address.rstrip('/')}/{PORTABLE}/layerlib-{version('layerlib')}-py3-none-any.whl"
    cells, before = [new_code_cell(_INSTALL.replace("{elsewhere}", repr([wheel] if address else [])))], ""
    for piece in all_of:
        if piece.solves and piece.solves != before:
            cells.append(new_markdown_cell("**Solution**"))
        cells.append(_without_outputs(piece.cell))
        before = piece.solves
    return cells


def _told(note: Mapping) -> str:
    lines = ["**Solution**"]
    if "minutes" in note:
        lines.append(f"*{note['minutes']} minutes, level {note['level']} of 3*")
    lines += [f"*{what}:* {note[key].strip()}" for key, what in _TOLD.items() if key in note]
    return "\n\n".join(lines)


_TOLD = {"wrong": "What goes wrong", "discuss": "To discuss"}


def _without_outputs(cell: NotebookNode) -> NotebookNode:
    cell = copy.deepcopy(cell)
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    return cell


def notes_of(path: Path) -> dict[str, dict]:
    """What a teacher says about the exercises of a chapter, by label; nothing where there is no such file.

    Raises
    ------
    ValueError
        if it is not that
    """
    found = from_yaml(path.read_text(encoding="utf-8"), str(path)) if path.is_file() else {}
    for label, note in found.items() if isinstance(found, dict) else [(path.name, None)]:
        if not isinstance(note, dict) or set(note) - NOTES:
            raise ValueError(f"{path}: {label}: expected some of {', '.join(sorted(NOTES))}, got {note!r:.80}")
        if ("minutes" in note) != ("level" in note):
            raise ValueError(f"{path}: {label}: expected minutes and level together")
    return found


def edition(
    name: str, notebook: NotebookNode, words: Words, notes: Mapping[str, Mapping], address: str = ""
) -> NotebookNode:
    """One edition of an executed chapter.

    Parameters
    ----------
    name : one of `EDITIONS`
    notebook : with outputs
    words : what stands in place of references
    notes : as `notes_of` reads them
    address : of the published book, where there is one

    Returns
    -------
    NotebookNode

    Raises
    ------
    ValueError
        as `pieces`; and for notes about an exercise that has no solution in this chapter
    """
    all_of = list(pieces(notebook, words))
    if unknown := set(notes) - {piece.solves for piece in all_of}:
        raise ValueError(f"notes: expected labels of exercises with solutions, got {', '.join(sorted(unknown))}")
    make = {"student": student, "instructor": instructor, "portable": partial(portable, address=address)}[name]
    cells = make(all_of, notes)
    prose = (cell.source if cell.cell_type == "markdown" else str(cell.metadata) for cell in notebook.cells)
    if cited := [words.works[key] for key in words.works_in("".join(prose))]:
        cells.append(new_markdown_cell("## References\n\n" + "\n".join(f"- {a} {y}: {t}." for a, y, t in cited)))
    for place, cell in enumerate(cells):
        cell.id = f"{name}-{place:03d}"
    metadata = {key: notebook.metadata[key] for key in ("kernelspec", "language_info") if key in notebook.metadata}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def all_words(book: Path, executed: Path) -> Iterator[tuple[Path, Words]]:
    """Every executed chapter that stands by itself, and the words for what it refers to."""
    titles = {path.stem: _title(path.read_text(encoding="utf-8")) for path in book.glob("*.md")}
    sources = {path.stem: nbformat.read(path, 4) for path in sorted(book.glob("*.ipynb"))}
    titles |= {name: _title(each.cells[0].source) for name, each in sources.items()}
    pages = {page: f"*{title}*" for page, title in titles.items()}
    places = {label: says for name, each in sources.items() for label, says in places_in(each, titles[name]).items()}
    works = works_of(book / "references.bib")
    for name in sources:
        path = executed / f"{name}.ipynb"
        if name not in OVERVIEWS and path.is_file():  # which show what others found, and stand beside none
            notebook = nbformat.read(path, 4)
            yield path, Words(glued_in(notebook), pages | places | places_in(notebook), works)


def write(book: Path, executed: Path, out: Path, address: str = "") -> list[Path]:
    """Write every edition of every chapter that has run, with the records that they read.

    Parameters
    ----------
    book : folder of the chapters
    executed : folder of the executed ones
    out : folder that gets a folder for each edition
    address : of the published book, where there is one

    Returns
    -------
    list of the notebooks written

    Raises
    ------
    ValueError
        beginning with the chapter's name, as `edition`; or if no chapter has run
    """
    written = []
    for path, words in all_words(book, executed):
        notebook = nbformat.read(path, 4)
        for kind in EDITIONS:
            try:
                made = edition(kind, notebook, words, notes_of(book / "teach" / f"{path.stem}.yaml"), address)
            except ValueError as error:
                raise ValueError(f"{path.stem}: {error}") from None
            if kind == "portable":
                carry(made, book)
            target = out / kind / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(made, target)
            written.append(target)
    if not written:
        raise ValueError(f"{executed}: expected executed chapters, got none: make book")
    for kind in EDITIONS:
        for read in filter(Path.is_dir, (book / "records", book / "inspections")):
            shutil.copytree(read, out / kind / read.name, dirs_exist_ok=True)
    return written


def _title(source: str) -> str:
    return found[1].strip() if (found := re.search(r"(?m)^# +(.+)$", source)) else "this page"


def published(settings: Path) -> str:
    """The address of the published book, ``html: {baseurl: …}`` in ``_config.yml``; empty where there is none."""
    return from_yaml(settings.read_text(encoding="utf-8"), str(settings)).get("html", {}).get("baseurl", "")


if __name__ == "__main__":
    try:
        paths = write(Path("book"), Path("_build/executed"), Path("_build/editions"), published(Path("_config.yml")))
        print(*paths, sep="\n")
    except ValueError as error:
        sys.exit(f"editions: {error}")
