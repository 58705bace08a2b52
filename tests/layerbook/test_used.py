"""The real Makefile on a copy of the book, with stand-ins for what takes long: what runs again, and what does not."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from repository import ROOT, copy, home, seven_times

from layerbook.record import MIME
from layerbook.used import look, refresh, report

pytestmark = pytest.mark.lengthy
CHAPTERS = {"filter_evolution", "forward_backward", "scoreboard"}

# Runs no cell: its output says which wording of the code it saw, and what the chapter reports.
RUN = f"""#!{sys.executable}
import json, sys, time
from pathlib import Path
name, out = sys.argv[2], Path(sys.argv[4])
notebook = json.loads(Path("book", name + ".ipynb").read_text())
reports = Path("reports", name)
said = reports.read_text() if reports.exists() else "nothing"
for cell in notebook["cells"]:
    if cell["cell_type"] == "code":
        cell["metadata"]["papermill"] = {{"status": "completed"}}
        cell["execution_count"] = 1
        data = {{"output_type": "display_data", "data": {{}}, "metadata": {{"{MIME}": said}}}}
        cell["outputs"] = [data]
notebook["metadata"]["papermill"] = {{"exception": None}}
out.write_text(json.dumps(notebook))
with open("ran", "a") as file:
    file.write(name + "\\n")
