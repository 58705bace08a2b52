"""Early exit against the best layer for all samples, both chosen on held-out ones (Cao et al. 2022, sec. 6.6)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from layerlib._tensors import as_tensor
from layerlib.distributions._labels import hot, probabilities_of
from layerlib.distributions.bootstrap import Difference, paired_bootstrap
from layerlib.distributions.early_exit import ConfidentRatio, at_exit, confident_ratio, first_exit, mean_at_exit
from layerlib.distributions.scores import exact_match

THRESHOLDS = torch.linspace(0.5, 1, 50, dtype=torch.float64)


def best_rule(
    probabilities: Tensor, labels: Tensor, s2: Tensor = THRESHOLDS, rho: Tensor = THRESHOLDS
) -> ConfidentRatio:
    """The thresholds of algorithm 3 with the most exact matches; of equal ones the last, where fewest leave early.

    Parameters
    ----------
    probabilities : float in [0, 1], shape (L, N, K)
    labels : 0 or 1, shape (N, K)
    s2, rho : thresholds to choose from, shapes (S,) and (R,), rising

    Raises
    ------
    ValueError
        as ``exact_match``, if there are no samples, or a threshold is out of its range
    """
    probabilities = probabilities_of(probabilities, layers=True)
    s2, rho = as_tensor("s2", s2, torch.float64), as_tensor("rho", rho, torch.float64)
    right = exact_match(probabilities, labels)
    accuracy = mean_at_exit(confident_ratio(probabilities, s2), rho, right).flatten()
    place = _last_largest(accuracy)
    return ConfidentRatio(s2[place // len(rho)].item(), rho[place % len(rho)].item())


def best_layer(probabilities: Tensor, labels: Tensor) -> int:
    """The layer with the most exact matches, counted from 0; of equal ones the last.

    Parameters and errors are those of ``best_rule``.
    """
    right = exact_match(probabilities_of(probabilities, layers=True), labels)
    if not right.shape[1]:
        raise ValueError("probabilities: expected at least one sample, got none")
    return _last_largest(right.sum(1))


@dataclass(frozen=True)
class ExitTrial:
    """Early exit and the best layer on the judged samples.

    Attributes
    ----------
    rule, layer : what was chosen on the held-out samples
    layers : int64, shape (M,), where each judged sample leaves
    leaving, staying : shape (M, K), with what probabilities by early exit, and by the one layer
    gains : score -> its ``Difference``, early exit less the one layer, with its paired 95 % interval
    """

    rule: ConfidentRatio
    layer: int
    layers: Tensor
    leaving: Tensor
    staying: Tensor
    gains: dict[str, Difference]


def exit_against_best_layer(
    probabilities: Tensor,
    labels: Tensor,
    chosen: Tensor,
    judged: Tensor,
    *,
    s2: Tensor = THRESHOLDS,
    rho: Tensor = THRESHOLDS,
    resamples: int = 1000,
    seed: int = 0,
) -> ExitTrial:
    """Whether it pays that each sample leaves where it is sure: against all leaving at the one best layer.

    Thresholds and layer are chosen on the same held-out samples, by the same measure, exact matches. Against the last
    layer instead, early exit would win by any other layer that happens to answer better: where the last two taps
    read the same features, by a second head on them. Let them share one, by ``LayerProbes(…, heads=…)``.

    Parameters
    ----------
    probabilities : float in [0, 1], shape (L, N, K)
    labels : 0 or 1, shape (N, K)
    chosen, judged : numbers of samples, int64, shapes (C,) and (M,), without a sample of both
    s2, rho : as of ``best_rule``
    resamples, seed : as of ``paired_bootstrap``

    Raises
    ------
    ValueError
        as ``best_rule`` and ``paired_bootstrap``, or if the parts are no numbers of samples, or share one
    """
    probabilities = probabilities_of(probabilities, layers=True)
    positive = hot(labels, probabilities)
    parts = {name: _numbers(name, part, positive) for name, part in (("chosen", chosen), ("judged", judged))}
    if torch.isin(parts["judged"], parts["chosen"]).any():
        raise ValueError("judged: expected samples that are not among the chosen, got some that are")
    (seen, truth), (new, answers) = ((probabilities[:, part], positive[part]) for part in parts.values())
    rule, layer = best_rule(seen, truth, s2, rho), best_layer(seen, truth)
    layers = first_exit(rule(new))
    leaving, staying = at_exit(new, layers), new[layer]
    gains = paired_bootstrap(leaving, staying, answers, resamples, seed)
    return ExitTrial(rule, layer, layers, leaving, staying, gains)


def _last_largest(values: Tensor) -> int:
    return len(values) - 1 - int(values.flip(0).argmax())


def _numbers(name: str, part: Tensor, labels: Tensor) -> Tensor:
    part = as_tensor(name, part).to(labels.device)
    if part.ndim != 1 or part.dtype != torch.int64 or not len(part):
        raise ValueError(f"{name}: expected numbers of samples, int64 (n,), got {part.dtype} {tuple(part.shape)}")
    if not 0 <= int(part.min()) <= int(part.max()) < len(labels):
        raise ValueError(f"{name}: expected numbers 0 to {len(labels) - 1}, got {int(part.min())} to {int(part.max())}")
    return part
