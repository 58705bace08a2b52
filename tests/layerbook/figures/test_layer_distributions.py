"""The figures of the chapter on layer distributions, from its record."""

import pytest
import torch

from layerbook.figures import early_exits
from layerbook.figures import layer_distributions as figures

FROM_REPORT = {
    "distances": 6,
    "probe_readings": 4,
    "over_epochs": 4,
    "students": 4,
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
    assert len(figures.examples(images, found, torch.rand(6, 5).numpy(), told, truth, "abc").axes) == 6
    assert len(figures.cost_matrix(torch.rand(3, 3), "abc").axes) == 2


@pytest.fixture
def again(as_recorded):
    """A report without a record, with curves of the second round: two trials, one that settles an epoch earlier."""
    report, random = as_recorded("layer_distributions"), torch.Generator().manual_seed(0)
    report.record = None

    def curve(name, **axes):
        report._curves.pop(name, None)
        values = torch.rand([len(along) for along in axes.values()], generator=random)
        if name == "settling":
            values[..., 1, -1] = torch.nan
        report.curve(name, values, **axes)

    trials = range(2)
    for key in figures.NETWORKS.values():
        curve(f"rough_{key}", trial=trials, tap=[1, 8], epoch=range(7))
        ends = {"value": ["difference", "low", "high"]}
        curve(f"best_tap_{key}", metric=["accuracy", "CF1", "OF1", "mAP"], trial=trials, **ends)
    curve("settling", tap=[1, 4], kind=["plain", "batch norm", "auxiliary loss"], trial=trials, epoch=range(5))
    for name in ("kinds_by_thirds", "right_by_thirds"):
        curve(name, network=list(figures.NETWORKS), kind=["easy", "ordinary", "hard", "confused"])
    return report


@pytest.mark.parametrize("name, panels", [("rough", 2), ("settling", 2), ("kinds", 2), ("against_best_tap", 1)])
def test_figures_of_the_second_round_show_this_run_alone_where_there_is_no_record(again, name, panels):
    module = figures if hasattr(figures, name) else early_exits
    figure = getattr(module, name)(again)
    assert len(figure.axes) == panels and all(ax.has_data() for ax in figure.axes)


def test_a_trial_that_has_settled_counts_on_at_its_last_value(again):
    plain = again.curves["settling"].sel(tap=1, kind="plain")
    line = figures.settling(again).axes[0].lines[0]
    assert len(line.get_ydata()) == 5
    expected = (plain.values[0, -1] + plain.values[1, -2]) / 2
    assert line.get_ydata()[-1] == pytest.approx(expected)


def test_readings_have_a_line_for_each_way_and_one_for_guessing(again):
    for key in figures.NETWORKS.values():
        again._curves.pop(f"reading_{key}")
        again.curve(f"reading_{key}", torch.rand(4, 5), way=["slow", "fast", "grid", "untrained"], tap=range(5))
    first, _ = figures.probe_readings(again).axes
    assert len(first.lines) == 5
    assert first.lines[3].get_ydata() == pytest.approx(again.curves["reading_resnet18"].sel(way="untrained").values)
