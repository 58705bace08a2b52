"""The rules by which a sample leaves a network early: what a layer's probabilities must show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from layerlib._checks import flag, number, share
from layerlib._tensors import as_tensor
from layerlib.distributions._labels import probabilities_of

TOLERANCE = 1e-6  # relative, so that 2/3 reaches 2/3 in float32 too; ratios of up to 1,000 labels differ by more
Rule = Callable[[Tensor], Tensor]


def confident_ratio(probabilities: Tensor, s2: float | Tensor, s1: float = 0.5, strict: bool = True) -> Tensor:
    """Share of the predicted labels that are predicted with confidence, ρ = m / n (Cao et al. 2022, eq. 8).

    n counts the probabilities above ``s1``, m those of them that are also above ``s2``.

    Parameters
    ----------
    probabilities : float in [0, 1], shape (..., K)
    s2 : number, or thresholds, shape (S,); each in [s1, 1]
    s1 : in [0, 1)
    strict : False lets a probability equal to ``s2`` pass too, which a saturated sigmoid needs at s2 = 1

    Returns
    -------
    float32, shape (...) or (S, ...); NaN where no label is predicted

    Raises
    ------
    ValueError
        if a probability is NaN or not in [0, 1], or a threshold out of its range
    """
    probabilities = probabilities_of(probabilities)
    levels = as_tensor("s2", s2, torch.float64)
    number("s1", s1, "a number in [0, 1)", lambda s1: 0 <= s1 < 1)
    if levels.ndim > 1 or not bool(((levels >= s1) & (levels <= 1)).all()):
        raise ValueError(f"s2: expected a number or a row of them, each from s1 = {s1} to 1, got {levels.tolist()}")
    ratio = _ratio(probabilities, levels.reshape(-1).tolist(), s1, strict)
    return ratio if levels.ndim else ratio[0]


def confidence(probabilities: Tensor) -> Tensor:
    """Probability that a layer gives to its own answer: Π max(p, 1 - p) over the labels.

    Shallow-Deep Networks (Kaya et al. 2019) leave by the largest softmax value, the probability of the predicted
    class. With independent sigmoids the answer is a set of labels, and this product is its probability. (A mean
    over labels would be carried by the many absent ones; a minimum would ignore how many are in doubt.)

    Parameters
    ----------
    probabilities : float in [0, 1], shape (..., K)

    Returns
    -------
    float, shape (...)

    Raises
    ------
    ValueError
        if a probability is NaN or not in [0, 1]
    """
    return _confidence(probabilities_of(probabilities))


def _ratio(probabilities: Tensor, levels: Sequence[float], s1: float, strict: bool) -> Tensor:
    predicted = probabilities > s1
    n = predicted.sum(-1).float()
    passes = torch.gt if strict else torch.ge
    # one level at a time: all at once would need (S, ..., K)
    m = [(predicted & passes(probabilities, level)).sum(-1) for level in levels]
    return n.new_empty((len(m), *n.shape)) if not m else torch.stack(m) / n


def _confidence(probabilities: Tensor) -> Tensor:
    return torch.maximum(probabilities, 1 - probabilities).prod(-1)


@dataclass(frozen=True)
class ConfidentRatio:
    """The rule of Algorithm 3 (Cao et al. 2022): leave where ``confident_ratio`` is at least ``rho``.

    A sample without a predicted label stays. Called with probabilities (..., K) it gives bool (...).

    Parameters
    ----------
    s2, s1, strict : as of ``confident_ratio``
    rho : in (0, 1]

    Raises
    ------
    ValueError
        if a threshold is out of its range
    """

    s2: float
    rho: float
    s1: float = 0.5
    strict: bool = True

    def __post_init__(self):
        flag("strict", self.strict)
        number("rho", self.rho, "a number above 0 and at most 1", lambda rho: 0 < rho <= 1)
        s1 = number("s1", self.s1, "a number in [0, 1)", lambda s1: 0 <= s1 < 1)
        number("s2", self.s2, f"a number from s1 = {s1} to 1", lambda s2: s1 <= s2 <= 1)

    def __call__(self, probabilities: Tensor) -> Tensor:
        return self._unasked(probabilities_of(probabilities))

    def _unasked(self, probabilities: Tensor) -> Tensor:
        """The same of floats that the caller has seen to be in [0, 1]: a GPU is waited for by each look."""
        return _ratio(probabilities, [float(self.s2)], self.s1, self.strict)[0] >= least(float(self.rho))


@dataclass(frozen=True)
class Confident:
    """Leave where ``confidence`` is at least ``threshold``: the rule of Kaya et al. (2019) for several labels.

    Called with probabilities (..., K) it gives bool (...).

    Parameters
    ----------
    threshold : in [0, 1]

    Raises
    ------
    ValueError
        if the threshold is not in [0, 1]
    """

    threshold: float

    def __post_init__(self):
        share("threshold", self.threshold)

    def __call__(self, probabilities: Tensor) -> Tensor:
        return self._unasked(probabilities_of(probabilities))

    def _unasked(self, probabilities: Tensor) -> Tensor:
        """As of ``ConfidentRatio``."""
        return _confidence(probabilities) >= least(float(self.threshold))


def least(threshold: float | Tensor) -> float | Tensor:
    """The least score that reaches ``threshold``: its value, less what rounding may take."""
    return threshold - TOLERANCE * abs(threshold)  # type: ignore[operator]
