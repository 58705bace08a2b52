"""How time and memory grow over a decade of samples, of classes and of nodes: ``python -m benchmarks growth``.

Every point is measured in a process of its own: seconds of one processor core, and megabytes at the peak.
"""

from collections.abc import Callable
from functools import partial

import torch

from benchmarks import distances, nodes, perplexity
from layerlib import LinearProbes, NodeClassifiers, inspect, layer_perplexity, separation, wasserstein
from layerlib.models import MLP

USUAL = {"samples": 10_000, "classes": 10, "nodes": 100}
DECADES = {"samples": (10_000, 32_000, 100_000), "classes": (100, 320, 1_000), "nodes": (400, 1_300, 4_096)}


def patterns(samples: int, classes: int, nodes: int) -> Callable[[], object]:
    given = perplexity.patterns(samples, samples, nodes, classes)
    return lambda: layer_perplexity(*given)


def densities(samples: int, classes: int, nodes: int) -> Callable[[], object]:
    z, labels, query = layer(samples, classes, nodes)
    return lambda: NodeClassifiers.fit(z, labels).log_posteriors(query)


def probes(samples: int, classes: int, nodes: int) -> Callable[[], object]:
    z, labels, _ = layer(samples, classes, nodes)
    return lambda: LinearProbes(classes).train(z[None], labels, epochs=5)


def transport(samples: int, classes: int, nodes: int) -> Callable[[], object]:
    """Of label distributions, which have no nodes."""
    given = distances.pairs(samples, classes)
    return lambda: wasserstein(*given)


def separated(samples: int, classes: int, nodes: int) -> Callable[[], object]:
    z, labels, _ = layer(samples, classes, nodes)
    return lambda: separation(z, labels)


def inspection(samples: int, classes: int, nodes: int) -> Callable[[], object]:
    """Of three hidden layers."""
    z, labels, _ = layer(samples, classes, 64)
    torch.manual_seed(0)
    model = MLP((64, *[nodes] * 3, classes), bias="all")
    return lambda: inspect(model, (z, labels))


def layer(samples: int, classes: int, wide: int) -> tuple[torch.Tensor, ...]:
    return nodes.layer(samples, wide, classes, 1000)


INSTRUMENTS = {
    "perplexity": patterns,
    "node densities": densities,
    "probes": probes,
    "exact transport": transport,
    "separation": separated,
    "inspect": inspection,
}


def points() -> dict[str, Callable[[], Callable[[], object]]]:
    """A name for each point, and what makes its call."""
    return {
        f"{name}, {axis}, {at}": partial(make, **USUAL | {axis: at})
        for name, make in INSTRUMENTS.items()
        for axis, decade in DECADES.items()
        for at in decade
        if (name, axis) != ("exact transport", "nodes")
    }
