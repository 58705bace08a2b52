"""How far the activation patterns of two samples are apart, within a class and between classes."""

import torch
from torch import Tensor

from layerlib._bits import as_bytes, classes_of, on_counts
from layerlib._checks import checked, whole_number
from layerlib._tensors import numbers

NUMBERS = 2**18  # at a time, of what needs several for each bit: they stay in the cache of a CPU


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
    # of a node that is off it is as far from each that is on, and the other way round; all numbers are whole
    more, more_in_all = samples[:, None] - 2 * on, len(labels) - 2 * total
    own, all_of_them = [], []
    rows = max(1, (NUMBERS if on.is_cpu else NUMBERS << 6) // active.shape[1])
    for bits, classed in zip(as_bytes(active).split(rows), labels.split(rows), strict=True):
        bits = bits.double()
        own.append(more.index_select(0, classed).mul_(bits).sum(1))
        all_of_them.append(bits @ more_in_all)
    count = samples[labels]
    within = torch.cat(own).add_(on.sum(1)[labels])
    between = torch.cat(all_of_them).add_(total.sum()).sub_(within)
    return torch.stack([within, count - 1]), torch.stack([between, len(labels) - count])
