"""Stored files that a portable notebook brings along: it is downloaded alone."""

import base64
import re
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

_NAMED = re.compile(r'"(inspections/[\w.-]+)"')
_UNPACK = """\
# Stored files that this notebook reads, written beside it.
import base64
from pathlib import Path

for name, coded in {files}.items():
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_bytes(base64.b64decode(coded))
"""


def carry(notebook: NotebookNode, book: Path) -> None:
    """Let a notebook write the stored inspections that its code names, in a folded cell after its first one.

    Parameters
    ----------
    notebook : is changed, where it names any
    book : folder of the chapters, with ``inspections``
    """
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    names = sorted({name for name in _NAMED.findall(code) if (book / name).is_file()})
    if names:
        files = {name: base64.b64encode((book / name).read_bytes()).decode() for name in names}
        folded = {"jupyter": {"source_hidden": True}, "cellView": "form"}
        notebook.cells.insert(1, new_code_cell(_UNPACK.format(files=files), id="carried", metadata=folded))
