"""Tests of claims about the three node systems, on accuracies whose verdict is known."""

import math

import pytest
import torch

from layerbook.analysis import node_systems as tests


def accuracies(discrete, continuous, combined, seeds=2):
    """Accuracies by layer, the same in every seed: shape (3, seeds, layers)."""
    rows = torch.tensor([discrete, continuous, combined], dtype=torch.float64)
    return rows[:, None].expand(3, seeds, rows.shape[1])


def rights(rates, seeds, samples):
    """Which samples are right, at random: shape (len(rates), seeds, 2, samples)."""
    random = torch.rand(len(rates), seeds, 2, samples, generator=torch.Generator().manual_seed(0))
    return random < torch.tensor(rates)[:, None, None, None]


def test_together_looks_at_the_last_two_layers_and_at_the_network():
    near = accuracies([0.1, 0.900, 0.904], [0.5, 0.902, 0.903], [0.9, 0.901, 0.902])
    apart, lead = tests.together(near, 0.905, "A, ")
    assert apart.value == pytest.approx(0.2) and lead.value == pytest.approx(-0.5)
    assert apart.outcome == "holds" and apart.text.startswith("A, systems")
    far = tests.together(accuracies([0.9, 0.906], [0.9, 0.9], [0.9, 0.9]), 0.89)
    assert [part.outcome for part in far] == ["fails", "holds"]


def test_together_surely_has_intervals_over_seeds_and_samples():
    same = rights([0.9], 3, 2000).expand(3, 3, 2, 2000)
    apart, lead = tests.together_surely(same, same[0, :, 0])
    assert apart.value == pytest.approx(0, abs=1e-9)  # three systems that answer alike, in either layer
    assert lead.outcome in ("holds", "undecided") and lead.low <= lead.value <= lead.high
    far = torch.cat([same[:1] & (torch.arange(2000) % 10 > 0), same[1:]])
    assert tests.together_surely(far, same[0, :, 0])[0].outcome == "fails"
    assert {part.outcome for part in tests.together_surely(same, same[0, :, 0], empty="not trained")} == {"undecided"}


def test_two_layers_that_answer_alike_are_no_distance_apart():
    alike = torch.rand(1, 3, 1, 500, generator=torch.Generator().manual_seed(0)).lt(0.8).expand(3, 3, 2, 500)
    apart, lead = tests.together_surely(alike, alike[0, :, 0])
    assert (apart.value, apart.low, apart.high, lead.value) == pytest.approx((0, 0, 0, 0))
    assert apart.outcome == lead.outcome == "holds"


def test_combined_leads_where_it_is_right_more_often():
    combined = torch.arange(100) < 90
    right = torch.stack([torch.arange(100) < 60, torch.arange(100) < 89, combined])
    discrete, continuous = tests.combined_leads(right)
    assert discrete.outcome == "holds" and "wrong 30 times, the reverse 0" in discrete.text
    assert continuous.outcome == "fails"  # once more often: by chance
    assert [part.outcome for part in tests.combined_leads(right[[2, 2, 0]])] == ["fails", "fails"]
    assert [part.value for part in tests.combined_leads(right[[0, 0, 0]])] == [1, 1]


@pytest.mark.parametrize(
    "gains, outcome",
    [
        ((1, 2, 2), "holds"),
        ((1, 2, 1.5), "fails"),
        ((0, 0.1, 0.1), "holds"),
        ((-1, -1, -1), "fails"),
        ((-1, 1, 1), "holds"),
    ],
)
def test_late_layers_gain_twice_as_much_and_something_at_all(gains, outcome):
    before = accuracies(*[[0.5, 0.5, 0.5]] * 3)
    assert tests.late_gain(before, before + torch.tensor(gains) / 100).outcome == outcome


def test_the_continuous_system_lags_at_every_moment_or_the_claim_fails():
    worse, better = accuracies([0.6], [0.5], [0.6]), accuracies([0.6], [0.61], [0.6])
    moments = torch.stack([torch.stack([worse, worse]), torch.stack([worse, better])])
    parts = tests.continuous_lags(moments, ["Scott", "1.0"])
    assert [part.outcome for part in parts] == ["holds", "fails"] and parts[1].value == pytest.approx(1)


