"""Label distributions of layers, and how far they are from their targets (Cao et al. 2022).

Distributions are the last axis; the axes before it broadcast, as L layers (L, N, K) against one target (N, K). Arrays
count as tensors. All is computed in float64, on the device of the first argument, and returned in the wider of the two
dtypes, without gradients.
"""

import math
from numbers import Integral, Real
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from layerlib._checks import above_zero, checked, from_zero, whole_number
from layerlib._tensors import as_tensor, finite, numbers
from layerlib._threads import one_thread
from layerlib.distributions import _transport as transport
from layerlib.distributions._masses import check_masses, costs_of, distributions_of, normalised

FINEST = 1e9  # times ε: beyond, the exponents of Sinkhorn's iterations are rounded by more than their tolerance


@checked(scores=numbers)
def label_distribution(scores: Tensor) -> Tensor:
    """Each row of scores divided by its sum (Cao et al. 2022, sec. 3.2).

    Parameters
    ----------
    scores : probabilities or a multi-hot target, shape (..., K), not negative

    Returns
    -------
    shape (..., K), every row of sum 1; float64 for float64, float32 for any other dtype

    Raises
    ------
    ValueError
        if a score is negative or not finite, or a row holds none above 0 (a sample without labels: leave it out)

    Examples
    --------
    >>> label_distribution(torch.tensor([[1, 0, 1, 0], [0, 0, 3, 1]]))
    tensor([[0.5000, 0.0000, 0.5000, 0.0000],
            [0.0000, 0.0000, 0.7500, 0.2500]])
    """
    if scores.ndim < 1 or scores.shape[-1] == 0:
        raise ValueError(f"scores: expected shape (..., K), got {tuple(scores.shape)}")
    mass = scores.detach().double()
    check_masses("scores", mass)
    shares, total = _shares(mass, scores.dtype)
    if (total == 0).any():
        raise ValueError(
            f"scores: {int((total == 0).sum())} of {total.numel()} rows hold no score above 0; "
            "leave samples without labels out, and count them"
        )
    return shares


