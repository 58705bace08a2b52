"""Patterns of a layer: ``layer_perplexity`` against ``torch.unique(dim=0)`` class by class."""

from collections import Counter
from collections.abc import Iterator
from functools import partial

import numpy as np
import scipy.stats
import torch
from torch import Tensor

from benchmarks import Task
from layerlib import layer_perplexity

SAMPLES, NODES, CLASSES = 60_000, 100, 10


def patterns(
    distinct: int, samples: int = SAMPLES, nodes: int = NODES, classes: int = CLASSES
) -> tuple[Tensor, Tensor]:
    """On/off patterns of one layer, each sample showing one of ``distinct``, and labels."""
    random = torch.Generator().manual_seed(0)
    kinds = torch.rand(distinct, nodes, generator=random) < 0.5
    shown = torch.randint(distinct, (samples,), generator=random) if distinct < samples else torch.arange(samples)
    return kinds[shown], torch.randint(classes, (samples,), generator=random)


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


def bare(active: Tensor, labels: Tensor) -> None:
    """Packing every bit and sorting as many keys of 64 bits, by NumPy: the least by which equal rows are found."""
    packed = np.packbits(active.numpy().ravel())
    np.sort(np.resize(packed.view(np.int64), len(active)))


def apart(active: Tensor, labels: Tensor) -> float:
    """The largest relative difference from Python's counting and SciPy's entropy."""
    return (layer_perplexity(active, labels) / literal(active, labels) - 1).abs().max().item()


def tasks() -> Iterator[Task]:
    for distinct in (SAMPLES, 10):
        on, labels = patterns(distinct)
        yield Task(
            f"perplexity, {SAMPLES:,} × {NODES}, {distinct:,} patterns",
            layer_perplexity,
            (on, labels),
            "torch.unique",
            unique,
            nbytes=on.nbytes + labels.nbytes,
            apart=partial(apart, on, labels),
        )
        yield Task(
            f"perplexity, {SAMPLES:,} × {NODES}, {distinct:,} patterns; beside packing and sorting",
            layer_perplexity,
            (on, labels),
            must=bare,
        )
