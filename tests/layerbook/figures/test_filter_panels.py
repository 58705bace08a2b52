"""Figures about filters: what is drawn is what was given."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from layerbook.figures import common as plots
from layerbook.figures import filter_panels as filter_plots

LAYERS = ["conv1", "conv2", "conv3"]


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def legend(ax) -> list[str]:
    return ax.get_legend_handles_labels()[1]


def test_filters_are_drawn_in_colour_each_on_one_scale_for_all_its_steps(ax):
    filters = np.random.default_rng(0).normal(size=(4, 2, 3, 3, 3))  # steps, filters, channels, h, w
    assert filter_plots.filters_over_steps(filters, [0, 10, 20, "end"], ax) is ax
    picture = ax.images[0].get_array()
    assert picture.shape == (2 * 4, 4 * 4, 4)
    assert (picture[3] == 0).all() and (picture[0, :3, 3] == 1).all(), "the page shows between filters"
    picture = picture[..., :3]
    for i in range(2):
        low, high = filters[:, i].min(), filters[:, i].max()
        for step in range(4):
            tile = picture[4 * i : 4 * i + 3, 4 * step : 4 * step + 3]
            np.testing.assert_allclose(tile, (filters[step, i].transpose(1, 2, 0) - low) / (high - low))
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "10", "20", "end"]


def test_moves_are_grey_where_there_is_none_and_on_one_scale(ax):
    filters = np.zeros((3, 2, 3, 2, 2))
    filters[1, 0, 0, 0, 0], filters[2, 1, 2, 1, 1] = 0.1, -0.4
    filter_plots.moves_over_steps(filters + 7, [0, 1, 2], ax)
    picture = ax.images[0].get_array()[..., :3]
    np.testing.assert_allclose(picture[:2, :2], 0.5)
    np.testing.assert_allclose(picture[0, 3], [0.5 + 0.1 / 0.8, 0.5, 0.5])
    np.testing.assert_allclose(picture[4, 7], [0.5, 0.5, 0])


def test_filters_that_never_move_are_drawn_all_the_same(ax):
    filter_plots.filters_over_steps(np.ones((2, 1, 3, 2, 2)), [0, 1], ax)
    filter_plots.moves_over_steps(np.ones((2, 1, 3, 2, 2)), [0, 1], ax)
    assert all(np.isfinite(image.get_array()).all() for image in ax.images)


def test_layers_go_from_light_to_dark_and_a_second_line_has_no_label(ax):
    values = np.random.default_rng(0).random((5, 3))
    filter_plots.over_steps(range(5), values, LAYERS, ax, halved=[2])
    filter_plots.over_steps(range(5), values / 2, LAYERS, ax, linestyle=":")
    assert legend(ax) == LAYERS
    lines, mark, dotted = ax.lines[:3], ax.lines[3], ax.lines[4:]
    for i, (line, other) in enumerate(zip(lines, dotted, strict=True)):
        np.testing.assert_allclose(line.get_ydata(), values[:, i])
        assert line.get_color() == other.get_color() and other.get_linestyle() == ":"
    assert [line.get_color() for line in lines] == list(plots.depth_colours(3))
    assert list(mark.get_xdata()) == [2, 2]


def test_filters_are_ranked_within_their_layer_with_a_hundredth_of_the_median(ax):
    values = {"conv1": np.array([3.0, 1, 2]), "conv2": np.array([10.0, 40])}
    filter_plots.ranked_filters(values, ax)
    first, limit, second, other = ax.lines
    np.testing.assert_allclose(first.get_xydata(), [[100 / 6, 1], [50, 2], [500 / 6, 3]])
    np.testing.assert_allclose(second.get_ydata(), [10, 40])
    assert (limit.get_ydata()[0], other.get_ydata()[0]) == (0.02, 0.25)
    assert limit.get_color() == first.get_color() and ax.get_yscale() == "log"


def test_costs_show_every_draw_its_mean_and_the_picks(ax):
    random = np.array([[1.0, 2, 6], [0, 1, 2]])
    filter_plots.zeroing_costs(random, {"Z": [5, 4], "norm": [0.5, -1]}, ["conv1", "conv2"], ax)
    draws, means, z, norm = ax.lines[:4]
    assert draws.get_ydata().tolist() == random.ravel().tolist()
    assert draws.get_xdata().round().tolist() == [0, 0, 0, 1, 1, 1]
    assert means.get_ydata().tolist() == [3, 1]
    assert (z.get_ydata().tolist(), norm.get_ydata().tolist()) == ([5, 4], [0.5, -1])
    assert legend(ax) == ["random", "random, mean", "Z", "norm"]
    assert draws.get_color() == means.get_color() == plots.CONTROL_COLOUR
    assert z.get_color() == filter_plots.PICK_COLOURS["Z"] and norm.get_color() == filter_plots.PICK_COLOURS["norm"]


def test_orders_draw_means_with_their_intervals(ax):
    rows = {
        "VGG": {"as printed": (0.5, 0.2, 0.7, 0), "per weight": (-0.5, -0.6, -0.1, 0)},
        "ResNet": {"as printed": (0.9, 0.8, 1, 0), "per weight": (0, -0.1, 0.1, 0)},
    }
    filter_plots.orders(rows, ax)
    printed, weight = ax.containers
    assert printed.lines[0].get_xdata().tolist() == [0.5, 0.9]
    assert weight.lines[0].get_ydata().round().tolist() == [0, -1]
    ends = [segment[:, 0].tolist() for segment in weight.lines[2][0].get_segments()]
    np.testing.assert_allclose(ends, [[-0.6, -0.1], [-0.1, 0.1]])
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["VGG", "ResNet"]


def test_change_by_size_has_a_line_of_slope_1(ax):
    filter_plots.by_size({"Adam": [10, 100], "SGD": [20, 200]}, {"Adam": [1.0, 30], "SGD": [5.0, 4]}, ax)
    assert legend(ax) == ["Adam", "SGD"]
    slanted = [line for line in ax.lines if line.get_linestyle() == "--"]
    for line in slanted:
        (x0, y0), (x1, y1) = line.get_xydata()
        np.testing.assert_allclose(y1 / y0, x1 / x0)
    dots = [tuple(line.get_xydata()[0]) for line in ax.lines if line.get_marker() == "o" and len(line.get_xdata())]
    assert dots == [(10, 1), (100, 30)]


def test_scales_of_axes(ax):
    assert filter_plots.percent(ax).get_ylim() == (-0.03, 1.03)
    assert ax.yaxis.get_major_formatter()(0.25) == "25%"
    assert filter_plots.powers(ax).get_yscale() == "log"
