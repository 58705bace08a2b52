"""Files that are whole at every moment: written beside, then renamed."""

import contextlib
import glob
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

ABANDONED = 24 * 3600.0  # seconds after which nobody is still writing a part


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a name beside ``path`` to write to; it replaces ``path`` only if the block ends well.

    The name is drawn at random: two writers share none, also where their process numbers are equal, as in two
    containers on one shared folder. What a killed writer of ``path`` left is removed after a day.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear(path)
    beside = path.with_name(f".{path.stem}.{secrets.token_hex(8)}.part{path.suffix}")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _clear(path: Path) -> None:
    for part in path.parent.glob(f".{glob.escape(path.stem)}.*.part{glob.escape(path.suffix)}"):
        # another writer may have removed it, or finished, meanwhile
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > ABANDONED:
                part.unlink()
