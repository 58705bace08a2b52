"""Checks of what a caller gives, each with the one sentence that refuses it."""

import difflib
import functools
import inspect
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from numbers import Integral, Real
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")
Check = Callable[[str, object], object]


def closest(name: str, known: Iterable[str], cutoff: float = 0.6) -> list[str]:
    """Up to three of the ``known`` names that are most like ``name``."""
    return difflib.get_close_matches(name, list(known), n=3, cutoff=cutoff)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``"did you mean this or that?"``, or nothing where no known name is like ``name``."""
    close = closest(name, known)
    return f"did you mean {' or '.join(close)}?" if close else ""


def checked(**checks: Check) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorator: arguments go through ``check(name, value)`` first, and what it gives is what the function gets.

    An argument that is left out, or is the default itself, is as it must be. Of a class it is ``__init__``: the text of
    some is part of the names of stored trainings, which a check must not change. A function of layerlib runs in its
    ``own_precision``; those of the book train networks, in the one that is asked for.

    Examples
    --------
    >>> @checked(z=numbers, labels=numbers, classes=whole_number)
    ... def accuracy(z, labels, classes=None): ...
    """

    def with_checks(function: Callable[P, R]) -> Callable[P, R]:
        if isinstance(function, type):
            function.__init__ = with_checks(function.__init__)  # type: ignore[misc]
            return function
        signature = inspect.signature(function)
        if unknown := checks.keys() - signature.parameters.keys():
            raise TypeError(f"checks: {function.__qualname__} has no arguments {sorted(unknown)}")

        within = _precision_of(function)

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                given = signature.bind(*args, **kwargs)
            except TypeError:  # Python's own sentence has the name of the function
                return function(*args, **kwargs)
            for name, check in checks.items():
                if name in given.arguments and given.arguments[name] is not signature.parameters[name].default:
                    given.arguments[name] = check(name, given.arguments[name])
            with within():
                return function(*given.args, **given.kwargs)

        return call

    return with_checks


def _precision_of(function: Callable) -> Callable[[], AbstractContextManager]:
    if function.__module__.partition(".")[0] != __name__.partition(".")[0]:
        return nullcontext
    from layerlib._precision import own_precision  # the book's command needs checks, and no torch

    return own_precision


@contextmanager
def renamed(**names: str) -> Iterator[None]:
    """Within the context a ValueError about an argument of what is called is about the caller's argument instead."""
    try:
        yield
    except ValueError as error:
        argument, colon, rest = str(error).partition(":")
        raise ValueError(f"{names.get(argument, argument)}{colon}{rest}") from error


def names_of(names: str | Iterable[str]) -> tuple[str, ...]:
    """One name or several, as several."""
    return (names,) if isinstance(names, str) else tuple(names)


def kind_of(value: object) -> str:
    """The class of a value, or the class itself, by name."""
    return value.__name__ if isinstance(value, type) else type(value).__name__


def whole_number(argument: str, value: object, least: int | None = 1) -> int:
    """The value as an int; ValueError, naming the argument, unless it is a whole number from ``least`` up."""
    if isinstance(value, bool) or not isinstance(value, Integral) or (least is not None and value < least):
        expected = "a whole number" if least is None else f"a whole number from {least} up"
        raise ValueError(f"{argument}: expected {expected}, got {value!r}")
    return int(value)


def in_short(error: Exception) -> str:
    """What went wrong: our own sentence, or the first sentence of PyTorch's."""
    text = str(error).strip().split("\n")[0]
    return text if isinstance(error, ValueError) else f"{type(error).__name__}: {text.split('. ')[0].rstrip('.')}"


def number(argument: str, value: object, expected: str, fits: Callable[[float], bool] = math.isfinite) -> float:
    """The value as a float; ValueError, naming the argument and what is ``expected``, unless it fits."""
    if isinstance(value, bool) or not isinstance(value, Real) or not fits(float(value)):
        raise ValueError(f"{argument}: expected {expected}, got {value!r}")
    return float(value)


def share(argument: str, value: object) -> float:
    """The value as a float; ValueError, naming the argument, unless it is a number in [0, 1]."""
    return number(argument, value, "a number in [0, 1]", lambda given: 0 <= given <= 1)


def any_whole_number(argument: str, value: object) -> int:
    """The value as an int, which may be negative: a seed, say, of 64 bits as PyTorch's generators take."""
    found = whole_number(argument, value, None)
    if not -(2**63) <= found < 2**64:
        raise ValueError(f"{argument}: expected a whole number of 64 bits, got {value!r}")
    return found


def from_zero(argument: str, value: object) -> float:
    """The value as a float; ValueError, naming the argument, unless it is a finite number of at least 0."""
    return number(argument, value, "a finite number of at least 0", lambda given: 0 <= given < math.inf)


def above_zero(argument: str, value: object) -> float:
    """The value as a float; ValueError, naming the argument, unless it is a finite number above 0."""
    return number(argument, value, "a finite number above 0", lambda given: 0 < given < math.inf)


