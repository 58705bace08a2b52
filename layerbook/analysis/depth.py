"""Whether measurements are ordered by depth, with intervals (for Hu et al. 2018, fig. 2; Cao et al. 2022, fig. 5)."""

from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import spearmanr, t
from torch import Tensor

from layerbook.analysis._shapes import shaped
from layerbook.analysis.contrast import bootstrap_mean
from layerbook.analysis.intervals import rank_correlation
from layerlib._checks import checked, whole_number


class Stratification(NamedTuple):
    """How a change is ordered by depth: the mean rank correlation over snapshots, its interval, the share that fall."""

    mean: float
    low: float
    high: float
    falling: float


@checked(at_most=whole_number)
@shaped(values="array open snapshots ...")
def stretches(values: np.ndarray, at_most: int = 60) -> np.ndarray:
    """Means over stretches of snapshots, (snapshots, …) -> (at most so many, …): enough for a figure."""
    return np.stack([each.mean(0) for each in np.array_split(values, min(len(values), at_most))])


class DepthTests(NamedTuple):
    """How a distance falls with depth: rank correlation, last by first with its interval, range of the first third."""

    correlation: float
    drop: float
    drop_interval: tuple[float, float]
    shallow: float


def depth_tests(distances: Tensor) -> DepthTests:
    """How the mean distance of the layers to the target falls with depth.

    Parameters
    ----------
    distances : shape (trials, layers, N), layers from bottom to top; the interval is a bootstrap over samples

    Returns
    -------
    DepthTests; ``shallow`` is the range of the first third of the layers by their mean
    """
    mean = distances.double().mean((0, 2)).cpu().numpy()
    if not mean[0] > 0:
        raise ValueError(f"distances: expected a mean above 0 at the first tap, got {mean[0]:.4g}")
    first = mean[: len(mean) // 3]
    last = bootstrap_mean(distances[:, -1].double().mean(0))
    return DepthTests(
        float(spearmanr(range(len(mean)), mean).statistic),
        (mean[-1] / mean[0]).item(),
        (last.low / mean[0].item(), last.high / mean[0].item()),
        (np.ptp(first) / first.mean()).item(),
    )


@checked(blocks=whole_number)
@shaped(change="array snapshots layers")
def stratification(change: np.ndarray, blocks: int = 10) -> Stratification:
    """Whether a change falls or rises with depth: Spearman's correlation with the number of the layer.

    One correlation a snapshot: -1 where each layer changes less than the one below, +1 where each changes more, 0 where
    there is no order (or all are equal). Snapshots that follow each other are alike. So the 95 % interval of the mean
    is Student's over the means of ``blocks`` stretches of snapshots (the method of batch means, Schmeiser 1982).

    Parameters
    ----------
    change : shape (snapshots, layers), layers from bottom to top, such as D_t
    blocks : number of stretches, as long as snapshots are alike and longer

    Raises
    ------
    ValueError
        if there are fewer than 2 layers or blocks, or fewer snapshots than blocks, or a value is NaN
    """
    change = np.ascontiguousarray(change, dtype=float)
    if change.ndim != 2 or change.shape[1] < 2 or not 2 <= blocks <= len(change):
        raise ValueError(
            f"change: expected (snapshots, layers), at least {blocks} snapshots (blocks) and 2 layers, "
            f"got {change.shape}"
        )
    if np.isnan(change).any():
        raise ValueError(f"change: {np.isnan(change).sum()} of {change.size} are NaN")
    correlation = rank_correlation(range(change.shape[1]), torch.from_numpy(change)).numpy()
    starts = np.linspace(0, len(change), blocks, endpoint=False).astype(int)
    means = np.add.reduceat(correlation, starts) / np.diff(starts, append=len(change))
    half = t.ppf(0.975, blocks - 1) * means.std(ddof=1) / np.sqrt(blocks)
    mean = correlation.mean().item()
    falling = (np.diff(change, axis=1) < 0).all(1).mean().item()
    return Stratification(mean, max(-1.0, mean - half.item()), min(1.0, mean + half.item()), falling)
