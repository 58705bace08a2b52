import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from layerbook.analysis.depth import stratification


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6), snapshots=st.integers(10, 30), layers=st.integers(2, 6), ties=st.booleans())
def test_mean_equals_scipys_spearman_snapshot_by_snapshot(seed, snapshots, layers, ties):
    change = np.random.default_rng(seed).normal(size=(snapshots, layers))
    change = change.round() if ties else change
    each = [0 if len(set(row)) == 1 else spearmanr(np.arange(layers), row).statistic for row in change]
    found = stratification(change)
    np.testing.assert_allclose(found.mean, np.mean(each), atol=1e-12)
    assert -1 <= found.low <= found.mean <= found.high <= 1


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6))
def test_a_monotone_scale_does_not_matter_and_the_other_direction_turns_the_sign(seed):
    change = np.random.default_rng(seed).exponential(size=(20, 5))
    found = stratification(change)
    np.testing.assert_allclose(stratification(np.log(change)), found)
    turned = stratification(change[:, ::-1])
    np.testing.assert_allclose([turned.mean, turned.low, turned.high], [-found.mean, -found.high, -found.low])


def test_layers_that_fall_everywhere_are_fully_ordered():
    change = np.random.default_rng(0).uniform(0, 0.1, (40, 5)) - np.arange(5)
    assert stratification(change) == (-1, -1, -1, 1)


def test_falling_counts_snapshots_where_every_layer_changes_less_than_the_one_below():
    assert stratification(np.array([[3, 2, 1], [3, 1, 2], [2, 2, 1], [5, 4, 3.0]]), blocks=2).falling == 0.5


@pytest.mark.parametrize("stretch", [1, 25])
def test_interval_holds_the_truth_about_95_times_in_100(stretch):
    # without order the truth is 0; snapshots that repeat must widen the interval, not fool it
    generator, inside = np.random.default_rng(0), []
    for _ in range(400):
        change = generator.normal(size=(500 // stretch, 5)).repeat(stretch, axis=0)
        found = stratification(change)
        inside.append(found.low <= 0 <= found.high)
    assert 0.91 <= np.mean(inside) <= 0.99


@pytest.mark.parametrize(
    "change, message",
    [
        (np.zeros(20), r"change: expected shape \(snapshots, layers\).* got \(20,\)"),
        (np.zeros((20, 1)), "2 layers"),
        (np.zeros((9, 5)), "at least 10 snapshots"),
        (np.full((20, 5), np.nan), "change: 100 of 100 values are not finite"),
    ],
)
def test_bad_series_raise(change, message):
    with pytest.raises(ValueError, match=message):
        stratification(change)
