"""Running a chapter: papermill in a kernel of this Python; what was executed is kept, whole or as far as it came."""

import contextlib
import fcntl
import glob
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import nbformat
import papermill
import zmq
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError
from traitlets import default

from layerbook.chapters import CellFailed, Chapter, Interrupted
from layerlib._files import replacing

TRIES = 3  # of starting a kernel: another program may take a port that was free when it was chosen
TAKEN = "Address already in use"
PATIENCE = 60  # seconds that a cell's last output may take, which on a busy machine is more than the usual 4


class ThisInterpreter(AsyncKernelManager):
    """Kernels of the Python that runs now, whatever kernels named ``python3`` the reader has registered."""

    errors: object = subprocess.DEVNULL  # where the kernel's own complaints go: not into the reader's terminal

    @default("kernel_spec_manager")
    def _kernel_spec_manager_default(self) -> KernelSpecManager:
        # Without folders to search, only ipykernel's own specification is left: it starts sys.executable.
        return KernelSpecManager(parent=self.parent, kernel_dirs=[])

    @default("transport_encryption")
    def _transport_encryption_default(self) -> str:
        # Without it every kernel warns, on the reader's terminal, that others could read along.
        return "auto" if zmq.has("curve") else "disabled"

    async def _async_launch_kernel(self, kernel_cmd: list[str], **kw: object) -> None:
        # It imports what this process does: from the book's folder another package of the same name could be nearer,
        # and a record would name a commit that did not run.
        paths = os.pathsep.join(map(os.path.abspath, sys.path))
        env = {**(kw.get("env") or os.environ), "PYTHONPATH": paths}
        await super()._async_launch_kernel(kernel_cmd, **kw | {"stderr": self.errors, "env": env})


def execute(chapter: Chapter, values: Mapping[str, object], out: Path) -> nbformat.NotebookNode:
    """Run a chapter in the book's folder and keep the executed notebook, also when a cell fails.

    It is written beside ``out`` and renamed at the end. An interrupted run leaves ``out`` as it was, and what it
    executed in ``NAME.interrupted.ipynb``. Files that a killed run left beside ``out`` are removed.

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
    Interrupted
        if the run was stopped from outside
    """
    _clear(out)
    with replacing(out) as beside, _held(beside), tempfile.TemporaryFile() as complaints:
        for _ in range(TRIES):
            failed = None
            try:
                _papermill(chapter, values, beside, complaints)
            except (PapermillExecutionError, DeadKernelError, RuntimeError, KeyboardInterrupt) as error:
                if _stopped(error):
                    raise Interrupted(_keep_interrupted(beside, out)) from None
                failed = error
            if failed is None or _began(beside):
                break
            complained = _last_line(complaints)
            if TAKEN not in complained:
                raise CellFailed(f"no kernel started: {complained or failed}")
        else:
            raise CellFailed(f"no kernel started: {complained}")
        notebook = nbformat.read(beside, as_version=4)
        notebook.metadata.papermill["output_path"] = str(out)
        if failed is not None:
            # papermill leaves this unset where the kernel died.
            notebook.metadata.papermill["exception"] = True
        nbformat.write(notebook, beside)
    if failed is not None:
        raise CellFailed(_where_it_failed(notebook, failed))
    return notebook


def _papermill(chapter: Chapter, values: Mapping[str, object], out: Path, complaints: object) -> None:
    papermill.execute_notebook(
        _literal(chapter.path),
        _literal(out),
        parameters=dict(values),
        cwd=str(chapter.path.parent.resolve()),
        kernel_name="python3",
        language="python",
        kernel_manager_class=type("Quiet", (ThisInterpreter,), {"errors": complaints}),
        progress_bar=sys.stderr.isatty() and not os.environ.get("CI"),
        iopub_timeout=PATIENCE,
    )


def _literal(path: Path) -> str:
    """The path as papermill takes it, which would read a brace as a field to fill in."""
    return str(path.resolve()).replace("{", "{{").replace("}", "}}")


@contextlib.contextmanager
def _held(part: Path) -> Iterator[None]:
    """Hold a lock on a part file while it is written, by which others know that its writer lives."""
    with part.open("a") as file:
        with contextlib.suppress(OSError):  # some shared file systems have no locks
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _clear(out: Path) -> None:
    """Remove the parts beside ``out`` whose writer is gone."""
    for part in out.parent.glob(f".{glob.escape(out.stem)}.*.part{glob.escape(out.suffix)}"):
        with contextlib.suppress(OSError), part.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()


def _stopped(error: BaseException | None) -> bool:
    """Whether an error comes of an interruption: a kernel that is pulled down under a cell may end in another one."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _began(part: Path) -> list[int]:
    """The cells of a part that began to run."""
    cells = nbformat.read(part, as_version=4).cells if part.stat().st_size else []
    return [place for place, cell in enumerate(cells) if cell.metadata.get("papermill", {}).get("start_time")]


def _keep_interrupted(beside: Path, out: Path) -> str:
    """Keep what was executed, and say how far it came."""
    began = _began(beside)
    if not began:
        return "before the first cell ran: nothing was written"
    kept = out.with_name(f"{out.stem}.interrupted{out.suffix}")
    notebook = nbformat.read(beside, as_version=4)
    # papermill leaves it as if it had come to its end.
    notebook.metadata.papermill |= {"exception": True, "output_path": str(kept)}
    nbformat.write(notebook, beside)
    os.replace(beside, kept)
    return f"in {_cell(notebook.cells, began[-1])}; executed so far: {kept}"


def _cell(cells: list, place: int) -> str:
    """A cell by its number in the chapter as written, and its first line."""
    added = {"injected-parameters", "papermill-error-cell-tag"}
    number = sum(not added & set(cell.metadata.get("tags", [])) for cell in cells[: place + 1])
    return f"cell {number} ({next(iter(cells[place].source.strip().splitlines()), '')!r})"


def _where_it_failed(notebook: nbformat.NotebookNode, error: Exception) -> str:
    """The failed cell and what it raised."""
    cells = notebook.cells
    if isinstance(error, PapermillExecutionError):
        # papermill has put two cells of its own before the failed one since it counted.
        place = error.cell_index + 2
        said = f"{error.ename}: {next(iter(error.evalue.splitlines()), '')}"
    else:
        place = max(place for place, cell in enumerate(cells) if cell.metadata.get("papermill", {}).get("start_time"))
        said = "the kernel died (out of memory?)"
    return f"{_cell(cells, place)} failed: {said}"


def _last_line(complaints: object) -> str:
    complaints.seek(0)
    lines = complaints.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
