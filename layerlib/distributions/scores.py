"""Scores of multi-label predictions, and whether two predictions differ by more than the choice of samples."""

from typing import NamedTuple

import torch
from sklearn.metrics import average_precision_score, f1_score, precision_recall_fscore_support
from torch import Tensor

SCORES = ("accuracy", "cf1_top3", "of1_top3", "class_f1_top3", "cf1", "of1", "class_f1", "map")
ELEMENTS_AT_ONCE = 4_000_000  # of the largest temporary array


class Difference(NamedTuple):
    """A difference of two scores, and the ends of its bootstrap interval."""

    difference: float
    low: float
    high: float


def exact_match(probabilities: Tensor, labels: Tensor, threshold: float = 0.5) -> Tensor:
    """Which samples have every label right, a label being predicted above ``threshold``; the mean is the accuracy.

    Parameters
    ----------
    probabilities : float in [0, 1], shape (N, K), or (..., N, K) for several layers at once
    labels : 0 or 1, shape (N, K)

    Returns
    -------
    bool, shape (..., N)

    Raises
    ------
    ValueError
        if the shapes differ, a probability is not in [0, 1], or a label not 0 or 1
    """
    check_probabilities(probabilities)
    return ((probabilities > threshold) == _multi_hot(labels, probabilities)).all(-1)


def top_labels(probabilities: Tensor, count: int = 3) -> Tensor:
    """The ``count`` most probable labels of each sample; of equal ones the first; all where there are fewer.

    Parameters
    ----------
    probabilities : float in [0, 1], shape (..., K)

    Returns
    -------
    bool, shape (..., K)
    """
    best = probabilities.argsort(dim=-1, descending=True, stable=True)[..., :count]
    return torch.zeros_like(probabilities, dtype=torch.bool).scatter_(-1, best, True)


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
    truth, chosen = _multi_hot(labels, predicted).cpu().numpy(), predicted.cpu().numpy()
    precision, recall, f1, _ = precision_recall_fscore_support(truth, chosen, average=None, zero_division=0)
    both = precision.mean() + recall.mean()
    return {"cf1": float(2 * precision.mean() * recall.mean() / both) if both else 0.0,
            "of1": float(f1_score(truth, chosen, average="micro", zero_division=0)),
            "class_f1": float(f1.mean())}


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
    check_probabilities(probabilities)
    truth = _multi_hot(labels, probabilities)
    present = truth.any(0)
    precision = torch.full(present.shape, torch.nan, dtype=torch.float64)
    if present.any():
        found = average_precision_score(truth[:, present].cpu().numpy(),
                                        probabilities[:, present].double().cpu().numpy(), average=None)
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
    _check_pair(probabilities, labels)
    found = {"accuracy": float(exact_match(probabilities, labels).double().mean())}
    found |= {f"{name}_top3": value for name, value in f1_scores(top_labels(probabilities), labels).items()}
    found |= f1_scores(probabilities > 0.5, labels)
    found["map"] = float(average_precision(probabilities, labels).nanmean())
    return {name: found[name] for name in SCORES}


