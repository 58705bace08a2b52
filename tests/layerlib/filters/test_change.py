"""Change of filters against the formulas as printed, index by index."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from layerlib.filters.change import filter_change


def literal(before: np.ndarray, after: np.ndarray, threshold: float):
    """Eqs. 1-3 of the paper as they are printed, index by index; arrays are (filters, channels, h, w)."""
    n, channels, height, width = before.shape
    distances, significant, still = [], 0.0, 0.0
    for i in range(n):
        distances.append(np.linalg.norm((after[i] - before[i]).ravel()) ** 2)
        count, unmoved = 0, 0
        for c in range(channels):
            r = 0
            for j, k in itertools.product(range(height), range(width)):
                r += int(abs(after[i, c, j, k] - before[i, c, j, k]) > threshold)
            count += r
            unmoved += int(r == 0)
        significant += count / (height * width * channels) / n
        still += unmoved / channels / n
    return np.array(distances), significant, still


def pair(seed: int, shape: tuple, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    before = torch.randn(shape, generator=generator, dtype=torch.float64)
    moved = torch.randn(shape, generator=generator, dtype=torch.float64)
    moved *= torch.rand(shape[:2], generator=generator)[(..., *[None] * (len(shape) - 2))] ** 3
    return before.to(dtype), (before + moved).to(dtype)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    filters=st.integers(1, 4),
    channels=st.integers(1, 4),
    height=st.integers(1, 3),
    width=st.integers(1, 3),
    threshold=st.floats(0.01, 1.5),
)
def test_change_equals_the_formulas_as_printed(seed, filters, channels, height, width, threshold):
    before, after = pair(seed, (filters, channels, height, width))
    distances, significant, still = literal(before.numpy(), after.numpy(), threshold)
    change = filter_change(before, after, threshold)
    np.testing.assert_allclose(change.per_filter, distances, rtol=1e-12)
    np.testing.assert_allclose(change.distance, distances.mean(), rtol=1e-12)
    np.testing.assert_allclose(change.per_weight, distances.mean() / (channels * height * width), rtol=1e-12)
    np.testing.assert_allclose([change.significant, change.still], [significant, still], rtol=0, atol=1e-12)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6), threshold=st.floats(0.01, 1.5))
def test_change_does_not_depend_on_direction_or_order(seed, threshold):
    before, after = pair(seed, (5, 4, 3, 3))
    change, back = filter_change(before, after, threshold), filter_change(after, before, threshold)
    generator = torch.Generator().manual_seed(seed)
    filters, channels = torch.randperm(5, generator=generator), torch.randperm(4, generator=generator)
    mixed = filter_change(before[filters][:, channels].flip(2), after[filters][:, channels].flip(2), threshold)
    for other in (back, mixed):
        torch.testing.assert_close(
            torch.stack([other.distance, other.significant, other.still]),
            torch.stack([change.distance, change.significant, change.still]),
        )
    torch.testing.assert_close(mixed.per_filter, change.per_filter[filters])


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6), low=st.floats(0.01, 1), more=st.floats(0, 1))
def test_a_higher_threshold_finds_no_more_movement(seed, low, more):
    before, after = pair(seed, (3, 4, 3, 3))
    loose, strict = filter_change(before, after, low), filter_change(before, after, low + more)
    assert strict.significant <= loose.significant and strict.still >= loose.still
    # a channel that is not still holds at least one weight that moved, and at most nine
    moved, channels = round(loose.significant.item() * 108), round((1 - loose.still.item()) * 12)
    assert channels <= moved <= 9 * channels


def test_nothing_moved_is_still_everywhere():
    weight = torch.randn(4, 3, 3, 3)
    change = filter_change(weight, weight.clone(), 1e-9)
    assert (change.distance, change.significant, change.still) == (0, 0, 1)


def test_a_weight_that_moved_by_the_threshold_itself_has_not_moved_by_more():
    change = filter_change(torch.zeros(2, 2, 1, 2), torch.tensor([0.5, 0.75]).expand(2, 2, 1, 2), 0.5)
    assert (change.significant, change.still) == (0.5, 0)
    assert filter_change(torch.zeros(2, 2, 1, 2), torch.full((2, 2, 1, 2), -0.5), 0.5).still == 1


def test_convolutions_of_any_number_of_dimensions_are_one_of_two_with_as_many_places():
    before, after = pair(3, (5, 4, 3, 2))
    flat = filter_change(before, after, 0.3)
    for shape in ((5, 4, 6), (5, 4, 1, 3, 2)):
        found = filter_change(before.view(shape), after.view(shape), 0.3)
        torch.testing.assert_close(found.per_filter, flat.per_filter)
        assert (found.significant, found.still, found.weights) == (flat.significant, flat.still, 24)


def test_a_linear_layer_is_a_1x1_convolution():
    before, after = pair(0, (6, 5))
    flat = filter_change(before, after, 0.3)
    square = filter_change(before[..., None, None], after[..., None, None], 0.3)
    assert torch.equal(flat.per_filter, square.per_filter)
    assert (flat.significant, flat.still, flat.weights) == (square.significant, square.still, 5)
    assert flat.still == 1 - flat.significant


def test_half_precision_is_measured_in_single():
    before, after = pair(1, (4, 3, 3, 3), torch.bfloat16)
    found, expected = filter_change(before, after, 0.1), filter_change(before.float(), after.float(), 0.1)
    assert torch.equal(found.per_filter, expected.per_filter)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_equals_cpu():
    before, after = pair(2, (64, 32, 3, 3), torch.float32)
    expected, found = filter_change(before, after, 0.1), filter_change(before.cuda(), after.cuda(), 0.1)
    assert found.per_filter.is_cuda
    # single precision adds up in another order there
    torch.testing.assert_close(found.per_filter.cpu().float(), expected.per_filter.float())
    assert (found.significant.cpu(), found.still.cpu()) == (expected.significant, expected.still)


GOOD = torch.zeros(4, 3, 3, 3)


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(before=GOOD[0, 0, 0]), r"before: expected shape \(filters, channels, …\), got \(3,\)"),
        (dict(after=GOOD[:3]), r"after: expected the shape \(4, 3, 3, 3\) of before, got \(3, 3, 3, 3\)"),
        (dict(after=GOOD.long()), "after: expected a float tensor, got torch.int64"),
        (dict(after=GOOD / 0), "after: expected finite"),
        (dict(before=GOOD[:, :0]), r"before: expected shape .* got \(4, 0, 3, 3\)"),
        (dict(threshold=0), "threshold: expected a finite number above 0, got 0"),
        (dict(threshold=float("nan")), "threshold: expected a finite number above 0"),
    ],
)
def test_bad_weights_raise(change, message):
    with pytest.raises(ValueError, match=message):
        filter_change(**{"before": GOOD, "after": GOOD, "threshold": 0.1, **change})
