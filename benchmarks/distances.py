"""Optimal transport against POT, pair by pair and in batch, in one run: ``python -m benchmarks distances``.

The task is that of Cao et al. (2022): distances from predicted label distributions over K labels to targets that
hold one to five labels of equal mass, under one cost between label vectors. All on one thread.
"""

from collections.abc import Callable

import numpy as np
import ot
import torch
from torch import Tensor

from benchmarks import seconds
from layerlib.distributions.distances import label_cost, label_distribution, sinkhorn, wasserstein

PAIRS, EPSILON, TOLERANCE = 2_000, 0.1, 1e-9
FEWER = 250  # pairs for the methods that take minutes; their time is scaled
LARGE = 200_000  # pairs that fill a GPU


def pairs(samples: int, classes: int, labels: int | None = None, device: str = "cpu") -> tuple[Tensor, ...]:
    """p, q and the cost, float64; 1 to 5 labels in q, or as many as said."""
    random = torch.Generator().manual_seed(0)
    p = torch.rand(samples, classes, generator=random, dtype=torch.float64).log().neg()
    count = torch.randint(1, 6, (samples, 1), generator=random) if labels is None else labels
    q = torch.rand(samples, classes, generator=random).argsort(-1) < count
    cost = label_cost(torch.randn(classes, 8, generator=random, dtype=torch.float64))
    return tuple(x.to(device) for x in (label_distribution(p), label_distribution(q.double()), cost))


def one_by_one(solve: Callable, p: Tensor, q: Tensor, cost: Tensor) -> np.ndarray:
    rows = zip(p.numpy(), q.numpy(), strict=True)
    return np.array([solve(a, b, cost.numpy()) for a, b in rows]).ravel()


def sinkhorn2(a: np.ndarray, b: np.ndarray, cost: np.ndarray) -> float:
    return ot.sinkhorn2(a, b, cost, EPSILON, stopThr=TOLERANCE)


def batched(p: Tensor, q: Tensor, cost: Tensor, **options) -> np.ndarray:
    return ot.batch.solve_batch(cost.expand(len(p), -1, -1), a=p, b=q, **options).value_linear.numpy()


def batched_entropic(p: Tensor, q: Tensor, cost: Tensor) -> np.ndarray:
    return batched(p, q, cost, method="sinkhorn", reg=EPSILON, tol=TOLERANCE)


def batched_proximal(p: Tensor, q: Tensor, cost: Tensor) -> np.ndarray:
    """The nearest to exact in batch: without some entropy it did not come near, and zeros in q gave NaN."""
    return batched(p, label_distribution(q + 1e-9), cost, method="proximal", reg=0.01, max_iter=100)


def compare(name: str, classes: int, ours: Callable, alone: Callable, batch: Callable) -> dict:
    """Milliseconds for all pairs, how many times POT's, and the largest difference from POT's values."""
    p, q, cost = pairs(PAIRS, classes)
    few = p[:FEWER], q[:FEWER], cost
    taken = seconds(5, layerlib=lambda: ours(p, q, cost), alone=lambda: one_by_one(alone, p, q, cost))
    taken |= seconds(1, batch=lambda: batch(*few))
    found, reference = ours(p, q, cost).numpy(), one_by_one(alone, p, q, cost)
    row = {
        "method": name,
        "classes": classes,
        "layerlib_ms": 1e3 * taken["layerlib"],
        "one_by_one_ms": 1e3 * taken["alone"],
        "times_one_by_one": taken["alone"] / taken["layerlib"],
        "difference": np.abs(found - reference).max().item(),
        "batch_ms": 1e3 * taken["batch"] * PAIRS / FEWER,
        "batch_difference": np.abs(batch(*few) - reference[:FEWER]).max().item(),
    }
    row["times_batch"] = row["batch_ms"] / row["layerlib_ms"]
    print(
        f"  {name:9s} {classes:3d} {row['one_by_one_ms']:11.0f} {row['batch_ms']:9.0f} {row['layerlib_ms']:9.1f} "
        f"{row['times_one_by_one']:7.1f} {row['times_batch']:7.1f}     layerlib {row['difference']:.0e}, "
        f"in batch {row['batch_difference']:.0e}"
    )
    return row


def entropic(p: Tensor, q: Tensor, cost: Tensor) -> Tensor:
    return sinkhorn(p, q, cost, EPSILON, tolerance=TOLERANCE)[0]


