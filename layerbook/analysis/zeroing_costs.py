"""What networks lose without filters that were picked, and without random ones (Hu et al. 2018, table IV)."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from layerlib._checks import any_whole_number, checked, flag, like, renamed, several_names, share, whole_number
from layerlib._tensors import labelled, network
from layerlib.data.splits import Split
from layerlib.filters.tracking import FilterTracker
from layerlib.filters.zeroing import accuracy_without


def _shares(argument: str, value: object) -> list[float]:
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        raise ValueError(f"{argument}: expected shares, one a layer, got {value!r}")
    return [share(argument, each) for each in value]


@checked(
    model=network,
    tracker=like("FilterTracker", "mean_still"),
    shares=_shares,
    split=labelled,
    draws=whole_number,
    seed=any_whole_number,
    picked=flag,
    norms=several_names,
)
def costs(
    model: nn.Module,
    tracker: FilterTracker,
    shares: Sequence[float],
    split: Split,
    draws: int,
    seed: int,
    picked: bool = True,
    norms: Sequence[str] = (),
) -> np.ndarray:
    """Points of top-1 and top-5 accuracy lost without a share of each layer's filters.

    Parameters
    ----------
    tracker : that followed the layers in training
    shares : of a layer's filters to zero, one a layer
    split : what the network is judged by
    draws : random choices of as many filters
    seed : of the draws
    picked : whether to pick filters, too, in the ways of `picks`
    norms : the batch norms behind the layers, to be zeroed along; by default none

    Returns
    -------
    float64, shape (layers, choices, 2): the picks first, then the draws
    """
    if len(shares) != len(tracker.names):
        raise ValueError(f"shares: expected {len(tracker.names)}, one a layer, got {len(shares)}")
    rows = []
    for i, (name, part) in enumerate(zip(tracker.names, shares, strict=True)):
        filters, generator = len(model.get_submodule(name).weight), torch.Generator().manual_seed(seed)
        count = max(1, round(part * filters))
        tried = [
            *(picks(model, tracker, name, count) if picked else []),
            *(torch.randperm(filters, generator=generator)[:count] for _ in range(draws)),
        ]
        with renamed(also="norms"):
            whole, *rest = accuracy_without(model, name, [[], *tried], split, norms[i : i + 1])
        rows.append(100 * (whole - torch.stack(rest)))
    return torch.stack(rows).numpy()


def picks(model: nn.Module, tracker: FilterTracker, name: str, count: int) -> list[Tensor]:
    """The ``count`` filters of a layer of most still channels (Z), of least change (D), and of the smallest weights."""
    norm = model.get_submodule(name).weight.detach().flatten(1).norm(dim=1)
    scores = [tracker.mean_still(name), -tracker.mean_distance(name), -norm]
    return [score.cpu().argsort(descending=True)[:count] for score in scores]
