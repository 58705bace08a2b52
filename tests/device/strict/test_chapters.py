"""Every chapter from its first cell to its last on the pretend device, at the smallest parameters that run."""

from pathlib import Path

import pytest
from pretend_device.cells import run_cells
from smallest import SMALLEST, datasets, parameters

BOOK = Path(__file__).parents[3] / "book"
CHAPTERS = sorted(path.stem for path in BOOK.glob("*.ipynb"))


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return datasets(tmp_path_factory.mktemp("data"))


def test_every_chapter_has_smallest_parameters():
    assert sorted(SMALLEST) == CHAPTERS


@pytest.mark.parametrize("name", [name for name, values in SMALLEST.items() if values])
@pytest.mark.filterwarnings("ignore")
def test_chapter_runs_on_the_device(name, paths, monkeypatch):
    monkeypatch.chdir(BOOK)
    run_cells(BOOK / f"{name}.ipynb", parameters(name, paths))
