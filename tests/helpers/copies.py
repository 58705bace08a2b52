"""Editions of the chapters that nobody has run, and the solutions that were taken out of students' copies."""

from pathlib import Path

import nbformat

from layerbook.built import OVERVIEWS
from layerbook.editions import edition, notes_of
from layerbook.plain_markdown import Words, places_in, works_of

BOOK = Path(__file__).parents[2] / "book"
CHAPTERS = sorted(path.stem for path in BOOK.glob("*.ipynb") if path.stem not in OVERVIEWS)


class Any(dict):
    """A number for whatever name a run would give one."""

    def __contains__(self, name):
        return True

    def __missing__(self, name):
        return 0.5


def unrun(kind, name):
    """An edition of a chapter as it is kept, made-up numbers in its prose."""
    sources = {path.stem: nbformat.read(path, 4) for path in BOOK.glob("*.ipynb")}
    places = {label: says for each in sources.values() for label, says in places_in(each).items()}
    places |= {path.stem: f"*{path.stem}*" for path in [*BOOK.glob("*.md"), *BOOK.glob("*.ipynb")]}
    words = Words(Any(), places, works_of(BOOK / "references.bib"))
    return edition(kind, sources[name], words, notes_of(BOOK / "teach" / f"{name}.yaml"))


def solutions(name):
    """The code of each solution of a chapter, by the exercise's label."""
    found, label = {}, ""
    for cell in nbformat.read(BOOK / f"{name}.ipynb", 4).cells:
        if cell.cell_type == "code" and label:
            found[label] += f"{cell.source}\n"
        elif "{solution-start}" in cell.source:
            label = cell.source.rpartition("{solution-start} ")[2].split()[0]
            found[label] = ""
        elif "{solution-end}" in cell.source:
            label = ""
    return found


def filled(name):
    """A student's copy with every exercise solved as the chapter solves it."""
    notes, copy = notes_of(BOOK / "teach" / f"{name}.yaml"), unrun("student", name)
    solved = solutions(name)
    empty = [cell for cell in copy.cells if cell.source.endswith("answer = ...\n")]
    assert len(empty) == len(solved)
    for cell, (label, code) in zip(empty, solved.items(), strict=True):
        cell.source = f"{code}{notes[label]['filled']}"
    return copy
