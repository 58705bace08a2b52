"""Curves as JSON and as arrays with names."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from layerbook.curves import as_array, curve_json


def test_a_curve_keeps_six_digits_gaps_and_axes():
    values = torch.tensor([[1 / 3, float("nan")], [2.0, 1e-9 / 3]], dtype=torch.float64)
    assert curve_json("c", values, {"seed": np.arange(2), "layer": ("first", "last")}) == {
        "dims": ["seed", "layer"],
        "axes": {"seed": [0, 1], "layer": ["first", "last"]},
        "values": [[0.333333, None], [2.0, 3.33333e-10]],
    }


def test_networks_of_several_depths_share_a_curve():
    curve = curve_json("c", [np.array([1, 2]), [3.5]], {"depth": [2, 1]})
    assert curve["values"] == [[1, 2], [3.5]]
    array = as_array("c", curve)
    assert array.dims == ("depth", "dim_1")
    np.testing.assert_array_equal(array, [[1, 2], [3.5, np.nan]])


def test_an_array_has_names_and_what_they_run_over():
    array = as_array("c", curve_json("c", [[1.0, 2.0, 3.0]], {"seed": [7], "layer": ["a", "b", "c"]}))
    assert array.name == "c" and array.sel(seed=7, layer="b").item() == 2.0
    assert array.mean("layer").sel(seed=7).item() == 2.0


def test_a_row_of_which_nothing_is_known_is_nan():
    np.testing.assert_array_equal(
        as_array("c", {"dims": [], "axes": {}, "values": [None, [1, 2]]}), [[np.nan, np.nan], [1, 2]]
    )
    with pytest.raises(ValueError, match="values: expected 1 dimensions in every row, got 0 in row 0"):
        as_array("c", {"dims": [], "axes": {}, "values": [3, [1, 2]]})


@given(
    values=arrays.arrays(
        np.float64,
        arrays.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4),
        elements=st.floats(allow_infinity=False, width=32),
    )
)
def test_numbers_come_back_to_six_digits(values):
    axes = {f"axis_{i}": range(length) for i, length in enumerate(values.shape)}
    array = as_array("c", json.loads(json.dumps(curve_json("c", values, axes))))
    assert array.dims == tuple(axes) and array.shape == values.shape
    np.testing.assert_allclose(array, values, rtol=1e-5)


@pytest.mark.parametrize(
    ("values", "axes", "message"),
    [
        ([1.0, float("inf")], {}, "c: expected finite numbers or NaN, got inf"),
        ([1.0, "two"], {}, "c: expected finite numbers or NaN, got 'two'"),
        (3.0, {}, "c: expected at least one dimension"),
        ([1.0, 2.0], {"layer": [1]}, "layer: expected 2 values, one for each of c's, got 1"),
        ([[1.0], [1.0, 2.0]], {"seed": [0, 1], "layer": [1, 2]}, "layer: expected 1 values"),
        ([1.0], {"seed": [0], "layer": [1]}, "layer: expected 0 values"),
    ],
)
def test_bad_values_and_axes_are_refused(values, axes, message):
    with pytest.raises(ValueError, match=message):
        curve_json("c", values, axes)
