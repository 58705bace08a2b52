"""How many directions a layer uses, and how alike two layers are: effective rank, and CKA without its bias."""

from collections.abc import Iterable, Iterator
from itertools import zip_longest

import numpy as np
import torch
from torch import Tensor

from layerlib._checks import checked, kind_of
from layerlib._tensors import finite

Batches = Tensor | Iterable[Tensor]


@torch.no_grad()
def effective_rank(features: Batches) -> float:
    """exp of the entropy of the eigenvalues of the covariance, as shares of their sum (Roy & Vetterli 2007).

    1 where all samples lie on one line, D where they spread alike in all D directions.

    Parameters
    ----------
    features : float, shape (N, …), flattened to (N, D); or batches of it, (n, …) each, gone through once
        Memory for batches grows with D², not with the samples; of one tensor the smaller of D and N counts.

    Returns
    -------
    float, in [1, min(D, N - 1)]

    Raises
    ------
    ValueError
        if a value is not finite, a shape is none of these, or all samples are alike

    Examples
    --------
    >>> round(effective_rank(torch.eye(5)), 6)  # 5 corners span 4 dimensions, each alike
    4.0
    """
    spectrum = _covariance_spectrum(features)
    if not (spectrum > 0).any():
        raise ValueError("features: expected samples that differ, got the same one again and again")
    return spectrum_rank(spectrum)


@checked(eigenvalues=finite)
def spectrum_rank(eigenvalues: Tensor) -> float:
    """Effective rank of a covariance with these ``eigenvalues``, shape (D,)."""
    if eigenvalues.ndim != 1 or not len(eigenvalues):
        raise ValueError(f"eigenvalues: expected shape (D,), not empty, got {tuple(eigenvalues.shape)}")
    values = eigenvalues.double().clamp(min=0)
    if not values.any():
        raise ValueError("eigenvalues: expected one above 0, got none: features of samples that are all alike")
    return torch.special.entr(values / values.sum()).sum().exp().item()


@torch.no_grad()
def cka(a: Batches, b: Batches) -> float:
    """Linear centred kernel alignment of two layers' features of the same samples, debiased.

    HSIC₁(a, b) / √(HSIC₁(a, a) HSIC₁(b, b)) (Kornblith et al. 2019), each by the unbiased estimate of Song et al.
    2012. It is 1 for features that are equal up to rotation, scale and shift, and 0 on average for features that have
    nothing to do with each other, however few the samples; so it can fall a little below 0.

    Parameters
    ----------
    a, b : float, shapes (N, …), flattened, of the same samples in the same order; or batches of them, in step, gone
        through once. Memory for batches grows with D², not with the samples.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        if a value is not finite, the samples are fewer than 4 or not as many in both, or all alike in one of them

    Examples
    --------
    >>> features = torch.randn(100, 20)
    >>> round(cka(features, 3 * features + 1), 6)
    1.0
    """
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        x, y = _rows(a, "a"), _rows(b, "b").to(a.device)
        if len(x) != len(y):
            raise ValueError(f"b: expected {len(x)} samples as in a, got {len(y)}")
        if x.shape[1] * y.shape[1] > len(x) ** 2 > 9:
            return ratio_of(*(products.sum().item() for products in aligned(x, y)))
    sums = None
    for x, y in zip_longest(_batches(a, "a"), _batches(b, "b")):
        if x is None or y is None:
            raise ValueError(f"b: expected as many batches as in a, got {'more' if x is None else 'fewer'}")
        y = y.to(x.device)
        if len(x) != len(y):
            raise ValueError(f"b: expected batches of as many samples as in a, {len(x)}, got {len(y)}")
        sums = sums or [_Products(x, x), _Products(x, y), _Products(y, y)]
        for each, pair in zip(sums, ((x, x), (x, y), (y, y)), strict=True):
            each.add(*pair)
    if sums is None:
        raise ValueError("a: expected at least 4 samples, got none")
    return ratio_of(*(each.hsic() for each in sums))


def ratio_of(aa: float, ab: float, bb: float) -> float:
    """CKA from the three estimates of HSIC, up to a common factor."""
    for name, own in (("a", aa), ("b", bb)):
        if not own > 0:
            raise ValueError(f"{name}: expected samples that differ, got the same one again and again")
    return ab / (aa * bb) ** 0.5


