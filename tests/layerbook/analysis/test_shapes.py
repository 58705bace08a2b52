"""What a statistic takes: named axes, kinds of values, several of them."""

import numpy as np
import pytest
import torch

from layerbook.analysis._shapes import shaped


def taken(spec, value, **other):
    @shaped(value=spec, other="N")
    def function(value, other=None):
        return value

    return function(value, **other)


@pytest.mark.parametrize(
    ("spec", "value", "expected"),
    [
        ("N", [1, 2], torch.tensor([1.0, 2.0], dtype=torch.float64)),
        ("N", np.array([1.5], np.float32), torch.tensor([1.5])),
        ("... N", torch.ones(2, 3, 4), torch.ones(2, 3, 4)),
        ("N ...", torch.ones(3), torch.ones(3)),
        ("2 N", torch.ones(2, 5), torch.ones(2, 5)),
        ("yes/no N", [0, 1], torch.tensor([False, True])),
        ("whole N", torch.tensor([2.0]), torch.tensor([2])),
        ("gaps N", torch.tensor([torch.nan, 1.0]), torch.tensor([torch.nan, 1.0])),
        ("open N", torch.tensor([torch.inf]), torch.tensor([torch.inf])),
    ],
)
def test_values_come_as_tensors_of_their_kind(spec, value, expected):
    found = taken(spec, value)
    assert found.dtype == expected.dtype
    torch.testing.assert_close(found, expected, equal_nan=True)


def test_several_come_as_several_and_arrays_as_arrays():
    assert {key: each.tolist() for key, each in taken("mapping N", {3: [1.0], 4: [2.0]}).items()} == {
        3: [1.0],
        4: [2.0],
    }
    assert [each.tolist() for each in taken("sequence *", [[1.0], [2.0, 3.0]])] == [[1.0], [2.0, 3.0]]
    assert isinstance(taken("array N", torch.ones(2)), np.ndarray)
    assert not taken("N", torch.ones(2, requires_grad=True)).requires_grad


@pytest.mark.parametrize(
    ("spec", "value", "message"),
    [
        ("seeds N", torch.ones(2), r"expected shape \(seeds, N\), not empty, got \(2,\)"),
        ("... seeds N", torch.ones(2), r"expected shape \(\.\.\., seeds, N\), not empty, got \(2,\)"),
        ("N", torch.ones(0), r"expected shape \(N\), not empty, got \(0,\)"),
        ("3 N", torch.ones(2, 5), r"expected shape \(3, N\), not empty, got \(2, 5\)"),
        ("N", torch.tensor([1.0, torch.nan]), "1 of 2 values are not finite"),
        ("N", torch.tensor([1e30]), "1 of 1 values are not finite, or as large as 1e"),
        ("gaps N", torch.tensor([torch.inf, torch.nan]), "1 of 2 values are not finite"),
        ("positive N", torch.zeros(1), "expected numbers above 0, got 0"),
        ("yes/no N", torch.tensor([2]), "expected yes or no"),
        ("whole N", torch.tensor([0.5]), "expected whole numbers, got 0.5"),
        ("whole N", torch.tensor([-1]), "expected whole numbers from 0 up, got -1"),
        ("mapping N", {}, "expected a mapping to tensors, at least one"),
        ("sequence N", [], "expected tensors, at least one"),
        ("mapping N", {1: [1.0], 2: [1.0, 2.0]}, "expected 1 along N, as in value, got 2"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(spec, value, message):
    with pytest.raises(ValueError, match=f"^value: {message}"):
        taken(spec, value)


def test_an_axis_is_as_long_wherever_its_name_comes_again():
    with pytest.raises(ValueError, match="^other: expected 2 along N, as in value, got 3"):
        taken("seeds N", torch.ones(5, 2), other=torch.ones(3))
    assert taken("seeds N", torch.ones(5, 2), other=torch.ones(2)).shape == (5, 2)


def test_a_call_without_an_argument_has_pythons_own_error():
    @shaped(value="N")
    def function(value):
        return value

    with pytest.raises(TypeError, match="missing 1 required positional argument: 'value'"):
        function()
