import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from layerbook.drift import kept, main, page
from layerbook.record import MIME
from layerbook.report import Report, above


def executed(folder, value):
    """A chapter whose report has a number, and a claim that it is at least 1."""
    report = Report("toy", "own", "three numbers")
    report.number("size", value)
    report.claim("1", "Large", "large", "", above("size", value, 1), test="at least 1", figure="f")
    data, metadata = report._repr_mimebundle_()
    shown = new_output("execute_result", data, metadata=metadata)
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=[new_code_cell("report", outputs=[shown])]), folder / "toy.ipynb")
    assert MIME in metadata
    return folder


@pytest.fixture
def book(tmp_path):
    (tmp_path / "book" / "drift").mkdir(parents=True)
    executed(tmp_path / "here", 2.0)
    return tmp_path / "book"


def run(book, name, value):
    return main([name, str(executed(book.parent / name, value)), str(book / "drift" / f"{name}.json")])


def test_a_run_keeps_verdicts_numbers_and_versions(tmp_path):
    told = kept("newest", executed(tmp_path, 2.0))
    assert told["chapters"] == {"toy": {"claims": {"1": "holds"}, "numbers": {"size": 2.0}}}
    assert {"python", "torch", "numpy"} <= set(told["versions"])


def test_without_runs_the_page_says_so(book):
    assert "No weekly run is kept yet" in page(book, book.parent / "here")


def test_a_run_that_gives_nearly_the_same_moves_nothing(book):
    assert run(book, "newest", 2.02) == 0
    told = page(book, book.parent / "here")
    assert "No verdict moved." in told and "numbers moved" not in told
    assert told.count("1 of 1 | 1 of 1") == 2  # its own row, and that of this build


def test_what_moved_is_named_with_both_values(book):
    run(book, "oldest", 0.5)
    told = page(book, book.parent / "here")
    assert "| {doc}`toy` | 1 | holds | fails |" in told
    assert "`size` (toy): 2, there 0.5" in told
    assert "0 of 1 | 0 of 1" in told


def test_a_chapter_that_failed_there_has_no_report(book):
    (book.parent / "none").mkdir()
    assert main(["newest", str(book.parent / "none"), str(book / "drift" / "newest.json")]) == 1
    assert "no report" in page(book, book.parent / "here")
    assert json.loads((book / "drift" / "newest.json").read_text())["chapters"] == {}
