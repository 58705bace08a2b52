"""Small tables of numbers beside the record's: what a paragraph would have to list."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from layerbook import _html
from layerbook.figures._drawing import draws
from layerbook.report import THIS_RUN, Report
from layerbook.verdicts import scalar

NOTHING = "–"


@dataclass(frozen=True)
class Table:
    """Texts in rows and columns, which a notebook shows as a table and a terminal as lines.

    Parameters
    ----------
    caption : above it
    groups : heads of the groups of columns, each with its number of columns; none where columns are not grouped
    heads : of the columns, that of the rows' names first
    rows : name of the row and its cells
    """

    caption: str
    groups: list[tuple[str, int]]
    heads: list[str]
    rows: list[list[str]]

    def _repr_html_(self) -> str:
        rows = [[_html.Head(name), *cells] for name, *cells in self.rows]
        return _html.table(self.heads, rows, "layerlib-numbers", self.caption, self.groups)

    def __repr__(self) -> str:
        over = [text for text, columns in self.groups for _ in range(columns)] or [""] * len(self.heads)
        heads = [", ".join(filter(None, pair)) for pair in zip(over, self.heads, strict=True)]
        lines = [heads, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        told = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
        return "\n".join([self.caption, *told])


@draws
def numbers(
    report: Report,
    caption: str,
    rows: Mapping[str, Sequence],
    columns: Mapping[str, str] | None = None,
    form: str | Mapping[str, str] = ".2f",
    named: str = "{row}_{column}",
    beside: bool = True,
) -> Table:
    """Keep numbers in a report and show them in a table, beside the record's.

    Parameters
    ----------
    report : keeps each number (`Report.number`), so that the text can glue it, too
    caption : what to see, and of what
    rows : name -> what the row is, and its numbers, one a column; NaN where there is nothing, which is not kept
    columns : name -> what the column is; without, each row has one number, which is called as the row is
    form : of the numbers, or that of each row, ``.2f`` where none is given
    named : how a number is called by the names of its row and column
    beside : whether to show the record's, which must mean the same

    Returns
    -------
    Table, with a column for this run; before it the record's, where it has any and the run is not of the paper's size

    Raises
    ------
    ValueError
        if a row has not as many numbers as there are columns, or a name is taken or no identifier

    Examples
    --------
    >>> numbers(report, "Where the layer ends", {"start": ("before training", 0.1), "end": ("at the end", 0.4)})
    >>> numbers(report, "Errors [%]", {"mlp": ("MLP", 3.1, 2.9)}, {"train": "training", "test": "test"}, ".1f")
    """
    forms = {row: form if isinstance(form, str) else form.get(row, ".2f") for row in rows}
    names = {row: [named.format(row=row, column=column) for column in columns] if columns else [row] for row in rows}
    for row, (_, *values) in rows.items():
        for name, value in zip(names[row], values, strict=True):
            if not math.isnan(scalar(value)):
                report.number(name, value, forms[row])
    wanted = [name for each in names.values() for name in each]
    recorded = beside and report.size != "paper" and any(report.recorded(name) is not None for name in wanted)
    sides = [report.record_side, THIS_RUN] if recorded else [THIS_RUN]

    def cell(name: str, side: str, row: str) -> str:
        value = report.numbers.get(name) if side == THIS_RUN else report.recorded(name)
        return NOTHING if value is None else _told(value, forms[row])

    lines = [
        [label, *(cell(name, side, row) for name in names[row] for side in sides)] for row, (label, *_) in rows.items()
    ]
    if columns and len(sides) > 1:
        return Table(caption, [("", 1), *((head, 2) for head in columns.values())], ["", *sides * len(columns)], lines)
    return Table(caption, [], ["", *(columns.values() if columns else sides)], lines)


def _told(value: float, form: str) -> str:
    """A number as text, with a minus as in print and none before zero."""
    text = format(value, form)
    zero = not float(text.rstrip("%").replace(",", ""))
    return text.removeprefix("-") if zero else text.replace("-", "−")
