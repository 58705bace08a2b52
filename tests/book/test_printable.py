"""The book on paper and as an e-book."""

import json
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import pytest
from printable import stand_still

TOUCHED = '<div class="layer-frame" hidden><svg viewBox="0 0 2 1" style="a"></svg></div>' + (
    '<div class="layer-frame"><svg aria-label="what it shows" viewBox="0 0 4 1" style="a"></svg></div>'
)


def read(builder, data, name="toy.ipynb"):
    cell = {"cell_type": "code", "metadata": {}, "outputs": [{"output_type": "display_data", "data": data}]}
    source = [json.dumps({"cells": [cell]})]
    env = SimpleNamespace(doc2path=lambda docname: name)
    stand_still(SimpleNamespace(builder=SimpleNamespace(name=builder), env=env), "toy", source)
    [cell] = json.loads(source[0])["cells"]
    return cell["outputs"][0]["data"], cell["metadata"]


@pytest.mark.parametrize("builder", ["singlehtml", "epub"])
def test_a_figure_to_touch_becomes_a_picture_with_its_words(builder):
    data, metadata = read(builder, {"text/html": TOUCHED, "text/plain": "x"})
    [(kind, drawn)] = data.items()
    assert kind == "image/svg+xml" and 'width="8" height="2"' in drawn
    assert metadata == {"mystnb": {"image": {"alt": "what it shows"}}}


@pytest.mark.parametrize("builder", ["singlehtml", "epub"])
def test_what_other_pages_show_of_a_chapter_is_a_picture_that_they_take(builder):
    glued = "application/papermill.record/"
    data, _ = read(builder, {f"{glued}text/html": TOUCHED, f"{glued}text/plain": "x"})
    [(kind, shown)] = data.items()
    assert kind == f"{glued}text/html"  # a drawing itself is refused there
    assert shown.startswith('<img alt="what it shows" src="data:image/svg+xml;base64,') and shown.endswith("/>")


@pytest.mark.parametrize(
    "builder, data", [("html", {"text/html": TOUCHED}), ("epub", {"text/html": "<table></table>"})]
)
def test_pages_keep_what_can_be_touched_and_tables_stay(builder, data):
    assert read(builder, data) == (data, {})


def test_other_pages_are_left_alone():
    source = ["# A page"]
    app = SimpleNamespace(builder=SimpleNamespace(name="epub"), env=SimpleNamespace(doc2path=lambda docname: "a.md"))
    stand_still(app, "a", source)
    assert source == ["# A page"]


def test_tables_are_well_formed_as_an_e_book_wants_them():
    table = "<style scoped>td > p { top: 0 }</style><table><tr><td>1<br>a &amp; b<td hidden>2</table>"
    data, _ = read("epub", {"text/html": table, "text/plain": "x"})
    assert data["text/plain"] == "x"
    root = ET.fromstring(f"<div>{data['text/html']}</div>")
    assert "1a & b" in "".join(root.itertext())
