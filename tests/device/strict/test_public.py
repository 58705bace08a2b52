"""Every public function and method of the packages that takes tensors, called with them on the pretend device.

The calls are the recipes of ``tests/faults``, with whatever they are given moved; figures have tests of their own.
"""

import copy
import dataclasses
import warnings
from collections.abc import Mapping
from fnmatch import fnmatch

import pytest
import torch
from calling import Recipe, alike
from test_faults import RECIPES, excluded, public_names
from torch import Tensor, nn

from layerbook.analysis.filter_runs import FilterRun
from layerbook.training.fit import History
from layerlib.data.splits import Data, Split
from layerlib.inspection.result import Inspection

# they hold what lies on the CPU, or is followed where it is
STAYING = (FilterRun, History, Inspection)
IN_INSTRUMENTS = "its recipe gives what is made pictures or weights of the CPU; test_instruments calls it"
# name -> why it is not called here
NOT_CALLED = {
    "layerbook.training.auxiliary.WithClassifier": IN_INSTRUMENTS,
    "layerlib.distributions._exiting.EarlyExit": IN_INSTRUMENTS,
    "layerlib.filters.tracking.FilterTracker": IN_INSTRUMENTS,
    "layerlib.filters.zeroing.zeroed": IN_INSTRUMENTS,
    "layerlib.layers.capture.capture": IN_INSTRUMENTS,
}
# name -> why its numbers are others than on the CPU
OTHER_NUMBERS = {
    "layerbook.training.fit.fit": "noise is drawn on the device",
    "layerbook.training.fit.fit_ensemble": "noise is drawn on the device",
    "layerlib.distributions.distances.sinkhorn": "it looks at its error less often, and goes on as long",
}


def moved(value: object) -> object:
    """A value with the tensors and networks in it on the device; the value itself where there is none."""
    if isinstance(value, (Tensor, Split, Data)):
        return value.to("cuda")
    if isinstance(value, nn.Module):
        return copy.deepcopy(value).to("cuda")
    if isinstance(value, Mapping):
        parts = {key: moved(each) for key, each in value.items()}
        return parts if any(parts[key] is not value[key] for key in parts) else value
    if isinstance(value, (list, tuple)):
        parts = [moved(each) for each in value]
        if all(new is old for new, old in zip(parts, value, strict=True)):
            return value
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if dataclasses.is_dataclass(value) and not isinstance(value, (type, *STAYING)):
        old = {each.name: getattr(value, each.name) for each in dataclasses.fields(value) if each.init}
        new = moved(old)
        return value if new is old else dataclasses.replace(value, **new)
    return value


def given(recipe: Recipe) -> dict:
    """The arguments of a recipe, moved."""
    arguments = moved(recipe.arguments())
    return arguments | {"device": "cuda"} if "device" in arguments else arguments


def answer(recipe: Recipe, arguments: dict) -> object:
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return recipe.call(**arguments)


def takes_tensors(recipe: Recipe) -> bool:
    arguments = recipe.arguments()
    return moved(arguments) is not arguments


def is_figure(name: str) -> bool:
    return fnmatch(name, "layerbook.figures.*")


TAKING = [recipe for recipe in RECIPES if not is_figure(recipe.name) and takes_tensors(recipe)]


def test_every_public_function_that_takes_tensors_is_called():
    made, called = {recipe.name for recipe in RECIPES}, {recipe.name for recipe in TAKING}
    assert [name for name in public_names() if not (name in made or excluded(name) or is_figure(name))] == []
    assert NOT_CALLED.keys() | OTHER_NUMBERS.keys() <= called and not NOT_CALLED.keys() & OTHER_NUMBERS.keys()
    assert len(called - NOT_CALLED.keys()) > 150


@pytest.mark.parametrize("recipe", [each for each in TAKING if each.name not in NOT_CALLED], ids=lambda each: each.name)
def test_a_public_function_works_on_the_device(recipe):
    expected, found = answer(recipe, recipe.arguments()), answer(recipe, given(recipe))
    assert recipe.name in OTHER_NUMBERS or alike(found, expected)
