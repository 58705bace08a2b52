import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from layerbook import chapters as rerun
from layerbook import cli
from layerbook.record import read_record

PARAMETERS = """\
depth: int = 6  # number of layers
rate: float = 0.1  # learning rate
fast: bool = True
name: str = "mnist-mini"  # data set
widths: list[int] = [10, 20]  # nodes a layer
free = 3
pair: tuple[int, int] = (1, 2)
"""
REPORTING = """\
import os, sys
from layerbook.report import Report, below
report = Report("toy", "paper" if depth == 20 else "smaller", f"{depth} layers")
report.number("depth_seen", depth);
report.number("error", 0.03125);
report.curve("widths", [widths], seed=[0], layer=range(len(widths)))
report.claim("3", "Late layers are ordered", "P <= 1.5", "", below("P", rate, 1.5))
print(sys.executable, os.getcwd())
"""
PROSE = "Error {glue:text}`error:.2%`, once {glue:text}`full_error`; claim 3 {glue:text}`claim_3`."


def write_notebook(path: Path, *cells: str, tags: tuple[str, ...] = ("parameters",)) -> None:
    """A notebook with a heading, a cell tagged as given, and the cells."""
    code = [new_code_cell(PARAMETERS, metadata={"tags": list(tags)}), *map(new_code_cell, cells)]
    title, prose = new_markdown_cell("# A toy chapter\n\nText."), new_markdown_cell(PROSE)
    notebook = new_notebook(cells=[title, *code, prose])
    notebook.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


def write_full_size(book: Path, text: str) -> None:
    """The full-size parameters of ``toy``."""
    (book / "parameters").mkdir()
    (book / "parameters" / "toy.yaml").write_text(text)


@pytest.fixture
def book(tmp_path):
    folder = tmp_path / "book"
    write_notebook(folder / "toy.ipynb", REPORTING, "report")
    return folder


@pytest.fixture
def never_runs(monkeypatch):
    def execute(*_):
        raise AssertionError("a cell was about to run")

    monkeypatch.setattr(rerun, "execute", execute)


def call(capsys, *arguments: object) -> tuple[int, str, str]:
    code = cli.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


def refused(capsys, *arguments: object) -> str:
    """What the command line said when it refused: one line on stderr, exit code 2."""
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("layerlib: ") and err.count("\n") == 1
    return err


def test_list_shows_titles_and_parameters(book, capsys):
    write_notebook(book / "untagged.ipynb", tags=())
    code, out, err = call(capsys, "list", "--book", book)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "toy: A toy chapter"
    assert lines[1].split("  ")[1:] and lines[1].startswith("  depth: int = 6 ")
    assert lines[1].endswith(" number of layers")
    assert "  name: str = 'mnist-mini' " in out and "  widths: list[int] = [10, 20] " in out
    assert lines[6] == "  free: int = 3"
    assert "untagged" not in out


def test_the_book_is_found_in_the_current_folder(book, capsys, monkeypatch):
    monkeypatch.chdir(book.parent)
    assert call(capsys, "list")[1].startswith("toy: ")


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("int", 8, 8),
        ("float", 8, 8.0),
        ("float", "1e-3", 0.001),
        ("bool", False, False),
        ("str", "x", "x"),
        ("list", [1, "a"], [1, "a"]),
        ("list[int]", [], []),
        ("list[float]", [1, 0.5], [1.0, 0.5]),
        ("list[list[int]]", [[1], [2, 3]], [[1], [2, 3]]),
    ],
)
def test_values_of_the_right_type_pass(kind, value, expected):
    got = rerun.checked(value, kind, "p")
    assert got == expected and type(got) is type(expected)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("depth=3.5", "depth: expected int, got float 3.5"),
        ("depth=true", "depth: expected int, got bool True"),
        ("depth=eight", "depth: expected int, got str 'eight'"),
        ("depth=", "depth: expected int, got NoneType None"),
        ("rate=fast", "rate: expected float, got str 'fast'"),
        ("rate=true", "rate: expected float, got bool True"),
        ("fast=1", "fast: expected bool, got int 1"),
        ("name=8", "name: expected str, got int 8 (quote it twice: name='\"8\"')"),
        ("widths=5", "widths: expected list[int], got int 5"),
        ("widths=[5, 0.5]", "widths[1]: expected int, got float 0.5"),
        ("free=x", "free: expected int, got str 'x'"),
        ("pair=[1, 2]", "pair: cannot be set from here: its type tuple[int, int]"),
        ("widths=[1", "widths: not YAML: "),
        ("depth", "-p: expected NAME=VALUE, got 'depth'"),
        ("dept=8", "no parameter of toy 'dept': did you mean depth? there are: depth, rate, fast, name"),
        ("zzz=8", "no parameter of toy 'zzz': there are: depth, rate, "),
    ],
)
def test_a_wrong_parameter_is_refused_before_anything_runs(book, capsys, never_runs, pair, message):
    assert message in refused(capsys, "run", "toy", "-p", pair, "--book", book)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "toi"], "no chapter 'toi': did you mean toy? there are: toy"),
        (["record", "toy"], "expected the full-size parameters in "),
        (["run", "toy", "--record"], "unrecognized arguments: --record"),
        (["run", "toy", "--size", "full"], "expected the full-size parameters in "),
        (["run", "toy", "--size", "huge"], "argument --size: invalid choice: 'huge'"),
        (["run", "toy", "--out", "result.html"], "expected a file name ending in .ipynb, got 'result.html'"),
        (["rnu", "toy"], "invalid choice: 'rnu'"),
        ([], "the following arguments are required: command"),
    ],
)
def test_bad_usage_is_one_line(book, capsys, monkeypatch, never_runs, arguments, message):
    monkeypatch.chdir(book.parent)
    assert message in refused(capsys, *arguments)


