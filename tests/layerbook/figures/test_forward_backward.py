"""The figures of the chapter on forward and backward, from its record."""

import numpy as np
import pytest
import torch

from layerbook.analysis.strokes import find_strokes
from layerbook.analysis.tsne import in_the_record
from layerbook.figures import clouds, trials
from layerbook.figures import forward_backward as figures
from layerlib import load

CLASSES = [str(i) for i in range(10)]
FROM_REPORT = {
    "alignments": (lambda report: figures.alignments(report), 4),
    "target_clouds": (lambda report: clouds.target_clouds(report, CLASSES), 40),
    "separations": (lambda report: figures.separations(report, (0.9, 0.1)), 6),
    "first_layer": (lambda report: clouds.first_layer(report, CLASSES), 20),
    "feature_clouds": (lambda report: clouds.feature_clouds(report, CLASSES), 20),
    "decoder_likeness": (lambda report: figures.decoder_likeness(report), 2),
    "contrasts": (lambda report: figures.contrasts(report), 4),
    "other_networks": (lambda report: figures.other_networks(report, 100), 9),
    "trials": (lambda report: trials.trials(report), 2),
}


@pytest.fixture
def report(as_recorded):
    made = as_recorded("forward_backward")
    made.size = "smaller"  # so that the record is drawn beside
    return made


@pytest.mark.parametrize("name", FROM_REPORT)
def test_a_figure_shows_this_run_beside_the_record(name, report):
    draw, panels = FROM_REPORT[name]
    figure = draw(report)
    assert len(figure.axes) == panels and all(ax.has_data() for ax in figure.axes)


def test_pictures_of_this_run_stand_beside_those_of_the_record(report):
    figure = figures.decoder_pictures(report, np.random.default_rng(0).uniform(-1, 1, (7, 15, 28, 28)))
    assert len(figure.axes) == 14 and figure.axes[0].get_ylabel() == "image"


def test_the_lines_of_an_alignment_are_those_of_the_record(report):
    line = figures.alignments(report).axes[0].lines[0]
    expected = report.curves["alignment"].sel(layer=1, number="dot").mean("seed")
    assert line.get_ydata() == pytest.approx(expected.values)


def test_a_cloud_is_titled_with_the_numbers_of_the_first_seed(report):
    knn, silhouette = report.curves["separation_mnist"].sel(iteration=0, layer=2, cloud="targets").isel(seed=0).values
    assert clouds.target_clouds(report, CLASSES).axes[1].get_title().endswith(f"k-NN {knn:.2f}, silh. {silhouette:.2f}")


def test_the_slider_has_a_frame_for_every_step(report):
    steps = [0, 10]
    planes = {cloud: {step: torch.rand(5, 2) for step in steps} for cloud in ("targets", "features")}
    page = clouds.first_layer_slider(report, planes, torch.arange(5), CLASSES).data
    assert page.count("data:image/png") == 2 and "iteration 10" in page


def test_marked_digits_show_each_digit_and_its_guided_picture():
    images = load("mnist-mini").test.images[:20]
    rows = torch.tensor([3, 7])
    figure = figures.marked_digits(images, torch.rand(2, 28, 28), find_strokes(images), rows)
    assert len(figure.axes) == 4 and figure.axes[0].get_ylabel() == "digit"


def test_points_are_kept_as_whole_numbers_on_one_scale():
    points = torch.tensor([[0.0, 1.0], [2.0, 2.0], [float("nan"), float("nan")], [4.0, 1.0]])
    assert in_the_record(points[:2]).tolist() == [[0, 0], [999, 500]]
    assert in_the_record(points, most=2).tolist() == [[0, 0], [500, 250]]
