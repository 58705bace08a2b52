"""Running chapters again: their parameters, checked values, papermill, and what the run reported."""

import ast
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nbformat
import papermill
import zmq
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError
from traitlets import default

from layerbook.record import MIME
from layerlib._files import replacing

_SCALARS = {"int": int, "float": float, "bool": bool, "str": str}


class CellFailed(Exception):
    """A cell of a chapter raised; the message names the cell, and the executed notebook was kept."""


class ThisInterpreter(AsyncKernelManager):
    """Kernels of the Python that runs now, whatever kernels named ``python3`` the reader has registered."""

    @default("kernel_spec_manager")
    def _kernel_spec_manager_default(self) -> KernelSpecManager:
        # Without folders to search, only ipykernel's own specification is left: it starts sys.executable.
        return KernelSpecManager(parent=self.parent, kernel_dirs=[])

    @default("transport_encryption")
    def _transport_encryption_default(self) -> str:
        # Without it every kernel warns, on the reader's terminal, that others could read along.
        return "auto" if zmq.has("curve") else "disabled"


@dataclass(frozen=True)
class Parameter:
    """A parameter of a chapter: its name, type as written, default value, and explaining comment."""

    name: str
    kind: str
    default: object
    help: str


@dataclass(frozen=True)
class Chapter:
    """A notebook that can be run again: its path, first heading, and parameters by name."""

    path: Path
    title: str
    parameters: dict[str, Parameter]


def _kind_of(value: object) -> str:
    """The annotation that a default would have had."""
    if isinstance(value, list):
        kinds = {_kind_of(item) for item in value}
        return f"list[{kinds.pop()}]" if len(kinds) == 1 else "list"
    return type(value).__name__


def _parameter(seen: Mapping[str, str]) -> Parameter:
    try:
        value = ast.literal_eval(seen["default"])
    except (SyntaxError, ValueError):
        value = seen["default"]
    written = seen["inferred_type_name"]
    return Parameter(seen["name"], _kind_of(value) if written == "None" else written, value, seen["help"])


def read_chapter(path: Path) -> Chapter | None:
    """Read a notebook's title and parameters; None where no cell is tagged ``parameters``.

    Raises
    ------
    ValueError
        if the file is not a notebook
    """
    try:
        notebook = nbformat.read(path, as_version=4)
    except (ValueError, nbformat.ValidationError) as error:
        raise ValueError(f"{path}: not a notebook: {str(error).splitlines()[0]}") from None
    if not any("parameters" in cell.metadata.get("tags", []) for cell in notebook.cells):
        return None
    # papermill wants a language to choose its parser by; the book's chapters are all Python.
    notebook.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
    seen = papermill.inspect_notebook(notebook).values()
    texts = (cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    heading = next((found for text in texts if (found := re.search(r"^#+ +(.+)$", text, re.M))), None)
    title = heading.group(1).strip() if heading else path.stem
    return Chapter(path, title, {p["name"]: _parameter(p) for p in seen})


def chapters(book: Path) -> dict[str, Chapter]:
    """Return the chapters of a book by name: notebooks with a cell tagged ``parameters``."""
    found = {path.stem: read_chapter(path) for path in sorted(book.glob("*.ipynb"))}
    return {name: chapter for name, chapter in found.items() if chapter is not None}


def checked(value: object, kind: str, name: str) -> object:
    """Return a value as its parameter's type wants it.

    Parameters
    ----------
    value : as YAML gave it
    kind : ``int``, ``float`` (takes an int, and ``1e-3``, which is text to YAML), ``bool``, ``str``, ``list``
        or ``list[...]`` of these
    name : the parameter's, for the error

    Raises
    ------
    ValueError
        if the value is of another type, or the type is none of these
    """
    wrong = f"{name}: expected {kind}, got {type(value).__name__} {value!r}"
    item = re.fullmatch(r"list\[(.+)\]", kind)
    if item or kind == "list":
        if not isinstance(value, list):
            raise ValueError(wrong)
        inner = item[1].strip() if item else None
        return [checked(each, inner, f"{name}[{i}]") for i, each in enumerate(value)] if inner else value
    if kind not in _SCALARS:
        known = ", ".join([*_SCALARS, "list"])
        raise ValueError(f"{name}: cannot be set from here: its type {kind} is none of {known}")
    if kind == "float" and isinstance(value, (int, str)) and not isinstance(value, bool):
        try:
            return float(value)
        except ValueError:
            raise ValueError(wrong) from None
    if type(value) is not _SCALARS[kind]:
        raise ValueError(f"{wrong} (quote it twice: {name}='\"{value}\"')" if kind == "str" else wrong)
    return value


def _literal(path: Path) -> str:
    """The path as papermill takes it, which would read a brace as a field to fill in."""
    return str(path.resolve()).replace("{", "{{").replace("}", "}}")


def execute(chapter: Chapter, values: Mapping[str, object], out: Path) -> nbformat.NotebookNode:
    """Run a chapter in the book's folder and keep the executed notebook, also when a cell fails.

    It is written beside ``out`` and renamed at the end: an interrupted run leaves ``out`` as it was.

    Parameters
    ----------
    chapter : the notebook
    values : values of parameters, checked; the others keep their defaults
    out : path of the executed notebook

    Returns
    -------
    NotebookNode, executed

    Raises
    ------
    CellFailed
        if a cell raised or the kernel died there; the message has the cell's number and first line
    """
    failed = None
    with replacing(out) as beside:
        try:
            papermill.execute_notebook(
                _literal(chapter.path),
                _literal(beside),
                parameters=dict(values),
                cwd=str(chapter.path.parent.resolve()),
                kernel_name="python3",
                language="python",
                kernel_manager_class=ThisInterpreter,
                progress_bar=sys.stderr.isatty() and not os.environ.get("CI"),
            )
        except (PapermillExecutionError, DeadKernelError) as error:
            failed = error
        notebook = nbformat.read(beside, as_version=4)
        notebook.metadata.papermill["output_path"] = str(out)
        if failed is not None:
            # papermill leaves this unset where the kernel died.
            notebook.metadata.papermill["exception"] = True
        nbformat.write(notebook, beside)
    if failed is not None:
        raise CellFailed(_where_it_failed(notebook, failed))
    return notebook


def _where_it_failed(notebook: nbformat.NotebookNode, error: Exception) -> str:
    """The failed cell, by its number in the chapter as written and its first line, and what it raised."""
    cells = notebook.cells
    if isinstance(error, PapermillExecutionError):
        # papermill has put two cells of its own before the failed one since it counted.
        place = error.cell_index + 2
        said = f"{error.ename}: {next(iter(error.evalue.splitlines()), '')}"
    else:
        place = max(i for i, cell in enumerate(cells) if cell.metadata.get("papermill", {}).get("start_time"))
        said = "the kernel died (out of memory?)"
    added = {"injected-parameters", "papermill-error-cell-tag"}
    number = sum(not added & set(cell.metadata.get("tags", [])) for cell in cells[: place + 1])
    line = next(iter(cells[place].source.strip().splitlines()), "")
    return f"cell {number} ({line!r}) failed: {said}"


def reported(notebook: nbformat.NotebookNode) -> dict | None:
    """Return what the last report displayed in an executed notebook carries; None where there is none."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    found = [output.metadata[MIME] for output in outputs if MIME in output.get("metadata", {})]
    return found[-1] if found else None
