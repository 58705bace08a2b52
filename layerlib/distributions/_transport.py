"""Solvers of optimal transport between many pairs of label distributions that share one cost matrix.

They take float64 rows of mass 1, checked by ``wasserstein`` and ``sinkhorn`` of
``layerlib.distributions.distances``: call those.
"""

import math

import torch
from torch import Tensor

from layerlib.distributions._ascent import ascended
from layerlib.distributions._simplex import network_simplex

CHUNK = 2**22  # numbers a temporary of Sinkhorn's iterations holds: 32 MiB
LARGEST_EXPONENT = math.log(torch.finfo(torch.float64).max)


def exact(p: Tensor, q: Tensor, cost: Tensor) -> Tensor:
    """min ⟨T, C⟩ over the couplings T of each row (Cao et al. 2022, eq. 1), by the number of labels in ``q``.

    A cost c off the diagonal and 0 on it gives c times the total variation; one label takes all the mass;
    two labels are a fractional knapsack, solved by one sort; many rows of three or four climb the dual together; the
    rest goes to the network simplex.

    Parameters
    ----------
    p, q : float64, shape (M, K)
    cost : float64, shape (K, K), from the labels of ``p`` to those of ``q``

    Returns
    -------
    float64, shape (M,)
    """
    off_diagonal = cost[~torch.eye(len(cost), dtype=torch.bool, device=cost.device)]
    if len(off_diagonal) and not cost.diagonal().any() and (off_diagonal == off_diagonal[0]).all():
        return off_diagonal[0] * (p - q).abs().sum(-1) / 2
    labels = (q > 0).sum(-1)
    distance = p.new_empty(len(p))
    for chosen, solve in ((labels == 1, _one_label), (labels == 2, _two_labels), (labels > 2, _labels)):
        rows = chosen.nonzero()[:, 0]
        if len(rows):
            distance[rows] = solve(p[rows], q[rows], cost)
    return distance


def _one_label(p: Tensor, q: Tensor, cost: Tensor) -> Tensor:
    return (p * cost.T[q.argmax(-1)]).sum(-1)


