"""Activation patterns: which nodes a sample lights, and how many patterns a class uses (Davel et al. 2020)."""

import math

import torch
from torch import Tensor

from layerlib._asking import Asking
from layerlib._bits import classes_of, distinct, grouped, on_counts, ordered
from layerlib._checks import checked, number, whole_number
from layerlib._hamming import hamming
from layerlib._tensors import numbers
from layerlib._threads import one_thread

__all__ = ["PatternCounts", "activation_share", "active", "crossing", "hamming", "layer_perplexity"]


@checked(preactivations=numbers)
def active(preactivations: Tensor) -> Tensor:
    """Which nodes are on: pre-activation above 0, for ReLU; the same as activation above 0.5, for sigmoid.

    Parameters
    ----------
    preactivations : float, any shape

    Returns
    -------
    bool, the same shape

    Raises
    ------
    ValueError
        if a value is NaN, for which on or off has no meaning
    """
    if preactivations.isnan().any():
        raise ValueError(f"preactivations: {int(preactivations.isnan().sum())} of {preactivations.numel()} are NaN")
    return preactivations > 0


@checked(active=numbers, labels=numbers, classes=whole_number)
@one_thread()
def layer_perplexity(active: Tensor, labels: Tensor, classes: int | None = None) -> Tensor:
    """Perplexity of a layer's on/off patterns, per class (Davel et al. 2020, eqs. 1-2).

    P(c, l) = exp H(c, l), with the entropy H = -Σ (n/N_c) ln(n/N_c) over the distinct patterns that class c
    shows at layer l, each n times. 1 means that every sample of the class lights the same nodes; N_c that no
    two do.

    Parameters
    ----------
    active : bool, shape (N, nodes); or (..., N, nodes) for several layers or networks at once
    labels : int64, shape (N,), classes 0 .. C-1
    classes : C; by default the largest label + 1

    Returns
    -------
    float64, shape (C,) or (..., C); NaN for a class without samples

    Raises
    ------
    ValueError
        if ``active`` is not boolean or empty, the lengths differ, or a label is out of range
    """
    classes = classes_of(active, labels, classes)
    words = grouped(active, labels, classes)
    some, n = distinct(words)
    return _perplexity(words[-1].index_select(0, some), n, (*active.shape[:-2], classes))


class PatternCounts:
    """How often each class shows each pattern, counted batch by batch: ``layer_perplexity`` of a stream.

    Memory grows with the number of distinct patterns, not of samples.

    Parameters
    ----------
    classes : C, the number of classes

    Examples
    --------
    >>> counts = PatternCounts(classes=10)
    >>> for images, labels in batches:
    ...     counts.add(active(preactivations(images)), labels)
    >>> counts.perplexity().shape
    torch.Size([10])
    """

    @checked(classes=whole_number)
    def __init__(self, classes: int):
        self.classes = classes
        self._shape: tuple[int, ...] | None = None
        self._patterns: list[Tensor] = []  # the distinct ones so far, then those of the batches since
        self._counts: Tensor | None = None  # of the first of these, once merged; every other counts once

    @checked(active=numbers, labels=numbers)
    def add(self, active: Tensor, labels: Tensor) -> "PatternCounts":
        """Count the patterns of a batch.

        Parameters
        ----------
        active : bool, shape (..., N, nodes)
        labels : int64, shape (N,), classes 0 .. C-1

        Returns
        -------
        PatternCounts, itself

        Raises
        ------
        ValueError
            as ``layer_perplexity``, and if the nodes are not those of earlier batches
        """
        classes_of(active, labels, self.classes)
        shape = (*active.shape[:-2], active.shape[-1])
        if self._shape not in (None, shape):
            raise ValueError(f"active: expected (..., nodes) {self._shape} as in earlier batches, got {shape}")
        self._shape = shape
        self._patterns.append(grouped(active, labels, self.classes))
        # merging only once the new ones outnumber the old keeps the whole stream at O(N log N)
        old, *new = (words.shape[1] for words in self._patterns)
        if sum(new) > old:
            self._merge()
        return self

    def perplexity(self) -> Tensor:
        """Perplexity per class, of all that was counted so far.

        Returns
        -------
        float64, shape (..., C); NaN for a class without samples

        Raises
        ------
        ValueError
            if nothing was counted yet
        """
        if self._shape is None:
            raise ValueError("perplexity: no patterns were added")
        patterns, counts = self._merge()
        return _perplexity(patterns[-1], counts, (*self._shape[:-1], self.classes))

    def _merge(self) -> tuple[Tensor, Tensor]:
        patterns, counts = torch.cat(self._patterns, 1), self._counts
        if counts is not None:
            counts = torch.cat([counts, counts.new_ones(patterns.shape[1] - len(counts))])
        some, self._counts = distinct(patterns, counts)
        self._patterns = [patterns.index_select(1, some)]
        return self._patterns[0], self._counts


