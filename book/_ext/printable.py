"""Let the whole book be one page, to be printed, or an EPUB.

Sphinx asks extensions how to show their nodes by the builder's name, and only where nobody has answered by that name
for all HTML. One extension that answers for ``singlehtml`` hides the others' answers; here they are put beside it.
"""


def complete(app):
    handlers = app.registry.translation_handlers
    if app.builder.format == "html" and app.builder.name in handlers:
        handlers[app.builder.name] = {**handlers.get("html", {}), **handlers[app.builder.name]}


def setup(app):
    app.connect("builder-inited", complete)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
