"""How separated the classes of a cloud of points are: as a picture (t-SNE) and as two numbers.

A picture is no measurement: t-SNE draws clusters into noise. A claim rests on the numbers, taken where the points are.
"""

from collections.abc import Hashable, Mapping

import torch
from torch import Tensor

BLOCK = 1024


def tsne(features: Tensor, metric: str = "cosine", perplexity: float = 30.0, seed: int = 0,
         start: Tensor | None = None) -> Tensor:
    """Features in the plane by t-SNE (van der Maaten & Hinton 2008), through openTSNE.

    Single-threaded, so that the same seed gives the same picture; ``tsne_panels`` makes several at once.

    Parameters
    ----------
    features : float, shape (N, …)
    metric : "cosine" as in Xie & Lai 2018, or any that openTSNE knows
    start : shape (N, 2), points of an earlier picture to start from: the clusters keep their places, as a series over
        training needs, and the early exaggeration is saved; by default the first two principal components

    Returns
    -------
    float32, shape (N, 2); NaN for rows left out, by the cosine, because their norm is zero (see ``directions``)

    Raises
    ------
    ValueError
        if a value is not finite, a shape does not fit, or fewer than 3 · perplexity + 1 samples are left

    Examples
    --------
    >>> points = tsne(torch.randn(500, 100))
    >>> points.shape, int(points.isnan().any(1).sum())
    (torch.Size([500, 2]), 0)
    """
    from openTSNE import TSNE  # compiled code, slow to import, that only the pictures need

    rows, kept = directions(features)
    rows = rows if metric == "cosine" else features.flatten(1).double()
    kept = kept if metric == "cosine" else torch.ones_like(kept)
    if not 1 <= perplexity <= (int(kept.sum()) - 1) / 3:
        raise ValueError(f"features: expected at least 3 x perplexity + 1 = {3 * perplexity + 1:g} samples with "
                         f"perplexity from 1 up, got {int(kept.sum())} samples ({int((~kept).sum())} left out)")
    if start is not None and start.shape != (len(rows), 2):
        raise ValueError(f"start: expected shape ({len(rows)}, 2), one point per row, got {tuple(start.shape)}")
    begin = "pca" if start is None else _start(start, kept)
    # theta 0.8 draws the same picture as 0.5 in two thirds of the time
    maker = TSNE(perplexity=perplexity, metric=metric, random_state=seed, n_jobs=1, neighbors="exact",
                 negative_gradient_method="bh", theta=0.8, initialization=begin,
                 early_exaggeration_iter=250 if start is None else 0, n_iter=500 if start is None else 250)
    points = torch.full((len(rows), 2), torch.nan)
    points[kept.cpu()] = torch.from_numpy(maker.fit(rows[kept].cpu().numpy()).__array__()).float()
    return points.to(features.device)


def tsne_panels(panels: Mapping[Hashable, Tensor], metric: str = "cosine", perplexity: float = 30.0, seed: int = 0,
                workers: int = -1) -> dict[Hashable, Tensor]:
    """``tsne`` of several clouds side by side, one thread each, the same pictures as one by one.

    Parameters
    ----------
    panels : name -> features, shape (N, …)
    workers : threads at a time; -1 is one per core

    Returns
    -------
    name -> float32, shape (N, 2)
    """
    from joblib import Parallel, delayed

    pictures = Parallel(n_jobs=workers, prefer="threads")(
        delayed(tsne)(features, metric, perplexity, seed) for features in panels.values())
    return dict(zip(panels, pictures, strict=True))


