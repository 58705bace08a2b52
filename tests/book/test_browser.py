"""The browser of the tests itself: it must not be in a hurry, however busy the machine."""

import pytest
from browser import browser_page, find_browser

pytestmark = [
    pytest.mark.skipif(find_browser() is None, reason="no Chromium found"),
    pytest.mark.xdist_group("browser"),
]
LATE = "new Promise((done) => setTimeout(() => done(location.pathname), 300))"


@pytest.fixture(scope="module")
def page():
    with browser_page() as opened:
        yield opened


@pytest.fixture
def write(tmp_path):
    def to(name: str, script: str = "", head: str = "") -> str:
        path = tmp_path / name
        path.write_text(f"<!doctype html><head>{head}</head><body>{name}<script>{script}</script></body>")
        return path.as_uri()

    return to


def test_an_expression_whose_page_goes_elsewhere_has_the_value_of_where_it_went(page, write):
    write("second.html")
    page.open(write("first.html", "setTimeout(() => location.assign('second.html'), 100)"))
    assert page.evaluate(LATE).endswith("/second.html")


@pytest.mark.parametrize("script", ["location.replace('second.html')", ""], ids=["script", "meta"])
def test_a_page_that_leads_elsewhere_opens(page, write, script):
    write("second.html")
    head = "" if script else '<meta http-equiv="Refresh" content="0; url=second.html" />'
    page.open(write("first.html", script, head))
    assert page.evaluate(LATE).endswith("/second.html")


def test_the_load_event_of_the_page_before_is_not_taken_for_this_one_s(page, write):
    slow = "const end = Date.now() + 300; while (Date.now() < end);"
    for _ in range(3):
        page.send("Page.navigate", url=write("before.html"))  # and not waited for
        page.open(write("slow.html", f"{slow} window.whole = true"))
        assert page.evaluate("window.whole") is True


def test_an_error_in_the_page_is_raised_not_tried_again(page, write):
    page.open(write("first.html"))
    with pytest.raises(RuntimeError, match="nothing is not defined"):
        page.evaluate("nothing")


def test_an_address_that_is_not_there_is_an_error_not_a_wait(page, tmp_path):
    with pytest.raises(RuntimeError, match=r"missing\.html: net::ERR_FILE_NOT_FOUND"):
        page.open((tmp_path / "missing.html").as_uri())
