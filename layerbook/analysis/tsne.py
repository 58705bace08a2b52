"""Clouds of points drawn in the plane by t-SNE.

A picture is no measurement: t-SNE draws clusters into noise. A claim rests on the numbers of `separation`.
"""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import torch
from joblib import Parallel, delayed
from openTSNE import TSNE
from torch import Tensor

from layerbook.analysis._shapes import shaped
from layerlib._checks import above_zero, any_whole_number, by_name, checked, renamed
from layerlib._tensors import finite, numbers
from layerlib.backward.separation import directions

SAME = 4  # rounding errors of the largest coordinate: rows that differ by no more are one point


@checked(features=finite, perplexity=above_zero, seed=any_whole_number, start=numbers)
def tsne(features: Tensor, perplexity: float = 30.0, seed: int = 0, start: Tensor | None = None) -> Tensor:
    """Features in the plane by t-SNE (van der Maaten & Hinton 2008) with the cosine, through openTSNE.

    Single-threaded, so that the same seed gives the same picture; ``tsne_panels`` makes several at once.

    Parameters
    ----------
    features : float, shape (N, …)
    start : shape (N, 2), points of an earlier picture to start from: the clusters keep their places, as a series over
        training needs, and the early exaggeration is saved; by default the first two principal components

    Returns
    -------
    float32, shape (N, 2), on the CPU, as what is drawn is; NaN for rows left out because their norm is zero (see
    ``directions``)

    Raises
    ------
    ValueError
        if a value is not finite, a shape does not fit, fewer than 3 · perplexity + 1 samples are left, or all of them,
        or of ``start``, are one point

    Examples
    --------
    >>> points = tsne(torch.randn(500, 100))
    >>> points.shape, int(points.isnan().any(1).sum())
    (torch.Size([500, 2]), 0)
    """
    rows, kept = directions(features)
    if not 1 <= perplexity <= (int(kept.sum()) - 1) / 3:
        raise ValueError(
            f"features: expected at least 3 x perplexity + 1 = {3 * perplexity + 1:g} samples with "
            f"perplexity from 1 up, got {int(kept.sum())} samples ({int((~kept).sum())} left out)"
        )
    if start is not None and start.shape != (len(rows), 2):
        raise ValueError(f"start: expected shape ({len(rows)}, 2), one point per row, got {tuple(start.shape)}")
    cloud = rows[kept]
    if not (cloud - cloud[0]).abs().max() > SAME * torch.finfo(features.dtype).eps * cloud.abs().max():
        raise ValueError(f"features: expected rows of different directions, got {len(cloud)} all alike")
    if cloud.shape[1] == 1:  # the plane takes two principal components
        cloud = torch.cat([cloud, torch.zeros_like(cloud)], 1)
    begin = "pca" if start is None else _start(start, kept)
    # theta 0.8 draws the same picture as 0.5 in two thirds of the time
    maker = TSNE(
        perplexity=perplexity,
        metric="cosine",
        random_state=seed,
        n_jobs=1,
        neighbors="exact",
        negative_gradient_method="bh",
        theta=0.8,
        initialization=begin,
        early_exaggeration_iter=250 if start is None else 0,
        n_iter=500 if start is None else 250,
    )
    points = torch.full((len(rows), 2), torch.nan)
    points[kept.cpu()] = torch.from_numpy(maker.fit(cloud.cpu().numpy()).__array__()).float()
    return points


@checked(moments=by_name(finite), perplexity=above_zero)
def tsne_series(moments: Mapping[Hashable, Tensor], perplexity: float = 30.0) -> dict[Hashable, Tensor]:
    """``tsne`` of one cloud at several moments; each picture starts from the one before.

    Parameters
    ----------
    moments : name -> features, shape (N, …), in their order

    Returns
    -------
    name -> float32, shape (N, 2)
    """
    planes: dict[Hashable, Tensor] = {}
    points = None
    with renamed(features="moments", start="moments"):
        for name, features in moments.items():
            planes[name] = points = tsne(features, perplexity=perplexity, start=points)
    return planes


@shaped(planes="sequence open N 2")
def planes_curve(planes: Sequence[Tensor], **axes: Sequence) -> dict:
    """Planes as the arguments of a report's ``curve``: of each the first 400 points, as of `in_the_record`.

    Parameters
    ----------
    planes : shape (N, 2) each, one after the other in the order of the axes
    axes : what the planes run over, outermost first
    """
    flat = torch.stack([in_the_record(points) for points in planes])
    values = flat.unflatten(0, [len(axis) for axis in axes.values()])
    return {"values": values, **axes, "point": range(flat.shape[1]), "xy": ["x", "y"]}


def in_the_record(points: Tensor, most: int = 400) -> Tensor:
    """Points of a plane as whole numbers from 0 to 999, to keep in a record: int64, shape (at most ``most``, 2)."""
    here = points.cpu().numpy()
    low, high = np.nanmin(here, 0), np.nanmax(here, 0)
    return torch.from_numpy(999 * (here[:most] - low) / (high - low).max()).round().long()


@checked(panels=by_name(finite), perplexity=above_zero)
def tsne_panels(panels: Mapping[Hashable, Tensor], perplexity: float = 30.0) -> dict[Hashable, Tensor]:
    """``tsne`` of several clouds side by side, a thread for each core, the same pictures as one by one.

    Parameters
    ----------
    panels : name -> features, shape (N, …)

    Returns
    -------
    name -> float32, shape (N, 2)
    """
    with renamed(features="panels"):
        pictures = Parallel(n_jobs=-1, prefer="threads")(delayed(tsne)(each, perplexity) for each in panels.values())
    return dict(zip(panels, pictures, strict=True))


def _start(points: Tensor, kept: Tensor) -> np.ndarray:
    # a row that was left out of the earlier picture starts in the middle
    rounding = torch.finfo(points.dtype).eps
    points = points.detach().double().cpu()[kept.cpu()]
    points = points.where(~points.isnan(), 0)
    spread = points.std(0)
    if not spread.isfinite().all() or not spread.max() > SAME * rounding * points.abs().max():
        raise ValueError(f"start: expected finite points that differ, got a spread of {spread.tolist()}")
    # openTSNE's own starts have this spread along x; a wider one freezes the points where they are
    x, y = spread
    return (points / (x if x > 1e-3 * y else y) * 1e-4).numpy()
