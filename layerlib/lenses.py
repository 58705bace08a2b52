"""Each instrument on the readings of a layer: what it makes of them, as a few named numbers."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from layerlib.batches import wrong
from layerlib.distances import label_cost, label_distribution, wasserstein
from layerlib.embedding import separation
from layerlib.filters import filter_change
from layerlib.nodes import SYSTEMS, NodeClassifiers
from layerlib.perplexity import active, layer_perplexity
from layerlib.pooling import Features, fill, room
from layerlib.probes import LayerProbes

QUANTITIES = {
    "distribution": ("distance", "probe_accuracy"),
    "patterns": ("perplexity", "entropy", "control_entropy"),
    "nodes": SYSTEMS,
    "targets": ("target_silhouette", "target_accuracy", "feature_silhouette", "feature_accuracy"),
    "filters": ("change", "relative_change"),
}
SEPARATED = 2000  # samples at most for the separation, whose cost grows with their square
MEMORY = 2e9  # bytes of features for the probes; more are kept in a file
EPOCHS = 40


def guess(fitted: Tensor, judged: Tensor, classes: int) -> dict[str, float]:
    """Distance and accuracy of always predicting how frequent each class is; labels as of ``distribution``."""
    frequency = multi_hot(fitted, classes).mean(0)
    scores = frequency.expand(len(judged), classes)
    return {"distance": _distance(scores[None], judged, classes)[0].item(),
            "accuracy": 1 - wrong(scores.logit(), judged).double().mean().item()}


def distribution(model: nn.Module, names: Sequence[str], fitted: Sequence[Tensor], labels: Tensor,
                 judged: Sequence[Tensor], truth: Tensor, classes: int) -> list[dict[str, float]]:
    """Probes of all layers, trained side by side: ``distance`` to the target and ``probe_accuracy`` of each layer.

    Channels are brought to mean 0 and, together, a mean squared norm of 1, so that one rate of learning suits all.

    Parameters
    ----------
    names : of the modules that the layers are read at
    fitted, judged : a layer's readings, shapes (N, channels) and (M, channels)
    labels, truth : int64, shapes (N,) and (M,), or multi-hot
    """
    centres, spreads = zip(*map(_scale, fitted), strict=True)
    features = [_side_by_side(part, centres, spreads, known, next(model.parameters()))
                for part, known in ((fitted, labels), (judged, truth))]
    probes = LayerProbes(model, names, classes)
    probes.fit(features[0], epochs=EPOCHS, rate=10.0 * classes, weight_decay=1e-6)
    logits = probes.logits(features[1])
    distances = _distance(logits.sigmoid(), truth, classes)
    accuracies = 1 - wrong(logits, truth).double().mean(1)
    return [dict(zip(QUANTITIES["distribution"], row, strict=True))
            for row in torch.stack([distances, accuracies], 1).tolist()]


def patterns(z: Tensor, labels: Tensor, classes: int) -> dict[str, float]:
    """Layer ``perplexity``, mean over classes; its ``entropy``, mean over classes of ln P / ln N_c; and the control.

    ``control_entropy`` is the same with the labels shuffled. A layer whose patterns do not tell classes apart has the
    same entropy in both, be it high or low.
    """
    on = active(z)
    if on.all():
        raise ValueError("every node is on for every sample, as behind an activation; name the layer before it")
    shuffled = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0)).to(labels.device)]
    cap = labels.bincount(minlength=classes).double().log()
    perplexity, control = (layer_perplexity(on, each, classes) for each in (labels, shuffled))
    several = cap > 0
    return {"perplexity": perplexity.nanmean().item(), "entropy": (perplexity.log() / cap)[several].mean().item(),
            "control_entropy": (control.log() / cap)[several].mean().item()}


def nodes(fitted: Tensor, labels: Tensor, judged: Tensor, truth: Tensor, classes: int) -> dict[str, float]:
    """Accuracy of the node systems, fitted on one part and judged on the other."""
    guesses = NodeClassifiers.fit(fitted, labels, classes=classes).log_posteriors(judged).argmax(2)
    return dict(zip(SYSTEMS, (guesses == truth).double().mean(1).tolist(), strict=True))


def separated(values: Tensor, labels: Tensor, what: str) -> dict[str, float]:
    """Silhouette and k-NN accuracy of ``values``, shape (N, channels), of the first 2,000 samples."""
    accuracy, silhouette = separation(values[:SEPARATED], labels[:SEPARATED])
    return {f"{what}_silhouette": silhouette, f"{what}_accuracy": accuracy}


def filters(before: Mapping[str, Tensor], layer: nn.Module, name: str) -> dict[str, float]:
    """``change``, the mean squared change of a weight, and ``relative_change`` of its norm."""
    after = layer._parameters.get("weight")
    if after is None or after.ndim < 2:
        raise ValueError("it has no filters of its own")
    if (old := before.get(f"{name}.weight")) is None:
        raise ValueError("before has no weights of it")
    if old.shape != after.shape:
        raise ValueError(f"before has {tuple(old.shape)} weights, where {tuple(after.shape)} were expected")
    old, after = (weight.detach().to(after.device).flatten(1) for weight in (old, after))
    change = filter_change(old, after, threshold=1.0).per_weight
    size = old.double().square().mean()
    return {"change": change.item()} | ({"relative_change": (change / size).sqrt().item()} if size else {})


def multi_hot(labels: Tensor, classes: int) -> Tensor:
    """Labels of either kind as float32, shape (N, K)."""
    return F.one_hot(labels, classes).float() if labels.ndim == 1 else labels


def _distance(scores: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Mean distance of each layer's scores, (L, N, K), to the target; samples without a label have none."""
    target = multi_hot(labels, classes)
    known = target.any(1)
    cost = label_cost(classes).to(scores.device)
    return wasserstein(label_distribution(scores[:, known]), label_distribution(target[known]), cost).double().mean(1)


def _scale(x: Tensor) -> tuple[Tensor, Tensor]:
    spread = x.std(0, correction=0) * x.shape[1] ** 0.5
    return x.mean(0), torch.where(spread > 0, spread, 1)


def _side_by_side(readings: Sequence[Tensor], centres: Sequence[Tensor], spreads: Sequence[Tensor],
                  labels: Tensor, like: Tensor) -> Features:
    sizes = tuple(x.shape[1] for x in readings)
    pooled = room((len(readings), len(labels), max(sizes)), like, MEMORY)
    fill(pooled, [(x - centre) / spread for x, centre, spread in zip(readings, centres, spreads, strict=True)])
    return Features(pooled, None, labels.to(pooled.device), sizes)
