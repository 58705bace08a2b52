"""A word of the glossary says on a card what it means: by pointer, keys or touch; without a script, as a title."""

import os

import pytest
from browser import browser_page, find_browser
from small_site import build_site

pytestmark = pytest.mark.xdist_group("browser")
PAGE = """# A page

A {term}`node` is on, or two {term}`nodes <node>` are; see [elsewhere](words.md).

{filler}

The last {term}`layer`.
"""
WORDS = """---
orphan: true
---
# Words

```{glossary}
node
  What computes from a
  {term}`layer` "below".

layer
  All nodes of one depth.
```
"""
MEANING = "What computes from a layer “below”."
CARD = """(() => { const card = document.getElementById("layer-card"), box = card.getBoundingClientRect();
    return { text: card.hidden ? null : card.textContent, inside: card.hidden ||
        box.left >= 0 && box.right <= innerWidth && box.top >= 0 && box.bottom <= innerHeight }; })()"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    pages = {"index.md": PAGE.replace("{filler}", "Much text.\n\n" * 60), "words.md": WORDS}
    built = build_site(folder, pages, "hover_cards")
    assert built.returncode == 0, built.stderr
    for page in (folder / "site").glob("*.html"):  # the theme of the book calls the text of a page so
        page.write_text(page.read_text().replace('<div class="body"', '<div class="body bd-article"'))
    return folder / "site"


@pytest.fixture
def page(site):
    if find_browser() is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium found")
    with browser_page() as opened:
        opened.visit((site / "index.html").as_uri(), width=390)
        yield opened


def middle(page, at: int) -> dict[str, float]:
    return page.evaluate(f"""(() => {{ const link = document.querySelectorAll(".layer-term")[{at}];
        link.scrollIntoView({{ block: "nearest" }}); const box = link.getClientRects()[0];
        return {{ x: box.left + box.width / 2, y: box.top + box.height / 2 }}; }})()""")


def moved(page, **to):
    page.send("Input.dispatchMouseEvent", type="mouseMoved", **to)
    page.evaluate("new Promise((done) => setTimeout(done, 600))")
    return page.evaluate(CARD)


def test_without_a_script_a_link_has_the_meaning_as_its_title(site):
    text = (site / "index.html").read_text()
    assert text.count(f'title="{MEANING}"') == 2 and text.count('title="All nodes of one depth."') == 1
    assert 'title="All nodes of one depth."' not in (site / "words.html").read_text()


def test_the_pointer_brings_the_card_and_may_rest_on_it(page):
    assert moved(page, x=1, y=1) == {"text": None, "inside": True}
    word = middle(page, 0)
    assert moved(page, **word) == {"text": MEANING, "inside": True}
    on_card = page.evaluate("""(() => { const box = document.getElementById("layer-card").getBoundingClientRect();
        return { x: box.left + 5, y: box.top + 5 }; })()""")
    assert moved(page, **on_card)["text"] == MEANING
    assert moved(page, x=1, y=1)["text"] is None
    assert moved(page, **middle(page, 2)) == {"text": "All nodes of one depth.", "inside": True}
    assert page.complaints() == [] and all(url.startswith("file:") for url in page.requests())


def test_keys_alone_open_and_close_it_and_it_is_read_out(page):
    page.evaluate('document.querySelector(".layer-term").focus({ focusVisible: true })')
    assert page.evaluate(CARD)["text"] == MEANING
    described = 'document.getElementById(document.activeElement.getAttribute("aria-describedby"))?.role'
    assert page.evaluate(described) == "tooltip"
    for kind in ("keyDown", "keyUp"):
        page.send("Input.dispatchKeyEvent", type=kind, key="Escape", code="Escape", windowsVirtualKeyCode=27)
    assert page.evaluate(CARD)["text"] is None and page.evaluate(described) is None


def test_a_first_tap_shows_it_and_a_second_one_follows_the_link(page):
    page.send("Emulation.setTouchEmulationEnabled", enabled=True)
    word = middle(page, 0)
    tap(page, word)
    assert page.evaluate(CARD)["text"] == MEANING
    tap(page, word)
    assert (
        page.evaluate("""new Promise((done) => { const look = () =>
        location.pathname.endsWith("words.html") ? done(location.hash) : setTimeout(look, 50); look(); })""")
        == "#term-node"
    )


def tap(page, at):
    page.send("Input.dispatchTouchEvent", type="touchStart", touchPoints=[at])
    page.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    page.evaluate("new Promise((done) => setTimeout(done, 400))")
