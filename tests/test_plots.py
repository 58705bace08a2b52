"""Figures: what is drawn is what was given."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

from layerlib import plots  # noqa: E402


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_spread_draws_the_mean_and_the_range_of_the_seeds_and_leaves_gaps_out(ax):
    values = np.array([[1.0, 2.0, np.nan], [3.0, 6.0, np.nan]])
    assert plots.spread([10, 20, 30], values, ax, label="x") is ax
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[10, 2], [20, 4]])
    band = ax.collections[0].get_paths()[0].vertices
    assert {(10, 1), (10, 3), (20, 2), (20, 6)} <= {tuple(point) for point in band.tolist()}
    assert 30 not in band[:, 0]


def test_activation_shares_draw_one_dot_per_node_and_class_in_its_class_colour(ax):
    shares = np.random.default_rng(0).random((3, 7))
    plots.activation_shares(shares, [4, 3], ["a", "b", "c"], ax)
    dots = ax.collections[0]
    offsets, colours = dots.get_offsets(), dots.get_facecolors()
    assert len(offsets) == shares.size
    for (node, share), colour in zip(offsets, colours, strict=True):
        which = np.flatnonzero(np.isclose(100 * shares[:, int(node)], share))[0]
        np.testing.assert_allclose(colour[:3], plots.CLASS_COLOURS[which])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "out"]


def test_per_layer_counts_layers_from_one_and_stops_where_a_network_ends(ax):
    values = np.full((2, 1, 3), np.nan)
    values[0, 0, :2], values[1, 0] = [5, 4], [7, 6, 5]
    plots.per_layer(values, [2, 3], ax, title="depth")
    assert [line.get_xdata().tolist() for line in ax.lines] == [[1, 2], [1, 2, 3]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["2", "3"]


def test_systems_are_in_percent_with_the_network_dotted(ax):
    accuracy = np.array([[[0.5, 0.6]], [[0.4, 0.6]], [[0.7, 0.8]]])
    plots.systems(accuracy, 0.75, ax)
    assert [line.get_label() for line in ax.lines] == ["discrete", "continuous", "combined", "network"]
    np.testing.assert_allclose(ax.lines[2].get_ydata(), [70, 80])
    assert ax.lines[3].get_linestyle() == ":"
    np.testing.assert_allclose(ax.lines[3].get_ydata(), 75)


def test_class_histograms_draw_every_class_over_the_given_edges(ax):
    counts, edges = np.arange(8).reshape(2, 4), np.linspace(-1, 1, 5)
    plots.class_histograms(counts, edges, ["a", "b"], ax)
    assert [patch.get_data().values.tolist() for patch in ax.patches] == counts.tolist()
    np.testing.assert_allclose(ax.patches[0].get_data().edges, edges)


@pytest.mark.parametrize(("items", "at_most", "expected"), [
    (5, 5, [0, 1, 2, 3, 4]), (9, 5, [0, 2, 4, 6, 8]), (3, 5, [0, 1, 2]), (1, 4, [0]), (10, 2, [0, 9])])
def test_evenly_spreads_from_the_first_to_the_last(items, at_most, expected):
    assert plots.evenly(items, at_most) == expected
