"""Show every chapter as it last ran.

A chapter is kept without outputs. `make book` runs it into `_build/executed/`, and Sphinx reads that copy here in
place of the source: its outputs, its run time, and the values of the parameters that it really ran with.
"""

import ast
import json
from itertools import accumulate
from pathlib import Path

from myst_nb.ext.execution_tables import _key2transform
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)


def show_executed(app, docname, source):
    """Swap a chapter's source for its executed copy; warn where that is missing or not a complete run."""
    chapter = Path(app.env.doc2path(docname))
    if chapter.suffix != ".ipynb":
        return
    executed = Path(app.srcdir, "_build", "executed", chapter.name)
    app.env.note_dependency(str(executed))
    if not executed.exists():
        LOGGER.warning("%s is missing: `make book` runs the chapter", executed, location=docname)
        return
    notebook = json.loads(executed.read_text(encoding="utf-8"))
    run = notebook["metadata"].get("papermill", {})
    # A failed cell sets the one; the other stays empty where papermill was killed, or never ran.
    succeeded = not run.get("exception") and bool(run.get("end_time"))
    if not succeeded:
        LOGGER.warning("%s did not run to its end", executed, location=docname)
    show_parameters(notebook)
    source[0] = json.dumps(notebook)
    NbMetadataCollector.set_exec_data(
        app.env,
        docname,
        {
            "mtime": executed.stat().st_mtime,
            "method": "papermill",
            "runtime": run.get("duration"),
            "succeeded": succeeded,
            "error": None if succeeded else "did not run to its end",
            "traceback": None,
        },
    )


def show_parameters(notebook):
    """Write the injected values into the parameters cell, and drop the cell that injected them."""
    injected = notebook["metadata"].get("papermill", {}).get("parameters", {})
    kept = []
    for cell in notebook["cells"]:
        tags = cell["metadata"].get("tags", [])
        if "injected-parameters" in tags:
            continue
        if "parameters" in tags:
            cell["source"] = with_values("".join(cell["source"]), injected)
        kept.append(cell)
    notebook["cells"] = kept


def with_values(code, values):
    """Replace the values of simple assignments in `code`; types and comments stay."""
    text = code.encode()  # ast counts bytes
    starts = [0, *accumulate(map(len, text.splitlines(keepends=True)))]
    for statement in reversed(ast.parse(code).body):
        target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
        if isinstance(target, ast.Name) and target.id in values and (old := statement.value):
            before = text[: starts[old.lineno - 1] + old.col_offset]
            after = text[starts[old.end_lineno - 1] + old.end_col_offset :]
            text = before + repr(values[target.id]).encode() + after
    return text.decode()


def setup(app):
    # The table of run times has emoji for this, which many machines have no font for.
    _key2transform["succeeded"] = lambda succeeded: "finished" if succeeded else "failed"
    app.connect("source-read", show_executed)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
