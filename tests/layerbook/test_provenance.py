"""Where a record came from, and whether the code has changed since."""

import json
import os
import re
import subprocess

import pytest

from layerbook.provenance import changed_since, git_state, provenance


@pytest.fixture
def git(tmp_path):
    """A git repository in ``tmp_path``, and a function that runs git there."""

    def run(*arguments):
        command = ["git", "-C", tmp_path, "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
        env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        subprocess.run(command, check=True, capture_output=True, env=env)

    run("init")
    return run


def test_git_state_sees_changes_everywhere_but_in_the_records(tmp_path_factory, tmp_path, git):
    assert git_state(tmp_path_factory.mktemp("outside")) == {"commit": None, "dirty": None}
    book = tmp_path / "book"
    (book / "records").mkdir(parents=True)
    assert git_state(book) == {"commit": None, "dirty": None}
    (tmp_path / "code.py").write_text("a = 1")
    git("add", ".")
    git("commit", "-m", "first")
    (book / "records" / "toy.json").write_text("{}")
    state = git_state(book)
    assert re.fullmatch("[0-9a-f]{40}", state["commit"]) and state["dirty"] is False
    (tmp_path / "new.py").write_text("b = 1")
    assert git_state(book)["dirty"] is True
    (tmp_path / "new.py").unlink()
    (tmp_path / "code.py").write_text("a = 2")
    assert git_state(book)["dirty"] is True


def cells(code, prose=""):
    """A notebook's file, with one cell of each kind."""
    return json.dumps(
        {
            "cells": [
                {"cell_type": "markdown", "source": [prose]},
                {"cell_type": "code", "source": code.splitlines(True)},
            ]
        }
    )


FILES = {
    "book/toy.ipynb": cells("import numpy\nfrom layerlib.code import f\nf(1)"),
    "book/other.ipynb": cells("1"),
    "book/parameters/toy.yaml": "a: 1",
    "layerlib/__init__.py": "",
    "layerlib/code.py": '"""Code."""\nfrom layerlib import deep\n\ndef f(x):\n    """Do."""\n'
    "    return deep.g(x)  # so",
    "layerlib/deep.py": "def g(x):\n    return x",
    "layerlib/unused.py": "a = 1",
    "README.md": "1",
}


@pytest.fixture
def committed(tmp_path, git):
    """A repository with a chapter, another, and the package, committed: its folder and the commit."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git("add", ".")
    git("commit", "-m", "first")
    return tmp_path, git_state(tmp_path)["commit"]


@pytest.mark.parametrize(
    ("name", "text", "changed"),
    [
        ("book/toy.ipynb", cells("import numpy\nfrom layerlib.code import f\nf(2)"), True),
        ("book/toy.ipynb", cells("import numpy\nfrom layerlib.code import f\nf(1)  # why", "more prose"), False),
        ("book/toy.ipynb", "no notebook", True),
        ("book/parameters/toy.yaml", "a: 2", True),
        ("layerlib/code.py", FILES["layerlib/code.py"].replace("g(x)", "g(2)"), True),
        ("layerlib/code.py", FILES["layerlib/code.py"].replace("Do.", "Do it.").replace("so", "so it is"), False),
        ("layerlib/deep.py", "def g(x):\n    return 2 * x", True),
        ("layerlib/unused.py", "a = 2", False),
        ("layerlib/new.py", "a = 1", False),
        ("book/other.ipynb", cells("2"), False),
        ("README.md", "2", False),
    ],
)
def test_code_has_changed_where_what_the_chapter_runs_did(committed, git, name, text, changed):
    folder, commit = committed
    assert changed_since(commit, "toy", folder / "book" / "records") is False
    (folder / name).write_text(text)
    assert changed_since(commit, "toy", folder / "book" / "records") is changed
    git("add", ".")
    git("commit", "-m", "second")
    assert changed_since(commit, "toy", folder / "book" / "records") is changed


def test_code_has_changed_where_a_module_is_gone(committed):
    folder, commit = committed
    (folder / "layerlib" / "deep.py").unlink()
    (folder / "layerlib" / "code.py").write_text("def f(x):\n    return x")
    assert changed_since(commit, "toy", folder / "book" / "records") is True


def test_whether_code_has_changed_is_unknown_without_that_commit(committed, tmp_path_factory):
    folder, commit = committed
    assert changed_since(None, "toy", folder / "book" / "records") is None
    assert changed_since("0" * 40, "toy", folder / "book" / "records") is None
    assert changed_since(commit, "toy", tmp_path_factory.mktemp("outside") / "records") is None


def test_provenance_names_device_versions_date_and_commit():
    found = provenance({"commit": "abc", "dirty": False}, {"device": "cpu"}, 1.26)
    assert found["device"].startswith("CPU (") and found["duration_s"] == 1.3
    assert {"python", "torch", "numpy", "layerlib"} <= set(found["versions"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", found["date"])
    assert (found["commit"], found["dirty"]) == ("abc", False)
