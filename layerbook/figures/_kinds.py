"""Arguments of what is drawn, held against the annotations of the function that draws it."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

import numpy as np
from torch import Tensor
from xarray import DataArray

from layerlib._checks import kind_of

_ARRAYS = np.ndarray, Tensor
_NAMES = {Mapping: "a mapping", str: "text", NoneType: "None", Callable: "a function"}
_NAMES |= dict.fromkeys((Sequence, list), "a list") | dict.fromkeys(_ARRAYS, "an array of numbers")
_NUMBERS = {float: ("number", Real), int: ("whole number", Integral)}


def check_kinds(signature: inspect.Signature, given: inspect.BoundArguments) -> None:
    """Refuse what is not of the kind that a function's annotations say: ValueError, which names the argument."""
    for argument, value in given.arguments.items():
        parameter = signature.parameters[argument]
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            _check(argument, value, parameter.annotation)


def _check(argument: str, value: object, kind: object, where: str = "") -> None:
    if not _is(value, kind):
        raise ValueError(f"{argument}: expected {_words(kind)}{where}, got {kind_of(value)}")
    kind = next(each for each in _options(kind) if _is(value, each))
    inner = get_args(kind)
    if isinstance(value, Mapping) and len(inner) == 2:
        for key, each in value.items():
            _check(argument, key, inner[0], " as every key")
            _check(argument, each, inner[1], f" for {key!r}")
    elif isinstance(value, list | tuple) and len(inner) == 1:
        for index, each in enumerate(value):
            _check(argument, each, inner[0], f" at {index}")


def _options(kind: object) -> Iterable[object]:
    return get_args(kind) if isinstance(kind, UnionType) else (kind,)


def _is(value: object, kind: object) -> bool:
    """Whether a value is of a kind, whatever is in it."""
    if isinstance(kind, UnionType):
        return any(_is(value, each) for each in get_args(kind))
    if kind in _NUMBERS:
        if isinstance(value, Tensor | np.ndarray | DataArray):  # one number in an array
            return kind is float and not value.ndim and _numeric(value)
        return isinstance(value, _NUMBERS[kind][1]) and not isinstance(value, bool)
    kind = get_origin(kind) or kind
    if kind in (Sequence, list):  # an array is one, and so are the keys of a mapping; text is not
        return hasattr(value, "__len__") and hasattr(value, "__iter__") and not isinstance(value, str | bytes)
    if kind is Callable:
        return callable(value)
    if kind in _ARRAYS:
        return isinstance(value, np.ndarray | Tensor | DataArray | list | tuple) and _numeric(value)
    return kind in (Any, inspect.Parameter.empty) or isinstance(value, kind)


def _numeric(value: object) -> bool:
    if isinstance(value, Tensor):
        return not value.is_complex()
    try:
        return np.asarray(value).dtype.kind in "biuf"
    except (ValueError, TypeError):  # rows of several lengths
        return False


def _words(kind: object) -> str:
    if isinstance(kind, UnionType):
        return " or ".join(map(_words, get_args(kind)))
    if kind in _NUMBERS:
        return f"a {_NUMBERS[kind][0]}"
    kind = get_origin(kind) or kind
    return _NAMES.get(kind, f"a {getattr(kind, '__name__', kind)}")
