"""The command line: what it lists, runs, records, and refuses in one line."""

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from layerbook import cli, running
from layerbook.chapters import reported
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


def write_notebook(
    path: Path, *cells: str, tags: tuple[str, ...] = ("parameters",), parameters: str = PARAMETERS
) -> None:
    """A notebook with a heading, a cell tagged as given, and the cells."""
    code = [new_code_cell(parameters, metadata={"tags": list(tags)}), *map(new_code_cell, cells)]
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

    monkeypatch.setattr(running, "execute", execute)


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
        ("rate=.inf", "rate: expected a finite number, got inf"),
        ("depth=010", "depth: expected int, got str '010'"),
        ("depth=" + "9" * 400, "depth: expected a whole number of at most 63 bits"),
        ("name=\udcff", "name: not YAML: "),
        ("widths=[!!set {a}]", "widths: not YAML: tags such as"),
        ("free=&a [*a]", "free: not YAML: aliases are not taken here"),
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


def test_a_run_never_overwrites_a_chapter(book, capsys, never_runs):
    write_notebook(book / "slow.ipynb")
    for name in ("toy", "slow"):
        before = (book / f"{name}.ipynb").read_bytes()
        err = refused(capsys, "run", "toy", "--book", book, "--out", book / f"{name}.ipynb")
        assert f"is the source of {name}, which a run must not overwrite" in err
        assert (book / f"{name}.ipynb").read_bytes() == before


def test_what_cannot_be_written_is_noticed_before_anything_runs(book, capsys, tmp_path, never_runs):
    write_full_size(book, "depth: 20")
    (tmp_path / "file").write_text("")
    assert "--out: expected a folder to write to" in refused(
        capsys, "run", "toy", "--book", book, "--out", tmp_path / "file" / "a.ipynb"
    )
    (book / "records").write_text("")
    assert "records: expected a folder to write to" in refused(capsys, "record", "toy", "--book", book)
    (book / "records").unlink()
    (book / "records").mkdir()
    (book / "records" / "toy.json").write_text("{")
    assert "toy.json: not JSON" in refused(capsys, "record", "toy", "--book", book)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dept: 20", "toy.yaml: no parameter of toy 'dept': did you mean depth?"),
        ("depth: deep", "toy.yaml: depth: expected int, got str 'deep'"),
        ("- 20", "toy.yaml: expected names with values, got list"),
        ("depth: [", "toy.yaml: not YAML: "),
        ("depth: 1\ndepth: 2", "toy.yaml: not YAML: 'depth' is set twice"),
        ("rate: .nan", "toy.yaml: rate: expected a finite number, got nan"),
        ("widths: [1, a]", "toy.yaml: widths[1]: expected int, got str 'a'"),
    ],
)
def test_full_size_parameters_are_checked_too(book, capsys, never_runs, text, message):
    write_full_size(book, text)
    assert message in refused(capsys, "run", "toy", "--size", "full", "--book", book)


def test_full_size_parameters_that_are_no_text_are_named(book, capsys, never_runs):
    write_full_size(book, "")
    (book / "parameters" / "toy.yaml").write_bytes(b"depth: \xff")
    assert "toy.yaml: expected text in UTF-8: " in refused(capsys, "run", "toy", "--size", "full", "--book", book)


def test_a_missing_book_and_an_empty_one_are_named(book, capsys, tmp_path):
    assert "no book folder at nowhere: name it with --book" in refused(capsys, "list", "--book", "nowhere")
    assert "no chapter" in refused(capsys, "list", "--book", tmp_path)


def test_a_broken_notebook_is_named_and_blocks_no_other(book, capsys, never_runs):
    (book / "bad.ipynb").write_text("[]")
    code, out, err = call(capsys, "list", "--book", book)
    assert code == 0 and out.startswith("toy: A toy chapter\n")
    assert err == f"layerlib: {book}/bad.ipynb: not a notebook: expected cells and metadata\n"
    assert "bad.ipynb: not a notebook" in refused(capsys, "run", "bad", "--book", book)
    assert "no parameter of toy 'dept'" in refused(capsys, "run", "toy", "-p", "dept=1", "--book", book)


def test_columns_do_not_run_together(book, capsys):
    lines = [
        "depth: int = 6  # layers",
        "learning_rate: float = 0.1  # fast",
        "wide: list[int] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20]  # many of them",
    ]
    write_notebook(book / "wide.ipynb", parameters="\n".join(lines))
    lines = call(capsys, "list", "--book", book)[1].splitlines()
    [start] = [place for place, line in enumerate(lines) if line.startswith("wide:")]
    assert lines[start + 1 :] == [
        "  depth: int = 6              layers",
        "  learning_rate: float = 0.1  fast",
        "  wide: list[int] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20]",
        "                              many of them",
    ]


def test_a_file_of_the_reader_reaches_the_chapter(book, capsys, monkeypatch, tmp_path):
    (tmp_path / "reader").mkdir()
    (tmp_path / "reader" / "my.npz").write_text("")
    monkeypatch.chdir(tmp_path / "reader")
    write_notebook(book / "toy.ipynb", "import os; assert os.path.exists(name); print(name)")
    assert call(capsys, "run", "toy", "-p", "name=my.npz", "--out", "out.ipynb", "--book", book)[0] == 0
    executed = nbformat.read(tmp_path / "reader" / "out.ipynb", as_version=4)
    assert executed.cells[3].outputs[0].text == "../reader/my.npz\n"


@pytest.mark.parametrize("module", ["layerbook.cli", "layerlib"])
def test_every_door_to_the_command_line_speaks(module, book):
    command = [sys.executable, "-m", module, "run", "nothing", "--book", str(book)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "layerlib: no chapter 'nothing': there are: toy\n"


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
    assert reported(executed)["numbers"] == {"depth_seen": 20, "error": 0.03125}

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
    assert '<table class="dataframe mathjax_ignore tex2jax_ignore layerlib-report layer-claims">' in html


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


def test_a_run_that_reports_nothing_is_not_recorded(book, capsys):
    write_notebook(book / "toy.ipynb", "print('no report')")
    write_full_size(book, "depth: 20")
    code, _, err = call(capsys, "record", "toy", "--book", book)
    assert code == 2
    assert "layerlib: toy reported nothing" in err
    assert not (book / "records").exists()


def test_a_report_under_another_name_is_not_recorded(book, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(running, "execute", lambda *_: None)
    monkeypatch.setattr(cli, "reported", lambda _: {"chapter": "other", "numbers": {"a": 1}})
    write_full_size(book, "depth: 20")
    code, _, err = call(capsys, "record", "toy", "--book", book)
    assert code == 2 and "toy reported as 'other'" in err


def test_nothing_is_recorded_when_a_cell_fails(book, capsys):
    write_notebook(book / "toy.ipynb", REPORTING, "report", "1 / (depth - 20)")
    write_full_size(book, "depth: 20")
    code, _, err = call(capsys, "record", "toy", "--book", book)
    assert code == 1 and "ZeroDivisionError" in err
    assert not (book / "records").exists()