def separation(features: Tensor, labels: Tensor, neighbours: int = 5) -> tuple[float, float]:
    """How separated classes are, by the cosine, in the space of the features: k-NN accuracy and silhouette.

    The accuracy is leave-one-out: each sample is classed by its ``neighbours`` nearest others, a tie going to the
    smaller class number. The silhouette (Rousseeuw 1987) is the mean of (b - a) / max(a, b), with a the mean distance
    to the sample's own class and b to the nearest other one; 0 for a class of one. Rows of norm zero have no cosine
    and are left out (see ``directions``).

    Parameters
    ----------
    features : float, shape (N, …)
    labels : int64, shape (N,)
    neighbours : number of nearest samples that vote

    Returns
    -------
    knn_accuracy, silhouette : floats, in [0, 1] and [-1, 1]

    Raises
    ------
    ValueError
        if a value is not finite, the lengths differ, at most ``neighbours`` samples are left, or they are of one
        class only or each of its own

    Examples
    --------
    >>> separation(torch.eye(2).repeat_interleave(10, 0), torch.arange(2).repeat_interleave(10))
    (1.0, 1.0)
    """
    if labels.dtype != torch.int64 or labels.shape != features.shape[:1]:
        raise ValueError(f"labels: expected int64 of shape ({len(features)},), one label per row of features, "
                         f"got {labels.dtype} {tuple(labels.shape)}")
    units, kept = directions(features)
    units = units[kept]
    classes, labels = labels.to(features.device)[kept].unique(return_inverse=True)
    if not 1 <= neighbours < len(units):
        raise ValueError(f"neighbours: expected 1 to {len(units) - 1}, as {len(units)} samples have a direction, "
                         f"got {neighbours}")
    if not 2 <= len(classes) < len(units):
        raise ValueError(f"labels: expected 2 to {len(units) - 1} classes among {len(units)} samples, "
                         f"got {len(classes)}")
    member = torch.nn.functional.one_hot(labels).to(units)
    similar = units if features.dtype == torch.float64 else units.float()
    return _knn_accuracy(similar, labels, len(classes), neighbours), _silhouette(units, labels, member)


def directions(features: Tensor) -> tuple[Tensor, Tensor]:
    """Rows scaled to length 1, and which rows have a direction at all.

    A row of zeros has none: a target whose path back is switched off, or whose p - y has underflowed.

    Parameters
    ----------
    features : float, shape (N, …)

    Returns
    -------
    units : float64, shape (N, D); zero rows stay zero
    kept : bool, shape (N,), norm above 1e-30

    Raises
    ------
    ValueError
        if features have fewer than two dimensions or are not finite floating-point numbers
    """
    if features.ndim < 2 or not features.is_floating_point():
        raise ValueError(f"features: expected floating point of shape (N, …), got {features.dtype} "
                         f"{tuple(features.shape)}")
    rows = features.detach().flatten(1).double()
    if not rows.isfinite().all():
        raise ValueError(f"features: {int((~rows.isfinite()).sum())} of {rows.numel()} values are not finite")
    norms = rows.norm(dim=1, keepdim=True)
    kept = norms > 1e-30
    return torch.where(kept, rows / norms, 0), kept[:, 0]


def _start(points: Tensor, kept: Tensor):
    points = points.double().cpu()[kept.cpu()].nan_to_num()
    # openTSNE's own starts have this spread; a wider one freezes the points where they are
    return (points / points[:, 0].std() * 1e-4).numpy()


def _knn_accuracy(units: Tensor, labels: Tensor, classes: int, neighbours: int) -> float:
    right = 0
    rows = torch.arange(len(units), device=units.device)
    for block in rows.split(BLOCK):
        similarity = units[block] @ units.T
        similarity[rows[: len(block)], block] = -torch.inf
        nearest = labels[similarity.topk(neighbours, dim=1, sorted=False).indices]
        votes = torch.zeros(len(block), classes, dtype=torch.int64, device=units.device)
        votes.scatter_add_(1, nearest, torch.ones_like(nearest))
        # one vote outweighs all class numbers, so that ties go to the smaller one
        ranked = votes * classes - rows.new_tensor(range(classes))
        right += int((ranked.argmax(1) == labels[block]).sum())
    return right / len(units)


def _silhouette(units: Tensor, labels: Tensor, member: Tensor) -> float:
    sizes = member.sum(0)
    # 1 - ⟨u, v⟩ is linear in v: the mean distance to a class is the distance to its mean, without N x N distances
    distance = 1 - units @ (member.T @ units / sizes[:, None]).T
    own = distance.gather(1, labels[:, None])[:, 0]
    size = sizes[labels]
    within = (own * size / (size - 1).clamp(min=1)).clamp(min=0)
    nearest = distance.scatter(1, labels[:, None], torch.inf).amin(1).clamp(min=0)
    silhouette = ((nearest - within) / torch.maximum(nearest, within)).nan_to_num()
    return silhouette.where(size > 1, 0).mean().item()
