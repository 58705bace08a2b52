"""Tests of claims on label distributions, against literal loops and made cases whose outcome is known."""

import math

import numpy as np
import pytest
import torch

from layerbook.analysis.label_distances import (
    changes,
    falls,
    gains_over_best,
    learned,
    lost_again,
    of_kinds,
    orders,
    rougher,
    roughness,
    some_confused,
    some_rise,
    steadied,
)
from layerbook.verdicts import FAILS, HOLDS, UNDECIDED
from layerlib.distributions.held_out import exit_against_best_layer
from layerlib.distributions.samples import KINDS, confused_shares
from layerlib.distributions.scores import exact_match, scores


def distances(*by_tap, trials=5, samples=200, spread=0.01, seed=0):
    generator = torch.Generator().manual_seed(seed)
    noise = spread * torch.randn(trials, len(by_tap), samples, generator=generator, dtype=torch.float64)
    return torch.tensor(by_tap, dtype=torch.float64)[:, None] + noise


def outcomes(parts):
    return [part.outcome for part in parts]


def test_a_level_start_and_a_steep_end_fall_and_a_level_line_does_not():
    assert outcomes(falls(distances(0.9, 0.9, 0.88, 0.7, 0.5, 0.2), "net")) == [HOLDS] * 3
    assert outcomes(falls(distances(0.9, 0.7, 0.71, 0.8, 0.9, 0.9), "net")) == [FAILS] * 3


def test_a_fall_is_learned_where_the_untrained_network_has_none():
    flat, steep = distances(0.9, 0.88, 0.89, 0.95), distances(0.9, 0.8, 0.6, 0.3)
    before, after = learned(flat, steep, "net")
    assert (before.outcome, after.outcome) == (HOLDS, HOLDS)
    assert before.value == pytest.approx(1 - flat[:, 2].mean() / flat[:, 0].mean())
    assert after.value == pytest.approx(1 - steep[:, 3].mean() / steep[:, 0].mean())
    assert after.low < after.value < after.high


def test_an_untrained_network_whose_output_says_nothing_is_judged_by_its_last_classifier():
    before, after = learned(distances(0.9, 0.8, 0.6, 0.95), distances(0.9, 0.9, 0.9, 0.9), "net")
    assert (before.outcome, after.outcome) == (FAILS, FAILS)


def test_rises_are_shares_of_samples_and_may_say_nothing():
    risen = torch.arange(400).reshape(2, 200) % 4 == 0
    assert some_rise(risen, "net").value == 0.25 and some_rise(risen, "net").outcome == HOLDS
    assert some_rise(risen & (torch.arange(200) < 8), "net").outcome == FAILS
    assert some_rise(risen, "net", "rises of a millionth").outcome == UNDECIDED


