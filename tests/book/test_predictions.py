"""Predictions in a built page: choose, then see; kept in the browser, counted on another page, all by keys alone."""

import os
import subprocess
from pathlib import Path

import pytest
from browser import browser_page, find_browser
from small_site import build_site

pytestmark = pytest.mark.xdist_group("browser")

PAGE = """# A page

```{prediction} bet-one
:answer: 2
:figure: shown
:claim: 1.1

Heads or *tails*?

- Heads
- Tails

It was tails.
```

```{figure} dot.svg
:name: shown

A caption.
```

So it was.

## What comes next

Something else.

```{prediction} bet-two
:answer: 1
:claim: 1.2

And now?

- The queen
- The king

The queen.
```
"""
OTHER = "# Another\n\n```{calibration}\nNo bets yet.\n```\n"
DOT = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle r="4" cx="4" cy="4"/></svg>'


def build(folder: Path, page: str) -> subprocess.CompletedProcess:
    other = f"---\norphan: true\n---\n{OTHER}"
    return build_site(folder, {"index.md": page, "other.md": other, "dot.svg": DOT}, "predictions")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bets")
    built = build(folder, PAGE)
    assert built.returncode == 0, built.stderr
    return folder / "site"


@pytest.fixture
def page(site):
    if find_browser() is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium found")
    with browser_page() as opened:
        opened.visit((site / "index.html").as_uri())
        yield opened


SEEN = """({
    told: !!document.querySelector(".layer-bet-told").offsetParent,
    figure: !!document.getElementById("shown").offsetParent,
    after: [...document.querySelectorAll("p")]
        .filter((p) => p.offsetParent && /So it was|Something else/.test(p.textContent))
        .map((p) => p.textContent).join(" "),
    status: document.querySelector(".layer-bet-status").textContent,
})"""


ALL = {"told": True, "figure": True, "after": "So it was. Something else."}


def press(page, name: str, code: int, text: str = ""):
    for kind in ("keyDown", "keyUp"):
        more = {"text": text} if text and kind == "keyDown" else {}
        page.send("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code, **more)


def test_without_a_script_everything_is_there_to_read(site):
    text = (site / "index.html").read_text()
    assert 'data-answer="2"' in text and 'data-figure="shown"' in text and 'id="bet-one"' in text
    assert "Heads" in text and "It was tails." in text


def test_a_bet_by_keys_alone_shows_what_it_came_to_and_is_kept(page, site):
    assert page.evaluate(SEEN) == {"told": False, "figure": False, "after": "Something else.", "status": ""}
    page.evaluate('document.querySelector(".layer-bet-buttons button").focus()')
    press(page, "Enter", 13, "\r")
    assert page.evaluate(SEEN)["status"] == "Choose one of them first."
    page.evaluate('document.querySelector(".layer-bet input").focus()')
    press(page, "ArrowDown", 40)
    press(page, "Tab", 9)
    press(page, "Tab", 9)
    press(page, "Enter", 13, "\r")
    assert page.evaluate(SEEN) == ALL | {"status": "Your bet (fairly sure) was right."}
    page.visit((site / "index.html").as_uri())
    assert page.evaluate(SEEN)["told"]
    page.visit((site / "other.html").as_uri())
    cells = '[...document.querySelectorAll(".layer-calibration td")].map((cell) => cell.textContent)'
    assert page.evaluate(cells) == ["fairly sure", "70 %", "1", "100 %"]
    assert page.complaints() == [] and all(url.startswith("file:") for url in page.requests())
    page.evaluate('document.querySelector(".layer-calibration button").click()')
    page.visit((site / "other.html").as_uri())
    assert page.evaluate('document.querySelector(".layer-calibration").textContent.trim()') == "No bets yet."


def test_who_does_not_bet_or_comes_for_the_figure_sees_it(page, site):
    page.evaluate('new Promise((done) => { addEventListener("hashchange", done); location.hash = "shown"; })')
    assert page.evaluate(SEEN)["figure"]
    page.visit((site / "other.html").as_uri())
    page.visit((site / "index.html").as_uri())
    page.evaluate('[...document.querySelectorAll("#bet-one .layer-bet-buttons button")].at(-2).click()')
    assert page.evaluate(SEEN) == ALL | {"status": "Shown without a bet."}


def test_a_closed_bet_says_what_it_keeps_closed_and_one_button_opens_all_of_a_page(page):
    told = '[...document.querySelectorAll(".layer-bet-buttons p")].map((each) => each.textContent)'
    assert page.evaluate(told) == [
        "Closed until you bet: a figure and 1 paragraph of text.",
        "Closed until you bet: the answer.",
    ]
    page.evaluate('[...document.querySelectorAll(".layer-bet-buttons button")].at(-1).focus()')
    press(page, "Enter", 13, "\r")
    assert page.evaluate(SEEN) == ALL | {"status": "Shown without a bet."}
    assert page.evaluate('[...document.querySelectorAll(".layer-bet-told")].every((each) => each.offsetParent)')
    assert page.evaluate("document.activeElement.textContent") == "Shown without a bet.", "the keyboard goes on there"
    assert page.evaluate(told) == [] and page.complaints() == []


def test_on_paper_all_bets_are_open(page):
    page.send("Emulation.setEmulatedMedia", media="print")
    assert page.evaluate(SEEN) == ALL | {"status": ""}
    page.send("Emulation.setEmulatedMedia", media="")
    assert not page.evaluate(SEEN)["figure"]


def test_a_bet_that_was_made_stays_told_when_a_link_leads_to_its_figure(page):
    page.evaluate('document.querySelector(".layer-bet input").click()')
    page.evaluate('document.querySelector(".layer-bet-buttons button").click()')
    page.evaluate('new Promise((done) => { addEventListener("hashchange", done); location.hash = "shown"; })')
    assert page.evaluate(SEEN)["status"] == "Your bet (a guess) was wrong."


def test_every_control_has_a_name_and_the_choices_are_one_group(page):
    names = page.evaluate("""[...document.querySelectorAll(".layer-bet input, .layer-bet button")]
        .map((each) => (each.labels?.[0] || each).textContent.trim())""")
    buttons = ["a guess", "fairly sure", "certain", "show without a bet", "show all on this page"]
    assert names == ["Heads", "Tails", *buttons, "The queen", "The king", *buttons]
    assert page.evaluate('document.querySelector(".layer-bet fieldset legend").textContent') == "Your bet"


@pytest.mark.parametrize("wrong", [("- Heads\n- Tails\n", "Nothing to choose.\n"), (":answer: 2", ":answer: 3")])
def test_a_prediction_without_choices_or_with_no_such_answer_is_refused(tmp_path, wrong):
    built = build(tmp_path, PAGE.replace(*wrong))
    assert built.returncode != 0 and "prediction bet-one: expected a list of choices" in built.stderr
