"""Linear probes on features: against scikit-learn at their optimum, against a linear layer of torch on their way."""

import warnings
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from layerlib.distributions import _descent as descent
from layerlib.distributions import _logistic as logistic
from layerlib.distributions._features import Features
from layerlib.distributions.linear import LinearProbes

CLASSES = 3


def problem(samples=60, widths=(4, 9), seed=0, dtype=torch.float64):
    """Features of unlike scales and centres, and multi-hot labels that they tell something of."""
    random = torch.Generator().manual_seed(seed)
    labels = (torch.rand(samples, CLASSES, generator=random) < 0.4).to(dtype)
    labels[0], labels[1] = 0, 1
    each = []
    for width in widths:
        told = torch.randn(CLASSES, width, generator=random, dtype=dtype)
        x = labels @ told + 2 * torch.randn(samples, width, generator=random, dtype=dtype)
        each.append(x * torch.rand(width, generator=random, dtype=dtype).mul(5).exp() + 30)
    return each, labels


def side_by_side(each, labels):
    pooled = each[0].new_zeros(len(each), len(labels), max(x.shape[1] for x in each))
    for row, x in zip(pooled, each, strict=True):
        row[:, : x.shape[1]] = x
    return Features(pooled, None, labels, tuple(x.shape[1] for x in each), pooled.device)


def scikit_learns(x, labels, penalty):
    """Probabilities (N, K) of one logistic regression a class, on features brought to one scale."""
    columns = []
    for k in range(labels.shape[1]):
        found = make_pipeline(StandardScaler(), LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=10_000))
        columns.append(found.fit(x.double().numpy(), labels[:, k].numpy()).predict_proba(x.double().numpy())[:, 1])
    return torch.stack([torch.from_numpy(column) for column in columns], 1)


def same(ours, reference, tolerance):
    torch.testing.assert_close(ours, reference, rtol=0, atol=tolerance, check_dtype=False)


@pytest.mark.parametrize("penalty", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-5), (torch.float32, 1e-3)])
def test_by_default_probes_reach_what_logistic_regression_reaches(penalty, dtype, tolerance):
    each, labels = problem(dtype=dtype)
    probes = LinearProbes(CLASSES)
    losses = probes.fit(side_by_side(each, labels), penalty=penalty)
    found = probes.predict(side_by_side(each, labels))
    assert found.dtype == dtype and losses.shape == (2,)
    for i, x in enumerate(each):
        expected = scikit_learns(x, labels, penalty)
        same(found[i], expected, tolerance)
        cross_entropy = nn.functional.binary_cross_entropy(expected, labels.double())
        assert losses[i].item() == pytest.approx(cross_entropy.item(), abs=tolerance)
        assert (probes.weight[i, :, x.shape[1] :] == 0).all()


