"""NodeClassifiers against the kernel densities of KDEpy, SciPy and scikit-learn.

The task is one layer of Davel et al. (2020, sec. 5.1): fit a Gaussian kernel density per node and class, with
Scott's bandwidth, and score every query under each. KDEpy is fitted on 1,024 grid points and read by
``numpy.interp``. The peers run on a few nodes and classes; their time is scaled.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from KDEpy import FFTKDE
from scipy.stats import gaussian_kde
from sklearn.neighbors import KernelDensity
from torch import Tensor

from benchmarks import Task
from layerlib import NodeClassifiers

NODES, CLASSES, SAMPLES, QUERIES = 100, 10, 60_000, 10_000
BINS, TOGETHER = 512, 32


def layer(samples: int, nodes: int = NODES, classes: int = CLASSES, queries: int = QUERIES) -> tuple[Tensor, ...]:
    """Training z, labels and query z of a made-up layer, float32."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(samples) % classes
    centre = torch.randn(classes, nodes, generator=generator)
    z = centre[labels] + torch.randn(len(labels), nodes, generator=generator)
    asked = torch.randint(classes, (queries,), generator=generator)
    return z, labels, centre[asked] + torch.randn(queries, nodes, generator=generator)


def scott(values: np.ndarray) -> float:
    return values.std(ddof=1) * len(values) ** -0.2


def kdepy(values: np.ndarray, query: np.ndarray) -> np.ndarray:
    grid, density = FFTKDE(kernel="gaussian", bw=scott(values)).fit(values).evaluate(1024)
    return np.interp(query, grid, np.log(density))


def scipy_kde(values: np.ndarray, query: np.ndarray) -> np.ndarray:
    return np.log(gaussian_kde(values)(query))


def sklearn_kde(values: np.ndarray, query: np.ndarray) -> np.ndarray:
    return KernelDensity(bandwidth=scott(values)).fit(values[:, None]).score_samples(query[:, None])


def classified(z: Tensor, labels: Tensor, query: Tensor) -> Tensor:
    return NodeClassifiers.fit(z, labels).predict(query, "continuous")


def counting(z: Tensor, labels: Tensor) -> Callable[..., None]:
    """Each value added to its bin, which is known, for as many nodes at a time as stay in a cache: nothing else."""
    bins = ((z * 32).int().clamp_(-BINS // 2, BINS // 2 - 1) + BINS // 2).long() + labels[:, None] * BINS
    parts = [part + torch.arange(part.shape[1]) * CLASSES * BINS for part in bins.split(TOGETHER, dim=1)]
    ones, counts = torch.ones(z.shape[0] * TOGETHER), torch.zeros(TOGETHER * CLASSES * BINS)
    indices = [part.flatten() for part in parts]

    def run(*_: Tensor) -> None:
        for index in indices:
            counts.zero_().scatter_add_(0, index, ones[: len(index)])

    return run


def tasks() -> Iterator[Task]:
    z, labels, query = layer(SAMPLES)
    own = [[z[labels == c, node].double().numpy() for c in range(CLASSES)] for node in range(5)]
    asked = query.double().numpy()

    def peer(method: Callable, nodes: int, classes: int) -> Callable[..., object]:
        return lambda *_: [method(own[node][c], asked[:, node]) for node in range(nodes) for c in range(classes)]

    for name, method, nodes, classes, turns in (
        ("KDEpy", kdepy, 5, CLASSES, 5),
        ("SciPy", scipy_kde, 1, 1, 1),
        ("scikit-learn", sklearn_kde, 1, 1, 1),
    ):
        yield Task(
            f"node densities, {SAMPLES:,} × {NODES}, and {QUERIES:,} asked" + (f", against {name}" * (name != "KDEpy")),
            classified,
            (z, labels, query),
            name,
            peer(method, nodes, classes),
            share=nodes * classes / (NODES * CLASSES),
            nbytes=z.nbytes + labels.nbytes + query.nbytes,
            turns=turns,
        )
    yield Task(
        f"node densities, {SAMPLES:,} × {NODES}, and {QUERIES:,} asked; beside counting alone",
        classified,
        (z, labels, query),
        must=counting(z, labels),
    )