def _perplexity(group: Tensor, n: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Perplexity of the groups, of this shape, from the group of each pattern and how often it is there."""
    zeros = torch.zeros(math.prod(shape), dtype=torch.float64, device=n.device)
    sizes = zeros.scatter_add(0, group, n.double())
    if n.is_cpu:  # what was seen once adds 1 ln 1 = 0; a GPU would have to wait to hear how many were not
        several = n > 1
        n, group = n[several], group[several]
    n_ln_n = zeros.scatter_add(0, group, torch.special.xlogy(n, n.double()))
    return torch.exp(sizes.log() - n_ln_n / sizes).view(shape)


@checked(active=numbers, labels=numbers, classes=whole_number)
def activation_share(active: Tensor, labels: Tensor, classes: int | None = None) -> Tensor:
    """Share of each class's samples that switch each node on (Davel et al. 2020, fig. 1).

    Parameters
    ----------
    active : bool, shape (N, nodes) or (..., N, nodes)
    labels : int64, shape (N,), classes 0 .. C-1
    classes : C; by default the largest label + 1

    Returns
    -------
    float64, shape (C, nodes) or (..., C, nodes); NaN for a class without samples

    Raises
    ------
    ValueError
        as ``layer_perplexity``
    """
    on, samples = on_counts(active, labels, classes_of(active, labels, classes))
    return on / samples[:, None]


def perplexity_and_surprisals(active: Tensor, labels: Tensor, classes: int) -> Asking[tuple[Tensor, Tensor]]:
    """``layer_perplexity`` of patterns (N, nodes) and labels that are as they must be, and what each sample is of it.

    Returns
    -------
    perplexity : float64, shape (C,)
    surprisals : float64, shape (N,), -ln of the share of a sample's class that has its pattern: ln P is their mean
    """
    labels = labels.to(active.device)
    order, last = yield from ordered(grouped(active, labels, classes))
    kind = last.cumsum(0) - last.long()
    alike = torch.zeros_like(labels).index_add_(0, kind, torch.ones_like(labels)).index_select(0, kind)
    n, group = alike.where(last, 0).double(), labels.index_select(0, order)
    sizes, n_ln_n = (
        torch.zeros(classes, dtype=torch.float64, device=n.device).index_add_(0, group, each)
        for each in (n, torch.special.xlogy(n, n))
    )
    count = torch.empty_like(alike).scatter_(0, order, alike)
    return torch.exp(sizes.log() - n_ln_n / sizes), sizes.index_select(0, labels).log() - count.double().log()


@checked(perplexity=numbers, samples=numbers)
def crossing(perplexity: Tensor, samples: Tensor, level: float) -> Tensor:
    """Layer from which on ln P stays below ``level`` times its cap ln N_c, between layers by straight lines.

    ln P / ln N_c is averaged over classes. With levels 0.9, 0.5 and 0.1 this places the drop of the
    perplexity, its midpoint, and its length (``crossing(…, 0.1) - crossing(…, 0.9)``).

    Parameters
    ----------
    perplexity : float, shape (..., layers, C)
    samples : shape (C,), the number of samples N_c of each class
    level : in (0, 1)

    Returns
    -------
    float64, shape (...), in layers counted from 1; 1 where ln P is below from the first layer on, and infinite
    where it is not yet below at the last; NaN where a class has no ln P / ln N_c (fewer than two samples)

    Raises
    ------
    ValueError
        if ``level`` is not in (0, 1), or ``samples`` are not one for each class
    """
    level = number("level", level, "a number in (0, 1)", lambda given: 0 < given < 1)
    if perplexity.ndim < 2 or not perplexity.numel() or perplexity.isinf().any() or (perplexity <= 0).any():
        raise ValueError(
            "perplexity: expected finite numbers above 0 or NaN, shape (..., layers, C), not empty, "
            f"got {tuple(perplexity.shape)}"
        )
    if (samples < 0).any() or (samples.is_floating_point() and (samples != samples.round()).any()):
        raise ValueError(f"samples: expected whole numbers from 0 up, got {samples.tolist()}")
    if samples.shape != perplexity.shape[-1:]:
        raise ValueError(
            f"samples: expected shape {tuple(perplexity.shape[-1:])}, one for each class of perplexity "
            f"{tuple(perplexity.shape)}, got {tuple(samples.shape)}"
        )
    samples = samples.to(perplexity.device)
    height = (perplexity.double().log() / samples.double().log()).mean(-1)
    layers = height.shape[-1]
    # the last layer that is not below, from 1; 0 where there is none
    last = ((height >= level) * torch.arange(1, layers + 1, device=height.device)).amax(-1)
    ends = torch.nn.functional.pad(height, (1, 1), value=level)
    here, there = ends.gather(-1, last[..., None])[..., 0], ends.gather(-1, last[..., None] + 1)[..., 0]
    between = last + (here - level) / (here - there)
    return between.where(last > 0, 1.0).where(last < layers, torch.inf).where(height.isfinite().all(-1), torch.nan)
