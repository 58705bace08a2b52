"""How separated the classes of a cloud of points are: two numbers, taken where the points are."""

import torch
from torch import Tensor

from layerlib._checks import checked, finite, numbers, whole_number

BLOCK = 1024


@checked(features=numbers, labels=numbers, neighbours=whole_number)
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
    right, silhouettes, _ = separation_of_each(features, labels, neighbours)
    return int(right.sum()) / len(right), silhouettes.mean().item()


def separation_of_each(features: Tensor, labels: Tensor, neighbours: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    """The same sample by sample: whether its neighbours name its class, and its silhouette. Raises as ``separation``.

    Returns
    -------
    right : bool, shape (n,), of the n samples that have a direction
    silhouettes : float64, shape (n,)
    kept : bool, shape (N,), which samples these are
    """
    if labels.dtype != torch.int64 or labels.shape != features.shape[:1] or not features.ndim:
        raise ValueError(
            f"labels: expected int64 of shape {tuple(features.shape[:1])}, one label per row of features, "
            f"got {labels.dtype} {tuple(labels.shape)}"
        )
    units, kept = directions(features)
    units = units[kept]
    classes, labels = labels.to(features.device)[kept].unique(return_inverse=True)
    if not 1 <= neighbours < len(units):
        raise ValueError(
            f"neighbours: expected fewer than the {len(units)} samples with a direction in features, got {neighbours}"
        )
    if not 2 <= len(classes) < len(units):
        raise ValueError(
            f"labels: expected 2 to {len(units) - 1} classes among {len(units)} samples, got {len(classes)}"
        )
    member = torch.nn.functional.one_hot(labels).to(units)
    similar = units if features.dtype == torch.float64 else units.float()
    return _knn_right(similar, labels, len(classes), neighbours), _silhouettes(units, labels, member), kept


@checked(features=finite)
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
        if features have fewer than two dimensions, are not finite floating-point numbers, or too large to be squared
    """
    if features.ndim < 2:
        raise ValueError(f"features: expected shape (N, …), got {tuple(features.shape)}")
    rows = features.detach().flatten(1).double()
    norms = rows.norm(dim=1, keepdim=True)
    if norms.isinf().any():
        raise ValueError("features: expected numbers whose squares are finite, got larger ones")
    kept = norms > 1e-30
    return torch.where(kept, rows / norms, 0), kept[:, 0]


def _knn_right(units: Tensor, labels: Tensor, classes: int, neighbours: int) -> Tensor:
    right = []
    rows = torch.arange(len(units), device=units.device)
    for block in rows.split(BLOCK):
        similarity = units[block] @ units.T
        similarity[rows[: len(block)], block] = -torch.inf
        nearest = labels[similarity.topk(neighbours, dim=1, sorted=False).indices]
        votes = torch.zeros(len(block), classes, dtype=torch.int64, device=units.device)
        votes.scatter_add_(1, nearest, torch.ones_like(nearest))
        # one vote outweighs all class numbers, so that ties go to the smaller one
        ranked = votes * classes - rows.new_tensor(range(classes))
        right.append(ranked.argmax(1) == labels[block])
    return torch.cat(right)


def _silhouettes(units: Tensor, labels: Tensor, member: Tensor) -> Tensor:
    sizes = member.sum(0)
    # 1 - ⟨u, v⟩ is linear in v: the mean distance to a class is the distance to its mean, without N x N distances
    distance = 1 - units @ (member.T @ units / sizes[:, None]).T
    own = distance.gather(1, labels[:, None])[:, 0]
    size = sizes[labels]
    within = (own * size / (size - 1).clamp(min=1)).clamp(min=0)
    nearest = distance.scatter(1, labels[:, None], torch.inf).amin(1).clamp(min=0)
    silhouette = ((nearest - within) / torch.maximum(nearest, within)).nan_to_num()
    return silhouette.where(size > 1, 0)
