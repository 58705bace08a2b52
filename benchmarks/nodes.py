"""NodeClassifiers against KDEpy, SciPy and scikit-learn, in one run: ``python -m benchmarks.nodes``.

The task is one layer of Davel et al. (2020, sec. 5.1): fit a Gaussian kernel density per node and class, with
Scott's bandwidth, and score every query under each. KDEpy is fitted on 1,024 grid points and read by
``numpy.interp``. The references run on a few nodes and classes; their time is scaled to one node of all classes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from KDEpy import FFTKDE
from scipy.stats import gaussian_kde
from sklearn.neighbors import KernelDensity

from layerlib.nodes.classifiers import NodeClassifiers

NODES, CLASSES, SAMPLES, QUERIES = 100, 10, 6_000, 10_000


def layer(nodes: int, classes: int, samples: int, queries: int) -> tuple[torch.Tensor, ...]:
    """Training z, labels (``samples`` a class) and query z of a made-up layer, float32."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(classes).repeat(samples)
    centre = torch.randn(classes, nodes, generator=generator)
    z = centre[labels] + torch.randn(len(labels), nodes, generator=generator)
    asked = torch.randint(classes, (queries,), generator=generator)
    return z, labels, centre[asked] + torch.randn(queries, nodes, generator=generator)


def milliseconds(run: Callable[[], object], repeats: int) -> float:
    """Median wall time of ``run``; the first call, which warms up, does not count where there are several."""
    times = []
    for _ in range(repeats + (repeats > 1)):
        start = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - start))
    return median(times[-repeats:])


def ours(nodes: int, classes: int, samples: int, repeats: int) -> dict[str, float]:
    """Milliseconds a node: fit, predict (continuous) and both; all three systems beside it."""
    z, labels, query = layer(nodes, classes, samples, QUERIES)
    classifiers = NodeClassifiers.fit(z, labels)
    fit = milliseconds(lambda: NodeClassifiers.fit(z, labels), repeats) / nodes
    predict = milliseconds(lambda: classifiers.predict(query, "continuous"), repeats) / nodes
    three = milliseconds(lambda: classifiers.log_posteriors(query), repeats) / nodes
    return {"fit": fit, "predict": predict, "both": fit + predict, "three_systems": three}


def scott(values: np.ndarray) -> float:
    return values.std(ddof=1) * len(values) ** -0.2


def kdepy(own: list[np.ndarray], query: np.ndarray) -> list[np.ndarray]:
    scores = []
    for values in own:
        grid, density = FFTKDE(kernel="gaussian", bw=scott(values)).fit(values).evaluate(1024)
        scores.append(np.interp(query, grid, np.log(density)))
    return scores


def scipy_kde(own: list[np.ndarray], query: np.ndarray) -> list[np.ndarray]:
    return [np.log(gaussian_kde(values)(query)) for values in own]


def sklearn_kde(own: list[np.ndarray], query: np.ndarray) -> list[np.ndarray]:
    return [KernelDensity(bandwidth=scott(values)).fit(values[:, None]).score_samples(query[:, None]) for values in own]


def reference(method: Callable, nodes: int, classes: int, repeats: int) -> float:
    """Milliseconds a node of all classes, from the first ``nodes`` nodes and ``classes`` classes."""
    z, labels, query = (tensor.numpy() for tensor in layer(NODES, CLASSES, SAMPLES, QUERIES))
    own = [[z[labels == number, node].astype(np.float64) for number in range(classes)] for node in range(nodes)]
    asked = query.astype(np.float64)
    time_taken = milliseconds(lambda: [method(own[node], asked[:, node]) for node in range(nodes)], repeats)
    return time_taken / nodes * CLASSES / classes


def compare() -> dict:
    """All methods on one thread, the references' own; ours on all threads beside it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    # Interleaved, so that noise on a shared machine meets both.
    rounds = [(ours(NODES, CLASSES, SAMPLES, 3), reference(kdepy, 5, CLASSES, 3)) for _ in range(5)]
    numbers: dict = {"layerlib": {key: median(own[key] for own, _ in rounds) for key in rounds[0][0]}}
    both = numbers["layerlib"]["both"]
    numbers["kdepy"] = median(theirs for _, theirs in rounds)
    numbers["scipy"] = reference(scipy_kde, 1, 2, 1)
    numbers["scikit-learn"] = reference(sklearn_kde, 1, 1, 1)
    numbers["times_kdepy"] = median(theirs / own["both"] for own, theirs in rounds)
    numbers["times_scipy"] = numbers["scipy"] / both
    numbers["times_scikit-learn"] = numbers["scikit-learn"] / both
    torch.set_num_threads(threads)
    numbers["threads"] = threads
    numbers["layerlib_all_threads"] = ours(NODES, CLASSES, SAMPLES, 5)
    return numbers


def growth() -> list[dict[str, float]]:
    """Milliseconds for a whole layer, on one thread, as nodes, classes and samples a class change."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rows = []
    for nodes, classes, samples in (
        (25, 10, 6_000),
        (100, 10, 6_000),
        (400, 10, 6_000),
        (100, 2, 6_000),
        (100, 50, 6_000),
        (100, 10, 600),
        (100, 10, 30_000),
    ):
        cost = ours(nodes, classes, samples, 3)
        rows.append(
            {
                "nodes": nodes,
                "classes": classes,
                "samples": samples,
                "fit": cost["fit"] * nodes,
                "predict": cost["predict"] * nodes,
            }
        )
    torch.set_num_threads(threads)
    return rows


def main() -> dict:
    """Run everything, print the tables, return the numbers (milliseconds a node, and ratios)."""
    numbers = compare()
    print(
        f"{NODES} nodes x {CLASSES} classes x {SAMPLES:,} values a class, {QUERIES:,} queries, float32; "
        "ms a node, fit and predict, one thread"
    )
    for name, threads in (("layerlib", 1), ("layerlib_all_threads", numbers["threads"])):
        cost = numbers[name]
        print(
            f"  layerlib      {cost['both']:10.3f}          (fit {cost['fit']:.3f}, predict {cost['predict']:.3f}; "
            f"all three systems {cost['three_systems']:.3f}; {threads} thread{'s' * (threads > 1)})"
        )
    for name, note in (
        ("kdepy", "5 nodes"),
        ("scipy", "1 node, 2 classes, scaled"),
        ("scikit-learn", "1 node, 1 class, scaled"),
    ):
        print(f"  {name:12s}  {numbers[name]:10.1f}  x{numbers['times_' + name]:<7,.0f}({note})")
    numbers["growth"] = growth()
    print("how it grows, one thread: nodes, classes, samples a class -> whole layer, ms: fit, predict")
    for row in numbers["growth"]:
        size = f"{row['nodes']:5d} {row['classes']:5d} {row['samples']:8,d}"
        print(f"  {size} -> {row['fit']:9.1f} {row['predict']:9.1f}")
    return numbers


if __name__ == "__main__":
    main()
