"""Readings of more features than samples, as few as samples: what rests on inner products alone stays as it is."""

from __future__ import annotations

import torch
from torch import Tensor

COLUMNS = 4096  # at a time


def narrowed(x: Tensor) -> Tensor:
    """Rows with the same inner products as those of ``x``, (N, F), of no more than N features."""
    if x.shape[1] <= len(x):
        return x
    columns = (some.double() for some in x.split(COLUMNS, 1))
    return factor(sum((some @ some.T for some in columns), x.new_zeros((), dtype=torch.float64)))


def factor(kernel: Tensor) -> Tensor:
    """Rows, (N, N), whose inner products are the ``kernel``."""
    # rows that depend on one another leave eigenvalues of 0, and rounding some below
    kernel.diagonal().add_(1e-12 * kernel.diagonal().mean())
    rows, failed = torch.linalg.cholesky_ex(kernel)
    if failed:
        values, vectors = torch.linalg.eigh(kernel)
        rows = vectors * values.clamp(min=0).sqrt()
    return rows
