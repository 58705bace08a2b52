"""What the book's figures are drawn from and on, spoilt: found by their annotations, in each function that takes one.

A figure checks these before anything else, so that nothing is drawn here; drawings are in ``tests/layerbook/figures``.
"""

import inspect
from functools import cache, partial

import pandas as pd
import surface
from calling import Recipe
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from recipes_book import book, report
from repository import ROOT
from valid import FOLDER
from xarray import DataArray

from layerbook.report import Report
from layerbook.robustness import Robustness
from layerbook.scoreboard import Scoreboard

DRAWN = "drawn in tests/layerbook/figures"
MADE = {
    Report: cache(report),
    Scoreboard: lambda: Scoreboard(book(), book() / "records"),
    Axes: lambda: Figure().add_subplot(),
    Figure: Figure,
    DataArray: lambda: DataArray([0.5]),
    pd.DataFrame: pd.DataFrame,
}


def recipe(name, function):
    """A recipe that spoils what is in `MADE`; None for a function that takes nothing of it."""
    kinds = {argument: each.annotation for argument, each in inspect.signature(function).parameters.items()}
    spoilt = {argument: MADE[kind] for argument, kind in kinds.items() if kind in MADE}
    others = [argument for argument in kinds if argument not in spoilt]
    call = partial(function, **dict.fromkeys(others))
    given = lambda: {argument: make() for argument, make in spoilt.items()}  # noqa: E731
    return Recipe(name, call, given, {}, dict.fromkeys(others, DRAWN)) if spoilt else None


def of_figures():
    """The public functions of the figures, in the order of their names."""
    values = surface.imported_by_chapters(ROOT / "book", "layerbook")
    named = {name: value for each in values for name, value in surface.with_members(each)}
    made = [recipe(name, named[name]) for name in sorted(named) if name.startswith("layerbook.figures.")]
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
