"""The figure of the scoreboard: what is drawn is what was counted."""

from types import SimpleNamespace
from unittest.mock import Mock

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from layerbook.claims import COLOURS
from layerbook.figures.scoreboard import MARKS, SMALLER, draw, legend_entries, picture
from layerbook.scoreboard import SIDES, Scoreboard
from layerbook.verdicts import OUTCOMES, SIZES


@pytest.fixture
def board():
    """Two papers: one judged at both sizes, one not at all."""
    columns = pd.MultiIndex.from_product([OUTCOMES, SIZES], names=["outcome", "size"])
    counts = pd.DataFrame(0, index=["one", "two"], columns=columns)
    counts.loc["one", [("holds", "paper"), ("holds", "smaller"), ("undecided", "smaller")]] = [3, 2, 4]
    chapters = [SimpleNamespace(state="no report yet"), SimpleNamespace(state="the run failed")]
    return Mock(spec=Scoreboard, counts=lambda side: counts, chapters=chapters)


def test_bars_are_as_long_as_the_counts_and_hatched_where_smaller(board):
    figure, axes = plt.subplots(1, 2)
    draw(board, SIDES, axes)
    for ax, side in zip(axes, SIDES, strict=True):
        assert ax.get_title() == side
        bars = {(bar.get_x(), bar.get_width(), bar.get_hatch() == SMALLER) for bar in ax.patches if bar.get_width()}
        assert bars == {(0, 3, False), (3, 2, True), (5, 4, True)}
        assert {f"3 {MARKS['holds']}", f"2 {MARKS['holds']}", f"4 {MARKS['undecided']}"} <= {
            text.get_text() for text in ax.texts
        }
    assert "not yet recorded" in {text.get_text() for text in axes[0].texts}
    assert "the run failed" in {text.get_text() for text in axes[1].texts}
    plt.close(figure)


def test_every_outcome_has_its_own_colour_and_mark():
    assert len(set(COLOURS.values())) == len(OUTCOMES) == len(set(MARKS.values()))
    assert list(COLOURS) == list(OUTCOMES)


def test_the_legend_names_the_outcomes_that_occur_and_no_other(board):
    *entries, smaller = legend_entries(board, SIDES)
    assert [patch.get_label() for patch in entries] == [f"{MARKS[word]} {word}" for word in ("holds", "undecided")]
    assert [patch.get_facecolor() for patch in entries] == [to_rgba(COLOURS[word]) for word in ("holds", "undecided")]
    assert smaller.get_hatch() == SMALLER


def test_the_picture_of_the_front_page_counts_in_words_and_is_read_on_a_dark_page(board):
    page = picture(board).data
    assert "one: 5 holds, 4 undecided" in page and plt.get_fignums() == []
    names = [line for line in page.splitlines() if ">one</text>" in line]
    assert names and all("var(--ink-" in line for line in names)
