"""Every fault of every argument of a recipe's call, and what becomes of each: refused, right, or one of four failures.

- *refused*: ValueError, TypeError or FileNotFoundError, whose message begins with the argument, or names the file given
- *right*: the answer is that of the documented equivalent, within 1e-5
- *silent*: it answered something else; *obscure*: another error, or one that does not name the argument
- *hung*: no answer for some seconds; *crashed*: the process died
"""

import copy
import importlib
import inspect
import operator
import os
import pickle
import re
import select
import signal
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from kinds import FINITE, NOTHING, Fault, faults
from torch import Tensor

OUTCOMES = ("refused", "right", "silent", "obscure", "hung", "crashed")
ALWAYS_FINE = {("seed", "negative"): "PyTorch's generators take negative seeds, as any other"}
PATIENCE = 30.0  # seconds without an outcome
VALID = object()  # the same as the valid value


@dataclass(frozen=True)
class Recipe:
    """A public name, how it is called, and valid arguments for it.

    Parameters
    ----------
    name : the public name
    call : what is called, with the arguments as keywords; it gives the answer
    arguments : makes valid ones, anew for every call
    fine : (argument, fault) -> why an answer is right there that has no documented equivalent in ``kinds``
    without : argument -> why it has no faults
    """

    name: str
    call: Callable
    arguments: Callable[[], dict]
    fine: Mapping[tuple[str, str], str] = field(default_factory=dict)
    without: Mapping[str, str] = field(default_factory=dict)

    @property
    def public(self) -> Callable:
        """The function or class that the name stands for."""
        module, parts = self.name, []
        while True:
            with suppress(ModuleNotFoundError):
                return operator.attrgetter(".".join(parts))(importlib.import_module(module))
            module, _, last = module.rpartition(".")
            parts.insert(0, last)

    @cached_property
    def names(self) -> frozenset[str]:
        """Those of the arguments."""
        return frozenset(self.arguments())

    @cached_property
    def answer(self) -> object:
        """The answer to the valid arguments."""
        return called(self)

    @property
    def optional(self) -> set[str]:
        """The arguments for which None is the default."""
        return {name for name, each in inspect.signature(self.public).parameters.items() if each.default is None}


class Outcome(NamedTuple):
    name: str
    argument: str
    fault: str
    kind: str
    told: str


def plan(recipe: Recipe) -> list[tuple[str, Fault]]:
    """The faults of every argument. None is no fault where it is the default."""
    valid = recipe.arguments()
    optional = recipe.optional
    return [
        (argument, replace(fault, equal_to=VALID) if fault.equal_to is value else fault)
        for argument, value in valid.items()
        for fault in faults(value)
        if not (fault.value is None and argument in optional)
    ]


def outcomes(recipes: Sequence[Recipe], patience: float = PATIENCE) -> list[Outcome]:
    """What becomes of every planned call, each made in a child process that may die or be ended."""
    planned = [(recipe, argument, fault) for recipe in recipes for argument, fault in plan(recipe)]
    found: list[Outcome] = []
    while len(found) < len(planned):
        ended = from_child(planned[len(found) :], found, patience)
        if ended:
            recipe, argument, fault = planned[len(found)]
            found.append(Outcome(recipe.name, argument, fault.name, ended, ""))
    return found


def from_child(planned: Sequence, found: list[Outcome], patience: float) -> str:
    """Append outcomes until all are there, or the child ``hung`` or ``crashed`` in the next one."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        with suppress(BaseException), os.fdopen(writing, "wb") as pipe:
            os.close(reading)
            for each in planned:
                pickle.dump(outcome(*each), pipe)
                pipe.flush()
        os._exit(0)
    os.close(writing)
    goal = len(found) + len(planned)
    try:
        with os.fdopen(reading, "rb", buffering=0) as pipe:
            while len(found) < goal:
                if not select.select([pipe], [], [], patience)[0]:
                    return "hung"
                try:
                    found.append(pickle.load(pipe))
                except EOFError:
                    return "crashed"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return ""


def outcome(recipe: Recipe, argument: str, fault: Fault) -> Outcome:
    """Make one call, and say what became of it."""

    def became(kind: str, told: object = "") -> Outcome:
        return Outcome(recipe.name, argument, fault.name, kind, " ".join(str(told).split())[:160])

    try:
        answer = called(recipe, {argument: fault.value})
    except (ValueError, TypeError, FileNotFoundError) as error:
        clear = names(str(error), argument, fault.value, recipe.names)
        return became("refused" if clear else "obscure", f"{type(error).__name__}: {error}")
    except BaseException as error:
        return became("obscure", f"{type(error).__name__}: {error}")
    if (argument, fault.name) in recipe.fine or (argument, fault.name) in ALWAYS_FINE:
        return became("right")
    if fault.equal_to is NOTHING:
        return became("silent", f"{fault.value!r:.60} gave {answer!r:.80}")
    if fault.equal_to is FINITE:
        return became("right" if finite(answer) else "silent", f"{fault.value!r:.60} gave {answer!r:.80}")
    try:
        wanted = recipe.answer if fault.equal_to is VALID else called(recipe, {argument: fault.equal_to})
    except Exception as error:
        return became("silent", f"answered, where the equivalent raises {error}")
    return became("right") if alike(answer, wanted) else became("silent", f"{answer!r:.70}, not {wanted!r:.70}")


def called(recipe: Recipe, changed: Mapping | None = None) -> object:
    """The answer to the recipe's call with some arguments changed, quietly and with the same chance each time."""
    arguments = recipe.arguments() | {
        name: copy.deepcopy(value) if not callable(value) else value for name, value in (changed or {}).items()
    }
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return recipe.call(**arguments)


