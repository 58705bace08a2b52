"""How alike two clouds of vectors are arranged, and how alike the vectors of a class are; only directions count."""

import math

import torch
from sklearn.metrics import silhouette_samples
from torch import Tensor

from layerbook.analysis._shapes import shaped
from layerlib._checks import any_whole_number, checked
from layerlib.backward.separation import directions


@shaped(a="N ...", b="N ...")
def direction_cka(a: Tensor, b: Tensor) -> float:
    """Linear CKA of the directions of two clouds: 1 where all pairs of samples lie alike in both.

    ‖Aᵀ B‖² / (‖Aᵀ A‖ ‖Bᵀ B‖) of centred unit vectors (Kornblith et al. 2019), with its bias, which is small where
    samples are many more than dimensions; `layerlib.cka` is without it.

    Parameters
    ----------
    a, b : float, shapes (N, …), of the same samples in the same order
    """
    a, b = (units - units.mean(0) for units in (directions(a)[0], directions(b)[0]))
    found = ((a.T @ b).square().sum() / (a.T @ a).norm() / (b.T @ b).norm()).item()
    if not math.isfinite(found):
        raise ValueError("a, b: expected rows of different directions, got all alike")
    return found


@shaped(vectors="N ...", labels="whole N")
def within_classes(vectors: Tensor, labels: Tensor) -> float:
    """Mean cosine of two different samples of the same class, over all such pairs.

    Parameters
    ----------
    vectors : float, shape (N, …)
    labels : int64, shape (N,)
    """
    sums, counts = torch.zeros(()).double(), 0
    for units in (directions(vectors[labels == each])[0] for each in labels.unique()):
        sums = sums + units.sum(0).square().sum() - units.square().sum()
        counts += len(units) * (len(units) - 1)
    if not counts:
        raise ValueError("labels: expected two samples of a class at least")
    return (sums / counts).item()


@shaped(vectors="N ...", labels="whole N")
def silhouettes(vectors: Tensor, labels: Tensor) -> Tensor:
    """Silhouette of every sample by the cosine (Rousseeuw 1987): `layerlib.separation` gives their mean.

    Parameters
    ----------
    vectors : float, shape (N, …)
    labels : int64, shape (N,)

    Returns
    -------
    float64, shape (N,), on the CPU; 0 for a sample whose vector is zero, which lies nowhere
    """
    units, kept = (each.cpu() for each in directions(vectors))
    found, classes = torch.zeros(len(units), dtype=torch.float64), len(labels.cpu()[kept].unique())
    if not 1 < classes < int(kept.sum()):
        raise ValueError(
            f"labels: expected at least 2 classes, and fewer than the vectors that are not zero, {int(kept.sum())}, "
            f"got {classes}"
        )
    found[kept] = torch.from_numpy(
        silhouette_samples(units[kept].numpy(), labels.cpu()[kept].numpy(), metric="cosine")
    ).double()
    return found


@checked(seed=any_whole_number)
@shaped(labels="whole N")
def class_mates(labels: Tensor, seed: int = 0) -> Tensor:
    """For every sample another one of its class, at random: int64, shape (N,); each is the mate of one.

    Raises
    ------
    ValueError
        if a class has one sample only
    """
    device, labels = labels.device, labels.cpu()
    if (labels.unique(return_counts=True)[1] < 2).any():
        raise ValueError("labels: expected at least two samples of each class")
    mixed = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    circle = mixed[labels[mixed].argsort(stable=True)]  # class after class, at random within
    classes = labels[circle]
    starts = torch.searchsorted(classes, classes)
    last = torch.cat([classes[1:] != classes[:-1], torch.tensor([True])])
    following = torch.where(last, starts, torch.arange(1, len(labels) + 1))
    return torch.empty_like(circle).scatter_(0, circle, circle[following]).to(device)
