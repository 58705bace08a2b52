"""What internal classifiers read: the outputs of a network's taps, pooled, side by side, in memory or in a file."""

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from layerlib._tensors import as_tensor
from layerlib.layers._channels import Widths, channels_second


@dataclass(frozen=True)
class Features:
    """What the taps gave for a split, pooled: all that probes need of the network.

    Attributes
    ----------
    pooled : shape (probes, N, F), F the largest number of features; the rest of a smaller layer's is zero
    own : logits of the taps that need no probe, shape (taps, N, K): of the network's own layers; None without such taps
    labels : those of the split, on the device of ``pooled``; None where there are none
    sizes : number of features of each probe
    device : where probes are trained on them, which ``pooled`` is not on if it is in a file
    """

    pooled: Tensor
    own: Tensor | None
    labels: Tensor | None
    sizes: tuple[int, ...]
    device: torch.device

    def __len__(self) -> int:
        return self.pooled.shape[1]

    def __getitem__(self, index) -> "Features":
        """The samples at ``index`` (a slice, a mask or a tensor of indices, on any device)."""
        index = index.to(self.pooled.device) if isinstance(index, Tensor) else index
        own = None if self.own is None else self.own[:, index]
        labels = None if self.labels is None else self.labels[index]
        return Features(self.pooled[:, index], own, labels, self.sizes, self.device)


def pooled_features(x: Tensor, pool: int, module: nn.Module, widths: Widths) -> Tensor:
    """Features of a tap's output, (n, F): channels averaged over a grid of ``pool`` places each way, tokens over all.

    Parameters
    ----------
    module : the tap, and ``widths`` of ``widths_of(model)``, which tell where its channels lie
    """
    placed = channels_second(x, module, widths)
    if x.ndim == 3 and placed is not x:
        return x.mean(1)
    average = {3: F.adaptive_avg_pool1d, 4: F.adaptive_avg_pool2d, 5: F.adaptive_avg_pool3d}.get(x.ndim)
    return placed.flatten(1) if average is None else average(placed, pool).flatten(1)


def fill(place: Tensor, each: Iterable[Tensor]) -> None:
    """Copy the features of every tap, (n, its F), to the front of its rows of ``place``, shape (probes, n, F)."""
    for rows, values in zip(place, each, strict=True):
        rows[:, : values.shape[1]] = values


def as_features(features: Tensor | Features) -> Features:
    """Features (L, N, F) or (N, F) as ``Features``, which themselves are given back; ValueError for anything else."""
    if isinstance(features, Features):
        return features
    features = as_tensor("features", features)
    if features.ndim not in (2, 3) or not features.is_floating_point() or not features.numel():
        raise ValueError(
            "features: expected floats of shape (L, N, F) or (N, F) with at least one sample, layer and "
            f"feature, got {features.dtype} {tuple(features.shape)}"
        )
    pooled = features if features.ndim == 3 else features[None]
    return Features(pooled, None, None, (pooled.shape[2],) * len(pooled), pooled.device)


def bar(steps: Iterable, label: str | None, unit: str, count: int | None = None) -> tqdm:
    """A progress bar over ``steps``, ``count`` of them if they have no length; none without a label, nor under CI."""
    quiet = label is None or bool(os.environ.get("CI") or os.environ.get("TQDM_DISABLE"))
    return tqdm(steps, desc=label, total=count, disable=quiet, unit=unit, leave=False)
