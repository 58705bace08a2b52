"""What label distributions and the costs between labels must look like."""

import torch
from torch import Tensor

from layerlib._tensors import as_tensor

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-6}


def distributions_of(p: Tensor, q: Tensor) -> tuple[Tensor, Tensor, torch.dtype]:
    """Both checked, on the device of ``p``, in float64 and normalised to the last digit, and the dtype to answer in."""
    p, q = _rows_of("p", p), _rows_of("q", q)
    leading = zip(reversed(p.shape[:-1]), reversed(q.shape[:-1]), strict=False)
    if p.shape[-1] != q.shape[-1] or any(a != b and 1 not in (a, b) for a, b in leading):
        raise ValueError(f"q: expected a shape that broadcasts with {tuple(p.shape)} of p, got {tuple(q.shape)}")
    dtype = torch.promote_types(p.dtype, q.dtype)
    return normalised(p), normalised(q.to(p.device)), dtype


def normalised(p: Tensor) -> Tensor:
    """Rows of mass about 1 in float64, of mass 1 to the last digit."""
    p = p.detach().double()
    return p / p.sum(-1, keepdim=True)


def _rows_of(name: str, rows: Tensor) -> Tensor:
    """Label distributions as a tensor; ValueError where they are none."""
    rows = as_tensor(name, rows)
    if rows.dtype not in TOLERANCE or rows.ndim < 1 or rows.shape[-1] == 0:
        raise ValueError(
            f"{name}: expected a float32 or float64 tensor of shape (..., K), got {rows.dtype} {tuple(rows.shape)}"
        )
    check_masses(name, rows)
    off = (rows.sum(-1, dtype=torch.float64) - 1).abs()
    if (off > TOLERANCE[rows.dtype]).any():
        raise ValueError(
            f"{name}: expected rows of sum 1, got {int((off > TOLERANCE[rows.dtype]).sum())} of "
            f"{off.numel()} off by up to {off.max():.2g}; see label_distribution"
        )
    return rows


def check_masses(name: str, mass: Tensor) -> None:
    wrong = ~mass.isfinite() | (mass < 0)
    if wrong.any():
        raise ValueError(
            f"{name}: expected finite numbers of at least 0, got {mass[wrong][0]:.4g} "
            f"and {int(wrong.sum()) - 1} more like it"
        )


def costs_of(cost: Tensor, classes: int) -> Tensor:
    cost = as_tensor("cost", cost)
    if cost.shape != (classes, classes) or cost.is_complex():
        raise ValueError(
            f"cost: expected real numbers of shape ({classes}, {classes}), one for each pair of labels, "
            f"got {tuple(cost.shape)} {cost.dtype}"
        )
    check_masses("cost", cost)
    return cost.detach().double()
