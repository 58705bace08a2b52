"""Pages with a part that is made when they are built: a line ``% generated: NAME WHAT ...`` is where it stands."""

import re
from pathlib import Path

from layerbook import drift, lesson, passport

PARTS = {
    "passport": lambda root, page: passport.page(root / "book"),
    "drift": lambda root, page: drift.page(root / "book", root / "_build" / "executed"),
    "times": lesson.times,
    "exercises": lesson.exercises,
}
READ = ("book/records/*.json", "book/drift/*.json", "book/teach/*.yaml", "_build/executed/*.ipynb")
MARK = re.compile(r"(?m)^% generated: (\w+) *(.*)$")


def fill_in(app, docname, source):
    root, page = Path(app.srcdir), source[0]
    source[0] = MARK.sub(lambda found: PARTS[found[1]](root, page, *found[2].split()), page)
    if source[0] != page:
        for path in (each for kind in READ for each in root.glob(kind)):
            app.env.note_dependency(str(path))


def write_metadata(app, exception):
    if app.builder.name == "html" and exception is None:
        passport.write(Path(app.srcdir, "book"), Path(app.outdir, "_downloads"))


def setup(app):
    app.connect("source-read", fill_in)
    app.connect("build-finished", write_metadata)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
