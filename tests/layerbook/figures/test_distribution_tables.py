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
    seen = {name: torch.tensor([0.9, 0.1]).double() for name in BOTH}
    tables.ends(report, {"ResNet-18": {"W, meaning": 0.8}, "VGG-16": {}}, near, seen, torch.tensor(1.0).double())
    assert report.numbers == pytest.approx({
        "order_resnet18": 0.8, "shallow_resnet18": 10, "shallow_vgg16_bn": 10, "seen_gap_resnet18": -0.1,
        "seen_gap_vgg16_bn": -0.1,
    })  # fmt: skip


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
