"""What ``import layerlib`` shows, what it loads for it, and what the package does without."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import layerlib

# of the book and of notebooks, which instruments on a reader's own network have no need of
FOREIGN = ("layerbook", "IPython", "seaborn", "papermill", "nbformat", "openTSNE", "skimage", "joblib", "yaml")

INSPECTED = """
import sys

class Blocked:
    names = {foreign}

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Blocked())
import torch
import layerlib as ll
model = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 3))
images = torch.randint(256, (40, 1, 8, 8), dtype=torch.uint8)
inspection = ll.inspect(model, ll.Split(images, torch.arange(40) % 3))
assert inspection.values["distance"].isfinite().all()
inspection.figure().savefig({path!r})
Blocked.names.discard("joblib")  # scikit-learn, which some instruments use, needs it itself
for name in dir(ll):
    getattr(ll, name)
"""


BOOK = Path(__file__).parents[2] / "book"


def python(*arguments):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True)


def test_every_public_name_is_that_of_its_home():
    for name, home in layerlib._HOME.items():
        assert getattr(layerlib, name) is getattr(import_module(home), name)
        assert getattr(layerlib, name).__module__ == home
    assert list(layerlib._HOME) == sorted(layerlib._HOME) == layerlib.__all__
    assert {*layerlib.__all__, "__version__"} == {*dir(layerlib)}


def test_an_unknown_name_is_no_attribute():
    with pytest.raises(AttributeError, match="'layerlib' has no attribute 'inspekt'"):
        layerlib.inspekt  # noqa: B018


def test_the_import_itself_loads_nothing_heavy():
    done = python("-c", "import sys; old = set(sys.modules); import layerlib; print(*(set(sys.modules) - old))")
    assert done.stdout.split() == ["layerlib"], done


def test_a_network_is_inspected_and_drawn_without_the_software_of_the_book(tmp_path):
    done = python("-c", INSPECTED.format(foreign=set(FOREIGN), path=str(tmp_path / "layers.png")))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "layers.png").stat().st_size > 10_000


def test_the_module_is_the_command_line():
    done = python("-m", "layerlib", "list", "--help")
    assert done.returncode == 0 and "usage: layerlib list" in done.stdout


def test_a_missing_extra_is_named(tmp_path):
    blocked = "import sys; sys.modules['papermill'] = None; from layerlib.__main__ import main; sys.exit(main({}))"
    asked = ["run", "scoreboard", "--book", str(BOOK), "--out", str(tmp_path / "out.ipynb")]
    done = python("-c", blocked.format(asked))
    assert done.returncode == 2
    assert done.stderr == "layerlib: the command line needs papermill: pip install 'layerlib[book]'\n"
