"""Small tables: every number of this run and of the record stands in its place, and is kept for the text."""

import re

import pytest
from records import record

from layerbook.figures.tables import numbers
from layerbook.record import write_record
from layerbook.report import Report

ROWS = {"dot": ("dot product", 0.123, 4), "cosine": ("cosine", 0.5, float("nan"))}
COLUMNS = {"start": "before", "end": "after"}


@pytest.fixture
def report(tmp_path):
    """A report beside a record that knows three of the numbers."""
    known = {"dot_start": 0.2, "dot_end": 3.0, "cosine_end": 0.9}
    write_record(record() | {"numbers": known}, tmp_path / "toy.json")
    return Report("toy", "smaller", record=tmp_path / "toy.json")


def cells(table):
    """Texts of the table's body, line by line."""
    page = table._repr_html_()
    body = page[page.index("<tbody>") :]
    return [re.findall(r"<t[dh][^>]*>([^<]*)</t[dh]>", line) for line in re.findall(r"<tr>.*?</tr>", body)]


def test_numbers_of_this_run_and_of_the_record_stand_side_by_side(report):
    table = numbers(report, "Both", ROWS, COLUMNS, {"dot": ".1f"})
    assert cells(table) == [["dot product", "0.2", "0.1", "3.0", "4.0"], ["cosine", "–", "0.50", "0.90", "–"]]
    assert table.groups == [("", 1), ("before", 2), ("after", 2)]
    assert table.heads == ["", *[report.record_side, "this run"] * 2]


def test_numbers_are_kept_under_the_names_of_row_and_column(report):
    numbers(report, "Both", ROWS, COLUMNS)
    assert report.numbers == {"dot_start": 0.123, "dot_end": 4, "cosine_start": 0.5}
    numbers(report, "Turned", {"a": ("A", 1.0, 2.0)}, COLUMNS, named="{column}_of_{row}")
    assert report.numbers["end_of_a"] == 2.0


def test_without_columns_a_row_names_its_number(report):
    table = numbers(report, "One", {"dot_start": ("dot product", 0.5)}, form=".0%")
    assert (table.heads, cells(table)) == (["", report.record_side, "this run"], [["dot product", "20%", "50%"]])


def test_without_a_record_or_at_the_papers_size_there_is_one_side(report):
    [row] = cells(numbers(report, "New", {"other": ("another", 1.0)}))
    assert row == ["another", "1.00"]
    report.size = "paper"
    assert cells(numbers(report, "Both", ROWS, COLUMNS))[0] == ["dot product", "0.12", "4.00"]


def test_the_table_says_what_it_is_of_to_those_who_hear_it(report):
    page = numbers(report, "Both & more", ROWS, COLUMNS)._repr_html_()
    assert 'aria-label="Both &amp; more"' in page and ">Both &amp; more</caption>" in page
    assert page.count('scope="row"') == 2 and page.count('scope="colgroup"') == 2 and page.count('scope="col"') == 4
    assert not re.search(r"<th[^>]*></th>", page)


def test_as_text_each_column_says_its_side(report):
    lines = repr(numbers(report, "Both", ROWS, COLUMNS)).splitlines()
    assert (
        lines[0] == "Both"
        and "before, this run" in lines[1]
        and lines[2].split() == ["dot", "product", "0.20", "0.12", "3.00", "4.00"]
    )


def test_a_row_with_too_few_numbers_is_refused(report):
    with pytest.raises(ValueError):
        numbers(report, "Short", {"dot": ("dot product", 1.0)}, COLUMNS)


def test_a_record_that_means_something_else_is_not_shown(report):
    assert numbers(report, "Both", ROWS, COLUMNS, beside=False).heads == ["", "before", "after"]


def test_a_minus_is_printed_as_one_and_zero_has_none(report):
    rows = {"low": ("low", -0.25), "zero": ("zero", -0.001), "share": ("share", -0.5)}
    table = numbers(report, "Signs", rows, form={"low": "+.2f", "share": ".0%"})
    assert [row[1] for row in table.rows] == ["−0.25", "0.00", "−50%"]
