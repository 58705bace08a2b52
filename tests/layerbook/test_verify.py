"""Records verified: a toy book in a repository of its own, run at the record's commit and by later code."""

import json
import shutil
from types import SimpleNamespace

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from records import ORIGIN, record
from repository import PACKAGES, ROOT, git

from layerbook import cli
from layerbook import verify as module
from layerbook.record import read_record, write_record
from layerbook.recorded import recorded_by
from layerbook.verify import verify

pytestmark = pytest.mark.lengthy
PARAMETERS = "depth: int = 3\nname: str = 'a'"
CODE = """\
from layerbook.report import Report, above
from layerlib.toy import deep
report = Report("toy", "smaller", "3 layers")
report.number("found", deep(depth))
report.number("third", 1 / 3)
report.curve("c", [deep(depth), float("nan")], layer=[1, 2])
report.claim("1", "s", "p", "", above("found", deep(depth), 1))
report
"""
TOY = "def deep(x):\n    return x * 2\n"


def chapter(path, parameters=PARAMETERS, code=CODE):
    cells = [new_code_cell(parameters, metadata={"tags": ["parameters"]}), new_code_cell(code)]
    nbformat.write(new_notebook(cells=cells), path)


def change(folder, **files):
    """Write files of the repository and commit them."""
    for name, text in files.items():
        (folder / name.replace("__", "/").replace("_py", ".py")).write_text(text)
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "more")


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """A repository with the packages, a toy chapter, and a record made at its first commit."""
    folder = tmp_path_factory.mktemp("verify") / "repository"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "*.npz"))
    (folder / "book" / "records").mkdir(parents=True)
    chapter(folder / "book" / "toy.ipynb")
    (folder / "layerlib" / "toy.py").write_text(TOY)
    (folder / ".gitignore").write_text("__pycache__\n.ipynb_checkpoints\n")
    git(folder, "init", "-q")
    change(folder)
    origin = ORIGIN | {"commit": git(folder, "rev-parse", "HEAD"), "dirty": False}
    write_record(record(provenance=origin), folder / "book" / "records" / "toy.json")
    change(folder)
    return folder


@pytest.fixture
def folder(committed, tmp_path):
    return shutil.copytree(committed, tmp_path / "repository")


def told(folder):
    path = folder / "book" / "records" / "toy.json"
    return recorded_by(read_record(path), path.parent)


def test_code_that_changed_and_gives_the_same_is_verified_until_it_changes_again(folder, capsys):
    records = folder / "book" / "records"
    assert "code" not in told(folder)
    change(folder, layerlib__toy_py="def deep(x):\n    return x + x\n")
    assert told(folder).endswith(", other code than today's, at a smaller size (8,000 pictures)")
    assert cli.main(["verify", "toy", "--size", "small", "--book", str(folder / "book")]) == 0
    commit, first = git(folder, "rev-parse", "HEAD"), read_record(records / "toy.json")["provenance"]["commit"]
    said = capsys.readouterr()
    assert said.out == (
        f"toy: 2 numbers and 1 curves of a small run, at commit {first[:7]} and today: the same\n"
        f"kept: {records / 'verified.json'}\n"
    )
    kept = json.loads((records / "verified.json").read_text())
    date = kept["toy"].pop("date")
    assert kept == {"toy": {"record": first, "commit": commit, "numbers": 2, "curves": 1}}
    words = f", code changed since, same numbers at small size (commit {commit[:7]}, {date[:10]}), at a smaller"
    assert words in told(folder)
    change(folder, README="other words")
    assert words in told(folder)
    change(folder, layerlib__toy_py="def deep(x):\n    return x + 2\n")
    assert ", other code than today's, at a smaller" in told(folder)


CURVE = {"dims": ["what", "layer"], "axes": {"what": ["time", "error"], "layer": [1, 2]}}
THEN = {"numbers": {"found": 6, "third": 1 / 3}, "curves": {"c": CURVE | {"values": [[0.1, 0.2], [6.0, None]]}}}