def _shares(mass: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """``label_distribution`` of scores of this ``dtype`` as float64, NaN in a row of zeros; and the sum of each row."""
    mass = _about_one(mass, -1)  # the largest scores would overflow where they add
    total = mass.sum(-1, keepdim=True)
    return (mass / total).to(torch.float64 if dtype == torch.float64 else torch.float32), total


def uniform_distances(scores: Tensor, target: Tensor) -> Tensor:
    """``wasserstein`` from the label distributions of ``scores`` to those of ``target``, any move costing 1.

    No device is asked whether both are as they must be. NaN where a row is not finite, or holds no score above 0.
    """
    with one_thread(scores.numel()):
        p, q = (_shares(each.detach().double(), each.dtype)[0] for each in (scores, target))
        dtype = torch.promote_types(p.dtype, q.dtype)
        return (normalised(p) - normalised(q)).abs().sum(-1).div(2).to(dtype)


@checked(logits=finite)
def sigmoid_distribution(logits: Tensor) -> Tensor:
    """``label_distribution(logits.sigmoid())``, also where every sigmoid of a row is too small for a float.

    Float32 holds no sigmoid of a logit below -104: a network so sure that a sample has none of the labels gives each of
    them exactly 0. The shares are the softmax of log sigmoid, which holds them.

    Parameters
    ----------
    logits : float, shape (..., K)

    Returns
    -------
    shape (..., K), every row of sum 1; float64 for float64, float32 for any other dtype

    Raises
    ------
    ValueError
        if a logit is not finite, or there is no class

    Examples
    --------
    >>> sigmoid_distribution(torch.tensor([[0.0, 0.0, -800.0], [-200.0, -200.0, -201.0]]))
    tensor([[0.5000, 0.5000, 0.0000],
            [0.4223, 0.4223, 0.1554]])
    """
    if logits.ndim < 1 or logits.shape[-1] == 0:
        raise ValueError(f"logits: expected shape (..., K), got {tuple(logits.shape)}")
    shares = F.logsigmoid(logits.detach().double()).softmax(-1)
    return shares.to(torch.float64 if logits.dtype == torch.float64 else torch.float32)


def label_cost(labels: int | Tensor) -> Tensor:
    """Cost of moving mass from one label to another, between 0 and 1.

    A number of classes gives the uniform cost, 1 between any two labels. Vectors for the labels give the squared
    Euclidean distance between them, divided by the largest (Cao et al. 2022, their code).

    Parameters
    ----------
    labels : the number of classes K, or label vectors, float, shape (K, D)

    Returns
    -------
    float64, shape (K, K), symmetric, 0 on the diagonal

    Raises
    ------
    ValueError
        if there is no class, or the vectors are not finite or all the same
    """
    if isinstance(labels, (Real, str)) or labels is None:
        if isinstance(labels, bool) or not isinstance(labels, Integral) or labels < 1:
            raise ValueError(f"labels: expected a number of classes or vectors of shape (K, D), got {labels!r}")
        return 1 - torch.eye(int(labels), dtype=torch.float64)
    labels = as_tensor("labels", labels)
    if labels.ndim != 2 or not labels.numel() or not labels.is_floating_point() or not labels.isfinite().all():
        raise ValueError(
            "labels: expected finite float vectors of shape (K, D), "
            f"got {labels.dtype} {tuple(labels.shape)}, {int((~labels.isfinite()).sum())} not finite"
        )
    vectors = _about_one(labels.detach().double(), (0, 1))  # squares would overflow, or vanish
    # by differences: equal vectors cost exactly 0
    squared = torch.cdist(vectors, vectors, compute_mode="donot_use_mm_for_euclid_dist") ** 2
    if len(labels) > 1 and not squared.any():
        raise ValueError(f"labels: expected vectors that differ, got {len(labels)} times the same")
    return squared / squared.max() if len(labels) > 1 else squared


def wasserstein(p: Tensor, q: Tensor, cost: Tensor) -> Tensor:
    """Least cost ⟨T, C⟩ of moving the mass of each row of ``p`` to that of ``q`` (Cao et al. 2022, eqs. 1-2).

    Solves the linear programme, and is fastest where each row of ``q`` holds few labels. Unless the cost is uniform,
    rows with more than four go to POT on the CPU, as do those with three or four where they are fewer than 300, or the
    largest cost is more than a thousand times the smallest above 0.

    Parameters
    ----------
    p, q : float32 or float64, shapes (..., K) that broadcast, rows of sum 1; zeros are welcome
    cost : shape (K, K), from the labels of ``p`` to those of ``q``, finite, not negative

    Returns
    -------
    shape (...), in the units of the cost

    Raises
    ------
    ValueError
        if a row does not sum to 1 (within 1e-4 in float32, 1e-6 in float64; they are normalised), a mass or cost is
        negative or not finite, or shapes do not go together
    RuntimeError
        if POT's solver does not finish

    Examples
    --------
    >>> target = label_distribution(torch.tensor([[1, 0, 1, 0]]))
    >>> layers = label_distribution(torch.rand(9, 1, 4))
    >>> wasserstein(layers, target, label_cost(4)).shape
    torch.Size([9, 1])
    """
    return _transport(transport.exact, p, q, cost)[0]


class Entropic(NamedTuple):
    """Entropic transport: its cost ⟨T, C⟩, and the L1 error of the marginals that the iterations ended with."""

    cost: Tensor
    error: Tensor


@checked(epsilon=above_zero, max_iterations=whole_number, tolerance=from_zero)
def sinkhorn(
    p: Tensor, q: Tensor, cost: Tensor, epsilon: float = 0.01, max_iterations: int = 1000, tolerance: float = 1e-6
) -> Entropic:
    """Entropic transport of each row, its plan rounded to the marginals, and how far it was from them.

    min ⟨T, C⟩ - ε H(T) (Cao et al. 2022, eq. 3, whose 1/α is ε here, as in their code). Iterations end at
    ``tolerance``, looked at every five, or at ``max_iterations``; the plan is then rounded (Altschuler et al. 2017), so
    that the cost is that of a coupling, and never below the exact one.

    Parameters
    ----------
    p, q, cost : as in ``wasserstein``
    epsilon : weight ε of the entropy, in the units of the cost; at least a billionth of the largest
    max_iterations : at least 1
    tolerance : L1 error of the marginals at which a row is done

    Returns
    -------
    cost ⟨T, C⟩ : shape (...)
    error : shape (...), the L1 error of the marginals before rounding: above ``tolerance`` where the iterations ran
        out, and the cost not to be trusted

    Raises
    ------
    ValueError
        as ``wasserstein``, or if an option is not as above
    """

    def solve(p: Tensor, q: Tensor, cost: Tensor) -> tuple[Tensor, Tensor]:
        if (largest := float(cost.max())) > FINEST * epsilon:
            raise ValueError(
                f"epsilon: expected at least {largest / FINEST:.3g}, the largest cost divided by "
                f"{FINEST:.0e}, got {epsilon:.3g}; below, wasserstein is as near"
            )
        return transport.entropic(p, q, cost, epsilon, max_iterations, tolerance)

    return Entropic(*_transport(solve, p, q, cost))


def total_variation(p: Tensor, q: Tensor) -> Tensor:
    """Half the sum of the absolute differences of each row, shape (...). Raises as ``wasserstein``.

    It is the transport cost where any move costs 1.
    """
    p, q, dtype = distributions_of(p, q)
    return ((p - q).abs().sum(-1) / 2).to(dtype)


def chebyshev(p: Tensor, q: Tensor) -> Tensor:
    """Largest absolute difference of each row, shape (...) (Cao et al. 2022, fig. 5). Raises as ``wasserstein``."""
    p, q, dtype = distributions_of(p, q)
    return (p - q).abs().amax(-1).to(dtype)


@checked(floor=from_zero)
def kl(p: Tensor, q: Tensor, floor: float = 0.0) -> Tensor:
    """Σ p ln(p / (q + floor)) of each row, in nats (Cao et al. 2022, fig. 5).

    A term with p = 0 is 0; one with p > 0 where q + floor = 0 is infinite. The paper's code has
    ``kl(output, target, floor=1e-10)``: about 23 nats times the mass off the target's labels, as -ln 1e-10 = 23.
    ``kl(target, output)`` is finite wherever the output is positive.

    Parameters
    ----------
    p, q : as in ``wasserstein``
    floor : added to ``q``, which is not normalised again

    Returns
    -------
    shape (...)

    Raises
    ------
    ValueError
        as ``wasserstein``, or if ``floor`` is negative
    """
    p, q, dtype = distributions_of(p, q)
    return _kl(p, q + floor).to(dtype)


def js(p: Tensor, q: Tensor) -> Tensor:
    """Jensen-Shannon divergence ½ KL(p‖m) + ½ KL(q‖m), m = (p + q) / 2, of each row (Cao et al. 2022, fig. 5).

    In nats, between 0 and ln 2, shape (...). A term with no mass is 0. Raises as ``wasserstein``.
    """
    p, q, dtype = distributions_of(p, q)
    middle = (p + q) / 2
    return ((_kl(p, middle) + _kl(q, middle)) / 2).clamp(0, math.log(2)).to(dtype)


def _kl(p: Tensor, q: Tensor) -> Tensor:
    return (torch.special.xlogy(p, p) - torch.special.xlogy(p, q)).sum(-1)


def _transport(solve, p: Tensor, q: Tensor, cost: Tensor) -> tuple[Tensor, ...]:
    """``solve`` on all rows laid out flat, its answers in the rows' shape and dtype."""
    p, q = as_tensor("p", p), as_tensor("q", q)
    with one_thread(max(p.numel(), q.numel())):
        p, q, dtype = distributions_of(p, q)
        cost = costs_of(cost, p.shape[-1]).to(p.device)
        p, q = torch.broadcast_tensors(p, q)
        found = solve(p.reshape(-1, p.shape[-1]), q.reshape(-1, q.shape[-1]), cost)
        found = tuple(x.view(p.shape[:-1]).to(dtype) for x in (found if isinstance(found, tuple) else (found,)))
    if not all(x.isfinite().all() for x in found):
        raise ValueError(f"cost: expected costs whose distances {dtype} can hold, got up to {float(cost.max()):.3g}")
    return found


def _about_one(x: Tensor, dims: int | tuple[int, ...]) -> Tensor:
    """x divided by a power of two, which changes no digit, so that the largest along ``dims`` is about 1."""
    largest = x.abs().amax(dims, keepdim=True)
    return x / torch.where(largest > 0, largest / (2 * torch.frexp(largest).mantissa), 1)
