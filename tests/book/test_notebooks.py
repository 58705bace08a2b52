"""Chapters: how they are kept, that running them again gives what the book shows, and how they get into the book."""

import ast
import copy
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
import yaml
from smallest import SMALLEST, datasets, parameters

from layerbook.built import OVERVIEWS
from layerbook.chapters import reported

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "book"
EXECUTED = ROOT / "_build" / "executed"
CHAPTERS = sorted(path.stem for path in BOOK.glob("*.ipynb"))
CHECKED = "nbval-check-output"

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
each_chapter = pytest.mark.parametrize("name", CHAPTERS)


def chapter(name: str):
    return nbformat.read(BOOK / f"{name}.ipynb", as_version=4)


def executed(name: str):
    path = EXECUTED / f"{name}.ipynb"
    if not path.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{path} is missing: make book")
    return nbformat.read(path, as_version=4)


def tagged(notebook, tag: str) -> list:
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


# How a chapter is kept


@each_chapter
def test_chapter_is_in_the_table_of_contents(name):
    assert f"book/{name}" in str(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8")))


@each_chapter
def test_chapter_is_valid_and_kept_without_outputs(name):
    notebook = chapter(name)
    nbformat.validate(notebook)
    assert all(not cell.outputs and cell.execution_count is None for cell in code(notebook))
    assert notebook.metadata.kernelspec.name == "python3"
    assert "papermill" not in notebook.metadata


@each_chapter
def test_chapter_has_one_cell_of_typed_parameters_that_papermill_sees(name):
    [cell] = tagged(chapter(name), "parameters")
    statements = ast.parse(cell.source).body
    assert all(isinstance(statement, ast.AnnAssign) and statement.value for statement in statements)
    seen = papermill.inspect_notebook(str(BOOK / f"{name}.ipynb"))
    assert list(seen) == [statement.target.id for statement in statements]


@each_chapter
def test_a_cell_with_a_figure_trains_nothing(name):
    # The bar of a training is an output, too, and would become a second figure of the same name.
    figures = [cell.source for cell in code(chapter(name)) if "figure" in cell.metadata.get("mystnb", {})]
    assert not [source for source in figures if re.search(r"\b(train|fit|fit_ensemble)\(", source)]


@each_chapter
def test_cells_are_short(name):
    cells = [cell for cell in code(chapter(name)) if "parameters" not in cell.metadata.get("tags", [])]
    long = [cell.source for cell in cells if len(cell.source.splitlines()) > 15]
    assert long == []


@each_chapter
def test_every_figure_has_caption_name_and_alt_text(name):
    for cell in code(executed(name)):
        if any("image/png" in output.get("data", {}) for output in cell.outputs):
            settings = cell.metadata.get("mystnb", {})
            assert {"caption", "name"} <= set(settings.get("figure", {})), cell.source
            assert settings.get("image", {}).get("alt"), cell.source


@each_chapter
def test_a_claim_says_its_test_and_names_a_place_of_its_page(name):
    report = reported(executed(name))
    if name in (*OVERVIEWS, "your_network"):
        assert report is None, "it has no claims of its own"
        return
    assert report["claims"]
    assert all(claim["test"] and claim["figure"] for claim in report["claims"])


# Running it again


@each_chapter
def test_executed_copy_is_of_the_chapter_as_it_is_now(name):
    ran = [cell.source for cell in executed(name).cells if "injected-parameters" not in cell.metadata.get("tags", [])]
    assert ran == [cell.source for cell in chapter(name).cells]


@each_chapter
def test_executed_copy_has_outputs_to_check(name):
    # nbval passes a checked cell without outputs, having checked nothing.
    cells = tagged(executed(name), CHECKED)
    assert cells
    assert all(cell.outputs and cell.execution_count for cell in cells)


def run_again(notebook, folder: Path) -> subprocess.CompletedProcess:
    """Run a notebook under nbval, which compares the outputs of the cells tagged as checked."""
    # A chapter finds its record in the folder it runs in; executed chapters and benchmarks are beside that folder.
    (folder / "_build").mkdir()
    (folder / "_build" / "executed").symlink_to(EXECUTED)
    (folder / "benchmarks").symlink_to(BOOK.parent / "benchmarks")
    folder = folder / "book"
    folder.mkdir()
    for read in ("records", "inspections"):
        (folder / read).symlink_to(BOOK / read)
    nbformat.write(notebook, folder / "chapter.ipynb")
    options = "--nbval-lax --nbval-current-env --nbval-cell-timeout=300 -p no:cacheprovider -c /dev/null --rootdir=."
    command = [sys.executable, "-m", "pytest", *options.split(), "chapter.ipynb"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.mark.slow
@each_chapter
def test_chapter_gives_the_same_when_run_again(name, tmp_path):
    """At the smallest parameters, both times; what has none runs once more as it did for the book."""
    ran = executed(name)
    if SMALLEST[name]:
        files, values = [str(BOOK / f"{name}.ipynb"), str(tmp_path / "ran.ipynb")], parameters(name, datasets(tmp_path))
        ran = papermill.execute_notebook(*files, values, cwd=str(BOOK), progress_bar=False, log_output=False)
    result = run_again(ran, tmp_path)
    assert result.returncode == 0, result.stdout


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A chapter of a few cells, executed with other parameters than its own."""
    new = nbformat.v4
    cells = [
        new.new_markdown_cell("# Small"),
        new.new_code_cell("depth: int = 3  # Größe\nname: str = 'é#'  # kept", metadata={"tags": ["parameters"]}),
        new.new_code_cell("print(depth + 1)", metadata={"tags": [CHECKED]}),
    ]
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    folder = tmp_path_factory.mktemp("small")
    nbformat.write(new.new_notebook(cells=cells, metadata={"kernelspec": kernel}), folder / "small.ipynb")
    values = {"depth": 8, "name": "ü"}
    return papermill.execute_notebook(
        str(folder / "small.ipynb"), str(folder / "out.ipynb"), values, progress_bar=False, log_output=False
    )


def test_an_untouched_output_passes_nbval(small, tmp_path):
    assert run_again(small, tmp_path).returncode == 0


def test_a_tampered_output_fails_nbval(small, tmp_path):
    tampered = copy.deepcopy(small)
    [cell] = tagged(tampered, CHECKED)
    assert cell.outputs[0].text == "9\n"
    cell.outputs[0].text = "10\n"
    result = run_again(tampered, tmp_path)
    assert result.returncode == 1
    assert "mismatch" in result.stdout


# Into the book


def build(folder: Path, ran=None) -> tuple[subprocess.CompletedProcess, str]:
    """Build a book of one chapter with book/_ext/executed.py, warnings being errors."""
    (folder / "_build" / "executed").mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# As kept")]), folder / "index.ipynb")
    if ran is not None:
        nbformat.write(ran, folder / "_build" / "executed" / "index.ipynb")
    settings = ["extensions=myst_nb,executed", "nb_execution_mode=off", "exclude_patterns=_build"]
    options = [word for setting in settings for word in ("-D", setting)]
    command = [sys.executable, "-m", "sphinx", "-C", "-q", "-W", "--keep-going", *options, ".", "_build/html"]
    env = os.environ | {"PYTHONPATH": str(BOOK / "_ext")}
    result = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    page = folder / "_build" / "html" / "index.html"
    return result, page.read_text(encoding="utf-8") if page.exists() else ""


def test_page_shows_the_executed_copy_with_the_values_that_ran(small, tmp_path):
    result, page = build(tmp_path, small)
    assert result.returncode == 0, result.stderr
    text = page.replace("<", "\n<")
    assert "9\n" in text and "As kept" not in text
    assert ">8\n" in text and ">3\n" not in text
    assert "ü" in text and "# kept" in text and "# Parameters" not in text


def test_build_fails_when_the_executed_copy_is_missing(tmp_path):
    result, _ = build(tmp_path)
    assert result.returncode != 0
    assert "is missing" in result.stderr


@pytest.mark.parametrize("how", [{"exception": True}, {"exception": None, "end_time": None}], ids=["failed", "killed"])
def test_build_fails_when_the_chapter_did_not_run_to_its_end(small, tmp_path, how):
    broken = copy.deepcopy(small)
    broken.metadata.papermill.update(how)
    result, _ = build(tmp_path, broken)
    assert result.returncode != 0
    assert "did not run to its end" in result.stderr
