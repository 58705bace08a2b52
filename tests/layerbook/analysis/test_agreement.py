"""When lenses say that a layer has made up its mind, and whether they agree."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr

from layerbook.analysis.agreement import LENSES, agreement, made_up, order, readings, usual_step
from layerlib import inspect
from layerlib.data.splits import Split
from layerlib.models import MLP

STEPS = [0, 1, 10, 100]


@pytest.fixture(scope="module")
def looked():
    """A network at its beginning, and another in its place."""
    torch.manual_seed(0)
    split = Split(torch.randint(0, 256, (300, 1, 4, 4), dtype=torch.uint8), torch.randint(0, 3, (300,)))
    first, second = MLP((16, 8, 8, 3)), MLP((16, 8, 8, 3))
    return [
        [
            inspect(model, split, before=copy.deepcopy(first)),
            *(inspect(model, split, read=read, instruments="distribution") for read in ("grid", "flat")),
        ]
        for model in (first, second)
    ]


def test_readings_are_the_lenses_numbers_on_their_scales(looked):
    found = dict(zip(LENSES, readings(looked), strict=True))
    assert {each.shape for each in found.values()} == {(2, 3)}
    last, grid, flat = looked[1]
    values, guess = {name: value.numpy() for name, value in last.values.items()}, last.baseline
    for name, each in (("means", last), ("grid", grid), ("flat", flat)):
        assert found[name][1] == pytest.approx(1 - each.values["distance"].numpy() / guess["distance"])
    assert found["patterns"][1] == pytest.approx(1 - values["entropy"] / last.nulls["entropy"].numpy())
    assert found["nodes"][1] == pytest.approx((values["combined"] - guess["accuracy"]) / (1 - guess["accuracy"]))
    excess = values["target_silhouette"] - last.nulls["target_silhouette"].numpy()
    assert found["targets"][1] == pytest.approx(excess)
    assert found["filters"][0].tolist() == [0, 0, 0]
    assert found["filters"][1] == pytest.approx(values["relative_change"]) and (found["filters"][1] > 0).all()


def test_drawn_readings_lie_around_those_of_all_samples(looked):
    drawn, whole = readings(looked, drawn=True), readings(looked)
    assert drawn.shape[1:] == whole.shape
    low, high = np.quantile(drawn, (0.005, 0.995), axis=0)
    assert ((low <= whole + 1e-6) & (whole - 1e-6 <= high)).mean() > 0.9


def test_a_layer_with_one_pattern_for_everything_knows_nothing(looked):
    first, *others = looked[0]
    flat = {
        "values": {**first.values, "entropy": torch.zeros(3)},
        "nulls": {**first.nulls, "entropy": torch.zeros(3)},
    }
    assert readings([[replace(first, **flat), *others]])[LENSES.index("patterns")].tolist() == [[0, 0, 0]]


def test_readings_of_other_layers_or_none_are_refused(looked):
    with pytest.raises(ValueError, match="moments: expected inspections of the same layers, at least one, got"):
        readings([looked[0], [replace(each, layers=("a", "b", "c")) for each in looked[1]]])
    with pytest.raises(ValueError, match="moments"):
        readings([])


def ladder(values):
    """Readings of two layers, the same for all lenses."""
    return np.broadcast_to(np.asarray(values, dtype=float), (len(LENSES), *np.shape(values))).copy()


def test_made_up_is_the_last_time_that_half_of_the_end_is_crossed():
    # the output ends at 0.8: half is 0.4
    found = made_up(ladder([[0, 0.5], [0.5, 0.1], [0.3, 0.7], [0.5, 0.8]]), STEPS)
    lower = np.expm1(np.log1p(10) + 0.5 * (np.log1p(100) - np.log1p(10)))
    upper = np.expm1(np.log1p(1) + 0.5 * (np.log1p(10) - np.log1p(1)))
    assert found[0].tolist() == pytest.approx([lower, upper])
    # the filters go by the layer's own way, whose half is 0.25
    assert found[LENSES.index("filters")][0] == pytest.approx(np.expm1(np.log1p(0) + 0.5 * np.log1p(1)))


def test_made_up_by_its_own_end_is_the_same_for_every_lens():
    values = ladder([[0, 0.5], [0.5, 0.1], [0.3, 0.7], [0.5, 0.8]])
    found = made_up(values, STEPS, own=True)
    assert (found == found[LENSES.index("filters")]).all()
    assert found[0, 1] == made_up(values, STEPS)[0, 1]


def test_made_up_from_the_beginning_is_zero_and_never_is_nan():
    found = made_up(ladder([[0.9, 0.1, 0.9], [0.9, 0.2, 0.9], [0.9, 0.1, 0.9], [0.9, 0.3, 1.0]]), STEPS)
    assert found[0].tolist() == pytest.approx([0, np.nan, 0], nan_ok=True)


def test_nothing_is_made_up_where_the_network_ends_without_knowing():
    assert np.isnan(made_up(ladder([[0, 0], [0, 0], [0, 0], [0.5, -0.1]]), STEPS)[0]).all()


def test_a_layer_that_was_not_read_is_never_made_up():
    found = made_up(ladder([[np.nan, 0], [np.nan, 0], [np.nan, 0], [np.nan, 1]]), STEPS)
    assert np.isnan(found[:, 0]).all() and np.isfinite(found[:, 1]).all()


def test_made_up_of_several_seeds_is_that_of_each():
    seeds = np.random.default_rng(0).random((3, len(LENSES), 4, 5))
    together = made_up(seeds, STEPS)
    for seed, found in zip(seeds, together, strict=True):
        np.testing.assert_array_equal(made_up(seed, STEPS), found)


@pytest.mark.parametrize(
    ("shape", "steps", "share", "message"),
    [
        ((len(LENSES), 3, 2), STEPS, 0.5, "steps: expected 3 along moments, as in readings"),
        ((4, 4, 2), STEPS, 0.5, "readings: expected shape"),
        ((len(LENSES), 4, 2), [0, 1, 1, 2], 0.5, "steps, share"),
        ((len(LENSES), 4, 2), [-1, 0, 1, 2], 0.5, "steps, share"),
        ((len(LENSES), 4, 2), STEPS, 1.0, "steps, share"),
    ],
)
def test_made_up_refuses(shape, steps, share, message):
    with pytest.raises(ValueError, match=message):
        made_up(np.zeros(shape), steps, share)


@settings(max_examples=30, deadline=None)
@given(arrays(float, (len(LENSES), 4, 6), elements=st.integers(0, 9).map(float)))
def test_agreement_is_spearman_over_layers_and_steps(values):
    found = agreement(values)
    with np.errstate(invalid="ignore"):
        for i, j in ((0, 1), (2, 4)):
            layers = _spearman(values[i, -1], values[j, -1])
            steps = [_spearman(values[i, :, layer], values[j, :, layer]) for layer in range(6)]
            known = [each for each in steps if np.isfinite(each)]
            assert found["layers"][i, j] == pytest.approx(layers, nan_ok=True)
            assert found["steps"][i, j] == pytest.approx(np.mean(known) if known else np.nan, nan_ok=True)


def _spearman(a, b):
    return np.nan if len(set(a)) == 1 or len(set(b)) == 1 else spearmanr(a, b).statistic


def test_what_merely_rises_with_depth_and_time_agrees_in_nothing_beyond():
    rising = np.add.outer(np.arange(4) * 10.0, np.arange(6))
    noise = np.random.default_rng(0).random((4, 6))
    found = agreement(np.stack([rising, rising**2, noise, noise + 1, -noise]))
    assert [found[way][0, 1] for way in ("layers", "steps")] == pytest.approx([1, 1])
    assert np.isnan(found["rest"][0, 1])
    assert found["rest"][2, 3] == pytest.approx(1) and found["rest"][2, 4] == pytest.approx(-1)


def test_order_is_negative_where_upper_layers_are_first_and_never_counts_as_late():
    assert order(np.array([[3.0, 2, 1], [1, 2, 3], [np.nan, 2, 1]])).tolist() == pytest.approx([-1, 1, -1])
    assert np.isnan(order(np.array([np.nan, np.nan])))


def test_the_usual_step_is_the_geometric_mean_and_never_is_the_last_step():
    found = usual_step(np.array([[0.0, 9, 99], [0.0, 999, np.nan]]), 9999)
    np.testing.assert_allclose(found, [0, 99, 999])
