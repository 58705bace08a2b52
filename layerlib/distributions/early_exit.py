"""Early exit judged on the probabilities of all layers (Cao et al. 2022)."""

from __future__ import annotations

import torch
from torch import Tensor

from layerlib._checks import checked
from layerlib._tensors import as_tensor, numbers
from layerlib.distributions._exiting import EarlyExit
from layerlib.distributions._labels import hot, probabilities_of
from layerlib.distributions._rules import Confident, ConfidentRatio, confidence, confident_ratio, least

__all__ = [
    "Confident",
    "ConfidentRatio",
    "EarlyExit",
    "at_exit",
    "calibrated",
    "confidence",
    "confident_ratio",
    "exit_layers",
    "first_exit",
    "mean_at_exit",
    "temperatures",
]

COLDEST, HOTTEST = 0.01, 100.0


def exit_layers(probabilities: Tensor, s2: float, rho: float, s1: float = 0.5, strict: bool = True) -> Tensor:
    """The layer at which each sample leaves: the first whose ``confident_ratio`` is at least ``rho``, or the last.

    Algorithm 3 of Cao et al. (2022), where a layer that predicts no label (n = 0) lets nobody leave but the last.

    Parameters
    ----------
    probabilities : float in [0, 1], shape (L, N, K)
    s2, rho, s1, strict : as of ``ConfidentRatio``

    Returns
    -------
    int64, shape (N,), layers counted from 0

    Raises
    ------
    ValueError
        if the shape is another, a probability is NaN or not in [0, 1], or a threshold out of its range
    """
    rule = ConfidentRatio(s2, rho, s1, strict)
    return first_exit(rule(probabilities_of(probabilities, layers=True)))


@checked(leaves=numbers)
def first_exit(leaves: Tensor) -> Tensor:
    """The first layer at which each sample may leave, the last where there is none.

    Of what a rule says, as ``rule = Confident(0.9)`` does in ``rule(probabilities)``, it is where samples leave by
    that rule; of ``exact_match(probabilities, labels)`` it is the oracle: no choice of exits is right more often.

    Parameters
    ----------
    leaves : bool, shape (..., L, N)

    Returns
    -------
    int64, shape (..., N), layers counted from 0
    """
    leaves = as_tensor("leaves", leaves)
    if leaves.dtype != torch.bool or leaves.ndim < 2 or leaves.shape[-2] == 0:
        raise ValueError(f"leaves: expected bool, shape (..., L, N), got {leaves.dtype} {tuple(leaves.shape)}")
    return leaves.byte().argmax(-2).where(leaves.any(-2), leaves.shape[-2] - 1)


@checked(values=numbers, layers=numbers)
def at_exit(values: Tensor, layers: Tensor) -> Tensor:
    """``values[layers[i], i]`` for every sample i: what each sample leaves with.

    Parameters
    ----------
    values : shape (L, N, ...), such as probabilities (L, N, K)
    layers : int64, shape (N,), from ``exit_layers`` or ``first_exit``

    Returns
    -------
    shape (N, ...)

    Raises
    ------
    ValueError
        if there is not one layer for each sample, or a number is none of a layer
    """
    values, layers = as_tensor("values", values), as_tensor("layers", layers)
    if values.ndim < 2 or not len(values):
        raise ValueError(f"values: expected shape (L, N, ...), got {tuple(values.shape)}")
    if layers.shape != values.shape[1:2] or layers.dtype != torch.int64:
        raise ValueError(
            f"layers: expected int64 of shape {tuple(values.shape[1:2])}, one a sample of values, "
            f"got {layers.dtype} {tuple(layers.shape)}"
        )
    if len(layers) and not 0 <= int(layers.min()) <= int(layers.max()) < len(values):
        raise ValueError(
            f"layers: expected numbers 0 to {len(values) - 1}, got {int(layers.min())} to {int(layers.max())}"
        )
    return values[layers.to(values.device), torch.arange(len(layers), device=values.device)]


