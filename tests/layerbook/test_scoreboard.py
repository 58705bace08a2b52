"""The scoreboard: what it reads from executed chapters and records, counts, and shows."""

import html
import re
from pathlib import Path

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image
from records import record

from layerbook.built import PAPERS, read_built
from layerbook.claims import Claim, judged
from layerbook.record import MIME, write_record
from layerbook.report import Report
from layerbook.scoreboard import RECORD, SIDES, THIS_RUN, Scoreboard
from layerbook.verdicts import OUTCOMES, shown, undecided

DAVEL, XIE, CAO, HU = PAPERS
BOOK = Path(__file__).parents[2] / "book"


YES, NO, OPEN = shown("a", True), shown("b", False), undecided("c", "dead")
PARTS = dict(zip(OUTCOMES, ([YES], [YES, NO], [NO], [OPEN]), strict=True))


def claim(item: str, outcome: str, here: str = "h", size: str = "smaller", **more: str) -> Claim:
    """A claim with parts that come to this outcome."""
    return judged(item, f"says {item}", f"paper {item}", here, PARTS[outcome], size, **more)


def ran(folder: Path, chapter: str, *claims: Claim, **papermill: object) -> None:
    """An executed notebook whose last cell shows a report of the claims, with a figure and an equation."""
    report = Report(chapter, "smaller", "20 pictures")
    report.claims = {each.item: each for each in claims}
    data, metadata = report._repr_mimebundle_()
    shown = new_output("display_data", data=data, metadata=metadata)
    figure = {"mystnb": {"figure": {"name": "toy-f2", "caption": "Share of $D_t$. More."}}}
    cells = [
        new_markdown_cell("# Toy\n\n## Sums\n\n$$a = b$$ (toy-e10)"),
        new_code_cell("plot", metadata=figure),
        new_code_cell("report", outputs=[shown]),
    ]
    state = {"exception": None, "end_time": "2026-01-01T00:00:00"} | papermill
    folder.mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=cells, metadata={"papermill": state}), folder / f"{chapter}.ipynb")


def recorded(folder: Path, chapter: str, *claims: Claim) -> None:
    """A record of the paper's size."""
    kept = record(*(each.to_json() for each in claims), chapter=chapter, size="paper", size_says="")
    write_record(kept, folder / f"{chapter}.json")


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """One chapter with run and record, one with a record and a failed run, one with a run, one with nothing."""
    monkeypatch.chdir(tmp_path)
    executed, records = tmp_path / "executed", tmp_path / "records"
    ran(
        executed,
        DAVEL,
        claim("10", "undecided"),
        claim("2", "holds", "x < 1", test="x < 2", figure="toy-f2"),
        claim("10b", "holds", figure="equation-toy-e10"),
    )
    recorded(records, DAVEL, claim("2", "holds in part", "x = 3", "paper"), claim("10", "fails", size="paper"))
    ran(executed, XIE, claim("20", "holds"), exception=True)
    recorded(records, XIE, claim("20", "holds", size="paper"))
    ran(executed, HU, claim("40", "fails"))
    return executed, records


@pytest.fixture
def board(folders):
    return Scoreboard(*folders)


def test_a_row_has_what_run_and_record_say(board):
    rows = board.rows()
    assert rows["claim"].tolist() == ["2", "10", "10b", "20", "", "40"]
    assert rows["paper"].tolist() == [PAPERS[name] for name in (DAVEL, DAVEL, DAVEL, XIE, CAO, HU)]
    first = rows.iloc[0]
    assert first[["says", "paper's value", "test", "anchor"]].tolist() == ["says 2", "paper 2", "x < 2", "toy-f2"]
    assert [first[name] for side in SIDES for name in (side, f"{side}: measured")] == [
        "holds in part", "x = 3", "holds", "x < 1",
    ]  # fmt: skip


def test_what_is_missing_is_said(board):
    seen = {row["claim"]: (row[SIDES[0]], row[SIDES[1]]) for row in board.rows().to_dict("records")}
    assert seen["10b"] == ("not yet recorded", "holds")
    assert seen["20"] == ("holds", "the run failed")
    assert seen[""] == ("not yet recorded", "no report yet")
    assert seen["40"] == ("not yet recorded", "fails")


def test_a_run_that_was_killed_has_failed(folders):
    ran(folders[0], HU, claim("40", "holds"), end_time=None)
    assert Scoreboard(*folders).rows().iloc[-1][SIDES[1]] == "the run failed"


def test_a_chapter_without_a_report_has_none_yet(folders):
    nbformat.write(new_notebook(metadata={"papermill": {"end_time": "now"}}), folders[0] / f"{HU}.ipynb")
    assert Scoreboard(*folders).rows().iloc[-1][SIDES[1]] == "no report yet"


