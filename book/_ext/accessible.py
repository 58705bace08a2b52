"""Mend what Sphinx and its theme leave out for those who read by keyboard or by ear.

It is done to the finished pages, because some of it stands in templates and some in what notebooks put out.
"""

import re
from pathlib import Path

MENDS = [
    # An empty cell heads nothing.
    (re.compile(r"<th\b([^>]*)>\s*(?:<p>\s*</p>)?\s*</th>"), r"<td\1></td>"),
    # What opens a part of the contents has no name of its own. Without the first mark, a picture, which is one word of
    # a million letters, would be searched from each of them.
    (re.compile(r">([^<>]+)</a><details([^>]*)><summary>"), r'>\1</a><details\2><summary aria-label="Pages of \1">'),
    # Roles that are deprecated, or stand where they may not.
    (re.compile(r' role="doc-biblioentry"'), ""),
    (re.compile(r'<div role="list" class="citation-list">'), '<div class="citation-list">'),
]


def mend(app, error):
    if error or app.builder.format != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        text = mended = path.read_text(encoding="utf-8")
        for fault, right in MENDS:
            mended = fault.sub(right, mended)
        if mended != text:
            path.write_text(mended, encoding="utf-8")


def setup(app):
    app.connect("build-finished", mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
