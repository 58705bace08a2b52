"""Every link of the built pages within the book leads to a file that is there, and slides show every figure."""

from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from copies import CHAPTERS
from pages import HTML, PAGES, ROOT, cannot


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = set()

    def handle_starttag(self, tag, attrs):
        where = urlsplit(dict(attrs).get("href") or dict(attrs).get("src") or "")
        if not where.scheme and not where.netloc and where.path:
            self.found.add(unquote(where.path))


def dead(page):
    read = Links()
    read.feed((HTML / page).read_text(encoding="utf-8"))
    return sorted(link for link in read.found if not ((HTML / page).parent / link).exists())


def test_every_link_within_the_book_leads_to_a_file():
    if not PAGES:
        cannot("the book is not built")
    assert {page: links for page in PAGES if (links := dead(page))} == {}


def test_every_link_of_the_slides_leads_to_a_file():
    if not PAGES:
        cannot("the book is not built")
    decks = [path.relative_to(HTML) for path in sorted((HTML / "slides").glob("*.html"))]
    assert decks and {deck.name: links for deck in decks if (links := dead(deck))} == {}


@pytest.mark.parametrize("name", ["student.zip", "instructor.zip"])
def test_teachers_can_take_copies_from_the_plan(name):
    if not PAGES:
        cannot("the book is not built")
    read = Links()
    read.feed((HTML / "book/teach/plan.html").read_text(encoding="utf-8"))
    assert f"../../_downloads/{name}" in read.found


@pytest.mark.parametrize("name", CHAPTERS)
def test_slides_show_every_figure_of_a_chapter(name):
    if not PAGES:
        cannot("the book is not built")
    cells = nbformat.read(ROOT / "_build" / "executed" / f"{name}.ipynb", 4).cells
    figures = sum("caption" in cell.metadata.get("mystnb", {}).get("figure", {}) for cell in cells)
    figures += sum(cell.source.count("```{glue} ") for cell in cells if cell.cell_type == "markdown")
    for kind in ("", ".print"):
        assert (HTML / "slides" / f"{name}{kind}.html").read_text(encoding="utf-8").count("<img ") == figures
