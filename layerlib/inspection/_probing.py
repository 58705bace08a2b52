"""Probes of a layer's readings: how far the labels that they distribute are from the target."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from layerlib._asking import Asking
from layerlib._forward import wrong
from layerlib._room import room
from layerlib.distributions._features import Features, fill
from layerlib.distributions.distances import label_distribution, uniform_distances
from layerlib.distributions.linear import LinearProbes
from layerlib.distributions.ridge import Decomposed, RidgeReadout
from layerlib.inspection._intervals import Resampling
from layerlib.inspection._lenses import Numbers, named

MEMORY = 2e9  # bytes of features for the probes; more are kept in a file
EPOCHS = 40


def guess(fitted: Tensor, judged: Tensor, classes: int) -> Asking[dict[str, float]]:
    """Distance and accuracy of always predicting how frequent each class is; labels as of ``distribution``."""
    frequency = multi_hot(fitted, classes).mean(0)
    scores = frequency.expand(len(judged), classes)
    [told] = yield from _told(scores[None], scores.logit()[None], judged, classes, None)
    return {"distance": float(told["distance"]), "accuracy": float(told["probe_accuracy"])}


def distribution(
    fitted: Sequence[Tensor],
    labels: Tensor,
    judged: Sequence[Tensor],
    truth: Tensor,
    classes: int,
    resampling: Resampling | None = None,
) -> Asking[list[Numbers]]:
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
    found: dict[int, Numbers] = {}
    for members in groups.values():
        logits = _probed([fitted[i] for i in members], labels, [judged[i] for i in members], truth, classes)
        told = yield from _told(logits.sigmoid(), logits, truth, classes, resampling)
        found |= zip(members, told, strict=True)
    return [found[i] for i in range(len(fitted))]


def ridge(
    gram: Decomposed,
    products: Tensor,
    labels: Tensor,
    truth: Tensor,
    classes: int,
    resampling: Resampling | None = None,
) -> Asking[Numbers]:
    """The same of a ridge regression on one layer's entries, of which it takes the ``grams``."""
    probe = RidgeReadout.fit(gram, labels, classes)
    scores, shares = probe.predict(products), probe.probabilities(products)
    # several labels are those above one half
    return (yield from _told(shares[None], (scores - 0.5)[None], truth, classes, resampling))[0]


def multi_hot(labels: Tensor, classes: int) -> Tensor:
    """Labels of either kind as float32, shape (N, K)."""
    return F.one_hot(labels, classes).float() if labels.ndim == 1 else labels


def _told(
    scores: Tensor, logits: Tensor, truth: Tensor, classes: int, resampling: Resampling | None
) -> Asking[list[Numbers]]:
    """Of several layers' scores and logits, (L, M, K). Samples without a label have no distance to the target."""
    truth = truth.to(scores.device)
    rows = truth.any(1).nonzero()[:, 0] if truth.ndim == 2 else None
    here, target = (each if rows is None else each[..., rows, :] for each in (scores, multi_hot(truth, classes)))
    distances, missed = uniform_distances(here.contiguous(), target).double(), wrong(logits, truth).double()
    draws = (
        [(None, None)] * len(scores)
        if resampling is None
        else [
            (far, right)
            for far, right in zip(
                resampling.mean(distances.T, rows).unbind(1), (1 - resampling.mean(missed.T)).unbind(1), strict=True
            )
        ]
    )
    values = yield torch.stack([distances.mean(1), 1 - missed.mean(1)])
    if any(map(math.isnan, values)):
        label_distribution(here)  # which says what is wrong
    rows = zip(values[: len(scores)], values[len(scores) :], strict=True)
    return [named("distribution", row, drawn) for row, drawn in zip(rows, draws, strict=True)]


def _scale(x: Tensor) -> tuple[Tensor, Tensor]:
    spread = x.std(0, correction=0) * x.shape[1] ** 0.5
    return x.mean(0), torch.where(spread > 0, spread, 1)


def _probed(fitted: Sequence[Tensor], labels: Tensor, judged: Sequence[Tensor], truth: Tensor, classes: int) -> Tensor:
    """Logits of a probe on each of the readings, (L, M, K), trained on the ``fitted`` ones."""
    centres, spreads = zip(*map(_scale, fitted), strict=True)
    probes = LinearProbes(classes)
    probes._descend(_side_by_side(fitted, centres, spreads, labels), None, EPOCHS, 10.0 * classes, weight_decay=1e-6)
    return probes.logits(_side_by_side(judged, centres, spreads, truth))


def _side_by_side(
    readings: Sequence[Tensor], centres: Sequence[Tensor], spreads: Sequence[Tensor], labels: Tensor
) -> Features:
    sizes = tuple(x.shape[1] for x in readings)
    pooled = room((len(readings), len(readings[0]), max(sizes)), readings[0], MEMORY)
    fill(pooled, ((x - centre).div_(spread) for x, centre, spread in zip(readings, centres, spreads, strict=True)))
    return Features(pooled, None, labels.to(pooled.device), sizes, readings[0].device)