def aligned(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Each sample's part, float64, (N,), in N (N - 3) HSIC₁ of x with itself, of x with y, and of y with itself."""
    # no estimate depends on a shift, but rounding does: samples that are all alike become zeros
    x, y = x - x[0], y - y[0]
    one, other = centred(x @ x.T), centred(y @ y.T)
    return one.square().sum(1), (one * other).sum(1), other.square().sum(1)


def centred(kernel: Tensor) -> Tensor:
    """Off the diagonal, without what rows and columns add; zero on it (Székely & Rizzo 2014, U-centring)."""
    n = len(kernel)
    kernel = kernel.fill_diagonal_(0)
    rows = kernel.sum(1) / (n - 2)
    return (kernel - rows[:, None] - rows + kernel.sum() / ((n - 1) * (n - 2))).fill_diagonal_(0)


class _Products:
    """Sums over samples from which HSIC₁ of two linear kernels follows, so that none of N x N is needed."""

    def __init__(self, x: Tensor, y: Tensor):
        self.shifts, self.samples = (x[0], y[0]), 0
        self.sums = [torch.zeros_like(x[0]), torch.zeros_like(y[0])]
        self.squares = [0.0, 0.0, 0.0]  # Σ|x|², Σ|y|², Σ|x|²|y|²
        self.weighted = [torch.zeros_like(x[0]), torch.zeros_like(y[0])]  # Σ x|y|², Σ y|x|²
        self.crossed = x.new_zeros(x.shape[1], y.shape[1])

    def add(self, x: Tensor, y: Tensor) -> None:
        x, y = x - self.shifts[0], y - self.shifts[1]
        long, wide = x.square().sum(1), y.square().sum(1)
        self.samples += len(x)
        self.sums = [old + new.sum(0) for old, new in zip(self.sums, (x, y), strict=True)]
        self.squares = [old + new.sum() for old, new in zip(self.squares, (long, wide, long * wide), strict=True)]  # type: ignore[misc]
        self.weighted = [self.weighted[0] + wide @ x, self.weighted[1] + long @ y]
        self.crossed += x.T @ y

    def hsic(self) -> float:
        """N (N - 3) HSIC₁."""
        n, (sx, sy), (xx, yy, both) = self.samples, self.sums, self.squares
        if n < 4:
            raise ValueError(f"a: expected at least 4 samples, got {n}")
        paired = sx @ self.crossed @ sy - sx @ self.weighted[0] - sy @ self.weighted[1] + both
        alone = (sx @ sx - xx) * (sy @ sy - yy) / ((n - 1) * (n - 2))
        return (self.crossed.square().sum() - both + alone - 2 / (n - 2) * paired).item()


def _covariance_spectrum(features: Batches) -> Tensor:
    """Eigenvalues, up to a factor; those that must be zero may be left out."""
    if isinstance(features, Tensor):
        rows = _rows(features, "features")
        rows = rows - rows[0]
        rows = rows - rows.mean(0)
        small = rows @ rows.T if len(rows) < rows.shape[1] else rows.T @ rows
        return _spectrum(small)
    samples, mean, scatter = 0, 0.0, torch.zeros(())
    shift = None
    for x in _batches(features, "features"):
        shift = x[0] if shift is None else shift
        x = x - shift
        own, n = x.mean(0), len(x)
        moved, centred = own - mean, x - own
        scatter = scatter + centred.T @ centred + moved.outer(moved) * (samples * n / (samples + n))
        mean, samples = mean + moved * (n / (samples + n)), samples + n
    if not samples:
        raise ValueError("features: expected samples, got none")
    return _spectrum(scatter)


def _spectrum(products: Tensor) -> Tensor:
    if not products.isfinite().all():
        raise ValueError("features: expected numbers whose squares are finite, got larger ones")
    return torch.linalg.eigvalsh(products)


def _batches(features: Batches, name: str) -> Iterator[Tensor]:
    if not isinstance(features, Iterable) or isinstance(features, str):
        raise ValueError(f"{name}: expected features, or batches of them, got {kind_of(features)}")
    alone = isinstance(features, (Tensor, np.ndarray))
    for batch in (features,) if alone else features:
        yield _rows(batch, name)


def _rows(features: object, name: str) -> Tensor:
    rows = finite(name, features)
    if rows.ndim < 2 or not len(rows):
        raise ValueError(f"{name}: expected shape (N, …), or batches of it, got {tuple(rows.shape)}")
    return rows.detach().flatten(1).double()
