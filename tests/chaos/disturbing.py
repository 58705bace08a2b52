"""Programs that can be killed, frozen or kept from writing, and what becomes of the numbers when they run again.

A program is this Python with a script. Its folders may be made read-only, and its process number equal to another's,
where the kernel lets an administrator do so.
"""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from layerbook.chapters import reported

# Saved after every epoch; the digest of the weights tells a difference in one bit.
TRAINING = """
import hashlib, sys, torch
from layerbook.training import _trainer
from layerbook.training.fit import Store, fit
from layerlib import Split
from layerlib.models import MLP

def digest(model):
    return hashlib.sha256(b"".join(t.numpy().tobytes() for t in model.state_dict().values())).hexdigest()

_trainer.SAVE_EVERY = 0.0
torch.set_num_threads(1)
torch.manual_seed(0)
pixels = torch.randint(256, (60, 1, 2, 2), dtype=torch.uint8)
model, train = MLP((4, 5, 3)), Split(pixels, torch.arange(60) % 3)
open(f"{store}/../started", "a").close()
history = fit(model, train, epochs=150, batch_size=10, store=Store(store), device="cpu")
"""
CHAPTER = """
from layerbook.report import Report, below
report = Report("toy", size="smaller", size_says="60 pictures")
report.number("weights", int(digest(model)[:15], 16))
report.curve("loss", history.loss, epoch=range(1, 151))
report.claim("1", "It learns", "it does", "", below("loss", history.loss[-1], 9.0), test="below 9")
report
"""
# A chapter that takes a while, and says nothing but what its parameter gives.
DRAWING = """
import random, time
from layerbook.report import Report
open("../started", "a").close()
chance, drawn = random.Random(depth), []
for _ in range(20):
    drawn.append(chance.gauss(0, 1))
    time.sleep(0.05)
report = Report("toy", size="smaller", size_says="20 numbers")
report.number("sum", sum(drawn))
report.curve("drawn", drawn, draw=range(20))
report
"""
COMMAND = "import sys; from layerbook.cli import main; sys.exit(main(sys.argv[1:]))"


class Place:
    """A folder with a store, and a book of one chapter that trains with it.

    Parameters
    ----------
    folder : where they are made
    """

    def __init__(self, folder: Path):
        self.folder, self.store, self.book = folder, folder / "store", folder / "book"
        self.store.mkdir(parents=True)
        (self.book / "records").mkdir(parents=True)
        (self.book / "parameters").mkdir()
        (self.book / "parameters" / "toy.yaml").write_text("depth: 7\n")
        cells = ["depth: int = 6", *self.cells()]
        kept = [new_code_cell(cell, metadata={"tags": ["parameters"] * (not i)}) for i, cell in enumerate(cells)]
        nbformat.write(new_notebook(cells=kept), self.book / "toy.ipynb")

    def cells(self) -> list[str]:
        """The code of the chapter, behind its parameter ``depth``."""
        return [f"store = {str(self.store)!r}{TRAINING}", CHAPTER]

    def train(self, **how: object) -> subprocess.Popen:
        """A program that trains with the store, and prints the digest of the weights."""
        script = f"store = {str(self.store)!r}{TRAINING}print(digest(model))"
        return started([sys.executable, "-c", script], self.folder, **how)

    def record(self, **how: object) -> subprocess.Popen:
        """``layerlib record toy``."""
        return self.layerlib("record", "toy", **how)

    def layerlib(self, *words: str, **how: object) -> subprocess.Popen:
        """The command line, on this book."""
        return started([sys.executable, "-c", COMMAND, *words, "--book", str(self.book)], self.folder, **how)

    def recorded(self) -> dict:
        """Numbers and curves of the record."""
        kept = json.loads((self.book / "records" / "toy.json").read_text(encoding="utf-8"))
        return {name: kept[name] for name in ("numbers", "curves", "claims")}

    def at_work(self, seconds: float) -> None:
        """Wait until a training has begun, and then for some time."""
        wait_for(self.folder / "started")
        (self.folder / "started").unlink()
        time.sleep(seconds)

    @property
    def parts(self) -> list[str]:
        """What killed writers left."""
        return [path.name for path in self.folder.rglob("*.part*")]


class Drawn(Place):
    """The same with a chapter that trains nothing: what it says depends on its parameter alone."""

    def cells(self) -> list[str]:
        """The code of the chapter, behind its parameter ``depth``."""
        return [DRAWING]

    @property
    def runs(self) -> Path:
        """The folder of what `run` and `sweep` make."""
        return self.folder / "out"

    def run(self, **how: object) -> subprocess.Popen:
        """``layerlib run toy``."""
        return self.layerlib("run", "toy", "--out", str(self.runs / "toy.ipynb"), **how)

    def sweep(self, **how: object) -> subprocess.Popen:
        """``layerlib sweep toy`` for three depths, two side by side."""
        return self.layerlib("sweep", "toy", "--over", "depth=2,3,4", "--jobs", "2", "--out", str(self.runs), **how)

    def said(self) -> dict:
        """Numbers and curves of every notebook that was executed to its end, by its name."""
        kept = {path.name: nbformat.read(path, as_version=4) for path in self.runs.glob("toy*.ipynb")}
        whole = {name: reported(each) for name, each in kept.items() if not each.metadata.papermill.exception}
        return {name: (each["numbers"], each["curves"]) for name, each in whole.items()}


def started(command: Sequence[str], folder: Path, within: Sequence[str] = (), largest: int = 0) -> subprocess.Popen:
    """A program in a session of its own.

    Parameters
    ----------
    within : a command that runs it
    largest : bytes that one file may have, as on a disk that is full; 0: any number
    """

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    return subprocess.Popen(
        [*within, *command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=limited if largest else None,
        env=os.environ | {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"},
    )


def finished(process: subprocess.Popen) -> str:
    """What a program printed that came to a good end."""
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


def refused(process: subprocess.Popen) -> str:
    """The last line of what a program complained that came to a bad end by itself."""
    _, err = process.communicate(timeout=300)
    assert process.returncode > 0 and err.strip()
    return err.strip().splitlines()[-1]


def killed(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)


def wait_for(path: Path) -> None:
    """Until a file is there."""
    deadline = time.monotonic() + 240
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not come"
        time.sleep(0.02)


def moments(seed: int, count: int, most: float) -> list[float]:
    """Seconds from 0 to ``most``, at random."""
    return [random.Random(seed + i).uniform(0, most) for i in range(count)]


def read_only(folder: Path) -> tuple[str, ...]:
    """What runs a program to which ``folder`` is read-only, as to an administrator, too; skips where there is none."""
    mounts = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
    return _possible("unshare", "--mount", "sh", "-c", mounts, str(folder))


def numbered_one() -> tuple[str, ...]:
    """What runs a program with the process number 1, as the first of a container."""
    return _possible("unshare", "--pid", "--mount-proc", "--fork", "--kill-child")


def _possible(*within: str) -> tuple[str, ...]:
    try:
        tried = subprocess.run([*within, "true"], capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        pytest.skip(f"{within[0]}: no such program here")
    if tried.returncode:
        pytest.skip(f"{within[0]}: {tried.stderr.strip() or 'not allowed here'}")
    return within
