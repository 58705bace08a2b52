"""A copy of the packages and chapters for tests that move and change them."""

import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = next(folder for folder in Path(__file__).parents if (folder / "pyproject.toml").is_file())
PACKAGES = [name for name in ("layerlib", "layerbook") if (ROOT / name).is_dir()]


def copy(folder: Path) -> Path:
    """Copy the packages without their data, the chapters and their parameters."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "*.npz"))
    shutil.copytree(ROOT / "book" / "parameters", folder / "book" / "parameters")
    (folder / "book" / "records").mkdir()
    for path in (ROOT / "book").glob("*.ipynb"):
        shutil.copy(path, folder / "book")
    return folder


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder and return what it printed."""
    # Inside a git hook these variables would point at the hook's repository, not at this folder's.
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", folder, "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout.strip()


def home(folder: Path, name: str) -> Path:
    """The file of the packages that defines a class or a function."""
    found = [
        path
        for package in PACKAGES
        for path in sorted((folder / package).rglob("*.py"))
        if re.search(rf"^(def|class) {name}\b", path.read_text(), re.MULTILINE)
    ]
    assert len(found) == 1, f"{name}: {found}"
    return found[0]


def seven_times(path: Path, function: str) -> None:
    """Multiply what a function returns first by 7."""
    before, start, indent, after = re.split(rf"(\n( *)def {function}\b)", path.read_text(), maxsplit=1)
    body, end, rest = re.split(rf"(\n{indent}(?:def|class|@)|$)", after, maxsplit=1)
    assert re.search(r"^ +return .", body, re.MULTILINE), f"{function} returns nothing on a line"
    body = re.sub(r"^( +)return (.+)$", r"\1return 7 * (\2)", body, count=1, flags=re.MULTILINE)
    path.write_text(before + start + body + end + rest)