time.sleep(float(Path("slow").read_text()) if Path("slow").exists() else 0)
"""
BUILD = """#!/bin/sh
test -e _build/new/read && echo again >> built || echo whole >> built
mkdir -p _build/new/_build/html && touch _build/new/read _build/new/_build/html/index.html
test ! -e broken
"""


@pytest.fixture
def book(tmp_path):
    """A copy of the book with three of its chapters, built once."""
    copy(tmp_path)
    for path in (tmp_path / "book").glob("*.ipynb"):
        if path.stem not in CHAPTERS:
            path.unlink()
    for name in ("Makefile", "requirements.txt", "pyproject.toml", "_config.yml", "_toc.yml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copy(ROOT / "book" / "references.bib", tmp_path / "book")
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    others = "layerbook.editions) exec mkdir -p _build/editions/portable;; pip) exec touch _build/wheel/layerlib.whl;;"
    python = f'#!/bin/sh\ncase $2 in {others} esac\nexec "{sys.executable}" "$@"\n'
    for name, text in (("python", python), ("layerlib", RUN), ("jupyter-book", BUILD)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    (tmp_path / ".venv" / ".ready").touch()
    assert ran(tmp_path) == CHAPTERS
    return tmp_path


def make(folder: Path, *options: str) -> subprocess.Popen:
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "PYTHONPATH")}
    return subprocess.Popen(
        ["make", *options, "book"],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def ran(folder: Path, *options: str) -> set[str]:
    """Build, and return the chapters that ran."""
    log = folder / "ran"
    log.write_text("")
    process = make(folder, "-j2", *options)
    told, _ = process.communicate()
    assert process.returncode == 0, told
    names = log.read_text().split()
    assert len(names) == len(set(names))
    return set(names)


def cells(path: Path) -> list[dict]:
    return json.loads(path.read_text())["cells"]


def edit(path: Path, kind: str, change) -> None:
    """Change the last cell of a kind in a notebook."""
    notebook = json.loads(path.read_text())
    change([cell for cell in notebook["cells"] if cell["cell_type"] == kind][-1])
    path.write_text(json.dumps(notebook))


def test_only_what_uses_a_changed_definition_runs_again(book):
    assert ran(book) == set()
    assert "Running" not in make(book, "-n").communicate()[0]
    seven_times(home(book, "gradient_sizes"), "gradient_sizes")
    assert ran(book) == {"filter_evolution", "scoreboard"}
    seven_times(home(book, "Scoreboard"), "counts")
    assert "Running chapter scoreboard" in make(book, "-n").communicate()[0]
    assert ran(book) == {"scoreboard"}
    (book / "layerlib" / "unused.py").write_text("a = 1\n")
    path = home(book, "Scoreboard")
    path.write_text(path.read_text() + "\n# the end\n")
    assert ran(book) == set()


def test_a_changed_sentence_is_taken_over_without_a_run(book):
    chapter = book / "book" / "forward_backward.ipynb"
    edit(chapter, "markdown", lambda cell: cell.update(source=["Other words."]))
    edit(chapter, "code", lambda cell: cell["metadata"].update(mystnb={"figure": {"name": "f"}}))
    assert ran(book) == {"scoreboard"}  # a caption, which it shows
    edit(chapter, "markdown", lambda cell: cell.update(source=["Words again."]))
    assert ran(book) == set()
    now = cells(book / "_build" / "executed" / "forward_backward.ipynb")
    assert [cell["source"] for cell in now] == [cell["source"] for cell in cells(chapter)]
    code = [cell for cell in now if cell["cell_type"] == "code"]
    assert all(cell["outputs"] and "papermill" in cell["metadata"] for cell in code)
    assert code[-1]["metadata"]["mystnb"] == {"figure": {"name": "f"}}


def test_the_book_is_built_on_from_what_was_read_where_only_words_are_others(book):
    def built():
        log = book / "built"
        log.write_text("")
        make(book).communicate()
        assert (book / "broken").exists() or (book / "_build" / "html" / "index.html").is_file()
        return log.read_text().split()

    page = book / "book" / "glossary.md"
    page.write_text("# Words")
    assert built() == ["again"]
    edit(book / "book" / "forward_backward.ipynb", "markdown", lambda cell: cell.update(source=["Other words."]))
    assert built() == ["again"]
    (book / "broken").touch()
    page.write_text("# Bad words")
    assert built() == ["again"]
    (book / "broken").unlink()
    assert built() == ["whole"]
    (book / "layerlib" / "unused.py").write_text("a = 1\n")
    assert built() == ["whole"]
    assert built() == []


def test_code_record_and_parameters_count_and_the_scoreboard_follows_the_reports(book):
    edit(book / "book" / "forward_backward.ipynb", "code", lambda cell: cell["source"].append("\n1"))
    assert ran(book) == {"forward_backward", "scoreboard"}
    (book / "book" / "parameters" / "forward_backward.yaml").write_text("seeds: [1]")
    assert ran(book) == {"forward_backward", "scoreboard"}
    (book / "book" / "records" / "filter_evolution.json").write_text("{}")
    assert ran(book) == {"filter_evolution", "scoreboard"}
    (book / "reports").mkdir()
    executed = book / "_build" / "executed" / "filter_evolution.ipynb"
    executed.unlink()
    assert ran(book) == {"filter_evolution"}  # it reports what it did before
    (book / "reports" / "filter_evolution").write_text("more")
    executed.unlink()
    assert ran(book) == {"filter_evolution", "scoreboard"}


def test_a_chapter_whose_run_was_stopped_is_not_done(book):
    seven_times(home(book, "gradient_sizes"), "gradient_sizes")
    (book / "slow").write_text("60")
    (book / "ran").write_text("")
    process = make(book)
    while not (book / "ran").read_text():
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGTERM)  # SIGINT is ignored where the tests run in the background
    process.communicate()
    assert process.returncode != 0
    (book / "slow").unlink()
    assert ran(book) == {"filter_evolution", "scoreboard"}
    assert ran(book) == set()


CODE = {
    "cell_type": "code",
    "metadata": {"tags": ["parameters"]},
    "source": ["a: int = 1"],
    "outputs": [],
    "execution_count": None,
}
WORDS = {"cell_type": "markdown", "metadata": {}, "source": ["# Words"]}


def written(path: Path, *parts: dict) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"cells": parts, "metadata": {"kernelspec": {}}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def test_the_cell_that_papermill_added_stays_where_it_was(tmp_path):
    added = CODE | {"metadata": {"tags": ["injected-parameters"]}, "source": ["a = 2"]}
    chapter = written(tmp_path / "new.ipynb", WORDS | {"source": ["# Other"]}, CODE, WORDS)
    executed = written(tmp_path / "old.ipynb", WORDS, CODE | {"outputs": [1]}, added, WORDS)
    assert refresh(chapter, executed)
    assert cells(executed) == [WORDS | {"source": ["# Other"]}, CODE | {"outputs": [1]}, added, WORDS]


def test_a_copy_that_ran_other_code_is_left_alone(tmp_path):
    chapter = written(tmp_path / "new.ipynb", CODE | {"source": ["a: int = 2"]})
    executed = written(tmp_path / "old.ipynb", CODE)
    before = executed.read_bytes()
    assert not refresh(chapter, executed)
    assert executed.read_bytes() == before


def test_files_that_would_stay_the_same_keep_their_date(tmp_path):
    chapter = written(tmp_path / "book" / "toy.ipynb", WORDS, CODE)
    for name, write in (
        ("used/toy.digest", lambda: look(tmp_path / "book", tmp_path / "used")),
        ("report", lambda: report(chapter, tmp_path / "report")),
    ):
        write()
        os.utime(tmp_path / name, (1, 1))
        write()
        assert (tmp_path / name).stat().st_mtime == 1
    written(chapter, WORDS | {"source": ["# Other"]}, CODE | {"source": "1"})
    look(tmp_path / "book", tmp_path / "used")
    report(chapter, tmp_path / "report")
    assert (tmp_path / "used" / "toy.digest").stat().st_mtime > 1 < (tmp_path / "report").stat().st_mtime


def test_what_is_no_notebook_is_named(tmp_path):
    (tmp_path / "toy.ipynb").write_text("{}")
    with pytest.raises(ValueError, match="toy.ipynb: expected a notebook, got KeyError"):
        look(tmp_path, tmp_path / "used")
