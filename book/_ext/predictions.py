"""Predictions: a reader chooses before a figure is shown; the page keeps the bets in the browser.

A ``{prediction}`` has a question, a list of choices, and then what is told once a choice was made. Without a script all
of it is text. ``{calibration}`` is where the page shows what the bets came to.
"""

from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective


class bet(nodes.General, nodes.Element):
    """A prediction; its attributes are those of the page's element."""


class Prediction(SphinxDirective):
    """``{prediction} LABEL`` with the options ``answer`` (place of the right choice, from 1), ``figure``, ``claim``."""

    required_arguments = 1
    has_content = True
    option_spec: ClassVar = {
        "answer": directives.positive_int,
        "figure": directives.unchanged,
        "claim": directives.unchanged,
    }

    def run(self):
        node = bet(name=self.arguments[0], **self.options)
        self.state.nested_parse(self.content, self.content_offset, node)
        choices = [child for child in node if isinstance(child, nodes.bullet_list)]
        if not choices or not 1 <= self.options.get("answer", 0) <= len(choices[0]):
            raise self.error(f"prediction {node['name']}: expected a list of choices, and the place of the right one")
        at = node.index(choices[0])
        told = nodes.container("", *node[at + 1 :], classes=["layer-bet-told"])
        asked = nodes.container("", *node[:at], classes=["layer-bet-asked"])
        node.children = []
        node += [asked, choices[0], told]
        return [node]


class Calibration(SphinxDirective):
    """Where the page counts how often the reader was right, by how sure they were."""

    has_content = True

    def run(self):
        node = nodes.container(classes=["layer-calibration"])
        self.state.nested_parse(self.content, self.content_offset, node)
        return [node]


def visit(self, node):
    told = {f"data-{name}": str(node[name]) for name in ("answer", "figure", "claim") if name in node}
    self.body.append(self.starttag(node, "section", CLASS="layer-bet", ids=[node["name"]], **told))


def depart(self, node):
    self.body.append("</section>\n")


def skip(self, node):
    pass


def setup(app):
    app.add_node(bet, html=(visit, depart), latex=(skip, skip), text=(skip, skip))
    app.add_directive("prediction", Prediction)
    app.add_directive("calibration", Calibration)
    app.add_js_file("predictions.js", loading_method="defer")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
