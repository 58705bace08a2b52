"""The three systems on values that are known when they are fitted, in bounded memory."""

from __future__ import annotations

import torch
from torch import Tensor

from layerlib._asking import Asking
from layerlib.nodes._counting import counted
from layerlib.nodes._densities import LogDensities
from layerlib.nodes._histograms import TooLarge
from layerlib.nodes.classifiers import SYSTEMS, NodeClassifiers


@torch.no_grad()
def log_posteriors(fitted: Tensor, labels: Tensor, judged: Tensor, classes: int, memory: float) -> Asking[Tensor]:
    """``NodeClassifiers.fit(fitted, labels).log_posteriors(judged)``, (3, N, C), in parts where memory is short.

    The nodes are halved until the histograms of a part, and the densities around the judged values, need no more than
    ``memory`` bytes each. Values are finite, and labels are classes.
    """
    judged = judged.to(fitted.device)
    parts, total = [slice(0, fitted.shape[1])], None
    while parts:
        part = parts.pop()
        try:
            batches = [(fitted[:, part], labels)]
            moments, histograms, dtype = yield from counted(batches, classes, "scott", 1, memory, known=True)
            densities = yield from LogDensities.of(histograms, dtype, judged[:, part].to(dtype), memory)
        except TooLarge:
            middle = (part.start + part.stop) // 2
            parts += [slice(middle, part.stop), slice(part.start, middle)]
            continue
        classifiers = NodeClassifiers(moments, histograms, dtype, densities)
        scores = classifiers._scores(judged[:, part].to(dtype), SYSTEMS)
        total = scores if total is None else total.add_(scores)
    return total.add_(classifiers.log_prior).log_softmax(2)
