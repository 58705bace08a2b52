import pytest
from browser import browser_page, find_browser
from pages import PAGES, cannot


@pytest.fixture(scope="session")
def page():
    if not PAGES:
        cannot("the book is not built: make book")
    if find_browser() is None:
        cannot("no Chromium found: install chromium to test the built book's pages")
    with browser_page() as opened:
        yield opened
