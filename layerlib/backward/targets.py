"""Forward- and back-propagation layer by layer: targets and direct losses (Xie & Lai 2018, eqs. 2-10).

The printed loss, Σ y log p, lacks its minus sign: here ℓ = -Σ y log p, the cross-entropy of the softmax, whose
gradient in the logits is p - y. So õ_l points where the loss grows, and the target that trains the encoder is -õ_l.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from layerlib._batches import check_batch, check_logits
from layerlib._checks import checked, several_names
from layerlib._forward import differentiating, label_error, ordinary, running
from layerlib._tensors import network, numbers
from layerlib.layers._calls import Call, calls_of
from layerlib.layers._names import bare, named_layers, weighted_layers


@dataclass(frozen=True)
class LayerPass:
    """One layer with weights in one forward and backward pass, sample by sample.

    Attributes
    ----------
    layer : the module
    input : shape (N, …), o_{l-1}, what came into the layer
    preactivation : shape (N, …), z_l, what it put out (equation 2)
    target : the shape of ``preactivation``, õ_l = ∂ℓ/∂z_l of each sample (equations 3, 4)
    """

    layer: nn.Module
    input: Tensor
    preactivation: Tensor
    target: Tensor


@checked(model=network, x=numbers, y=numbers, names=several_names)
def targets(model: nn.Module, x: Tensor, y: Tensor, names: Iterable[str] | None = None) -> dict[str, Tensor]:
    """Every layer's back-propagated target õ_l = ∂ℓ/∂z_l, per sample (Xie & Lai 2018, eqs. 3-4).

    ℓ is each sample's cross-entropy, not averaged over the batch; the last target is p - y. One forward and one
    backward pass; parameters, ``x`` and their ``.grad`` are not touched. The pass is made in evaluation mode (else
    dropout would make it random and batch norm would couple the samples) and each module's mode is restored.

    Parameters
    ----------
    model : puts out logits, shape (N, K); made of linear and convolution layers, parametrised or pruned ones too, and
        anything without weights between. What ``torch.compile`` made runs as written.
    x : shape (N, …), the model's input, of its dtype. Targets of a trained network are tiny (|p - y|
        about 3e-5): p - y is computed without cancellation, and ``model.double()`` with ``x.double()`` does the rest.
    y : int64, shape (N,), class numbers
    names : the layers wanted, any names of ``model.named_modules()``; by default every linear and convolution layer
        that runs, in the order in which they run. A layer that runs again is listed again, as ``"name#2"``.

    Returns
    -------
    name -> tensor, shape (N, …), õ_l in the shape of the layer's output

    Raises
    ------
    ValueError
        if the shapes, dtypes, devices or class numbers do not fit; a name is unknown; the loss does not reach a layer
        by back-propagation; weights lie outside linear and convolution layers and ``names`` is not given; batch norm
        has no running statistics; the model has no weights, or is a script, an exported or a quantised network; or it
        puts out probabilities instead of logits

    Examples
    --------
    >>> model = MLP((784, 100, 10))
    >>> {name: t.shape for name, t in targets(model, torch.zeros(5, 1, 28, 28), torch.arange(5)).items()}
    {'linear1': torch.Size([5, 100]), 'linear2': torch.Size([5, 10])}
    """
    return {name: each.target for name, each in propagate(model, x, y, names).items()}


@checked(model=network, x=numbers, y=numbers, names=several_names, order=numbers)
def propagate(
    model: nn.Module, x: Tensor, y: Tensor, names: Iterable[str] | None = None, order: Tensor | None = None
) -> dict[str, LayerPass]:
    """Inputs o_{l-1}, pre-activations z_l and targets õ_l of every layer, from the same pass as ``targets``.

    Parameters, checks and errors are those of ``targets``; and

    Parameters
    ----------
    order : int64, shape (N,), a permutation: back through sample i goes the error p - y of sample ``order[i]``, as a
        control for what targets owe to the error itself; by default each sample's own

    Examples
    --------
    >>> passes = propagate(model, images, labels)
    >>> dot, cosine = alignment(-passes["linear3"].target, passes["linear3"].preactivation)
    """
    model = bare(model)
    x, y = check_batch(model, x, y)
    with differentiating(model):
        with running("x", x):
            calls, logits = calls_of(model, ordinary(x), _layers(model, names))
        _check_calls(calls, len(x))
        error = label_error(logits.detach(), check_logits(logits, y))
        if order is not None:
            error = error[_permutation(order, len(x)).to(error.device)]
        reached = [None] * len(calls)
        if logits.requires_grad:
            outputs = [call.output for call in calls.values()]
            reached = torch.autograd.grad(logits, outputs, error, allow_unused=True)
    missed = [name for name, target in zip(calls, reached, strict=True) if target is None]
    missed += [] if names is None else [name for name in names if name not in calls]
    if missed or not calls:
        raise ValueError(
            f"model: the loss does not reach {missed or 'any layer'} by back-propagation: the layer did "
            "not run, or was cut off by detach or no_grad, or its output was not used; name the others "
            "in names"
        )
    return {
        name: LayerPass(call.module, call.entry.detach(), call.output.detach(), target)
        for (name, call), target in zip(calls.items(), reached, strict=True)
    }


def _permutation(order: Tensor, samples: int) -> Tensor:
    whole = not order.is_floating_point() and order.shape == (samples,)
    if not whole or not torch.equal(order.sort().values.cpu(), torch.arange(samples)):
        raise ValueError(
            f"order: expected a permutation of 0 to {samples - 1}, one number per sample of x, got "
            f"{order.dtype} {tuple(order.shape)}"
        )
    return order.long()


def _check_calls(calls: Mapping[str, Call], samples: int) -> None:
    for name, call in calls.items():
        z = call.output
        if not isinstance(z, Tensor) or z.ndim < 2 or len(z) != samples:
            got = tuple(z.shape) if isinstance(z, Tensor) else type(z).__name__
            raise ValueError(f"model: expected layer {name!r} to put out ({samples}, …), got {got}")
        if call.overwritten:
            raise ValueError(
                f"model: the input of layer {name!r} was overwritten in place after the layer ran; write "
                "that step without in-place"
            )


def _layers(model: nn.Module, names: Iterable[str] | None) -> dict[str, nn.Module]:
    if names is not None:
        return named_layers(model, names)
    found = {}
    for name, module, loose in weighted_layers(model):
        if loose:
            raise ValueError(
                f"model: {name!r} ({type(module).__name__}) holds weights {loose} outside linear and "
                "convolution layers; say in names which layers are wanted (any module may be named)"
            )
        found[name] = module
    return found