def _two_labels(p: Tensor, q: Tensor, cost: Tensor) -> Tensor:
    """All mass to the heavier label, then the other's share of it moved where the move costs least."""
    mass, labels = q.topk(2)
    # rows with the same two labels share one sort
    pairs, of_row = (labels[:, 0] * len(cost) + labels[:, 1]).unique(return_inverse=True)
    stay, move = cost.T[pairs // len(cost)], cost.T[pairs % len(cost)]
    order = (move - stay).argsort(-1)
    stay, move = (price.gather(-1, order)[of_row] for price in (stay, move))
    available = p.gather(-1, order[of_row])
    before = available.cumsum(-1) - available
    moved = (mass[:, 1:] - before).clamp_min(0).minimum(available)
    # what is left is priced by itself: a difference of prices would lose the smaller beside a huge one
    return ((available - moved) * stay + moved * move).sum(-1)


def _labels(p: Tensor, q: Tensor, cost: Tensor) -> Tensor:
    distance = ascended(p, q, cost)
    left = distance.isnan().nonzero()[:, 0]
    if len(left):
        distance[left] = network_simplex(p[left], q[left], cost)
    return distance


def entropic(
    p: Tensor, q: Tensor, cost: Tensor, epsilon: float, max_iterations: int, tolerance: float
) -> tuple[Tensor, Tensor]:
    """⟨T, C⟩ of the coupling with least ⟨T, C⟩ - ε H(T) (Cao et al. 2022, eq. 3), by Sinkhorn's iterations.

    u ← p / (exp(-C/ε) v), v ← q / (exp(-C/ε)ᵀ u): with one cost for all, a half step of all rows is one matrix
    product, and v is kept on the labels of ``q`` alone. Where exp(-C/ε) or the scalings could underflow, the same is
    done with logarithms, a chunk of rows at a time. A row whose marginal error has come down to ``tolerance`` is
    rounded and leaves the batch, so that no row's answer depends on which others came with it. Temporaries stay at a
    few times ``CHUNK`` numbers.

    Parameters
    ----------
    p, q : float64, shape (M, K)
    cost : float64, shape (K, K)
    epsilon : ε > 0, in the units of the cost
    max_iterations, tolerance : stop at this number, or at this L1 error of the marginals

    Returns
    -------
    float64, shape (M,) : ⟨T, C⟩ after rounding T to its marginals
    float64, shape (M,) : the L1 error of the marginals before
    """
    if not len(p):
        return p.new_empty(0), p.new_empty(0)
    mass, labels = q.topk(int((q > 0).sum(-1).max()))
    # scalings stay within exp(±max C / ε), and so do their products with the kernel's entries
    logarithms = 2 * float(cost.max()) / epsilon > LARGEST_EXPONENT
    problem = (_Logarithms if logarithms else _Scalings)(cost, epsilon)
    size = max(1, CHUNK // (p.shape[1] * (mass.shape[1] if logarithms else 1)))
    parts = [
        _iterate(problem, *rows, max_iterations, tolerance)
        for rows in zip(p.split(size), mass.split(size), labels.split(size), strict=True)
    ]
    distance, error = zip(*parts, strict=True)
    return torch.cat(distance), torch.cat(error)


class _Scalings:
    """u, shape (M, K), and v, shape (M, n) on n labels of ``q``, as they are; matrices have a row a label of ``q``."""

    def __init__(self, cost: Tensor, epsilon: float):
        self.cost = cost.T.contiguous()
        self.kernel = torch.exp(-self.cost / epsilon)
        self.priced = self.kernel * self.cost

    def to_p(self, v: Tensor, labels: Tensor, matrix: Tensor) -> Tensor:
        """Σ over ``labels`` of v times their rows of ``matrix``, shape (M, K)."""
        if 4 * v.shape[1] < len(matrix):
            return torch.nn.functional.embedding_bag(labels, matrix, mode="sum", per_sample_weights=v)
        return v.new_zeros(len(v), len(matrix)).scatter_(1, labels, v) @ matrix

    def to_q(self, u: Tensor, labels: Tensor, matrix: Tensor) -> Tensor:
        """Products of u with the rows of ``matrix`` of ``labels``, shape (M, n)."""
        return (u @ matrix.T).gather(1, labels)

    def write(self, mass: Tensor) -> Tensor:
        return mass

    def divide(self, x: Tensor, y: Tensor) -> Tensor:
        return x / y

    def mass(self, x: Tensor, y: Tensor) -> Tensor:
        """The product of ``x`` and ``y``, as mass."""
        return x * y

    def shrink(self, x: Tensor, share: Tensor) -> Tensor:
        return x * share


class _Logarithms(_Scalings):
    """u and v by their logarithms: slower, but nothing underflows."""

    def __init__(self, cost: Tensor, epsilon: float):
        self.cost = cost.T.contiguous()
        self.kernel = -self.cost / epsilon
        self.priced = self.kernel + self.cost.log()

    def to_p(self, v: Tensor, labels: Tensor, matrix: Tensor) -> Tensor:
        return (v[:, :, None] + matrix[labels]).logsumexp(1)

    def to_q(self, u: Tensor, labels: Tensor, matrix: Tensor) -> Tensor:
        return (u[:, None] + matrix[labels]).logsumexp(2)

    def write(self, mass: Tensor) -> Tensor:
        return mass.log()

    def divide(self, x: Tensor, y: Tensor) -> Tensor:
        return x - y

    def mass(self, x: Tensor, y: Tensor) -> Tensor:
        return (x + y).exp()

    def shrink(self, x: Tensor, share: Tensor) -> Tensor:
        return x + share.log()


def _iterate(
    problem: _Scalings, p: Tensor, q: Tensor, labels: Tensor, max_iterations: int, tolerance: float
) -> tuple[Tensor, Tensor]:
    """Sinkhorn's iterations, looking at the error after the first and every few; the rounded cost and the error."""
    # a look at the error waits for a GPU, which takes longer than many iterations
    every = 4 if p.device.type == "cpu" else 32
    distance, error = p.new_empty(len(p)), p.new_empty(len(p))
    rows = torch.arange(len(p), device=p.device)
    # from the labels of q alone: mass that starts on others leaves them only step by step
    reach = problem.to_p(problem.write((q > 0).to(q.dtype)), labels, problem.kernel)
    for iteration in range(1, max_iterations + 1):
        u = problem.divide(problem.write(p), reach)
        v = problem.divide(problem.write(q), problem.to_q(u, labels, problem.kernel))
        reach = problem.to_p(v, labels, problem.kernel)
        last = iteration == max_iterations
        if (iteration - 1) % every and not last:
            continue
        # the other marginal has just been met
        off = (problem.mass(u, reach) - p).abs().sum(-1)
        done = (off <= tolerance) | last
        if count := int(done.sum()):
            # by their numbers: a mask would be asked each time that it picks some
            order = done.byte().argsort(descending=True, stable=True)
            met, left = order[:count], order[count:]
            distance[rows[met]] = _rounded(problem, *(x[met] for x in (u, v, reach, p, q, labels)))
            error[rows[met]] = off[met]
            rows, p, q, labels, reach = (x[left] for x in (rows, p, q, labels, reach))
        if not len(rows):
            break
    return distance, error


def _rounded(problem: _Scalings, u: Tensor, v: Tensor, reach: Tensor, p: Tensor, q: Tensor, labels: Tensor) -> Tensor:
    """⟨T, C⟩ after rounding T = diag(u) exp(-C/ε) diag(v) to its marginals (Altschuler et al. 2017, algorithm 2).

    Rows that hold too much are shrunk; columns cannot, as v has just met them. What is missing then is added as a
    product of the two remainders. All of it needs products of the kernel with u and v, and never T itself.
    """
    held = problem.mass(u, reach)
    u = problem.shrink(u, torch.where(held > p, p / held, 1.0))
    missing_p = (p - problem.mass(u, reach)).clamp_min(0)
    missing_q = (q - problem.mass(v, problem.to_q(u, labels, problem.kernel))).clamp_min(0)
    kept = problem.mass(u, problem.to_p(v, labels, problem.priced)).sum(-1)
    added = ((missing_p @ problem.cost.T).gather(1, labels) * missing_q).sum(-1)
    return kept + added / missing_p.sum(-1).clamp_min(torch.finfo(p.dtype).tiny)
