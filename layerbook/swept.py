"""One run of a sweep: what it is known by, what is kept of it, and running it in a process of its own.

``python -m layerbook.swept`` is that process; it reads the run from its input.
"""

import contextlib
import json
import os
import platform
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from layerbook.chapters import CellFailed, Interrupted, read_chapter, reported
from layerbook.locks import Busy, held
from layerbook.remote import put
from layerbook.stopping import stoppable
from layerbook.syntax import digest
from layerlib._files import replacing

SCHEMA = "layerlib sweep 1"
FINISHED, FAILED = "finished", "failed"
_INTERRUPTED, _BUSY = 130, 75
_processes: set[subprocess.Popen] = set()


@dataclass(frozen=True)
class Combination:
    """One combination of a sweep.

    Parameters
    ----------
    chapter : path of the notebook
    values : what papermill hands in, checked
    parameters : every parameter with its value, as JSON holds it, but for the folder of stored trainings
    changed : those whose value is not the chapter's own, in words
    code : digest of all code that the chapter uses, and of the files that its parameters name
    git : commit of the book, and whether its tree differs from it
    folder : where the run is kept
    remote : address of a folder to which notebook and outcome go, too, once the run has ended; empty for none
    """

    chapter: str
    values: dict
    parameters: dict
    changed: str
    code: str
    git: dict
    folder: str
    remote: str = ""

    @property
    def name(self) -> str:
        """Chapter, changed parameters, and a digest of all: equal for equal parameters, whatever sweep asks."""
        words = re.sub(r"[^\w.,=-]+", "_", self.changed)[:80].strip("_")
        known_by = digest(json.dumps(self.parameters, sort_keys=True))[:12]
        return ".".join(filter(None, [Path(self.chapter).stem, words, known_by]))

    @property
    def notebook(self) -> Path:
        """Where the executed notebook is kept."""
        return Path(self.folder, f"{self.name}.ipynb")

    @property
    def outcome(self) -> Path:
        """The file that says how the run ended, and what it reported; there is none before it has."""
        return Path(self.folder, f"{self.name}.json")

    @property
    def lock(self) -> Path:
        """The lock that is held while the run goes on."""
        return Path(self.folder, f"{self.name}.lock")

    def finished(self) -> bool:
        """Whether it has been run to its end by the code of today."""
        try:
            kept = read_outcome(self.outcome)
        except (OSError, ValueError):
            return False
        return kept["state"] == FINISHED and kept["code"] == self.code and self.notebook.is_file()


def read_outcome(path: Path) -> dict:
    """How a run ended, as `perform` keeps it.

    Raises
    ------
    ValueError
        if the file is none of a sweep
    OSError
        if it cannot be read
    """
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not JSON: {error}") from None
    if not isinstance(kept, dict) or kept.get("schema") != SCHEMA:
        raise ValueError(f"{path}: expected a run of a sweep ({SCHEMA})")
    return kept


def perform(run: Combination, execute: Callable | None = None) -> dict:
    """Run a combination, unless it has finished, and keep how it ended.

    Parameters
    ----------
    run : the combination
    execute : takes chapter, values and the path of the executed notebook; by default `layerbook.running.execute`

    Returns
    -------
    dict, the outcome: ``state`` is "finished" or "failed", ``error`` why, ``report`` what the chapter reported

    Raises
    ------
    Busy
        if somebody else runs it now
    Interrupted
        if it was stopped from outside
    OSError
        if a place did not take what it gave: the run then counts as not made
    """
    with held(run.lock):
        if run.finished():
            return read_outcome(run.outcome)
        if execute is None:
            from layerbook.running import execute  # papermill and what it brings take seconds to import
        began, error, report = time.monotonic(), "", None
        try:
            report = reported(execute(read_chapter(Path(run.chapter)), run.values, run.notebook))
        except CellFailed as failed:
            error = str(failed)
        if run.remote:
            put(run.notebook.read_text(encoding="utf-8"), f"{run.remote}/{run.notebook.name}")
        return _keep(run, time.monotonic() - began, error, report)


def _keep(run: Combination, seconds: float, error: str, report: Mapping | None) -> dict:
    outcome = {
        "schema": SCHEMA,
        "chapter": Path(run.chapter).stem,
        "parameters": run.parameters,
        "state": FAILED if error else FINISHED,
        "error": error,
        "duration_s": round(seconds, 2),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": platform.node(),
        **run.git,
        "code": run.code,
        "report": report,
    }
    text = json.dumps(outcome, ensure_ascii=False, indent=1) + "\n"
    if run.remote:
        put(text, f"{run.remote}/{run.outcome.name}")
    with replacing(run.outcome) as beside:
        beside.write_text(text, encoding="utf-8")
    return outcome


def in_a_process(run: Combination, threads: int | None = None) -> dict:
    """`perform` a run in a process of its own, which ends when this one does.

    So a run that is killed, say for its memory, has failed, and takes no other along.

    Parameters
    ----------
    run : the combination
    threads : for its arithmetic, unless ``OMP_NUM_THREADS`` says how many; None leaves it alone

    Raises
    ------
    Busy, Interrupted
        as `perform`
    OSError
        if what it gave could not be kept
    """
    env = ({"OMP_NUM_THREADS": str(threads)} if threads else {}) | os.environ
    command = [sys.executable, "-m", "layerbook.swept"]
    # A session of its own: ctrl-C reaches the sweep alone, which then stops its runs one by one.
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "start_new_session": True}
    began = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=env, text=True, **quiet) as process:
        _processes.add(process)
        try:
            _, complaints = process.communicate(json.dumps(asdict(run) | {"parent": os.getpid()}))
        finally:
            _processes.discard(process)
    said = (complaints.strip().splitlines() or [""])[-1]
    if process.returncode == _BUSY:
        raise Busy(said)
    if process.returncode in (_INTERRUPTED, -signal.SIGTERM):  # the latter where it had hardly begun
        raise Interrupted(said)
    if process.returncode < 0:
        for part in run.notebook.parent.glob(f".{run.notebook.stem}.*.part.ipynb"):  # as far as it came
            os.replace(part, run.notebook)
        killer = signal.Signals(-process.returncode).name
        return _keep(run, time.monotonic() - began, f"its process was killed by {killer} (out of memory?)", None)
    if process.returncode:
        raise OSError(said)
    return read_outcome(run.outcome)


def stop_processes() -> None:
    """Ask every run that this process has begun to stop; each keeps what it has executed."""
    for process in list(_processes):
        process.terminate()


def _end_with(parent: int) -> None:
    """Stop this process, as ctrl-C does, once the one that wanted its run is gone."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> int:
    """Perform the run that the input holds; 0 if how it ended is kept."""
    try:
        with stoppable():
            told = json.load(sys.stdin)
            threading.Thread(target=_end_with, args=(told.pop("parent"),), daemon=True).start()
            perform(Combination(**told))
    except Busy as error:
        return _say(error, _BUSY)
    except (Interrupted, KeyboardInterrupt) as error:
        return _say(error, _INTERRUPTED)
    except Exception as error:
        return _say(f"{type(error).__name__}: {error}", 2)
    return 0


def _say(error: object, code: int) -> int:
    with contextlib.suppress(OSError):  # nobody may listen any more
        print(" ".join(str(error).split()), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
