"""The package as somebody gets it who installs it without extras, in an environment of its own."""

import os

import pytest
from fresh import environment, pip, run, wheel
from requirements import asked, needed

OWN_NETWORK = """
import torch
import layerlib as ll

model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
split = ll.Split(torch.randint(0, 256, (60, 1, 8, 8)).to(torch.uint8), torch.arange(60) % 3)
inspection = ll.inspect(model, split)
inspection.figure().savefig("inspection.png")
print(len(inspection.to_frame()))
"""
EVERY_MODULE = """
import importlib, pkgutil, sys
import layerlib

for found in pkgutil.walk_packages(layerlib.__path__, "layerlib."):
    if not found.name.startswith(("layerlib.__main__", "layerlib.integrations")):
        importlib.import_module(found.name)
for name in layerlib.__all__:
    getattr(layerlib, name)
print("layerbook" in sys.modules)
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """The interpreter of an environment with a wheel of this project and just what its base requirements bring."""
    folder = tmp_path_factory.mktemp("fresh")
    python = environment(folder / "env", needed(asked()))
    pip("--python", python, "install", "--no-deps", "--no-index", wheel(folder)).check_returncode()
    return python


def test_nothing_that_it_requires_is_missing(fresh):
    result = pip("--python", fresh, "check")
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("module", ["IPython", "nbformat", "papermill", "seaborn", "yaml"])
def test_the_environment_is_without_notebook_software(fresh, tmp_path, module):
    assert "No module named" in run(fresh, "-c", f"import {module}", folder=tmp_path).stderr


def test_it_is_imported_in_a_tenth_of_a_second(fresh, tmp_path):
    seconds = []
    for _ in range(5):
        before = os.times()
        assert run(fresh, "-c", "import layerlib", folder=tmp_path).returncode == 0
        after = os.times()
        # of the processor, which other programs do not take: the interpreter's own start is part of it
        seconds.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert min(seconds) <= 0.1


def test_a_network_of_ones_own_is_inspected_and_drawn(fresh, tmp_path):
    result = run(fresh, "-c", OWN_NETWORK, folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 0
    assert (tmp_path / "inspection.png").stat().st_size > 1000


def test_every_module_and_every_public_name_is_there(fresh, tmp_path):
    result = run(fresh, "-c", EVERY_MODULE, folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "False\n"


@pytest.mark.parametrize("command", [["bin/layerlib"], ["bin/python", "-m", "layerlib"]], ids=["command", "module"])
def test_the_command_names_the_missing_extra_in_one_sentence(fresh, tmp_path, command):
    program, *rest = command
    result = run(fresh.parents[1] / program, *rest, "run", "cooperating_classifiers", folder=tmp_path)
    assert result.returncode == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.endswith("pip install 'layerlib[book]'\n")
