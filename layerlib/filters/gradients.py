"""How large a layer's gradient is, and the two factors it is made of (Hu et al. 2018, sec. IV-D)."""

import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from layerlib._checks import first_parameter, names_of
from layerlib._forward import as_input
from layerlib.data.splits import Split
from layerlib.filters.zeroing import own_weight
from layerlib.layers._calls import calls_of
from layerlib.layers._names import named_layers


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
    layers = named_layers(model, names_of(names))
    weights = [own_weight(layer, name) for name, layer in layers.items()]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        device = first_parameter(model).device
        calls, logits = calls_of(model, as_input(batch.images.to(device), weights[0].dtype), layers)
        loss = F.cross_entropy(logits, batch.labels.to(device), reduction="sum")
        # of a layer that runs several times, the last
        last = {call.name: call for call in calls.values()}
        found = torch.autograd.grad(loss, [*(last[name].output for name in layers), *weights])
    errors, gradients = found[: len(layers)], found[len(layers):]
    return GradientSizes(_sizes([last[name].entry for name in layers]), _sizes(errors), _sizes(gradients) / len(batch))


def _sizes(tensors: Sequence[Tensor]) -> Tensor:
    return torch.stack([tensor.detach().double().square().mean().sqrt() for tensor in tensors])
