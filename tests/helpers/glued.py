"""Outputs as a run leaves them for the prose."""

from nbformat import NotebookNode
from nbformat.v4 import new_output


def glued(name: str, text: str) -> NotebookNode:
    """The output by which a value, as text, goes to the prose under a name."""
    told = {"scrapbook": {"name": name, "mime_prefix": "application/papermill.record/"}}
    return new_output("display_data", {"application/papermill.record/text/plain": text}, metadata=told)
