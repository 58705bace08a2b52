"""Portable notebooks, from their first cell to their last, in environments that know nothing of the book."""

from importlib.metadata import version

import nbformat
import pytest
from copies import unrun
from fresh import environment, pip, run, run_notebook, wheel
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from repository import ROOT
from requirements import asked, needed
from smallest import datasets, parameters

KERNEL = [Requirement("ipykernel")]
LISTED = [line for line in (ROOT / "tests/foreign/colab.txt").read_text().splitlines() if not line.startswith("#")]
COLAB = {canonicalize_name(pin.name): pin for pin in map(Requirement, LISTED)}
TORCH = ["torch", "torchvision"]


def put(name, folder):
    """A portable notebook at its smallest parameters, with a wheel beside it."""
    made = unrun("portable", name)
    [place] = [i for i, cell in enumerate(made.cells) if "parameters" in cell.metadata.get("tags", [])]
    values = parameters(name, datasets(folder))
    small = "\n".join(f"{key} = {value!r}" for key, value in values.items())
    made.cells.insert(place + 1, nbformat.v4.new_code_cell(small))
    nbformat.write(made, folder / f"{name}.ipynb")
    wheel(folder)
    return folder / f"{name}.ipynb"


def versions(python, names):
    told = run(python, "-c", f"from importlib.metadata import version as v; print([v(n) for n in {sorted(names)}])")
    assert told.returncode == 0, told.stderr
    return told.stdout


def test_what_colab_has_will_do():
    asks = {canonicalize_name(each.name): each for each in asked() + asked("chapters")}
    old = {
        name: str(pin)
        for name, pin in COLAB.items()
        if name in asks and not asks[name].specifier.contains(pin_of(name))
    }
    assert old == {}
    assert {"numpy", "scipy", "pandas", "ipython", "matplotlib", "scikit-learn"} <= set(COLAB) & set(asks)


def pin_of(name):
    [only] = COLAB[name].specifier
    return only.version


@pytest.mark.parametrize("name", ["forward_backward"])
def test_it_runs_in_a_fresh_environment(name, tmp_path):
    names = needed(asked() + asked("chapters") + KERNEL)
    python = environment(tmp_path / "env", names, with_pip=True)
    ran = run_notebook(python, put(name, tmp_path), PIP_NO_INDEX="1")
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert version("torch") in versions(python, TORCH)
    assert run(python, "-c", "import myst_nb").returncode == 1


@pytest.mark.parametrize("name", ["four_lenses"])
def test_it_runs_with_the_packages_of_colab_and_replaces_none(name, tmp_path):
    linked = {each for each in needed(asked()) if each in TORCH or each not in COLAB} - {"pot"}
    python = environment(tmp_path / "env", linked, with_pip=True)
    pip("--python", python, "install", "--prefer-binary", *LISTED).check_returncode()
    there = {name for name, pin in COLAB.items() if not pin.marker or pin.marker.evaluate()}
    before = versions(python, {*there, *TORCH})
    ran = run_notebook(python, put(name, tmp_path))
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert versions(python, {*there, *TORCH}) == before
