"""The book on paper and as an e-book."""

import json
import re
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import pytest
from docutils.nodes import math
from printable import THIN, mathml, on_paper, stand_still
from small_site import build_site

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


FORMULAS = """# A page

In a line {math}`\\tfrac{1}{2} < x`, and set apart:

```{math}
:label: half
\\mathbf{y} = \\sum_i x_i
```
"""


@pytest.mark.parametrize("builder, script", [("html", True), ("singlehtml", False)])
def test_formulas_on_paper_need_no_script(builder, script, tmp_path):
    built = build_site(tmp_path, {"index.md": FORMULAS}, "printable", builder=builder)
    assert built.returncode == 0, built.stderr
    page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert bool(re.search(r'<script[^>]+src="[^"]*mathjax', page)) == script
    set_there = [ET.fromstring(each) for each in re.findall(r"(?s)<math\b.*?</math>", page)]
    assert [each.get("display") for each in set_there] == ([] if script else ["inline", "block"])
    assert [bool(each.findall(".//{*}mfrac")) for each in set_there] == ([] if script else [True, False])
    assert 'id="equation-half"' in page and re.search(r'class="eqno">\(1\)', page)


@pytest.mark.parametrize(
    "tex, spaces", [(r"\ln 3", 1), (r"y_i \log p_i", 2), (r"-\ln \frac{1}{2}", 1), (r"\log(p)", 0), ("x^2", 0)]
)
def test_the_name_of_a_function_stands_apart(tex, spaces):
    formula = mathml(math("", tex), "inline")
    ET.fromstring(formula)
    assert formula.count(THIN) == spaces


def paper(builder, body, page="book/teach/plan"):
    app = SimpleNamespace(
        builder=SimpleNamespace(name=builder, out_suffix={"epub": ".xhtml"}.get(builder, ".html")),
        env=SimpleNamespace(found_docs={"book/intro", "book/toy", "book/teach/plan"}),
    )
    context = {"body": body}
    on_paper(app, page, "page.html", context, None)
    return context["body"]


LINKS = [
    ("../toy.html#f1", "../toy.xhtml#f1", "#f1"),
    ("../toy.html", "../toy.xhtml", "#document-book/toy"),
    ("../toy.xhtml", "../toy.xhtml", "../toy.xhtml"),
    ("https://a.org/b.html", "https://a.org/b.html", "https://a.org/b.html"),
    ("#here", "#here", "#here"),
    ("../../slides/toy.html", None, None),
    ("../../_downloads/student.zip", None, None),
]


@pytest.mark.parametrize("address, book, whole", LINKS)
def test_links_lead_where_they_lead_on_pages_or_are_none(address, book, whole):
    for builder, expected in (("epub", book), ("singlehtml", whole)):
        wanted = f'<a href="{expected}">x</a>' if expected else "x"
        assert paper(builder, f'<a href="{address}">x</a>') == wanted


def test_one_page_leads_to_itself():
    assert paper("singlehtml", '<a href="book/intro.html#f1">x</a>', "book/intro") == '<a href="#f1">x</a>'


def test_boxes_are_open_and_hidden_code_is_not_there():
    body = '<details class="hide above-input">code</details><details class="sd">text</details><script>1</script>'
    assert paper("epub", body) == '<details class="sd" open="open">text</details>'
    assert paper("html", body) == body


def test_what_many_boxes_are_called_is_no_name_of_one():
    assert paper("epub", '<div id="proof-content"><p id="p">x</p></div>') == '<div><p id="p">x</p></div>'
