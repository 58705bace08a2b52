"""Each instrument on the readings of a layer: what it makes of them, as a few named numbers."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from layerlib._checks import in_short
from layerlib._forward import as_input, wrong
from layerlib.backward.guided import guided_bp_image
from layerlib.backward.separation import directions, separation
from layerlib.data.splits import Split, class_count
from layerlib.distributions._features import Features, fill, room
from layerlib.distributions.distances import label_cost, label_distribution, wasserstein
from layerlib.distributions.linear import LinearProbes
from layerlib.filters.change import filter_change
from layerlib.nodes.classifiers import SYSTEMS, NodeClassifiers
from layerlib.patterns import active, layer_perplexity

QUANTITIES = {
    "distribution": ("distance", "probe_accuracy"),
    "patterns": ("perplexity", "entropy", "control_entropy"),
    "nodes": SYSTEMS,
    "targets": ("target_silhouette", "target_accuracy", "feature_silhouette", "feature_accuracy"),
    "filters": ("change", "relative_change"),
}
SEPARATED = 2000  # samples at most for the separation, whose cost grows with their square
NEIGHBOURS = 5
MEMORY = 2e9  # bytes of features for the probes; more are kept in a file
EPOCHS = 40
PICTURES = 8


def guess(fitted: Tensor, judged: Tensor, classes: int) -> dict[str, float]:
    """Distance and accuracy of always predicting how frequent each class is; labels as of ``distribution``."""
    frequency = multi_hot(fitted, classes).mean(0)
    scores = frequency.expand(len(judged), classes)
    return {"distance": _distance(scores[None], judged, classes)[0].item(),
            "accuracy": 1 - wrong(scores.logit(), judged).double().mean().item()}


def distribution(fitted: Sequence[Tensor], labels: Tensor, judged: Sequence[Tensor], truth: Tensor,
                 classes: int) -> list[dict[str, float]]:
    """Linear probes of all layers: ``distance`` to the target and ``probe_accuracy`` of each layer.

    Channels are brought to mean 0 and, together, a mean squared norm of 1, so that one rate of learning suits all.
    Layers of about the same width are trained side by side, which is the same as one by one.

    Parameters
    ----------
    fitted, judged : a layer's readings, shapes (N, channels) and (M, channels)
    labels, truth : int64, shapes (N,) and (M,), or multi-hot
    """
    groups: dict[int, list[int]] = {}
    for i, x in enumerate(fitted):
        groups.setdefault((x.shape[1] - 1).bit_length() // 2, []).append(i)
    found: dict[int, dict[str, float]] = {}
    for members in groups.values():
        logits = _probed([fitted[i] for i in members], labels, [judged[i] for i in members], truth, classes)
        distances = _distance(logits.sigmoid(), truth, classes)
        accuracies = 1 - wrong(logits, truth).double().mean(1)
        for i, *row in zip(members, distances.tolist(), accuracies.tolist(), strict=True):
            found[i] = dict(zip(QUANTITIES["distribution"], row, strict=True))
    return [found[i] for i in range(len(fitted))]


def patterns(z: Tensor, labels: Tensor, classes: int, pooled: bool = False) -> dict[str, float]:
    """Layer ``perplexity``, mean over classes; its ``entropy``, mean over classes of ln P / ln N_c; and the control.

    ``control_entropy`` is the same with the labels shuffled. A layer whose patterns do not tell classes apart has the
    same entropy in both, be it high or low.

    Parameters
    ----------
    pooled : whether ``z`` is the largest over places: a channel that is on somewhere for every sample is nothing odd

    Raises
    ------
    ValueError
        if no class has two samples, or, not pooled, every node is on for every sample
    """
    cap = labels.bincount(minlength=classes).double().log()
    if not (several := cap > 0).any():
        raise ValueError("no two of the samples judged are of one class")
    on = active(z)
    if on.all() and not pooled:
        raise ValueError("every node is on for every sample, as behind an activation; name the layer before it")
    shuffled = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0)).to(labels.device)]
    # 1 but for rounding, where there is one pattern
    perplexity, control = (layer_perplexity(on, each, classes).clamp(min=1) for each in (labels, shuffled))
    return {"perplexity": perplexity.nanmean().item(), "entropy": (perplexity.log() / cap)[several].mean().item(),
            "control_entropy": (control.log() / cap)[several].mean().item()}


def nodes(fitted: Tensor, labels: Tensor, judged: Tensor, truth: Tensor, classes: int) -> dict[str, float]:
    """Accuracy of the node systems, fitted on one part and judged on the other."""
    guesses = NodeClassifiers.fit(fitted, labels, classes=classes).log_posteriors(judged).argmax(2)
    right = guesses == truth.to(guesses.device)
    return dict(zip(SYSTEMS, right.double().mean(1).tolist(), strict=True))


def separated(values: Tensor, labels: Tensor, what: str) -> dict[str, float]:
    """Silhouette and k-NN accuracy of ``values``, shape (N, channels), of the first 2,000 samples.

    Raises
    ------
    ValueError
        if samples whose values are not all 0 are too few, or not at least two of one class and one of another
    """
    values, labels = values[:SEPARATED], labels[:SEPARATED].to(values.device)
    kept = directions(values)[1]
    known, present = int(kept.sum()), len(labels[kept].unique())
    if known <= NEIGHBOURS:
        raise ValueError(f"its {what}s are other than 0 for only {known} of {len(kept)} samples, too few for "
                         f"{NEIGHBOURS} neighbours")
    if not 2 <= present < known:
        raise ValueError(f"its {what}s other than 0 are of {present} classes for {known} samples, where two classes "
                         "and two samples of one are needed")
    accuracy, silhouette = separation(values, labels, NEIGHBOURS)
    return {f"{what}_silhouette": silhouette, f"{what}_accuracy": accuracy}


def filters(before: Mapping[str, Tensor], layer: nn.Module, name: str) -> dict[str, float]:
    """``change``, the mean squared change of a weight, and ``relative_change`` of its norm, NaN from weights of 0.

    Raises
    ------
    ValueError
        if the layer has no weights of its own, or ``before`` has none of it, or of another shape, or the very same
    """
    after = layer._parameters.get("weight")
    if after is None or after.ndim < 2:
        raise ValueError("it has no filters: no parameter called weight of two or more dimensions")
    if not isinstance(old := before.get(f"{name}.weight"), Tensor):
        raise ValueError("before has no weights under its name")
    if old.shape != after.shape:
        raise ValueError(f"before has weights of shape {tuple(old.shape)}, expected {tuple(after.shape)}")
    if old.data_ptr() == after.data_ptr():
        raise ValueError("before holds the very weights of the network; make the copy, by copy.deepcopy, in time")
    old, after = (weight.detach().to(after.device).flatten(1) for weight in (old, after))
    if not (old.isfinite().all() and after.isfinite().all()):
        raise ValueError("its weights, or those in before, are not finite")
    change = filter_change(old, after, threshold=1.0).per_weight
    size = old.double().square().mean()
    return {"change": change.item(), "relative_change": (change / size).sqrt().item() if size else torch.nan}


def accuracy(outputs: Tensor, split: Split) -> float:
    """Of the network itself; NaN where it does not put out a finite number for each class."""
    classes, given = class_count(split), outputs.shape[1]
    fits = given > 1 and (given >= classes if split.labels.ndim == 1 else given == classes)
    known = fits and bool(outputs.isfinite().all())
    return 1 - wrong(outputs, split.labels).double().mean().item() if known else torch.nan


def pictures(model: nn.Module, split: Split, untold: str | None) -> tuple[Tensor, Tensor | None, str | None]:
    """An image of each of the first classes, what guided-bp-DNN draws for it, and why it does not."""
    labels = split.labels if split.labels.ndim == 1 else split.labels.argmax(1)
    first = torch.stack([(labels == each).nonzero()[0, 0] for each in labels.unique()[:PICTURES]])
    images, labels = split.images[first].cpu(), labels[first]
    if untold is not None:
        return images, None, untold
    x = as_input(images, next(model.parameters()).dtype)
    try:
        return images, guided_bp_image(model, x, labels).cpu(), None
    except (ValueError, RuntimeError) as error:
        return images, None, in_short(error)


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


def _probed(fitted: Sequence[Tensor], labels: Tensor, judged: Sequence[Tensor], truth: Tensor,
            classes: int) -> Tensor:
    """Logits of a probe on each of the readings, (L, M, K), trained on the ``fitted`` ones."""
    centres, spreads = zip(*map(_scale, fitted), strict=True)
    seen, new = (_side_by_side(part, centres, spreads, known) for part, known in ((fitted, labels), (judged, truth)))
    probes = LinearProbes(classes)
    probes.train(seen, epochs=EPOCHS, rate=10.0 * classes, weight_decay=1e-6)
    return probes.logits(new)


def _side_by_side(readings: Sequence[Tensor], centres: Sequence[Tensor], spreads: Sequence[Tensor],
                  labels: Tensor) -> Features:
    sizes = tuple(x.shape[1] for x in readings)
    pooled = room((len(readings), len(readings[0]), max(sizes)), readings[0], MEMORY)
    fill(pooled, [(x - centre) / spread for x, centre, spread in zip(readings, centres, spreads, strict=True)])
    return Features(pooled, None, labels.to(pooled.device), sizes, readings[0].device)
