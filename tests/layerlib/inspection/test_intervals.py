"""Intervals hold what they promise, and nulls are what comes of nothing."""

import numpy as np
import pytest
import torch
from torch import nn

import layerlib as ll
from layerlib._asking import answered
from layerlib._forward import label_error
from layerlib.inspection import _lenses as lenses
from layerlib.inspection._alike import alike, apart, rank
from layerlib.inspection._intervals import DRAWS, Estimate, Resampling, interval
from layerlib.patterns import hamming, layer_perplexity


def clouds(samples, random, classes=3, width=6, distance=1.0):
    centres = distance * torch.randn(classes, width, generator=torch.Generator().manual_seed(9))
    labels = torch.randint(classes, (samples,), generator=random)
    return torch.randn(samples, width, generator=random) + centres[labels], labels


def test_means_are_those_of_the_bootstrap():
    random = torch.Generator().manual_seed(0)
    x = torch.rand(400, generator=random)
    low, high = interval(Resampling(400, 0).mean(x)).tolist()
    error = 1.96 * x.std().item() / 20
    assert low == pytest.approx(x.mean().item() - error, abs=0.2 * error)
    assert high == pytest.approx(x.mean().item() + error, abs=0.2 * error)


def test_sums_are_weighted_by_hand():
    resampling, x = Resampling(50, 3), torch.randn(50, 2)
    labels, counts = torch.arange(50) % 3, resampling.counts.double()
    rows = torch.tensor([4, 9, 30])
    torch.testing.assert_close(resampling.sums(x), counts.T @ x.double())
    torch.testing.assert_close(
        resampling.mean(x[rows, 0], rows), (counts[rows] * x[rows, :1]).sum(0) / counts[rows].sum(0), equal_nan=True
    )
    by_class = torch.stack(
        [(counts * x[:, :1])[labels == each].sum(0) / counts[labels == each].sum(0) for each in range(3)], 1
    )
    torch.testing.assert_close(resampling.class_means(x[:, 0], labels, 3), by_class)
    assert abs(counts.mean() - 1) < 0.02 and abs(counts.var() - 1) < 0.05
    assert torch.equal(Resampling(50, 3).counts, resampling.counts)
    assert not torch.equal(Resampling(50, 4).counts, resampling.counts)


def test_an_interval_without_draws_is_nan():
    assert interval(torch.full((2, DRAWS), torch.nan)).isnan().all()
    assert Estimate(0.5) == 0.5 and Estimate(0.5).draws is None


def perplexity(x, y, resampling):
    return answered(lenses.patterns(x, y, 3, resampling=resampling))["entropy"]


def graded(x, y, resampling):
    return answered(lenses.patterns(x, y, 3, resampling=resampling))["hamming"]


def ranked(x, y, resampling):
    return answered(rank(x, resampling))


def aligned(x, y, resampling):
    return answered(alike(x, x.relu() + y[:, None], resampling))


@pytest.mark.parametrize("number", [graded, ranked, aligned])
def test_nine_in_ten_intervals_hold_the_number_of_very_many_samples(number):
    many = number(*clouds(4000, torch.Generator().manual_seed(1)), Resampling(4000, 0))
    held = []
    for seed in range(60):
        low, high = interval(number(*clouds(150, torch.Generator().manual_seed(100 + seed)), Resampling(150, 0)).draws)
        held.append(bool(low <= many <= high))
    assert np.mean(held) >= 0.83


@pytest.mark.parametrize("number", [perplexity, graded, ranked, aligned])
def test_intervals_are_as_wide_as_numbers_of_other_samples_differ(number):
    found = [number(*clouds(150, torch.Generator().manual_seed(seed)), Resampling(150, 0)) for seed in range(60)]
    spread = np.std([float(each) for each in found])
    widths = [each.draws.std().item() for each in found]
    assert 0.6 * spread < np.mean(widths) < 1.6 * spread


