"""The tests of the four lenses' second edition (claims 51 to 56), each part with its interval over seeds and samples.

Readings are those of `agreement.readings`, shape (seeds, lenses, moments, layers), ``drawn`` the same with other
samples, shape (draws, seeds, lenses, moments, layers); the last layer is the output.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from layerbook.analysis._shapes import shaped
from layerbook.analysis.agreement import LENSES, agreement, made_up, order
from layerbook.analysis.intervals import Interval, bootstrap, over_networks, rank_correlation
from layerbook.verdicts import Part, above, below, undecided
from layerlib import Inspection
from layerlib._checks import checked, choice, like, several, share, text

BY_HEART = ("distance", "entropy")


@checked(share=share, of=text)
@shaped(
    readings="array open seeds 7 moments layers", drawn="array open draws seeds 7 moments layers", steps="array moments"
)
def ready_before(readings: np.ndarray, drawn: np.ndarray, steps: Sequence[int], share: float, of: str) -> Part:
    """51: share of layers that pass the mark before training, read flat."""
    when = (made_up(each, steps, share)[..., LENSES.index("flat"), :] for each in (readings, drawn))
    early = [torch.from_numpy((each == 0).mean(-1)) for each in when]
    found = _over_seeds(*early)
    return above(f"layers ready before training, {of}", found.value, 0.5, found.ends, form=".0%")


@checked(share=share, lens=choice(*LENSES))
@shaped(
    readings="array open seeds 7 moments layers", drawn="array open draws seeds 7 moments layers", steps="array moments"
)
def upper_first(readings: np.ndarray, drawn: np.ndarray, steps: Sequence[int], share: float, lens: str) -> Interval:
    """52: rank correlation of layer and step of passing the mark; 0 where all layers pass it at once."""
    found = [
        np.nan_to_num(order(made_up(each, steps, share)[..., LENSES.index(lens), :])) for each in (readings, drawn)
    ]
    return _over_seeds(*map(torch.from_numpy, found))


@checked(of=text)
@shaped(readings="array open seeds 7 moments layers", drawn="array open draws seeds 7 moments layers")
def least_rise(readings: np.ndarray, drawn: np.ndarray, of: str) -> Part:
    """53: growth of the targets' excess from first to last moment, at the hidden layer where it is least sure."""
    told = [torch.from_numpy(each[..., LENSES.index("targets"), :, :-1]) for each in (readings, drawn)]
    growth = [each[..., -1, :] - each[..., 0, :] for each in told]
    layers = [_over_seeds(*(each[..., i] for each in growth)) for i in range(growth[0].shape[-1])]
    least = min(range(len(layers)), key=lambda i: layers[i].low)
    return above(f"growth at layer {least + 1}, {of}", layers[least].value, 0, layers[least].ends)


@checked(looks=several(several(like("Inspection", "values", "draws"))), of=text, empty=text)
def by_heart(looks: Sequence[tuple[Inspection, Inspection]], of: str, empty: str = "") -> tuple[Part, Part]:
    """54: rank correlation with depth of the distance to the true labels, and of the patterns' entropy.

    Parameters
    ----------
    looks : of each seed's network, an inspection of the distance, read flat, and one of the patterns
    of : what network, in words
    empty : why the test would say nothing, if some do not know their labels
    """
    parts = []
    for each, what, test, mark in zip(zip(*looks, strict=True), BY_HEART, (above, below), (-0.5, -0.5), strict=True):
        values = torch.stack([look.values[what][:-1].double() for look in each])
        drawn = torch.stack([look.draws[what][:-1].double().T for look in each], 1)
        found = with_depth(values, drawn)
        parts.append(test(f"{what}, {of}", found.value, mark, found.ends, empty=empty))
    return tuple(parts)


@shaped(values="seeds layers", drawn="draws seeds layers")
def with_depth(values: Tensor, drawn: Tensor) -> Interval:
    """54: rank correlation of what a network's layers read and their depth, mean over seeds.

    Parameters
    ----------
    values, drawn : shapes (seeds, layers) and (draws, seeds, layers)
    """
    return _over_seeds(*(rank_correlation(range(each.shape[-1]), each) for each in (values, drawn)))


@checked(lens=choice(*LENSES), of=text)
@shaped(readings="array open seeds 7 moments layers", drawn="array open draws seeds 7 moments layers")
def agree_beyond(readings: np.ndarray, drawn: np.ndarray, lens: str, of: str) -> Part:
    """55: rank correlation of a distance and the nodes in what layers and steps do not add."""
    both = LENSES.index(lens), LENSES.index("nodes")
    rest = [np.nan_to_num(agreement(each)["rest"][..., *both]) for each in (readings, drawn)]
    found = _over_seeds(*map(torch.from_numpy, rest))
    return above(f"distance ({lens}) and nodes, {of}", found.value, 0.5, found.ends)


@checked(of=text)
@shaped(followed="yes/no seeds moments layers 2 samples", decided="yes/no seeds moments layers")
def obeyed(followed: Tensor, decided: Tensor, of: str) -> tuple[Part, Part, Part]:
    """56: how often a network follows where a lens calls its layer decided, where not, and between shuffled classes.

    Parameters
    ----------
    followed : bool, shape (seeds, moments, layers, 2, samples), of `intervention.followed`
    decided : bool, shape (seeds, moments, layers)
    of : what network, in words
    """
    tests = [
        (f"layers decided, {of}", above, 0.8, _per_seed(followed[..., 0, :], decided)),
        (f"layers not decided, {of}", below, 0.5, _per_seed(followed[..., 0, :], ~decided)),
        (f"shuffled classes, {of}", below, 0.15, _per_seed(followed[..., 1, :], torch.ones_like(decided))),
    ]
    parts = []
    for told, test, threshold, shares in tests:
        if not len(shares):
            parts.append(undecided(told, "no layer is so at any moment"))
            continue
        found = bootstrap(shares)
        parts.append(test(told, found.value, threshold, found.ends, form=".0%"))
    return tuple(parts)


def _per_seed(followed: Tensor, chosen: Tensor) -> Tensor:
    """Mean over the chosen layers and moments, (seeds, samples), of those seeds that have any."""
    some = chosen.flatten(1).any(1)
    weight = chosen[some, ..., None].double()
    return (followed[some] * weight).sum((1, 2)) / weight.sum((1, 2))


def _over_seeds(values: Tensor, drawn: Tensor) -> Interval:
    """Mean over seeds, (seeds,), with networks and samples drawn, (draws, seeds)."""
    return over_networks([values], [drawn], lambda each: each.mean(-1))
