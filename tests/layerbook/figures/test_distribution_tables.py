"""The small tables of the chapter on layer distributions: each number is kept under its name, and shown in its row."""

import pytest
import torch

from layerbook.figures import distribution_tables as tables
from layerbook.report import Report
from layerbook.verdicts import above

BOTH = "ResNet-18", "VGG-16"


@pytest.fixture
def report(tmp_path, monkeypatch):
    """A report without a record."""
    monkeypatch.chdir(tmp_path)
    return Report("toy")


def test_scores_are_means_of_the_trials_in_percent(report):
    trials = [{"accuracy": 0.5, "map": 0.7}, {"accuracy": 0.7, "map": 0.9}]
    table = tables.networks(report, {"ResNet-18": trials, "VGG-16": trials[:1]})
    assert table.rows == [["ResNet-18", "60.0", "80.0"], ["VGG-16", "50.0", "70.0"]]
    assert report.numbers["vgg16_bn_map"] == 70


def test_without_a_cost_of_meaning_its_order_is_left_out(report):
    near = {name: torch.tensor([0.9, 0.2]).double() for name in BOTH}
    tables.ends(report, {"ResNet-18": {"W, meaning": 0.8}, "VGG-16": {}}, near, torch.tensor(1.0).double())
    assert report.numbers == pytest.approx({"order_resnet18": 0.8, "shallow_resnet18": 10, "shallow_vgg16_bn": 10})


def test_falls_are_those_before_and_after_training(report):
    parts = above("before", 0.05, 0), above("after", 0.5, 0)
    table = tables.falls(report, dict.fromkeys(BOTH, parts))
    assert table.rows == [["before training", "5.0", "5.0"], ["trained", "50.0", "50.0"]]
    assert report.numbers["fall_after_resnet18"] == 50


def test_roughness_that_cannot_be_measured_counts_as_none(report):
    tables.roughness(report, dict.fromkeys(BOTH, torch.tensor([[0.2, torch.nan], [0.4, 0.1]])))
    assert report.numbers["roughness_first_vgg16_bn"] == pytest.approx(0.3)
    assert report.numbers["roughness_last_vgg16_bn"] == pytest.approx(0.05)


def test_kinds_of_runs_are_columns_and_their_names_identifiers(report):
    first = {kind: torch.full((2, 3, 2), value) for kind, value in (("plain", 0.5), ("batch norm", 0.25))}
    courses = {kind: [torch.tensor([0.9, 0.7]), torch.tensor([0.9, 0.8, 0.5])] for kind in first}
    table = tables.steadied(report, first, courses, dict.fromkeys(first, torch.tensor([0.125, 0.375])))
    assert table.heads == ["", "plain", "batch norm"]
    assert [row[1:] for row in table.rows] == [["0.500", "0.250"], ["0.600", "0.600"], ["0.2500", "0.2500"]]
    assert report.numbers["moves_batch_norm"] == 0.25


def test_the_ideal_adds_up_the_shares(report):
    tables.ideal(report, dict.fromkeys(BOTH, torch.tensor([[0.1, 0.0, 0.5], [0.1, 0.2, 0.3]])))
    assert report.numbers["last_resnet18"] == pytest.approx(40)
    assert report.numbers["ideal_resnet18"] == pytest.approx(60)


def test_gains_over_the_best_tap_have_a_row_a_metric(report):
    gains = {name: [above(metric, value, 0) for metric, value in (("accuracy", -0.3), ("mAP", 1.2))] for name in BOTH}
    gone = {name: torch.tensor([[True, False], [False, False]]) for name in BOTH}
    table = tables.over_best(report, gone, gains, ["accuracy", "mAP"])
    assert [row[:2] for row in table.rows] == [
        ["leave before it [%]", "25.0"], ["gain in accuracy [points]", "−0.30"], ["gain in mAP [points]", "+1.20"]
    ]  # fmt: skip
    assert report.numbers["over_best_map_vgg16_bn"] == 1.2


def test_kinds_have_two_columns_a_network_and_none_where_nobody_is_right(report):
    share, right = torch.tensor([0.5, 0.25, 0.25, 0]), torch.tensor([0.9, 0.8, 0.1, torch.nan])
    table = tables.kinds(report, [share, share], [right, right])
    assert table.heads == ["", "ResNet-18: of all", "exactly right", "VGG-16: of all", "exactly right"]
    assert table.rows[0] == ["easy", "50.0", "90.0", "50.0", "90.0"]
    assert table.rows[3][1:3] == ["0.0", "–"]
    assert report.numbers["right_resnet18_hard"] == pytest.approx(10)


def test_who_leaves_before_the_last_tap_is_counted_for_every_way(report):
    shares = torch.tensor([[[0.5, 0.25, 0.25], [0, 0, 1.0]], [[0.5, 0.5, 0], [0, 0.5, 0.5]]])
    table = tables.leaving(report, dict.fromkeys(BOTH, shares), ["paper's choice", "held out"])
    assert table.rows == [["paper's choice", "87.5", "87.5"], ["held out", "25.0", "25.0"]]
    assert report.numbers["early_resnet18"] == 25 and report.numbers["early_papers_choice_vgg16_bn"] == 87.5
