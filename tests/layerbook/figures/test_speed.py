"""What the benchmarks measured, drawn and tabulated."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from layerbook.figures.speed import (
    against_limits,
    against_peers,
    at_their_size,
    growing,
    growth_rates,
    in_page,
    measured_rows,
)

SPREAD = {"median": 4.0, "low": 3.0, "high": 6.0}
ROWS = [
    {
        "name": "first, of 10",
        "peer": "theirs",
        "ms": SPREAD,
        "times_peer": SPREAD,
        "times_peer_busy": SPREAD,
        "mb": 3.0,
    },
    {"name": "second, of 10, against this", "peer": "this", "ms": SPREAD, "times_peer": SPREAD, "times_limit": SPREAD},
    {"name": "second, of 10, against that", "peer": "that", "ms": SPREAD, "times_peer": SPREAD, "times_limit": SPREAD},
    {"name": "third, of 10", "ms": SPREAD, "times_limit": SPREAD, "apart": 1e-9},
]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def table(rows):
    return pd.json_normalize(rows).set_index("name")


def labels(figure):
    return [each.get_text() for each in figure.axes[0].texts]


def test_each_task_with_a_peer_has_a_line_with_what_it_was_before():
    figure = against_peers(table(ROWS), table([{"name": "first, of 10", "times_peer": {"median": 2.0}}]))
    assert labels(figure) == ["first, of 10: theirs", "second, of 10: this", "second, of 10: that"]
    before = next(line for line in figure.axes[0].lines if line.get_label() == "release before")
    assert before.get_xdata()[0] == 2 and np.isnan(before.get_xdata()[1:]).all()
    [bars] = figure.axes[0].containers
    assert [segment[:, 0].tolist() for segment in bars[2][0].get_segments()] == [[3, 6]] * 3


def test_what_is_held_against_several_peers_has_one_limit():
    assert labels(against_limits(table(ROWS))) == ["second, of 10", "third, of 10"]


GROWTH = {
    "one, samples, 10": {"seconds": 1.0, "mb": 5.0},
    "one, samples, 100": {"seconds": 100.0, "mb": 7.0},
    "two, nodes, 10": {"seconds": 2.0, "mb": 3.0},
    "two, nodes, 1000": {"seconds": 20.0, "mb": 1.0},
}


def test_growth_has_a_panel_an_axis_and_a_line_an_instrument():
    figure = growing(GROWTH)
    assert [ax.get_xlabel() for ax in figure.axes] == ["samples", "nodes"]
    assert figure.axes[0].lines[0].get_ydata().tolist() == [1, 100]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two"]


def test_growth_is_told_as_a_power_with_the_most_memory():
    assert growth_rates(GROWTH).rows == [["one", "2.0", "–", "7"], ["two", "–", "0.5", "3"]]


def test_a_table_says_nothing_where_nothing_was_measured():
    shown = measured_rows(table(ROWS), table([{"name": "third, of 10", "times_peer": {"median": 2.0}}]))
    assert shown.rows[0] == ["first, of 10", "4.0", "theirs", "4.0", "4.0", "–", "–", "–", "–", "3", "–"]
    assert shown.rows[3] == ["third, of 10", "4.0", "–", "–", "–", "2.0", "–", "–", "4.0", "–", "1e-09"]


def test_bytes_and_operations_stand_in_units_that_can_be_read():
    shown = measured_rows(table([ROWS[0] | {"bytes": 6_480_000, "operations": 2.1e9}, *ROWS[1:]]), table(ROWS))
    at = shown.heads.index("bytes")
    assert shown.heads[at : at + 2] == ["bytes", "operations"] and shown.rows[0][at : at + 2] == ["6.5 M", "2.1 G"]
    assert shown.rows[1][at : at + 2] == ["–", "–"]


def test_a_gpu_that_was_visited_has_a_column_beside_the_milliseconds():
    visit = table([{"name": "third, of 10", "gpu_ms": {"median": 0.25}}, {"name": "gone", "gpu_ms": {"median": 9.0}}])
    shown, without = measured_rows(table(ROWS), table(ROWS), visit), measured_rows(table(ROWS), table(ROWS))
    at = shown.heads.index("ms, GPU")
    assert at == shown.heads.index("ms") + 1 and [row[at] for row in shown.rows] == ["–", "–", "–", "0.2"]
    assert [row[:at] + row[at + 1 :] for row in shown.rows] == without.rows and "ms, GPU" not in without.heads


def test_networks_stand_beside_the_passes_they_need():
    points = {"ResNet, inspect": {"seconds": 30.0, "mb": 1500.0}, "ResNet, passes": {"seconds": 20.0, "mb": 9.0}}
    found = at_their_size(points)
    assert found.rows == [["ResNet", "30", "20", "1.50", "1,500"]]


@pytest.mark.parametrize("draw", [against_peers, measured_rows])
def test_what_is_no_table_is_refused(draw):
    with pytest.raises((TypeError, ValueError), match="rows: expected"):
        draw([1], table(ROWS))


def test_a_figure_in_the_page_brings_its_numbers():
    rows = table(ROWS)
    page = in_page(against_peers(rows, rows), rows.filter(like="times_peer."), "what it shows", "peers").data
    assert '<svg role="img" aria-label="what it shows' in page and "times_peer.median" in page
    assert not plt.get_fignums()
