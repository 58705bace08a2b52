"""Pictures, targets and separation against what one would use instead: ``python -m benchmarks.guided_bp``.

Pictures: captum's GuidedBackprop. Targets: a pass per sample with backward hooks, and, where the network is a chain
whose pre-activations one can reach, a backward pass per layer. Separation: scikit-learn. Differences are in float64.
"""

import copy
import warnings

import torch
from captum.attr import GuidedBackprop
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import seconds
from layerbook.training.fit import as_input
from layerlib.backward.guided import guided_bp_image, targets
from layerlib.backward.separation import separation
from layerlib.data.load import load
from layerlib.models import MLP

IMAGES = 500
REPEATS = 9


def one_by_one(model: nn.Module, x: Tensor, y: Tensor) -> list[Tensor]:
    """Targets by a forward and backward pass per sample, the gradients caught by full backward hooks."""
    caught: list[list[Tensor]] = []
    layers = [m for m in model.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    handles = [m.register_full_backward_hook(lambda m, before, after: caught[-1].append(after[0])) for m in layers]
    for i in range(len(x)):
        caught.append([])
        F.cross_entropy(model(x[i : i + 1]), y[i : i + 1]).backward()
    for handle in handles:
        handle.remove()
    model.zero_grad()
    return [torch.cat(each) for each in zip(*caught, strict=True)][::-1]


def layer_by_layer(model: nn.Sequential, x: Tensor, y: Tensor) -> list[Tensor]:
    """Targets of the whole batch by a backward pass per layer."""
    zs = []
    for module in model:
        x = module(x)
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            zs.append(x)
    loss = F.cross_entropy(x, y, reduction="sum")
    return [torch.autograd.grad(loss, z, retain_graph=True)[0] for z in zs]


def by_scikit_learn(features: Tensor, labels: Tensor, neighbours: int = 5) -> tuple[float, float]:
    found = NearestNeighbors(n_neighbors=neighbours, metric="cosine").fit(features.numpy())
    nearest = labels[torch.from_numpy(found.kneighbors(return_distance=False))]
    accuracy = (nearest.mode(1).values == labels).double().mean().item()
    return accuracy, silhouette_score(features.numpy(), labels.numpy(), metric="cosine")


def networks() -> dict[str, nn.Sequential]:
    torch.manual_seed(0)
    cnn = nn.Sequential(
        nn.Conv2d(1, 16, 5),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(3872, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )
    return {"DNN-6": MLP((784, *[100] * 5, 10), bias="all"), "CNN": cnn.eval()}


def gap(found, expected) -> float:
    return max(
        (torch.as_tensor(a) - torch.as_tensor(b)).abs().max().item() for a, b in zip(found, expected, strict=True)
    )


def pictures(model: nn.Module, x: Tensor, y: Tensor) -> dict:
    exact, captum = copy.deepcopy(model).double(), GuidedBackprop(model)
    difference = gap(
        [guided_bp_image(exact, x.double(), y, False)], [GuidedBackprop(exact).attribute(x.double(), target=y)]
    )
    return {
        "captum": (
            difference,
            seconds(
                REPEATS,
                ours=lambda: guided_bp_image(model, x, y, False),
                other=lambda: captum.attribute(x.clone(), target=y),
            ),
        )
    }


def all_targets(model: nn.Sequential, x: Tensor, y: Tensor) -> dict:
    exact, rows = copy.deepcopy(model).double(), {}
    for name, naive, repeats in (("a pass per sample", one_by_one, 1), ("a pass per layer", layer_by_layer, REPEATS)):
        difference = gap(targets(exact, x.double(), y).values(), naive(exact, x.double(), y))
        rows[name] = (
            difference,
            seconds(repeats, ours=lambda: targets(model, x, y), other=lambda naive=naive: naive(model, x, y)),
        )
    return rows


def main() -> dict:
    """Seconds and largest differences by comparison; printed as a table too."""
    test, rows = load("mnist-mini").test, {}
    x, y = as_input(test.images[:IMAGES]), test.labels[:IMAGES]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, model in networks().items():
            rows |= {f"guided_bp_image, {name}, {key}": row for key, row in pictures(model, x, y).items()}
            rows |= {f"targets, {name}, {key}": row for key, row in all_targets(model, x, y).items()}
    cloud = targets(networks()["DNN-6"], as_input(test.images), test.labels)["linear1"]
    difference = gap(separation(cloud, test.labels), by_scikit_learn(cloud, test.labels))
    rows["separation, 2,000 x 100, scikit-learn"] = (
        difference,
        seconds(
            REPEATS, ours=lambda: separation(cloud, test.labels), other=lambda: by_scikit_learn(cloud, test.labels)
        ),
    )
    print(f"{IMAGES} images against:{'':22} {'ours, ms':>9} {'other, ms':>10} {'faster':>7} {'largest difference':>19}")
    for name, (difference, taken) in rows.items():
        ours, other = taken["ours"] * 1e3, taken["other"] * 1e3
        print(f"{name:40} {ours:9.2f} {other:10.2f} {other / ours:6.1f}x {difference:19.1e}")
    return {
        name: {"ours_s": taken["ours"], "other_s": taken["other"], "largest_difference": difference}
        for name, (difference, taken) in rows.items()
    }


if __name__ == "__main__":
    main()
