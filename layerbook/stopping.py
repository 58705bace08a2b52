"""A run that is terminated ends as one interrupted by ctrl-C does: kernel stopped, nothing half-written."""

import contextlib
import logging
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Raise KeyboardInterrupt in the block, once, where the process is interrupted or terminated."""
    before = {each: signal.signal(each, _stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _stop(signal_number: int, frame: object) -> None:
    """Interrupt, once: a second ctrl-C must not disturb the stopping of the kernel."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    # What is pulled down with the kernel complains, some of it only when the program ends.
    for name in ("asyncio", "nbclient", "papermill", "traitlets"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    raise KeyboardInterrupt
