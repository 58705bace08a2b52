"""The evening before a course: is all there that the chapters need, and do the instruments still say the same?"""

import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from layerbook.places import find_book

MEMORY = 2 * 2**30  # bytes, for one chapter at its small size
DISK = 2**30  # bytes for executed chapters, the built book and trainings that are kept
CORES = 2  # what the chapters' times are measured on


@dataclass(frozen=True)
class Finding:
    """One line of the check.

    Attributes
    ----------
    what, says : what was looked at, and what was found
    fine : whether it will do
    advice : what to do where it will not
    """

    what: str
    says: str
    fine: bool = True
    advice: str = ""

    def __str__(self) -> str:
        advice = f" -> {self.advice}" if self.advice and not self.fine else ""
        return f"{'ok' if self.fine else 'FAILS':<6} {self.what:<14} {self.says}{advice}"


def findings(book: Path | None) -> Iterator[Finding]:
    """Look at everything, one finding after the other.

    Parameters
    ----------
    book : folder of the chapters; None where there is none, as for the installed package alone
    """
    yield python()
    yield from packages(book)
    missing = _missing(("torch", "numpy", "scipy", "pandas", "POT"))
    if missing:
        yield Finding("instruments", f"not run without {', '.join(missing)}", False, "install the packages first")
        return
    yield device()
    yield memory()
    yield disk(book or Path.cwd())
    yield from data()
    yield from instruments()


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Whether this Python is one that the package is made for."""
    wanted, said = metadata.metadata("layerlib")["Requires-Python"], ".".join(map(str, version))
    fine = Requirement(f"python{wanted}").specifier.contains(said, prereleases=True)
    return Finding("Python", f"{said}, wanted {wanted}", fine, "make book PYTHON=/path/to/a/newer/python3")


def packages(book: Path | None) -> Iterator[Finding]:
    """Whether what the book needs is installed, in versions that will do, and in those it was built with."""
    asked = [Requirement(text) for text in metadata.requires("layerlib") or ()]
    asked = [each for each in asked if not each.marker or each.marker.evaluate({"extra": "book"})]
    wrong = [told for each in asked if (told := _other_than(each))]
    says = "; ".join(wrong) or f"all {len(asked)} that the book needs"
    yield Finding("packages", says, not wrong, "pip install 'layerlib[book]', or make book in the book's folder")
    pins = book and book.parent / "requirements.txt"
    if pins and pins.is_file():
        lines = pins.read_text(encoding="utf-8").splitlines()
        pinned = [Requirement(line) for line in lines if re.match(r"\w", line)]
        others = [
            told for each in pinned if (not each.marker or each.marker.evaluate()) and (told := _other_than(each))
        ]
        # other versions may do: the instruments below say so
        shown = (
            f"{len(others)} other than pinned: {'; '.join(others[:3])}" if others else f"all {len(pinned)} as pinned"
        )
        yield Finding("versions", f"{shown}{' ...' if len(others) > 3 else ''}")


def _other_than(wanted: Requirement) -> str:
    """In words: that a package is missing or of another version; nothing where it will do."""
    try:
        found = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return f"{wanted.name} is missing"
    return (
        "" if wanted.specifier.contains(found, prereleases=True) else f"{wanted.name} {found}, not {wanted.specifier}"
    )


def _missing(names: tuple[str, ...]) -> list[str]:
    return [name for name in names if _other_than(Requirement(name))]


def device() -> Finding:
    """What the chapters will run on, and whether that can add."""
    import torch

    if not torch.cuda.is_available():
        cores = os.cpu_count() or 1
        slower = "" if cores >= CORES else f"; chapters are timed on {CORES}, so allow twice the time"
        return Finding("device", f"CPU, {cores} {'core' if cores == 1 else 'cores'}{slower}")
    name, advice = torch.cuda.get_device_name(), "update the driver, or hide the GPU: CUDA_VISIBLE_DEVICES="
    try:
        total = torch.ones(8, 8, device="cuda").sum().item()
    except RuntimeError as error:
        return Finding("device", f"{name}: {str(error).splitlines()[0]}", False, advice)
    return Finding("device", name, total == 64, advice)


def memory() -> Finding:
    """Whether the memory that is free will do; where the system does not tell, that is said."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        free = 1024 * int(re.search(r"^MemAvailable:\s+(\d+)", text, re.M)[1])
    except (OSError, TypeError):
        return Finding("memory", f"not told by this system; {_size(MEMORY)} should be free")
    return Finding("memory", f"{_size(free)} free, wanted {_size(MEMORY)}", free >= MEMORY, "close other programs")


def disk(folder: Path) -> Finding:
    """Whether there is room for what chapters write."""
    free = shutil.disk_usage(folder).free
    advice = f"make room on the disk of {folder}"
    return Finding("disk", f"{_size(free)} free, wanted {_size(DISK)}", free >= DISK, advice)


def _size(count: float) -> str:
    return f"{count / 2**30:.1f} GiB"


def data() -> Iterator[Finding]:
    """Whether the embedded sets are whole; and which whole sets, which only full-size runs need, are there."""
    from layerlib.data.load import EMBEDDED, WHOLE, _folder, load

    broken = []
    for name in EMBEDDED:
        try:
            load(name)
        except (ValueError, OSError) as error:
            broken.append(f"{name}: {error}")
    advice = "install layerlib again: its data files are damaged or missing"
    yield Finding("data", "; ".join(broken) or f"{', '.join(EMBEDDED)} embedded", not broken, advice)
    root = _folder(None)
    places = {
        name: root / (f"{kind}/raw" if name != "cifar10" else "cifar-10-batches-py") for name, kind in WHOLE.items()
    }
    there = [name for name, place in places.items() if place.is_dir()]
    lacking = [name for name in places if name not in there]
    told = f"{', '.join(there) or 'none'} in {root}"
    yield Finding("whole sets", told + (f"; not {', '.join(lacking)}, for full-size runs only" if lacking else ""))


def instruments() -> Iterator[Finding]:
    """Every instrument on a small network, where the chapters will run, against stored numbers."""
    import torch

    from layerbook.small_run import INSTRUMENTS, Trained, apart, measured, stored

    torch.set_num_threads(1)  # as make does: networks this small wait for a second one
    expected, run = stored(), Trained.on("cuda" if torch.cuda.is_available() else "cpu")
    for name in INSTRUMENTS:
        start = time.perf_counter()
        try:
            wrong = apart(measured(name, run), expected[name])
        except Exception as error:  # whatever it is, it is what the evening before is for
            wrong = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        seconds = time.perf_counter() - start
        says = wrong or f"{len(expected[name])} numbers as stored, {seconds:.1f} s"
        yield Finding(name, says, not wrong, "install the pinned versions: pip install -r requirements.txt")


def check(given: Path | None = None) -> int:
    """Print a line for each finding, and how many fail.

    Parameters
    ----------
    given : folder of the chapters, by default where `find_book` finds it; the package alone can be looked at, too

    Returns
    -------
    int, the exit code: 0 where all is fine, else 1

    Raises
    ------
    ValueError
        if ``given`` is no folder
    """
    try:
        book = find_book(given)
    except ValueError:
        if given is not None:
            raise
        book = None
    failing = 0
    for finding in findings(book):
        print(finding, flush=True)
        failing += not finding.fine
    print(f"{failing} to look at, marked FAILS." if failing else "All is there.")
    return 1 if failing else 0
