"""Running a chapter: what was executed is kept, whatever stops it."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import DeadKernelError
from nbformat.v4 import new_code_cell, new_notebook
from repository import copy

from layerbook import running
from layerbook.chapters import CellFailed, Interrupted, read_chapter
from layerbook.running import TRIES, execute

# A program started in the background ignores SIGINT, and its children with it.
PROGRAM = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from layerbook.cli import main; sys.exit(main(sys.argv[1:]))"
)
SLOW = "open('started', 'w').close()\nimport time; time.sleep(60)"


def chapter(folder: Path, *cells: str):
    """A chapter ``toy`` of these cells, after one of parameters."""
    parameters = new_code_cell("depth: int = 6", metadata={"tags": ["parameters"]})
    folder.mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=[parameters, *map(new_code_cell, cells)]), folder / "toy.ipynb")
    return read_chapter(folder / "toy.ipynb")


def started(tmp_path: Path, *cells: str) -> subprocess.Popen:
    """The command line, running such a chapter, in the cell that says so."""
    chapter(tmp_path / "book", *cells)
    command = [sys.executable, "-c", PROGRAM, "run", "toy", "--out", str(tmp_path / "results" / "out.ipynb")]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "book" / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return process


@pytest.mark.parametrize(
    "send",
    [
        lambda process: process.send_signal(signal.SIGINT),
        lambda process: process.send_signal(signal.SIGTERM),
        lambda process: os.killpg(process.pid, signal.SIGINT),
    ],
    ids=["interrupt", "terminate", "ctrl-C"],
)
def test_an_interrupted_run_says_one_line_and_keeps_what_it_executed(tmp_path, send):
    out = tmp_path / "results" / "out.ipynb"
    out.parent.mkdir()
    out.write_text("from before")
    process = started(tmp_path, "print('before')", SLOW, "print('after')")
    send(process)
    err = process.communicate(timeout=60)[1]
    kept = out.with_name("out.interrupted.ipynb")
    assert process.returncode == 130
    assert err == (
        f"layerlib: toy: interrupted in cell 3 (\"open('started', 'w').close()\"); executed so far: {kept}\n"
    )
    assert out.read_text() == "from before"
    assert {entry.name for entry in out.parent.iterdir()} == {"out.ipynb", "out.interrupted.ipynb"}
    executed = nbformat.read(kept, as_version=4)
    assert executed.cells[1].outputs[0].text == "before\n" and not executed.cells[3].outputs
    assert executed.metadata.papermill.exception is True


def test_a_kernel_that_dies_of_the_interruption_is_no_failing_cell(tmp_path, monkeypatch):
    def stopped(*_):
        try:
            raise KeyboardInterrupt
        finally:
            raise DeadKernelError("Kernel died")

    monkeypatch.setattr(running, "_papermill", stopped)
    with pytest.raises(Interrupted, match="before the first cell ran: nothing was written"):
        execute(chapter(tmp_path / "book", "1"), {}, tmp_path / "out.ipynb")
    assert [entry.name for entry in tmp_path.iterdir()] == ["book"]


def test_what_a_killed_run_left_is_cleared_by_the_next(tmp_path):
    results = tmp_path / "results"
    process = started(tmp_path, SLOW)
    process.kill()
    process.communicate(timeout=60)
    [left] = [entry.name for entry in results.iterdir()]
    assert left.startswith(".out.") and left.endswith(".part.ipynb")
    (results / ".out.4711.part.ipynb").write_text("of an older version")
    (results / ".other.4711.part.ipynb").write_text("of another notebook")
    execute(chapter(tmp_path / "book", "1"), {}, results / "out.ipynb")
    assert {entry.name for entry in results.iterdir()} == {"out.ipynb", ".other.4711.part.ipynb"}


def test_the_part_of_a_run_that_lives_is_left_alone(tmp_path):
    part = tmp_path / ".out.1.part.ipynb"
    with part.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        execute(chapter(tmp_path / "book", "1"), {}, tmp_path / "out.ipynb")
        assert part.exists()
    execute(chapter(tmp_path / "book", "1"), {}, tmp_path / "out.ipynb")
    assert not part.exists()


def test_a_dying_kernel_is_a_failing_cell(tmp_path):
    toy = chapter(tmp_path / "book", "print('before')", "import os; os._exit(1)", "never = 1")
    with pytest.raises(CellFailed, match=r"cell 3 \('import os; os._exit\(1\)'\) failed: the kernel died"):
        execute(toy, {}, tmp_path / "out.ipynb")
    executed = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert executed.cells[1].outputs[0].text == "before\n"
    assert executed.metadata.papermill.exception is True


def test_a_kernel_that_does_not_start_says_why(tmp_path, monkeypatch):
    (tmp_path / "ipykernel_launcher.py").write_text("raise SystemExit('no room for a kernel')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(CellFailed, match="no kernel started: no room for a kernel"):
        execute(chapter(tmp_path / "book", "1"), {}, tmp_path / "out.ipynb")


UNLUCKY = """
from pathlib import Path

tried = Path(__file__).with_name("tried")
tried.write_text(tried.read_text() + "x" if tried.exists() else "x")
if len(tried.read_text()) <= {fails}:
    raise SystemExit("zmq.error.ZMQError: Address already in use (addr='tcp://127.0.0.1:33233')")

from ipykernel import kernelapp

kernelapp.launch_new_instance()
"""


@pytest.mark.parametrize("fails", [1, 9])
def test_a_kernel_whose_port_another_program_took_is_started_anew(tmp_path, monkeypatch, fails):
    (tmp_path / "ipykernel_launcher.py").write_text(UNLUCKY.format(fails=fails))
    monkeypatch.syspath_prepend(tmp_path)
    toy = chapter(tmp_path / "book", "print('it ran')")
    if fails == 1:
        assert execute(toy, {}, tmp_path / "out.ipynb").cells[-1].outputs[0].text == "it ran\n"
    else:
        with pytest.raises(CellFailed, match="no kernel started: zmq.error.ZMQError: Address already in use"):
            execute(toy, {}, tmp_path / "out.ipynb")
    assert len((tmp_path / "tried").read_text()) == (2 if fails == 1 else TRIES)


def test_values_reach_the_chapter_as_they_are(tmp_path):
    values = {"depth": [1, {"a": None, "b": "é\\n'\"#$"}, -0.5, True]}
    toy = chapter(tmp_path / "book", "import json; print(json.dumps(depth, sort_keys=True))")
    executed = execute(toy, values, tmp_path / "{out}.ipynb")
    assert json.loads(executed.cells[2].outputs[0].text) == values["depth"]


def test_the_kernel_imports_the_package_that_runs_it(tmp_path):
    """Also where the package was found in the folder of the call, which is not the book's."""
    chapter(copy(tmp_path) / "book", "import layerlib; print(layerlib.__file__)")
    env = os.environ | {"PYTHONPATH": "."}
    command = [sys.executable, "-m", "layerlib", "run", "toy", "--out", str(tmp_path / "out.ipynb")]
    subprocess.run(command, cwd=tmp_path, env=env, check=True, capture_output=True)
    ran = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert ran.cells[-1].outputs[0].text.strip() == str(tmp_path / "layerlib" / "__init__.py")
