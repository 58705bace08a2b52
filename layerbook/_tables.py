"""The table of a report: as markup, as text, and as a frame."""

import textwrap
from collections.abc import Mapping, Sequence

import pandas as pd

from layerbook import _html
from layerbook.claims import NOT_RECORDED, Claim, agreement, numbered

HEADS = ("claim", "says", "paper", "test", "record", "this run", "agreement")

Row = tuple[Claim, Claim | None]  # as reported here, and as recorded


def report_html(chapter: str, rows: Sequence[Row], caption: str, marks: Mapping[str, str]) -> str:
    """The claims with their verdicts here and in the record; under each number its item, and what ``marks`` says.

    What is superseded stands below what takes its place, and is second to it.
    """
    by_item = {here.item: (here, full) for here, full in rows}
    lines = []
    for item in under_successors(list(by_item), marks):
        here, full = by_item[item]
        mark = marks.get(item, "")
        verdicts = [_html.markup(NOT_RECORDED) if full is None else _html.badge(full), _html.badge(here)]
        cells = [claim_cell(item, chapter, mark), _details(here, full), *verdicts]
        lines.append([second(cell) for cell in cells] if successor(mark) in by_item else cells)
    below = _html.Html(f"<p>{_html.small(caption)}</p>")
    heads = ["claim", "says", "record", "this run"]
    return _html.joined(_html.table(heads, lines, "layerlib-report layer-claims"), below, by="")


def successor(mark: str) -> str:
    """The item that takes the place of the one of which a registration says ``mark``; empty where none does."""
    return mark.partition("superseded by ")[2]


def under_successors(items: Sequence[str], marks: Mapping[str, str]) -> list[str]:
    """Items in their order, but for those that others supersede, which stand right below these where they are there."""
    below: dict[str, list[str]] = {}
    for item in items:
        later = successor(marks.get(item, ""))
        if later and later in items:
            below.setdefault(later, []).append(item)
    moved = {item for each in below.values() for item in each}
    return [each for item in items if item not in moved for each in (item, *below.get(item, []))]


def second(cell: _html.Html) -> _html.Html:
    """A cell of a row that is second to the one above it."""
    return _html.Html(f'<div class="layer-superseded">{cell}</div>')


def claim_cell(item: str, chapter: str, mark: str) -> _html.Html:
    """The number by chapter of a claim, under it the one that it is registered by, and what is said of that."""
    told = numbered(item, chapter)
    if later := successor(mark):
        mark = f"superseded by {numbered(later, chapter)}"
    return _html.joined(told, _html.small("; ".join(filter(None, (item if told != item else "", mark)))))


def board_cell(claim: Claim, chapter: str, mark: str) -> _html.Html:
    """Number and words of a claim, under them how it is registered; on opening what the paper has, and the test."""
    number, _, registered = claim_cell(claim.item, chapter, mark).partition("<br>")
    words = _html.Html(f"<strong>{number}</strong> {_html.markup(claim.says)}")
    told = {"The paper": claim.paper, "Test": claim.test}
    rest = _html.joined(*(f"{name}: {text}" for name, text in told.items() if text))
    fold = f"<details><summary>paper and test</summary>{rest}</details>"
    return _html.Html(_html.joined(words, _html.Html(registered)) + fold)


def _details(here: Claim, full: Claim | None) -> _html.Html:
    """What a claim says in one line, and on opening what the paper has, the test, and what was measured."""
    told = {"The paper": here.paper, "Test": here.test}
    for where, claim in (("Record", full), ("This run", here)):
        if claim:
            told |= {where: claim.here, f"{where} undecided because": claim.reason}
    rest = "".join(f"<dt>{name}</dt><dd>{_html.markup(text)}</dd>" for name, text in told.items() if text)
    agrees = _html.markup(agreement(here, full))
    summary = f"<summary>{_html.markup(here.says)}</summary>"
    return _html.Html(f"<details>{summary}<dl>{rest}</dl><small>This run: {agrees}.</small></details>")


def report_text(chapter: str, rows: Sequence[Row], caption: str) -> str:
    """The same in lines of at most 100 characters."""
    lines = [f"{chapter}: {len(rows)} claims"]
    for item, says, *values in report_frame(rows).itertuples(index=False):
        told = numbered(item, chapter)
        told += f" ({item})" if told != item else ""
        lines += textwrap.wrap(f"{told}. {says}", 100, subsequent_indent="   ")
        for head, text in zip(HEADS[2:], values, strict=True):
            if text:
                lines += textwrap.wrap(f"{head}: {text}", 100, initial_indent="   ", subsequent_indent="      ")
    return "\n".join([*lines, caption])


def report_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """A row a claim."""
    told = [
        [here.item, here.says, here.paper, here.test, _measured(full), _measured(here), agreement(here, full)]
        for here, full in rows
    ]
    return pd.DataFrame(told, columns=list(HEADS))


def _measured(claim: Claim | None) -> str:
    return f"{claim.verdict}: {claim.here}" if claim else NOT_RECORDED
