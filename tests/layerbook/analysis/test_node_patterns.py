"""Tests of claims about nodes and patterns: what should hold does, what should not does not, the rest is undecided."""

import math

import pytest
import torch
from scipy.stats import spearmanr

from layerbook.analysis import node_patterns as tests

SAMPLES = torch.tensor([100, 100])


def perplexities(*layers, seeds=3):
    """Perplexities of two classes, the same in every seed but for a little."""
    p = torch.tensor(layers, dtype=torch.float64)[None, :, None].expand(seeds, len(layers), 2)
    return p + 1e-3 * torch.arange(seeds)[:, None, None]


def middles(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_agnostic_nodes_answer_to_three_classes_now_and_then():
    shares = torch.zeros(2, 2, 4, 10)
    shares[..., :3, :6] = 0.5  # six of ten nodes, three classes each
    shares[..., 0, :] = 0.5
    part = tests.agnostic(shares)
    assert part.outcome == "holds" and part.value == pytest.approx(0.6)
    shares[..., 2, :2] = 0.96
    assert tests.agnostic(shares).value == pytest.approx(0.4) and tests.agnostic(shares).outcome == "fails"


def test_selective_nodes_are_so_after_training_and_not_before():
    after = torch.zeros(2, 3, 2, 50)
    after[..., :1] = 0.5
    late, before = tests.selective(after, torch.full_like(after, 0.5))
    assert (late.value, before.value) == pytest.approx((0.98, 0)) and late.outcome == before.outcome == "holds"
    assert tests.selective(after, after)[1].outcome == "fails"


def test_early_layers_use_every_pattern_and_the_last_one_a_class():
    early, late = tests.early_and_late(perplexities(99, 97, 30, 1.2), SAMPLES, "MNIST")
    assert early.value == pytest.approx(0.97, abs=1e-4) and late.value == pytest.approx(1.2, abs=0.01)
    assert early.outcome == late.outcome == "holds" and "MNIST" in early.text
    assert [part.outcome for part in tests.early_and_late(perplexities(99, 90, 2), SAMPLES, "")] == ["fails", "fails"]


def test_the_drop_is_measured_in_layers_and_infinite_where_it_does_not_end():
    # ln P / ln N_c is 1, 0.5, 0.25 and 0: below 0.9 from 1.2, below 0.5 from 2, below 0.1 from 3.6 on
    p = perplexities(100, 10, 100**0.25, 1, seeds=1)
    assert tests.drop(p, SAMPLES, 0.5).item() == pytest.approx(0.8)
    assert tests.drop(p, SAMPLES, 0.1).item() == pytest.approx(2.4)
    assert tests.drop(p[:, :3], SAMPLES, 0.1).item() == math.inf


SLOW, MIDDLE, FAST = (
    perplexities(100, 70, 40, 10, 2, 1),
    perplexities(100, 40, 5, 1, 1, 1),
    perplexities(100, 10, 1, 1, 1, 1),
)


def test_a_drop_is_sharper_where_it_takes_fewer_layers_with_width():
    assert tests.sharper({20: SLOW, 40: MIDDLE, 100: FAST}, SAMPLES, 0.1, "").outcome == "holds"
    assert tests.sharper({20: FAST, 40: MIDDLE, 100: SLOW}, SAMPLES, 0.1, "").outcome == "fails"
    endless = tests.sharper({20: SLOW[:, :2], 40: SLOW[:, :2]}, SAMPLES, 0.1, "")
    assert endless.outcome == "undecided" and endless.reason == "no drop ends within its network"


def test_as_it_was_fixed_a_fall_counts_by_the_p_value_of_spearmans_correlation():
    lengths = torch.stack([tests.drop(p, SAMPLES, 0.1) for p in (SLOW, MIDDLE, SLOW, FAST)])
    expected = spearmanr([20] * 3 + [40] * 3 + [70] * 3 + [100] * 3, lengths.flatten())
    part = tests.sharper({100: FAST, 20: SLOW, 40: MIDDLE, 70: SLOW}, SAMPLES, 0.1, "MNIST")
    assert part.value == pytest.approx(expected.pvalue) and f"{expected.statistic:+.2f}" in part.text
    assert (part.threshold, part.relation) == (0.05, "<")
    one = dict.fromkeys((20, 40, 100), FAST[:1])
    assert tests.sharper(one, SAMPLES, 0.1, "").value == 1  # lengths without an order


def test_more_gradual_is_longer_on_the_harder_set():
    lengths = torch.tensor([1.0, 2, 3]), torch.tensor([2.0, math.inf, math.inf])
    assert tests.more_gradual(*lengths).outcome == "holds" and tests.more_gradual(*lengths[::-1]).outcome == "fails"
    assert tests.more_gradual(lengths[1], lengths[1]).outcome == "undecided"


def test_a_place_stays_where_the_means_of_all_depths_lie_within_a_layer():
    near = {5: middles(3.0, 3.2), 10: middles(3.6, 3.8), 20: middles(4.0, 4.2)}
    part = tests.stays(near, "MNIST")
    assert part.value == pytest.approx(1.0) and "5, 10, 20 layers" in part.text
    assert tests.stays(near | {20: middles(5.0, 5.2)}, "").outcome == "fails"
    alone = tests.stays({5: middles(math.inf, 3.0), 10: middles(4.0, 4.0)}, "")
    assert alone.outcome == "undecided" and alone.reason == "fewer than two depths get below half"


def test_with_draws_it_needs_the_interval_and_a_depth_without_a_middle_leaves_it_open_only_where_the_rest_stays():
    def around(each):
        return each + 0.01 * torch.randn(200, len(each), generator=torch.Generator().manual_seed(0)).double()

    near = {5: middles(3.0, 3.01, 3.0), 10: middles(3.5, 3.5, 3.51)}
    far = near | {20: middles(9.0, 9.0, 9.1)}
    for depths, outcome in ((near, "holds"), (far, "fails")):
        draws = {d: around(each) for d, each in depths.items()}
        assert tests.stays(depths, "", draws).outcome == outcome
        lacking = depths | {7: middles(math.inf, 3.0, 3.0)}
        part = tests.stays(lacking, "", draws | {7: around(lacking[7])})
        assert part.outcome == ("undecided" if outcome == "holds" else "fails")
        assert part.reason == ("7 layers do not get below half" if outcome == "holds" else "")
    unsure = {5: middles(3.0, 3.0, 3.0), 10: middles(3.2, 4.0, 4.7)}
    assert tests.stays(unsure, "", {d: around(each) for d, each in unsure.items()}).outcome == "undecided"
    assert tests.stays(near, "", {d: around(each) for d, each in near.items()}, "not trained").reason == "not trained"


def test_depth_may_cost_two_standard_errors_and_no_more():
    shallow, deep = torch.tensor([0.10, 0.11, 0.12]), torch.tensor([0.11, 0.12, 0.13])
    part = tests.no_harm(deep, shallow, "MNIST")
    error = math.sqrt((deep.double().var() + shallow.double().var()) / 3)
    assert part.outcome == "holds" and part.value == pytest.approx(1.0, abs=1e-5)
    assert part.threshold == pytest.approx(200 * error, rel=1e-5)
    assert tests.no_harm(deep + 0.01, shallow, "").outcome == "fails"
    assert tests.no_harm(deep, shallow, "", "no 20 layers").outcome == "undecided"


def test_counts_of_nodes_keep_the_dead_apart():
    lit = torch.tensor([[0, 0, 1, 50], [0, 2, 2, 99]])
    rare, general = tests.specific_and_general((lit, 100), (lit, 1000))
    assert rare.text.startswith("6 nodes") and "6 for none" in rare.text and rare.outcome == "holds"
    assert general.text.startswith("1 on for") and general.outcome == "holds"
    dead, _ = tests.specific_and_general((torch.tensor([[0, 50]]), 100))
    assert dead.outcome == "undecided" and dead.reason == "only dead nodes"
    found = tests.specialists(lit, "MNIST")
    assert found.value == 1 and found.outcome == "holds" and "by seed [1, 2] (for none [2, 1])" in found.text
    assert tests.specialists(torch.tensor([[0, 9], [1, 9]]), "").outcome == "fails"


def test_perplexity_raised_and_rising():
    low, high = perplexities(50, 20, 5), perplexities(60, 40, 20)
    assert tests.raised(high, low, SAMPLES, "").outcome == "holds"
    assert tests.raised(low, high, SAMPLES, "").outcome == "fails"
    assert tests.height(perplexities(100, 10, seeds=1), SAMPLES).item() == pytest.approx(0.75)
    heights = {("easy", s): torch.full((3,), s).double() + 0.001 * torch.arange(3) for s in (0.0, 0.1, 0.2)}
    draws = {key: each.expand(100, 3) for key, each in heights.items()}
    heights["hard", 0.0] = -torch.ones(3).double()  # another set, which counts for nothing here
    assert tests.rises(heights, draws, "easy", "").outcome == "holds"
    falling = {(k, -s): each for (k, s), each in heights.items() if k == "easy"}
    assert tests.rises(falling, {(k, -s): each for (k, s), each in draws.items()}, "easy", "").outcome == "fails"
