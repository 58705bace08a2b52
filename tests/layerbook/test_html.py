"""Tables: whatever is put in comes out as the text it was."""

import html
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerbook import _html
from layerbook.claims import NOT_RECORDED, judged
from layerbook.verdicts import shown, undecided

# A parser joins a carriage return with what follows, and drops what HTML does not have.
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]))


class Cells(HTMLParser):
    """The text, the sort key and the tags of each cell."""

    def __init__(self, page: str):
        super().__init__()
        self.texts, self.keys, self.tags = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag in ("td", "th"):
            self.texts.append("")
            self.keys.append(dict(attributes).get("data-sort"))

    def handle_data(self, data):
        if self.texts:
            self.texts[-1] += data


@given(heads=st.lists(TEXTS, min_size=2, max_size=2), rows=st.lists(st.tuples(TEXTS, TEXTS), max_size=3), key=TEXTS)
def test_every_text_comes_back_as_it_was(heads, rows, key):
    page = Cells(_html.table(heads, [[(first, key), second] for first, second in rows], "kind"))
    assert page.texts == [*heads, *(text for row in rows for text in row)]
    assert page.keys == [None, None, *[key, None] * len(rows)]
    assert set(page.tags) <= {"div", "table", "thead", "tbody", "tr", "th", "td"}


@given(here=TEXTS.filter(str.strip), note=TEXTS)
def test_a_verdict_shows_what_was_measured_as_text(here, note):
    claim = judged("1", "s", "p", here, [shown("a", True)], "paper")
    page = Cells(_html.table(["h"], [[_html.verdict(claim, note)]], ""))
    assert page.texts[1] == f"holds, at the paper's size{here}{note}"
    folds = {"details", "summary", "strong", "br", "small"}
    assert set(page.tags) <= {"div", "table", "thead", "tbody", "tr", "th", "td"} | folds


@given(address=TEXTS, text=TEXTS)
def test_a_link_is_one_tag(address, text):
    assert _html.link(address, text) == f'<a href="{html.escape(address)}">{html.escape(text)}</a>'


@pytest.mark.parametrize("cells", [("a",), ("a", ""), ("", "a")])
def test_empty_texts_leave_no_empty_line(cells):
    assert _html.joined(*cells) == "a"


def test_a_verdict_opens_to_its_numbers_and_says_why_it_is_undecided():
    claim = judged("1", "s", "p", "x = 3", [undecided("a", "dead")], "smaller")
    head, _, folded = _html.verdict(claim, "a note").partition("</summary>")
    assert head.startswith("<details><summary><strong") and head.endswith(">undecided</strong>, at a smaller size")
    assert folded == "x = 3<br>Undecided because: a: dead<br><small>a note</small></details>"


def test_a_claim_that_is_missing_says_so():
    assert _html.verdict(None) == NOT_RECORDED


def test_formulas_are_left_alone():
    assert "mathjax_ignore" in _html.table(["costs $1 to $2"], [], "")