def test_width_lowers_the_first_layers_continuous_system_and_raises_the_last_layer():
    by_width = torch.stack(
        [accuracies([0.5, 0.6 + w], [0.7 - w, 0.6 + w], [0.5, 0.6 + w], 3) for w in (0, 0.1, 0.2, 0.3)]
    )
    falls, rises = tests.with_width(by_width, [20, 40, 100, 200], "FMNIST")
    assert falls.outcome == rises.outcome == "holds" and falls.value == pytest.approx(-0.96, abs=0.05)
    assert [part.outcome for part in tests.with_width(by_width.flip(0), [20, 40, 100, 200], "")] == ["fails", "fails"]


def test_falls_with_width_over_seeds_and_samples():
    random = torch.rand(3, 1000, generator=torch.Generator().manual_seed(0))
    falling = {w: random < 0.9 - 0.1 * i for i, w in enumerate((20, 40, 100))}
    assert tests.falls_with_width(falling, "").outcome == "holds"
    assert tests.falls_with_width({-w: each for w, each in falling.items()}, "").outcome == "fails"


def test_narrow_layers_cost_the_discrete_system_most():
    wide = accuracies([0.8], [0.8], [0.8])
    assert tests.narrow_loses(accuracies([0.6], [0.7], [0.7]), wide, "A").outcome == "holds"
    part = tests.narrow_loses(accuracies([0.7], [0.6], [0.7]), wide, "A")
    assert part.outcome == "fails" and part.text == "A, points lost: discrete 10.0, continuous 20.0, combined 10.0"


@pytest.mark.parametrize(
    "discrete, layer",
    [
        ([0.8, 0.8, 0.8], 1),
        ([0.7, 0.8, 0.8], 2),
        ([0.8, 0.7, 0.8], 3),
        ([0.8, 0.8, 0.7], math.inf),
        ([0.797, 0.8, 0.8], 1),
    ],
)
def test_systems_meet_where_they_stay_within_half_a_point(discrete, layer):
    assert tests.meeting_layer(accuracies(discrete, [0.8] * 3, [0.8] * 3)) == layer


def test_they_meet_earlier_on_the_easier_set_or_not():
    names = {"easy": "MNIST", "hard": "FMNIST"}
    early, late = accuracies([0.9] * 3, [0.9] * 3, [0.9] * 3), accuracies([0.7, 0.8, 0.8], [0.8] * 3, [0.8] * 3)
    assert [part.outcome for part in tests.meet_earlier(early, late, names)] == ["holds", "holds"]
    assert [part.outcome for part in tests.meet_earlier(late, early, names)] == ["fails", "fails"]
    never = accuracies([0.7] * 3, [0.8] * 3, [0.8] * 3)
    meet, _ = tests.meet_earlier(early, never, names)
    assert meet.outcome == "holds" and meet.text == "within half a point from layer 1 on MNIST, none on FMNIST"
    assert tests.meet_earlier(never, never, names)[0].outcome == "fails"


def test_slightly_ahead_is_more_than_nothing_and_at_most_two_points():
    sure = torch.arange(1000) < 800
    ahead = torch.stack([sure, torch.arange(1000) < 810, sure])[:, None, None].expand(3, 2, 4, 1000)
    parts = tests.slightly_ahead(ahead)
    assert [part.value for part in parts] == pytest.approx([1, 1]) and "layer 3" in parts[0].text
    assert [part.outcome for part in tests.slightly_ahead(ahead)] == ["holds", "holds"]
    assert tests.slightly_ahead(ahead[[1, 0, 2]])[0].outcome == "fails"


def test_the_deepest_dip_of_a_single_network_is_found():
    accuracy = torch.tensor([[0.9, 0.9, 0.9, 0.9], [0.9, 0.94, 0.86, 0.96]])
    assert tests.deepest_dip(accuracy, [7, 8]) == {"dip": pytest.approx(9, abs=1e-4), "dip_layer": 3, "dip_seed": 8}
