"""The API page follows the packages."""

import re
from importlib.util import find_spec
from pathlib import Path

from surface import public_modules

import layerlib

PAGE = (Path(__file__).parents[2] / "book" / "api.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"\.\. automodule:: (\S+)", PAGE)


def test_it_begins_with_every_public_name():
    begin = PAGE.split("\n## ")[1]
    listed = re.findall(r"~(layerlib[\w.]*)\.(\w+)", begin)
    assert {name: home for home, name in listed} == layerlib._HOME


def test_every_public_name_is_described_once():
    described = set(re.findall(r"\.\. auto(?:class|function):: (\S+)", PAGE))
    hidden = {name: home for name, home in layerlib._HOME.items() if home not in SHOWN}
    assert {f"{home}.{name}" for name, home in hidden.items()} == described


def test_it_shows_every_module_of_the_instruments_once_and_none_that_is_gone():
    modules = {module.__name__ for module in public_modules("layerlib") if not hasattr(module, "__path__")}
    assert modules - set(SHOWN) == set()
    assert [name for name in SHOWN if find_spec(name) is None] == []
    assert len(SHOWN) == len(set(SHOWN))
