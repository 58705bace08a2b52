"""The figures of the chapter on layer distributions: each draws every side of what its report holds."""

import base64
import re

import matplotlib.pyplot as plt
import pytest
import torch

from layerbook.figures import early_exits, moving
from layerbook.figures import layer_distributions as figures
from layerbook.report import THIS_RUN

# Figures of the record, with the pictures of each side: one, or one a step of the slider.
FROM_REPORT = {
    "distances": 6,
    "probe_readings": 1,
    "over_epochs": 1,
    "students": 1,
    "confused": 1,
    "thresholds": 6,
    "exit_gains": 1,
    "speed": 1,
    "in_short": 1,
}
SECOND_ROUND = {"rough": 2, "settling": 2, "against_best_tap": 1}


def drawn(name, report):
    module = figures if hasattr(figures, name) else early_exits
    return getattr(module, name)(report).data


def spy(monkeypatch):
    """The figures that become markup, still open."""
    seen = []
    monkeypatch.setattr("layerbook.figures.sides.svg", lambda figure, alt: seen.append(figure) or f"<svg>{alt}</svg>")
    return seen


@pytest.mark.parametrize("name", FROM_REPORT)
def test_a_figure_shows_the_record_first_then_this_run(name, as_recorded, kept):
    page = drawn(name, as_recorded("layer_distributions"))
    first, second = page.split('data-side="')[1:]
    assert not first.startswith(THIS_RUN) and second.startswith(f'{THIS_RUN}" hidden')
    for side in (first, second):
        assert side.count('role="img"') == FROM_REPORT[name]
        assert kept(side)
        assert ('type="range"' in side) == (FROM_REPORT[name] > 1)
    assert plt.get_fignums() == []


def test_the_file_of_a_figure_has_both_networks_and_no_tap_that_one_lacks(as_recorded):
    page = drawn("students", as_recorded("layer_distributions"))
    text = base64.b64decode(re.search(r"data:text/csv;base64,([^\"]+)", page)[1]).decode()
    resnet, vgg = (line for line in text.splitlines() if ",probe to labels" in line)
    assert resnet.startswith("ResNet-18") and resnet.endswith(",,,,")
    assert vgg.startswith("VGG-16") and ",," not in vgg


def test_the_lines_of_distances_are_those_of_the_record(as_recorded, monkeypatch):
    seen, report = spy(monkeypatch), as_recorded("layer_distributions")
    figures.distances(report)
    for ax, key in zip(seen[0].axes, figures.NETWORKS.values(), strict=True):
        expected = report.curves[f"distance_{key}"].sel(measure="W, uniform").mean("trial")
        assert ax.lines[0].get_ydata() == pytest.approx(expected.values)
    plt.close("all")


def test_the_thresholds_of_the_slider_stand_out_beside_the_whole_network(as_recorded, monkeypatch):
    seen, report = spy(monkeypatch), as_recorded("layer_distributions")
    early_exits.thresholds(report)
    expected = report.curves["table_vgg16_bn"].sel(rho=0.5)
    lines = seen[0].axes[1].lines
    [marked] = [line for line in lines if line.get_marker() == "o"]
    assert marked.get_ydata() == pytest.approx(expected.values)
    assert lines[-1].get_ydata()[0] == report.numbers["last_vgg16_bn"]
    plt.close("all")


def test_one_picture_has_a_step_on_the_slider_for_both_networks_at_once():
    torch.manual_seed(0)
    image, target = torch.randint(256, (1, 8, 8), dtype=torch.uint8), torch.eye(3)[0]
    told = {"ResNet-18": torch.rand(10, 3).softmax(-1), "VGG-16": torch.rand(14, 3).softmax(-1)}
    page = figures.one_picture(image, told, target, list("abc"), "tap", "Bars").data
    assert page.count('role="img"') == figures.MOST
    assert "taps 9 and 13" in page and "data-label=\"tap 0\"" in page  # fmt: skip


def test_scenes_and_costs_have_a_panel_for_each_thing_shown():
    images = torch.randint(256, (3, 1, 8, 8), dtype=torch.uint8)
    page = figures.scenes(images, torch.tensor([[1, 0, 1], [0, 1, 0], [1, 1, 1]]), ("shoe", "3", "bag")).data
    assert page.count("data:image/png;base64") == 3 and page.count("bag") == 2
    assert "data:text/csv" in figures.cost_matrix(torch.rand(3, 3), list("abc")).data


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
        curve(f"reading_{key}", way=["slow", "fast", "grid", "untrained"], tap=range(5))
        ends = {"value": ["difference", "low", "high"]}
        curve(f"best_tap_{key}", metric=["accuracy", "CF1", "OF1", "mAP"], trial=trials, **ends)
    curve("settling", tap=[1, 4], kind=["plain", "batch norm", "auxiliary loss"], trial=trials, epoch=range(5))
    return report


@pytest.mark.parametrize("name, panels", SECOND_ROUND.items())
def test_figures_of_the_second_round_show_this_run_alone_where_there_is_no_record(name, panels, again, monkeypatch):
    seen = spy(monkeypatch)
    page = drawn(name, again)
    assert page.count("data-side=") == 1
    [figure] = seen
    assert len(figure.axes) == panels and all(ax.has_data() for ax in figure.axes)
    plt.close("all")


def test_a_trial_that_has_settled_counts_on_at_its_last_value(again, monkeypatch):
    seen, plain = spy(monkeypatch), again.curves["settling"].sel(tap=1, kind="plain")
    figures.settling(again)
    line = seen[0].axes[0].lines[0]
    assert len(line.get_ydata()) == 5
    expected = (plain.values[0, -1] + plain.values[1, -2]) / 2
    assert line.get_ydata()[-1] == pytest.approx(expected)
    plt.close("all")


def test_readings_have_a_line_for_each_way_and_one_for_guessing(again, monkeypatch):
    seen = spy(monkeypatch)
    figures.probe_readings(again)
    first, _ = seen[0].axes
    assert len(first.lines) == 5
    assert first.lines[3].get_ydata() == pytest.approx(again.curves["reading_resnet18"].sel(way="untrained").values)
    plt.close("all")


def test_drawings_say_in_words_what_they_show():
    moved = torch.tensor([[0.4, 0], [0.6, 0]])
    cost = torch.tensor([[0, 0.5], [0.5, 0]])
    page = moving.plan([0.4, 0.6], [1, 0], moved, cost).data
    assert "the work is 0.30" in page
    taps = torch.tensor([[0.4, 0.3], [0.95, 0.7], [0.95, 0.92], [0.99, 0.98]])
    page = moving.leaving(taps, s1=0.5, s2=0.9, rho=0.8).data
    told = ["0 of 0 surely: go on", "1 of 2 surely: go on", "2 of 2 surely: leave", "never computed"]
    assert [page.count(each) for each in told] == [1, 1, 1, 1]
    assert "distance 0.50" in moving.idea().data and "confused" in moving.kinds().data
    assert plt.get_fignums() == []
