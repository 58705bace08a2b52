"""Effective rank of a layer, and how alike it is to itself at an earlier moment, with what other samples would give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from layerlib._asking import Asking
from layerlib.inspection._intervals import Estimate, Resampling
from layerlib.inspection._narrow import COLUMNS, factor
from layerlib.similarity import aligned, centred, ratio_of

BETWEEN = 500  # samples at most for CKA between layers, which keeps their square for each
ALIKE = "it puts out, or put out before, the same for every sample"


def rank(z: Tensor, resampling: Resampling) -> Asking[Estimate]:
    """Effective rank of the readings ``z``, shape (N, F). Raises ValueError if all are alike."""
    rows = z.double()
    rows = rows - rows[0]
    differ = rows.any()
    rows = rows - rows.mean(0)
    if len(rows) < rows.shape[1]:
        values, vectors = torch.linalg.eigh(rows @ rows.T)
        scores = vectors * values.clamp(min=0).sqrt()
    else:
        values, vectors = torch.linalg.eigh(rows.T @ rows)
        scores = rows @ vectors
    # spectrum_rank
    positive = values.clamp(min=0)
    value = torch.special.entr(positive / positive.sum()).sum().exp()
    # to first order, other samples stretch the principal directions and leave them where they are
    spread = (resampling.mean(scores.square()) - resampling.mean(scores).square()).clamp(min=0)
    shares = spread / spread.sum(1, keepdim=True)
    draws = torch.special.entr(shares).sum(1).exp()
    value, differ, some = yield torch.stack([value, differ.double(), positive.any().double()])
    if not (differ and some):
        raise ValueError(ALIKE)
    return Estimate(value, draws)


def alike(z: Tensor, earlier: Tensor, resampling: Resampling) -> Asking[Estimate]:
    """Debiased CKA of two readings of the same samples, (N, F) and (N, G). Raises ValueError if one has all alike."""
    if len(z) < 4:
        raise ValueError(f"it has {len(z)} samples, where at least 4 are needed")
    parts = aligned(z.double(), earlier.double())
    differ = [(each != each[0]).any().double() for each in (z, earlier)]
    one, other, *sums = yield torch.stack([*differ, *(part.sum() for part in parts)])
    if not (one and other):
        raise ValueError(ALIKE)
    value = ratio_of(*sums)
    aa, ab, bb = resampling.sums(torch.stack(parts, 1)).unbind(1)
    # a pair counts for both its samples: see Resampling.ratio
    return Estimate(value, value + 2 * (ab / (aa * bb).sqrt() - value))


def likeness(z: Tensor) -> Tensor:
    """Centred products of samples, one for each pair, of length 1: of two layers, their product is the CKA.

    NaN where all samples are alike, or too few.
    """
    rows = z.double()
    if len(rows) < 4:
        return rows.new_full((1,), torch.nan)
    rows = rows - rows[0]
    first, second = torch.triu_indices(len(rows), len(rows), 1, device=rows.device)
    pairs = centred(rows @ rows.T)[first, second]
    return (pairs / pairs.norm()).float()


def between(layers: Sequence[str], likeness: Mapping[str, Tensor]) -> Tensor:
    """Debiased CKA between any two of the layers, float64, on the CPU; NaN for those without a ``likeness``."""
    found = torch.full((len(layers), len(layers)), torch.nan, dtype=torch.float64)
    rows = [i for i, layer in enumerate(layers) if layer in likeness]
    if rows:
        pairs = torch.stack([likeness[layers[i]] for i in rows])
        here = torch.tensor(rows)
        found[here[:, None], here] = (pairs @ pairs.T).double().cpu()
    return found


def apart(z: Tensor) -> Tensor:
    """Readings, (N, F), with each feature's values dealt out anew among the samples: what has nothing in common.

    Of more features than samples, rows with the same inner products.
    """
    random = torch.Generator().manual_seed(0)
    if z.shape[1] <= len(z):
        return _dealt(z, random)
    dealt = (_dealt(some, random).double() for some in z.split(COLUMNS, 1))
    return factor(sum((some @ some.T for some in dealt), z.new_zeros((), dtype=torch.float64)))


def _dealt(z: Tensor, random: torch.Generator) -> Tensor:
    order = torch.rand(z.shape, generator=random, dtype=torch.float32).argsort(0)
    return z.gather(0, order.to(z.device, non_blocking=True))
