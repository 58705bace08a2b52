"""Bad values for every argument of the public surface, which is enumerated: no answer that is wrong, no obscure error.

The printed table says how many calls of each name became what, in the words of ``calling``. By parts of the packages it
is written to ``_build/faults.csv``, which the book shows once it is copied to ``outcomes.csv``.
"""

import csv
import inspect
import os
from collections import Counter
from fnmatch import fnmatch
from types import FunctionType

import numpy as np
import pytest
import recipes_analysis
import recipes_book
import recipes_data
import recipes_distributions
import recipes_figures
import recipes_layers
import recipes_runs
import surface
import torch
from calling import OUTCOMES, Recipe, by_part, outcome, outcomes, part_of, plan, table, tally
from kinds import Fault
from repository import ROOT

import layerlib
from layerlib._tensors import finite

WRITTEN, SHOWN = ROOT / "_build" / "faults.csv", ROOT / "tests" / "faults" / "outcomes.csv"
RECIPES = [
    *recipes_analysis.RECIPES,
    *recipes_book.RECIPES,
    *recipes_data.RECIPES,
    *recipes_distributions.RECIPES,
    *recipes_figures.RECIPES,
    *recipes_layers.RECIPES,
    *recipes_runs.RECIPES,
]
# pattern of names -> why they are not called here
EXCLUDED = {
    "layerbook.analysis.first_edition.claims": "its numbers are those of the functions that it calls, which check them",
    "layerbook.figures.tables.Table": "tables of figures make it",
    "layerbook.training._store.Store.*": "fit calls them, with what it made",
    "layerbook.training.*.load_state_dict": "fit calls it, with what it kept; its text is in the keys of trainings",
    "layerbook.training.learning.Learning.now": "it calls this itself, and its text is in the keys of trainings",
    "layerbook.training.until.*.measure": "fit calls it",
    "layerbook.training.until.*.reached": "fit calls it",
    "layerbook.training.auxiliary.WithClassifier.*": "a torch.nn.Module, with its errors",
    "layerbook.training.*cross_entropy": "a loss: fit checks what goes into it",
    "layerbook.training.*joint_squared_error": "a loss: fit checks what goes into it",
}
# classes whose objects the functions give back: nobody makes one
GIVEN = (
    "layerbook.analysis.encoder_decoder.Likeness",
    "layerlib.inspection.result.Inspection",
    "layerlib.nodes.classifiers.NodeClassifiers",
)


def arguments(public: object) -> set[str]:
    """The arguments of a function or class that a caller gives one by one."""
    try:
        given = inspect.signature(public).parameters.items()
    except ValueError:
        return set()
    return {name for name, each in given if name not in ("self", "cls")}


def public_names() -> dict[str, set[str]]:
    """Every public name that takes arguments, with these: ``__all__`` of layerlib, what chapters import, methods."""
    values = [getattr(layerlib, name) for name in layerlib.__all__]
    values += surface.imported_by_chapters(ROOT / "book", "layerbook")
    found = {name: arguments(value) for each in values for name, value in surface.with_members(each)}
    return {name: taken for name, taken in found.items() if taken}


def excluded(name: str) -> bool:
    return name in GIVEN or any(fnmatch(name, pattern) for pattern in EXCLUDED)


def test_every_public_name_has_a_recipe_or_a_reason_why_not():
    made, public = {recipe.name for recipe in RECIPES}, public_names()
    assert not [name for name in public if name not in made and not excluded(name)]
    assert not [name for name in made if excluded(name)]
    assert not [each for each in (*EXCLUDED, *GIVEN) if not any(fnmatch(name, each) for name in public)]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_gives_every_argument_a_valid_value(recipe):
    taken = arguments(recipe.public)
    assert taken <= recipe.arguments().keys() | recipe.without.keys()
    assert all(reason for reason in (*recipe.without.values(), *recipe.fine.values()))
    planned = {(argument, fault.name) for argument, fault in plan(recipe)}
    assert recipe.fine.keys() <= planned


@pytest.mark.faults
def test_bad_values_are_refused_by_name_or_answered_as_documented(capfd):
    found = outcomes(RECIPES)
    rows = tally(found)
    with capfd.disabled():
        print(f"\n{table(rows)}")
        print(*(each for each in found if each.kind not in ("refused", "right")), sep="\n")
    WRITTEN.parent.mkdir(exist_ok=True)
    WRITTEN.write_text(by_part(rows))
    kinds = rows["all"]
    assert kinds.total() >= 2000
    assert not [each for each in found if each.kind in ("silent", "hung", "crashed")]
    assert kinds["obscure"] <= 0.01 * kinds.total(), [each for each in found if each.kind == "obscure"]


def test_the_books_table_has_every_part_and_no_silent_answer():
    rows = {row.pop("part"): {kind: int(count) for kind, count in row.items()} for row in csv.DictReader(SHOWN.open())}
    assert rows.keys() == {part_of(recipe.name) for recipe in RECIPES} | {"all"}
    every = rows.pop("all")
    assert all(count == sum(row[kind] for row in rows.values()) for kind, count in every.items())
    assert every["calls"] == sum(every[kind] for kind in OUTCOMES) >= 2000
    assert not (every["silent"] or every["hung"] or every["crashed"]) and every["obscure"] <= 0.01 * every["calls"]


def mean(values: torch.Tensor) -> torch.Tensor:
    """A function that is right, planted wrong in several ways below."""
    values = finite("values", values)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"values: expected shape (N,), got {tuple(values.shape)}")
    return values.double().mean()


def planted(call: FunctionType) -> Counter:
    recipe = Recipe(f"{__name__}.mean", call, lambda: {"values": torch.tensor([0.5, 1.5])})
    return Counter(each.kind for each in outcomes([recipe], patience=3))


def test_the_suite_calls_a_sound_function_sound():
    assert planted(mean).keys() <= {"refused", "right"}


def test_the_suite_catches_a_silent_function():
    assert planted(lambda values: torch.as_tensor(np.nanmean(np.asarray(values, dtype=float))))["silent"]
    assert planted(lambda values: torch.zeros(()))["silent"]


def test_the_suite_catches_an_obscure_function():
    def obscure(values):
        try:
            return mean(values)
        except ValueError:
            raise ValueError("something is wrong") from None

    assert planted(obscure)["obscure"] == planted(mean)["refused"]
    assert planted(lambda values: [][values])["obscure"]


def test_the_suite_survives_a_function_that_hangs_or_dies():
    def hangs(values):
        while isinstance(values, str):
            pass
        return mean(values)

    def dies(values):
        return os._exit(1) if isinstance(values, str) else mean(values)

    assert planted(hangs)["hung"] == 1
    assert planted(dies)["crashed"] == 1


def test_an_error_names_its_argument_or_the_one_that_does_not_fit_it():
    def told(message):
        def call(values):
            raise ValueError(message)

        recipe = Recipe(f"{__name__}.mean", call, lambda: {"values": torch.ones(2), "labels": torch.ones(2)})
        recipe = Recipe(recipe.name, lambda values, labels: call(values), recipe.arguments)
        return outcome(recipe, "values", Fault("text", "abc")).kind

    assert told("values: expected numbers") == "refused"
    assert told("labels: expected one for each of values") == "refused"
    assert told("labels: expected whole numbers") == "obscure"
    assert told("expected numbers as values") == "obscure"
