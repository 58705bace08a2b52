"""What the chapter on filters keeps: the right numbers under the right names."""

from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from layerbook.analysis.depth import Stratification
from layerbook.analysis.filter_runs import FilterRun
from layerbook.analysis.intervals import Interval
from layerbook.figures import filter_curves as curves
from layerbook.figures.filter_evolution import MEASURES
from layerbook.report import Report

STEPS, SEEDS = np.array([10, 20, 30]), [11, 12]
SERIES = {column: 100 * i + np.arange(15.0).reshape(3, 5) for i, column in enumerate(MEASURES)}


def run(end=None):
    return Mock(
        spec=FilterRun,
        series=SERIES.get,
        steps=STEPS,
        history=SimpleNamespace(loss=[2.0, 1.0]),
        kept=None if end is None else {"step": end},
    )


@pytest.fixture
def report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where there is no record
    return Report("filter_evolution", size_says="made up")


def test_every_measure_of_a_training_is_kept_by_its_name(report):
    curves.training(report, {"VGG-16, SGD": run()}, [5])
    kept = report.curves
    for column, values in SERIES.items():
        np.testing.assert_array_equal(kept["metrics_vgg_sgd"].sel(metric=column), values)
    assert kept["metrics_vgg_sgd"].step.values.tolist() == [10, 20, 30]
    assert kept["loss_vgg_sgd"].sel(epoch=2) == 1 and kept["halvings"].values.tolist() == [5]


def test_orders_are_kept_by_network_and_reading(report):
    found = {how: Stratification(0.1 * i, 0.2, 0.3, 0.4) for i, how in enumerate(curves.READINGS)}
    curves.orders(report, {"VGG-16": found})
    assert report.curves["order"].sel(run="VGG-16", reading="per weight", value="mean") == pytest.approx(0.1)


def test_orders_of_several_seeds_are_kept_by_phase_then_reading(report):
    ends = {"learning": 0, "memorised": 2}
    of = {how: {phase: Interval(at + more, 0, 1) for phase, more in ends.items()} for at, how in enumerate("ab")}
    ordered = {"VGG-16": of}
    curves.orders_again(report, ordered)
    kept = report.curves["order_again"].sel(value="mean", run="VGG-16")
    assert [[kept.sel(phase=phase, reading=how).item() for how in "ab"] for phase in curves.PHASES] == [[0, 1], [2, 3]]


def test_the_end_of_learning_is_kept_where_there_is_one(report):
    curves.learned(report, {"VGG-16": [run(30), run()]}, [[10.0, 20.0]], SEEDS)
    np.testing.assert_array_equal(report.curves["learned_at"].sel(run="VGG-16"), [30, np.nan])
    assert report.curves["wrong_again"].sel(seed=12).item() == 20
    assert report.numbers["known_again"] == 0.5


def test_what_has_layers_is_kept_by_layer(report):
    both = {"VGG-16": np.arange(15.0).reshape(3, 5), "ResNet-50": -np.arange(15.0).reshape(3, 5)}
    runs = dict.fromkeys(both, run())
    first = {label: each[0] for label, each in both.items()}
    curves.sizes(report, first, {label: [1, 2, 3, 4, 5] for label in both})
    curves.nulls(report, {label: {"fixed": each, "falling": each + 1} for label, each in both.items()}, runs)
    curves.filters(report, {label: each.T for label, each in both.items()})
    curves.quarter(report, {label: np.stack([each.T, each.T + 1], -1) for label, each in both.items()})
    curves.paces(report, {"VGG-16": np.stack([both["VGG-16"], both["ResNet-50"]])}, {"VGG-16": [run()]})
    kept = report.curves
    assert kept["mean_change"].sel(run="ResNet-50", layer="conv3") == -2
    assert kept["weights"].sel(run="VGG-16", layer="conv5") == 5
    assert kept["null_resnet"].sel(threshold="falling", step=20, layer="conv2") == -5
    assert kept["filters_vgg"].sel(layer="conv2", filter=2) == 11
    assert kept["quarter_vgg"].sel(layer="conv2", draw=2, best="top-5") == 12
    assert kept["pace_vgg"].sel(quantity="degrees", step=30, layer="conv1") == -10


def test_what_has_convolutions_is_kept_from_the_first_on(report):
    curves.gradients(report, {"ResNet-50": torch.arange(24.0).reshape(2, 3, 4)})
    curves.ranks(report, "ResNet-50, pre-activation", torch.arange(8.0).reshape(2, 2, 2), SEEDS)
    curves.costs_again(report, np.arange(50.0).reshape(2, 5, 5), SEEDS)
    kept = report.curves
    assert kept["gradients_resnet"].sel(state="end", factor="error", layer=4) == 19
    assert kept["rank_resnet"].sel(moment="has learned", seed=11, layer=2) == 5
    assert kept["cost_again"].choice.values.tolist() == ["Z", "D", "norm", "random 1", "random 2"]
    assert kept["cost_again"].sel(seed=12, layer="conv1", choice="random 1") == 28
