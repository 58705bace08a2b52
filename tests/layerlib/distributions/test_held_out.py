"""What is chosen on held-out samples against a loop over all choices; the trial against its parts by hand."""

import pytest
import torch
from hypothesis import given
from predictions import cases, some_probabilities

from layerlib.data.splits import Split
from layerlib.distributions.bootstrap import paired_bootstrap
from layerlib.distributions.early_exit import ConfidentRatio, EarlyExit, at_exit, exit_layers
from layerlib.distributions.held_out import best_layer, best_rule, exit_against_best_layer
from layerlib.distributions.probes import LayerProbes
from layerlib.distributions.scores import exact_match
from layerlib.models import build, taps

FEW = torch.tensor([0.5, 0.6, 0.8, 1.0], dtype=torch.float64)
GOOD, LABELS = some_probabilities(1, samples=80)
CHOSEN, JUDGED = torch.arange(0, 80, 2), torch.arange(1, 80, 2)


def literal_best_rule(probabilities, labels, thresholds):
    best, found = -1, None
    right = exact_match(probabilities, labels)
    for s2 in thresholds.tolist():
        for rho in thresholds.tolist():
            hits = int(at_exit(right, exit_layers(probabilities, s2, rho)).sum())
            if hits >= best:
                best, found = hits, (s2, rho)
    return found


@given(cases())
def test_the_best_thresholds_and_the_best_layer_are_those_of_a_loop_over_all(case):
    probabilities, labels = case
    rule = best_rule(probabilities, labels, FEW, FEW)
    assert (rule.s2, rule.rho) == literal_best_rule(probabilities, labels, FEW)
    hits = exact_match(probabilities, labels).sum(1).tolist()
    assert best_layer(probabilities, labels) == max(range(len(hits)), key=lambda layer: (hits[layer], layer))


def test_a_trial_is_its_parts_by_hand():
    trial = exit_against_best_layer(GOOD, LABELS, CHOSEN, JUDGED, s2=FEW, rho=FEW, resamples=40, seed=3)
    assert trial.rule == best_rule(GOOD[:, CHOSEN], LABELS[CHOSEN], FEW, FEW)
    assert trial.layer == best_layer(GOOD[:, CHOSEN], LABELS[CHOSEN])
    assert torch.equal(trial.layers, exit_layers(GOOD[:, JUDGED], trial.rule.s2, trial.rule.rho))
    assert torch.equal(trial.leaving, at_exit(GOOD[:, JUDGED], trial.layers))
    assert torch.equal(trial.staying, GOOD[trial.layer, JUDGED])
    assert trial.gains == paired_bootstrap(trial.leaving, trial.staying, LABELS[JUDGED], 40, 3)


def test_the_judged_samples_have_no_say_in_what_is_chosen():
    spoiled, others = GOOD.clone(), LABELS.clone()
    spoiled[:, JUDGED], others[JUDGED] = 1 - GOOD[:, JUDGED], 1 - LABELS[JUDGED]
    trial = exit_against_best_layer(GOOD, LABELS, CHOSEN, JUDGED, resamples=2)
    again = exit_against_best_layer(spoiled, others, CHOSEN, JUDGED, resamples=2)
    assert (trial.rule, trial.layer) == (again.rule, again.layer)


def test_a_better_layer_before_the_last_is_no_gain_of_early_exit():
    knows = 0.8 * LABELS + 0.1
    last = knows.where(torch.arange(80)[:, None] % 5 > 0, 1 - knows)
    probabilities = torch.stack([torch.full_like(knows, 0.5), knows, last])
    trial = exit_against_best_layer(probabilities, LABELS, CHOSEN, JUDGED, resamples=200)
    against_last = paired_bootstrap(trial.leaving, last[JUDGED], LABELS[JUDGED], 200)
    assert trial.layer == 1 and against_last["accuracy"].low > 0 and trial.gains["accuracy"].difference <= 0


def test_the_last_two_taps_of_a_resnet_may_share_one_head():
    torch.manual_seed(0)
    model = build("resnet18", 5, width=0.06, channels=1)
    names = taps(model)
    split = Split(torch.randint(256, (24, 1, 32, 32), dtype=torch.uint8), (torch.rand(24, 5) < 0.4).float())
    probes = LayerProbes(model, names, 5, heads={names[-2]: names[-1]})
    probes.fit(split)
    answers = probes.predict(split.images)
    torch.testing.assert_close(answers[-2], answers[-1])  # of two products: some processors round them apart
    assert len(probes.weight) == 8
    early = EarlyExit(model, probes, ConfidentRatio(0.5, 0.5))
    with torch.no_grad():
        found, layers = early.exit(split.images / 255)
    assert torch.equal(layers, exit_layers(answers, 0.5, 0.5))
    torch.testing.assert_close(found, at_exit(answers, layers))


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(chosen=JUDGED), "judged: expected samples that are not among the chosen, got some that are"),
        (dict(chosen=CHOSEN.float()), r"chosen: expected numbers of samples, int64 \(n,\), got torch.float32 \(40,\)"),
        (dict(judged=JUDGED + 1), "judged: expected numbers 0 to 79, got 2 to 80"),
        (dict(judged=JUDGED[:0]), r"judged: expected numbers of samples, int64 \(n,\), got torch.int64 \(0,\)"),
        (dict(labels=LABELS * 0.5), "labels: expected multi-hot labels, each 0 or 1"),
        (dict(probabilities=GOOD[0]), r"probabilities: expected shape \(L, N, K\)"),
        (dict(s2=torch.tensor([0.4])), "s2: expected a number or a row of them, each from s1"),
        (dict(resamples=1), "resamples: expected at least 2, got 1"),
    ],
)
def test_bad_trials_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        exit_against_best_layer(**dict(probabilities=GOOD, labels=LABELS, chosen=CHOSEN, judged=JUDGED) | change)


def test_choices_without_samples_are_refused():
    with pytest.raises(ValueError, match="probabilities: expected at least one sample, got none"):
        best_layer(GOOD[:, :0], LABELS[:0])
    with pytest.raises(ValueError, match="scores: expected floats .* with layers and samples"):
        best_rule(GOOD[:, :0], LABELS[:0])
    with pytest.raises(ValueError, match="rho: expected a number above 0 and at most 1"):
        best_rule(GOOD, LABELS, rho=torch.tensor([0.0]))
