"""Let the whole book be one page, to be printed, or an EPUB.

Formulas are MathML there: an e-book runs no script, and one page with all of them has no need of one.

Sphinx asks extensions how to show their nodes by the builder's name, and only where nobody has answered by that name
for all HTML. One extension that answers for ``singlehtml`` hides the others' answers; here they are put beside it.
And nothing is touched there: a figure with tabs and sliders is the picture that it shows first, boxes are open, and
code that pages hide is not there.
"""

import base64
import html
import json
import posixpath
import re

from bs4 import BeautifulSoup
from docutils.nodes import SkipNode
from latex2mathml.converter import convert
from sphinx.util.math import get_node_equation_number

import layerlib
from layerbook.still import still

GLUED = "application/papermill.record/"
ALONE = ("singlehtml", "epub")
THIN = '<mspace width="0.167em" />'


def complete(app):
    if app.builder.name in ALONE:  # Sphinx takes the one that is not MathJax
        app.add_html_math_renderer("mathml", (in_line, None), (displayed, None))
    if app.builder.name == "epub":
        app.config.version = layerlib.__version__  # which its standard asks for
    handlers = app.registry.translation_handlers
    if app.builder.format == "html" and app.builder.name in handlers:
        handlers[app.builder.name] = {**handlers.get("html", {}), **handlers[app.builder.name]}


def mathml(node, display):
    """A formula; the name of a function stands apart from what is beside it, as in TeX."""
    formula = convert(node.astext(), display=display)
    formula = re.sub(r"(<mi>(?:ln|log)</mi>)(?=<m[^o])", rf"\1{THIN}", formula)
    return re.sub(r"(</m(?:i|n|sub|sup)>)(?=<mi>(?:ln|log)</mi>)", rf"\1{THIN}", formula)


def in_line(self, node):
    self.body.append(mathml(node, "inline"))
    raise SkipNode


def displayed(self, node):
    self.body.append(self.starttag(node, "div", CLASS="math"))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})</span>')
    self.body.append(f"{mathml(node, 'block')}</div>")
    raise SkipNode


def alone(shown):
    return {shown.kind: base64.b64decode(shown.coded).decode() if shown.kind == "image/svg+xml" else shown.coded}


def well_formed(data):
    """An EPUB is XML: what HTML leaves open is closed."""
    kinds = [kind for kind in data if kind.endswith("text/html")]
    return {kind: str(BeautifulSoup("".join(data[kind]), "html.parser")) for kind in kinds}


def glued(shown):
    """Other pages take text of HTML, and no drawings."""
    image = f'<img alt="{html.escape(shown.says)}" src="data:{shown.kind};base64,{shown.coded}"/>'
    return {f"{GLUED}text/html": image}


def stand_still(app, docname, source):
    if app.builder.name not in ALONE or not str(app.env.doc2path(docname)).endswith(".ipynb"):
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            before = GLUED if any(kind.startswith(GLUED) for kind in output.get("data", {})) else ""
            shown = still({kind.removeprefix(before): told for kind, told in output.get("data", {}).items()})
            if shown is None:
                output.get("data", {}).update(well_formed(output.get("data", {})))
                continue
            output["data"] = glued(shown) if before else alone(shown)
            if shown.says:
                cell["metadata"].setdefault("mystnb", {}).setdefault("image", {}).setdefault("alt", shown.says)
    source[0] = json.dumps(notebook)


def on_paper(app, pagename, templatename, context, doctree):
    if app.builder.name not in ALONE or "body" not in context:
        return
    body = BeautifulSoup(context["body"], "html.parser")
    for node in body.select("details.above-input, script, style, summary svg"):
        node.decompose()
    for node in body("details"):
        node["open"] = "open"
    for node in body.select("#proof, #proof-content, #exercise-content, #solution-content"):  # given to many
        del node["id"]
    for node in body.select("[valign], [role=doc-biblioentry]"):
        del node["valign"], node["role"]
    for node in body.select("a[href]"):
        lead(node, app, pagename)
    context["body"] = str(body)


def lead(link, app, pagename):
    """A link that was written for pages leads to the same place here; one to what is not here is none."""
    address, _, place = link["href"].partition("#")
    stem, kind = posixpath.splitext(address)
    if ":" in address or kind not in (".html", ".json", ".yml", ".zip"):
        return
    beside = posixpath.normpath(posixpath.join(posixpath.dirname(pagename), stem))
    name = next((each for each in (stem, beside) if each in app.env.found_docs), None)
    if name is None:
        link.unwrap()
    elif app.builder.name == "singlehtml":
        link["href"] = f"#{place or f'document-{name}'}"
    else:
        link["href"] = link["href"].replace(kind, app.builder.out_suffix, 1)


def setup(app):
    app.connect("builder-inited", complete, priority=100)  # before MathJax is brought
    app.connect("source-read", stand_still, priority=900)  # after the executed chapter has taken its place
    app.connect("html-page-context", on_paper, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
