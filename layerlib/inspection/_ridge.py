"""Ridge regression on more features than samples: all it needs of them is their inner products."""

from __future__ import annotations

import torch
from torch import Tensor

PENALTIES = torch.logspace(-6, 2, 17, dtype=torch.float64)  # of the mean eigenvalue
COLUMNS = 4096  # at a time


class Ridge:
    """Ridge regressions on the same features in their dual form (Saunders et al. 1998).

    The penalty is the one of ``PENALTIES`` with the least error where each sample is left out in turn.

    Parameters
    ----------
    fitted, judged : shapes (N, F) and (M, F); any rows with the inner products of the features will do
    """

    def __init__(self, fitted: Tensor, judged: Tensor):
        kernel, crossed = gram(fitted), gram(judged, fitted)
        rows = kernel.mean(0)
        centred = kernel - rows - rows[:, None] + rows.mean()
        self._crossed = crossed - crossed.mean(1, keepdim=True) - rows + rows.mean()
        self._values, self._vectors = torch.linalg.eigh(centred)
        self._values.clamp_(min=0)

    def scores(self, targets: Tensor) -> Tensor:
        """What the regression on ``targets``, shape (N, K), says of the judged samples: float64, shape (M, K)."""
        targets = targets.to(self._vectors)
        mean = targets.mean(0)
        turned = self._vectors.T @ (targets - mean)
        scale = self._values.mean()
        if not scale > 0:
            return mean.expand(len(self._crossed), -1)
        best, least = None, torch.inf
        for penalty in (PENALTIES.to(scale) * scale).unbind():
            kept = self._values / (self._values + penalty)
            missed = targets - mean - self._vectors @ (kept[:, None] * turned)
            own = self._vectors.square() @ kept + 1 / len(targets)
            error = (missed / (1 - own).clamp(min=1e-9)[:, None]).square().mean()
            if error < least:
                best, least = penalty, error
        return mean + self._crossed @ (self._vectors @ (turned / (self._values + best)[:, None]))


def gram(x: Tensor, y: Tensor | None = None) -> Tensor:
    """Inner products of rows, float64, (N, M) for (N, F) and (M, F), made of a few columns at a time."""
    parts = zip(x.split(COLUMNS, 1), (x if y is None else y).split(COLUMNS, 1), strict=True)
    return sum((one.double() @ other.double().T for one, other in parts), x.new_zeros((), dtype=torch.float64))


def narrowed(*parts: Tensor) -> Tensor:
    """Rows with the same inner products as those of all ``parts``, (N, F) together, of no more than N features."""
    samples, width = sum(map(len, parts)), parts[0].shape[1]
    if width <= samples:
        return torch.cat(parts)
    columns = (torch.cat(some).double() for some in zip(*(part.split(COLUMNS, 1) for part in parts), strict=True))
    return factor(sum((some @ some.T for some in columns), parts[0].new_zeros((), dtype=torch.float64)))


def factor(kernel: Tensor) -> Tensor:
    """Rows, (N, N), whose inner products are the ``kernel``."""
    # rows that depend on one another leave eigenvalues of 0, and rounding some below
    kernel.diagonal().add_(1e-12 * kernel.diagonal().mean())
    rows, failed = torch.linalg.cholesky_ex(kernel)
    if failed:
        values, vectors = torch.linalg.eigh(kernel)
        rows = vectors * values.clamp(min=0).sqrt()
    return rows
