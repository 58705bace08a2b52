"""Intervals over seeds and samples: the right width where it is known, and the statistic itself in the middle."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from layerbook.analysis.intervals import bootstrap, drawn_networks, interval, rank_correlation, trend


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_of_one_network_it_is_as_wide_as_the_standard_error_over_samples():
    values = normal(1, 4000)
    found = bootstrap(values)
    error = values.std().item() / math.sqrt(values.numel())
    assert found.value == pytest.approx(values.mean().item(), abs=1e-12)
    assert found.low == pytest.approx(found.value - 1.96 * error, abs=0.15 * error)
    assert found.high == pytest.approx(found.value + 1.96 * error, abs=0.15 * error)


def test_of_one_sample_it_is_as_wide_as_the_standard_error_over_seeds():
    values = normal(50, 1)
    found, error = bootstrap(values), values.std(unbiased=False).item() / math.sqrt(50)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_both_sources_add_up():
    seeds, samples = normal(40, 1), normal(1, 1000, seed=1)
    found = bootstrap(seeds + 5 * samples)
    error = math.sqrt(seeds.var(unbiased=False) / 40 + 25 * samples.var() / 1000)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_measures_of_one_group_share_their_networks_and_samples_and_groups_share_their_samples():
    values = normal(3, 500)
    paired = bootstrap(torch.stack([values, values + 1]), lambda means: (means[:, 1] - means[:, 0]).mean(1))
    assert paired == pytest.approx((1, 1, 1))
    alike = normal(1, 500).expand(4, 500)
    assert bootstrap([alike, alike + 1], lambda a, b: (b - a).mean(1)) == pytest.approx((1, 1, 1))
    apart = bootstrap([values, values + 1], lambda a, b: (b - a).mean(1))
    assert apart.low < 0.99 and apart.high > 1.01


def test_a_statistic_sees_the_draws_first_and_the_seeds_last():
    shapes = []

    def first(a, b):
        shapes.append((a.shape[1:], b.shape[1:]))
        return a[:, 0, 0, 0]

    found = bootstrap([normal(2, 5, 3, 40), normal(4, 40)], first, rounds=130)
    assert set(shapes) == {((2, 5, 3), (4,))} and found.low < found.value < found.high


def test_the_same_seed_gives_the_same_and_it_covers_the_truth_about_as_often_as_it_says():
    values = normal(300, 4, 50)
    assert bootstrap(values[0]) == bootstrap(values[0])
    hits = [found.low <= 0 <= found.high for found in (bootstrap(each, rounds=300) for each in values)]
    # four networks are few: a percentile bootstrap of four is too narrow, here by samples as the only source
    assert 0.88 <= np.mean(hits) <= 1


def test_networks_are_drawn_together_for_all_measures_of_a_draw():
    values = torch.arange(4.0).expand(50, 3, 4)
    drawn = drawn_networks(values, torch.Generator().manual_seed(0))
    assert (drawn == drawn[:, :1]).all() and set(drawn.flatten().tolist()) == {0, 1, 2, 3}
    assert len({tuple(row.tolist()) for row in drawn[:, 0]}) > 20


def test_ends_leave_a_fortieth_of_the_draws_on_each_side_and_infinite_draws_are_no_nan():
    found = interval(20, torch.arange(41.0).flip(0))
    assert found == (20, 1, 39) and found.ends == (1, 39)
    assert interval(math.inf, torch.tensor([1.0] * 60 + [math.inf] * 40)) == (math.inf, 1, math.inf)


@given(st.lists(st.integers(-3, 3), min_size=3, max_size=9), st.integers(0, 5))
def test_rank_correlation_is_that_of_scipy(values, seed):
    x = torch.rand(len(values), generator=torch.Generator().manual_seed(seed)).mul(3).round()
    found = rank_correlation(x, torch.tensor([values, values[::-1]], dtype=torch.float64))
    for row, ours in zip((values, values[::-1]), found, strict=True):
        if len(set(row)) == 1 or len(set(x.tolist())) == 1:
            assert ours == 0
        else:
            assert ours == pytest.approx(spearmanr(x, row).statistic, abs=1e-12)


def test_a_trend_is_spearmans_with_an_interval_over_the_networks():
    values = torch.arange(4.0)[:, None] + 0.8 * normal(4, 3)
    found = trend([20, 40, 100, 200], values)
    assert found.value == pytest.approx(spearmanr(np.repeat(range(4), 3), values.flatten()).statistic)
    assert -1 <= found.low < found.value <= found.high <= 1
    assert trend([1, 2], torch.ones(2, 2)) == (0, 0, 0)


@pytest.mark.parametrize(
    "groups, message",
    [
        (torch.ones(5), r"groups: expected \(\.\.\., seeds, samples\), all of the same samples, got \[\(5,\)\]"),
        ([torch.ones(2, 5), torch.ones(2, 6)], r"got \[\(2, 5\), \(2, 6\)\]"),
        (torch.tensor([[1.0, math.nan]]), "groups: expected numbers, got NaN"),
    ],
)
def test_what_has_no_interval_is_refused(groups, message):
    with pytest.raises(ValueError, match=message):
        bootstrap(groups)
