"""The book as one page without scripts, and as an e-book that is complete."""

import xml.etree.ElementTree as ET
import zipfile

import pytest

from layerbook.printing import complete_epub, still_page

LISTED = """<package xmlns="http://www.idpf.org/2007/opf"><manifest>
    <item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
    <item id="a" href="book/a.xhtml" media-type="application/xhtml+xml" />
    <item id="b" href="book/b.xhtml" media-type="application/xhtml+xml" />
    <item id="css" href="_static/book.css" media-type="text/css" />
  </manifest></package>"""


@pytest.fixture
def book(tmp_path):
    """What Sphinx leaves: a style came after it had made its list."""
    files = {"mimetype": "application/epub+zip", "META-INF/container.xml": "<container/>", "content.opf": LISTED,
             "nav.xhtml": "<html/>", "book/a.xhtml": "<html><math/></html>", "book/b.xhtml": "<html/>",
             "_static/book.css": "a {}", "_static/late.css": "b {}", "_static/a.js": "1"}  # fmt: skip
    for name, text in files.items():
        path = tmp_path / "epub" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return complete_epub(tmp_path / "epub", tmp_path / "book.epub")


def test_an_e_book_begins_with_its_type_and_has_all_that_it_lists(book):
    with zipfile.ZipFile(book) as made:
        first, names = made.infolist()[0], made.namelist()
        items = [item.get("href") for item in ET.fromstring(made.read("content.opf")).findall(".//{*}item")]
    assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
    assert sorted(names) == sorted(["mimetype", "META-INF/container.xml", "content.opf", *items])
    assert "_static/late.css" in items and "_static/a.js" not in items


def test_pages_with_formulas_are_told(book):
    with zipfile.ZipFile(book) as made:
        items = ET.fromstring(made.read("content.opf")).findall(".//{*}item")
    assert {item.get("href"): item.get("properties") for item in items} == {
        "nav.xhtml": "nav", "book/a.xhtml": "mathml", "book/b.xhtml": None,
        "_static/book.css": None, "_static/late.css": None,
    }  # fmt: skip


def test_the_page_to_be_printed_has_no_scripts(tmp_path):
    page = tmp_path / "page.html"
    page.write_text('<head><script src="a.js"></script></head><p>Text</p><script>\nx\n</script><p>Ende</p>')
    assert still_page(page, tmp_path / "out.html").read_text() == "<head></head><p>Text</p><p>Ende</p>"
