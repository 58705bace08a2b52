"""How far each instrument is from what this machine can do: ``python -m benchmarks limits``.

An instrument must at least move its bytes, once, and do its operations; or it must run the network so many times. What
the machine can is measured in the same turns: a copy of many bytes, a large matrix product, or those plain passes.
The ratio says how much of an instrument's time is its own. Everything on one thread.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import seconds
from benchmarks.nodes import layer
from benchmarks.perplexity import patterns
from layerbook.training.fit import fit_ensemble
from layerlib import (
    LinearProbes,
    NodeClassifiers,
    guided_bp_image,
    inspect,
    layer_perplexity,
    targets,
)
from layerlib._forward import as_input
from layerlib.data.load import load
from layerlib.data.splits import Split
from layerlib.models import MLP, build

ROUNDS, SEEDS, DEPTH, WIDTH, BATCH = 5, 3, 10, 100, 128
COPIED, SIDE = 32_000_000, 1024  # float32 numbers of the copy; rows of the square matrices


@dataclass(frozen=True)
class Task:
    """An instrument, and what it must do: move ``nbytes`` and do ``operations``, or as much as ``must`` does."""

    run: Callable[[], object]
    nbytes: int = 0
    operations: float = 0
    must: Callable[[], object] | None = None


def of_patterns() -> dict[str, Task]:
    on, labels = patterns(60_000)
    z, told, query = layer(100, 10, 6_000, 10_000)
    nodes = NodeClassifiers.fit(z, told)
    return {
        "perplexity of 60,000 x 100": Task(lambda: layer_perplexity(on, labels), on.nbytes + labels.nbytes),
        "nodes, fit, 60,000 x 100": Task(lambda: NodeClassifiers.fit(z, told), z.nbytes + told.nbytes),
        "nodes, predict, 10,000 x 100": Task(lambda: nodes.predict(query, "combined"), query.nbytes),
    }


def of_passes() -> dict[str, Task]:
    """What runs forward and back through a network of convolutions."""
    torch.manual_seed(0)
    test = load("mnist-mini").test
    model = build("resnet18", 10, width=0.25, channels=1).eval()
    x, y = as_input(test.images[:500]), test.labels[:500]
    return {
        "targets, ResNet-18, 500 pictures": Task(lambda: targets(model, x, y), must=lambda: back(model, x, y)),
        "guided pictures, ResNet-18, 500": Task(lambda: guided_bp_image(model, x, y), must=lambda: back(model, x, y)),
    }


def back(model: nn.Module, x: Tensor, y: Tensor, times: int = 1) -> None:
    """A pass forward, and so many backward to the outputs of the layers and the input, not to the weights."""
    was = [p.requires_grad for p in model.parameters()]
    model.requires_grad_(False)
    loss = F.cross_entropy(model(x.clone().requires_grad_()), y, reduction="sum")
    for at in range(times):
        loss.backward(retain_graph=at < times - 1)
    for parameter, needed in zip(model.parameters(), was, strict=True):
        parameter.requires_grad_(needed)


def of_probes() -> dict[str, Task]:
    """Logistic regression on the features of ten layers at once."""
    torch.manual_seed(0)
    features, labels, epochs = torch.randn(10, 5000, 100), torch.arange(5000) % 10, 10
    return {
        "probes, ten layers of 5,000 x 100": Task(
            lambda: LinearProbes(10).train(features, labels, epochs=epochs),
            2 * epochs * features.nbytes,  # forward, and for the gradient
            2 * epochs * 2 * features.numel() * 10,
        )
    }


def of_inspect() -> dict[str, Task]:
    """One pass forward for the half that trains probes and nodes, one for the other half, and two back from there."""
    torch.manual_seed(0)
    model, split = build("resnet18", 10).eval(), load("cifar10-mini").test[:1000]

    def must() -> None:
        fitted, judged = split.holdout(len(split) // 2)
        with torch.no_grad():
            for images in fitted.images.split(100):
                model(as_input(images))
        for images, labels in zip(judged.images.split(100), judged.labels.split(100), strict=True):
            back(model, as_input(images), labels, times=2)

    return {"inspect, ResNet-18, 1,000 pictures": Task(lambda: inspect(model, split), must=must)}


def of_training() -> dict[str, Task]:
    """An epoch of three perceptrons side by side, and the matrix products in it."""
    train: Split = load("mnist-mini").train[: 20 * BATCH]
    sizes = [784, *[WIDTH] * DEPTH, 10]
    weights = [torch.randn(SEEDS, b, a) for a, b in pairwise(sizes)]
    given = [torch.randn(SEEDS, BATCH, a) for a in sizes]

    def products() -> None:
        for _ in range(len(train) // BATCH):
            for at, w in enumerate(weights):
                torch.bmm(given[at], w.mT)
                torch.bmm(given[at + 1].mT, given[at])
                if at:
                    torch.bmm(given[at + 1], w)

    def run() -> None:
        fit_ensemble(lambda: MLP((784, *[WIDTH] * DEPTH, 10)), range(SEEDS), train, epochs=1, batch_size=BATCH)

    return {"20 steps of three perceptrons": Task(run, must=products)}


def main() -> dict:
    """Milliseconds, the limit's, and their ratio."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    tasks = of_patterns() | of_probes() | of_passes() | of_inspect() | of_training()
    here, there = torch.rand(COPIED), torch.empty(COPIED)
    a, b, c = (torch.rand(SIDE, SIDE) for _ in range(3))
    rows, machine = {}, {"bytes_a_second": 0.0, "operations_a_second": 0.0}
    for name, task in tasks.items():
        taken = seconds(
            ROUNDS,
            run=task.run,
            must=task.must or (lambda: None),
            copy=lambda: there.copy_(here),
            product=lambda: torch.mm(a, b, out=c),
        )
        able = {
            "bytes_a_second": 2 * here.nbytes / taken["copy"],
            "operations_a_second": 2 * SIDE**3 / taken["product"],
        }
        machine = {key: max(best, able[key]) for key, best in machine.items()}
        moved = max(task.nbytes / able["bytes_a_second"], task.operations / able["operations_a_second"])
        limit = taken["must"] if task.must else moved
        rows[name] = {"ms": 1e3 * taken["run"], "limit_ms": 1e3 * limit, "times_limit": taken["run"] / limit}
    torch.set_num_threads(threads)
    print(
        f"one thread of this machine copies {machine['bytes_a_second'] / 1e9:.1f} GB and does "
        f"{machine['operations_a_second'] / 1e9:.0f} billion float operations a second\n"
        f"{'':36} {'ms':>9} {'limit, ms':>10} {'times it':>9}"
    )
    for name, row in rows.items():
        print(f"  {name:34} {row['ms']:9.1f} {row['limit_ms']:10.2f} {row['times_limit']:9.1f}")
    return {"machine": machine, "rows": rows}


if __name__ == "__main__":
    main()