def paired_bootstrap(first: Tensor, second: Tensor, labels: Tensor, resamples: int = 1000,
                     seed: int = 0) -> dict[str, Difference]:
    """How much better ``first`` scores than ``second``, with 95 % percentile intervals over resampled test sets.

    Both are scored on the same rows, drawn with replacement. A class without positives in a draw is left out of
    that draw's ``map``, a draw without any positives out of the interval of ``map``. The work grows with
    resamples · N · K, the memory with N · K.

    Parameters
    ----------
    first, second : float in [0, 1], shape (N, K), the probabilities compared
    labels : 0 or 1, shape (N, K)
    resamples : number of draws
    seed : of the draws, which are the same on every device

    Returns
    -------
    name of the score -> (score of first - score of second, 2.5 % and 97.5 % percentile of that difference)

    Raises
    ------
    ValueError
        as ``scores``, and if ``resamples`` is below 2
    """
    if resamples < 2:
        raise ValueError(f"resamples: expected at least 2, got {resamples}")
    _check_pair(first, labels, "first")
    _check_pair(second, labels, "second")
    second, labels = second.to(first.device), labels.to(first.device)
    ours, theirs = _Counts(first, labels), _Counts(second, labels)
    generator, drawn = torch.Generator().manual_seed(seed), []
    at_once = max(1, ELEMENTS_AT_ONCE // labels.numel())
    for start in range(0, resamples, at_once):
        rows = torch.randint(len(labels), (min(at_once, resamples - start), len(labels)), generator=generator)
        weights = torch.zeros(rows.shape).scatter_add_(1, rows, torch.ones(rows.shape)).to(first.device)
        drawn.append(ours.scores(weights) - theirs.scores(weights))
    share = torch.tensor([0.025, 0.975], dtype=torch.float64, device=first.device)
    ends = torch.cat(drawn).nanquantile(share, dim=0).T.tolist()
    one, other = scores(first, labels), scores(second, labels)
    return {name: Difference(one[name] - other[name], *ends[i]) for i, name in enumerate(SCORES)}


class _Counts:
    """What the scores of resampled rows need: sums over rows, and each class's order of probabilities."""

    def __init__(self, probabilities: Tensor, labels: Tensor):
        truth = _multi_hot(labels, probabilities)
        self.classes = truth.shape[1]
        picks = (top_labels(probabilities), probabilities > 0.5)
        columns = [exact_match(probabilities, labels)[:, None], truth]
        for chosen in picks:
            columns += [chosen, chosen & truth]
        # float32 sums of whole numbers are exact up to 2^24, more than any test set here has samples
        self.columns = torch.cat(columns, 1).float()
        falling, order = probabilities.T.contiguous().sort(dim=1, descending=True)
        positive = truth.T.gather(1, order)
        self.order, self.positives = order.flatten(), positive.flatten().nonzero()[:, 0]
        self.class_of = self.positives // len(truth)
        # equal probabilities enter together: precision is read after the last of them
        last = torch.searchsorted(-falling, -falling, right=True) - 1
        self.ends = last.flatten()[self.positives] + self.class_of * len(truth)
        upto = torch.nn.functional.pad(positive.flatten().cumsum(0), (1, 0))
        self.positives_upto, self.positives_before = upto[self.ends + 1], upto[self.class_of * len(truth)]

    def scores(self, weights: Tensor) -> Tensor:
        """Scores of rows counted ``weights`` times, float32 whole numbers (R, N); float64 (R, scores)."""
        counts = (weights @ self.columns).double()
        samples = weights.sum(1, keepdim=True).double()
        right, truth, *picks = counts.split([1] + [self.classes] * 5, dim=1)
        table = [right / samples, *_f1_of_counts(truth, *picks[:2]), *_f1_of_counts(truth, *picks[2:])]
        return torch.cat([*table, self._mean_average_precision(weights, truth)], 1)

    def _mean_average_precision(self, weights: Tensor, truth: Tensor) -> Tensor:
        everything = weights[:, self.order].view(len(weights), self.classes, -1).cumsum(2).flatten(1)[:, self.ends]
        own = weights[:, self.order[self.positives]]
        found = torch.nn.functional.pad(own.cumsum(1, dtype=torch.float64), (1, 0))
        found = found[:, self.positives_upto] - found[:, self.positives_before]
        terms = own * found / everything.clamp(min=1)
        precision = torch.zeros_like(truth).index_add_(1, self.class_of, terms) / truth
        return precision.nanmean(1, keepdim=True)


def _f1_of_counts(truth: Tensor, chosen: Tensor, hit: Tensor) -> list[Tensor]:
    """``cf1``, ``of1`` and ``class_f1``, each (R, 1), of counts per class (R, K)."""
    precision = (hit / chosen.clamp(min=1)).mean(1, keepdim=True)
    recall = (hit / truth.clamp(min=1)).mean(1, keepdim=True)
    cf1 = 2 * precision * recall / (precision + recall).where(precision + recall > 0, 1.0)
    of1 = 2 * hit.sum(1, keepdim=True) / (chosen + truth).sum(1, keepdim=True).clamp(min=1)
    return [cf1, of1, (2 * hit / (chosen + truth).clamp(min=1)).mean(1, keepdim=True)]


def check_probabilities(probabilities: Tensor, name: str = "probabilities") -> None:
    """Raise ValueError unless ``probabilities`` is a float tensor (..., K) of values in [0, 1], K at least 1."""
    if not isinstance(probabilities, Tensor) or not probabilities.is_floating_point():
        got = probabilities.dtype if isinstance(probabilities, Tensor) else type(probabilities).__name__
        raise ValueError(f"{name}: expected a float tensor, got {got}")
    if probabilities.ndim == 0 or probabilities.shape[-1] == 0:
        raise ValueError(f"{name}: expected shape (..., K) with at least one class, got {tuple(probabilities.shape)}")
    if probabilities.numel():
        low, high = torch.stack(probabilities.detach().aminmax()).tolist()
        if not (low >= 0 and high <= 1):
            raise ValueError(f"{name}: expected values in [0, 1], got {low:g} to {high:g}")


def _multi_hot(labels: Tensor, predictions: Tensor) -> Tensor:
    if predictions.ndim < 2 or labels.shape != predictions.shape[-2:]:
        raise ValueError(f"labels: expected the shape (N, K) of predictions {tuple(predictions.shape)}, "
                         f"got {tuple(labels.shape)}")
    labels = labels.to(predictions.device)
    hot = labels == 1
    if not bool((hot | (labels == 0)).all()):
        raise ValueError("labels: expected multi-hot labels, each 0 or 1")
    return hot


def _check_pair(probabilities: Tensor, labels: Tensor, name: str = "probabilities") -> None:
    check_probabilities(probabilities, name)
    if probabilities.ndim != 2 or probabilities.shape[1] < 2 or not len(probabilities):
        raise ValueError(f"{name}: expected shape (N, K) with samples and at least two classes, "
                         f"got {tuple(probabilities.shape)}")
    if not _multi_hot(labels, probabilities).any():
        raise ValueError("labels: expected at least one positive, got none")
