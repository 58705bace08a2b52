"""Effective rank and CKA: against brute force, in a stream, and where the answer is known."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import layerlib as ll
from layerlib.similarity import aligned, cka, effective_rank


def features(samples, width, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(samples, width, generator=random, dtype=torch.float64) * torch.logspace(0, -2, width)


def hsic_by_hand(x, y):
    """The mean over all ordered quadruples of different samples of the kernel of HSIC₁ (Song et al. 2012, eq. 4)."""
    kernel, other = x @ x.T, y @ y.T
    quadruples = list(itertools.permutations(range(len(x)), 4))
    return sum(
        (kernel[i, j] * (other[i, j] + other[q, r] - 2 * other[i, q])).item() for i, j, q, r in quadruples
    ) / len(quadruples)


def test_cka_is_that_of_all_quadruples_of_samples():
    x, y = features(8, 3) + 2, features(8, 2, seed=1) - features(8, 3)[:, :2]
    expected = hsic_by_hand(x, y) / math.sqrt(hsic_by_hand(x, x) * hsic_by_hand(y, y))
    assert cka(x, y) == pytest.approx(expected, rel=1e-10)
    wide = torch.cat([x, torch.zeros(8, 100, dtype=torch.float64)], 1)  # more features than samples
    assert cka(wide, y) == pytest.approx(expected, rel=1e-10)


def test_effective_rank_is_that_of_numpys_covariance():
    x = features(60, 5) @ torch.rand(5, 5, dtype=torch.float64) + 100
    values = np.linalg.eigvalsh(np.cov(x.numpy().T))
    shares = values / values.sum()
    assert effective_rank(x) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-10)
    assert effective_rank(x.view(60, 5, 1)) == effective_rank(x)


@settings(max_examples=15)
@given(cut=st.integers(1, 49), width=st.integers(1, 70), shift=st.floats(-100, 100))
def test_a_stream_gives_what_one_tensor_gives(cut, width, shift):
    x, y = features(50, width) + shift, features(50, 4, seed=2)
    parts = [cut, 50 - cut]
    assert effective_rank(iter(x.split(parts))) == pytest.approx(effective_rank(x), rel=1e-8)
    assert cka(iter(x.split(parts)), iter(y.split(parts))) == pytest.approx(cka(x, y), rel=1e-8, abs=1e-9)


def test_a_layer_is_like_itself_turned_stretched_and_moved():
    x = features(40, 6)
    turned = x @ torch.linalg.qr(torch.rand(6, 6, dtype=torch.float64))[0]
    assert cka(x, 3 * turned + 5) == pytest.approx(1)


def test_layers_that_have_nothing_in_common_are_at_zero_however_few_the_samples():
    found = [
        cka(torch.randn(10, 200, generator=random), torch.randn(10, 200, generator=random))
        for random in map(torch.Generator().manual_seed, range(300))
    ]
    mean, error = np.mean(found), np.std(found) / math.sqrt(300)
    assert abs(mean) < 4 * error < 0.05


@pytest.mark.parametrize(
    ("points", "rank"),
    [
        (torch.eye(4), 3),
        (torch.arange(5.0)[:, None] * torch.ones(3), 1),
        (torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]]), 2),
    ],
)
def test_known_ranks(points, rank):
    assert effective_rank(points) == pytest.approx(rank)


def test_parts_of_samples_add_up():
    x, y = features(30, 5), features(30, 3, seed=1) + features(30, 5)[:, :3]
    aa, ab, bb = (part.sum().item() for part in aligned(x, y))
    assert ab / math.sqrt(aa * bb) == pytest.approx(cka(x, y), rel=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: effective_rank(torch.ones(5, 3)), "features: expected samples that differ"),
        (lambda: effective_rank([torch.full((7, 3), 0.1)] * 2), "features: expected samples that differ"),
        (lambda: effective_rank(torch.tensor([[1.0], [torch.nan]])), "features: 1 of 2 values are not finite"),
        (lambda: effective_rank(torch.ones(5, 3).long()), "features: expected a float tensor, got torch.int64"),
        (
            lambda: effective_rank(torch.ones(5, 3).cumsum(0).double() * 1e200),
            "features: expected numbers whose squares",
        ),
        (lambda: effective_rank(torch.ones(5)), r"features: expected shape \(N, …\), or batches of it, got \(5,\)"),
        (lambda: effective_rank([]), "features: expected samples, got none"),
        (lambda: effective_rank([[1.0]]), r"features: expected shape \(N, …\), or batches of it, got \(1,\)"),
        (lambda: cka(torch.rand(5, 3), torch.rand(4, 3)), "b: expected 5 samples as in a, got 4"),
        (lambda: cka(torch.rand(3, 1), torch.rand(3, 1)), "a: expected at least 4 samples, got 3"),
        (lambda: cka(torch.rand(3, 9), torch.rand(3, 9)), "a: expected at least 4 samples, got 3"),
        (lambda: cka(torch.rand(5, 9), torch.full((5, 9), 0.1)), "b: expected samples that differ"),
        (lambda: cka(torch.rand(5, 1), torch.full((5, 1), 0.1)), "b: expected samples that differ"),
        (
            lambda: cka([torch.rand(5, 3)], [torch.rand(4, 3)]),
            "b: expected batches of as many samples as in a, 5, got 4",
        ),
        (lambda: cka([torch.rand(5, 3)] * 2, [torch.rand(5, 3)]), "b: expected as many batches as in a, got fewer"),
        (lambda: cka([torch.rand(5, 3)], [torch.rand(5, 3)] * 2), "b: expected as many batches as in a, got more"),
        (lambda: cka([], []), "a: expected at least 4 samples, got none"),
    ],
)
def test_bad_features_are_refused_in_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_both_are_public():
    assert ll.cka is cka and ll.effective_rank is effective_rank
