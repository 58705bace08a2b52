"""How many operators a piece of code starts on the device, and how often the host waits for it, by source line."""

import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ELSEWHERE = "(autograd, or no line of ours)"
LIBRARIES = tuple(
    {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}
    | {str(Path(__file__).parent), "<frozen", "<string>", "<attrs"}
)


@dataclass
class Counts:
    """What happened within ``counted()``.

    Attributes
    ----------
    operators : (line, operator) -> calls on the device; a line is ``file:number``, the innermost that is no library's
    views : of these, the ones that compute nothing: views, such as a transposition
    waits : (line, operator) -> how often the host waited: for a number, a copy, or a result whose size it must know
    """

    operators: Counter = field(default_factory=Counter)
    views: Counter = field(default_factory=Counter)
    waits: Counter = field(default_factory=Counter)

    @property
    def launches(self) -> int:
        """Operators that compute something."""
        return self.operators.total() - self.views.total()

    @property
    def syncs(self) -> int:
        """How often the host waited."""
        return self.waits.total()

    def in_file(self, name: str) -> "Counts":
        """Only what the file ``name`` did, named by its end, as in ``"filters/change.py"``."""
        kept = [
            Counter({key: n for key, n in each.items() if key[0].rpartition(":")[0].endswith(name)})
            for each in (self.operators, self.views, self.waits)
        ]
        return Counts(*kept)

    def __str__(self) -> str:
        lines: dict[str, list[int]] = {}
        for column, each in enumerate((self.operators, self.waits)):
            for (line, _), n in each.items():
                lines.setdefault(line, [0, 0])[column] += n
        rows = sorted(lines.items(), key=lambda row: (-row[1][1], -row[1][0]))
        head = f"{self.operators.total()} operators ({self.launches} launches), {self.syncs} syncs"
        return "\n".join([head, *(f"{n:8d} {waits:6d}  {line}" for line, (n, waits) in rows)])


_open: list[Counts] = []


@contextmanager
def counted() -> Iterator[Counts]:
    """Count operators and host syncs within the context; contexts within one another count both.

    Examples
    --------
    >>> with counted() as counts:
    ...     (x + 1).sum().item()
    >>> counts.launches, counts.syncs
    (2, 1)
    """
    from pretend_device.as_cuda import install

    counts = Counts()
    _open.append(counts)
    install().listen(_note)
    try:
        yield counts
    finally:
        _open.remove(counts)
        if not _open:
            install().listen(None)


def explicit_wait() -> None:
    """What ``torch.cuda.synchronize()`` tells the open counts."""
    line = _line()
    for counts in _open:
        counts.waits[line, "synchronize"] += 1


def _note(operator: str, is_view: bool, host_waits: bool) -> None:
    key = _line(), operator
    for counts in _open:
        counts.operators[key] += 1
        counts.views[key] += is_view
        counts.waits[key] += host_waits


def _line() -> str:
    frame = sys._getframe()
    while frame is not None and frame.f_code.co_filename.startswith(LIBRARIES):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else ELSEWHERE
