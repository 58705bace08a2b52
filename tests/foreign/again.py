"""The numbers of a layer computed again by scikit-learn, SciPy and by counting, from its readings alone."""

from collections import Counter

import numpy as np
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
