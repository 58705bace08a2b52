"""The page on running chapters again: what it shows of sweeps is run, line by line, with a chapter of three cells."""

import re
import shlex
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from layerbook import cli

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "book" / "rerun.md").read_text(encoding="utf-8")
[SECTION] = re.findall(r"^## Many runs at once\n(.*?)^## ", PAGE, re.M | re.S)
SHELL, PYTHON = (re.findall(rf"^```{word}\n(.*?)^```", SECTION, re.M | re.S) for word in ("shell", "python"))
CHAPTER = """\
from layerbook.report import Report
report = Report("cooperating_classifiers", "smaller")
report.number("error_hard", 1 / depth);
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A book with such a chapter, in which each command of the section has been run."""
    folder = tmp_path_factory.mktemp("rerun")
    (folder / "book").mkdir()
    first = new_code_cell("depth: int = 6\ndata: str = 'mnist-mini'", metadata={"tags": ["parameters"]})
    notebook = new_notebook(cells=[first, new_code_cell(CHAPTER), new_code_cell("report")])
    nbformat.write(notebook, folder / "book" / "cooperating_classifiers.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in "".join(SHELL).splitlines():
            program, *words = shlex.split(line)
            assert (program, cli.main(words)) == ("layerlib", 0), line
    return folder


def test_the_commands_sweep_three_depths_collect_and_draw_them(folder):
    assert len("".join(SHELL).splitlines()) == 3
    rows = pd.read_csv(folder / "depths" / "runs.csv").query("name == 'error_hard'")
    assert sorted(zip(rows.depth, rows.value, strict=True)) == [(2, 0.5), (4, 0.25), (8, 0.125)]
    assert (folder / "depths" / "error_hard_by_depth.png").stat().st_size > 1000


def test_the_same_in_python_finds_what_the_commands_have_run(folder, monkeypatch):
    monkeypatch.chdir(folder)
    [code] = PYTHON
    names: dict = {}
    exec(code, names)
    assert (names["done"].runs, names["done"].before) == (3, 3)
    assert plt.gcf().axes[0].get_ylabel() == "error_hard"
    plt.close("all")


@pytest.mark.parametrize("line", re.findall(r"^layerlib (?!inspect ).+", PAGE, re.M))
def test_the_command_understands_every_line_of_the_page(line):
    assert cli._parser().parse_args(shlex.split(line)[1:])
