"""Figures of label distributions: what is drawn is what was given."""

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.colors import to_rgba

from layerbook.figures import common as plots
from layerbook.figures import distribution_panels as distribution_plots


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    figure.canvas.draw()
    plt.close(figure)


def lengths(ax):
    return [bar.get_width() for bar in ax.patches]


def test_bars_are_the_prediction_and_outlines_the_target(ax):
    assert distribution_plots.label_bars([0.2, 0.8], [1.0, 0.0], ax, ["cat", "dog"]) is ax
    assert lengths(ax) == [0.2, 0.8, 1.0, 0.0]
    assert [bar.get_facecolor()[3] for bar in ax.patches] == [1, 1, 0, 0]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["cat", "dog"]
    assert ax.get_xlim()[1] > 1 and ax.get_ylim()[0] > ax.get_ylim()[1], "the first label on top"


def test_bars_have_the_colour_of_the_network_and_the_target_that_of_ink(ax):
    distribution_plots.label_bars([0.2, 0.8], [1.0, 0.0], ax, colour=plots.DATA_COLOURS[1])
    assert ax.patches[0].get_facecolor()[:3] == pytest.approx(plots.DATA_COLOURS[1])
    assert ax.patches[2].get_edgecolor() == to_rgba(plots.INK)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_scene_is_shown_in_its_own_colours(ax, channels):
    image = np.random.default_rng(0).integers(256, size=(channels, 6, 5), dtype=np.uint8)
    distribution_plots.scene(image, ax)
    shown = np.asarray(ax.images[0].get_array())
    assert np.array_equal(shown, image[0] if channels == 1 else image.transpose(1, 2, 0))


def test_a_gain_is_drawn_once_for_every_way_trial_and_network(ax):
    values = {"ResNet": np.array([[[1, 0, 2], [3, 2, 4]]]), "VGG": np.array([[[-1, -2, 0], [0, -1, 1]]])}
    distribution_plots.gains(values, ["held out"], ax)
    assert [point for line in ax.lines[:2] for point in line.get_xdata()] == [1, 3, -1, 0]
    ends = [segment[:, 0].tolist() for lines in ax.collections for segment in lines.get_segments()]
    assert ends == [[0, 2], [2, 4], [-2, 0], [-1, 1]]
    assert len({y for line in ax.lines[:2] for y in line.get_ydata()}) == 4


def test_costs_are_named_on_both_sides(ax):
    distribution_plots.label_costs([[0, 1], [1, 0]], ["cat", "dog"], ax)
    for labels in (ax.get_xticklabels(), ax.get_yticklabels()):
        assert [text.get_text() for text in labels] == ["cat", "dog"]
