"""The pages of the built book, as the tests look at them."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HTML = ROOT / "_build" / "html"
# Neither what packages bring nor the listings of source code, which hold no text of ours; slides are no pages and have
# tests of their own.
OURS = (path.relative_to(HTML) for path in HTML.rglob("*.html"))
PAGES = sorted(path.as_posix() for path in OURS if path.parts[0] not in ("_static", "_modules", "slides"))


def cannot(reason: str):
    """Skip on a reader's machine; fail where the whole suite must run."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


def address(name: str) -> str:
    return (HTML / name).as_uri()
