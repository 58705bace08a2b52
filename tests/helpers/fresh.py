"""Environments of their own, with packages linked from that of the tests instead of loaded again."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

ROOT = Path(__file__).parents[2]


def environment(folder: Path, names: Iterable[str], with_pip: bool = False) -> Path:
    """Make an environment with these distributions; its interpreter."""
    venv.create(folder, with_pip=with_pip)
    python = folder / "bin" / "python"
    there = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    for name in names:
        of = distribution(name)
        for top in {file.parts[0] for file in of.files if file.parts[0] not in ("..", "__pycache__")}:
            if not (there / top).exists():
                (there / top).symlink_to(of.locate_file(top))
    return python


def wheel(folder: Path) -> Path:
    """Build a wheel of this project into a folder, from a copy, since building leaves files beside the sources."""
    source = folder / "source"
    for package in ("layerlib", "layerbook"):
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    build = ("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, source)
    pip(*build).check_returncode()
    [made] = folder.glob("layerlib-*.whl")
    return made


def run(*command, folder=None, **more: str) -> subprocess.CompletedProcess:
    """Run a command that sees no other packages than those of its environment."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | more
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


def pip(*arguments) -> subprocess.CompletedProcess:
    return run(sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments)


def run_notebook(python: Path, notebook: Path, **more: str) -> subprocess.CompletedProcess:
    """Run a notebook beside itself in a kernel of another Python; what it gave is in ``out.ipynb``."""
    kernel = python.parents[1] / "share" / "jupyter" / "kernels" / "fresh"
    kernel.mkdir(parents=True, exist_ok=True)
    start = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    told = {"argv": start, "display_name": "fresh", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(told), encoding="utf-8")
    options = ["-k", "fresh", "--cwd", notebook.parent, "--no-progress-bar"]
    command = [sys.executable, "-m", "papermill", notebook, notebook.with_name("out.ipynb"), *options]
    return run(*command, folder=notebook.parent, JUPYTER_PATH=str(kernel.parents[1]), **more)
