"""An executed chapter in pieces: cells in plain Markdown, each with the exercise that it solves."""

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from layerbook.plain_markdown import Words, plain

SOLUTION = re.compile(r"(?ms)^```\{solution-(start|end)\} *([\w-]*)\n.*?^```[ \t]*$\n?")
_EXERCISE = re.compile(r"(?ms)^(?=```\{exercise\})")


@dataclass(frozen=True)
class Piece:
    """A cell on its way into an edition.

    Attributes
    ----------
    cell : of code or plain Markdown
    solves : label of the exercise that it is the solution of; empty outside one
    """

    cell: NotebookNode
    solves: str = ""


def pieces(notebook: NotebookNode, words: Words) -> Iterator[Piece]:
    """A chapter's cells in plain Markdown, captions below figures, and what belongs to which solution.

    Raises
    ------
    ValueError
        for a solution that begins within another or never ends, or prose that has no plain words
    """
    solves, figures = "", 0
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            yield Piece(_cleaned(cell), solves)
            caption = cell.metadata.get("mystnb", {}).get("figure", {}).get("caption")
            if caption:
                figures += 1
                yield Piece(new_markdown_cell(f"**Figure {figures}.** {plain(caption, words)}"), solves)
            continue
        prose, *marks = SOLUTION.split(cell.source)
        yield from _prose(prose, words, solves)
        for kind, label, after in zip(*[iter(marks)] * 3, strict=True):
            if (kind == "start") == bool(solves):
                raise ValueError(f"solution-{kind} {label}: expected each to end before the next begins")
            solves = label if kind == "start" else ""
            yield from _prose(after, words, solves)
    if solves:
        raise ValueError(f"solution-start {solves}: expected a solution-end, got none")


def _prose(source: str, words: Words, solves: str) -> Iterator[Piece]:
    for part in _EXERCISE.split(source):
        if part.strip():
            yield Piece(new_markdown_cell(plain(part, words)), solves)


def _cleaned(cell: NotebookNode) -> NotebookNode:
    """A cell without what ran it; of its tags those that notebook programs know."""
    cleaned = copy.deepcopy(cell)
    kept = {"tags": cell.metadata.tags} if cell.metadata.get("tags") else {}
    cleaned.metadata = nbformat.from_dict(kept)
    if cell.cell_type == "code":
        cleaned.outputs = [each for each in cell.outputs if "scrapbook" not in each.get("metadata", {})]
        for output in cleaned.outputs:
            output.pop("metadata", None) if output.output_type == "stream" else output.update(metadata={})
    return cleaned
