"""The directions of imports, which import-linter keeps: the contracts are in pyproject.toml."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def lint_imports(folder: Path) -> subprocess.CompletedProcess:
    command = [BIN / "lint-imports", "--no-logo", "--no-cache"]
    return subprocess.run(command, cwd=folder, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True)


def test_imports_point_one_way():
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout


@pytest.fixture
def copy(tmp_path):
    """The packages elsewhere, to plant imports in."""
    for package in ("layerlib", "layerbook"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("*.npz", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ("layerlib/models.py", "import papermill"),
        ("layerlib/_forward.py", "from layerbook import report"),
        ("layerlib/patterns.py", "from layerlib.nodes import classifiers"),
        ("layerlib/layers/capture.py", "from layerlib.inspection import inspect"),
    ],
)
def test_an_import_that_points_the_other_way_is_found(copy, where, line):
    with (copy / where).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    result = lint_imports(copy)
    assert result.returncode == 1
    assert where.removesuffix(".py").replace("/", ".") in result.stdout


def test_a_module_without_a_place_in_the_order_is_found(copy):
    (copy / "layerlib" / "elsewhere.py").touch()
    result = lint_imports(copy)
    assert result.returncode == 1
    assert "elsewhere" in result.stdout
