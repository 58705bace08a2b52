"""The small tables of the chapter on filters: each number is kept under its name, and shown in its row."""

import math

import numpy as np
import pytest
import torch

from layerbook.analysis.depth import Stratification
from layerbook.analysis.intervals import Interval
from layerbook.figures import filter_tables as tables
from layerbook.report import Report


@pytest.fixture
def report(tmp_path, monkeypatch):
    """A report without a record."""
    monkeypatch.chdir(tmp_path)
    return Report("toy")


def around(value):
    return Interval(value, value - 1, value + 1)


def test_orders_have_a_row_a_network_and_a_column_a_reading(report):
    found = dict(zip(tables.READINGS, (Stratification(v, -1, 1, 0) for v in (0.1, 0.2, -0.3)), strict=True))
    table = tables.orders(report, {"VGG-16": found, "VGG-16, SGD": found})
    assert table.rows[1] == ["VGG-16, SGD", "+0.10", "+0.20", "−0.30"]
    assert report.numbers["order_vgg_sgd_relative"] == -0.3 and len(report.numbers) == 6


def test_gradients_are_those_after_training(report):
    of = {"input": [0.5, 0.6], "gradient": [-0.1, -0.2]}
    table = tables.gradients(report, {"vgg": of, "resnet": {key: [0, -each[1]] for key, each in of.items()}})
    assert table.rows == [["input", "+0.60", "−0.60"], ["gradient", "−0.20", "+0.20"]]
    assert report.numbers["gradient_vgg"] == -0.2


def test_points_lost_are_means_over_layers_and_draws(report):
    vgg = np.stack([np.arange(5.0), np.arange(5.0) + 2])[..., None]  # two layers, three picks and two draws
    tables.lost(report, {"VGG-16": vgg, "ResNet-50": 2 * vgg, "another": vgg})
    assert report.numbers == {
        "lost_vgg_Z": 1, "lost_resnet_Z": 2, "lost_vgg_D": 2, "lost_resnet_D": 4, "lost_vgg_norm": 3,
        "lost_resnet_norm": 6, "lost_vgg_random": 4.5, "lost_resnet_random": 9, "beyond_random": -3.5,
    }  # fmt: skip
    tables.lost_again(report, vgg[None, ..., 0])
    assert report.numbers["again_lost_Z"] == 1 and report.numbers["again_lost_random"] == 4.5


def test_paces_are_those_of_the_first_and_the_last_layer(report):
    turned = np.arange(12.0).reshape(2, 2, 3)
    tables.paces(report, {"ResNet-50, pre-activation": turned}, ["conv1", "conv2", "conv3"])
    assert report.numbers == {
        "pace_resnet_conv1": 1.5, "pace_resnet_conv3": 3.5, "angle_resnet_conv1": 7.5, "angle_resnet_conv3": 9.5
    }  # fmt: skip


def test_what_is_told_of_the_first_layer_is_of_both_networks(report):
    cosine = {"VGG-16": torch.tensor([0.5, 0.7]), "ResNet-50": torch.tensor([0.9, 1.0])}
    table = tables.first_layer(report, cosine, [(0.1, 0.2), (0.3, 0.4)])
    assert [row[1:] for row in table.rows] == [["0.600", "0.950"], ["10%", "30%"], ["20%", "40%"]]
    assert report.numbers["grey_resnet"] == 0.4


def test_the_other_tables_keep_every_number_under_its_name(report):
    tables.errors(report, {"VGG-16": 50.0, "ResNet-50, SGD": 60.0})
    tables.first_filters(report, torch.tensor([0.2, 0.1, 0.4]))
    tables.slopes(report, {"VGG-16, batch norm": 1.5})
    tables.variances(report, {"as printed": 0.5, "per weight": 2.0})
    tables.moving(report, 0.8, {"VGG-16": -0.9}, 0.7, {"fixed": 0.1, "falling": -0.2})
    tables.excess(report, [np.array([[0.1, 0.3]]), np.array([[0.0, 0.5]])])
    tables.idle(report, 0.05, 0.0)
    tables.learning(report, 0.9, around(0.4), {("ResNet-50, 3 × 3", "per weight"): around(3.0)})
    tables.ranks(report, {"VGG-16": around(0.6)})
    tables.kept(report, {"VGG-16, batch norm": torch.tensor([[0.25, 0.75]])})
    ordered = {label: {how: {"learning": around(-0.5)} for how in tables.READINGS[:2]} for label in tables.KEYS}
    tables.orders_again(report, ordered)
    expected = {
        "wrong_vgg": 50, "wrong_resnet_sgd": 60, "moved_least": 0.1, "moved_most": 0.4, "slope_vgg_bn": 1.5,
        "variance_printed": 0.5, "variance_weight": 2, "most_moving": 0.8, "mirrored_vgg": -0.9, "top_still": 0.7,
        "rise_fixed": 0.1, "rise_falling": -0.2, "excess_vgg": 0.2, "excess_resnet": 0.25, "excess_top_vgg": 0.3,
        "excess_top_resnet": 0.5, "idle_vgg": 0.05, "idle_resnet": 0, "most_moving_again": 0.9, "rest": 0.4,
        "ratio_resnet_post_weight": 3, "rank_rise_vgg": 0.6, "alike_vgg_bn": 0.5, "again_vgg_printed": -0.5,
        "again_vgg_weight": -0.5, "again_vgg_sgd_printed": -0.5, "again_vgg_sgd_weight": -0.5,
    }  # fmt: skip
    assert set(report.numbers) == set(expected)
    for name, value in expected.items():
        assert math.isclose(report.numbers[name], value, rel_tol=1e-6, abs_tol=1e-9), name
