"""Arguments of figures are of the kinds that annotations say, or are refused by name."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from xarray import DataArray

from layerbook.figures._drawing import draws


class Pair(NamedTuple):
    low: float
    high: float


@draws
def drawn(
    values: np.ndarray = (),
    lines: Mapping[str, Sequence[float]] = {},
    ends: Mapping[str, Pair] | None = None,
    steps: Sequence[int | str] = (),
    top: float | None = None,
    count: int = 1,
    along: Callable[[int], str] = str,
    any_: Any = None,
    free=None,
    *more: int,
    **style,
):
    return "drawn"


@pytest.mark.parametrize(
    "given",
    [
        {"values": np.ones(2)},
        {"values": torch.ones(2, dtype=torch.uint8)},
        {"values": DataArray([True])},
        {"values": [[1, 2], [3, 4]]},
        {"lines": {"a": [1, 2.5], "b": np.ones(2), "c": range(3)}},
        {"ends": {"a": Pair(0, 1)}},
        {"ends": None},
        {"steps": [1, "end"]},
        {"steps": {"a": 1}.keys()},
        {"top": np.float32(2)},
        {"top": torch.tensor(0.5)},
        {"lines": {"a": [DataArray(0.5)]}},
        {"count": np.int64(2)},
        {"along": lambda step: f"step {step}"},
        {"any_": object(), "free": object(), "colour": object()},
    ],
)
def test_what_is_of_the_kind_is_drawn(given):
    assert drawn(**given) == "drawn"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"values": "abc"}, "values: expected an array of numbers, got str"),
        ({"values": [[1.0, 2.0], [3.0]]}, "values: expected an array of numbers, got list"),
        ({"values": np.array(["a"])}, "values: expected an array of numbers, got ndarray"),
        ({"lines": [1, 2]}, "lines: expected a mapping, got list"),
        ({"lines": {"a": 3}}, "lines: expected a list for 'a', got int"),
        ({"lines": {"a": [1, "b"]}}, "lines: expected a number at 1, got str"),
        ({"lines": {3: [1]}}, "lines: expected text as every key, got int"),
        ({"ends": {"a": (0, 1)}}, "ends: expected a Pair for 'a', got tuple"),
        ({"ends": 1}, "ends: expected a mapping or None, got int"),
        ({"steps": "abc"}, "steps: expected a list, got str"),
        ({"steps": [1.5]}, "steps: expected a whole number or text at 0, got float"),
        ({"top": torch.ones(2)}, "top: expected a number or None, got Tensor"),
        ({"top": True}, "top: expected a number or None, got bool"),
        ({"count": 1.0}, "count: expected a whole number, got float"),
        ({"along": "step"}, "along: expected a function, got str"),
    ],
)
def test_what_is_of_another_kind_is_refused_by_name(given, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        drawn(**given)


def test_unknown_arguments_are_told_by_python():
    @draws
    def plain(values: np.ndarray):
        return values

    with pytest.raises(TypeError, match=r"plain\(\) got an unexpected keyword argument 'value'"):
        plain(value=1)
