"""Logits among what a network puts out, whether they are logits at all, and how often they are right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from layerlib._asking import Asking
from layerlib._checks import in_short
from layerlib._forward import wrong
from layerlib._tensors import all_finite
from layerlib.inspection._intervals import Estimate, Resampling


def logits_of(final: object, samples: int, output: Callable | None = None) -> object:
    """Logits, shape (n, K), where what came out is such or holds them in a usual place; else what came out.

    Parameters
    ----------
    final : a tensor (n, K) or, of one binary logit, (n,); or a tuple with it first, or an object or a dict with it as
        ``logits``
    output : what came out -> the logits, in place of the usual places
    """
    try:
        found = final if output is None else output(final)
    except Exception as error:  # whatever the reader's function raises
        raise ValueError(
            f"output: expected a function from what the network puts out, a {type(final).__name__}, to "
            f"its logits, got from it {in_short(error)}"
        ) from error
    for _ in range(2):  # a tuple may hold what holds them
        if isinstance(found, Tensor):
            break
        if isinstance(getattr(found, "logits", None), Tensor):
            found = found.logits
        elif isinstance(found, Mapping) and "logits" in found:
            found = found["logits"]
        elif isinstance(found, tuple | list) and found:
            found = found[0]
    if (
        not isinstance(found, Tensor)
        or not found.is_floating_point()
        or len(found.shape) not in (1, 2)
        or len(found) != samples
    ):
        return NotLogits(f"{tuple(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}")
    return found[:, None] if found.ndim == 1 else found


class NotLogits(str):
    """What a network puts out where it puts out no logits, in words."""


def needed(found: object, samples: int) -> Tensor:
    """Logits of at least two classes, of what ``logits_of`` found; ValueError where they are none."""
    if not isinstance(found, Tensor):
        raise ValueError(f"model: expected logits of shape ({samples}, K), got {found}; say with output where they are")
    return two_columns(found)


@contextmanager
def putting_out_logits(model: nn.Module, output: Callable | None) -> Iterator[None]:
    """Within the context the network puts out its logits and nothing else."""

    def instead(module: nn.Module, args: tuple, kwargs: dict, final: object) -> Tensor:
        samples = len(next(iter((*args, *kwargs.values()))))
        return needed(logits_of(final, samples, output), samples)

    handle = model.register_forward_hook(instead, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def two_columns(logits: Tensor) -> Tensor:
    """Logits of two classes from one binary logit, which is that of class 1 against class 0; others as they are."""
    return torch.cat([torch.zeros_like(logits), logits], 1) if logits.shape[1] == 1 else logits


def squashed(outputs: Tensor) -> Tensor:
    """Whether all that a network puts out is in [0, 1], as behind a sigmoid, and not all of it 0: bool, shape ()."""
    return ((outputs >= 0) & (outputs <= 1)).all() & (outputs > 0).any()


def accuracy(outputs: Tensor, labels: Tensor, resampling: Resampling) -> Asking[Estimate]:
    """Of the network itself; NaN where it does not put out a finite number for each class.

    Parameters
    ----------
    outputs : of the network, shape (N, K)
    labels : class numbers as the network has them, shape (N,), or multi-hot
    """
    classes = labels.shape[1] if labels.ndim == 2 else int(labels.max()) + 1
    if labels.ndim == 2 or outputs.shape[1] == 1:
        outputs = torch.where(squashed(outputs), outputs - 0.5, outputs)  # of probabilities, where a logit would be 0
    outputs = two_columns(outputs) if labels.ndim == 1 else outputs
    given = outputs.shape[1]
    fits = given > 1 and (given >= classes if labels.ndim == 1 else given == classes)
    if not fits:
        return Estimate(torch.nan)
    missed = wrong(outputs, labels.to(outputs.device, non_blocking=True)).double()
    finite = all_finite(outputs).double()
    finite, value, *draws = yield torch.cat([torch.stack([finite, 1 - missed.mean()]), resampling.mean(1 - missed)])
    return Estimate(value, torch.tensor(draws, dtype=torch.float32)) if finite else Estimate(torch.nan)