def test_changes_and_roughness_are_numpys_standard_deviations_of_differences():
    course = torch.rand(3, 2, 11, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = np.std(np.diff(course.numpy()), axis=-1, ddof=1)
    np.testing.assert_allclose(changes(course), expected)
    # epochs 0 to 10: the last half begins at epoch 5
    np.testing.assert_allclose(roughness(course), np.std(np.diff(course[..., 5:].numpy()), axis=-1, ddof=1) / 2**0.5)


def test_roughness_of_noise_is_its_standard_deviation_and_a_steady_fall_has_none():
    noise = 0.03 * torch.randn(4000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert roughness(noise) == pytest.approx(0.03, rel=0.05)
    assert roughness(torch.linspace(1, 0, 40, dtype=torch.float64)) == pytest.approx(0, abs=1e-12)


def test_rougher_needs_twice_as_much_and_something_that_moves():
    rough, calm = torch.tensor([0.05, 0.06, 0.04, 0.05, 0.05]), torch.tensor([0.01, 0.011, 0.012, 0.01, 0.01])
    assert rougher(rough, calm, "net").outcome == HOLDS
    assert rougher(calm, rough, "net").outcome == FAILS
    assert rougher(rough, rough / torch.tensor([1.0, 3.0, 1.0, 3.0, 2.0]), "net").outcome == UNDECIDED
    still = rougher(rough / 100, calm / 100, "net")
    assert (still.outcome, still.reason) == (UNDECIDED, "neither moves by 0.005")


def test_a_single_trial_has_no_interval_and_no_number_decides_nothing():
    one = rougher(torch.tensor([0.05]), torch.tensor([0.01]), "net")
    assert (one.low, one.high, one.outcome) == (None, None, HOLDS)
    assert rougher(torch.tensor([torch.nan] * 2), torch.tensor([0.01] * 2), "net").outcome == UNDECIDED


def courses(plain, batch_norm, auxiliary, trials=5):
    """Courses of W whose changes are ± so much, of different lengths."""
    made = {}
    for kind, size in (("plain", plain), ("batch norm", batch_norm), ("auxiliary loss", auxiliary)):
        made[kind] = [size * (torch.arange(20 + trial) % 2).double() for trial in range(trials)]
    return made


def test_an_auxiliary_loss_steadies_where_it_halves_the_changes_and_batch_norm_must_not():
    assert outcomes(steadied(courses(0.1, 0.09, 0.03), "tap 1")) == [HOLDS, HOLDS]
    assert outcomes(steadied(courses(0.1, 0.03, 0.09), "tap 1")) == [FAILS, FAILS]
    assert steadied(courses(0.1, 0.09, 0.03), "tap 1")[1].value == pytest.approx(0.3)


def test_what_does_not_move_or_has_not_settled_is_undecided():
    still, _ = steadied(courses(0.001, 0.001, 0.0), "tap 1")
    assert (still.outcome, "below 0.005" in still.reason) == (UNDECIDED, True)
    early, _ = steadied(courses(0.1, 0.09, 0.03), "tap 1", "2 had not settled")
    assert (early.outcome, early.reason) == (UNDECIDED, "2 had not settled")


def test_lost_samples_are_counted_and_nobody_has_most_of_none():
    right = torch.zeros(2, 4, 100, dtype=torch.bool)
    right[:, 0, :6] = True
    right[:, 3, 50:] = True
    probabilities = right[..., None].double().expand(2, 4, 100, 1) * 0.9
    shares = torch.stack([confused_shares(each, torch.ones(100, 1)) for each in probabilities])
    share, most = lost_again(right, shares, "net")
    assert share.value == pytest.approx(0.06) and most.outcome == HOLDS
    right[:, 0] = False
    _, nobody = lost_again(right, torch.zeros(2, 4), "net")
    assert nobody.outcome == UNDECIDED


def test_confused_samples_are_found_or_not():
    kinds = torch.full((2, 50), KINDS.index("easy"))
    assert some_confused(kinds, "net").outcome == FAILS
    kinds[0, :5] = KINDS.index("confused")
    assert some_confused(kinds, "net").value == pytest.approx(0.05) and some_confused(kinds, "net").outcome == HOLDS


def exits(seed, early_knows):
    """A trial of early exit on made answers of three taps, of which the first is better sure, or never."""
    generator = torch.Generator().manual_seed(seed)
    labels = (torch.rand(400, 4, generator=torch.Generator().manual_seed(9)) < 0.5).float()
    sure = torch.rand(400, 1, generator=generator) < 0.5
    right, wrong = 0.02 + 0.96 * labels, 0.45 + 0.1 * (1 - labels)
    unsure = torch.full_like(labels, 0.4)
    first = torch.where(sure, right if early_knows else unsure, unsure)
    last = torch.where(sure, wrong, right)
    taps = torch.stack([first, unsure, last]).double()
    return exit_against_best_layer(taps, labels, torch.arange(200), torch.arange(200, 400), resamples=20), labels[200:]


def test_early_exit_gains_over_the_best_tap_where_a_shallow_tap_is_sure_of_what_the_last_misses():
    trials, answers = [exits(seed, True)[0] for seed in range(3)], exits(0, True)[1]
    [part] = gains_over_best(trials, answers, {"accuracy": "accuracy"}, "net")
    each = [scores(t.leaving, answers)["accuracy"] - scores(t.staying, answers)["accuracy"] for t in trials]
    assert part.value == pytest.approx(100 * np.mean(each))
    assert part.outcome == HOLDS and part.low < part.value < part.high


def test_leaving_nowhere_else_says_nothing():
    trials, answers = [exits(seed, False)[0] for seed in range(2)], exits(0, False)[1]
    [part] = gains_over_best(trials, answers, {"accuracy": "accuracy"}, "net")
    assert (part.outcome, part.reason) == (UNDECIDED, "every sample leaves at the best fixed tap")
    assert exact_match(trials[0].leaving, answers).float().mean() < 1


def test_orders_are_kendalls_of_the_means_over_trials_and_samples():
    torch.manual_seed(0)
    rising = torch.rand(2, 5, 30) + torch.arange(5)[:, None]
    swapped = rising[:, [1, 0, 2, 3, 4]]
    found = orders({"W, uniform": rising, "other": swapped, "falling": -rising})
    # one of ten pairs is the other way round
    assert found == pytest.approx({"W, uniform": 1, "other": 0.8, "falling": -1})


def test_kinds_are_counted_and_a_kind_without_samples_has_no_share_right():
    kinds, right = torch.tensor([[0, 0, 1], [3, 0, 1]]), torch.tensor([[True, False, True], [False, True, True]])
    share, found = of_kinds(kinds, right).tolist()
    assert share == pytest.approx([1 / 2, 1 / 3, 0, 1 / 6])
    assert found[0] == pytest.approx(2 / 3) and found[1] == 1 and math.isnan(found[2]) and found[3] == 0
