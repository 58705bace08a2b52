"""Precision within ``torch.autocast``: instruments keep that of their tensors, a network has the one asked for."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar

import torch

KINDS = ("cpu", "cuda", "mps", "xpu")

_asked: ContextVar[dict[str, torch.dtype] | None] = ContextVar("asked", default=None)


@contextmanager
def own_precision() -> Iterator[None]:
    """Within the context autocast is off: in 8 bits, counts stop at 256 and distances lose their digits."""
    asked = {kind: torch.get_autocast_dtype(kind) for kind in KINDS if torch.is_autocast_enabled(kind)}
    if not asked:
        yield
        return
    token = _asked.set(asked)
    try:
        with ExitStack() as off:
            for kind, dtype in asked.items():
                off.enter_context(torch.autocast(kind, dtype, enabled=False))
            yield
    finally:
        _asked.reset(token)


@contextmanager
def as_asked() -> Iterator[None]:
    """Within ``own_precision``, the autocast around it again, for a network."""
    with ExitStack() as on:
        for kind, dtype in (_asked.get() or {}).items():
            # what is cast without gradients must not serve a training that goes on
            on.enter_context(torch.autocast(kind, dtype, cache_enabled=False))
        yield
