"""Dependencies: who may import what, and that requirements.txt is the whole set and no more."""

import ast
import re
import sys
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from requirements import asked, needed

from layerlib.__main__ import EXTRA_OF

ROOT = Path(__file__).parents[2]
# torch names these itself, by version and platform; requirements.txt says why it does not.
OF_TORCH = re.compile(r"(nvidia|cuda)-.*|triton")
PROVIDERS = packages_distributions()
PLACES = (".", "tests/helpers", "tests/device", "tests/foreign", "tests/faults", "tests/chaos", "book/_ext")
LOCAL = {path.stem for place in PLACES for path in (ROOT / place).iterdir()}


def pinned(file: str = "requirements.txt") -> dict[str, Requirement]:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def imported(folder: str) -> set[str]:
    """Top-level names of the modules of others that a folder's files import, wherever in a file."""
    names = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module)
    return {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - LOCAL


def not_of(distributions: set[str], modules: set[str]) -> set[str]:
    """The modules that come from none of these distributions."""
    return {name for name in modules if not distributions & set(map(canonicalize_name, PROVIDERS.get(name, [])))}


@pytest.mark.parametrize(
    ("folder", "extras"),
    [("layerlib", []), ("layerbook", ["book", "sweep"]), ("tests", ["test"]), ("benchmarks", ["bench"])],
)
def test_a_folder_imports_only_what_its_extra_brings(folder, extras):
    allowed = {canonicalize_name(r.name) for r in asked() + (asked(*extras) if extras else [])}
    allowed |= {"packaging", "pluggy"}  # pytest's own, of the tests
    assert not_of(allowed, imported(folder) - set(pinned("tests/foreign/requirements.txt"))) == set()


def test_packages_of_others_are_imported_by_their_adapters_alone():
    foreign = set(pinned("tests/foreign/requirements.txt"))
    assert imported("layerlib") & foreign == imported("layerlib/integrations") & foreign
    sweeping = {canonicalize_name(r.name) for r in asked("sweep")} - {canonicalize_name(r.name) for r in asked("book")}
    assert foreign & {*pinned(), *(imported("layerbook") - sweeping), *imported("benchmarks")} == set()


def test_the_command_knows_the_extra_of_all_that_the_book_imports():
    base = {canonicalize_name(r.name) for r in asked()}
    extra = not_of(base, imported("layerbook"))
    assert extra <= set(EXTRA_OF)
    of_sweeps = {name for name in extra if EXTRA_OF[name] != "book"}
    assert of_sweeps == {"distributed"} and EXTRA_OF["distributed"] == "sweep"


def test_the_instruments_bring_no_notebook_software():
    notebooks = {"ipython", "ipykernel", "jupyter-core", "jupyter-client", "nbformat", "papermill", "myst-nb", "sphinx"}
    drawing = {"seaborn", "opentsne", "scikit-image", "pyyaml", "xarray"}
    assert not needed(asked()) & (notebooks | drawing)


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_every_package_that_the_project_needs_is_pinned_and_no_other(python, platform):
    there = {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": platform}
    there["platform_system"] = {"linux": "Linux", "darwin": "Darwin"}[platform]
    pins = {name for name, pin in pinned().items() if not pin.marker or pin.marker.evaluate(there)}
    wanted = needed(asked() + asked("book", "test", "bench"), **there)
    assert {name for name in wanted - pins if not OF_TORCH.fullmatch(name)} == set()
    # what only Python 3.12 brings is not installed under 3.11, nor what that needs in turn
    assert {name for name in pins - wanted if pinned()[name].marker is None} == set()


def test_what_is_installed_is_what_is_pinned():
    here = [requirement for requirement in pinned().values() if not requirement.marker or requirement.marker.evaluate()]
    assert {r.name: version(r.name) for r in here if not r.specifier.contains(version(r.name))} == {}
