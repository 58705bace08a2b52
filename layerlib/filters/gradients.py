"""How large a layer's gradient is, and the two factors it is made of (Hu et al. 2018, sec. IV-D)."""

import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from layerlib._forward import as_input
from layerlib.data.load import Split
from layerlib.filters.zeroing import own_weight
from layerlib.layers.capture import capture


class GradientSizes(NamedTuple):
    """Root mean squares, one a layer.

    Attributes
    ----------
    input : float64, shape (layers,)
        of the layer's input a (eq. 4)
    error : float64, shape (layers,)
        of the derivative of the summed loss in the layer's output, δ (eq. 5)
    gradient : float64, shape (layers,)
        of the derivative of the mean loss in the layer's weights
    """

    input: Tensor
    error: Tensor
    gradient: Tensor


def gradient_sizes(model: nn.Module, names: Sequence[str], batch: Split, seed: int = 0) -> GradientSizes:
    """How large inputs, errors and gradients of the named layers are on one batch, as in a training step.

    In training mode, so that batch norms and dropout do what they do there; on a copy, so that ``model`` stays as is.

    Parameters
    ----------
    names : of layers with a weight, as ``model.named_modules()`` gives them
    batch : images and class numbers
    seed : of dropout

    Raises
    ------
    ValueError
        for an unknown layer or one without a weight

    Examples
    --------
    >>> gradient_sizes(model, ["features.0", "features.28"], data.train[:64]).gradient.shape
    torch.Size([2])
    """
    model = copy.deepcopy(model).train()
    device = next(model.parameters()).device
    inputs: dict[str, Tensor] = {}

    def keep(name: str):
        return lambda module, arguments: inputs.update({name: arguments[0]})

    with capture(model, names) as seen, torch.random.fork_rng():
        weights = [own_weight(model.get_submodule(name), name) for name in names]
        for name in names:
            model.get_submodule(name).register_forward_pre_hook(keep(name))
        torch.manual_seed(seed)
        logits = model(as_input(batch.images.to(device), weights[0].dtype))
        loss = F.cross_entropy(logits, batch.labels.to(device), reduction="sum")
        found = torch.autograd.grad(loss, [*(seen[name] for name in names), *weights])
    errors, gradients = found[: len(names)], found[len(names):]
    return GradientSizes(_sizes([inputs[name] for name in names]), _sizes(errors), _sizes(gradients) / len(batch))


def _sizes(tensors: Sequence[Tensor]) -> Tensor:
    return torch.stack([tensor.detach().double().square().mean().sqrt() for tensor in tensors])