def test_the_last_report_shown_is_the_one(folders):
    ran(folders[0], HU, claim("40", "fails"))
    path = folders[0] / f"{HU}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    first = notebook.cells[-1].outputs[0].copy()
    first.metadata = {MIME: {"claims": [claim("41", "holds").to_json()], "size": "paper"}}
    notebook.cells[0] = new_code_cell("report", outputs=[first])
    nbformat.write(notebook, path)
    assert Scoreboard(*folders).rows()["claim"].tolist()[-1] == "40"


def outcomes(board, side):
    return board.counts(side).T.groupby("outcome", sort=False).sum().T


def test_only_claims_fixed_beforehand_count(board):
    full, here = (outcomes(board, side) for side in SIDES)
    assert list(full.columns) == list(OUTCOMES) and list(full.index) == list(PAPERS.values())
    assert full.loc[PAPERS[DAVEL]].tolist() == [0, 1, 1, 0]
    assert here.loc[PAPERS[DAVEL]].tolist() == [1, 0, 0, 1]
    assert full.loc[PAPERS[XIE]].sum() == 1 and here.loc[PAPERS[XIE]].sum() == 0
    assert here.loc[PAPERS[CAO]].sum() == 0
    with pytest.raises(ValueError, match="side: expected one of record, this run, got 'today'"):
        board.counts("today")


def test_outcomes_are_counted_by_size(board):
    assert board.counts(RECORD).loc[PAPERS[DAVEL], ("fails", "paper")] == 1
    assert board.counts(THIS_RUN).loc[PAPERS[DAVEL], ("holds", "smaller")] == 1
    assert board.counts(THIS_RUN).loc[PAPERS[DAVEL]].sum() == 2


PAGE = """
## First round

| claim | test | superseded by |
|---|---|---|
| 2 | a | 2c |
| 10 | b |  |
| 20 | c |  |
| 40 | d |  |

## Second round

| claim | test |
|---|---|
| 2c, F3b | e |
"""


@pytest.fixture
def registered(folders):
    (folders[1].parent / "registration.md").write_text(PAGE)
    return folders


def test_rows_are_marked_by_their_round(registered):
    rows = Scoreboard(*registered).rows().set_index("claim")["round"]
    assert rows["2"] == "superseded by 2c" and rows["10"] == "first round" and rows["10b"] == "added beside"
    page = Scoreboard(*registered)._repr_html_()
    assert "<strong>1.2</strong> says 2<br><small>2; superseded by 1.2c</small><" in page, "both as the book counts"


def test_a_superseded_claim_stands_second_right_below_what_takes_its_place(registered):
    ran(registered[0], DAVEL, *(claim(item, "fails") for item in ("2", "2b", "2c", "10")))
    page = Scoreboard(*registered)._repr_html_()
    shown = re.findall(r">(?:<div class=\"(layer-superseded)\">)?<strong>(1\.\d+\w?)</strong>", page)
    assert shown[:4] == [("", "1.2b"), ("", "1.2c"), ("layer-superseded", "1.2"), ("", "1.10")]


def test_a_superseded_claim_counts_only_until_the_later_one_is_judged(registered):
    assert outcomes(Scoreboard(*registered), THIS_RUN).loc[PAPERS[DAVEL]].tolist() == [1, 0, 0, 1]
    ran(registered[0], DAVEL, *(claim(item, "fails") for item in ("2", "2b", "2c", "10", "F3b")))
    board = Scoreboard(*registered)
    assert outcomes(board, THIS_RUN).loc[PAPERS[DAVEL]].tolist() == [0, 0, 3, 0]
    assert outcomes(board, RECORD).loc[PAPERS[DAVEL]].sum() == 2
    assert board.rows()["claim"].tolist()[:5] == ["2", "2b", "2c", "10", "F3b"]


def test_run_and_record_agree_or_not(board):
    rows = board.rows().set_index("claim")["agreement"]
    assert rows["2"] == "the record says holds in part" and rows["10b"] == "not yet recorded" and rows["20"] == ""
    assert board.agreeing().loc[PAPERS[DAVEL]].tolist() == [2, 0]
    page = board._repr_html_()
    assert "x &lt; 1<br><small>the record says holds in part</small>" in page


def test_run_and_record_that_agree_are_counted(folders):
    ran(folders[0], DAVEL, claim("2", "holds in part"), claim("10", "holds"))
    board = Scoreboard(*folders)
    assert board.agreeing().loc[PAPERS[DAVEL]].tolist() == [2, 1]
    assert ">1 of 2<" in board.summary().data


