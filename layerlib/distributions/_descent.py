"""Steps of gradient descent for the probes of many layers side by side."""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from layerlib.distributions._features import Features


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
    parameters: Sequence[Tensor],
    update: torch.optim.Optimizer,
    loss: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """A step for each of ``batches``, the numbers of its samples; the mean loss of each probe, float64."""
    weight, bias = parameters
    total = torch.zeros(len(weight), dtype=torch.float64, device=weight.device)
    for rows in batches:
        there, here = (rows.to(x.device, non_blocking=True) for x in (features.pooled, targets))
        logits = logits_of(features.pooled.index_select(1, there).to(weight.device, non_blocking=True), weight, bias)
        each = loss(logits, targets[here].expand_as(logits)).mean((1, 2))
        update.zero_grad()
        each.sum().backward()
        update.step()
        total += len(rows) * each.detach()
    return total / len(features)


def logits_of(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``F.linear`` of every probe: (P, n, F), (P, K, F), (P, K) -> (P, n, K)."""
    # in this order the gradient of the weight is a product along rows: on a CPU a step is a third shorter
    return torch.baddbmm(bias[:, :, None], weight, x.mT).mT
