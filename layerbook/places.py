"""Where things are and may go, settled before a run: book, the reader's files, executed notebook, record."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOM = 64 * 2**20  # bytes; the largest executed chapter takes a few of them


def find_book(given: Path | None) -> Path:
    """Return the folder of the chapters: the given one, ``./book``, or ``book`` beside an editable layerlib.

    Raises
    ------
    ValueError
        if there is no such folder
    """
    places = [given] if given is not None else [Path("book"), Path(__file__).resolve().parents[1] / "book"]
    for place in places:
        if place.is_dir():
            return place.resolve()
    raise ValueError(f"no book folder at {' or '.join(map(str, places))}: name it with --book")


def from_here(value: object, book: Path) -> object:
    """A parameter's value, as a chapter reaches it from the book's folder if it names a file or folder of the reader's.

    Only text with a suffix or a slash is taken for a name of one, and only where there is one, or would be: a name that
    begins with ``./`` or ``../`` may be of a file that does not exist yet, in a folder that does.
    """
    if isinstance(value, list):
        return [from_here(each, book) for each in value]
    if not isinstance(value, str) or "\0" in value or not (os.sep in value or Path(value).suffix):
        return value
    here = Path(value).expanduser()
    if here.is_absolute():
        return str(here)
    if here.exists() or (value.startswith(("./", "../")) and here.parent.is_dir()):
        return os.path.relpath(here.absolute(), book)
    return value


def out_path(given: Path | None, size: str, book: Path, chapter: Path) -> Path:
    """Where the executed notebook goes.

    Raises
    ------
    ValueError
        if it is no notebook's name, or a notebook of the book itself
    """
    out = given or book.parent / "_build" / "runs" / f"{chapter.stem}.{size}.ipynb"
    if out.suffix != ".ipynb" or out.is_dir():
        raise ValueError(f"--out: expected a file name ending in .ipynb, got {str(out)!r}")
    sources = [source for source in book.glob("*.ipynb") if out.exists() and out.samefile(source)]
    if sources or out.resolve().parent == book:
        what = f"the source of {sources[0].stem}" if sources else "in the folder of the chapters' sources"
        raise ValueError(f"--out: {out} is {what}, which a run must not overwrite")
    return out


def files_named(value: object, book: Path) -> Iterator[Path]:
    """The reader's files that a value names."""
    if isinstance(value, (list, dict)):
        for each in value if isinstance(value, list) else value.values():
            yield from files_named(each, book)
    elif isinstance(value, str) and Path(value).suffix and os.path.isfile(book / value):
        yield book / value


def stamp(path: Path) -> list[int]:
    """What changes when a file is written again."""
    return [path.stat().st_size, path.stat().st_mtime_ns]


def sweep_places(out: str | os.PathLike | None, book: Path, chapter: str) -> tuple[Path, str]:
    """The folder of a sweep's runs, and the address to which they go beside it; empty if ``out`` is none."""
    usual, given = book.parent / "_build" / "sweeps", "" if out is None else os.fspath(out).rstrip("/")
    if "://" in given:
        return (usual / re.sub(r"\W+", "_", given)).resolve(), given
    return Path(given or usual / chapter).resolve(), ""


def check_writable(out: Path, record: Path | None) -> None:
    """Refuse what would be noticed only after a run of hours: folders that take no file, an old record that is damaged.

    Raises
    ------
    ValueError
        naming the place
    """
    _check_folder(out.parent, "--out")
    if record is not None:
        _check_folder(record.parent, "records")
        if record.exists():
            from layerbook.record import read_record

            read_record(record)


def _check_folder(folder: Path, what: str) -> None:
    """See whether a file can be written in a folder, or in the nearest above it that exists."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise ValueError(f"{what}: expected a folder to write to, got {str(there)!r}: {error.strerror}") from None
    free = shutil.disk_usage(there).free
    if free < ROOM:
        raise ValueError(f"{what}: only {free / 2**20:.0f} MiB left in {str(there)!r}, expected {ROOM / 2**20:.0f}")