def test_the_table_links_to_figures_and_sorts_verdicts_by_rank(board):
    page = board._repr_html_()
    assert f'<a href="{DAVEL}.html#toy-f2">F2</a>' in page
    assert f'<a href="{DAVEL}.html#equation-toy-e10">E10</a>' in page
    assert f'<a href="{DAVEL}.html">chapter</a>' in page
    assert f"{CAO}.html" not in page
    assert "x &lt; 1" in page and "x < 1" not in page
    body = [line for line in re.findall(r"<tr>(.*?)</tr>", page) if "<th" not in line]
    assert len(body) == len(board.rows())
    for line in body:
        keys = re.findall(r'<td data-sort="(\d)"[^>]*><details><summary><strong[^>]*>([^<]+)<', line)
        assert all(OUTCOMES[int(key)] == word for key, word in keys)
        assert len(re.findall("<td", line)) == 4
    assert sum(line.count("<details><summary><strong") for line in body) == 7


def test_each_paper_has_a_table_that_says_where_its_numbers_come_from(board):
    tables = [board.table(chapter).data for chapter in PAPERS]
    assert board._repr_html_() == "".join(tables)
    for told, table in zip(board.origins(), tables, strict=True):
        assert f">{html.escape(told)}</caption>" in table and table.count("<table") == 1
    with pytest.raises(ValueError, match="chapter: expected one of .*, got 'four_lenses'"):
        board.table("four_lenses")


def test_what_the_paper_has_and_the_test_are_folded_below_a_claim(board):
    fold = "<details><summary>paper and test</summary>The paper: paper 2<br>Test: x &lt; 2</details>"
    assert f"<strong>1.2</strong> says 2<br><small>2</small>{fold}" in board.table(DAVEL).data


def test_the_plain_text_and_the_origins_name_commit_and_size(board):
    told = repr(board)
    assert "Davel et al. 2020 1.2 (2): record: holds in part; this run: holds\n" in told
    assert "Cao et al. 2022: record: not yet recorded; this run: no report yet\n" in told
    origin = (
        "Davel et al. 2020. Record: 2025-01-02, H200, commit 0123456 with local changes, "
        "at the paper's size. This run: at a smaller size (20 pictures)."
    )
    assert board.origins()[0] == origin


def test_the_summary_tells_counts_in_words(board):
    page = board.summary().data
    assert "holds in part: 1 · fails: 1<" in page
    assert "holds: 1 · undecided: 1, at a smaller size<" in page
    assert "no report yet" in page and "the run failed" in page


def test_places_are_figures_and_equations_with_their_claims(board):
    places = board.places()
    mine = places[places["chapter"] == DAVEL]
    assert mine[["item", "what", "claims"]].to_numpy().tolist() == [
        ["E10", "Sums", "1.10b"], ["F2", "Share of D_t. More.", "1.2"],
    ]  # fmt: skip
    assert CAO not in set(places["chapter"])
    assert ">Share of D_t.<" in board.places_table().data


@settings(max_examples=25, deadline=None)
@given(holds=st.lists(st.sampled_from(OUTCOMES), max_size=12))
def test_counts_add_up_to_the_claims(tmp_path_factory, holds):
    folder = tmp_path_factory.mktemp("board")
    ran(folder, XIE, *(claim(str(item), verdict) for item, verdict in enumerate(holds)))
    counts = outcomes(Scoreboard(folder, folder), THIS_RUN).loc[PAPERS[XIE]]
    assert counts.tolist() == [holds.count(verdict) for verdict in OUTCOMES]


@pytest.mark.parametrize("text", ["<html>", "{}", "[]", '{"metadata": {}, "cells": []}'])
def test_a_file_that_is_no_executed_notebook_is_named(tmp_path, text):
    (tmp_path / f"{HU}.ipynb").write_text(text)
    with pytest.raises(ValueError, match=f"{HU}.ipynb: expected a notebook that papermill ran"):
        read_built(HU, tmp_path, tmp_path)


def test_a_damaged_record_is_named(tmp_path):
    (tmp_path / f"{HU}.json").write_text("{}")
    with pytest.raises(ValueError, match=f"{HU}.json: schema is missing"):
        read_built(HU, tmp_path, tmp_path)


def test_the_picture_of_the_readme_shows_the_records_as_they_are(tmp_path):
    # Otherwise: python tools/scoreboard_picture.py book/_static_book/scoreboard.png
    drawn = Image.open(BOOK / "_static_book" / "scoreboard.png").text["Description"]
    assert drawn == Scoreboard(tmp_path, BOOK / "records").counts(RECORD).to_csv()
