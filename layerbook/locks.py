"""Locks for many processes and machines on one folder: a file that only one can create, and that tells whose it is.

The holder touches its file while it lives. So a lock whose holder was killed is known at once on the machine where that
ran, and elsewhere after a minute.
"""

import contextlib
import json
import os
import platform
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path

BEAT, LAPSED = 5.0, 60.0  # seconds between touches, and after which a holder elsewhere counts as gone


class Busy(Exception):
    """Somebody who lives holds the lock; the message says who."""


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a lock, or refuse.

    A process that stands still for longer than a minute, as on a laptop that sleeps, may lose its lock to another
    machine. So what is done under it should do no harm when it is done twice.

    Parameters
    ----------
    path : its file, which is there as long as the lock is held

    Raises
    ------
    Busy
        if another process holds it and lives
    """
    mine = _owner()
    _take(path, mine)
    done = threading.Event()
    beating = threading.Thread(target=_beat, args=(path, done), daemon=True)
    beating.start()
    try:
        yield
    finally:
        done.set()
        beating.join()
        if _read(path) == mine:  # unless another took it meanwhile
            path.unlink(missing_ok=True)


def lives(path: Path) -> bool:
    """Whether there is a lock whose holder lives."""
    owner, age = _read(path), _age(path)
    if age is None:
        return False
    if owner is None or owner["machine"] != _machine():  # one being written is empty
        return age < LAPSED
    return owner["started"] == _started(owner["pid"])


def _take(path: Path, mine: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(3):
        try:
            number = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            _remove_if_left(path)
        else:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                json.dump(mine, file)
            return
    raise Busy(_told(path))


def _remove_if_left(path: Path) -> None:
    """Move away the lock of one who is gone; of two who try, one does it."""
    if lives(path):
        raise Busy(_told(path))
    aside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with contextlib.suppress(FileNotFoundError):
        os.rename(path, aside)
        if lives(aside):  # another was quicker, and holds it by now: give it back
            with contextlib.suppress(OSError):
                os.link(aside, path)
            aside.unlink(missing_ok=True)
            raise Busy(_told(path))
        aside.unlink(missing_ok=True)


def _beat(path: Path, done: threading.Event) -> None:
    while not done.wait(BEAT):
        with contextlib.suppress(OSError):
            os.utime(path)


def _owner() -> dict:
    return {"machine": _machine(), "pid": os.getpid(), "started": _started(os.getpid()), "token": secrets.token_hex(8)}


def _machine() -> list[str]:
    """What tells a process number's meaning: host, its start, and the container's own space of numbers."""
    told = [platform.node(), "", ""]
    with contextlib.suppress(OSError):
        told[1] = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        told[2] = os.readlink("/proc/self/ns/pid")
    return told


def _started(pid: int) -> str | None:
    """When a process of this machine began, in its own ticks; empty where that is not to be had, None if it is gone."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
    else:
        return None if state == "Z" else fields[18]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return ""


def _read(path: Path) -> dict | None:
    """Who holds a lock; None where it is not written yet, or gone."""
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
        return owner if {"machine", "pid", "started"} <= set(owner) else None
    except (OSError, ValueError, TypeError):
        return None


def _age(path: Path) -> float | None:
    """Seconds since a lock was touched, by the clock of the file system; None where there is none."""
    probe = path.with_name(f".{secrets.token_hex(8)}.now")
    try:
        touched = path.stat().st_mtime
        probe.touch()
        return probe.stat().st_mtime - touched
    except FileNotFoundError:
        return None
    finally:
        probe.unlink(missing_ok=True)


def _told(path: Path) -> str:
    owner = _read(path) or {"machine": ["?"], "pid": "?"}
    return f"held by process {owner['pid']} on {owner['machine'][0]}: {path}"
