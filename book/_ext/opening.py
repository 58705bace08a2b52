"""A chapter's first box, with the minutes that it takes to read, and how hard each exercise is."""

import json
import re
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective
from sphinx_exercise.nodes import exercise_enumerable_node, exercise_node

from layerbook.editions import notes_of

WORDS_A_MINUTE = 200


class Opening(SphinxDirective):
    """``{opening}``: what a reader can take away in one minute."""

    has_content = True

    def run(self):
        box = nodes.admonition(classes=["layer-opening"])
        box += nodes.title("", "In one minute")
        self.state.nested_parse(self.content, self.content_offset, box)
        box += nodes.paragraph("", self._times(), classes=["layer-times"])
        return [box]

    def _times(self):
        chapter = Path(self.env.doc2path(self.env.docname))
        executed = Path(self.env.srcdir, "_build", "executed", chapter.name)
        notebook = json.loads((executed if executed.exists() else chapter).read_text(encoding="utf-8"))
        prose = "".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
        minutes = -(-len(re.findall(r"\w+", prose)) // WORDS_A_MINUTE)
        ran = notebook["metadata"].get("papermill", {}).get("duration")
        return f"{minutes} minutes to read" + (f" · {ran:.0f} seconds to run, here" if ran else "")


def levels(app, doctree):
    """Put level and minutes below the title of each exercise, from what teachers are told about it."""
    page = Path(app.env.doc2path(app.env.docname))
    told = page.parent / "teach" / f"{page.stem}.yaml"
    if told.is_file():
        app.env.note_dependency(str(told))
    notes = notes_of(told)
    for node in doctree.findall(lambda each: isinstance(each, (exercise_node, exercise_enumerable_node))):
        note = notes.get(node.get("label", ""), {})
        if "minutes" in note:
            told = f"Level {note['level']} of 3, about {note['minutes']} minutes."
            at = next((i for i, child in enumerate(node) if isinstance(child, nodes.section)), None)
            where = node if at is None else node[at]
            where.insert(0 if at is not None else 1, nodes.paragraph("", told, classes=["layer-times"]))


def setup(app):
    app.add_directive("opening", Opening)
    app.connect("doctree-read", levels)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
