"""The map of verdicts as a reader sees it: colours follow shares, and numbers their thresholds."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from layerbook.claims import COLOURS
from layerbook.figures.robustness import SHARES, WIDE, trends, verdict_map
from layerbook.robustness import BUILT, RECORD, VARIED, Robustness

BOOK = Path(__file__).parents[3] / "book"

COLUMNS = ["run", "claim", "says", "outcome", "text", "value", "relation", "threshold", "at"]


def shares(*rows):
    names = ["claim", "says", "condition", "runs", "share", "holds", "in_part", "fails", "undecided"]
    return pd.DataFrame(rows, columns=names)


def test_a_cell_has_the_colour_of_its_share_and_its_counts_at_a_touch():
    table = shares(
        ["3", "Deep & <wide>", "all runs", 4, 0.75, 3, 0, 0, 1],
        ["3", "Deep & <wide>", RECORD, 1, 0.0, 0, 1, 0, 0],
        ["4", "Late", "all runs", 1, 1.0, 1, 0, 0, 0],
    )
    moves = [
        ["3", "cost of $5", 0.4, 0.45, "≥", 0.5, "towards the threshold"],
        ["4", "accuracy", 97, 98, "from … to", [97.5, 98.5], "comes to pass"],
    ]
    names = ["claim", "text", "smallest", "largest", "relation", "threshold", "move"]
    html = verdict_map(table, pd.DataFrame(moves, columns=names)).data
    span = r'<span tabindex="0" style="background: (#\w{6})">(\d+/\d+)<span style="display: none">(.*?)</span>'
    cells = re.findall(span, html)
    assert [(colour, short) for colour, short, _ in cells] == [
        (to_hex(SHARES(0.75)), "3/4"),
        (COLOURS["fails"], "0/1"),
        (COLOURS["holds"], "1/1"),
    ]
    assert cells[0][2] == "Claim 3, all runs: holds in 75% of 4 runs. holds: 3, undecided: 1"
    assert cells[1][2] == "Claim 3, the record: holds in 0% of 1 run. holds in part: 1"
    assert "towards the threshold<br><small>cost of $5: 0.4, then 0.45 (≥\N{NO-BREAK SPACE}0.5)</small>" in html
    assert "comes to pass<br><small>accuracy: 97, then 98 (from\N{NO-BREAK SPACE}97.5 to 98.5)</small>" in html
    assert "Deep &amp; &lt;wide&gt;" in html and html.count("<td") == 8


@pytest.fixture
def drawn():
    rows = [
        [0, "3", "s", "holds", "reading", 0.4, "≥", 0.5, 100],
        [1, "3", "s", "holds", "reading", 0.6, "≥", 0.5, 100],
        [2, "3", "s", "holds", "reading", 0.9, "≥", 0.5, 1000],
        [BUILT, "3", "s", "holds", "reading", 0.7, "≥", 0.5, 500],
        [RECORD, "3", "s", "holds", "reading", 0.95, "≥", 0.5, 10_000],
        [0, "4", "s", "holds", "cost of $5", 0.4, "<", 0.1, 100],
        [0, "5", "s", "holds", "accuracy", 97.0, "from … to", (97.5, 98.5), 100],
        [0, "6", "s", "holds", "", None, "", None, 100],
    ]
    figure = trends(pd.DataFrame(rows, columns=COLUMNS), "iterations")
    yield {ax.get_title(loc="left").partition(":")[0]: ax for ax in figure.axes if ax.get_visible()}
    plt.close(figure)


def test_a_panel_shows_runs_their_mean_this_books_run_and_the_record(drawn):
    assert list(drawn) == ["3", "4", "5"]
    dots, mean, built, record, *_ = drawn["3"].lines
    assert np.allclose(dots.get_xydata(), [[100, 0.4], [100, 0.6], [1000, 0.9]])
    assert np.allclose(mean.get_xydata(), [[100, 0.5], [1000, 0.9]])
    assert np.allclose(built.get_xydata(), [[500, 0.7]])
    assert np.allclose(record.get_xydata(), [[10_000, 0.95]])


@pytest.mark.parametrize(("item", "low", "high"), [("3", 0.5, np.inf), ("4", -np.inf, 0.1), ("5", 97.5, 98.5)])
def test_the_side_that_passes_is_shaded_to_the_edge_and_in_view(drawn, item, low, high):
    ax = drawn[item]
    [band] = ax.patches
    bottom, top = ax.get_ylim()
    assert np.allclose([band.get_y(), band.get_y() + band.get_height()], [max(low, bottom), min(high, top)])
    assert band.get_height() > 0 and all(bottom < end < top for end in (low, high) if np.isfinite(end))


def test_a_title_has_the_number_and_the_whole_text_in_lines_broken_between_words():
    text = "MNIST, rank correlation of width and length +0.00 [+0.00, +0.00]; p"
    rows = [
        [0, "1.4", "s", "fails", text, 1.0, "<", 0.05, 100],
        [0, "1.5", "s", "fails", "cost of $5", 1.0, "<", 0.05, 100],
    ]
    figure = trends(pd.DataFrame(rows, columns=COLUMNS), "epochs")
    first, second, _ = (ax.get_title(loc="left") for ax in figure.axes)
    plt.close(figure)
    assert first.replace("\n", " ") == f"1.4: {text}" and 2 <= len(first.splitlines()) <= 3
    assert max(map(len, first.splitlines())) <= WIDE and second == r"1.5: cost of \$5"


@pytest.mark.parametrize("chapter", VARIED)
def test_the_titles_of_the_books_panels_fit_and_do_not_meet(chapter):
    figure = trends(Robustness(chapter, BOOK / "records").verdicts(), "epochs")
    figure.canvas.draw()
    boxes = [ax._left_title.get_window_extent() for ax in figure.axes if ax.get_visible()]
    panels = [ax.get_window_extent() for ax in figure.axes if ax.get_visible()]
    plt.close(figure)
    assert not any(box.overlaps(other) for n, box in enumerate(boxes) for other in [*boxes[n + 1 :], *panels])


def test_head_and_claims_stay_in_view_in_the_colours_of_the_page():
    table = shares(["3", "Deep", "all runs", 1, 1.0, 1, 0, 0, 0])
    html = verdict_map(table, pd.DataFrame(columns=["claim"])).data
    assert html.count("position: sticky") == 1 and "background: var(--pst-color-background" in html
    assert ">one number, as the run grows</th>" in html


def test_claims_without_a_number_are_nothing_to_draw():
    with pytest.raises(ValueError, match="expected claims with a number"):
        trends(pd.DataFrame([[0, "6", "s", "holds", "", None, "", None, 100]], columns=COLUMNS), "epochs")
