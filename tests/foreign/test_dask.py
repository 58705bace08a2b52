"""Sweeps on a cluster of processes: whoever is killed, no more is lost than what was running."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

pytest.importorskip("distributed", reason="needs dask.distributed")

TOY = """\
import pathlib, time
from layerbook.report import Report
with open("began.txt", "a") as file: file.write(f"{depth}\\n")
while depth >= 90 and not pathlib.Path("go.txt").exists(): time.sleep(0.02)
report = Report("toy", "smaller")
report.number("error", 1 / depth);
"""


@pytest.fixture
def book(tmp_path):
    folder = tmp_path / "book"
    folder.mkdir()
    first = new_code_cell("depth: int = 6", metadata={"tags": ["parameters"]})
    nbformat.write(new_notebook(cells=[first, new_code_cell(TOY), new_code_cell("report")]), folder / "toy.ipynb")
    return folder


def start(*arguments: str, **options) -> subprocess.Popen:
    """A Python with all that this one finds, and a session of its own."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen([sys.executable, *arguments], env=env, start_new_session=True, text=True, **options)


def kill(process: subprocess.Popen) -> None:
    """Kill a process and those that it has begun in its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def until(condition, seconds: float = 240):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)
    return found


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and two workers; its address, and the scheduler."""
    file, log = tmp_path / "scheduler.json", (tmp_path / "cluster.log").open("w")
    quiet = {"stdout": log, "stderr": log}
    several = [start("-m", "dask", "scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", file, **quiet)]
    worker = ["-m", "dask", "worker", "--scheduler-file", file, "--nthreads", "1", "--no-dashboard"]
    until(file.exists)
    several += [start(*worker, "--local-directory", tmp_path / f"worker{k}", **quiet) for k in range(2)]
    yield json.loads(file.read_text())["address"], several[0]
    for each in several:
        kill(each)


def sweep(book: Path, address: str, depths: str) -> subprocess.Popen:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": book.parent}
    return start(
        "-m", "layerlib", "sweep", "toy", "--over", f"depth={depths}", "--out", "out", "--dask", address, **pipes
    )


def began(book: Path) -> list[str]:
    return (book / "began.txt").read_text().split() if (book / "began.txt").exists() else []


def runs(book: Path) -> list[int]:
    """The processes that hold a run."""
    texts = [path.read_text() for path in (book.parent / "out").glob("*.lock")]
    return [json.loads(text)["pid"] for text in texts if text]


def finished(book: Path) -> int:
    return len(list((book.parent / "out").glob("*.json")))


def stuck(book: Path) -> list[int]:
    """The processes of the two runs that wait for ``go.txt``, once both workers have come to them."""
    return until(lambda: {"90", "91"} <= set(began(book)) and len(runs(book)) == 2 and runs(book))


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def ended(process: subprocess.Popen) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def test_a_sweep_outlives_a_worker_that_is_killed(book, cluster):
    address, _ = cluster
    process = sweep(book, address, "90,91,2")
    os.kill(parent(stuck(book)[0]), signal.SIGKILL)
    until(lambda: sum(depth in ("90", "91") for depth in began(book)) == 3)
    (book / "go.txt").touch()
    code, out, err = ended(process)
    assert code == 0, err
    assert out == f"3 of 3 runs have finished: {book.parent / 'out'}\n"
    assert finished(book) == 3 and len(began(book)) == 4


def test_a_sweep_whose_scheduler_is_killed_says_so_and_goes_on_with_another(book, cluster):
    address, scheduler = cluster
    process = sweep(book, address, "2,90,91,4")
    stuck(book)
    before = finished(book)
    kill(scheduler)
    code, out, err = ended(process)
    assert code == 1 and out.startswith(f"{before} of 4 runs have finished") and "the scheduler is gone" in err
    (book / "go.txt").touch()
    with start("-m", "layerlib", "sweep", "toy", "--over", "depth=2,90,91,4", "--out", "out", cwd=book.parent) as again:
        assert again.wait(timeout=300) == 0
    assert finished(book) == 4 and began(book).count("2") == began(book).count("4") == 1


def test_a_killed_sweep_goes_on_when_called_again(book, cluster):
    address, _ = cluster
    process = sweep(book, address, "2,90,4")
    until(lambda: finished(book) == 2 and "90" in began(book))
    kill(process)
    (book / "go.txt").touch()
    code, out, err = ended(sweep(book, address, "2,90,4"))
    assert code == 0 and "of them before" in out, err
    assert finished(book) == 3 and began(book).count("2") == 1


def test_an_address_without_a_scheduler_is_refused(book):
    code, out, err = ended(sweep(book, "tcp://127.0.0.1:9", "2"))
    assert (code, out) == (2, "") and err.splitlines()[-1].startswith(
        "layerlib: dask: no scheduler at tcp://127.0.0.1:9"
    )
