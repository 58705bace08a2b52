"""Each instrument on the readings of a layer: what it makes of them, as a few named numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import torch
from torch import Tensor, nn

from layerlib._asking import Asking
from layerlib._hamming import hamming_of_each
from layerlib._tensors import all_finite, floats
from layerlib.backward.separation import Cloud
from layerlib.filters.change import changed
from layerlib.inspection._intervals import Estimate, Resampling
from layerlib.layers._weights import effective, filters_first, weight_in
from layerlib.nodes._in_parts import log_posteriors
from layerlib.nodes.classifiers import SYSTEMS
from layerlib.patterns import active, perplexity_and_surprisals

QUANTITIES = {
    "distribution": ("distance", "probe_accuracy"),
    "patterns": ("perplexity", "entropy", "hamming"),
    "nodes": SYSTEMS,
    "targets": ("target_silhouette", "target_accuracy", "feature_silhouette", "feature_accuracy"),
    "rank": ("effective_rank",),
    "cka": ("cka",),
    "filters": ("change", "relative_change"),
}
SEPARATED = 2000  # samples at most for what costs their square
NEIGHBOURS = 5

Numbers = dict[str, Estimate]


def shuffled(labels: Tensor) -> Tensor:
    """The labels in another order, always the same for as many."""
    return labels[_order(len(labels), labels.device)]


@lru_cache(maxsize=4)
def _order(count: int, device: torch.device) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(0)).to(device, non_blocking=True)


# of labels that are the same tensor for every layer, asked once: a GPU is waited for each time
@lru_cache(maxsize=4)
def _sizes(labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """ln of the number of samples of each class, and which classes have several."""
    cap = labels.new_zeros(classes).index_add_(0, labels, torch.ones_like(labels)).double().log()
    return cap, (cap > 0).nonzero()[:, 0]


@lru_cache(maxsize=4)
def _numbered(labels: Tensor) -> tuple[Tensor, int]:
    """The classes that occur, numbered from 0, for each label, and how many these are."""
    classes, own = labels.unique(return_inverse=True)
    return own, len(classes)


def patterns(
    z: Tensor, labels: Tensor, classes: int, means: Tensor | None = None, resampling: Resampling | None = None
) -> Asking[Numbers]:
    """Layer ``perplexity``, mean over classes; its ``entropy``, mean over classes of ln P / ln N_c; and ``hamming``.

    ``hamming`` is the mean Hamming distance of the patterns of two samples of one class, by that of two of different
    classes; 1 where all patterns are one. With the labels shuffled, all three are the null: a layer whose patterns do
    not tell classes apart has the same numbers in both.

    Parameters
    ----------
    means : where ``z`` is the largest over places, the mean over them: a channel that is on at some of several places
        for every sample is nothing odd

    Raises
    ------
    ValueError
        if no class has two samples, or every node, of one place, is on for every sample
    """
    labels = labels.to(z.device)
    cap, several = _sizes(labels, classes)
    on = z > 0
    unknown, all_on = yield torch.stack([z.isnan().any(), on.all()])
    if not len(several):
        raise ValueError("no two of the samples judged are of one class")
    if unknown:
        active(z)
    if all_on and (means is None or torch.equal(z, means)):
        raise ValueError("every node is on for every sample, as behind an activation; name the layer before it")
    perplexity, alone = yield from perplexity_and_surprisals(on, labels, classes)
    # 1 but for rounding, where there is one pattern
    perplexity = perplexity.clamp(min=1)
    within, between = hamming_of_each(on, labels, classes)
    apart = within.sum(1) / between.sum(1)
    # patterns that are all one are as far apart within classes as between them
    several_patterns = between[0].any()
    graded = torch.where(several_patterns, apart[0] / apart[1], 1 + 0 * apart[1])
    draws: list[Tensor | None] = [None] * 3
    if resampling is not None:
        logs = resampling.class_means(alone, labels, classes)
        spread = (resampling.ratio(*within) / resampling.ratio(*between)).clamp(min=0)
        spread = torch.where(several_patterns, spread, graded)
        draws = [logs.exp().nanmean(1), (logs / cap)[:, several].nanmean(1), spread.expand(len(logs))]
    values = perplexity.nanmean(), (perplexity.log() / cap)[several].mean(), graded
    return named("patterns", (yield torch.stack(values)), draws)


def nodes(
    fitted: Tensor,
    labels: Tensor,
    judged: Tensor,
    truth: Tensor,
    classes: int,
    resampling: Resampling | None = None,
    memory: float = math.inf,
) -> Asking[Numbers]:
    """Accuracy of the node systems, fitted on one part and judged on the other."""
    guesses = (yield from log_posteriors(fitted, labels.to(fitted.device), judged, classes, memory)).argmax(2)
    right = (guesses == truth.to(guesses.device)).double()
    draws = [None] * 3 if resampling is None else resampling.mean(right.T).unbind(1)
    return named("nodes", (yield right.mean(1)), draws)


def separated(values: Tensor, labels: Tensor, what: str, resampling: Resampling | None = None) -> Asking[Numbers]:
    """Silhouette and k-NN accuracy of ``values``, shape (N, channels).

    Raises
    ------
    ValueError
        if samples whose values are not all 0 are too few, or not at least two of one class and one of another
    """
    cloud = yield from Cloud.of(values, labels, _numbered(labels.to(values.device)))
    known = len(cloud.rows)
    if known <= NEIGHBOURS:
        raise ValueError(
            f"its {what}s are other than 0 for only {known} of {cloud.points} samples, too few for {NEIGHBOURS} "
            "neighbours"
        )
    if not 2 <= cloud.classes < known:
        raise ValueError(
            f"its {what}s other than 0 are of {cloud.classes} classes for {known} samples, where two classes "
            "and two samples of one are needed"
        )
    right, silhouettes = cloud.separation(NEIGHBOURS)
    draws = (
        [None] * 2
        if resampling is None
        else resampling.mean(
            torch.stack([silhouettes, right.double()], 1),
            None if known == cloud.points else cloud.rows.to(resampling.counts.device),
        ).unbind(1)
    )
    found = yield torch.stack([silhouettes.mean(), right.sum(dtype=torch.float64) / known])
    return {
        f"{what}_{name}": Estimate(*each) for name, *each in zip(("silhouette", "accuracy"), found, draws, strict=True)
    }


def filters(before: Mapping[str, Tensor], layer: nn.Module, name: str, seed: int = 0) -> Asking[Numbers]:
    """``change``, the mean squared change of a weight, and ``relative_change`` of its norm, NaN from weights of 0.

    Raises
    ------
    ValueError
        if the layer has no weights of its own, or ``before`` has none of it, or of another shape, or the very same
    """
    after = effective(layer)
    if after is None or after.ndim < 2:
        raise ValueError("it has no filters: no parameter called weight of two or more dimensions")
    after, old = filters_first(after, layer), weight_in(before, name, layer)
    if old is None:
        raise ValueError("before has no weights under its name")
    if old.shape != after.shape:
        raise ValueError(f"before has weights of shape {tuple(old.shape)}, expected {tuple(after.shape)}")
    own = {parameter.data_ptr() for parameter in layer.parameters()}
    if any(key.startswith(f"{name}.") and "weight" in key and each.data_ptr() in own for key, each in before.items()):
        raise ValueError("before holds the very weights of the network; make the copy, by copy.deepcopy, in time")
    old, new = (weight.detach().to(after.device).flatten(1) for weight in (old, after))
    if not all((yield torch.stack([all_finite(each) for each in (old, new)]))):
        raise ValueError("its weights, or those in before, are not finite")
    found = yield from changed(floats("before", old), floats("after", new), threshold=1.0)
    change, size = found.per_weight, old.double().square().mean()
    drawn = Resampling(len(new), seed, new.device).mean(
        torch.stack([found.per_filter, old.double().square().sum(1)], 1) / old.shape[1]
    )
    change, relative = yield torch.stack([change, (change / size).sqrt().where(size > 0, torch.nan)])
    return {
        "change": Estimate(change, drawn[:, 0]),
        "relative_change": Estimate(relative, (drawn[:, 0] / drawn[:, 1]).sqrt()),
    }


def unmoved() -> Asking[Numbers]:
    """What ``filters`` finds where no weight has changed."""
    yield from ()
    return {quantity: Estimate(0.0) for quantity in QUANTITIES["filters"]}


def named(instrument: str, values: Sequence[float], draws: Sequence[Tensor | None]) -> Numbers:
    """The quantities of an instrument, in their order, with these values and draws."""
    return {
        quantity: Estimate(value, drawn)
        for quantity, value, drawn in zip(QUANTITIES[instrument], values, draws, strict=True)
    }
