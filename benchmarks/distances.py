"""Optimal transport against POT, pair by pair and in batch.

The task is that of Cao et al. (2022): distances from predicted label distributions over K labels to targets that
hold one to five labels of equal mass, under one cost between label vectors, float64.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import ot
import torch
from torch import Tensor

from benchmarks import Task
from layerlib import label_cost, label_distribution, sinkhorn, wasserstein

PAIRS, EPSILON, TOLERANCE = 2_000, 0.1, 1e-9
FEWER = 250  # pairs for a peer that takes long; its time is scaled


def pairs(samples: int, classes: int, labels: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """p, q and the cost, float64; 1 to 5 labels in q, or as many as said."""
    random = torch.Generator().manual_seed(0)
    p = torch.rand(samples, classes, generator=random, dtype=torch.float64).log().neg()
    count = torch.randint(1, 6, (samples, 1), generator=random) if labels is None else labels
    q = torch.rand(samples, classes, generator=random).argsort(-1) < count
    cost = label_cost(torch.randn(classes, 8, generator=random, dtype=torch.float64))
    return label_distribution(p), label_distribution(q.double()), cost


def one_by_one(solve: Callable, p: Tensor, q: Tensor, cost: Tensor) -> np.ndarray:
    rows = zip(p.numpy(), q.numpy(), strict=True)
    return np.array([solve(a, b, cost.numpy()) for a, b in rows]).ravel()


def sinkhorn2(a: np.ndarray, b: np.ndarray, cost: np.ndarray) -> float:
    return ot.sinkhorn2(a, b, cost, EPSILON, stopThr=TOLERANCE)


def batched(p: Tensor, q: Tensor, cost: Tensor) -> np.ndarray:
    many = cost.expand(len(p), -1, -1)
    found = ot.batch.solve_batch(many, a=p, b=q, method="sinkhorn", reg=EPSILON, tol=TOLERANCE)
    return found.value_linear.numpy()


def entropic(p: Tensor, q: Tensor, cost: Tensor) -> Tensor:
    return sinkhorn(p, q, cost, EPSILON, tolerance=TOLERANCE)[0]


def held(given: tuple[Tensor, Tensor, Tensor]) -> int:
    """Bytes of the distributions, the cost and the answers: all that is certain, as the fewest steps are unknown."""
    return sum(each.nbytes for each in given) + given[0][:, 0].nbytes


def tasks() -> Iterator[Task]:
    for classes, labels in ((20, None), (80, None), (80, 4), (80, 80)):
        given = pairs(FEWER if labels == classes else PAIRS, classes, labels)
        told = "1 to 5 labels" if labels is None else f"{labels} labels"
        yield Task(
            f"exact transport, {len(given[0]):,} pairs, K = {classes}, {told}",
            wasserstein,
            given,
            "ot.emd2",
            partial(one_by_one, ot.emd2),
            nbytes=held(given),
            apart=lambda given=given: gap(wasserstein(*given), one_by_one(ot.emd2, *given)),
        )
    p, q, cost = pairs(PAIRS, 20)
    for name, solve in (("ot.sinkhorn2", partial(one_by_one, sinkhorn2)), ("ot.solve_batch", batched)):
        yield Task(
            f"entropic transport, {PAIRS:,} pairs, K = 20, against {name}",
            entropic,
            (p, q, cost),
            name,
            lambda p, q, cost, solve=solve: solve(p[:FEWER], q[:FEWER], cost),
            FEWER / PAIRS,
            nbytes=held((p, q, cost)),
            apart=lambda solve=solve: gap(entropic(p[:FEWER], q[:FEWER], cost), solve(p[:FEWER], q[:FEWER], cost)),
            turns=3,
        )


def gap(found: Tensor, expected: np.ndarray) -> float:
    return np.abs(found.numpy() - expected).max().item()
