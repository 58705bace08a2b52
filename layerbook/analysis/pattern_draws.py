"""What the perplexity of a layer's patterns would be on other samples of the same kind (Davel et al. 2020, eq. 2)."""

import numpy as np
import torch
from scipy.special import xlogy
from torch import Tensor

from layerlib.patterns import layer_perplexity


def perplexity_draws(active: Tensor, labels: Tensor, rounds: int = 200, seed: int = 0) -> Tensor:
    """Perplexities of a network as other samples of the classes might have given them.

    Drawn with replacement, samples would come twice and patterns with them. So each draw counts a random half of every
    class: that varies as much as a whole class of new samples does (the variance over halves without replacement is
    that over whole classes, McCarthy 1969). On a half, ln P / ln N_c is another on average; each draw is moved by
    the difference, so that the draws lie around what all samples give.

    Parameters
    ----------
    active : bool, shape (layers, N, nodes)
    labels : int64, shape (N,)
    rounds : number of draws

    Returns
    -------
    float64, shape (rounds, layers, C)

    Raises
    ------
    ValueError
        if a class has fewer than four samples
    """
    active, labels = active.cpu(), labels.cpu()
    samples = labels.bincount()
    if samples.min() < 4:
        raise ValueError(f"labels: expected at least four samples a class, got {samples.tolist()}")
    cap = samples.double().log()
    halves = _halves(labels, rounds, seed)
    drawn = torch.stack([_shares(layer, labels, samples, halves) for layer in active], 1)
    whole = layer_perplexity(active, labels).log() / cap
    return ((drawn - drawn.mean(0) + whole) * cap).exp()


def _halves(labels: Tensor, rounds: int, seed: int) -> np.ndarray:
    """Random halves of every class, one draw a row: indices of samples, class after class."""
    random = np.random.default_rng(seed)
    members = [(labels == c).nonzero()[:, 0].numpy() for c in range(int(labels.max()) + 1)]
    return np.stack(
        [np.concatenate([random.permutation(each)[: len(each) // 2] for each in members]) for _ in range(rounds)]
    )


def _shares(active: Tensor, labels: Tensor, samples: Tensor, halves: np.ndarray) -> Tensor:
    """ln P / ln N_c of some halves of every class at one layer, shape (rounds, C)."""
    size, rows = samples.numpy() // 2, np.arange(len(halves))[:, None]
    words = np.packbits(active.numpy(), axis=1)
    pattern = np.unique(words.view(f"V{words.shape[1]}").ravel(), return_inverse=True)[1]
    distinct, group = np.unique(pattern * len(size) + labels.numpy(), return_inverse=True)
    # every draw counts in a block of its own
    n = np.bincount((rows * len(distinct) + group[halves]).ravel(), minlength=len(rows) * len(distinct))
    classes = rows * len(size) + distinct % len(size)
    n_ln_n = np.bincount(classes.ravel(), xlogy(n, n), minlength=len(rows) * len(size)).reshape(len(rows), -1)
    return torch.from_numpy((np.log(size) - n_ln_n / size) / np.log(size))
