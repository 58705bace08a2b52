"""Where a record came from: device, versions, date and commit; and whether the code has changed since."""

import ast
import contextlib
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

_PACKAGES = (
    *("layerlib", "torch", "torchvision", "numpy", "scipy", "scikit-learn", "scikit-image", "openTSNE", "POT"),
    "papermill",
)


def _git(folder: str | os.PathLike, *arguments: str) -> str:
    # Inside a git hook these variables would point at the hook's repository, not at this folder's.
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout.strip()


def git_state(folder: str | os.PathLike) -> dict:
    """Commit of the repository around ``folder``, and whether its tree differs from it.

    Changes in ``book/records`` do not count: they are what a run writes.

    Returns
    -------
    dict with ``commit`` and ``dirty``; both None outside git or before the first commit
    """
    try:
        commit = _git(folder, "rev-parse", "--verify", "HEAD")
        changes = _git(folder, "status", "--porcelain", "--", ":/", ":(top,exclude)book/records")
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}
    return {"commit": commit, "dirty": bool(changes)}


def changed_since(commit: str | None, chapter: str, records: str | os.PathLike) -> bool | None:
    """Whether a chapter does something else now than at a commit.

    What counts is its code, its full-size parameters, and the code of the modules that it uses, directly or through
    others. Prose, comments and docstrings do not.

    Parameters
    ----------
    commit : of the record's ``provenance``
    chapter : name of the notebook, without ``.ipynb``
    records : the folder of the records, in the book's

    Returns
    -------
    bool; None where it cannot be told: no commit, no git, or a commit that is not in this copy's history
    """
    if commit is None:
        return None
    book = Path(records).resolve().parent
    notebook, parameters = book / f"{chapter}.ipynb", book / "parameters" / f"{chapter}.yaml"
    try:
        top = Path(_git(book, "rev-parse", "--show-toplevel"))
        used = [notebook, parameters, *_modules(notebook, top)]
        changed = _git(top, "diff", "--name-only", "--no-renames", "--diff-filter=a", commit, "--", *map(str, used))
        return any(not (top / path).is_file() or _meaning(path, _git(top, "show", f"{commit}:{path}"))
                   != _meaning(path, (top / path).read_text(encoding="utf-8").strip()) for path in changed.splitlines())
    except (OSError, subprocess.CalledProcessError):
        return None


def _modules(notebook: Path, top: Path) -> set[Path]:
    """Files of the package's modules that a notebook imports, and that these import."""
    found: set[Path] = set()
    waiting = [notebook] if notebook.is_file() else []
    while waiting:
        path = waiting.pop()
        tree = _tree(path.name, path.read_text(encoding="utf-8"))
        for node in ast.walk(tree) if tree else ():
            names = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{name}" for name in names]
            for parts in (name.split(".") for name in names):
                if parts[0] == "layerlib" and parts[1:] != ["__version__"]:
                    module = top.joinpath(*parts[:2]).with_suffix(".py")
                    module = module if module.is_file() else top / "layerlib" / "__init__.py"
                    waiting += [module] if module.is_file() and module not in found else []
                    found.add(module)
    return found


def _meaning(path: str, text: str) -> str:
    """What a file does, as text: the same for two versions that differ in prose, comments or docstrings only."""
    tree = _tree(path, text)
    if tree is None:
        return text
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)


def _tree(path: str, text: str) -> ast.Module | None:
    """The code of a module, or of a notebook's cells; None for other files, or what is neither."""
    with contextlib.suppress(SyntaxError, ValueError, KeyError, TypeError):
        if path.endswith(".ipynb"):
            text = "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"]
                             if cell["cell_type"] == "code")
        return ast.parse(text) if path.endswith((".py", ".ipynb")) else None
    return None


def device_name(parameters: Mapping[str, object]) -> str:
    """Return the device a run had: the GPU's name, or the CPU where there is none or it was asked for."""
    import torch

    if torch.cuda.is_available() and not str(parameters.get("device", "auto")).startswith("cpu"):
        return torch.cuda.get_device_name()
    return f"CPU ({platform.machine()}, {os.cpu_count()} cores)"


def provenance(git: Mapping, parameters: Mapping[str, object], duration_s: float) -> dict:
    """Where a run came from: device, versions, duration, the time now in UTC, commit.

    Parameters
    ----------
    git : what `git_state` said when the run began
    parameters : the values that the chapter ran with
    duration_s : seconds the run took

    Returns
    -------
    dict, the ``provenance`` of a record
    """
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return {
        "device": device_name(parameters),
        "versions": versions,
        "duration_s": round(duration_s, 1),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": git["commit"],
        "dirty": git["dirty"],
    }
