"""Kinds of samples against their definitions read aloud, sample by sample."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from predictions import cases, levels, ratios, some_probabilities

from layerlib.distributions.early_exit import at_exit, exit_layers, first_exit
from layerlib.distributions.samples import KINDS, confused_shares, difficulty, difficulty_by_thirds, largest_share
from layerlib.distributions.scores import exact_match


@given(cases())
def test_confused_shares_equal_a_literal_count(case):
    probabilities, labels = case
    right = exact_match(probabilities, labels).tolist()
    layers, samples = len(right), len(right[0])
    counts = [0] * layers
    for i in range(samples):
        if right[-1][i]:
            counts[-1] += 1
        else:
            for layer in range(layers - 1):
                if right[layer][i]:
                    counts[layer] += 1
                    break
    found = confused_shares(probabilities, labels)
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx([count / samples for count in counts])
    oracle = at_exit(exact_match(probabilities, labels), first_exit(exact_match(probabilities, labels)))
    assert found.sum().item() == pytest.approx(oracle.double().mean().item())


@given(cases(), levels, ratios)
def test_no_choice_of_exits_beats_the_ideal(case, s2, rho):
    probabilities, labels = case
    layers = exit_layers(probabilities, s2, rho)
    accuracy = at_exit(exact_match(probabilities, labels), layers).double().mean().item()
    assert accuracy <= confused_shares(probabilities, labels).sum() + 1e-12


def literal_kind(w):
    third = len(w) // 3
    near = [i for i, value in enumerate(w) if value <= 0.2]
    if any(i < len(w) - 1 for i in near) and w[-1] > 0.5:
        return "confused"
    if any(all(later in near for later in range(i, len(w))) for i in range(third)):
        return "easy"
    if not near or near[0] >= len(w) - third:
        return "hard"
    return "ordinary"


@given(
    st.integers(3, 14).flatmap(
        lambda layers: st.lists(
            st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.6]), min_size=layers, max_size=layers),
            min_size=1,
            max_size=10,
        )
    )
)
def test_difficulty_equals_its_definition_read_aloud(rows):
    distances = torch.tensor(rows, dtype=torch.float64).T
    assert [KINDS[kind] for kind in difficulty(distances, torch.ones(()))] == [literal_kind(row) for row in rows]
    scale = torch.arange(1, len(rows) + 1).double().exp2()
    assert torch.equal(difficulty(distances * scale, scale), difficulty(distances, torch.ones(())))


@pytest.mark.parametrize(
    "w, kind",
    [
        ([0.9, 0.9, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], "easy"),
        ([0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], "ordinary"),
        ([0.1, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], "ordinary"),
        ([0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1], "hard"),
        ([0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.3], "hard"),
        ([0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.1, 0.6], "confused"),
        ([0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.6], "confused"),
        ([0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.4], "ordinary"),
    ],
)
def test_kinds_of_pictured_samples(w, kind):
    assert KINDS[difficulty(torch.tensor(w)[:, None], torch.ones(1))] == kind


def test_no_layer_has_the_largest_share_of_no_confused_samples():
    assert largest_share(torch.tensor([0.1, 0.3, 0.2, 0.4])) == 1
    assert largest_share(torch.tensor([0.0, 0.0, 0.0, 0.9])) is None
    assert largest_share(torch.tensor([0.9])) is None
    probabilities, labels = torch.full((3, 5, 2), 0.9), torch.ones(5, 2)
    assert largest_share(confused_shares(probabilities, labels)) is None
    with pytest.raises(ValueError, match=r"shares: expected finite numbers of at least 0, shape \(L,\), got "):
        largest_share(torch.tensor([0.1, float("nan")]))


def literal_thirds(w, others, rise):
    """The registered definitions for one sample w among ``others``, quantiles as of numpy."""
    two_thirds = 2 * len(w) // 3
    lowest = np.quantile([each[two_thirds] for each in others], 1 / 3)
    highest = np.quantile([each[-1] for each in others], 2 / 3)
    if w[-1] - min(w) >= rise:
        return "confused"
    if w[-1] > highest:
        return "hard"
    return "easy" if w[two_thirds] <= lowest else "ordinary"


@given(st.integers(3, 14), st.integers(1, 30), st.sampled_from([0.1, 0.2, 0.7]), st.integers(0, 2**31))
def test_thirds_equal_their_definition_read_aloud(layers, samples, rise, seed):
    random = torch.Generator().manual_seed(seed)
    rows = torch.rand(layers, samples, generator=random, dtype=torch.float64).cumprod(0)
    rows[-1] += 0.3 * torch.rand(samples, generator=random, dtype=torch.float64)
    found = difficulty_by_thirds(rows, torch.ones(()), rise)
    columns = rows.T.tolist()
    assert [KINDS[kind] for kind in found] == [literal_thirds(w, columns, rise) for w in columns]
    scale = torch.arange(1, samples + 1).double().exp2()
    assert torch.equal(difficulty_by_thirds(rows * scale, scale, rise), found)


def test_thirds_are_thirds_where_nobody_is_confused():
    falling = torch.linspace(1, 0.5, 9)[:, None] * torch.arange(300).div(300)
    found = difficulty_by_thirds(falling, torch.ones(()))
    assert found.bincount(minlength=4).tolist() == [100, 100, 100, 0]
    assert (difficulty_by_thirds(torch.zeros(4, 6), torch.ones(())) == KINDS.index("easy")).all()


def test_arrays_count_as_tensors():
    w = GOOD[..., 0]
    assert torch.equal(confused_shares(GOOD.numpy(), LABELS.numpy()), confused_shares(GOOD, LABELS))
    for kinds in (difficulty, difficulty_by_thirds):
        assert torch.equal(kinds(w.numpy(), np.ones(())), kinds(w, torch.ones(())))


GOOD, LABELS = some_probabilities(1)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: confused_shares(GOOD, LABELS, float("nan")), r"threshold: expected a number in \[0, 1\], got nan"),
        (lambda: confused_shares(GOOD, LABELS, 1.5), r"threshold: expected a number in \[0, 1\], got 1.5"),
        (lambda: confused_shares(GOOD, LABELS * 0.5), "labels: expected multi-hot labels, each 0 or 1"),
        (lambda: confused_shares(GOOD, LABELS[:5]), "labels: expected the shape"),
        (lambda: confused_shares(GOOD[:, :0], LABELS[:0]), "at least one sample"),
        (lambda: difficulty_by_thirds(GOOD[:2, :, 0], torch.ones(30)), "distances: expected values >= 0"),
        (
            lambda: difficulty_by_thirds(GOOD[:, :0, 0], torch.ones(0)),
            "distances: expected at least one sample, got none",
        ),
        (lambda: difficulty_by_thirds(GOOD[..., 0], torch.ones(4)), "baseline: expected finite values > 0"),
        (lambda: difficulty_by_thirds(GOOD[..., 0], torch.ones(()), 0.0), "rise: expected a finite number above 0"),
        (
            lambda: difficulty(GOOD[..., 0], torch.ones(()), far=torch.inf),
            "far: expected a finite number of at least 0, got inf",
        ),
        (lambda: difficulty(GOOD[:2, :, 0], torch.ones(30)), "distances: expected values >= 0"),
        (lambda: difficulty(-GOOD[..., 0], torch.ones(30)), "120 values that are negative or NaN"),
        (lambda: difficulty(GOOD[..., 0], torch.zeros(30)), "baseline: expected finite values > 0"),
        (lambda: difficulty(GOOD[..., 0], torch.ones(4)), "baseline: expected finite values > 0"),
        (lambda: difficulty(GOOD[..., 0], torch.ones(30), near=0.6), "expected 0 <= near <= far, got 0.6 and 0.5"),
    ],
)
def test_bad_input_raises(call, message):
    with pytest.raises(ValueError, match=message):
        call()
