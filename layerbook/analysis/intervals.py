"""Intervals of what several networks do on many samples: 95 % bootstraps over seeds and samples."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import rankdata
from torch import Tensor

from layerlib._checks import any_whole_number, checked, function, whole_number
from layerlib._tensors import numbers

ENDS = torch.tensor([0.025, 0.975], dtype=torch.float64)
AT_ONCE = 100  # draws, so that memory stays small for a whole test set


class Interval(NamedTuple):
    """What was measured, and the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def ends(self) -> tuple[float, float]:
        """Low and high, as a claim's part takes them."""
        return self.low, self.high


def overall(values: Tensor) -> Tensor:
    """Mean of each draw over everything, shape (draws, ...) -> (draws,)."""
    return values.flatten(1).mean(1)


def _groups(argument: str, value: object) -> list[Tensor]:
    """One group or several, each as a tensor."""
    if isinstance(value, list | tuple) and value and all(hasattr(each, "ndim") and each.ndim for each in value):
        return [numbers(argument, each).detach() for each in value]
    return [numbers(argument, value).detach()]


@checked(groups=_groups, statistic=function, rounds=whole_number, seed=any_whole_number)
def bootstrap(
    groups: Tensor | Sequence[Tensor], statistic: Callable[..., Tensor] = overall, rounds: int = 2000, seed: int = 0
) -> Interval:
    """A statistic of means over samples, with its percentile bootstrap over seeds and samples.

    Each round draws the samples anew, with replacement and the same for all, and in every group the networks.

    Parameters
    ----------
    groups : shape (..., seeds, samples), such as which network answers which sample rightly; or several of them, each
        with networks of its own (one depth each, say), judged on the same samples. With one sample only the networks
        are drawn.
    statistic : of the means over samples, one argument a group, shape (draws, ..., seeds) each -> (draws,); by default
        the mean over everything
    rounds : number of draws

    Notes
    -----
    Of three networks a percentile bootstrap is too narrow (by about a fifth): say how many there were.

    Raises
    ------
    ValueError
        if the groups are not of the same samples, or a value is NaN

    Examples
    --------
    >>> right = torch.rand(3, 1000) < 0.9
    >>> bootstrap(right).value == right.double().mean()
    True
    """
    groups = [each.double().cpu() for each in groups]
    shapes = [tuple(each.shape) for each in groups]
    if len({shape[-1:] for shape in shapes}) != 1 or min(map(len, shapes)) < 2 or not all(map(math.prod, shapes)):
        raise ValueError(f"groups: expected (..., seeds, samples), all of the same samples, got {shapes}")
    if any(each.isnan().any() for each in groups):
        raise ValueError("groups: expected numbers, got NaN")
    samples, generator, drawn = shapes[0][-1], torch.Generator().manual_seed(seed), []
    for start in range(0, rounds, AT_ONCE):
        picked = torch.randint(samples, (min(AT_ONCE, rounds - start), samples), generator=generator)
        shares = torch.zeros(picked.shape, dtype=torch.float64)
        shares.scatter_add_(1, picked, torch.full_like(shares, 1 / samples))
        means = [(each @ shares.T).movedim(-1, 0) for each in groups]
        drawn.append(statistic(*(drawn_networks(each, generator) for each in means)))
    return interval(statistic(*(each.mean(-1)[None] for each in groups)), torch.cat(drawn))


def over_networks(
    values: Sequence[Tensor], draws: Sequence[Tensor], statistic: Callable[..., Tensor], seed: int = 0
) -> Interval:
    """A statistic of what networks do, where other samples would give each of them one of its ``draws``.

    What `bootstrap` does for means over samples, for anything else, such as `pattern_draws.perplexity_draws`.

    Parameters
    ----------
    values : shape (..., seeds), one for every group of networks
    draws : shape (draws, ..., seeds), likewise
    statistic : as of `bootstrap`
    """
    generator = torch.Generator().manual_seed(seed)
    return interval(
        statistic(*(each[None] for each in values)), statistic(*(drawn_networks(each, generator) for each in draws))
    )


def drawn_networks(values: Tensor, generator: torch.Generator) -> Tensor:
    """In every draw as many networks as there are, with replacement; shape (draws, ..., seeds), as given."""
    picked = torch.randint(values.shape[-1], (len(values), values.shape[-1]), generator=generator).to(values.device)
    return values.gather(-1, picked.view(len(values), *[1] * (values.ndim - 2), -1).expand_as(values))


def interval(value: Tensor | float, draws: Tensor) -> Interval:
    """A value with the ends between which 95 % of its ``draws`` lie; infinite ones count as they are."""
    ordered = draws.double().sort().values
    ends = ordered[(ENDS * (len(ordered) - 1)).round().long()]
    return Interval(float(value), *ends.tolist())


def rank_correlation(x: Sequence[float], values: Tensor) -> Tensor:
    """Spearman's correlation of each row with ``x``.

    Parameters
    ----------
    x : shape (points,), or a row for each of ``values``
    values : shape (..., points); infinite values rank last

    Returns
    -------
    float64, shape (...); 0 where a row is the same everywhere, which has no order
    """
    middle = (values.shape[-1] + 1) / 2
    ranks, order = (rankdata(each, axis=-1) - middle for each in (values.cpu().numpy(), np.asarray(x)))
    scale = np.sqrt(np.square(ranks).sum(-1) * np.square(order).sum(-1))
    return torch.from_numpy(np.divide((ranks * order).sum(-1), scale, out=np.zeros_like(scale), where=scale > 0))


def trend(x: Sequence[float], values: Tensor) -> Interval:
    """Spearman's correlation of ``x`` and what networks of each x do, with a bootstrap over the networks.

    Parameters
    ----------
    x : shape (points,)
    values : shape (points, seeds)
    """
    pairs = np.repeat(x, values.shape[1]), values.flatten().cpu().numpy()

    def correlation(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
        return rank_correlation(x, torch.from_numpy(y)).numpy()

    ends = scipy_bootstrap(
        pairs, correlation, paired=True, n_resamples=2000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    return Interval(correlation(*pairs).item(), float(ends.low), float(ends.high))
