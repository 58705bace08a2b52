"""``inspect`` against the instruments one layer and one tool at a time, and against plain passes.

The reference is what one would write without it, from tools that are at hand: for every layer a pass over both halves
with a hook, and one with gradients for the targets; then scikit-learn's logistic regression as the probe, a
``Counter`` for the patterns, SciPy's kernel densities node by node and class by class, and scikit-learn's silhouette
and neighbours. Both read the same layers of the same network on the same halves.
"""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import torch
from scipy.stats import entropy, gaussian_kde
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import Task
from benchmarks.backward import back
from layerbook.training.fit import fit
from layerlib import Inspection, inspect
from layerlib._forward import as_input
from layerlib.data.load import load
from layerlib.data.splits import Split
from layerlib.inspection._lenses import QUANTITIES
from layerlib.models import MLP, build

IMAGES, LARGE = 800, 1000


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


def apart(ours: Inspection, theirs: dict[str, list]) -> float:
    """Of what both read by the same rule; a probe and a density are another's there."""
    kinds = [f"{what}_{kind}" for what in ("target", "feature") for kind in ("silhouette", "accuracy")]
    separation = torch.stack([ours.values[kind] for kind in kinds], 1).view(-1, 2, 2)
    pairs = (
        (ours.values["perplexity"], theirs["perplexity"]),
        (ours.values["relative_change"], theirs["change"]),
        (separation, theirs["separation"]),
    )
    return max((found - torch.tensor(expected)).abs().max().item() for found, expected in pairs)


def must(model: nn.Module, split: Split, batch_size: int = 100) -> None:
    """A pass forward for the half that trains probes and nodes; one for the other half, and two back from there."""
    fitted, judged = split.holdout(len(split) // 2)
    with torch.no_grad():
        for images in fitted.images.split(batch_size):
            model(as_input(images))
    for images, labels in zip(judged.images.split(batch_size), judged.labels.split(batch_size), strict=True):
        back(model, as_input(images), labels, times=2)


def tasks() -> Iterator[Task]:
    data = load("mnist-mini")
    torch.manual_seed(0)
    model, before = (MLP((784, *[64] * 5, 10), bias="all") for _ in range(2))
    before.load_state_dict(model.state_dict())
    fit(model, data.train[:2000], epochs=3, device="cpu")
    split, names = data.test[:IMAGES], [f"linear{i}" for i in range(1, 7)]

    def ours(model: nn.Module, split: Split, before: nn.Module) -> Inspection:
        return inspect(model, split, before=before, instruments=tuple(QUANTITIES))

    def theirs(model: nn.Module, split: Split, before: nn.Module) -> dict[str, list]:
        return one_at_a_time(model, names, split, before)

    yield Task(
        f"inspect, a perceptron of 6 layers, {IMAGES} pictures",
        ours,
        (model, split, before),
        "a tool and a layer at a time",
        theirs,
        must=lambda model, split, before: must(model, split),
        apart=lambda: apart(ours(model, split, before), theirs(model, split, before)),
        turns=3,
    )
    wide, pictures = build("resnet18", 10).eval(), load("cifar10-mini").test[:LARGE]
    yield Task(
        f"inspect, ResNet-18, {LARGE:,} pictures of 32 × 32",
        inspect,
        (wide, pictures),
        must=must,
        turns=3,
    )