@checked(scores=numbers, thresholds=numbers, values=numbers)
def mean_at_exit(scores: Tensor, thresholds: Tensor, values: Tensor) -> Tensor:
    """Mean of ``values`` at the exit, for every threshold that the first layer's score must reach.

    With ``scores = confident_ratio(probabilities, s2)``, ``thresholds = rho`` and the exact matches as values it is
    table 4 of Cao et al. (2022); with ``scores = confidence(probabilities)`` the accuracy curve of that rule; with
    each layer's cost as values, the mean cost. In time and memory of ``scores``, whatever the number of thresholds.

    Parameters
    ----------
    scores : float, shape (..., L, N); NaN reaches no threshold above -∞
    thresholds : float, shape (R,); under ∞ nobody leaves before the last layer, under -∞ all leave at the first
    values : shape (L, N), such as ``exact_match(probabilities, labels)``; or (L, 1), the same for all samples

    Returns
    -------
    float64, shape (..., R)

    Raises
    ------
    ValueError
        if the shapes do not fit, there are no samples, or a threshold is NaN
    """
    scores, values = as_tensor("scores", scores), as_tensor("values", values)
    thresholds = as_tensor("thresholds", thresholds, torch.float64)
    if scores.ndim < 2 or not scores.is_floating_point() or 0 in scores.shape[-2:]:
        raise ValueError(
            "scores: expected floats of shape (..., L, N) with layers and samples, "
            f"got {scores.dtype} {tuple(scores.shape)}"
        )
    layers, samples = scores.shape[-2:]
    if thresholds.ndim != 1 or thresholds.isnan().any():
        raise ValueError(f"thresholds: expected shape (R,) without NaN, got {tuple(thresholds.shape)}")
    if values.shape not in ((layers, samples), (layers, 1)):
        raise ValueError(f"values: expected shape {(layers, samples)} or {(layers, 1)}, got {tuple(values.shape)}")
    if values.is_floating_point() and not values.isfinite().all():
        raise ValueError(f"values: {int((~values.isfinite()).sum())} of {values.numel()} are not finite")
    values = values.to(scores.device, torch.float64).expand(layers, samples)
    rising, order = least(thresholds).where(thresholds.isfinite(), thresholds).to(scores).sort()
    best = scores.nan_to_num(-torch.inf).cummax(-2).values[..., :-1, :]
    # a sample goes on past layer l under the thresholds from this number on: there the value changes to the next
    passed = torch.searchsorted(rising, best.contiguous(), right=True).reshape(scores.shape[:-2].numel(), -1)
    change = values.diff(dim=0).flatten().expand(len(passed), -1)
    steps = change.new_zeros(len(passed), len(rising) + 1).scatter_add_(1, passed, change)
    sums = (values[0].sum() + steps.cumsum(1)[:, :-1])[:, order.argsort()]
    return (sums / samples).view(*scores.shape[:-2], len(rising))


def temperatures(probabilities: Tensor, labels: Tensor) -> Tensor:
    """One temperature a layer, under which its probabilities predict held-out labels best (Guo et al. 2017).

    Divides the logits by T, which minimises the binary cross-entropy; above 1 the layer was too sure. In 1/T that
    loss is convex, so halving the interval of T between 0.01 and 100 finds it, for all layers at once.

    Parameters
    ----------
    probabilities : float in [0, 1], shape (L, N, K), on samples that the classifiers were not fitted to
    labels : 0 or 1, shape (N, K)

    Returns
    -------
    float64, shape (L,), in [0.01, 100]: the ends are for labels that are separated, or that the layer tells no better
    than a guess

    Raises
    ------
    ValueError
        as ``exact_match``
    """
    probabilities = probabilities_of(probabilities, layers=True)
    logits, labels = _logits(probabilities), hot(labels, probabilities).to(probabilities.dtype)
    coldest, hottest = (
        torch.full((len(logits),), end, dtype=torch.float64, device=logits.device).log() for end in (COLDEST, HOTTEST)
    )
    for _ in range(50):
        middle = (coldest + hottest) / 2
        scaled = logits * (-middle).exp()[:, None, None].to(logits.dtype)
        # the slope of the loss in 1/T: below zero, or rounded to it by saturation, a larger 1/T is better
        colder = ((scaled.sigmoid() - labels) * logits).sum((1, 2), dtype=torch.float64) <= 0
        coldest, hottest = coldest.where(colder, middle), middle.where(colder, hottest)
    return ((coldest + hottest) / 2).exp()


@checked(temperature=numbers)
def calibrated(probabilities: Tensor, temperature: Tensor) -> Tensor:
    """Probabilities (L, N, K) with each layer's logits divided by its temperature (L,)."""
    probabilities, temperature = probabilities_of(probabilities, layers=True), as_tensor("temperature", temperature)
    if temperature.shape != probabilities.shape[:1] or not bool(((temperature > 0) & temperature.isfinite()).all()):
        raise ValueError(
            f"temperature: expected finite values > 0, shape {tuple(probabilities.shape[:1])}, "
            f"one a layer, got {tuple(temperature.shape)}"
        )
    return (_logits(probabilities) / temperature[:, None, None].to(probabilities)).sigmoid()


def _logits(probabilities: Tensor) -> Tensor:
    # a saturated sigmoid has no finite logit: keep one rounding away from 0 and 1
    return probabilities.logit(eps=torch.finfo(probabilities.dtype).eps)
