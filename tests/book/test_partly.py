"""Pages that Sphinx writes again because another one has changed: `book/_ext/partly.py`, in a book of three pages."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXTENSIONS = Path(__file__).parents[2] / "book" / "_ext"
TABLE = "```{{list-table}} Of {0}\n:name: {0}\n* - a\n  - b\n```\n\n"
PAGES = {
    "index.md": "# Front\n\n```{toctree}\none\ntwo\nsource\nwords\n```\n",
    "one.md": "(here)=\n# One\n\nA sentence.\n\n" + TABLE.format("first") + TABLE.format("second"),
    "two.md": "# Two\n\nSee {ref}`here`, a {term}`word`, {numref}`first` and {numref}`second`.\n",
    "source.md": "# Source\n\n```{eval-rst}\n.. autofunction:: noted.here\n```\n",
    "words.md": "# Words\n\n```{glossary}\nword\n  What is said.\n```\n",
}
NOTED = "open('imported', 'a').write('once ')\n\n\ndef here():\n    \"\"\"A function.\"\"\"\n"


def build(folder: Path) -> None:
    known = "myst_parser,sphinxcontrib.bibtex,sphinx.ext.autodoc,sphinx.ext.viewcode,hover_cards,partly"
    options = ["-C", "-q", "-W", "-b", "html", "-D", f"extensions={known}", "-D", "numfig=1"]
    command = [sys.executable, "-m", "sphinx", *options, "-D", "bibtex_bibfiles=", ".", "_build"]
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(EXTENSIONS), str(folder)])}
    result = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.fixture
def book(tmp_path):
    for name, text in PAGES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "noted.py").write_text(NOTED)
    build(tmp_path)
    return tmp_path


def written(folder: Path) -> set[str]:
    """The pages that a second build writes."""
    pages = [(folder / "_build" / name).with_suffix(".html") for name in PAGES]
    before = [page.stat().st_mtime_ns for page in pages]
    build(folder)
    return {page.stem for page, then in zip(pages, before, strict=True) if page.stat().st_mtime_ns != then}


@pytest.mark.parametrize(
    ("page", "before", "after", "others"),
    [
        ("one.md", "A sentence", "Another sentence", {"one"}),
        ("one.md", "# One", "# The first", {"one", "two", "source", "words"}),
        ("words.md", "What is said", "What is meant", {"one", "two", "source", "words"}),
    ],
    ids=["sentence", "title", "term"],
)
def test_what_other_pages_show_is_written_on_them_too(book, page, before, after, others):
    text = (book / page).read_text()
    (book / page).write_text(text.replace(before, after))
    assert written(book) == {"index"} | others
    two = (book / "_build" / "two.html").read_text()
    assert page != "words.md" or "What is meant" in two
    assert before != "# One" or "The first" in two
    assert re.search(r'"indexentries": ?\{[^}]*"word"', (book / "_build" / "searchindex.js").read_text())


def test_nothing_but_the_front_page_is_written_where_nothing_changed(book):
    assert written(book) <= {"index"}


def test_references_to_numbered_tables_say_their_numbers(book):
    two = (book / "_build" / "two.html").read_text()
    assert re.findall(r'href="one.html#(\w+)"><span[^>]*>(Table \d)<', two) == [
        ("first", "Table 1"),
        ("second", "Table 2"),
    ]


def test_source_code_is_imported_again_only_where_its_page_is_older(book):
    (book / "one.md").write_text(PAGES["one.md"].replace("A sentence", "Another"))
    build(book)
    assert (book / "imported").read_text() == "once "
    page = book / "_build" / "_modules" / "noted.html"
    (book / "noted.py").write_text(NOTED.replace("A function", "Another function"))
    build(book)
    assert "Another function" in page.read_text()
