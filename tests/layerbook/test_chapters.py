"""Chapters: what a notebook tells of itself; what is broken is named and blocks nothing else."""

import json

import nbformat
import pytest

from layerbook import running
from layerbook.chapters import chapters, read_chapter, run

PARAMETERS = {"cell_type": "code", "source": ["depth: int = 6  # layers"], "metadata": {"tags": ["parameters"]}}
TITLE = {"cell_type": "markdown", "source": "Text.\n\n## A toy\n", "metadata": {}}


def notebook(*cells: dict) -> str:
    return json.dumps({"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def test_a_chapter_has_a_title_and_parameters(tmp_path):
    path = tmp_path / "toy.ipynb"
    path.write_text(notebook(TITLE, PARAMETERS, {"cell_type": "code", "source": []}))
    chapter = read_chapter(path)
    assert (chapter.path, chapter.title) == (path, "A toy")
    assert chapter.parameters["depth"].help == "layers"
    path.write_text(notebook(PARAMETERS))
    assert read_chapter(path).title == "toy"


def test_a_notebook_without_such_a_cell_is_no_chapter(tmp_path):
    path = tmp_path / "toy.ipynb"
    path.write_text(notebook(TITLE, PARAMETERS | {"metadata": {}}, PARAMETERS | {"cell_type": "markdown"}))
    assert read_chapter(path) is None


BROKEN = [
    (b"<html>", "not a notebook: Expecting value"),
    (b"[]", "not a notebook: expected cells and metadata"),
    (b"{}", "not a notebook: expected cells and metadata"),
    (b"\xff\xfe", "not a notebook: 'utf-8' codec"),
    (b"[" * 100_000, "not a notebook: maximum recursion depth"),
    (notebook([]).encode(), r"not a notebook: cells\[0\]: expected an object, got \[\]"),
    (notebook(TITLE, {"source": 3}).encode(), r"not a notebook: cells\[1\]: source: expected text, got 3"),
    (
        notebook(PARAMETERS | {"metadata": {"tags": None}}).encode(),
        r"not a notebook: cells\[0\]: tags: expected a list of text, got None",
    ),
    (notebook(PARAMETERS | {"metadata": None}).encode(), r"not a notebook: cells\[0\]: tags: expected a list"),
    (notebook(PARAMETERS | {"source": "%magic"}).encode(), "its parameters are no Python: "),
]


@pytest.mark.parametrize(("content", "message"), BROKEN)
def test_what_is_no_notebook_is_named_in_one_line(tmp_path, content, message):
    path = tmp_path / "toy.ipynb"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{path}: {message}") as raised:
        read_chapter(path)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 300


def test_a_broken_notebook_does_not_block_the_others(tmp_path):
    for place, (content, _) in enumerate(BROKEN):
        (tmp_path / f"bad{place}.ipynb").write_bytes(content)
    (tmp_path / "folder.ipynb").mkdir()
    (tmp_path / "toy.ipynb").write_text(notebook(PARAMETERS))
    found, broken = chapters(tmp_path)
    assert list(found) == ["toy"]
    assert set(broken) == {"folder", *(f"bad{place}" for place in range(len(BROKEN)))}


@pytest.mark.parametrize(
    ("name", "values", "more", "message"),
    [
        ("toi", {}, {}, "no chapter 'toi': did you mean toy"),
        ("toy", {"dept": 2}, {}, "no parameter of toy 'dept': did you mean depth"),
        ("toy", {"depth": "deep"}, {}, "depth: expected int, got str 'deep'"),
        ("toy", {}, {"size": "full"}, "expected the full-size parameters in "),
        ("toy", {}, {"out": "deeper.txt"}, "expected a file name ending in .ipynb"),
    ],
)
def test_a_run_that_is_asked_for_wrongly_does_not_begin(tmp_path, monkeypatch, name, values, more, message):
    monkeypatch.setattr(running, "execute", lambda *given: pytest.fail("it ran"))
    (tmp_path / "toy.ipynb").write_text(notebook(TITLE, PARAMETERS))
    with pytest.raises(ValueError, match=message):
        run(name, values, book=tmp_path, **more)


def test_a_run_takes_files_from_where_one_is_and_gives_what_was_reported(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(running, "execute", lambda *given: asked.append(given) or nbformat.from_dict({"cells": []}))
    (tmp_path / "book").mkdir()
    data = PARAMETERS | {"source": ["data: str = 'mnist-mini'"]}
    (tmp_path / "book" / "toy.ipynb").write_text(notebook(TITLE, data))
    (tmp_path / "mine.npz").touch()
    monkeypatch.chdir(tmp_path)
    assert run("toy", {"data": "mine.npz"}, out="out.ipynb") is None
    [(chapter, values, out)] = asked
    assert (chapter.path.name, values, out.name) == ("toy.ipynb", {"data": "../mine.npz"}, "out.ipynb")
