"""The page on running chapters again: what it shows of sweeps and data is run, line by line, with small chapters."""

import re
import shlex
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from layerbook import cli
from layerbook.chapters import read_chapter, reported
from layerbook.collected import collect
from layerbook.running import execute

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("rerun")]
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "book" / "rerun.md").read_text(encoding="utf-8")
CHAPTER = """\
from layerbook.report import Report
from layerlib import load
report = Report("cooperating_classifiers", "smaller")
report.number("error_hard", 1 / depth)
report.number("classes", len(load(hard).classes));
"""


def blocks(heading: str, word: str) -> list[str]:
    """The code blocks of a section, in one language."""
    [section] = re.findall(rf"^## {heading}\n(.*?)^## ", PAGE + "\n## ", re.M | re.S)
    return re.findall(rf"^```{word}\n(.*?)^```", section, re.M | re.S)


def typed(lines: str) -> None:
    """What a reader types, one command a line."""
    for line in lines.splitlines():
        program, *words = shlex.split(line)
        assert (program, cli.main(words)) == ("layerlib", 0), line


def write(path: Path, parameters: str, *cells: str) -> None:
    first = new_code_cell(parameters, metadata={"tags": ["parameters"]})
    path.parent.mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=[first, *map(new_code_cell, cells)]), path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a book of one such chapter."""
    folder = tmp_path_factory.mktemp("rerun")
    parameters = "depth: int = 6\nhard: str = 'fashion-mini'"
    write(folder / "book" / "cooperating_classifiers.ipynb", parameters, CHAPTER, "report")
    return folder


@pytest.fixture(autouse=True)
def there(folder, monkeypatch):
    monkeypatch.chdir(folder)


@pytest.fixture(scope="module")
def swept(folder):
    """The folder, in which each command on sweeps has been run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        typed("".join(blocks("Many runs at once", "shell")))
    return folder


def test_the_commands_sweep_three_depths_collect_and_draw_them(swept):
    assert len("".join(blocks("Many runs at once", "shell")).splitlines()) == 3
    rows = pd.read_csv(swept / "depths" / "runs.csv").query("name == 'error_hard'")
    assert sorted(zip(rows.depth, rows.value, strict=True)) == [(2, 0.5), (4, 0.25), (8, 0.125)]
    assert (swept / "depths" / "error_hard_by_depth.png").stat().st_size > 1000


def test_the_same_in_python_finds_what_the_commands_have_run(swept):
    [code] = blocks("Many runs at once", "python")
    names: dict = {}
    exec(code, names)
    assert (names["done"].runs, names["done"].before) == (3, 3)
    assert plt.gcf().axes[0].get_ylabel() == "error_hard"
    plt.close("all")


def test_in_a_notebook_the_bar_and_the_figure_are_shown(swept, monkeypatch):
    for name in ("CI", "TQDM_DISABLE"):
        monkeypatch.delenv(name, raising=False)
    [code] = blocks("Many runs at once", "python")
    write(swept / "jupyter.ipynb", "one: int = 1", code)
    ran = execute(read_chapter(swept / "jupyter.ipynb"), {}, swept / "ran.ipynb")
    outputs = ran.cells[-1].outputs
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert "3/3" in "".join(output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in outputs)


def test_a_chapter_is_run_by_the_command_and_in_python(folder):
    [first, *others], [code] = blocks("With `layerlib run`", "shell"), blocks("With `layerlib run`", "python")
    assert first.startswith("source ") and len(others) == 2
    typed("".join(others))
    names: dict = {}
    exec(code, names)
    assert names["report"]["numbers"] == {"error_hard": 1 / 8, "classes": 10}
    assert reported(nbformat.read(folder / "deeper.ipynb", as_version=4)) == names["report"]


def test_a_file_of_ones_own_is_found_where_one_is(folder):
    [make], [commands] = blocks("Your own data", "python"), blocks("Your own data", "shell")
    labels = np.arange(12) % 3
    pictures = np.zeros((12, 28, 28), dtype=np.uint8)
    exec(make, {"x_train": pictures, "y_train": labels, "x_test": pictures, "y_test": labels})
    typed(commands)
    ran = nbformat.read(folder / "_build" / "runs" / "cooperating_classifiers.small.ipynb", as_version=4)
    assert reported(ran)["numbers"]["classes"] == 3
    rows = collect(folder / "sets").query("name == 'classes'")
    assert dict(zip(rows.hard, rows.value, strict=True)) == {"fashion-mini": 10, "../mine.npz": 3}


def test_a_notebook_of_ones_own_network_is_swept_as_a_chapter_is(folder):
    *_, parameters, code, last = blocks("Your own network", "python")
    write(folder / "networks" / "mine.ipynb", parameters, code, last)
    commands = [block for block in blocks("Your own network", "shell") if "sweep" in block]
    typed("".join(commands))
    table = collect(folder / "widths")
    assert set(table[table.name == "wrong"].width) == {16, 64}
    assert (table[table.name == "wrong"].value < 50).all()
    assert (folder / "widths" / "perplexity_by_layer.png").stat().st_size > 1000


@pytest.mark.parametrize("line", re.findall(r"^layerlib (?!inspect ).+", PAGE, re.M))
def test_the_command_understands_every_line_of_the_page(line):
    assert cli._parser().parse_args(shlex.split(line)[1:])