def names(message: str, argument: str, value: object, arguments: Iterable[str] = ()) -> bool:
    """Whether a message begins with the argument and a colon, or with another that it says does not fit it, or a file.

    Where two do not go together neither is more wrong: ``labels: expected shape (5,), one label per row of features``.
    """
    head, colon, rest = message.partition(":")
    told = head.split(", ")
    if isinstance(value, (Path, str)) and str(value) and head.startswith(str(value)):
        return True
    return bool(colon) and (argument in told or (told[0] in arguments and argument in re.findall(r"\w+", rest)))


def alike(answer: object, wanted: object) -> bool:
    """Whether two answers hold the same numbers, within 1e-5, and the same words."""
    answer, wanted = _plain(answer), _plain(wanted)
    if isinstance(answer, dict) and isinstance(wanted, dict):
        return answer.keys() == wanted.keys() and all(alike(answer[key], wanted[key]) for key in wanted)
    if isinstance(answer, list) and isinstance(wanted, list):
        return len(answer) == len(wanted) and all(map(alike, answer, wanted))
    if isinstance(answer, np.ndarray) and isinstance(wanted, np.ndarray):
        return answer.shape == wanted.shape and bool(np.allclose(answer, wanted, rtol=1e-5, atol=1e-5, equal_nan=True))
    return type(answer) is type(wanted) and (answer == wanted or not isinstance(wanted, (str, bytes)))


def finite(answer: object) -> bool:
    """Whether no number of an answer is NaN or infinite."""
    answer = _plain(answer)
    if isinstance(answer, dict):
        return all(map(finite, answer.values()))
    if isinstance(answer, list):
        return all(map(finite, answer))
    return not isinstance(answer, np.ndarray) or bool(np.isfinite(answer).all())


def _plain(value: object) -> object:
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, (bool, int, float, np.generic)):
        value = np.array(value)
    if isinstance(value, np.ndarray):
        return value.astype(float) if value.dtype.kind in "biuf" else value.tolist()
    if isinstance(value, pd.DataFrame):
        return {str(name): _plain(column.to_numpy()) for name, column in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value


def tally(found: Iterable[Outcome]) -> dict[str, Counter]:
    """Outcome -> how many calls, for each name and for all of them together."""
    rows: dict[str, Counter] = {}
    for each in found:
        rows.setdefault(each.name, Counter())[each.kind] += 1
    return rows | {"all": sum(rows.values(), Counter())}


def by_part(rows: Mapping[str, Counter]) -> str:
    """The same as CSV, a line for each part of the packages, such as layerlib.data."""
    parts: dict[str, Counter] = {}
    for name, row in rows.items():
        parts.setdefault(part_of(name), Counter()).update(row)
    lines = [("part", "calls", *OUTCOMES)]
    lines += [(part, row.total(), *(row[kind] for kind in OUTCOMES)) for part, row in parts.items()]
    return "".join(f"{','.join(map(str, line))}\n" for line in lines)


def part_of(name: str) -> str:
    """The package or module below layerlib or layerbook that a public name is of."""
    return ".".join(each.removeprefix("_") for each in name.split(".")[:2])


def table(rows: Mapping[str, Counter]) -> str:
    """A line a name: how many calls, and what became of them."""
    width = max(map(len, rows))
    lines = [" ".join([" " * width, "calls", *(f"{kind:>8}" for kind in OUTCOMES)])]
    lines += [
        " ".join([f"{name:{width}}", f"{row.total():5}", *(f"{row[kind] or '·':>8}" for kind in OUTCOMES)])
        for name, row in rows.items()
    ]
    return "\n".join(lines)
