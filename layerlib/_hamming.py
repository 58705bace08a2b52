"""How far the activation patterns of two samples are apart, within a class and between classes."""

import torch
from torch import Tensor

from layerlib._bits import as_bytes, classes_of, on_counts
from layerlib._checks import checked, whole_number
from layerlib._tensors import numbers

ROWS = 4096  # at a time, of what needs several numbers for each bit


@checked(active=numbers, labels=numbers, classes=whole_number)
def hamming(active: Tensor, labels: Tensor, classes: int | None = None) -> Tensor:
    """Mean Hamming distance between the patterns of two samples, of one class and of different ones.

    Their ratio grades what the perplexity of a layer, where no two samples share a pattern, cannot: it is 1 where
    classes tell nothing about patterns, and 0 where each class has one. Every pair of samples counts, none with itself.

    Parameters
    ----------
    active : bool, shape (N, nodes) or (..., N, nodes)
    labels : int64, shape (N,), classes 0 .. C-1
    classes : C; by default the largest label + 1

    Returns
    -------
    float64, shape (2,) or (..., 2), in nodes: within classes, and between them; NaN where there are no such pairs

    Raises
    ------
    ValueError
        as ``layer_perplexity``
    """
    on, samples = on_counts(active, labels, classes_of(active, labels, classes))
    off = samples[:, None] - on
    every, pairs = len(labels), samples * (samples - 1) / 2
    within = (on * off).sum((-2, -1))
    between = (on.sum(-2) * off.sum(-2)).sum(-1) - within
    return torch.stack([within / pairs.sum(), between / (every * (every - 1) / 2 - pairs.sum())], -1)


def hamming_of_each(active: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """What each sample, of N, has to do with ``hamming``: within its class, and with other classes.

    Returns
    -------
    within, between : float64, shapes (2, N): the sum of its distances to the other samples, and how many these are
    """
    on, samples = on_counts(active, labels, classes)
    labels, total = labels.to(active.device), on.sum(0)
    own, others = [], []
    for bits, classed in zip(as_bytes(active).split(ROWS), labels.split(ROWS), strict=True):
        bits, mine = bits.double(), on[classed]
        # of a node that is off it is as far from each that is on, and the other way round
        own.append(mine.sum(1) + (bits * (samples[classed, None] - 2 * mine)).sum(1))
        rest = total - mine
        others.append(rest.sum(1) + (bits * (len(labels) - samples[classed, None] - 2 * rest)).sum(1))
    count = samples[labels]
    return torch.stack([torch.cat(own), count - 1]), torch.stack([torch.cat(others), len(labels) - count])
