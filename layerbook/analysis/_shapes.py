"""What a statistic takes: tensors of named axes, whose lengths are the same wherever a name comes again."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import ParamSpec, TypeVar

import numpy as np
import torch
from torch import Tensor

from layerlib._tensors import numbers

P = ParamSpec("P")
R = TypeVar("R")
LARGEST = 1e15  # beyond it squares and their sums leave float32


def shaped(**specs: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorator: arrays and lists become tensors, and what has other axes than its ``spec`` is refused.

    A spec names the axes, outermost first, ``...`` at an end any further ones and ``*`` one of any length. Before them
    may stand how the values are: ``yes/no``, ``whole`` from 0 up, ``positive``, with ``gaps`` (NaN), or ``open`` (NaN
    and infinities), by default finite; that there are several in a ``mapping`` or a ``sequence``; and ``array`` where
    numpy's is wanted.

    Examples
    --------
    >>> @shaped(p="positive seeds layers C", samples="positive C")
    ... def early_and_late(p, samples, of): ...
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                given = signature.bind(*args, **kwargs).arguments
            except TypeError:  # Python's own sentence has the name of the function
                return function(*args, **kwargs)
            lengths: dict[str, tuple[int, str]] = {}
            for name, spec in specs.items():
                if name in given and given[name] is not signature.parameters[name].default:
                    given[name] = _fitted(name, given[name], spec.split(), lengths)
            bound = inspect.BoundArguments(signature, given)
            return function(*bound.args, **bound.kwargs)

        return call

    return decorate


def _fitted(name: str, value: object, spec: list[str], lengths: dict) -> object:
    if spec[0] == "mapping":
        if not isinstance(value, Mapping) or not value:
            raise ValueError(f"{name}: expected a mapping to tensors, at least one, got {value!r:.80}")
        return {key: _fitted(name, each, spec[1:], lengths) for key, each in value.items()}
    if spec[0] == "sequence":
        if not isinstance(value, (Sequence, Tensor, np.ndarray)) or isinstance(value, str) or not len(value):
            raise ValueError(f"{name}: expected tensors, at least one, got {value!r:.80}")
        return [_fitted(name, each, spec[1:], lengths) for each in value]
    if spec[0] == "array":
        return _fitted(name, value, spec[1:], lengths).cpu().numpy()  # type: ignore[attr-defined]
    kind = spec[0] if spec[0] in KINDS else ""
    value = numbers(name, value).detach()
    _check_axes(name, value, spec[1:] if kind else spec, lengths)
    return KINDS[kind](name, value)


def _check_axes(name: str, value: Tensor, axes: list[str], lengths: dict[str, tuple[int, str]]) -> None:
    named, shape = [axis for axis in axes if axis != "..."], list(value.shape)
    if axes[0] == "...":
        named.reverse()
        shape.reverse()
    fits = len(shape) >= len(named) if "..." in axes else len(shape) == len(named)
    fits &= all(not axis.isdigit() or int(axis) == length for axis, length in zip(named, shape, strict=False))
    if not fits or not value.numel():
        raise ValueError(f"{name}: expected shape ({', '.join(axes)}), not empty, got {tuple(value.shape)}")
    for axis, length in zip(named, shape, strict=False):
        wanted, first = lengths.setdefault(axis, (length, name))
        if axis != "*" and wanted != length:
            raise ValueError(f"{name}: expected {wanted} along {axis}, as in {first}, got {length}")


def _yes_or_no(name: str, value: Tensor) -> Tensor:
    if not ((value == 0) | (value == 1)).all():
        raise ValueError(f"{name}: expected yes or no, as bool or 0 and 1, got other numbers")
    return value.bool()


def _whole(name: str, value: Tensor) -> Tensor:
    if value.is_floating_point() and not torch.equal(value, value.round()):
        raise ValueError(f"{name}: expected whole numbers, got {value[value != value.round()][0].item():.4g}")
    if (value < 0).any():
        raise ValueError(f"{name}: expected whole numbers from 0 up, got {value.min().item():g}")
    return value.long()


def _finite(name: str, value: Tensor) -> Tensor:
    value = value if value.is_floating_point() else value.double()
    if not (value.abs() < LARGEST).all():
        wrong = int((~(value.abs() < LARGEST)).sum())
        raise ValueError(f"{name}: {wrong} of {value.numel()} values are not finite, or as large as {LARGEST:g}")
    return value


def _gaps(name: str, value: Tensor) -> Tensor:
    value = value if value.is_floating_point() else value.double()
    _finite(name, value.nan_to_num(0.0, torch.inf, -torch.inf))
    return value


def _positive(name: str, value: Tensor) -> Tensor:
    if not (value > 0).all():
        raise ValueError(f"{name}: expected numbers above 0, got {value.min().item():.4g}")
    return _finite(name, value)


KINDS = {
    "yes/no": _yes_or_no,
    "whole": _whole,
    "positive": _positive,
    "gaps": _gaps,
    "open": lambda _, value: value if value.is_floating_point() else value.double(),
    "": _finite,
}
