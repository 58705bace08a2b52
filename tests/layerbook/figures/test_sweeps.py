"""Figures of sweeps: what is drawn is what the table holds."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from layerbook.figures.sweeps import plot


def table() -> pd.DataFrame:
    rows = [
        {"kind": "number", "name": "error", "depth": depth, "data": data, "seed": None, "value": depth * scale + seed}
        for depth in (4, 2, 8)
        for data, scale in (("easy", 1.0), ("hard", 2.0))
        for seed in (-0.5, 0.5)
    ]
    rows.append({"kind": "claim", "name": "3", "depth": 2, "data": "easy", "value": 1.0})
    return pd.DataFrame(rows)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def test_a_line_is_the_mean_and_its_band_the_range_of_the_runs():
    [ax] = plot(table().query("data == 'easy'"), "depth", "error").axes
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[2, 2], [4, 4], [8, 8]])
    band = ax.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (1.5, 8.5)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("depth", "error")


def test_each_value_of_the_hue_has_a_line_and_a_name():
    [ax] = plot(table(), "depth", "error", "data").axes
    np.testing.assert_allclose([line.get_ydata() for line in ax.lines[:2]], [[2, 4, 8], [4, 8, 16]])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["easy", "hard"]
    assert ax.lines[0].get_color() != ax.lines[1].get_color()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("depth", "eror"), "y: expected what a run reported, got 'eror': there are error"),
        (("dept", "error"), "x: expected one of depth, data, got 'dept'"),
        (("depth", "error", "seed"), "hue: expected one of depth, data, got 'seed'"),
        (("depth", "3"), "y: expected what a run reported, got '3'"),
    ],
)
def test_what_is_not_there_is_refused_by_name(arguments, message):
    before = plt.get_fignums()
    with pytest.raises(ValueError, match=message):
        plot(table(), *arguments)
    assert plt.get_fignums() == before
