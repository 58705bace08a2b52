"""``layer_perplexity`` against ``torch.unique(dim=0)`` class by class: ``python -m benchmarks perplexity``."""

from collections import Counter

import numpy as np
import scipy.stats
import torch
from torch import Tensor

from benchmarks import seconds
from layerlib.patterns import layer_perplexity

SAMPLES, NODES, CLASSES = 60_000, 100, 10


def patterns(distinct: int) -> tuple[Tensor, Tensor]:
    """On/off patterns of one layer, each sample showing one of ``distinct``, and labels."""
    random = torch.Generator().manual_seed(0)
    kinds = torch.rand(distinct, NODES, generator=random) < 0.5
    shown = torch.randint(distinct, (SAMPLES,), generator=random) if distinct < SAMPLES else torch.arange(SAMPLES)
    return kinds[shown], torch.randint(CLASSES, (SAMPLES,), generator=random)


def unique(active: Tensor, labels: Tensor) -> Tensor:
    """What one would write: the distinct rows of each class and their entropy."""
    perplexities = []
    for label in range(CLASSES):
        _, counts = active[labels == label].unique(dim=0, return_counts=True)
        share = counts.double() / counts.sum()
        perplexities.append(torch.exp(-(share * share.log()).sum()))
    return torch.stack(perplexities)


def literal(active: Tensor, labels: Tensor) -> Tensor:
    counts = [Counter() for _ in range(CLASSES)]
    for pattern, label in zip(active.numpy(), labels.tolist(), strict=True):
        counts[label][pattern.tobytes()] += 1
    return torch.tensor([np.exp(scipy.stats.entropy(list(count.values()))) for count in counts])


def main() -> dict:
    """Milliseconds at three numbers of distinct patterns; the smallest ratio is the one to quote."""
    numbers: dict = {
        "samples": SAMPLES,
        "nodes": NODES,
        "classes": CLASSES,
        "threads": torch.get_num_threads(),
        "layers": [],
    }
    print(f"perplexity of {SAMPLES:,} x {NODES} patterns, {CLASSES} classes, {numbers['threads']} threads; ms")
    print(f"  {'distinct patterns':>18} {'torch.unique':>13} {'layerlib':>9} {'ratio':>6}   largest relative error")
    for distinct in (SAMPLES, 1000, 10):
        active, labels = patterns(distinct)
        taken = seconds(
            15,
            unique=lambda a=active, b=labels: unique(a, b),
            layerlib=lambda a=active, b=labels: layer_perplexity(a, b),
        )
        error = (layer_perplexity(active, labels) / literal(active, labels) - 1).abs().max().item()
        row = {
            "distinct": distinct,
            "unique_ms": 1e3 * taken["unique"],
            "layerlib_ms": 1e3 * taken["layerlib"],
            "times": taken["unique"] / taken["layerlib"],
            "error": error,
        }
        numbers["layers"].append(row)
        print(f"  {distinct:18,d} {row['unique_ms']:13.1f} {row['layerlib_ms']:9.2f} {row['times']:6.1f}   {error:.0e}")
    numbers["times_unique"] = min(row["times"] for row in numbers["layers"])
    return numbers


if __name__ == "__main__":
    main()
