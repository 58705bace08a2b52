"""How separated the classes of a cloud of points are: two numbers, taken where the points are."""

from dataclasses import dataclass

import torch
from torch import Tensor

from layerlib._asking import Asking, answered
from layerlib._checks import checked, whole_number
from layerlib._tensors import all_finite, finite, numbers

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
    right, silhouettes = answered(Cloud.of(features, labels)).separation(neighbours)
    return int(right.sum()) / len(right), silhouettes.mean().item()


@dataclass(frozen=True)
class Cloud:
    """The points that have a direction, and their classes.

    Attributes
    ----------
    units : float64, shape (n, D), of length 1
    labels : int64, shape (n,), the classes that occur numbered from 0
    classes : how many these are
    rows : int64, shape (n,), which of all points these are
    points : how many there were
    precision : of the features, in which neighbours are compared
    """

    units: Tensor
    labels: Tensor
    classes: int
    rows: Tensor
    points: int
    precision: torch.dtype

    @classmethod
    def of(cls, features: Tensor, labels: Tensor, numbered: tuple[Tensor, int] | None = None) -> Asking["Cloud"]:
        """Those of ``features``.

        Parameters
        ----------
        features : float, shape (N, …)
        labels : int64, shape (N,)
        numbered : the classes that occur numbered from 0, for each label, and how many these are, where it is known

        Returns
        -------
        Cloud

        Raises
        ------
        ValueError
            if a value is not finite, or the lengths differ
        """
        if labels.dtype != torch.int64 or labels.shape != features.shape[:1] or not features.ndim:
            raise ValueError(
                f"labels: expected int64 of shape {tuple(features.shape[:1])}, one label per row of features, "
                f"got {labels.dtype} {tuple(labels.shape)}"
            )
        if features.ndim < 2 or not features.is_floating_point():
            directions(features)  # which says what is wrong
        units, kept, checks = _directions(features)
        known, small, whole = yield torch.stack([*checks, kept.all()])
        if not (known and small):
            directions(features)
        rows = torch.arange(len(kept), device=kept.device) if whole else kept.nonzero()[:, 0]
        if not whole or numbered is None:
            classes, own = labels.to(features.device)[rows].unique(return_inverse=True)
            numbered = own, len(classes)
        own, count = numbered
        precision = torch.float64 if features.dtype == torch.float64 else torch.float32
        return cls(units if whole else units[rows], own, count, rows, len(features), precision)

    def separation(self, neighbours: int) -> tuple[Tensor, Tensor]:
        """The same as ``separation``, point by point.

        Parameters
        ----------
        neighbours : number of nearest points that vote

        Returns
        -------
        whether they name the point's class, bool, shape (n,), and its silhouette, float64, shape (n,)

        Raises
        ------
        ValueError
            if there are at most ``neighbours`` points, or they are of one class only or each of its own
        """
        points = len(self.units)
        if not 1 <= neighbours < points:
            raise ValueError(
                f"neighbours: expected fewer than the {points} samples with a direction in features, got {neighbours}"
            )
        if not 2 <= self.classes < points:
            raise ValueError(f"labels: expected 2 to {points - 1} classes among {points} samples, got {self.classes}")
        member = torch.nn.functional.one_hot(self.labels, self.classes).to(self.units)
        right = _knn_right(self.units.to(self.precision), self.labels, self.classes, neighbours)
        return right, _silhouettes(self.units, self.labels, member)


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
    units, kept, (_, small) = _directions(features)
    if not small:
        raise ValueError("features: expected numbers whose squares are finite, got larger ones")
    return units, kept


def _directions(features: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
    """``directions``, and whether features are finite and small enough, bool, shapes ()."""
    rows = features.detach().flatten(1).double()
    norms = rows.norm(dim=1, keepdim=True)
    kept = norms > 1e-30
    return torch.where(kept, rows / norms, 0), kept[:, 0], [all_finite(features), ~norms.isinf().any()]


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
        ranked = votes * classes - torch.arange(classes, device=rows.device)
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