def test_a_run_never_overwrites_the_chapter(book, capsys, never_runs):
    err = refused(capsys, "run", "toy", "--book", book, "--out", book / "toy.ipynb")
    assert "is the chapter itself" in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dept: 20", "toy.yaml: no parameter of toy 'dept': did you mean depth?"),
        ("depth: deep", "toy.yaml: depth: expected int, got str 'deep'"),
        ("- 20", "toy.yaml: expected names with values, got list"),
        ("depth: [", "toy.yaml: not YAML: "),
    ],
)
def test_full_size_parameters_are_checked_too(book, capsys, never_runs, text, message):
    write_full_size(book, text)
    assert message in refused(capsys, "run", "toy", "--size", "full", "--book", book)


def test_a_missing_book_an_empty_one_and_a_damaged_notebook_are_named(book, capsys, tmp_path):
    assert "no book folder at nowhere: name it with --book" in refused(capsys, "list", "--book", "nowhere")
    assert "no chapter" in refused(capsys, "list", "--book", tmp_path)
    (book / "bad.ipynb").write_text("{}")
    assert "bad.ipynb: not a notebook" in refused(capsys, "list", "--book", book)
    (book / "bad.ipynb").write_text("<html>")
    assert "bad.ipynb: not a notebook" in refused(capsys, "list", "--book", book)


