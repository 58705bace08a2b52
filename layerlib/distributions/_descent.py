"""Steps of gradient descent for the probes of many layers side by side."""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from layerlib.distributions._features import Features

Loss = Callable[[Tensor, Tensor], Tensor]

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


class Descent:
    """The rule of ``torch.optim.SGD``, whose bookkeeping takes longer than a small step."""

    def __init__(self, parameters: Sequence[tuple[Tensor, Tensor]], momentum: float, decay: float):
        self.parameters, self.momentum, self.decay = parameters, momentum, decay
        self._speeds = [[torch.zeros_like(each) for each in pair] for pair in parameters]

    def step(self, slopes: Iterable[tuple[Tensor, Tensor]], rate: float) -> None:
        for pair, speeds, found in zip(self.parameters, self._speeds, slopes, strict=True):
            for parameter, speed, slope in zip(pair, speeds, found, strict=True):
                speed.mul_(self.momentum).add_(slope.add_(parameter, alpha=self.decay))
                parameter.add_(speed, alpha=-rate)


@torch.no_grad()
def one_epoch(
    features: Features, targets: Tensor, batches: Iterable[Tensor], descent: Descent, rate: float, loss: Loss | None
) -> Tensor:
    """A step for each of ``batches``, the numbers of its samples; the mean loss of each probe, float64.

    The parameters of the ``descent`` are weights and biases of layers that follow one another, those of ``alike``.
    Without a ``loss`` it goes down binary cross-entropy, and does not say how large that is: NaN.
    """
    device = targets.device
    total = torch.zeros(len(features.pooled), dtype=torch.float64, device=device)
    for rows in batches:
        there, here = (rows.to(x.device, non_blocking=True) for x in (features.pooled, targets))
        given, start = [], 0
        for weight, _ in descent.parameters:
            pooled = features.pooled[start : start + len(weight), :, : weight.shape[2]]
            start += len(weight)
            x = pooled.index_select(1, there) if pooled.is_contiguous() else pooled[:, there]
            given.append(x.to(device, non_blocking=True))
        each = [logits_of(x, *pair).mT for x, pair in zip(given, descent.parameters, strict=True)]
        logits = each[0] if len(each) == 1 else torch.cat(each)
        mean, off = _off(logits, targets.index_select(0, here), loss)
        parts = off.split([len(weight) for weight, _ in descent.parameters])
        descent.step(((part @ x, part.sum(2)) for part, x in zip(parts, given, strict=True)), rate)
        total += len(rows) * mean
    return total / len(features)


def _off(logits: Tensor, targets: Tensor, loss: Loss | None) -> tuple[Tensor | float, Tensor]:
    """Mean ``loss`` of each probe, (P,), and its derivative in the ``logits``, both (P, K, n); targets (n, K)."""
    if loss is None:
        # as autograd has it, to the last bit
        return torch.nan, logits.sigmoid().sub_(targets.T).mul_(1 / targets.numel())
    logits = logits.mT
    with torch.enable_grad():
        mean = loss(logits.requires_grad_(), targets.expand_as(logits)).mean((1, 2))
        [off] = torch.autograd.grad(mean.sum(), logits)
    return mean.detach(), off.mT


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
