"""Where a record came from: device, versions, date and commit; and whether the code has changed since."""

import contextlib
import io
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from layerbook.reach import PACKAGES, files_in, reached
from layerbook.syntax import digest

_PACKAGES = (
    *("layerlib", "torch", "torchvision", "numpy", "scipy", "scikit-learn", "scikit-image", "openTSNE", "POT"),
    "papermill",
)
# What was measured does not hang on how records and trainings are read, dated and shown.
_OF_RECORDS = {
    *("record.read_record", "recorded.find_record", "recorded.recorded_by", "recorded.record_size_told"),
    *("_tables.report_html", "_tables.report_text", "_tables.report_frame", "claims.agreement"),
    *("registration.read_registration", "registration.registered_in", "registration.marks"),
    *("origins.origin", "origins.summarised"),
}


def _git(folder: str | os.PathLike, *arguments: str, given: bytes = b"") -> bytes:
    # Inside a git hook these variables would point at the hook's repository, not at this folder's.
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, input=given, env=env).stdout


def git_state(folder: str | os.PathLike) -> dict:
    """Commit of the repository around ``folder``, and whether its tree differs from it.

    Changes in ``book/records`` do not count: they are what a run writes.

    Returns
    -------
    dict with ``commit`` and ``dirty``; both None outside git or before the first commit
    """
    try:
        commit = _git(folder, "rev-parse", "--verify", "HEAD").decode().strip()
        changes = _git(folder, "status", "--porcelain", "--", ":/", ":(top,exclude)book/records")
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}
    return {"commit": commit, "dirty": bool(changes)}


def top_of(folder: str | os.PathLike) -> Path:
    """The folder of the repository around ``folder``.

    Raises
    ------
    ValueError
        if there is none
    """
    try:
        return Path(_git(folder, "rev-parse", "--show-toplevel").decode().strip())
    except (OSError, subprocess.CalledProcessError):
        raise ValueError(f"{folder}: expected a folder in a git repository") from None


def files_of(top: Path, commit: str) -> bytes:
    """The files of a commit, as a tar archive."""
    return _git(top, "archive", "--format=tar", commit)


def short(commit: str) -> str:
    """A commit in few digits."""
    return commit[:7]


def code_state() -> dict:
    """`git_state` of the repository that holds this package; both None where none does, as for an installed one."""
    here = Path(__file__).resolve()
    try:
        _git(here.parent, "ls-files", "--error-unmatch", here.name)
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}
    return git_state(here.parent)


def changed_since(commit: str | None, chapter: str, records: str | os.PathLike) -> bool | None:
    """Whether a chapter does something else now than at a commit.

    What counts is its code, its full-size parameters, and each definition that it reaches in the packages, wherever
    that lies (see `layerbook.reach`). Prose, comments, docstrings and imports do not, nor does how records are read.

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
    try:
        top = Path(_git(book, "rev-parse", "--show-toplevel").decode().strip())
        then = _files_at(commit, top)
    except (OSError, subprocess.CalledProcessError):
        return None
    own = [book / f"{chapter}.ipynb", book / "parameters" / f"{chapter}.yaml"]
    notebook, parameters = (path.read_text(encoding="utf-8") if path.is_file() else "" for path in own)
    notebook_then, parameters_then = (then.get(path.relative_to(top).as_posix(), "") for path in own)
    if parameters.strip() != parameters_then.strip():
        return True
    return reached(notebook, files_in(top), _OF_RECORDS) != reached(notebook_then, then, _OF_RECORDS)


def code_digest(chapter: Path) -> str:
    """Digest of a chapter's code, of what that reaches in the packages that run now, and of their data sets.

    Parameters
    ----------
    chapter : path of the notebook
    """
    top = Path(__file__).resolve().parents[1]
    data = [digest(path.read_bytes().hex()) for package in PACKAGES for path in sorted((top / package).rglob("*.npz"))]
    return digest(*data, *sorted(reached(chapter.read_text(encoding="utf-8"), files_in(top), _OF_RECORDS)))


@lru_cache(maxsize=16)
def _files_at(commit: str, top: Path) -> dict[str, str]:
    """Texts of the code and the parameters that a commit holds, by their paths."""
    listed = _git(top, "ls-tree", "-r", "-z", "--full-tree", commit).decode().split("\0")
    blobs = {
        path: line.split()[2]
        for line, _, path in (entry.partition("\t") for entry in listed)
        if path.endswith((".py", ".ipynb", ".yaml"))
    }
    told = io.BytesIO(_git(top, "cat-file", "--batch", given="\n".join(blobs.values()).encode()))
    return {path: told.read(int(told.readline().split()[2]) + 1).decode(errors="replace")[:-1] for path in blobs}


def device_name(parameters: Mapping[str, object]) -> str:
    """Return the device a run had: the GPU's name, or the CPU where there is none or it was asked for."""
    import torch

    return torch.cuda.get_device_name() if on_gpu(parameters) else f"CPU ({platform.machine()}, {os.cpu_count()} cores)"


def on_gpu(parameters: Mapping[str, object]) -> bool:
    """Whether a run had a GPU: there is one, and the CPU was not asked for."""
    import torch

    return torch.cuda.is_available() and not str(parameters.get("device", "auto")).startswith("cpu")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers hang on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def provenance(git: Mapping, parameters: Mapping[str, object], duration_s: float) -> dict:
    """Where a run came from: device, versions, duration, the time now in UTC, commit.

    Parameters
    ----------
    git : what `git_state` said when the run began
    parameters : the values that the chapter ran with
    duration_s : seconds the run took

    Returns
    -------
    dict, the ``provenance`` of a record; of a GPU with the ``precision`` there
    """
    from layerbook.precision import MEASURING, told

    return {
        "device": device_name(parameters),
        "versions": versions(),
        "duration_s": round(duration_s, 1),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": git["commit"],
        "dirty": git["dirty"],
    } | ({"precision": told(MEASURING)} if on_gpu(parameters) else {})
