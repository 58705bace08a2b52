"""Pages that Sphinx writes again because another one has changed: `book/_ext/partly.py`, in a book of three pages."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXTENSIONS = Path(__file__).parents[2] / "book" / "_ext"
PAGES = {
    "index.md": "# Front\n\n```{toctree}\none\ntwo\nwords\n```\n",
    "one.md": "(here)=\n# One\n\nA sentence.\n",
    "two.md": "# Two\n\nSee {ref}`here`, and a {term}`word`.\n",
    "words.md": "# Words\n\n```{glossary}\nword\n  What is said.\n```\n",
}


def build(folder: Path) -> None:
    options = ["-C", "-q", "-W", "-b", "html", "-D", "extensions=myst_parser,sphinxcontrib.bibtex,hover_cards,partly"]
    command = [sys.executable, "-m", "sphinx", *options, "-D", "bibtex_bibfiles=", ".", "_build"]
    env = os.environ | {"PYTHONPATH": str(EXTENSIONS)}
    result = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.fixture
def book(tmp_path):
    for name, text in PAGES.items():
        (tmp_path / name).write_text(text)
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
        ("one.md", "# One", "# The first", {"one", "two", "words"}),
        ("words.md", "What is said", "What is meant", {"one", "two", "words"}),
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
    assert re.search(r'"indexentries": ?\{"word"', (book / "_build" / "searchindex.js").read_text())


def test_nothing_but_the_front_page_is_written_where_nothing_changed(book):
    assert written(book) <= {"index"}
