"""Whether a record still says what its chapter gives: small runs at its commit and by today's code, compared."""

import contextlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import nbformat

from layerbook.chapters import read_chapter, reported
from layerbook.curves import repeatable
from layerbook.provenance import files_of, git_state, short, top_of
from layerbook.record import read_record
from layerbook.recorded import keep_verified

# An installed package must not answer for the one of the tree.
_LAUNCH = """
import sys, layerlib
if not layerlib.__file__.startswith(sys.argv[1]):
    sys.exit(f"expected the package of {{sys.argv[1]}}, got {{layerlib.__file__}}")
from {package}.cli import main
sys.exit(main(sys.argv[2:]))
"""


@dataclass(frozen=True)
class Verification:
    """What came of comparing a chapter's small run at its record's commit with today's.

    Parameters
    ----------
    chapter : name of the notebook, without ``.ipynb``
    commit : of the record
    numbers, curves : how many the earlier run reported
    differences : in words, one for each number or curve that is another today, or missing
    kept : the file in which it is kept that nothing differs; None where something does, or the tree has local changes
    """

    chapter: str
    commit: str
    numbers: int
    curves: int
    differences: list[str] = field(default_factory=list)
    kept: Path | None = None


def verify(record: Path, book: Path) -> Verification:
    """Compare a chapter's small run at its record's commit with the one of today's code.

    Both run in this environment, one after the other, with the small values of the parameters at that commit. Numbers
    must be equal to the last bit, curves as a record keeps them. What only today's run reports does not count.

    Parameters
    ----------
    record : its file
    book : folder of the chapters, in a git repository

    Raises
    ------
    ValueError
        if the record is damaged, names no commit, was made with local changes or at a commit that is not in this
        copy's history; or if one of the runs fails
    """
    kept = read_record(record)
    chapter, origin = kept["chapter"], kept["provenance"]
    if origin["commit"] is None or origin["dirty"]:
        raise ValueError(
            f"{record}: expected a record of committed code, got one "
            f"{'with local changes' if origin['dirty'] else 'from outside git'}"
        )
    top, state = top_of(book), git_state(book)
    with tempfile.TemporaryDirectory(prefix="layerlib-verify-") as folder, _tree(top, origin["commit"], record) as tree:
        there = tree / book.relative_to(top)
        values = _small_values(there / f"{chapter}.ipynb", book / f"{chapter}.ipynb")
        then = _run(chapter, tree, there, [], Path(folder, "then.ipynb"), f"at commit {short(origin['commit'])}")
        today = _run(chapter, top, book, values, Path(folder, "today.ipynb"), "today")
    differences = _differences(then, today)
    found = Verification(chapter, origin["commit"], len(then["numbers"]), len(then["curves"]), differences)
    if differences or state["dirty"]:
        return found
    entry = {
        "record": origin["commit"],
        "commit": state["commit"],
        "date": datetime.now(UTC).isoformat("T", "seconds"),
        "numbers": found.numbers,
        "curves": found.curves,
    }
    path = keep_verified(record.parent, chapter, entry)
    return Verification(chapter, found.commit, found.numbers, found.curves, [], path)


@contextlib.contextmanager
def _tree(top: Path, commit: str, record: Path) -> Iterator[Path]:
    """The files of a commit, in a folder that is there for a while."""
    try:
        packed = files_of(top, commit)
    except subprocess.CalledProcessError:
        raise ValueError(f"{record}: commit {short(commit)} is not in this copy's history") from None
    with tempfile.TemporaryDirectory(prefix="layerlib-verify-") as folder:
        with tarfile.open(fileobj=io.BytesIO(packed)) as files:
            files.extractall(folder, filter="data")
        yield Path(folder).resolve()


def _small_values(then: Path, today: Path) -> list[str]:
    """The earlier defaults as options, where today's chapter has a parameter of that name and another default."""
    earlier, now = read_chapter(then), read_chapter(today)
    if earlier is None or now is None:
        raise ValueError(f"{then.name}: expected a cell tagged parameters, then and today")
    return [
        word
        for name, p in earlier.parameters.items()
        if name in now.parameters and now.parameters[name].default != p.default
        for word in ("-p", f"{name}={json.dumps(p.default, ensure_ascii=False)}")
    ]


def _run(chapter: str, tree: Path, book: Path, options: list[str], out: Path, when: str) -> dict:
    """What a chapter reports when the code of a tree runs it."""
    # Before the package was split in two, the command line was elsewhere.
    package = "layerbook" if (tree / "layerbook" / "cli.py").is_file() else "layerlib"
    launch = [sys.executable, "-c", _LAUNCH.format(package=package), str(tree)]
    command = [*launch, "run", chapter, "--book", str(book), "--out", str(out), *options]
    env = os.environ | {"PYTHONPATH": str(tree), "CI": "true"}
    done = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise ValueError(f"{chapter} {when}: {said}")
    report = reported(nbformat.read(out, as_version=4))
    if report is None:
        raise ValueError(f"{chapter} {when}: reported nothing")
    return report


def _differences(then: Mapping, today: Mapping) -> list[str]:
    """What differs, or is gone, in words; a curve in what `layerbook.curves.repeatable` leaves of it."""
    found = [
        f"{name} {key}: not reported today"
        for kind, name in (("numbers", "number"), ("curves", "curve"))
        for key in then[kind]
        if key not in today[kind]
    ]
    for key, before in then["numbers"].items():
        if (now := today["numbers"].get(key, before)) != before:
            found.append(f"number {key}: {before!r} then, {now!r} today")
    for key, before in then["curves"].items():
        if not repeatable(key, today["curves"].get(key, before)).equals(repeatable(key, before)):
            found.append(f"curve {key}: other values today")
    return found
