"""The figures of the chapter on layer distributions, from its record."""

import pytest
import torch

from layerbook.figures import early_exits
from layerbook.figures import layer_distributions as figures

FROM_REPORT = {
    "distances": 6,
    "probe_readings": 4,
    "over_epochs": 4,
    "steadiness": 2,
    "students": 4,
    "kinds": 4,
    "confused": 4,
    "thresholds": 8,
    "exit_gains": 8,
    "leaving": 4,
    "speed": 2,
}


@pytest.mark.parametrize("name", FROM_REPORT)
def test_a_figure_shows_this_run_beside_the_record(name, as_recorded):
    module = figures if hasattr(figures, name) else early_exits
    figure = getattr(module, name)(as_recorded("layer_distributions"))
    drawn = [ax for ax in figure.axes if ax.has_data()]
    assert len(figure.axes) == FROM_REPORT[name] and len(drawn) == len(figure.axes)


def test_the_lines_of_distances_are_those_of_the_record(as_recorded):
    report = as_recorded("layer_distributions")
    line = figures.distances(report).axes[0].lines[0]
    expected = report.curves["distance_resnet18"].sel(measure="W, uniform").mean("trial")
    assert line.get_ydata() == pytest.approx(expected.values)


def test_scores_of_a_way_are_those_of_the_network_and_its_gain(as_recorded):
    report = as_recorded("layer_distributions")
    table = early_exits.exit_scores(report)
    whole = report.curves["score_resnet18"].mean("trial")
    gain = report.curves["gain_resnet18"].sel(way="held out", value="difference").mean("trial")
    row = table.loc["ResNet-18", "this run", "held out"]
    assert [float(value) for value in row[:4]] == pytest.approx((whole + gain).values, abs=0.006)


def test_figures_of_samples_have_a_panel_for_each_thing_shown():
    torch.manual_seed(0)
    images = torch.randint(256, (5, 1, 8, 8), dtype=torch.uint8)
    told, truth = torch.rand(6, 5, 3).softmax(-1), torch.eye(3)[[0, 1, 2, 0, 1]]
    both = {"ResNet-18": told[:, 0], "VGG-16": told[:, 1]}
    assert len(figures.through_the_layers(images[0], both, truth[0], "abc").axes) == 10
    assert len(figures.sample_over_epochs(both, truth[0]).axes) == 10
    found = {"easy": 0, "confused": 3}
    assert len(figures.examples(images, found, torch.rand(6, 5).numpy(), told, truth, "abc", (0.2,)).axes) == 6
    assert len(figures.cost_matrix(torch.rand(3, 3), "abc").axes) == 2
