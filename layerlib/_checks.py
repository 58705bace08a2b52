"""Checks of what a caller gives, each with the one sentence that refuses it."""

import difflib
import math
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from numbers import Integral, Real

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

# steps as autograd names them
MOVING = re.compile(
    "Alias|AsStrided|Clone|Expand|Mean|Permute|Reshape|Select|Slice|Split|Squeeze|Sum|T(ranspose)?Back|"
    "ToCopy|Unbind|Unsafe(View|Split)|Unsqueeze|View|AdaptiveAvgPool|AvgPool"
)
AFFINE = re.compile("(Add|Sub)Back|Add(mm|mv|bmm)Back|Baddbmm|Bmm|Convolution|Linear|MmBack|Mv|Mkldnn|Slow|Thnn")


def closest(name: str, known: Iterable[str], cutoff: float = 0.6) -> list[str]:
    """Up to three of the ``known`` names that are most like ``name``."""
    return difflib.get_close_matches(name, list(known), n=3, cutoff=cutoff)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``"did you mean this or that?"``, or nothing where no known name is like ``name``."""
    close = closest(name, known)
    return f"did you mean {' or '.join(close)}?" if close else ""


def names_of(names: str | Iterable[str]) -> tuple[str, ...]:
    """One name or several, as several."""
    return (names,) if isinstance(names, str) else tuple(names)


def kind_of(value: object) -> str:
    """The class of a value, or the class itself, by name."""
    return value.__name__ if isinstance(value, type) else type(value).__name__


def whole_number(argument: str, value: object, least: int | None = 1) -> int:
    """The value as an int; ValueError, naming the argument, unless it is a whole number from ``least`` up."""
    if isinstance(value, bool) or not isinstance(value, Integral) or (least is not None and value < least):
        expected = "a whole number" if least is None else f"a whole number from {least} up"
        raise ValueError(f"{argument}: expected {expected}, got {value!r}")
    return int(value)


def first_parameter(model: nn.Module) -> nn.Parameter:
    """The parameter whose device and precision stand for the network's (ValueError without one, or without values)."""
    parameters = list(model.parameters())
    if not parameters:
        raise ValueError(f"model: {type(model).__name__} has no parameters")
    if any(p.is_meta or isinstance(p, UninitializedParameter) for p in parameters):
        raise ValueError(
            "model: expected weights with values, got some without: run its lazy layers once, or load "
            "weights into those on the meta device"
        )
    return parameters[0]


def check_batch(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """x (N, …) and y, int64 (N,), on the device of the model; ValueError where they do not fit each other or it."""
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"x: expected shape (N, …) with at least one sample, got {tuple(x.shape)}")
    if y.dtype != torch.int64 or y.shape != x.shape[:1]:
        raise ValueError(
            f"y: expected int64 class numbers of shape ({len(x)},), one per sample of x, got {y.dtype} {tuple(y.shape)}"
        )
    parameter = first_parameter(model)
    if x.is_meta:
        raise ValueError(f"x: expected on {parameter.device} like the model, got on {x.device}")
    embeds = not x.is_floating_point() and any(isinstance(module, nn.Embedding) for module in model.modules())
    if x.dtype != parameter.dtype and not embeds:
        raise ValueError(f"x: expected {parameter.dtype} like the model, got {x.dtype}")
    if not x.isfinite().all():
        raise ValueError(f"x: {int((~x.isfinite()).sum())} of {x.numel()} values are not finite")
    return x.to(parameter.device), y.to(parameter.device)


def check_logits(logits: Tensor, y: Tensor, others: Tensor | None = None) -> Tensor:
    """The class numbers y on the device of the logits; ValueError unless logits are (N, K) and y below K.

    Of a few samples, logits may lie in [0, 1] by chance: where ``others`` of the network are known, these tell.
    """
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(y):
        got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(f"model: expected logits of shape ({len(y)}, K), got {got}")
    classes = logits.shape[1]
    if not 0 <= int(y.min()) <= int(y.max()) < classes:
        raise ValueError(
            f"y: expected class numbers 0 to {classes - 1}, the model has {classes} outputs, "
            f"got {int(y.min())} to {int(y.max())}"
        )
    values = logits.detach().double()
    if not values.isfinite().all():
        raise ValueError("model: its logits are not finite")
    probable = bool((values >= 0).all() and torch.allclose(values.sum(1), torch.ones_like(values[:, 0])))
    if probable or bool((values.logsumexp(1).abs() < 1e-5).all()):
        raise ValueError("model: expected logits, got probabilities or their logarithms; leave out the last softmax")
    several = values if others is None else others
    if bool(((several >= 0) & (several <= 1)).all()) and not _affine(logits.grad_fn):
        raise ValueError("model: expected logits, got numbers that are all in [0, 1]; leave out the last sigmoid")
    return y.to(logits.device)


def _affine(step) -> bool:
    """Whether autograd's step, or the one before what only moves numbers about, multiplies by weights."""
    while step is not None and MOVING.match(step.name()):
        step = step.next_functions[0][0]
    return step is not None and AFFINE.match(step.name()) is not None


def in_short(error: Exception) -> str:
    """What went wrong: our own sentence, or the first sentence of PyTorch's."""
    text = str(error).strip().split("\n")[0]
    return text if isinstance(error, ValueError) else f"{type(error).__name__}: {text.split('. ')[0].rstrip('.')}"


def number(argument: str, value: object, expected: str, fits: Callable[[float], bool] = math.isfinite) -> float:
    """The value as a float; ValueError, naming the argument and what is ``expected``, unless it fits."""
    if isinstance(value, bool) or not isinstance(value, Real) or not fits(float(value)):
        raise ValueError(f"{argument}: expected {expected}, got {value!r}")
    return float(value)


def share(argument: str, value: object) -> float:
    """The value as a float; ValueError, naming the argument, unless it is a number in [0, 1]."""
    return number(argument, value, "a number in [0, 1]", lambda given: 0 <= given <= 1)


def as_tensor(argument: str, value: object, dtype: torch.dtype | None = None) -> Tensor:
    """A tensor as it is, a numpy array, numbers or nested lists of them as a tensor; ValueError for anything else."""
    if isinstance(value, (Real, list, tuple)):
        with suppress(TypeError, ValueError, RuntimeError):  # rows of unequal lengths, or no numbers
            return torch.tensor(value, dtype=dtype)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        # PyTorch takes neither reversed nor read-only arrays without a word
        value = torch.from_numpy(np.require(value, value.dtype.newbyteorder("="), ["C", "W"]))
    if not isinstance(value, Tensor):
        kind = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else kind_of(value)
        raise ValueError(f"{argument}: expected a tensor or an array of numbers, got {kind}")
    return value if dtype is None else value.to(dtype)
