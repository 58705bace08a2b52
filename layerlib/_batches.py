"""Batches that a network is given, and what it answers, checked where gradients belong to single samples."""

import re

import torch
from torch import Tensor, nn

from layerlib._tensors import all_finite, first_parameter

# steps as autograd names them
MOVING = re.compile(
    "Alias|AsStrided|Clone|Expand|Mean|Permute|Reshape|Select|Slice|Split|Squeeze|Sum|T(ranspose)?Back|"
    "ToCopy|Unbind|Unsafe(View|Split)|Unsqueeze|View|AdaptiveAvgPool|AvgPool"
)
AFFINE = re.compile("(Add|Sub)Back|Add(mm|mv|bmm)Back|Baddbmm|Bmm|Convolution|Linear|MmBack|Mv|Mkldnn|Slow|Thnn")


def check_batch(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """x (N, …) on the device of the model, and y, int64 (N,); ValueError where they do not fit each other or it."""
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"x: expected shape (N, …) with at least one sample, got {tuple(x.shape)}")
    if y.dtype != torch.int64 or y.shape != x.shape[:1]:
        raise ValueError(
            f"y: expected int64 class numbers of shape ({len(x)},), one per sample of x, got {y.dtype} {tuple(y.shape)}"
        )
    check_input(x, first_parameter(model), model)
    return x.to(first_parameter(model).device), y


def check_input(x: Tensor, parameter: Tensor, model: nn.Module) -> None:
    """ValueError unless x is finite, and of the precision of a model with such a parameter, or numbers to look up."""
    embeds = not x.is_floating_point() and any(isinstance(module, nn.Embedding) for module in model.modules())
    if x.dtype != parameter.dtype and not embeds:
        raise ValueError(f"x: expected {parameter.dtype} like the model, got {x.dtype}")
    if not all_finite(x):
        raise ValueError(f"x: {int((~x.isfinite()).sum())} of {x.numel()} values are not finite")


def check_logits(logits: Tensor, y: Tensor, others: Tensor | None = None) -> Tensor:
    """The class numbers y on the device of the logits; ValueError unless logits are (N, K) and y below K.

    Of a few samples, logits may lie in [0, 1] by chance: where ``others`` of the network are known, these tell.
    """
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(y):
        got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(f"model: expected logits of shape ({len(y)}, K), got {got}")
    classes = logits.shape[1]
    low, high = torch.stack(y.aminmax()).tolist()
    if not 0 <= low <= high < classes:
        raise ValueError(
            f"y: expected class numbers 0 to {classes - 1}, the model has {classes} outputs, got {low} to {high}"
        )
    values = logits.detach().double()
    several = values if others is None else others
    # asked at once: a GPU is waited for each time
    finite, probable, logarithms, squashed = torch.stack(
        [
            all_finite(values),
            (values >= 0).all() & values.sum(1).isclose(values.new_ones(())).all(),
            (values.logsumexp(1).abs() < 1e-5).all(),
            ((several >= 0) & (several <= 1)).all().to(values.device),
        ]
    ).tolist()
    if not finite:
        raise ValueError("model: its logits are not finite")
    if probable or logarithms:
        raise ValueError("model: expected logits, got probabilities or their logarithms; leave out the last softmax")
    if squashed and not _affine(logits.grad_fn):
        raise ValueError("model: expected logits, got numbers that are all in [0, 1]; leave out the last sigmoid")
    return y.to(logits.device, non_blocking=True)


def _affine(step) -> bool:
    """Whether autograd's step, or the one before what only moves numbers about, multiplies by weights."""
    while step is not None and MOVING.match(step.name()):
        step = step.next_functions[0][0]
    return step is not None and AFFINE.match(step.name()) is not None
