"""The packages and the chapters on a pretend GPU, in processes of its own: see ``pretend_device``."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import torch
from pretend_device import unavailable

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
pytestmark = [pytest.mark.device, pytest.mark.skipif(bool(unavailable()), reason=str(unavailable()))]


def on_the_device(*tests: Path | str) -> subprocess.CompletedProcess:
    """Run tests where the pretend device passes for CUDA."""
    paths = [str(ROOT), str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "TQDM_DISABLE": "1", "COLUMNS": "2000"}
    options = ["-p", "pretend_device.plugin", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"), "-rfE"]
    command = [sys.executable, "-m", "pytest", *options, *map(str, tests)]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)


def passes(*tests: Path | str) -> None:
    result = on_the_device(*tests)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_device_and_the_packages_on_it():
    passes(*sorted(set((HERE / "strict").glob("test_*.py")) - {HERE / "strict" / "test_chapters.py"}))


def test_what_is_tested_on_a_gpu_where_there_is_one():
    passes("--needing-cuda", ROOT / "tests" / "layerlib", ROOT / "tests" / "layerbook")


@pytest.mark.device_chapters
@pytest.mark.xdist_group("chapters on the pretended device")
def test_the_chapters_on_it():
    passes(HERE / "strict" / "test_chapters.py")


def test_this_process_knows_nothing_of_it():
    assert not hasattr(torch, "pretend") and not hasattr(torch.Tensor.is_cuda, "fget")


PLANTED = """
import contextlib
from pathlib import Path

import torch
from pretend_device.cells import run_cells


def test_labels_left_behind():
    torch.nn.functional.cross_entropy(torch.zeros(4, 3, device="cuda"), torch.zeros(4, dtype=torch.int64))


def test_a_batch_left_behind(monkeypatch):
    from layerlib import _forward, outputs
    from layerlib.models import MLP

    keeping = _forward.as_input
    monkeypatch.setattr(_forward, "as_input", lambda images, dtype: keeping(images, dtype).cpu())
    outputs(MLP((4, 3)).cuda(), ["linear1"], torch.zeros(2, 1, 2, 2, dtype=torch.uint8))


def test_an_error_that_somebody_catches():
    with contextlib.suppress(RuntimeError):
        torch.zeros(3, device="cuda") + torch.zeros(3)


def test_a_figure_of_what_is_on_the_device():
    import matplotlib.pyplot as plt

    plt.plot(torch.zeros(3, device="cuda"))


def test_a_cell_of_a_chapter():
    run_cells(Path(__file__).with_name("planted.ipynb"), {"size": 2})
"""
CAUGHT = {
    "test_labels_left_behind": "target of shape [4] is on cpu",
    "test_a_batch_left_behind": "is on cpu (aten::addmm)",
    "test_an_error_that_somebody_catches": "the device refused, and the code under test caught it",
    "test_a_figure_of_what_is_on_the_device": "can't convert pretend:0 device type tensor to numpy",
    "test_a_cell_of_a_chapter": "other of shape [2] is on cpu (aten::add.Tensor)",
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """What the tests say of mismatches that are planted."""
    folder, new = tmp_path_factory.mktemp("planted"), nbformat.v4
    cells = [
        new.new_code_cell("size: int = 3", metadata={"tags": ["parameters"]}),
        new.new_markdown_cell("# Two"),
        new.new_code_cell("import torch\nx = torch.zeros(size, device='cuda')\nx + torch.ones(size)"),
    ]
    nbformat.write(new.new_notebook(cells=cells), folder / "planted.ipynb")
    (folder / "test_planted.py").write_text(PLANTED, encoding="utf-8")
    return on_the_device(folder / "test_planted.py").stdout


@pytest.mark.parametrize(("test", "why"), CAUGHT.items(), ids=CAUGHT)
def test_a_planted_mismatch_is_caught(planted, test, why):
    [said] = [
        said
        for line in planted.splitlines()
        for failed, _, said in [line.partition(" - ")]
        if failed.startswith("FAILED") and failed.endswith(test)
    ]
    assert why in said


def test_a_mismatch_in_a_chapter_is_told_with_its_cell_and_line(planted):
    assert "<planted, cell 2>:3: in <module>" in planted
