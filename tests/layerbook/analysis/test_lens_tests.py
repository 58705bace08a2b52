"""Tests of the lenses that must be able to say no."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from layerbook.analysis.agreement import LENSES
from layerbook.analysis.lens_tests import (
    agree_beyond,
    by_heart,
    least_rise,
    obeyed,
    ready_before,
    upper_first,
    with_depth,
)

STEPS, SEEDS, LAYERS = [0, 10, 100], 3, 5


def every_lens(values):
    """The same readings (moments, layers) for every seed and lens, and draws scattered a little around them."""
    read = np.broadcast_to(np.asarray(values, dtype=float), (SEEDS, len(LENSES), *np.shape(values))).copy()
    return read, read + np.random.default_rng(0).normal(0, 1e-3, (200, *read.shape))


def test_layers_that_pass_the_mark_at_the_beginning_are_counted():
    read = every_lens([[0.9, 0.9, 0.9, 0.1, 0.1], [0.9] * 5, [0.9] * 5])
    part = ready_before(*read, STEPS, 0.5, "a net")
    assert part.value == pytest.approx(0.6) and part.outcome == "holds"
    assert ready_before(*every_lens([[0.1] * 5, [0.9] * 5, [0.9] * 5]), STEPS, 0.5, "a net").outcome == "fails"


@pytest.mark.parametrize("up", [True, False])
def test_an_order_of_layers_is_told_from_its_reverse(up):
    middle = np.linspace(0.1, 0.8, LAYERS)[:: 1 if up else -1]
    found = upper_first(*every_lens([[0] * LAYERS, middle, [0.9] * LAYERS]), STEPS, 0.5, "means")
    assert found.value == pytest.approx(-1 if up else 1, abs=0.11) and found.high - found.low < 0.3


def test_layers_that_pass_together_are_in_no_order():
    assert upper_first(*every_lens([[0.9] * LAYERS] * 3), STEPS, 0.5, "flat").value == 0


def test_the_least_rise_is_that_of_the_hidden_layer_that_rises_least():
    part = least_rise(*every_lens([[0.0] * 5, [0.1] * 5, [0.3, 0.05, 0.3, 0.3, 0.0]]), "a net")
    assert part.value == pytest.approx(0.05) and part.outcome == "holds" and "layer 2" in part.text
    falling = every_lens([[0.5] * 5, [0.5] * 5, [0.6, 0.4, 0.6, 0.6, 0.6]])
    assert least_rise(*falling, "a net").outcome == "fails"


def test_the_order_by_depth_is_spearmans():
    values = torch.tensor([[1.0, 2, 3, 4], [4, 3, 2, 1]])
    assert with_depth(values, values.expand(100, 2, 4)).value == 0
    assert with_depth(values[:1], values[:1].expand(100, 1, 4)) == (1, 1, 1)


def test_of_networks_that_know_by_heart_both_orders_are_told():
    rising, falling = torch.arange(5.0), -torch.arange(5.0)

    def look(what, values):
        return SimpleNamespace(values={what: values}, draws={what: values[:, None].expand(5, 100)})

    both = [(look("distance", rising), look("entropy", falling))] * SEEDS
    assert [part.outcome for part in by_heart(both, "a net")] == ["holds", "holds"]
    neither = [(look("distance", falling), look("entropy", rising))] * SEEDS
    assert [part.outcome for part in by_heart(neither, "a net")] == ["fails", "fails"]
    assert [part.outcome for part in by_heart(both, "a net", "it knows too little")] == ["undecided"] * 2


def test_lenses_that_share_only_what_layers_and_steps_add_do_not_agree():
    rng = np.random.default_rng(1)
    read = np.zeros((SEEDS, len(LENSES), 20, LAYERS))
    read += np.arange(20)[:, None] * 10 + np.arange(LAYERS)
    noise = rng.normal(0, 3, read.shape)
    apart = read + noise
    together = read + noise[:, :1]
    for values, outcome in ((apart, "fails"), (together, "holds")):
        part = agree_beyond(values, np.broadcast_to(values, (200, *values.shape)), "flat", "a net")
        assert part.outcome == outcome, part


def test_a_network_obeys_where_its_layers_are_decided():
    decided = torch.zeros(SEEDS, 2, 4, dtype=torch.bool)
    decided[:, 1] = True
    followed = torch.zeros(SEEDS, 2, 4, 2, 50, dtype=torch.bool)
    followed[:, 1, :, 0] = True
    assert [part.outcome for part in obeyed(followed, decided, "a net")] == ["holds"] * 3
    assert [part.outcome for part in obeyed(followed, ~decided, "a net")] == ["fails", "fails", "holds"]
    assert [part.outcome for part in obeyed(~followed, decided, "a net")] == ["fails", "fails", "fails"]


def test_without_a_decided_layer_nothing_is_said_of_them():
    none = torch.zeros(SEEDS, 2, 4, dtype=torch.bool)
    first, second, _ = obeyed(torch.zeros(SEEDS, 2, 4, 2, 50, dtype=torch.bool), none, "a net")
    assert first.outcome == "undecided" and second.outcome == "holds"
