"""Where a record came from: device, versions, date and commit; and whether the code has changed since."""

import contextlib
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
    """Whether a chapter, its full-size parameters or the package differ now from what they were at a commit.

    Files added since do not count: nothing uses them unless another file changed as well.

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
    used = [f"{chapter}.ipynb", f"parameters/{chapter}.yaml", ":(top)layerlib"]
    try:
        return bool(_git(book, "diff", "--name-only", "--diff-filter=a", commit, "--", *used))
    except (OSError, subprocess.CalledProcessError):
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