@pytest.fixture
def runs(monkeypatch):
    """Runs that are not made: what each reports, and the options each was given."""
    given, today = [], {kind: dict(kept) for kind, kept in THEN.items()}

    def run(chapter, tree, book, options, out, when):
        given.append(options)
        return today if when == "today" else THEN

    monkeypatch.setattr(module, "_run", run)
    return SimpleNamespace(today=today, given=given)


def test_what_differs_is_named_and_nothing_kept(folder, runs, capsys):
    runs.today["numbers"]["third"] = 0.33333333333333337
    runs.today["curves"]["c"] = CURVE | {"values": [[0.1, 0.2], [6.0, 0.0]]}
    path = str(folder / "book" / "records" / "toy.json")
    assert cli.main(["verify", path, "--size", "small", "--book", str(folder / "book")]) == 1
    assert capsys.readouterr().out.splitlines()[1:] == [
        "  number third: 0.3333333333333333 then, 0.33333333333333337 today",
        "  curve c: other values today",
    ]
    assert not (folder / "book" / "records" / "verified.json").exists()


def test_no_run_takes_as_long_as_another(folder, runs):
    runs.today["curves"]["c"] = CURVE | {"values": [[0.3, 0.1], [6.0, None]]}
    assert verify(folder / "book" / "records" / "toy.json", folder / "book").differences == []


def test_what_is_no_longer_reported_differs_and_what_is_new_does_not(folder, runs):
    del runs.today["numbers"]["third"]
    runs.today["numbers"]["new"] = 1
    found = verify(folder / "book" / "records" / "toy.json", folder / "book")
    assert found.differences == ["number third: not reported today"]


def test_both_run_with_the_earlier_parameters(folder, runs):
    chapter(folder / "book" / "toy.ipynb", "depth: int = 4\nname: str = 'a'\nnew: int = 1\n")
    change(folder)
    assert verify(folder / "book" / "records" / "toy.json", folder / "book").kept
    assert runs.given == [[], ["-p", "depth=3"]]


def test_local_changes_are_compared_but_not_kept(folder, runs, capsys):
    (folder / "layerlib" / "toy.py").write_text("def deep(x):\n    return x + x\n")
    assert cli.main(["verify", "toy", "--size", "small", "--book", str(folder / "book")]) == 0
    assert "not kept, since there are local changes" in capsys.readouterr().err
    assert not (folder / "book" / "records" / "verified.json").exists()


@pytest.mark.parametrize(
    ("origin", "message"),
    [
        ({"commit": None, "dirty": None}, "toy.json: expected a record of committed code, got one from outside git"),
        ({"dirty": True}, "toy.json: expected a record of committed code, got one with local changes"),
        ({"commit": "0" * 40, "dirty": False}, "toy.json: commit 0000000 is not in this copy's history"),
    ],
)
def test_a_record_of_unknown_code_cannot_be_verified(folder, origin, message):
    path = folder / "book" / "records" / "toy.json"
    write_record(record(provenance=ORIGIN | origin), path)
    with pytest.raises(ValueError, match=message):
        verify(path, folder / "book")


def test_a_run_that_fails_says_which_and_why(folder, tmp_path):
    chapter(folder / "book" / "toy.ipynb", code="raise KeyError('gone')")
    with pytest.raises(ValueError, match=r"toy today: layerlib: toy: cell 2 .* failed: KeyError: 'gone'"):
        module._run("toy", folder, folder / "book", [], tmp_path / "out.ipynb", "today")


def test_another_package_in_the_way_is_noticed(folder, tmp_path):
    shutil.rmtree(folder / "layerlib")
    with pytest.raises(ValueError, match="toy today: expected the package of .*, got "):
        module._run("toy", folder, folder / "book", [], tmp_path / "out.ipynb", "today")


def test_an_unknown_record_is_named(folder, capsys):
    assert cli.main(["verify", "toi", "--book", str(folder / "book")]) == 2
    assert capsys.readouterr().err == "layerlib: no record 'toi': did you mean toy? there are: toy\n"
