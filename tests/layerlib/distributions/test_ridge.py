"""Ridge read-outs in their dual form against scikit-learn's, in its primal and its kernel form, and refits."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge, RidgeCV

from layerlib.distributions import ridge
from layerlib.distributions.ridge import PENALTIES, Decomposed, RidgeReadout, flat_blocks, grams

CLASSES = 3


def problem(samples=30, features=80, judged=12, seed=0, dtype=torch.float64):
    """Features far from 0 of unlike scales, and class numbers that they tell something of."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(samples + judged) % CLASSES
    told = torch.randn(CLASSES, features, generator=random, dtype=torch.float64)
    x = told[labels] + 3 * torch.randn(samples + judged, features, generator=random, dtype=torch.float64)
    x = (x * torch.rand(features, generator=random, dtype=torch.float64) + 50).to(dtype)
    return x[:samples], labels[:samples], x[samples:]


def one_hot(labels):
    return torch.eye(CLASSES, dtype=torch.float64)[labels].numpy()


def same(ours, reference, tolerance=1e-8):
    torch.testing.assert_close(ours, torch.as_tensor(reference), rtol=0, atol=tolerance, check_dtype=False)


@settings(max_examples=25)
@given(st.integers(4, 40), st.integers(1, 60), st.integers(0, 10**6))
def test_scores_and_penalty_are_those_of_scikit_learns_ridge_with_leave_one_out(samples, features, seed):
    x, labels, new = problem(samples, features, seed=seed)
    gram, products = grams(flat_blocks(x, new))
    penalties = PENALTIES[4::4]
    found = RidgeReadout.fit(gram, labels, CLASSES, penalties)
    alphas = penalties * gram.diagonal().mean()
    reference = RidgeCV(alphas=alphas.numpy()).fit(x.numpy(), one_hot(labels))
    assert found.penalty == pytest.approx(reference.alpha_)
    same(found.predict(products), reference.predict(new.numpy()), 1e-6)


@pytest.mark.parametrize("features", [5, 200])
@pytest.mark.parametrize("penalty", [1e-4, 0.3, 100.0])
def test_a_sample_left_out_gets_what_a_fit_to_all_others_gives_it(features, penalty):
    x, labels, _ = problem(features=features)
    gram, _ = grams(flat_blocks(x, x))
    found = RidgeReadout.fit(gram, labels, CLASSES, [penalty])
    truth = one_hot(labels)
    for i in range(len(x)):
        others = np.arange(len(x)) != i
        refit = Ridge(alpha=found.penalty, tol=1e-12, solver="svd").fit(x.numpy()[others], truth[others])
        same(found.left_out[i], refit.predict(x.numpy()[i : i + 1])[0], 1e-7)


def test_dual_weights_are_those_of_kernel_ridge():
    x, labels, new = problem()
    gram, products = grams(flat_blocks(x, new))
    found = RidgeReadout.fit(gram, labels, CLASSES)
    truth = one_hot(labels)
    reference = KernelRidge(alpha=found.penalty, kernel="precomputed").fit(gram.numpy(), truth - truth.mean(0))
    same(found.weight, reference.dual_coef_, 1e-10)
    same(found.predict(products), reference.predict(products.numpy()) + truth.mean(0))
    centred = x - x.mean(0)
    same(gram, centred @ centred.T)
    same(products, (new - x.mean(0)) @ centred.T)


@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-3), (torch.float64, 1e-9)])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_blocks_of_features_add_up_to_all_of_them(dtype, tolerance, size):
    x, labels, new = problem(dtype=dtype)
    whole, parts = (grams(flat_blocks(x, new, each)) for each in (10**6, size))
    for one, other in zip(whole, parts, strict=True):
        assert one.dtype == torch.float64
        same(other / one.abs().max(), one / one.abs().max(), tolerance)
    same(
        RidgeReadout.fit(parts[0], labels, CLASSES).predict(parts[1]),
        RidgeReadout.fit(whole[0], labels, CLASSES).predict(whole[1]),
        10 * tolerance,
    )


def test_no_more_than_a_block_is_in_memory_beside_the_products():
    made = []

    def blocks():
        for i in range(20):
            generator = torch.Generator().manual_seed(i)
            made.append(torch.randn(9, 500, generator=generator, dtype=torch.float64))
            yield made[-1][:6], made[-1][6:]

    gram, products = grams(blocks())
    whole = torch.cat(made, 1)
    for ours, reference in zip((gram, products), grams([(whole[:6], whole[6:])]), strict=True):
        same(ours, reference)


def test_convolutions_are_read_place_by_place():
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(120) % CLASSES
    maps = torch.randn(120, 4, 6, 6, generator=random)
    maps[torch.arange(120), :, labels, labels] += 3  # the class is the place, and no mean tells it
    gram, products = grams(flat_blocks(maps[:90], maps[90:]))
    found = RidgeReadout.fit(gram, labels[:90], CLASSES)
    assert (found.predict(products).argmax(1) == labels[90:]).double().mean() > 0.9
    means = grams(flat_blocks(maps[:90].mean((2, 3)), maps[90:].mean((2, 3))))
    blind = RidgeReadout.fit(means[0], labels[:90], CLASSES).predict(means[1]).argmax(1)
    assert (blind == labels[90:]).double().mean() < 0.7


