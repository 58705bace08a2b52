"""Scores of multi-label predictions."""

import torch
from sklearn.metrics import average_precision_score, f1_score, precision_recall_fscore_support
from torch import Tensor

from layerlib._checks import checked, share, whole_number
from layerlib._tensors import numbers
from layerlib.distributions._labels import hot, probabilities_of

SCORES = ("accuracy", "cf1_top3", "of1_top3", "class_f1_top3", "cf1", "of1", "class_f1", "map")


@checked(threshold=share)
def exact_match(probabilities: Tensor, labels: Tensor, threshold: float = 0.5) -> Tensor:
    """Which samples have every label right, a label being predicted above ``threshold``; the mean is the accuracy.

    Parameters
    ----------
    probabilities : float in [0, 1], shape (N, K), or (..., N, K) for several layers at once
    labels : 0 or 1, shape (N, K)
    threshold : in [0, 1]

    Returns
    -------
    bool, shape (..., N)

    Raises
    ------
    ValueError
        if the shapes differ, a probability or the threshold is not in [0, 1], or a label not 0 or 1
    """
    probabilities = probabilities_of(probabilities)
    return ((probabilities > threshold) == hot(labels, probabilities)).all(-1)


@checked(count=whole_number)
def top_labels(probabilities: Tensor, count: int = 3) -> Tensor:
    """The ``count`` most probable labels of each sample; of equal ones the first; all where there are fewer.

    Parameters
    ----------
    probabilities : float in [0, 1], shape (..., K)

    Returns
    -------
    bool, shape (..., K)

    Raises
    ------
    ValueError
        if a probability is not in [0, 1], or ``count`` no whole number from 1 up
    """
    probabilities = probabilities_of(probabilities)
    best = probabilities.argsort(dim=-1, descending=True, stable=True)[..., :count]
    return torch.zeros_like(probabilities, dtype=torch.bool).scatter_(-1, best, True)


@checked(predicted=numbers)
def f1_scores(predicted: Tensor, labels: Tensor) -> dict[str, float]:
    """The three F1 scores that are in use for multi-label predictions (Cao et al. 2022, sec. 6.2.2).

    Parameters
    ----------
    predicted : bool, shape (N, K), such as ``probabilities > 0.5`` or ``top_labels(probabilities)``
    labels : 0 or 1, shape (N, K)

    Returns
    -------
    - ``cf1``: 2·CP·CR / (CP + CR) of the classes' mean precision CP and mean recall CR, as the paper's code
    - ``of1``: F1 of all labels of all samples together
    - ``class_f1``: the mean of the classes' F1, as the paper's text

    A class that is never predicted has precision 0, one without positives recall 0.

    Raises
    ------
    ValueError
        if the shapes differ, ``predicted`` is not boolean, or there are fewer than two classes
    """
    if predicted.dtype != torch.bool:
        raise ValueError(f"predicted: expected a boolean tensor, got {predicted.dtype}")
    if predicted.ndim != 2 or predicted.shape[1] < 2:
        raise ValueError(f"predicted: expected shape (N, K) with at least two classes, got {tuple(predicted.shape)}")
    truth, chosen = hot(labels, predicted, "predicted").cpu().numpy(), predicted.cpu().numpy()
    precision, recall, f1, _ = precision_recall_fscore_support(truth, chosen, average=None, zero_division=0)
    both = precision.mean() + recall.mean()
    return {
        "cf1": float(2 * precision.mean() * recall.mean() / both) if both else 0.0,
        "of1": float(f1_score(truth, chosen, average="micro", zero_division=0)),
        "class_f1": float(f1.mean()),
    }


def average_precision(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Average precision of each class, not interpolated: scikit-learn's.

    Parameters
    ----------
    probabilities : float in [0, 1], shape (N, K)
    labels : 0 or 1, shape (N, K)

    Returns
    -------
    float64, shape (K,); NaN for a class without positives

    Raises
    ------
    ValueError
        as ``exact_match``
    """
    probabilities = probabilities_of(probabilities)
    if probabilities.ndim != 2:
        raise ValueError(f"probabilities: expected shape (N, K), got {tuple(probabilities.shape)}")
    truth = hot(labels, probabilities)
    present = truth.any(0)
    precision = torch.full(present.shape, torch.nan, dtype=torch.float64)
    if present.any():
        found = average_precision_score(
            truth[:, present].cpu().numpy(), probabilities[:, present].detach().double().cpu().numpy(), average=None
        )
        precision[present.cpu()] = torch.as_tensor(found, dtype=torch.float64)
    return precision.to(probabilities.device)


def scores(probabilities: Tensor, labels: Tensor) -> dict[str, float]:
    """Every score of ``SCORES`` of one prediction (Cao et al. 2022, sec. 6.2.2), by scikit-learn.

    Parameters
    ----------
    probabilities, labels : as of ``average_precision``

    Returns
    -------
    ``accuracy`` is the share of exact matches at 0.5; the scores of ``f1_scores`` are those at 0.5, and with
    ``_top3`` those of the three most probable labels, which the paper's published values fit; ``map`` is the mean
    of ``average_precision`` over the classes that have positives. All in [0, 1].

    Raises
    ------
    ValueError
        as ``exact_match``, and if there are fewer than two classes, no samples or no positives
    """
    probabilities, labels = pair(probabilities, labels)
    found = {"accuracy": float(exact_match(probabilities, labels).double().mean())}
    found |= {f"{name}_top3": value for name, value in f1_scores(top_labels(probabilities), labels).items()}
    found |= f1_scores(probabilities > 0.5, labels)
    found["map"] = float(average_precision(probabilities, labels).nanmean())
    return {name: found[name] for name in SCORES}


def pair(probabilities: Tensor, labels: Tensor, name: str = "probabilities") -> tuple[Tensor, Tensor]:
    """Probabilities, and which labels are positive; ValueError where there is nothing to score."""
    probabilities = probabilities_of(probabilities, name)
    if probabilities.ndim != 2 or probabilities.shape[1] < 2 or not len(probabilities):
        raise ValueError(
            f"{name}: expected shape (N, K) with samples and at least two classes, got {tuple(probabilities.shape)}"
        )
    positive = hot(labels, probabilities, name)
    if not positive.any():
        raise ValueError("labels: expected at least one positive, got none")
    return probabilities.detach(), positive
