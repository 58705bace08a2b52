"""Which samples a deeper layer answers worse than a shallow one, and how hard each is (Cao et al. 2022)."""

import torch
from torch import Tensor

from layerlib._checks import above_zero, checked, from_zero
from layerlib._tensors import floats, numbers
from layerlib.distributions._labels import probabilities_of
from layerlib.distributions.early_exit import first_exit
from layerlib.distributions.scores import exact_match

KINDS = ("easy", "ordinary", "hard", "confused")


def confused_shares(probabilities: Tensor, labels: Tensor, threshold: float = 0.5) -> Tensor:
    """Samples wrong at the last layer and right before it, by the first such layer (Cao et al. 2022, tables 1-2).

    Parameters
    ----------
    probabilities : float in [0, 1], shape (L, N, K)
    labels : 0 or 1, shape (N, K)
    threshold : in [0, 1], above which a label is predicted

    Returns
    -------
    float64, shape (L,), shares of the samples; the last entry, of those right at the last layer. They add up to what a
    perfect choice of exits reaches, since each sample counts once

    Raises
    ------
    ValueError
        as ``exact_match``, and if there are no samples
    """
    probabilities = probabilities_of(probabilities, layers=True)
    right = exact_match(probabilities, labels, threshold)
    layers, samples = right.shape
    if not samples:
        raise ValueError("probabilities: expected at least one sample, got none")
    layer = first_exit(right).where(~right[-1], layers - 1)[right.any(0)]
    return layer.bincount(minlength=layers).double() / samples


@checked(shares=floats)
def largest_share(shares: Tensor) -> int | None:
    """The layer before the last that has the largest of the ``confused_shares``, shape (L,); None where all are 0.

    Where no sample is confused no layer has most of them, and the first would be named by mistake.
    """
    if shares.ndim != 1 or not len(shares) or not ((shares >= 0) & shares.isfinite()).all():
        raise ValueError(f"shares: expected finite numbers of at least 0, shape (L,), got {tuple(shares.shape)}")
    earlier = shares[:-1]
    return int(earlier.argmax()) if earlier.any() else None


@checked(distances=numbers, baseline=numbers, near=from_zero, far=from_zero)
def difficulty(distances: Tensor, baseline: Tensor, near: float = 0.2, far: float = 0.5) -> Tensor:
    """Kind of each sample by its distance to the target, layer by layer (Cao et al. 2022, sec. 6.5 and fig. 9).

    With w the distance divided by the baseline, and a third of the layers ⌊L/3⌋ of them:

    - *confused*: w <= ``near`` at some layer before the last, and w > ``far`` at the last;
    - *easy*: w <= ``near`` at some layer of the first third and at every later one;
    - *hard*: w <= ``near`` nowhere, or for the first time in the last third;
    - *ordinary*: the rest.

    Confused is asked first: a sample that comes near in the last third and leaves again is confused, not hard.

    Parameters
    ----------
    distances : float >= 0, shape (L, N), at least three layers
    baseline : float > 0, shape (N,) or (): the distance of predicting the label frequencies
    near, far : 0 <= near <= far

    Returns
    -------
    int64, shape (N,), numbers into ``KINDS``

    Raises
    ------
    ValueError
        if shapes or values are not as above
    """
    if near > far:
        raise ValueError(f"near, far: expected 0 <= near <= far, got {near} and {far}")
    w = _relative(distances, baseline)
    layers, third = len(w), len(w) // 3
    close = w <= near
    # near from layer third - 1 on is near from some layer of the first third on
    easy = close[third - 1 :].all(0)
    hard = ~close[: layers - third].any(0)
    return _kinds(easy=easy, hard=hard, confused=close.any(0) & (w[-1] > far))


@checked(distances=numbers, baseline=numbers, rise=above_zero)
def difficulty_by_thirds(distances: Tensor, baseline: Tensor, rise: float = 0.2) -> Tensor:
    """Kind of each sample beside the others, by its distance to the target (Cao et al. 2022, sec. 6.5 and fig. 9).

    The paper's words fix no thresholds. Here, with w the distance divided by the baseline:

    - *confused*: w rises by at least ``rise`` from its least to the last layer;
    - *hard*: w is above that of two thirds of the samples at the last layer;
    - *easy*: w is within the lowest third of the samples at layer ⌊2L/3⌋, counted from 0;
    - *ordinary*: the rest.

    Asked in this order: who is confused is not also hard, who is hard at the end not easy before it.

    Parameters
    ----------
    distances : float >= 0, shape (L, N), at least three layers
    baseline : float > 0, shape (N,) or (): the distance of predicting the label frequencies
    rise : above 0

    Returns
    -------
    int64, shape (N,), numbers into ``KINDS``

    Raises
    ------
    ValueError
        if shapes or values are not as above, or there are no samples
    """
    w = _relative(distances, baseline)
    if not w.shape[1]:
        raise ValueError("distances: expected at least one sample, got none")
    middle, last = w[2 * len(w) // 3].double(), w[-1].double()
    return _kinds(
        easy=middle <= middle.quantile(1 / 3), hard=last > last.quantile(2 / 3), confused=w[-1] - w.amin(0) >= rise
    )


def _relative(distances: Tensor, baseline: Tensor) -> Tensor:
    """Distances (L, N) in units of the baseline; ValueError unless both are as they must be."""
    wrong = int((~((distances >= 0) & distances.isfinite())).sum())
    if distances.ndim != 2 or len(distances) < 3 or wrong:
        raise ValueError(
            f"distances: expected values >= 0, shape (L, N) with L >= 3, got {tuple(distances.shape)} "
            f"with {wrong} values that are negative or NaN or infinite"
        )
    if baseline.shape not in ((), distances.shape[1:]) or not bool(((baseline > 0) & baseline.isfinite()).all()):
        raise ValueError(
            f"baseline: expected finite values > 0, shape {tuple(distances.shape[1:])} or (), "
            f"got {tuple(baseline.shape)}"
        )
    return distances / baseline.to(distances.device)


def _kinds(**masks: Tensor) -> Tensor:
    """Numbers into ``KINDS``, ordinary where no mask says another; of several the last counts."""
    found = torch.full_like(next(iter(masks.values())), KINDS.index("ordinary"), dtype=torch.int64)
    for name, mask in masks.items():
        found = torch.where(mask, KINDS.index(name), found)
    return found
