"""Digests of code: moving it changes none, changing it does, for just the chapters that use it."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from repository import ROOT, copy, git, home, seven_times

from layerbook.built import OVERVIEWS
from layerbook.provenance import _OF_RECORDS, changed_since
from layerbook.reach import files_in, reached
from layerbook.syntax import source

CHAPTERS = sorted(path.stem for path in (ROOT / "book").glob("*.ipynb"))
CODE = re.compile(r"\.(py|ipynb)$")


@pytest.fixture(scope="module")
def commit(tmp_path_factory):
    """The packages and the chapters as they are now, committed: the folder."""
    folder = copy(tmp_path_factory.mktemp("repository"))
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "then")
    return folder


@pytest.fixture
def repository(commit):
    yield commit
    git(commit, "checkout", "-f", "HEAD")
    git(commit, "clean", "-fd")


def changed(folder: Path) -> set[str]:
    """The chapters that do something else than at the commit."""
    head = git(folder, "rev-parse", "HEAD")
    told = {name: changed_since(head, name, folder / "book" / "records") for name in CHAPTERS}
    assert None not in told.values()
    return {name for name, yes in told.items() if yes}


def dotted(folder: Path, path: Path) -> str:
    return ".".join(path.relative_to(folder).with_suffix("").parts)


def move(folder: Path, path: Path, into: str) -> Path:
    """Move a module into a folder of the package, and rewrite whatever imports it."""
    parent, _, leaf = dotted(folder, path).rpartition(".")
    target = folder / parent.split(".")[0] / into / path.name
    target.parent.mkdir(exist_ok=True)
    path.rename(target)
    new = dotted(folder, target).rpartition(".")[0]
    for file in (file for file in folder.rglob("*") if CODE.search(file.name)):
        text = re.sub(rf"\b{re.escape(parent)}\.{leaf}\b", f"{new}.{leaf}", file.read_text())
        text = re.sub(rf"from {re.escape(parent)} import {leaf}\b", f"from {new} import {leaf}", text)
        file.write_text(text)
    return target


def test_nothing_changed_without_a_change(repository):
    assert changed(repository) == set()


def test_an_honest_move_changes_no_chapter(repository):
    for name in ("NodeClassifiers", "Histograms", "fit_ensemble"):
        path = move(repository, home(repository, name), "moved")
        assert path == home(repository, name) and "moved" in path.parts
    assert not (repository / "layerlib" / "nodes.py").exists()
    assert changed(repository) == set()


def test_a_density_that_is_moved_and_seven_times_as_large_changes_the_chapters_that_use_it(repository):
    move(repository, home(repository, "NodeClassifiers"), "moved")
    seven_times(move(repository, home(repository, "Histograms"), "moved"), "density")
    assert changed(repository) == {"cooperating_classifiers", "four_lenses", "your_network"}


@pytest.mark.parametrize(
    ("function", "chapters"),
    [
        ("gradient_sizes", {"filter_evolution"}),
        ("fresh_scenes", {"layer_distributions"}),
        ("wasserstein", {"layer_distributions", "performance"}),
        ("uniform_distances", {"four_lenses", "your_network"}),
        ("guided_bp_image", {"forward_backward"}),
        ("error_rate", {"cooperating_classifiers", "filter_evolution", "forward_backward", "four_lenses"}),
        ("judged", set(CHAPTERS) - {*OVERVIEWS, "your_network"}),
        ("read_record", set()),
    ],
)
def test_a_change_counts_for_the_chapters_that_reach_it(repository, function, chapters):
    seven_times(home(repository, function), function)
    assert git(repository, "status", "--porcelain")
    assert changed(repository) == chapters


def test_what_does_not_count_is_there_once_and_of_records():
    files = {path: text for path, text in files_in(ROOT).items() if path.startswith("layerbook/")}
    for each in _OF_RECORDS:
        module, function = each.split(".")
        homes = [path for path, text in files.items() if Path(path).stem == module and f"\ndef {function}(" in text]
        assert len(homes) == 1 and "analysis" not in homes[0], each


def test_prose_comments_and_the_order_of_imports_do_not_count(repository):
    for path in [*repository.rglob("*.py")]:
        text = re.sub(r'^( *)"""', r'\1"""Also: ', path.read_text(), count=1, flags=re.MULTILINE)
        lines = text.splitlines(True)
        imports = [k for k, line in enumerate(lines) if re.match(r"(from|import) [^(]+$", line)]
        for k, line in zip(imports, [lines[k] for k in reversed(imports)], strict=True):
            lines[k] = line
        path.write_text("".join(lines) + "\n# the end\n")
    for name in CHAPTERS:
        path = repository / "book" / f"{name}.ipynb"
        notebook = json.loads(path.read_text())
        for cell in notebook["cells"]:
            cell["source"] = ["# so\n", *cell["source"]] if cell["cell_type"] == "code" else ["Other words."]
        path.write_text(json.dumps(notebook))
    assert changed(repository) == set()


def test_new_modules_and_new_definitions_count_only_where_they_are_used(repository):
    (repository / "layerlib" / "added.py").write_text("def added():\n    return 1\n")
    path = home(repository, "error_rate")
    path.write_text(path.read_text() + "\n\ndef not_used():\n    return 1\n")
    assert changed(repository) == set()


def test_a_definition_that_shadows_an_import_counts(repository):
    path = home(repository, "NodeClassifiers")
    text = path.read_text()
    assert re.search(r"^from \S+ import .*LogDensities", text, re.MULTILINE)
    path.write_text(text + "\n\ndef LogDensities(*arguments):\n    return None\n")
    assert changed(repository) == {"cooperating_classifiers", "four_lenses", "your_network"}


def test_a_statement_that_runs_on_import_counts(repository):
    path = home(repository, "gradient_sizes")
    path.write_text(path.read_text() + "\n\ntorch.set_default_dtype(torch.float64)\n")
    assert changed(repository) == {"filter_evolution"}


def test_all_chapters_are_told_in_little_time(repository):
    changed(repository)
    start = time.process_time()
    changed(repository)
    assert time.process_time() - start < 2


def test_digests_need_the_standard_library_only():
    code = f"import sys, {reached.__module__}; sys.exit(bool({{'torch', 'numpy', 'yaml'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def notebook(code: str) -> str:
    return json.dumps({"cells": [{"cell_type": "code", "source": code}]})


BASE = {
    "layerlib/__init__.py": "",
    "layerlib/a.py": "from layerlib.b import g\nfrom layerlib import c\nimport numpy as np\n\n"
    "def f(x):\n    return g(x) + c.h(x) + np.sum(x)\n",
    "layerlib/b.py": "def g(x):\n    return x\n\ndef other(x):\n    return 2 * x\n",
    "layerlib/c.py": "SCALE = 3\nSCALE += 1\n\ndef h(x):\n    return SCALE * x\n\ndef unused(x):\n    return x\n",
}
CALLS_F = notebook("from layerlib.a import f\nf(1)")


@pytest.mark.parametrize(
    ("files", "same"),
    [
        ({"layerlib/c.py": BASE["layerlib/c.py"].replace("+= 1", "+= 2")}, False),
        ({"layerlib/c.py": BASE["layerlib/c.py"].replace("return x", "return -x")}, True),
        # an import that leads to another definition, which was there before
        ({"layerlib/a.py": BASE["layerlib/a.py"].replace("import g", "import other as g")}, False),
        ({"layerlib/a.py": BASE["layerlib/a.py"].replace("numpy as np", "torch as np")}, False),
        # the same definition by another way: relative, through a third module, as an attribute, inside the function
        ({"layerlib/a.py": BASE["layerlib/a.py"].replace("from layerlib.b", "from .b")}, True),
        (
            {
                "layerlib/a.py": BASE["layerlib/a.py"].replace("layerlib.b", "layerlib.d"),
                "layerlib/d.py": "from layerlib.b import g",
            },
            True,
        ),
        ({"layerlib/a.py": BASE["layerlib/a.py"].replace("from layerlib import c", "import layerlib.c as c")}, True),
        (
            {
                "layerlib/a.py": BASE["layerlib/a.py"]
                .replace("from layerlib.b import g\n", "")
                .replace("    return", "    from layerlib.b import g\n    return")
            },
            True,
        ),
        # in folders, with an __init__.py that hands on, and without
        (
            {
                "layerlib/b.py": "",
                "layerlib/deep/er/b.py": BASE["layerlib/b.py"],
                "layerlib/deep/__init__.py": "from .er.b import g",
                "layerlib/a.py": BASE["layerlib/a.py"].replace("layerlib.b", "layerlib.deep"),
            },
            True,
        ),
        # a name that was the function's own is now the module's, of the same code
        ({"layerlib/b.py": "def g(x):\n    return y\n\ny = 1\n"}, False),
        ({"layerlib/b.py": "del BASE"}, False),
        ({"layerlib/b.py": "not Python"}, False),
        ({"layerlib/__init__.py": "import os\nos.environ['A'] = 'b'"}, False),
        # how it is written down
        ({"layerlib/b.py": BASE["layerlib/b.py"].replace("\n", "\r\n")}, True),
        ({"layerlib/c.py": "X = 1; SCALE = 3\nSCALE += 1; Y = 2\n\n\ndef h(x): return (SCALE\n    * x)\n"}, True),
        ({"layerlib/c.py": BASE["layerlib/c.py"].replace("def h", "@print\ndef h")}, False),
        ({"layerlib/c.py": BASE["layerlib/c.py"].replace("h(x)", "h(x, y=lambda SCALE: 1)")}, False),
        ({"layerlib/__init__.py": "__all__ = ['f']\n__version__ = '2'"}, True),
    ],
)
def test_what_a_notebook_reaches(files, same):
    assert (reached(CALLS_F, BASE | files) == reached(CALLS_F, BASE)) is same


@pytest.mark.parametrize(
    ("code", "same"),
    [
        ("from layerlib.a import f as f\nf(1)  # so", True),
        ("'''Prose.'''\nfrom layerlib import a\nfrom layerlib.a import f\nf(1)", True),
        ("from layerlib.a import f\nf(2)", False),
        ("from layerlib.b import g as f\nf(1)", False),
        ("from layerlib.a import f\n%time f(1)", False),
    ],
)
def test_the_statements_of_a_notebook_count(code, same):
    assert (reached(notebook(code), BASE) == reached(CALLS_F, BASE)) is same


@pytest.mark.parametrize(
    "surface",
    [
        "def __getattr__(name):\n    from layerlib import a\n    return getattr(a, name)",
        "_HOME = {'f': 'layerlib.a', 'g': 'layerlib.b'}\n\ndef __getattr__(name):\n    return _HOME[name]",
        "_HOME: dict[str, str] = {'f': 'layerlib.a.f'}\n\ndef __getattr__(name):\n    return _HOME[name]",
        "_HOME = {'f': '.a'}\n\ndef __getattr__(name):\n    return _HOME[name]",
        "from layerlib.a import f",
    ],
)
@pytest.mark.parametrize("code", ["import layerlib as ll\nll.f(1)", "from layerlib import f\nf(1)"])
def test_names_that_a_package_loads_on_demand_are_followed(surface, code):
    files = BASE | {"layerlib/__init__.py": surface}
    chapter = notebook(code)
    now = reached(chapter, files)
    assert source(BASE["layerlib/a.py"]).definitions["f"].digest in now
    assert reached(chapter, files | {"layerlib/b.py": "def g(x):\n    return -x"}) != now
    assert reached(chapter, files | {"layerlib/c.py": BASE["layerlib/c.py"].replace("return x", "return 0")}) == now


def test_a_module_that_is_handed_on_counts_as_a_whole():
    chapter = notebook("from layerlib import c\nprint(vars(c))")
    changed_unused = BASE | {"layerlib/c.py": BASE["layerlib/c.py"].replace("return x", "return 0")}
    assert reached(chapter, changed_unused) != reached(chapter, BASE)


def test_a_name_of_the_functions_own_reaches_nothing():
    files = BASE | {
        "layerlib/a.py": "from layerlib.b import g, other\n\ndef f(g):\n"
        "    other = [other for other in g]\n    return g, other\n"
    }
    assert reached(CALLS_F, files | {"layerlib/b.py": "def g(x):\n    return 5"}) == reached(CALLS_F, files)


@pytest.mark.parametrize(
    "signature",
    ["x, y=g", "x, y=lambda x: g(x)", "x, *, y: g", "x, y=lambda g: g, z=g", "x) -> g(1", "x, y=[g for g in g]"],
)
def test_what_stands_around_a_function_counts(signature):
    files = BASE | {"layerlib/a.py": f"from layerlib.b import g\n\ndef f({signature}):\n    return x\n"}
    assert reached(CALLS_F, files | {"layerlib/b.py": "def g(x):\n    return 5"}) != reached(CALLS_F, files)


def test_names_in_annotations_count_as_text_too():
    files = BASE | {"layerlib/a.py": "from layerlib.b import g\n\ndef f(x: 'list[g]'):\n    return x\n"}
    assert reached(CALLS_F, files | {"layerlib/b.py": "def g(x):\n    return 5"}) != reached(CALLS_F, files)


def test_definitions_left_out_are_not_followed():
    other = BASE | {"layerlib/b.py": "def g(x):\n    return 5"}
    assert reached(CALLS_F, BASE, {"b.g"}) == reached(CALLS_F, other, {"b.g"})
    assert reached(CALLS_F, BASE, {"c.g"}) != reached(CALLS_F, other, {"c.g"})
    assert reached(CALLS_F, BASE) != reached(CALLS_F, other)
