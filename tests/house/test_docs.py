"""Docstrings: whole for every name of the public surface, and a summary for all that the API page shows."""

import re

import pytest
from documented import faults, summary_of
from surface import defined, public_modules, with_members

import layerlib

SURFACE = dict(each for name in layerlib.__all__ for each in with_members(getattr(layerlib, name)))
SHOWN = [each for module in public_modules("layerlib", "layerbook") for each in (module, *defined(module))]


@pytest.mark.parametrize("name", SURFACE)
def test_a_public_name_says_what_it_takes_gives_and_refuses(name):
    assert faults(SURFACE[name]) == []


def test_whatever_the_api_page_shows_has_a_summary_that_ends_with_its_sentence():
    summaries = {each.__name__: summary_of(each) for each in SHOWN}
    cut = re.compile(r"\b(eqs?|secs?|figs?|pp?|cf|vs)\.$")
    assert {name: text for name, text in summaries.items() if not text or cut.search(text)} == {}


def test_what_is_left_out_is_found():
    def half(x, y, *, z=1):
        """Half of x (Somebody et al. 2020, eqs. 1-2).

        Parameters
        ----------
        x : float
        """
        if x < 0:
            raise ValueError("x: expected no less than 0")
        return x / 2

    half.__annotations__["return"] = float
    assert faults(half) == ["Parameters: y, z", "Returns", "Raises"]
    assert summary_of(half) == "Half of x (Somebody et al. 2020, eqs. 1-2)."
    assert faults(lambda: 1) == ["no docstring"]
