"""How large a layer's gradient is, and the two factors it is made of (Hu et al. 2018, sec. IV-D)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from layerlib._checks import any_whole_number, checked, several_names
from layerlib._forward import batches, ordinary, running
from layerlib._precision import as_asked
from layerlib._tensors import first_parameter, labelled, network
from layerlib.data.splits import Split
from layerlib.layers._calls import calls_of
from layerlib.layers._names import bare, named_layers
from layerlib.layers._weights import twin_of, weight_of


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


@torch.inference_mode(False)  # whatever the caller's mode
@torch.enable_grad()
@checked(model=network, names=several_names, batch=labelled, seed=any_whole_number)
def gradient_sizes(model: nn.Module, names: str | Sequence[str], batch: Split, seed: int = 0) -> GradientSizes:
    """How large inputs, errors and gradients of the named layers are on one batch, as in a training step.

    In training mode, so that batch norms and dropout do what they do there; on a copy, so that ``model`` stays as is.
    Frozen layers are read like the others.

    Parameters
    ----------
    names : one or several, of layers with a weight, as ``model.named_modules()`` gives them; of a parametrised or
        pruned layer the gradient is that in the weight which it makes
    batch : images and class numbers
    seed : of dropout

    Raises
    ------
    ValueError
        for an unknown layer or one without a weight, or a batch that the network does not run on, or with other labels
        than class numbers below the number of its outputs

    Examples
    --------
    >>> gradient_sizes(model, ["features.0", "features.28"], data.train[:64]).gradient.shape
    torch.Size([2])
    """
    if batch.labels.ndim != 1:
        raise ValueError(f"batch: expected class numbers as labels, got multi-hot {tuple(batch.labels.shape)}")
    model = twin_of(bare(model)).train()
    parameter = first_parameter(model)
    for each in model.parameters():
        each.requires_grad_(each.is_floating_point())
    layers = named_layers(model, names)
    for name, layer in layers.items():
        weight_of(layer, name)  # refuses one without
    # a parametrised weight is made once, so that it is the one which the gradient is taken in
    with torch.random.fork_rng(), parametrize.cached(), as_asked():
        torch.manual_seed(seed)
        x = next(batches(batch.images, len(batch), parameter))
        with running("batch", x):
            calls, logits = calls_of(model, x, layers)
        if int(batch.labels.max()) >= logits.shape[1]:
            raise ValueError(f"batch: expected class numbers below {logits.shape[1]}, got {int(batch.labels.max())}")
        loss = F.cross_entropy(logits, ordinary(batch.labels).to(logits.device), reduction="sum")
        # of a layer that runs several times, the last
        last = {call.name: call for call in calls.values()}
        weights = [layer.weight for layer in layers.values()]
        found = torch.autograd.grad(loss, [*(last[name].output for name in layers), *weights])
    errors, gradients = found[: len(layers)], found[len(layers) :]
    return GradientSizes(_sizes([last[name].entry for name in layers]), _sizes(errors), _sizes(gradients) / len(batch))


def _sizes(tensors: Sequence[Tensor]) -> Tensor:
    return torch.stack([tensor.detach().double().square().mean().sqrt() for tensor in tensors])
