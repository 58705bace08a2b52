"""The numbers of a layer computed again by scikit-learn, SciPy, POT and by counting, from its readings alone."""

from collections import Counter

import numpy as np
import ot
import torch
from scipy.spatial.distance import cdist, pdist, squareform
from sklearn.metrics import silhouette_score
from sklearn.neighbors import KNeighborsClassifier


def patterns(peaks, labels):
    on = peaks > 0
    perplexities, caps = [], []
    for each in np.unique(labels):
        counts = np.array(list(Counter(row.tobytes() for row in on[labels == each]).values()))
        share = counts / counts.sum()
        perplexities.append(np.exp(-(share * np.log(share)).sum()))
        caps.append(np.log(counts.sum()))
    distance = squareform(pdist(on.astype(float), "cityblock"))
    same = labels[:, None] == labels
    others = ~np.eye(len(labels), dtype=bool)
    apart = distance[~same].mean()
    return {
        "perplexity": np.mean(perplexities),
        "entropy": np.mean(np.log(perplexities) / caps),
        "hamming": distance[same & others].mean() / apart if apart else 1.0,
    }


def discrete(fitted, labels, judged, truth):
    """Accuracy of the discrete system: a loop over classes, samples and nodes in logs."""
    scores = []
    for each in np.unique(labels):
        rows = fitted[labels == each]
        least = 0.5 / len(rows)
        share = np.clip((rows > 0).mean(0), least, 1 - least)
        likelihood = np.where(judged > 0, np.log(share), np.log(1 - share)).sum(1)
        scores.append(likelihood + np.log(len(rows) / len(fitted)))
    return {"discrete": (np.unique(labels)[np.argmax(scores, 0)] == truth).mean()}


def separated(z, labels, what):
    """Rows without a direction are left out."""
    kept = np.linalg.norm(z, axis=1) > 1e-30
    z, labels = z[kept].astype(float), labels[kept]
    distance = cdist(z, z, "cosine")
    np.fill_diagonal(distance, np.inf)
    votes = KNeighborsClassifier(5, metric="precomputed").fit(np.where(np.isinf(distance), 1e9, distance), labels)
    return {
        f"{what}_silhouette": silhouette_score(z, labels, metric="cosine"),
        f"{what}_accuracy": (votes.predict(np.where(np.isinf(distance), 1e9, distance)) == labels).mean(),
    }


def rank(z):
    size = np.linalg.svd(z.astype(float) - z.mean(0, dtype=float), compute_uv=False) ** 2
    share = size[size > 0] / size.sum()
    return {"effective_rank": np.exp(-(share * np.log(share)).sum())}


def probe(fitted, labels, judged, truth, epochs=40, momentum=0.9, decay=1e-6):
    """Forty epochs of gradient descent from the same first weights, in NumPy; then POT, a sample at a time.

    The descent is in single precision, as a network's readings are: its rounding grows from step to step.
    """
    centre, spread = fitted.mean(0), fitted.std(0) * fitted.shape[1] ** 0.5
    spread[spread == 0] = 1
    x, new = ((each - centre) / spread for each in (fitted, judged))
    x, new = (np.hstack([np.ones_like(each[:, :1]), each]) for each in (x, new))  # the bias first
    classes = np.unique(np.concatenate([labels, truth]))
    y = (labels[:, None] == classes).astype(x.dtype)
    random = torch.Generator().manual_seed(0)
    w = torch.rand(x.shape[1], len(classes), generator=random, dtype=torch.float64).numpy() * 2 - 1
    w = (w / fitted.shape[1] ** 0.5).astype(x.dtype)
    order, pace = torch.Generator().manual_seed(0), np.zeros_like(w)
    for epoch in range(epochs):
        rate = 10 * len(classes) * (1 if epoch < 0.4 * epochs else 0.1 if epoch < 0.8 * epochs else 0.01)
        for rows in torch.randperm(len(x), generator=order).split(128):
            missed = 1 / (1 + np.exp(-x[rows] @ w)) - y[rows]
            pace = momentum * pace + x[rows].T @ missed / missed.size + decay * w
            w = w - rate * pace
    scores = (1 / (1 + np.exp(-new @ w))).astype(float)
    shares, target = scores / scores.sum(1, keepdims=True), (truth[:, None] == classes).astype(float)
    cost = 1 - np.eye(len(classes))
    return {
        "distance": np.mean([ot.emd2(one, other, cost) for one, other in zip(shares, target, strict=True)]),
        "probe_accuracy": (classes[scores.argmax(1)] == truth).mean(),
    }
