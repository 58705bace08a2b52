"""The API page follows the packages."""

import re
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from borrowed import leave_out
from surface import public_modules

import layerlib

BOOK = Path(__file__).parents[2] / "book"
FIRST = (BOOK / "api.md").read_text(encoding="utf-8")
PAGES = sorted((BOOK / "api").glob("*.md"))
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
SHOWN = re.findall(r"\.\. automodule:: (\S+)", TEXT)


def test_it_begins_with_every_public_name():
    begin = FIRST.split("\n## ")[1]
    listed = re.findall(r"~(layerlib[\w.]*)\.(\w+)", begin)
    assert {name: home for home, name in listed} == layerlib._HOME


def test_it_leads_to_every_page_of_an_instrument():
    assert sorted(re.findall(r"\(api/(\w+\.md)\)", FIRST)) == [page.name for page in PAGES]


def test_every_public_name_is_described_once():
    described = set(re.findall(r"\.\. auto(?:class|function):: (\S+)", TEXT))
    hidden = {name: home for name, home in layerlib._HOME.items() if home not in SHOWN}
    assert {f"{home}.{name}" for name, home in hidden.items()} == described


def test_it_shows_every_module_of_the_instruments_once_and_none_that_is_gone():
    modules = {module.__name__ for module in public_modules("layerlib") if not hasattr(module, "__path__")}
    assert modules - set(SHOWN) == set()
    assert [name for name in SHOWN if find_spec(name) is None] == []
    assert len(SHOWN) == len(set(SHOWN))


def test_what_has_its_words_from_elsewhere_is_left_out_and_the_rest_is_not():
    assert leave_out(None, "class", "optimizer", partial(int), False, {}) is True
    assert leave_out(None, "class", "optimizer", int, False, {}) is None
