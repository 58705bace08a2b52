"""The errors at the top that are carried back for the null of targets: those of other samples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from layerlib._forward import label_error
from layerlib._tensors import all_finite
from layerlib.inspection._outputs import two_columns


@dataclass(frozen=True)
class Errors:
    """Derivatives p - y of the loss in the logits, and the class of each: what is carried back for the null.

    Attributes
    ----------
    values : shape (n, K)
    labels : int64, shape (n,)
    """

    values: Tensor
    labels: Tensor


def errors_of(logits: Tensor, own: Tensor, labels: Tensor, count: int, seed: int) -> Errors | None:
    """Errors p - y of up to ``count`` samples in a random order, with their classes; None where there are none.

    Parameters
    ----------
    logits : shape (N, K), or (N, 0)
    own, labels : class numbers as the network has them, and as the inspection does, shapes (N,)
    """
    if not logits.shape[1] or not bool(all_finite(logits)):
        return None
    logits = two_columns(logits)
    if int(own.max()) >= logits.shape[1]:
        return None
    random = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(own), generator=random)[:count].to(logits.device, non_blocking=True)
    return Errors(label_error(logits, own.to(logits.device, non_blocking=True))[rows], labels[rows])
