"""Steps of gradient descent for the probes of many layers side by side."""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from layerlib.distributions._features import Features

SPARE = 3000  # zeros a sample: more take longer than a product of their own


def check_finite(losses: Sequence[Tensor], first: int, rate: float) -> Tensor:
    """Losses of the epochs from the ``first`` on, on the CPU; ValueError where one is not finite."""
    found = torch.stack(list(losses)).cpu()
    for epoch, each in enumerate(found, start=first):
        if not each.isfinite().all():
            raise ValueError(
                f"loss: not finite in epoch {epoch} ({each.tolist()}); lower rate from {rate}, or the scale of features"
            )
    return found


def one_epoch(
    features: Features,
    targets: Tensor,
    batches: Iterable[Tensor],
    parameters: Sequence[tuple[Tensor, Tensor]],
    update: torch.optim.Optimizer,
    loss: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """A step for each of ``batches``, the numbers of its samples; the mean loss of each probe, float64.

    ``parameters`` are weights and biases of layers that follow one another, those of ``alike``.
    """
    device = targets.device
    total = torch.zeros(len(features.pooled), dtype=torch.float64, device=device)
    for rows in batches:
        there, here = (rows.to(x.device, non_blocking=True) for x in (features.pooled, targets))
        each, start = [], 0
        for weight, bias in parameters:
            pooled = features.pooled[start : start + len(weight), :, : weight.shape[2]]
            start += len(weight)
            x = pooled.index_select(1, there) if pooled.is_contiguous() else pooled[:, there]
            each.append(logits_of(x.to(device, non_blocking=True), weight, bias).mT)
        logits = torch.cat(each).mT
        mean = loss(logits, targets[here].expand_as(logits)).mean((1, 2))
        update.zero_grad()
        mean.sum().backward()
        update.step()
        total += len(rows) * mean.detach()
    return total / len(features)


def alike(sizes: Sequence[int]) -> list[slice]:
    """Layers that follow one another in groups, each of which may be padded to its widest: at most ``SPARE`` zeros."""
    ends = [0]
    for end in range(1, len(sizes) + 1):
        group = sizes[ends[-1] : end]
        if len(group) * max(group) - sum(group) > SPARE:
            ends.append(end - 1)
    return [slice(*each) for each in pairwise([*ends, len(sizes)])]


def logits_of(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``F.linear`` of every probe: (P, n, F), (P, K, F), (P, K) -> (P, n, K)."""
    # in this order the gradient of the weight is a product along rows: on a CPU a step is a third shorter
    return torch.baddbmm(bias[:, :, None], weight, x.mT).mT
