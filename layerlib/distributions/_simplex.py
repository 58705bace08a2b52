"""The network simplex for many pairs of label distributions that share one cost matrix."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

PIVOTS = 10**7
WIDEST = 1e6  # how many times the smallest cost the largest may be for the simplex to solve them together
DUST = 1e-12  # mass that rounding leaves on any cell of a plan


def network_simplex(p: Tensor, q: Tensor, cost: Tensor) -> Tensor:
    """min ⟨T, C⟩ over the couplings T of each row, costs being any orders of magnitude apart.

    POT's network simplex on each row's support, on the CPU.

    Parameters
    ----------
    p, q : float64, shape (M, K)
    cost : float64, shape (K, K), from the labels of ``p`` to those of ``q``, not all 0

    Returns
    -------
    float64, shape (M,)

    Raises
    ------
    RuntimeError
        if the simplex does not finish
    """
    count = (q > 0).sum(-1)
    mass, labels = (tensor.cpu().numpy() for tensor in q.topk(int(count.max())))
    to_label = cost.T.cpu().numpy()
    rows = _Rows(p.cpu().numpy(), mass, labels, count.tolist())
    return torch.from_numpy(_solved(rows, to_label, WIDEST * to_label[to_label > 0].min())).to(p.device)


class _Rows(NamedTuple):
    """Problems of transport: masses, and for each target those of its labels, the labels, and how many they are."""

    sources: np.ndarray
    targets: np.ndarray
    labels: np.ndarray
    counts: Sequence[int]

    def __getitem__(self, which: np.ndarray) -> "_Rows":  # type: ignore[override]
        return _Rows(*(np.asarray(part)[which] for part in tuple(self)))


def _solved(rows: _Rows, to_label: np.ndarray, cap: float) -> np.ndarray:
    """The least cost of each row. To begin with, no cost counts for more than ``cap``.

    A plan that is best for capped costs and uses none of them is best for the costs themselves. Rows whose plan does
    are solved again with a higher cap. So the simplex never adds what is small to what is huge, and loses it.

    The one loop over samples: the solver takes one problem a call, and is faster on these small blocks than pivoting
    a whole batch in step. Called beneath ``ot.emd2``, whose own work on each call takes several times as long.
    """
    from ot.lp.emd_wrap import emd_c  # half a second, which only three labels and more need

    largest = to_label.max()
    # the solver's own tolerances are for costs of about 1; a power of two changes no digit
    exponent = math.frexp(min(cap, largest))[1] - 1
    priced, dear = np.ldexp(np.minimum(to_label, cap), -exponent), to_label > cap
    found, beyond = np.empty(len(rows.sources)), np.zeros(len(rows.sources), bool)
    for i, (source, target, label, n) in enumerate(zip(*rows, strict=True)):
        plan, found[i], _, _, status = emd_c(target[:n], source, priced[label[:n]], PIVOTS, 1)
        if status != 1:
            raise RuntimeError(f"the network simplex did not finish within {PIVOTS:,} pivots (status {status})")
        if cap < largest:
            beyond[i] = plan[dear[label[:n]]].sum() > DUST
    found = np.ldexp(found, exponent)
    if beyond.any():
        found[beyond] = _solved(rows[beyond], to_label, WIDEST * cap)  # type: ignore[arg-type]
    return found
