"""Pictures of an inspection: a sample of each class, and what guided-bp-DNN draws for it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from layerlib._checks import in_short
from layerlib.backward.guided import guided_as_far
from layerlib.data._samples import Samples
from layerlib.inspection._outputs import putting_out_logits
from layerlib.layers._channels import precise

PICTURES = 8


def first_of_each(samples: Samples, judged: Tensor) -> list[int]:
    """Numbers of the first judged sample of each of the first classes."""
    rows = judged.nonzero()[:, 0]
    labels = samples.labels.cpu()[rows]
    labels = labels if labels.ndim == 1 else labels.argmax(1)
    return [int(rows[(labels == each).nonzero()[0, 0]]) for each in labels.unique()[:PICTURES]]


def drawn(
    model: nn.Module,
    samples: Samples,
    judged: Tensor,
    like: Tensor,
    output: Callable | None,
    untold: str | None,
    batch_size: int,
) -> tuple[Tensor | None, Tensor | None, str | None, list[str]]:
    """Images, what guided-bp-DNN draws for them, and why it does not; None for what are no pictures.

    And the modules that it cannot guide, through which the plain derivative passes.
    """
    try:
        rows = first_of_each(samples, judged)
        given = samples.take(rows)
        images = given.given.get(0)
        if len(given.given) > 1 or not isinstance(images, Tensor) or images.ndim != 4 or images.shape[1] > 4:
            return None, None, f"its samples are no pictures, but {given.shape()}", []
        images = (precise(images) if images.is_floating_point() else images).cpu()
    except ValueError as error:
        return None, None, in_short(error), []
    if untold is not None:
        return images, None, untold, []
    labels = samples.labels.cpu()[rows]  # where a look at them waits for no device
    labels = labels if labels.ndim == 1 else labels.argmax(1)
    try:
        x = given.ready(like).given[0]
        pairs = zip(x.split(batch_size), labels.split(batch_size), strict=True)
        with putting_out_logits(model, output):
            pictures, passed = zip(*(guided_as_far(model, *pair) for pair in pairs), strict=True)
    except Exception as error:  # a picture that cannot be drawn must not cost the numbers
        return images, None, in_short(error), []
    picture = torch.cat(pictures)
    picture = picture if picture.dtype == torch.float64 else picture.float()
    unguided = dict(step for each in passed for step in each.items())
    return images, picture.cpu(), None, [f"{name or 'the network'} ({kind})" for name, (kind, _) in unguided.items()]
