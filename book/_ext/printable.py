"""Let the whole book be one page, to be printed, or an EPUB.

Sphinx asks extensions how to show their nodes by the builder's name, and only where nobody has answered by that name
for all HTML. One extension that answers for ``singlehtml`` hides the others' answers; here they are put beside it.
And nothing is touched there: a figure with tabs and sliders is the picture that it shows first.
"""

import base64
import html
import json

from bs4 import BeautifulSoup

import layerlib
from layerbook.still import still

GLUED = "application/papermill.record/"


def complete(app):
    if app.builder.name == "epub":
        app.config.version = layerlib.__version__  # which its standard asks for
    handlers = app.registry.translation_handlers
    if app.builder.format == "html" and app.builder.name in handlers:
        handlers[app.builder.name] = {**handlers.get("html", {}), **handlers[app.builder.name]}


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
    if app.builder.name not in ("singlehtml", "epub") or not str(app.env.doc2path(docname)).endswith(".ipynb"):
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


def setup(app):
    app.connect("builder-inited", complete)
    app.connect("source-read", stand_still, priority=900)  # after the executed chapter has taken its place
    return {"parallel_read_safe": True, "parallel_write_safe": True}
