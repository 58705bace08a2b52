"""Every page of the built book, opened from disk in a browser as a reader would."""

import time
from pathlib import Path

import pytest
from pages import HTML, PAGES, ROOT, address, cannot

from layerbook.built import OVERVIEWS

CHAPTERS = sorted(path.stem for path in (ROOT / "book").glob("*.ipynb"))
pytestmark = pytest.mark.xdist_group("browser")
LOCAL = ("file:", "data:", "blob:", "about:")

# What a look at the page gives. Text in code is left out: there, dollars and backticks are meant.
# MathJax sets a command that it does not know in red, without an error.
LOOK = r"""(() => {
    const article = document.querySelector("article, .bd-article, main").cloneNode(true);
    article.querySelectorAll("pre, code, script, style, mjx-container").forEach((node) => node.remove());
    const root = document.documentElement;
    const all = (selector) => [...document.querySelectorAll(selector)];
    const scrolls = (node) => node && ((getComputedStyle(node).overflowX === "auto"
        && node.getBoundingClientRect().right <= root.clientWidth + 1) || scrolls(node.parentElement));
    return {
        theme: root.dataset.theme,
        formulas: all(".math").length,
        unset: all(".math").filter((node) => !node.querySelector("mjx-container")).map((node) => node.textContent),
        faulty: all("merror, mjx-container [fill=red]").map((node) => node.closest("mjx-container").textContent),
        raw: article.textContent.match(/\$\$|\\\(|\\\[|\{[a-z:]+\}`/g) || [],
        missing: all("img").filter((image) => image.naturalWidth === 0).map((image) => image.src),
        unnamed: all("article img").filter((image) => !image.alt).map((image) => image.src),
        overflow: Math.max(root.scrollWidth, document.body.scrollWidth) - root.clientWidth,
        wide: all("article *").filter((node) => node.getBoundingClientRect().right > root.clientWidth + 1
            && !node.closest("mjx-container, .highlight, table, .math") && !scrolls(node.parentElement))
            .map((node) => node.outerHTML.slice(0, 120)).slice(0, 3),
    };
})()"""


def test_the_book_has_a_page_for_every_chapter():
    if not PAGES:
        cannot("the book is not built: make book")
    pages = ["intro", "api", "glossary", "references", "registration", "accessibility"]
    expected = [f"book/{name}.html" for name in [*CHAPTERS, *pages]]
    assert not set(expected) - set(PAGES)


def outside(page) -> list[str]:
    return [url for url in page.requests() if not url.startswith(LOCAL)]


def until(condition, failure: str, seconds: float = 20):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, failure
        time.sleep(0.05)
    return value


def test_opening_the_index_leads_to_the_introduction(page):
    page.open(address("index.html"))
    until(lambda: page.evaluate("location.pathname").endswith("/book/intro.html"), "index.html leads nowhere")
    until(lambda: page.evaluate("document.readyState") == "complete", "the introduction did not load")


@pytest.mark.parametrize("width", [1400, 400], ids=["wide", "narrow"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", [name for name in PAGES if name != "index.html"])
def test_page_is_whole_and_stays_on_this_machine(page, name, theme, width):
    page.visit(address(name), width, theme)
    seen = page.evaluate(LOOK)
    assert outside(page) == []
    assert page.complaints() == []
    assert seen["theme"] == theme
    assert seen["unset"] == [] and seen["faulty"] == [] and seen["raw"] == []
    assert seen["missing"] == [] and seen["unnamed"] == []
    assert seen["overflow"] <= 0 and seen["wide"] == []
    if Path(name).stem in set(CHAPTERS) - {*OVERVIEWS, "your_network"}:
        assert seen["formulas"] > 0


def test_the_scoreboard_leads_to_what_it_names(page):
    page.visit(address("book/scoreboard.html"), 1400, "light")
    links = page.evaluate('[...document.querySelectorAll("article table a")].map((link) => link.getAttribute("href"))')
    assert links
    for name, _, anchor in (link.partition("#") for link in links):
        text = (HTML / "book" / name).read_text(encoding="utf-8")
        assert not anchor or f'id="{anchor}"' in text, f"{name}: no {anchor}"


def test_the_scoreboard_sorts_by_a_column_with_keys_alone(page):
    page.visit(address("book/scoreboard.html"), 1400, "light")
    column = """((column) => {
        const table = document.querySelector("table.sortable");
        return {
            sorted: [...table.tHead.rows[0].cells].map((head) => head.getAttribute("aria-sort")),
            keys: [...table.tBodies[0].rows].map((row) => Number(row.cells[column].dataset.sort)),
        };
    })(1)"""
    before = page.evaluate(column)
    assert set(before["sorted"]) == {None} and before["keys"] != sorted(before["keys"])
    for direction, reverse in (("ascending", False), ("descending", True)):
        page.evaluate('document.querySelectorAll("table.sortable th button")[1].focus()')
        enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
        for kind in ("keyDown", "keyUp"):
            page.send("Input.dispatchKeyEvent", type=kind, **enter)
        after = page.evaluate(column)
        assert after["sorted"] == [None] + [direction] + [None] * 2
        assert after["keys"] == sorted(before["keys"], reverse=reverse)


@pytest.mark.parametrize("name", sorted(path.name for path in (HTML / "slides").glob("*.print.html")))
def test_no_slide_is_higher_than_its_page(page, name):
    page.visit(address(f"slides/{name.replace('.print', '')}"), 1200, "light")
    high = """(() => [...document.querySelectorAll(".slides section")].filter((slide) => {
        slide.hidden = false;
        slide.style.display = "block";
        return slide.scrollHeight > 700;
    }).map((slide) => slide.textContent.slice(0, 60)))()"""
    assert page.evaluate(high) == []


def test_search_finds_a_word_from_disk(page):
    page.visit(address("search.html") + "?q=perplexity")
    links = '[...document.querySelectorAll("#search-results li a")].map((link) => link.href)'
    found = until(lambda: page.evaluate(links), "search found nothing")
    assert any("/book/glossary.html" in link for link in found)
    assert outside(page) == [] and page.complaints() == []
