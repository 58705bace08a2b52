"""``inspect`` against the instruments one layer and one tool at a time: ``python -m benchmarks inspection``.

The reference is what one would write without it, from tools that are at hand: for every layer a pass over both halves
with a hook, and one with gradients for the targets; then scikit-learn's logistic regression as the probe, a
``Counter`` for the patterns, SciPy's kernel densities node by node and class by class, and scikit-learn's silhouette
and neighbours. Both read the same layers of the same network on the same halves.
"""

import copy
from collections import Counter

import numpy as np
import torch
from scipy.stats import entropy, gaussian_kde
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import seconds
from layerbook.training.fit import fit, pick_device
from layerlib import inspect
from layerlib._forward import as_input
from layerlib.data.load import load
from layerlib.data.splits import Split
from layerlib.inspection._lenses import QUANTITIES
from layerlib.models import MLP, build

IMAGES, LARGE, ROUNDS = 800, 2000, 3


def readings(model: nn.Module, name: str, split: Split, back: bool = False) -> tuple[Tensor, Tensor | None]:
    """What one layer puts out for a half, (N, nodes), and its targets: a pass for this layer alone."""
    kept, told = [], []
    handle = model.get_submodule(name).register_forward_hook(lambda module, inputs, z: kept.append(z))
    for images, labels in zip(split.images.split(200), split.labels.split(200), strict=True):
        with torch.set_grad_enabled(back):
            logits = model(as_input(images))
        if back:
            told.append(torch.autograd.grad(F.cross_entropy(logits, labels, reduction="sum"), kept[-1])[0])
    handle.remove()
    return torch.cat(kept).detach(), torch.cat(told) if back else None


def perplexity(on: np.ndarray, labels: np.ndarray) -> float:
    counts = [Counter(row.tobytes() for row in on[labels == label]) for label in np.unique(labels)]
    return float(np.mean([np.exp(entropy(list(each.values()))) for each in counts]))


def node_systems(z: np.ndarray, labels: np.ndarray, new: np.ndarray, truth: np.ndarray) -> list[float]:
    """Discrete, continuous and combined system: a kernel density for each node and class."""
    classes = np.unique(labels)
    discrete, continuous, combined = (np.zeros((len(new), len(classes))) for _ in range(3))
    for node in range(z.shape[1]):
        on = new[:, node] > 0
        for c, label in enumerate(classes):
            own = z[labels == label, node]
            share = np.clip((own > 0).mean(), 0.5 / len(own), 1 - 0.5 / len(own))
            density = np.log(np.maximum(gaussian_kde(own)(new[:, node]), 1e-13))
            flags = np.where(on, np.log(share), np.log(1 - share))
            discrete[:, c] += flags
            continuous[:, c] += density
            combined[:, c] += np.where(on, density, flags)
    return [float((classes[scores.argmax(1)] == truth).mean()) for scores in (discrete, continuous, combined)]