def test_a_full_run_is_kept_and_recorded_by_this_interpreter_and_builds(book, capsys, monkeypatch, tmp_path):
    # Another python3 is registered for this reader: it must not be taken.
    other = tmp_path / "jupyter" / "kernels" / "python3"
    other.mkdir(parents=True)
    spec = {"argv": ["/bin/false", "{connection_file}"], "language": "python", "display_name": "Other"}
    (other / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    write_full_size(book, "depth: 20\nwidths: [100, 100, 100]\n")
    out = tmp_path / "{new}" / "run.ipynb"

    code, said, err = call(capsys, "record", "toy", "-p", "rate=1e-3", "--out", out, "--book", book)
    assert (code, err) == (0, f"layerlib: note: {book} is not in a git commit: the record names none\n")
    assert said == f"executed notebook: {out}\nrecord: {book / 'records' / 'toy.json'}\n"
    assert [entry.name for entry in out.parent.iterdir()] == ["run.ipynb"]
    executed = nbformat.read(out, as_version=4)
    assert executed.cells[3].outputs[-1].text.split() == [sys.executable, str(book)]
    assert rerun.reported(executed)["numbers"] == {"depth_seen": 20, "error": 0.03125}

    record = read_record(book / "records" / "toy.json")
    assert [record[name] for name in ("schema", "chapter", "size", "size_says")] == [2, "toy", "paper", "20 layers"]
    unset = {"fast": True, "name": "mnist-mini", "free": 3, "pair": [1, 2]}
    assert record["parameters"] == {"depth": 20, "rate": 0.001, "widths": [100] * 3} | unset
    curve = {"dims": ["seed", "layer"], "axes": {"layer": [0, 1, 2], "seed": [0]}, "values": [[100] * 3]}
    assert record["curves"]["widths"] == curve
    assert record["claims"][0]["outcome"] == "holds" and record["claims"][0]["here"] == "P: 0.001"
    assert record["provenance"]["commit"] is None and record["provenance"]["duration_s"] > 0

    html = build_page(out, tmp_path / "site")
    pasted = re.findall(r'<span class="pasted-text">([^<]+)</span>', html)
    assert pasted == ["3.12%", "not yet recorded", "holds"]
    assert '<table class="dataframe mathjax_ignore tex2jax_ignore layerlib-report">' in html


def build_page(notebook: Path, site: Path) -> str:
    """The page that myst-nb makes of an executed notebook, with warnings as errors."""
    site.mkdir()
    (site / "conf.py").write_text("extensions = ['myst_nb']\nnb_execution_mode = 'off'\n")
    (site / "index.ipynb").write_text(notebook.read_text())
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-n", "-b", "html", site, site / "html"]
    subprocess.run(command, check=True)
    return (site / "html" / "index.html").read_text()


def test_a_failing_cell_is_named_and_its_notebook_kept(book, capsys):
    write_notebook(book / "toy.ipynb", "done = 1", "\n1 / (depth - 2)\nprint('after')", "never = 1")
    code, out, err = call(capsys, "run", "toy", "-p", "depth=2", "--book", book)
    kept = book.parent / "_build" / "runs" / "toy.small.ipynb"
    assert (code, out) == (1, "")
    assert err == (
        "layerlib: toy: cell 4 ('1 / (depth - 2)') failed: ZeroDivisionError: division by zero;"
        f" executed notebook kept: {kept}\n"
    )
    executed = nbformat.read(kept, as_version=4)
    assert executed.metadata.papermill.exception is True
    assert executed.metadata.papermill.output_path == str(kept)
    assert any(output.output_type == "error" for cell in executed.cells for output in cell.get("outputs", []))


def test_a_dying_kernel_is_a_failing_cell(book, capsys, tmp_path):
    write_notebook(book / "toy.ipynb", "print('before')", "import os; os._exit(1)", "never = 1")
    code, _, err = call(capsys, "run", "toy", "--book", book, "--out", tmp_path / "out.ipynb")
    assert code == 1
    assert "toy: cell 4 ('import os; os._exit(1)') failed: the kernel died (out of memory?)" in err
    executed = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert executed.cells[2].outputs[0].text == "before\n"
    assert executed.metadata.papermill.exception is True


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_the_old_file_as_it_was(book, tmp_path, by):
    write_notebook(book / "toy.ipynb", "open('started', 'w').close()\nimport time; time.sleep(60)")
    out = tmp_path / "results" / "out.ipynb"
    out.parent.mkdir()
    out.write_text("from before")
    # a program started in the background ignores SIGINT, and its children with it
    program = ("import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
               "from layerbook.cli import main; sys.exit(main(sys.argv[1:]))")
    command = [sys.executable, "-c", program, "run", "toy", "--out", str(out)]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not (book / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(by)
    err = process.communicate(timeout=20)[1]
    assert process.returncode == 130
    assert err.splitlines()[-1] == "layerlib: interrupted: nothing was written"
    assert out.read_text() == "from before"
    assert [entry.name for entry in out.parent.iterdir()] == ["out.ipynb"]


def test_a_run_that_reports_nothing_is_not_recorded(book, capsys):
    write_notebook(book / "toy.ipynb", "print('no report')")
    write_full_size(book, "depth: 20")
    code, _, err = call(capsys, "record", "toy", "--book", book)
    assert code == 2
    assert "layerlib: toy reported nothing" in err
    assert not (book / "records").exists()


def test_a_report_under_another_name_is_not_recorded(book, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(rerun, "execute", lambda *_: None)
    monkeypatch.setattr(rerun, "reported", lambda _: {"chapter": "other", "numbers": {"a": 1}})
    write_full_size(book, "depth: 20")
    code, _, err = call(capsys, "record", "toy", "--book", book)
    assert code == 2 and "toy reported as 'other'" in err


def test_nothing_is_recorded_when_a_cell_fails(book, capsys):
    write_notebook(book / "toy.ipynb", REPORTING, "report", "1 / (depth - 20)")
    write_full_size(book, "depth: 20")
    code, _, err = call(capsys, "record", "toy", "--book", book)
    assert code == 1 and "ZeroDivisionError" in err
    assert not (book / "records").exists()
