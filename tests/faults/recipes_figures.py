"""What the book's figures are drawn from and on, spoilt: each argument of each function, by its annotation.

A figure checks these before anything else, so that nothing is drawn here; drawings are in ``tests/layerbook/figures``.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import get_args, get_origin
from unittest.mock import Mock

import numpy as np
import surface
import torch
from calling import Recipe
from kinds import StandIn
from recipes_book import book, report
from repository import ROOT
from torch import Tensor
from valid import FOLDER

from layerbook.report import Report
from layerbook.robustness import Robustness
from layerbook.scoreboard import Scoreboard

MADE = {
    Report: cache(report),
    Scoreboard: lambda: Scoreboard(book(), book() / "records"),
    Tensor: lambda: torch.ones(2, 3),
    np.ndarray: lambda: np.ones((2, 3)),
    float: lambda: 0.5,
    int: lambda: 2,
    str: lambda: "a",
    bool: lambda: True,
    tuple: lambda: (1, 2),
    Callable: lambda: len,
}
NO_KIND = "it says no kind"
OR_NONE = "None is right, too: tests/layerbook/figures/test_kinds.py"


def made(kind):
    """Something of a kind: what an annotation says, whatever is in it."""
    inner, outer = get_args(kind), get_origin(kind) or kind
    if outer is UnionType:
        return made(inner[0])
    if outer is Mapping:
        return {made(inner[0]): made(inner[1])}
    if outer in (Sequence, list):
        return [made(*inner) if inner else "a"]
    if outer in MADE:
        return MADE[outer]()
    fields = getattr(outer, "_fields", None)
    return outer(*[0.5] * len(fields)) if fields else Mock(spec=outer)


def recipe(name, function):
    """A recipe that spoils every argument; None for a function that takes none."""
    taken = inspect.signature(function).parameters
    without = {argument: NO_KIND for argument, each in taken.items() if each.annotation is each.empty}
    without |= {argument: OR_NONE for argument, each in taken.items() if NoneType in get_args(each.annotation)}

    def given():
        return {argument: StandIn(made(taken[argument].annotation)) for argument in taken.keys() - without.keys()}

    def call(**given):
        values = {argument: getattr(value, "value", value) for argument, value in given.items()}
        return function(**dict.fromkeys(without), **values)

    return Recipe(name, call, given, {}, without) if given() else None


def of_figures():
    """The public functions of the figures, in the order of their names."""
    values = surface.imported_by_chapters(ROOT / "book", "layerbook")
    named = {name: value for each in values for name, value in surface.with_members(each)}
    drawing = [
        name for name in sorted(named) if name.startswith("layerbook.figures.") and inspect.isfunction(named[name])
    ]
    made = [recipe(name, named[name]) for name in drawing]
    return [each for each in made if each is not None]


RECIPES = [
    *of_figures(),
    Recipe(
        "layerbook.robustness.Robustness",
        lambda **given: str(Robustness(**given)),
        lambda: dict(chapter="forward_backward", records=FOLDER / "sweeps", executed=FOLDER / "executed"),
        {(folder, "not there"): "nothing is there yet" for folder in ("records", "executed")},
    ),
]
