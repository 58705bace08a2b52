"""Ways to leave a network early, against literal loops over samples and thresholds."""

import pytest
import torch

from layerbook.analysis.exits import (
    accuracies,
    gains,
    gains_over_whole,
    leaving_shares,
    ways_to_leave,
)
from layerlib.distributions.bootstrap import Difference, paired_bootstrap
from layerlib.distributions.scores import exact_match

WAYS = ["paper's choice", "held out", "calibrated", "confidence", "oracle"]


@pytest.fixture
def answered():
    """Three layers that know the better the deeper, sixty samples of four labels, and the two halves."""
    torch.manual_seed(0)
    labels = (torch.rand(60, 4) < 0.4).float()
    noise = torch.randn(3, 60, 4)
    probabilities = torch.sigmoid((labels * 2 - 1) * torch.tensor([0.5, 1.5, 3.0])[:, None, None] + 1.2 * noise)
    return probabilities, labels, torch.arange(30), torch.arange(30, 60)


def test_accuracy_of_every_pair_of_thresholds_is_that_of_the_loop(answered):
    probabilities, labels, *_ = answered
    s2, rho = torch.tensor([0.5, 0.8, 0.95]), torch.tensor([0.5, 0.9])
    found = accuracies(probabilities, labels, s2, rho)
    for i, threshold in enumerate(s2):
        for j, share in enumerate(rho):
            right = 0
            for n in range(60):
                for layer in range(3):
                    predicted = probabilities[layer, n] > 0.5
                    sure = probabilities[layer, n] > threshold
                    if layer == 2 or (predicted.any() and sure.sum() / predicted.sum() >= share):
                        right += bool((predicted == labels[n].bool()).all())
                        break
            assert found[i, j] == pytest.approx(right / 60)


def test_samples_leave_with_what_their_layer_says_and_the_oracle_where_it_is_right(answered):
    probabilities, labels, choose, judge = answered
    left = ways_to_leave(probabilities, labels, choose, judge)
    assert list(left) == WAYS
    for way in ("paper's choice", "held out", "confidence", "oracle"):
        found, layers = left[way]
        assert all(torch.equal(found[i], probabilities[layers[i], n]) for i, n in enumerate(judge.tolist()))
    right = exact_match(probabilities, labels)[:, judge]
    for i, layer in enumerate(left["oracle"][1].tolist()):
        assert layer == next((tap for tap in range(3) if right[tap, i]), 2)


def test_what_is_held_out_does_not_see_the_judged_labels(answered):
    probabilities, labels, choose, judge = answered
    other = labels.clone()
    other[judge] = 1 - other[judge]
    before, after = (ways_to_leave(probabilities, each, choose, judge) for each in (labels, other))
    for way in ("held out", "calibrated", "confidence"):
        assert torch.equal(before[way][0], after[way][0])
    assert not torch.equal(before["oracle"][1], after["oracle"][1])


def test_gains_are_those_of_each_way_in_each_trial(answered):
    probabilities, labels, choose, judge = answered
    left = [ways_to_leave(each, labels, choose, judge) for each in (probabilities, probabilities.flip(1))]
    whole = [probabilities[-1, judge], probabilities.flip(1)[-1, judge]]
    found = gains(left, whole, labels[judge])
    assert list(found) == WAYS
    assert found["oracle"][1] == paired_bootstrap(left[1]["oracle"][0], whole[1], labels[judge])


def test_every_trial_is_a_part_and_the_short_form_counts_those_above_zero():
    trials = [{"acc": Difference(0.02, 0.01, 0.03)}, {"acc": Difference(0.01, -0.01, 0.03)}]
    parts, short = gains_over_whole({"net": trials}, {"accuracy": "acc"})
    assert [part.outcome for part in parts] == ["holds", "undecided"]
    assert parts[1].text == "net accuracy, trial 1 [points]"
    assert short == "net accuracy +1.50 points, its own interval above 0 in 1 of 2"


def test_shares_of_leaving_samples_count_them():
    left = [{"a": (torch.rand(4, 2), torch.tensor([0, 0, 2, 1])), "b": (torch.rand(4, 2), torch.tensor([2, 2, 2, 2]))}]
    assert leaving_shares(left, 3).tolist() == [[[0.5, 0.25, 0.25], [0, 0, 1]]]
