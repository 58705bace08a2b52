"""Whether two multi-label predictions differ by more than the choice of samples."""

from typing import NamedTuple

import torch
from torch import Tensor

from layerlib._checks import any_whole_number, checked, whole_number
from layerlib._precision import own_precision
from layerlib.distributions._labels import hot
from layerlib.distributions.scores import SCORES, exact_match, pair, scores, top_labels

ELEMENTS_AT_ONCE = 4_000_000  # of the largest temporary array


class Difference(NamedTuple):
    """A difference of two scores, and the ends of its bootstrap interval."""

    difference: float
    low: float
    high: float


@checked(seed=any_whole_number)
def paired_bootstrap(
    first: Tensor, second: Tensor, labels: Tensor, resamples: int = 1000, seed: int = 0
) -> dict[str, Difference]:
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
    drawn = difference_draws(first, second, labels, resamples, seed)
    share = torch.tensor([0.025, 0.975], dtype=torch.float64, device=drawn.device)
    ends = drawn.nanquantile(share, dim=0).T.tolist()
    one, other = (scores(*pair(each, labels, name)) for name, each in (("first", first), ("second", second)))
    return {name: Difference(one[name] - other[name], *ends[i]) for i, name in enumerate(SCORES)}


@own_precision()
def difference_draws(first: Tensor, second: Tensor, labels: Tensor, resamples: int = 1000, seed: int = 0) -> Tensor:
    """How much better ``first`` scores than ``second`` on resampled test sets, draw by draw.

    Draws of one seed and one number of samples are of the same rows: those of several networks go together.

    Parameters
    ----------
    first, second, labels, resamples, seed : as of ``paired_bootstrap``

    Returns
    -------
    float64, shape (resamples, scores), in the order of ``SCORES``; NaN for the ``map`` of a draw without any positives

    Raises
    ------
    ValueError
        as ``paired_bootstrap``
    """
    if whole_number("resamples", resamples) < 2:
        raise ValueError(f"resamples: expected at least 2, got {resamples}")
    first, labels = pair(first, labels, "first")
    second, _ = pair(second, labels, "second")
    ours, theirs = _Counts(first, labels), _Counts(second.to(first.device), labels)
    generator, drawn = torch.Generator().manual_seed(seed), []
    at_once = max(1, ELEMENTS_AT_ONCE // labels.numel())
    for start in range(0, resamples, at_once):
        rows = torch.randint(len(labels), (min(at_once, resamples - start), len(labels)), generator=generator)
        ones = torch.ones(rows.shape, dtype=torch.float32)
        weights = torch.zeros_like(ones).scatter_add_(1, rows, ones).to(first.device)
        drawn.append(ours.scores(weights) - theirs.scores(weights))
    return torch.cat(drawn)


class _Counts:
    """What the scores of resampled rows need: sums over rows, and each class's order of probabilities."""

    def __init__(self, probabilities: Tensor, labels: Tensor):
        truth = hot(labels, probabilities)
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