def choice(*words: str) -> Check:
    """A check that the value is one of the ``words``."""

    def check(argument: str, value: object) -> object:
        if not isinstance(value, str) or value not in words:
            raise ValueError(f"{argument}: expected one of {', '.join(map(repr, words))}, got {value!r}")
        return value

    return check


def size_in_bytes(argument: str, value: object) -> float:
    """The value as a float, without a bound if infinite; ValueError, naming the argument, unless above 0."""
    return number(argument, value, "bytes above 0", lambda given: given > 0)


def flag(argument: str, value: object) -> bool:
    """The value as a bool; ValueError, naming the argument, for anything but True and False (text is true, always)."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{argument}: expected True or False, got {value!r}")
    return bool(value)


def text(argument: str, value: object) -> str:
    """The value, a string; ValueError, naming the argument, for anything else."""
    if not isinstance(value, str):
        raise ValueError(f"{argument}: expected text, got {kind_of(value)}")
    return value


def function(argument: str, value: object) -> Callable:
    """The value, which can be called; ValueError, naming the argument, for anything else."""
    if not callable(value):
        raise ValueError(f"{argument}: expected a function, got {kind_of(value)}")
    return value


def path(argument: str, value: object) -> Path:
    """The value, text or a path, as a path; ValueError, naming the argument, for anything else and for a zero byte."""
    if not isinstance(value, (str, os.PathLike)) or "\0" in os.fspath(value):
        raise ValueError(f"{argument}: expected a path, got {value!r}")
    return Path(value)


def several_names(argument: str, value: object) -> tuple[str, ...]:
    """One name or several, as several; ValueError, naming the argument, for anything else."""
    several = names_of(value) if isinstance(value, Iterable) else (value,)
    if wrong := [each for each in several if not isinstance(each, str)]:
        raise ValueError(f"{argument}: expected one name or several, got {kind_of(wrong[0])}")
    return several  # type: ignore[return-value]


def some_of(argument: str, value: object, known: Iterable[str]) -> tuple[str, ...]:
    """One name or several, as several; ValueError, naming the argument, for none and for what is not ``known``."""
    several = several_names(argument, value)
    unknown = [each for each in several if each not in known]
    if unknown or not several:
        raise ValueError(f"{argument}: expected some of {', '.join(known)}, got {', '.join(unknown) or 'none'}")
    return several


def mapping(*keys: str) -> Check:
    """A check that the value is a mapping; one that has these ``keys``."""

    def check(argument: str, value: object) -> object:
        missing = [key for key in keys if key not in value] if isinstance(value, Mapping) else None
        if missing is None or missing:
            got = f"one without {', '.join(missing)}" if missing else kind_of(value)
            raise ValueError(f"{argument}: expected a mapping{' of ' * bool(keys)}{', '.join(keys)}, got {got}")
        return value

    return check


def functions(argument: str, value: object) -> tuple[Callable, ...]:
    """The values, each of which can be called; ValueError, naming the argument, for anything else."""
    if not isinstance(value, Iterable):
        raise ValueError(f"{argument}: expected functions, got {kind_of(value)}")
    return tuple(function(argument, each) for each in value)


def like(what: str, *attributes: str) -> Check:
    """A check that the value has these attributes, by which ``what`` is wanted is known."""

    def check(argument: str, value: object) -> object:
        if isinstance(value, type) or not all(hasattr(value, each) for each in attributes):
            raise ValueError(f"{argument}: expected a {what}, got {kind_of(value)}")
        return value

    return check


def several(each: Check) -> Check:
    """A check of each of several values, in a list or tuple, at least one."""

    def check(argument: str, value: object) -> object:
        if not isinstance(value, list | tuple) or not value:
            raise ValueError(f"{argument}: expected several values, at least one, got {value!r:.80}")
        return [each(argument, one) for one in value]

    return check


def by_name(each: Check) -> Check:
    """A check of each value of a mapping, which has at least one."""

    def check(argument: str, value: object) -> object:
        if not isinstance(value, Mapping) or not value:
            raise ValueError(f"{argument}: expected a mapping, at least one name, got {value!r:.80}")
        return {name: each(argument, one) for name, one in value.items()}

    return check


def number_format(argument: str, value: object) -> str:
    """The value, what ``format`` takes for numbers; ValueError, naming the argument, for anything else."""
    with suppress(TypeError, ValueError):
        format(1, value)  # type: ignore[arg-type]
        return value  # type: ignore[return-value]
    raise ValueError(f"{argument}: expected the format of a number, such as .3g, got {value!r}")


def whole_numbers(argument: str, value: object) -> list[int]:
    """The values as ints, which may be negative; ValueError, naming the argument, for anything else."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError(f"{argument}: expected whole numbers, got {value!r}")
    return [any_whole_number(argument, each) for each in value]


def words(argument: str, value: object) -> str:
    """The value, a string with something in it; ValueError, naming the argument, for anything else."""
    if not text(argument, value).strip():
        raise ValueError(f"{argument}: expected words, got {value!r}")
    return value  # type: ignore[return-value]