def test_soft_targets_reach_the_least_cross_entropy():
    (x, _), _ = problem()
    teacher = torch.rand(60, CLASSES, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    probes = LinearProbes(CLASSES)
    probes.fit(x, teacher, penalty=1e-6)
    off = probes.predict(x) - teacher
    # at the optimum what is left over has no mean, and nothing to do with any feature
    same(off.mean(0), torch.zeros(CLASSES), 1e-5)
    same(off.T @ ((x - x.mean(0)) / x.std(0)) / 60, torch.zeros(CLASSES, 4), 1e-5)


def test_pieces_give_what_all_samples_at_once_give(monkeypatch):
    each, labels = problem()
    whole, pieces = LinearProbes(CLASSES), LinearProbes(CLASSES)
    whole.fit(side_by_side(each, labels))
    monkeypatch.setattr(logistic, "PIECE", 7)
    pieces.fit(side_by_side(each, labels))
    same(pieces.weight, whole.weight, 1e-6)


def test_a_class_without_samples_and_a_feature_that_never_changes_do_no_harm():
    (x, _), labels = problem()
    x, labels = torch.cat([x, torch.full((60, 2), 0.1)], 1), labels.clone()
    labels[:, 1] = 0
    probes = LinearProbes(CLASSES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        probes.fit(x, labels)
    found = probes.predict(x)
    assert found.isfinite().all() and (found[:, 1] < 1e-4).all() and not probes.weight[0, :, -2:].any()
    same(found[:, ::2], scikit_learns(x, labels[:, ::2], 1.0), 1e-5)


def test_a_regression_that_has_not_settled_is_told(monkeypatch):
    monkeypatch.setattr(logistic, "ITERATIONS", 2)
    (x, _), labels = problem()
    with pytest.warns(UserWarning, match="has not settled: a derivative of .* raise penalty from 1e-09"):
        LinearProbes(CLASSES).fit(x, labels, penalty=1e-9)


@pytest.mark.parametrize("way", ["fit", "train"])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_probes_train_within_no_grad_too(way, mode):
    (x, _), labels = problem()
    outside, inside = LinearProbes(CLASSES), LinearProbes(CLASSES)
    getattr(outside, way)(x, labels)
    with mode():
        getattr(inside, way)(x.clone(), labels.clone())
        assert torch.equal(inside.predict(x), outside.predict(x))
    assert torch.equal(inside.predict(x), outside.predict(x)) and not inside.weight.requires_grad


@settings(max_examples=10)
@given(samples=st.integers(2, 40), width=st.integers(1, 12), seed=st.integers(0, 10**6))
def test_a_layer_alone_is_the_layer_beside_others(samples, width, seed):
    each, labels = problem(samples, (width, width), seed)
    each = torch.stack([(x - x.mean(0)) / x.std(0) for x in each])
    both, alone = LinearProbes(CLASSES), LinearProbes(CLASSES)
    for way in ("fit", "train"):
        getattr(both, way)(each, labels)
        for i, x in enumerate(each):
            getattr(alone, way)(x, labels)
            assert alone.predict(x).shape == (samples, CLASSES) and alone.weight.shape == (1, CLASSES, width)
            same(alone.predict(x), both.predict(each)[i], 1e-12)


@given(st.lists(st.integers(1, 40), max_size=12), st.integers(0, 60))
def test_layers_are_grouped_in_order_and_padded_by_no_more_than_is_spared(sizes, spared):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(descent, "SPARE", spared)
        groups = [sizes[at] for at in descent.alike(sizes)]
    assert [size for group in groups for size in group] == sizes
    padding = [len(group) * max(group, default=0) - sum(group) for group in groups]
    assert max(padding) <= spared
    for group, following in pairwise(groups):  # none could have taken the next layer, too
        assert (len(group) + 1) * max(*group, following[0]) - sum(group) - following[0] > spared


def test_probes_of_unequal_layers_are_those_of_layers_padded_to_the_widest(monkeypatch):
    each, labels = problem(widths=(4, 9, 30, 31, 3))
    features = side_by_side([x / x.abs().max() for x in each], labels)
    trained, seen = {}, []
    for spared in (10**6, 0, 25):
        monkeypatch.setattr(descent, "SPARE", spared)
        probes = LinearProbes(CLASSES)
        losses = probes.train(features, epochs=3, callbacks=[lambda epoch, now: seen.append(now.weight.clone())])
        trained[spared] = (probes.weight, probes.bias, losses)
    assert [len(descent.alike(features.sizes)), len(seen)] == [3, 12]
    assert not torch.equal(seen[-1], seen[-2])  # callbacks see them learn, in groups as well
    for spared in (0, 25):
        for ours, padded in zip(trained[spared], trained[10**6], strict=True):
            same(ours, padded, 1e-12)


def test_features_whose_sum_no_float_holds_are_finite_all_the_same():
    x = torch.full((4000, 2), 1e35)
    assert x.sum().isinf()
    assert LinearProbes(2).train(x, torch.arange(4000) % 2, epochs=1, rate=1e-38).isfinite().all()


def test_by_the_papers_schedule_small_features_stay_far_from_their_optimum():
    (x, _), labels = problem()
    x = (x - x.mean(0)) / x.std(0) / 100
    slow, best = LinearProbes(CLASSES), LinearProbes(CLASSES)
    assert slow.train(x, labels)[-1] > best.fit(x, labels) + 0.1


@pytest.mark.parametrize("way", ["fit", "train"])
@pytest.mark.parametrize(
    "features, targets, message",
    [
        (
            torch.rand(5),
            torch.arange(5) % 3,
            r"features: expected floats of shape \(L, N, F\) or \(N, F\) with at least",
        ),
        (torch.ones(5, 2).long(), torch.arange(5) % 3, r"features: expected floats .*, got torch.int64 \(5, 2\)"),
        (torch.rand(0, 2), torch.arange(0), r"features: expected floats .* at least one sample,.* got .* \(0, 2\)"),
        ("features", torch.arange(5) % 3, "features: expected a tensor or an array of numbers, got str"),
        (torch.rand(5, 2), None, "targets: expected labels with these features, got None"),
        (torch.rand(5, 2), torch.arange(5), "targets: expected class numbers 0 to 2, got 0 to 4"),
        (torch.rand(5, 2), torch.rand(4, 3), r"targets: expected shape \(5, 3\), .*, got torch.float32 \(4, 3\)"),
        (torch.rand(5, 2), 2 * torch.ones(5, 3), r"targets: expected numbers in \[0, 1\], got 2 to 2"),
    ],
)
def test_bad_features_and_targets_are_refused(way, features, targets, message):
    with pytest.raises(ValueError, match=message):
        getattr(LinearProbes(CLASSES), way)(features, targets)


@pytest.mark.parametrize("penalty", [0.0, -1.0, float("inf"), float("nan")])
def test_a_bad_penalty_is_refused(penalty):
    with pytest.raises(ValueError, match="penalty: expected a finite number above 0, got"):
        LinearProbes(CLASSES).fit(torch.rand(5, 2), torch.arange(5) % 3, penalty=penalty)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_features_that_are_not_finite_are_refused(bad):
    x = torch.rand(5, 2)
    x[3, 1] = bad
    with pytest.raises(ValueError, match="features: expected finite numbers"):
        LinearProbes(CLASSES).fit(x, torch.arange(5) % 3)
    with pytest.raises(ValueError, match="features: expected finite numbers"):
        LinearProbes(CLASSES).train(x, torch.arange(5) % 3)


def test_arrays_count_as_tensors():
    (x, _), labels = problem()
    ours, theirs = LinearProbes(CLASSES), LinearProbes(CLASSES)
    assert torch.equal(ours.fit(x.numpy(), labels.numpy()), theirs.fit(x, labels))
    assert torch.equal(ours.predict(x.numpy()), theirs.predict(x))


def test_probes_not_trained_and_features_of_other_layers_are_refused():
    probes = LinearProbes(CLASSES)
    with pytest.raises(RuntimeError, match="not been trained yet: call fit first"):
        probes.predict(torch.rand(5, 2))
    probes.fit(torch.rand(2, 5, 4), torch.arange(5) % 3)
    for other in (torch.rand(3, 5, 4), torch.rand(2, 5, 3), torch.rand(5, 4)):
        with pytest.raises(ValueError, match="features: expected 2 probes with up to 4 features, as in training, got "):
            probes.predict(other)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_reaches_what_the_cpu_reaches():
    each, labels = problem()
    ours, theirs = LinearProbes(CLASSES), LinearProbes(CLASSES)
    ours.fit(side_by_side(each, labels))
    theirs.fit(side_by_side([x.cuda() for x in each], labels))
    assert theirs.weight.is_cuda
    same(theirs.weight.cpu(), ours.weight, 1e-5)
