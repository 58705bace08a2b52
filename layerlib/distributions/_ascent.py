"""Exact transport of many rows at once to targets of three or four labels, by steepest ascent of its dual."""

import math

import numpy as np
import torch
from torch import Tensor

MOST = 4  # labels of a target: more take more steps than they save
FEWEST = 300  # rows: fewer are solved sooner one by one
STEPS = 20  # a row that takes more is left out; a multiple of the steps from look to look
CHUNK = 2**18  # numbers of a temporary: 2 MiB
WIDEST = 1e3  # how many times the smallest cost above 0 the largest may be
TIE = 1e-14  # of the largest cost: within it, labels are equally near
DUST = 1e-15  # mass


def ascended(p: Tensor, q: Tensor, cost: Tensor) -> Tensor:
    """min ⟨T, C⟩ over the couplings T of each row; NaN in those that are better left to the network simplex.

    The dual maximises Σ_l q_l v_l + Σ_k p_k min_l (C_kl - v_l) over a price v of each label. It is L♮-concave (Murota
    2003, ch. 7): where raising no set of labels together adds to it, it is at its maximum. A step raises the set that
    adds most, to where its labels are nearest to as much of ``p`` as they have mass, which one sort tells.

    Parameters
    ----------
    p, q : float64, shape (M, K)
    cost : float64, shape (K, K), from the labels of ``p`` to those of ``q``, not all 0

    Returns
    -------
    float64, shape (M,)
    """
    distance, labels = torch.full_like(p[:, 0], torch.nan), (q > 0).sum(-1)
    if cost.max() > WIDEST * cost[cost > 0].min():
        return distance
    scale = math.ldexp(1, math.frexp(float(cost.max()))[1])  # a power of two changes no digit
    chunk = CHUNK if p.device.type == "cpu" else CHUNK << 6  # a GPU has no cache to stay in, and is to be filled
    for n in range(3, MOST + 1):
        rows = (labels == n).nonzero()[:, 0]
        for part in rows.split(chunk // (n * len(cost)) + 1) if len(rows) >= FEWEST else ():
            distance[part] = scale * _ascended(p[part], *q[part].topk(n), cost.T / scale)
    return distance


def _ascended(p: Tensor, mass: Tensor, labels: Tensor, to_label: Tensor) -> Tensor:
    """The same for masses and labels, shape (M, n), and costs up to 1, a row for each label of ``q``."""
    n = mass.shape[1]
    bits, sets = 2 ** torch.arange(n, device=p.device), torch.arange(2**n, device=p.device)
    member = sets[:, None] & bits > 0
    touching = (sets[:, None] & sets > 0).to(p.dtype)
    wanted = mass @ member.T.to(p.dtype)  # by each set
    cost, price = to_label[labels.T], p.new_zeros(n, len(p), 1)
    distance, rows = torch.full_like(p[:, 0], torch.nan), torch.arange(len(p), device=p.device)
    # a look at who climbs on waits for a GPU, which takes longer than the steps of those that stay
    every = 1 if p.device.type == "cpu" else 5
    for step in range(1, STEPS + 1):
        reduced = cost - price
        near = reduced <= reduced.amin(0) + TIE
        nearest = (near * bits.to(torch.uint8)[:, None, None]).sum(0)  # a set of labels, by its number
        held = p.new_zeros(len(p), 2**n).scatter_add_(1, nearest, p) @ touching
        slope, best = (wanted - held).max(1)
        climbing = slope > DUST
        left = climbing.nonzero()[:, 0] if step % every == 0 else rows
        if 2 * len(left) <= len(p):  # those that are there stay until they are as many as the others
            found = _value(p, mass, cost, price[:, :, 0], member.int().argmax(1)[nearest])
            distance[rows] = torch.where(climbing, torch.nan, found)
            if not len(left):
                break
            rows, p, mass, wanted, best, climbing = (x[left] for x in (rows, p, mass, wanted, best, climbing))
            cost, price, reduced = (x[:, left] for x in (cost, price, reduced))
        raised = member.T[:, best, None]
        outside = (reduced + torch.where(raised, torch.inf, 0.0)).amin(0)
        height = (reduced + torch.where(raised, 0.0, torch.inf)).amin(0) - outside
        order = _order(height)
        short = p.gather(1, order).cumsum(1) < wanted.gather(1, best[:, None])
        last = order.gather(1, short.sum(1, keepdim=True).clamp_max(p.shape[1] - 1))
        price = torch.where(raised & climbing[:, None], price + height.gather(1, last), price)
    return distance


def _value(p: Tensor, mass: Tensor, cost: Tensor, price: Tensor, nearest: Tensor) -> Tensor:
    """Of the dual: what the nearest labels cost, and the prices of what they hold too little or too much.

    So written it keeps its digits where ``p`` and ``q`` are nearly the same.
    """
    held = torch.zeros_like(mass).scatter_add(1, nearest, p)
    return (p * cost.gather(0, nearest[None])[0]).sum(1) + (price.T * (mass - held)).sum(1)


def _order(x: Tensor) -> Tensor:
    """``x.argsort(-1)``; on a CPU numpy's takes a third of the time."""
    return torch.from_numpy(np.argsort(x.numpy())) if x.device.type == "cpu" else x.argsort(-1)
