"""Pages with a part that comes from records: a line ``% generated: NAME`` is where it stands."""

from pathlib import Path

from layerbook import drift, passport

PARTS = {
    "passport": lambda root: passport.page(root / "book"),
    "drift": lambda root: drift.page(root / "book", root / "_build" / "executed"),
}
MARK = "% generated: "


def fill_in(app, docname, source):
    root = Path(app.srcdir)
    for name, made in PARTS.items():
        if MARK + name in source[0]:
            source[0] = source[0].replace(MARK + name, made(root))
            for record in sorted((root / "book" / "records").glob("*.json")):
                app.env.note_dependency(str(record))


def write_metadata(app, exception):
    if app.builder.name == "html" and exception is None:
        passport.write(Path(app.srcdir, "book"), Path(app.outdir, "_downloads"))


def setup(app):
    app.connect("source-read", fill_in)
    app.connect("build-finished", write_metadata)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
