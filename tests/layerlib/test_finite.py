"""Whether all numbers of a tensor are finite, told by its least and its largest."""

import pytest
import torch

from layerlib._tensors import all_finite

FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("place", [0, 17, 99])
def test_one_number_that_is_not_finite_is_found_wherever_it_is(dtype, wrong, place):
    values = torch.linspace(-1, 1, 100).to(dtype)
    assert all_finite(values)
    values[place] = wrong
    assert not all_finite(values)
    assert not all_finite(values.view(10, 10).T)


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_largest_numbers_are_finite(dtype):
    assert all_finite(torch.full((100,), torch.finfo(dtype).max, dtype=dtype))


@pytest.mark.parametrize(
    "value", [torch.empty(0), torch.empty(3, 0), torch.arange(3), torch.tensor([True]), torch.ones(())]
)
def test_nothing_and_whole_numbers_are_finite(value):
    assert all_finite(value)


def test_what_is_asked_is_no_part_of_the_gradient():
    values = torch.ones(3, requires_grad=True)
    assert all_finite(values) and not all_finite(values).requires_grad