def growth() -> list[dict]:
    """Microseconds a pair as the pairs, the labels to choose from and the labels in a target change."""
    rows = []
    for samples, classes, labels in (
        (PAIRS // 10, 20, None),
        (PAIRS, 20, None),
        (PAIRS * 10, 20, None),
        (PAIRS, 80, None),
        (PAIRS, 320, None),
        (PAIRS, 80, 1),
        (PAIRS, 80, 2),
        (PAIRS, 80, 3),
        (PAIRS, 80, 5),
        (PAIRS // 10, 80, 80),
    ):
        given = pairs(samples, classes, labels)
        taken = seconds(3, exact=lambda given=given: wasserstein(*given), entropic=lambda given=given: entropic(*given))
        rows.append(
            {"pairs": samples, "classes": classes, "labels": labels or "1-5"}
            | {f"{name}_us": 1e6 * time / samples for name, time in taken.items()}
        )
    return rows


def convergence() -> list[dict]:
    """How far a thousand iterations get at smaller ε, and what that costs; the last goes by logarithms."""
    p, q, cost = pairs(FEWER, 20)
    exact, rows = wasserstein(p, q, cost), []
    for epsilon in (0.1, 0.01, 0.002):
        found, error = sinkhorn(p, q, cost, epsilon)
        taken = seconds(1, entropic=lambda epsilon=epsilon: sinkhorn(p, q, cost, epsilon))["entropic"]
        rows.append(
            {
                "epsilon": epsilon,
                "us": 1e6 * taken / FEWER,
                "error": error.max().item(),
                "above_exact": (found - exact).max().item(),
            }
        )
    return rows


def on_gpu(cpu: list[dict]) -> list[dict]:
    """``LARGE`` pairs on a GPU against POT's loop on one core, whose time is scaled."""
    rows = []
    for row, solve in zip(cpu, (wasserstein, wasserstein, entropic, entropic), strict=True):
        given = pairs(LARGE, row["classes"], device="cuda")
        taken = seconds(3, gpu=lambda solve=solve, given=given: solve(*given).cpu())["gpu"]
        theirs = row["one_by_one_ms"] * LARGE / PAIRS
        rows.append(
            {
                "method": row["method"],
                "classes": row["classes"],
                "ms": 1e3 * taken,
                "times_one_by_one": theirs / (1e3 * taken),
            }
        )
    return rows


def main() -> dict:
    """Run everything, print the tables, return the numbers."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    print(f"transport of {PAIRS:,} pairs to targets of 1-5 labels, float64, one thread, POT {ot.__version__}; ms")
    print(f"  one by one: ot.emd2 or ot.sinkhorn2; ε = {EPSILON}, to an error of {TOLERANCE:.0e}")
    print(f"  in batch: ot.batch on {FEWER} pairs, scaled; for exact its proximal method, which is not")
    print("  method      K  one by one  in batch  layerlib   times of both     differences from one by one")
    compared = [compare("exact", classes, wasserstein, ot.emd2, batched_proximal) for classes in (20, 80)]
    compared += [compare("entropic", classes, entropic, sinkhorn2, batched_entropic) for classes in (20, 80)]
    numbers = {"pairs": PAIRS, "compared": compared, "growth": growth(), "convergence": convergence()}
    print("how it grows: pairs, K, labels in a target -> μs a pair: exact, entropic")
    for row in numbers["growth"]:
        print(
            f"  {row['pairs']:7,d} {row['classes']:4d} {row['labels']!s:>4} -> {row['exact_us']:8.1f} "
            f"{row['entropic_us']:8.1f}"
        )
    print("a thousand iterations at most, K = 20: ε -> μs a pair, marginal error, above the exact distance")
    for row in numbers["convergence"]:
        print(f"  {row['epsilon']:5} -> {row['us']:8.0f}   {row['error']:.0e}   {row['above_exact']:.0e}")
    if torch.cuda.is_available():
        numbers["gpu"] = on_gpu(compared)
        print(f"{LARGE:,} pairs on {torch.cuda.get_device_name()}: method, K -> ms, times one by one on a core")
        for row in numbers["gpu"]:
            print(f"  {row['method']:9s} {row['classes']:3d} -> {row['ms']:8.1f} {row['times_one_by_one']:8.0f}")
    torch.set_num_threads(threads)
    return numbers


if __name__ == "__main__":
    main()
