"""Figures: what is drawn is what was given."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from layerbook.figures import clouds, cooperating_classifiers, node_systems, trials
from layerbook.figures import common as plots
from layerbook.figures._drawing import class_colours


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
    cooperating_classifiers.activation_shares(shares, [4, 3], ["a", "b", "c"], ax)
    dots = ax.collections[0]
    offsets, colours = dots.get_offsets(), dots.get_facecolors()
    assert len(offsets) == shares.size
    for (node, share), colour in zip(offsets, colours, strict=True):
        which = np.flatnonzero(np.isclose(100 * shares[:, int(node)], share))[0]
        np.testing.assert_allclose(colour[:3], plots.CLASS_COLOURS[which])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "out"]


def test_systems_are_in_percent_with_the_network_dotted(ax):
    accuracy = np.array([[[0.5, 0.6]], [[0.4, 0.6]], [[0.7, 0.8]]])
    node_systems.systems(accuracy, 0.75, ax)
    assert [line.get_label() for line in ax.lines] == ["discrete", "continuous", "combined", "network"]
    np.testing.assert_allclose(ax.lines[2].get_ydata(), [70, 80])
    assert ax.lines[3].get_linestyle() == ":"
    np.testing.assert_allclose(ax.lines[3].get_ydata(), 75)


def test_class_histograms_draw_every_class_over_the_given_edges(ax):
    counts, edges = np.arange(8).reshape(2, 4), np.linspace(-1, 1, 5)
    node_systems.class_histograms(counts, edges, ["a", "b"], ax)
    assert [patch.get_data().values.tolist() for patch in ax.patches] == counts.tolist()
    np.testing.assert_allclose(ax.patches[0].get_data().edges, edges)


@pytest.mark.parametrize(
    ("items", "at_most", "expected"),
    [(5, 5, [0, 1, 2, 3, 4]), (9, 5, [0, 2, 4, 6, 8]), (3, 5, [0, 1, 2]), (1, 4, [0]), (10, 2, [0, 9])],
)
def test_evenly_spreads_from_the_first_to_the_last(items, at_most, expected):
    assert plots.evenly(items, at_most) == expected


def test_a_cloud_shows_every_point_in_its_class_colour_and_leaves_nan_out(ax):
    points = np.array([[0, 1], [np.nan, np.nan], [2, 3]])
    clouds.plane(points, np.array([1, 0, 12]), ax, "title")
    np.testing.assert_allclose(ax.collections[0].get_offsets(), [[0, 1], [2, 3]])
    np.testing.assert_allclose(ax.collections[0].get_facecolors()[:, :3], [class_colours(13)[i] for i in (1, 12)])
    assert ax.get_title() == "title" and not len(ax.get_xticks())


def test_the_legend_of_clouds_names_every_class(ax):
    clouds.class_legend(ax.figure, ["a", "b", "c"])
    [legend] = ax.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b", "c"]


def test_over_training_draws_each_layer_with_the_range_of_the_seeds(ax):
    values = np.arange(12.0).reshape(3, 2, 2)
    plots.over_training([0, 10, 100], values, ax)
    assert [line.get_label() for line in ax.lines] == ["1", "2"]
    np.testing.assert_allclose(ax.lines[1].get_xydata(), [[0, 2], [10, 6], [100, 10]])
    assert ax.get_xscale() == "symlog"
    plots.over_training([0, 10, 100], values, ax, linestyle=":")
    assert ax.lines[2].get_linestyle() == ":" and ax.lines[2].get_label().startswith("_")


def test_pictures_stand_in_a_row_each_on_its_own_scale(ax):
    strip = np.stack([np.eye(3), -4 * np.eye(3), np.zeros((3, 3))])
    plots.pictures(strip, ax, "label")
    [shown] = ax.images
    assert shown.get_clim() == (-1, 1) and shown.get_array().shape == (5, 15)
    assert np.nanmax(shown.get_array()) == 1 and np.nanmin(shown.get_array()) == -1
    assert ax.get_ylabel() == "label"


def test_drawn_images_are_white_where_they_are_empty(ax):
    plots.pictures(np.stack([np.eye(3)]), ax, "image", "gray_r")
    assert ax.images[0].get_clim() == (0, 1)


def test_boxes_are_drawn_around_their_pixels_red_for_crossings_and_green_for_turns(ax):
    plots.marked(np.zeros((9, 9)), [(1, 2, 3, 4)], [(5, 5, 2, 2), (0, 0, 1, 1)], ax)
    red, *greens = ax.patches
    assert red.get_bbox().bounds == (1.5, 0.5, 4, 3) and red.get_linestyle() == "-"
    np.testing.assert_allclose(red.get_edgecolor()[:3], plots.CLASS_COLOURS[3])
    assert len(greens) == 2 and all(green.get_linestyle() == "--" for green in greens)


def test_intervals_stand_below_one_another_in_the_order_given(ax):
    plots.intervals({"a": (1, 0.5, 2), "b": (3, 2, 5)}, ax)
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[1, 0], [3, -1]])
    np.testing.assert_allclose(
        [part.tolist() for part in ax.collections[0].get_segments()], [[[0.5, 0], [2, 0]], [[2, -1], [5, -1]]]
    )
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b"]


def test_trials_show_measured_value_control_threshold_and_verdict(ax):
    trials.against_controls(
        [("one", 0.4, 0.3, "wrong label", 0.2, 1, "holds"), ("two", 0.1, None, "", 0.9, 1, "fails")], ax
    )
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["one", "two"]
    marks = {(line.get_marker(), *line.get_xydata()[0]) for line in ax.lines if line.get_marker() in ("o", "D")}
    unit = 0.4, 0.9  # the largest number of each row; thresholds are at 0
    assert marks == {("o", 0.2 / unit[0], 0), ("D", (0.3 - 0.2) / unit[0], 0), ("o", (0.1 - 0.9) / unit[1], 1)}
    texts = [text.get_text() for text in ax.texts]
    assert {"0.40", "0.30 wrong label", "0.20", "holds", "0.10", "0.90", "fails"} <= set(texts)
    colours = {text.get_text(): text.get_color() for text in ax.texts}
    assert colours["0.30 wrong label"] == plots.CONTROL_COLOUR and colours["fails"] == plots.VERDICT_COLOURS["fails"]


def test_colours_of_different_things_differ():
    def rgb(colours):
        return [to_rgb(colour) for colour in colours]

    fixed = [plots.CONTROL_COLOUR, plots.BASELINE_COLOUR, plots.INK]
    for things in (
        plots.CLASS_COLOURS,
        [*plots.KIND_COLOURS, *plots.DATA_COLOURS, *fixed],
        [*plots.SYSTEM_COLOURS.values(), *fixed],
        [*plots.VERDICT_COLOURS.values(), plots.CONTROL_COLOUR],
    ):
        assert len(set(rgb(things))) == len(things)
    layers = rgb(plots.depth_colours(6))
    assert layers == sorted(layers, key=sum, reverse=True)


def test_lines_without_a_colour_take_those_of_kinds_in_turn():
    with plt.rc_context():
        plots.use_style()
        figure, ax = plt.subplots()
        lines = [ax.plot([0, 1])[0] for _ in plots.KIND_COLOURS]
        assert [to_rgb(line.get_color()) for line in lines] == [to_rgb(colour) for colour in plots.KIND_COLOURS]
        plt.close(figure)