def test_estimates_are_the_plain_instruments():
    x, y = clouds(80, torch.Generator().manual_seed(0))
    found, plain = (answered(lenses.patterns(x, y, 3, resampling=each)) for each in (Resampling(80, 0), None))
    assert found == plain and all(each.draws is None for each in plain.values())
    on = x > 0
    within, between = hamming(on, y)
    assert found["hamming"] == pytest.approx((within / between).item())
    assert found["perplexity"] == pytest.approx(layer_perplexity(on, y).mean().item())
    assert answered(rank(x, Resampling(80, 0))) == pytest.approx(ll.effective_rank(x))
    assert answered(alike(x, x.relu(), Resampling(80, 0))) == pytest.approx(ll.cka(x, x.relu()))
    wide = torch.randn(20, 5000)
    assert answered(rank(wide, Resampling(20, 0))) == pytest.approx(ll.effective_rank(wide))
    assert answered(rank(apart(wide), Resampling(20, 0))) == pytest.approx(19, abs=0.2)


def test_draws_do_not_depend_on_the_values_of_other_layers():
    x, y = clouds(60, torch.Generator().manual_seed(0))
    model = nn.Sequential(nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 3))
    both, one = ll.inspect(model, (x, y)), ll.inspect(model, (x, y), layers="2")
    for quantity in ("entropy", "discrete", "feature_silhouette", "effective_rank"):
        assert torch.equal(both.draws[quantity][1], one.draws[quantity][0])


def noise(samples=600, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(samples, 10, generator=random), torch.randint(3, (samples,), generator=random)


def test_on_labels_that_mean_nothing_every_number_is_within_its_null():
    """Each number, of an untrained network on noise, against what its null is in other samples of the same kind."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 3))
    found = [ll.inspect(model, noise(300, seed)) for seed in range(12)]
    for quantity in (
        "distance",
        "probe_accuracy",
        "perplexity",
        "entropy",
        "hamming",
        "discrete",
        "continuous",
        "combined",
        "target_silhouette",
        "target_accuracy",
        "feature_silhouette",
        "feature_accuracy",
    ):
        value, null = (
            torch.stack([part(each)[quantity] for each in found])
            for part in (lambda each: each.values, lambda each: each.nulls)
        )
        error = (value - null).std(0) / 12**0.5
        assert ((value - null).mean(0).abs() <= 4 * error + 1e-9).all(), quantity


def test_targets_of_an_untrained_network_are_near_1_and_so_is_their_null():
    torch.manual_seed(0)
    x, y = noise()
    found = ll.inspect(nn.Sequential(nn.Linear(10, 20), nn.Tanh(), nn.Linear(20, 3)), (x, y))
    assert (found.values["target_accuracy"] > 0.9).all() and (found.nulls["target_accuracy"] > 0.9).all()
    assert (found.nulls["feature_accuracy"] < 0.5).all()


def test_the_null_of_targets_sends_other_samples_errors_back():
    """Through a linear network every sample goes back alike, so that the null is the targets of the other half."""
    torch.manual_seed(0)
    model, (x, y) = nn.Sequential(nn.Linear(10, 5), nn.Linear(5, 3)).double(), noise(200)
    x = x.double()
    found = ll.inspect(model, (x, y))
    fitted = ~torch.zeros(200, dtype=torch.bool).index_fill_(
        0, torch.randperm(200, generator=torch.Generator().manual_seed(0))[:100], True
    )
    errors = label_error(model(x[fitted]).detach(), y[fitted])
    for layer, rows in ((1, errors), (0, errors @ model[1].weight.detach())):
        accuracy, silhouette = ll.separation(rows, y[fitted])
        assert found.nulls["target_silhouette"][layer].item() == pytest.approx(silhouette)
        assert found.nulls["target_accuracy"][layer].item() == pytest.approx(accuracy)


def test_every_number_has_an_interval_around_it_and_a_null():
    torch.manual_seed(0)
    x, y = clouds(240, torch.Generator().manual_seed(3))
    model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    frame = ll.inspect(model, (x, y), before=before).to_frame()
    assert frame[["value", "low", "high", "null"]].notna().all(None)
    inside = (frame["low"] <= frame["value"] + 1e-6) & (frame["value"] <= frame["high"] + 1e-6)
    assert inside.mean() > 0.9
    cka, change = (frame[frame["quantity"] == quantity] for quantity in ("cka", "relative_change"))
    assert (cka["null"].abs() < 0.1).all() and (cka["value"] > 0.3).all() and (change["null"] == 0).all()