def separated(values: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    nearest = labels[NearestNeighbors(n_neighbors=5, metric="cosine").fit(values).kneighbors(return_distance=False)]
    votes = (nearest[..., None] == np.unique(labels)).sum(1)
    return (
        float(silhouette_score(values, labels, metric="cosine")),
        float((np.unique(labels)[votes.argmax(1)] == labels).mean()),
    )


def one_at_a_time(model: nn.Module, names: list[str], split: Split, before: nn.Module) -> dict[str, list[float]]:
    """Every instrument on every layer, each layer with its own passes."""
    fitted, judged = split.holdout(len(split) // 2)
    labels, truth = fitted.labels.numpy(), judged.labels.numpy()
    model.eval()
    found: dict[str, list] = {key: [] for key in ("accuracy", "perplexity", "nodes", "separation", "change")}
    for name in names:
        z = readings(model, name, fitted)[0].numpy()
        new, told = (each.numpy() for each in readings(model, name, judged, back=True))
        centre, spread = z.mean(0), z.std(0) * z.shape[1] ** 0.5
        probe = LogisticRegression(max_iter=300, C=1000).fit((z - centre) / spread, labels)
        chosen = probe.predict_proba((new - centre) / spread)
        found["accuracy"].append(float((chosen.argmax(1) == truth).mean()))
        found["perplexity"].append(perplexity(new > 0, truth))
        found["nodes"].append(node_systems(z, labels, new, truth))
        found["separation"].append([separated(told, truth), separated(new, truth)])
        old, now = (each.get_submodule(name).weight.detach() for each in (before, model))
        found["change"].append(float((now - old).norm() / old.norm()))
    return found


def perceptron() -> dict:
    """Seconds of both ways on a trained perceptron, and how far what both read is apart."""
    data = load("mnist-mini")
    torch.manual_seed(0)
    model, before = (MLP((784, *[64] * 5, 10), bias="all") for _ in range(2))
    before.load_state_dict(model.state_dict())
    fit(model, data.train[:2000], epochs=3)
    split, names = data.test[:IMAGES], [f"linear{i}" for i in range(1, 7)]
    on_host = copy.deepcopy(model).cpu()  # where the tools of the reference work
    taken = seconds(
        ROUNDS,
        layerlib=lambda: inspect(model, split, before=before, instruments=tuple(QUANTITIES)),
        reference=lambda: one_at_a_time(on_host, names, split, before),
    )
    ours, theirs = (
        inspect(model, split, before=before, instruments=tuple(QUANTITIES)),
        one_at_a_time(on_host, names, split, before),
    )
    pairs = {"perplexity": "perplexity", "relative_change": "change"}
    nodes = torch.stack([ours.values[s] for s in ("discrete", "continuous", "combined")], 1)
    separation = torch.stack(
        [ours.values[f"{what}_{kind}"] for what in ("target", "feature") for kind in ("silhouette", "accuracy")], 1
    ).view(-1, 2, 2)
    apart = {key: (ours.values[key] - torch.tensor(theirs[name])).abs().max().item() for key, name in pairs.items()}
    apart |= {
        "nodes": (nodes - torch.tensor(theirs["nodes"])).abs().max().item(),
        "separation": (separation - torch.tensor(theirs["separation"])).abs().max().item(),
        "probe": (ours.values["probe_accuracy"] - torch.tensor(theirs["accuracy"])).abs().max().item(),
    }
    return {
        "layerlib_seconds": taken["layerlib"],
        "reference_seconds": taken["reference"],
        "times_reference": taken["reference"] / taken["layerlib"],
        "apart": apart,
    }


def residual() -> dict:
    """Seconds of ``inspect``, and of the plain passes within, on a ResNet-18."""
    data = load("cifar10-mini")
    torch.manual_seed(0)
    model, split = build("resnet18", 10).to(pick_device()).eval(), data.test[:LARGE].to(pick_device())

    def forward() -> None:
        with torch.no_grad():
            for images in split.images.split(200):
                model(as_input(images))

    taken = seconds(ROUNDS, inspect=lambda: inspect(model, split), forward=forward)
    return {
        "resnet18_seconds": taken["inspect"],
        "layers": len(inspect(model, split).layers),
        "forward_seconds": taken["forward"],
    }


def main() -> dict:
    """Both networks on one thread; medians."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    numbers = {"images": IMAGES, "large": LARGE} | perceptron() | residual()
    torch.set_num_threads(threads)
    print(f"every instrument on every layer, one thread; seconds, medians of {ROUNDS}")
    print(
        f"  perceptron of 6 layers, {IMAGES} images: inspect {numbers['layerlib_seconds']:.2f}, a layer and a tool "
        f"at a time {numbers['reference_seconds']:.1f}, x{numbers['times_reference']:.0f}"
    )
    print("  largest difference between them: " + ", ".join(f"{k} {v:.1g}" for k, v in numbers["apart"].items()))
    print(
        f"  ResNet-18, {numbers['layers']} layers, {LARGE} images of 32 x 32: inspect "
        f"{numbers['resnet18_seconds']:.1f}, of which a pass forward alone takes {numbers['forward_seconds']:.1f}"
    )
    return numbers


if __name__ == "__main__":
    main()