def test_the_scale_of_the_features_does_not_matter():
    x, labels, new = problem()
    scores = []
    for scale in (1e-6, 1.0, 1e6):
        gram, products = grams(flat_blocks(scale * x, scale * new))
        scores.append(RidgeReadout.fit(gram, labels, CLASSES).predict(products))
    same(scores[0], scores[1], 1e-6)
    same(scores[2], scores[1], 1e-6)


@pytest.mark.parametrize("x", [torch.ones(9, 4), torch.randn(9, 4, generator=torch.Generator().manual_seed(0))])
def test_features_that_tell_nothing_give_the_frequencies(x):
    labels = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 2])
    gram, products = grams(flat_blocks(x, 1000 * torch.zeros(2, 4) + x.mean(0)))
    found = RidgeReadout.fit(gram, labels, CLASSES)
    same(found.predict(products), [[6 / 9, 2 / 9, 1 / 9]] * 2, 1e-6)
    same(found.left_out.sum(1), torch.ones(9), 1e-6)


def test_probabilities_are_scores_within_their_range():
    x, labels, new = problem()
    gram, products = grams(flat_blocks(x, new))
    found = RidgeReadout.fit(gram, labels, CLASSES)
    far = found.probabilities(100 * products)
    assert far.min() == 0 and far.max() == 1 and (far.sum(1) > 0).all()
    same(found.probabilities(products), found.predict(products).clamp(0, 1))
    nothing = RidgeReadout(1.0, found.weight, torch.tensor([-9.0, -9.0, -9.0], dtype=torch.float64), found.left_out)
    same(nothing.probabilities(products), nothing.mean.expand(len(new), CLASSES))


def test_many_classes_are_fitted_penalty_by_penalty(monkeypatch):
    x, labels, _ = problem()
    gram, _ = grams(flat_blocks(x, x))
    whole = RidgeReadout.fit(gram, labels, CLASSES)
    monkeypatch.setattr(ridge, "NUMBERS_AT_ONCE", 1)
    assert RidgeReadout.fit(gram, labels, CLASSES).penalty == whole.penalty


def test_a_matrix_decomposed_once_serves_any_labels():
    x, labels, _ = problem()
    gram, _ = grams(flat_blocks(x, x))
    parts = Decomposed.of(gram)
    for some in (labels, labels.flip(0)):
        one, other = RidgeReadout.fit(parts, some, CLASSES), RidgeReadout.fit(gram, some, CLASSES)
        assert one.penalty == other.penalty
        assert torch.equal(one.weight, other.weight) and torch.equal(one.left_out, other.left_out)


def test_arrays_count_as_tensors():
    x, labels, new = problem()
    gram, products = grams(flat_blocks(x.numpy(), new.numpy()))
    assert torch.equal(gram, grams(flat_blocks(x, new))[0])
    found = RidgeReadout.fit(gram.numpy(), labels.numpy(), CLASSES, PENALTIES.numpy())
    assert torch.equal(found.predict(products.numpy()), found.predict(products))


GRAM = torch.eye(5, dtype=torch.float64)


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: RidgeReadout.fit(GRAM[:4], torch.arange(4) % 2, 2),
            r"gram: expected floats of shape \(N, N\).*\(4, 5\)",
        ),
        (lambda: RidgeReadout.fit(GRAM[:1, :1], torch.zeros(1).long(), 1), "gram: expected .* at least two samples"),
        (lambda: RidgeReadout.fit(GRAM / 0, torch.arange(5) % 2, 2), "gram: expected finite numbers"),
        (lambda: RidgeReadout.fit(GRAM, torch.arange(5), 2), "targets: expected class numbers 0 to 1, got 0 to 4"),
        (lambda: RidgeReadout.fit(GRAM, torch.arange(4), 5), r"targets: expected shape \(5, 5\)"),
        (lambda: RidgeReadout.fit(GRAM, torch.arange(5), 0), "classes: expected a whole number from 1 up, got 0"),
        (lambda: RidgeReadout.fit(GRAM, torch.arange(5), 5, [0.0]), "penalties: expected finite numbers above 0"),
        (lambda: RidgeReadout.fit(GRAM, torch.arange(5), 5, []), "penalties: expected finite numbers above 0"),
        (lambda: RidgeReadout.fit(GRAM, torch.arange(5), 5).predict(GRAM[:, :4]), r"products: expected .* \(M, 5\)"),
        (lambda: grams([]), "blocks: expected at least one pair of features, got none"),
        (lambda: grams([(GRAM, GRAM[:, :4])]), r"blocks: expected features \(N, f\) and \(M, f\)"),
        (lambda: grams([(GRAM, GRAM), (GRAM[:4], GRAM)]), r"blocks: expected .* got \(\(4, 5\), \(5, 5\)\) in block 1"),
        (
            lambda: grams([(torch.zeros(2001, 1), GRAM[:, :1])]),
            "blocks: expected at most 2,000 fitted samples, got 2,001",
        ),
        (
            lambda: RidgeReadout.fit(torch.zeros(2001, 2001), torch.zeros(2001).long(), 1),
            "gram: expected at most 2,000 f",
        ),
        (lambda: grams([(GRAM / 0, GRAM)]), "blocks: expected finite features"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_what_the_cpu_gives():
    x, labels, new = problem()
    scores = []
    for device in ("cpu", "cuda"):
        gram, products = grams(flat_blocks(x.to(device), new))
        scores.append(RidgeReadout.fit(gram, labels, CLASSES).predict(products))
    assert scores[1].is_cuda
    same(scores[1].cpu(), scores[0])
