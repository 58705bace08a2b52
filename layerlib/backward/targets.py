"""Forward- and back-propagation layer by layer: targets and direct losses (Xie & Lai 2018, eqs. 2-10).

The printed loss, Σ y log p, lacks its minus sign: here ℓ = -Σ y log p, the cross-entropy of the softmax, whose
gradient in the logits is p - y. So õ_l points where the loss grows, and the target that trains the encoder is -õ_l.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from layerlib.layers.capture import named_layers

# their weights may have two dimensions, but multiply entry by entry or look up
NOT_LAYERS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.Embedding)


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


def targets(model: nn.Module, x: Tensor, y: Tensor, names: Iterable[str] | None = None) -> dict[str, Tensor]:
    """Every layer's back-propagated target õ_l = ∂ℓ/∂z_l, per sample (Xie & Lai 2018, eqs. 3-4).

    ℓ is each sample's cross-entropy, not averaged over the batch; the last target is p - y. One forward and one
    backward pass; parameters, ``x`` and their ``.grad`` are not touched. The pass is made in evaluation mode (else
    dropout would make it random and batch norm would couple the samples) and each module's mode is restored.

    Parameters
    ----------
    model : puts out logits, shape (N, K); made of linear and convolution layers and anything without weights between
    x : shape (N, …), the model's input, of its dtype and device. Targets of a trained network are tiny (|p - y|
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
        has no running statistics; or the model puts out probabilities instead of logits

    Examples
    --------
    >>> model = MLP((784, 100, 10))
    >>> {name: t.shape for name, t in targets(model, torch.zeros(5, 1, 28, 28), torch.arange(5)).items()}
    {'linear1': torch.Size([5, 100]), 'linear2': torch.Size([5, 10])}
    """
    return {name: each.target for name, each in propagate(model, x, y, names).items()}


def propagate(model: nn.Module, x: Tensor, y: Tensor, names: Iterable[str] | None = None) -> dict[str, LayerPass]:
    """Inputs o_{l-1}, pre-activations z_l and targets õ_l of every layer, from the same pass as ``targets``.

    Parameters, checks and errors are those of ``targets``.

    Examples
    --------
    >>> passes = propagate(model, images, labels)
    >>> dot, cosine = alignment(-passes["linear3"].target, passes["linear3"].preactivation)
    """
    check_batch(model, x, y)
    names = names if names is None else (names,) if isinstance(names, str) else tuple(names)
    ran: dict[str, tuple[nn.Module, Tensor, int, Tensor]] = {}
    with evaluating(model):
        with _recording(_layers(model, names), ran, len(x)):
            logits = model(ordinary(x))
        y = check_logits(logits, y)
        _check_inputs(ran)
        outputs = [z for _, _, _, z in ran.values()]
        reached = [None] * len(outputs)
        if logits.requires_grad:
            reached = torch.autograd.grad(logits, outputs, label_error(logits.detach(), y), allow_unused=True)
    missed = [name for name, target in zip(ran, reached, strict=True) if target is None]
    missed += [] if names is None else [name for name in names if name not in ran]
    if missed or not ran:
        raise ValueError(f"model: the loss does not reach {missed or 'any layer'} by back-propagation: the layer did "
                         "not run, or was cut off by detach or no_grad, or its output was not used; name the others "
                         "in names")
    return {name: LayerPass(layer, kept, z.detach(), target)
            for (name, (layer, kept, _, z)), target in zip(ran.items(), reached, strict=True)}


def label_error(logits: Tensor, y: Tensor) -> Tensor:
    """p - y for logits (N, K) and class numbers y (N,), exact even where p is 1 to the last digit (eq. 3)."""
    others = logits.softmax(1).scatter(1, y[:, None], 0)
    # p_y - 1 would cancel; it is minus the sum of the other probabilities
    return others.scatter(1, y[:, None], -others.sum(1, keepdim=True))


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode with gradients on, whatever the caller's mode; modes and random state are restored.

    Raises
    ------
    ValueError
        if batch norm keeps no running statistics, so that it couples samples in evaluation mode too
    """
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) and module.running_mean is None:
            raise ValueError(f"model: {name!r} normalises by the batch in evaluation mode too "
                             "(track_running_stats=False), so no gradient belongs to one sample")
    modes = [(module, module.training) for module in model.modules()]
    devices = {p.device for p in model.parameters() if p.is_cuda}
    try:
        model.eval()
        with torch.random.fork_rng(devices), torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def check_batch(model: nn.Module, x: Tensor, y: Tensor) -> None:
    """Raise ValueError where x (N, …) and y, int64 (N,), do not fit each other or the model's device and dtype."""
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"x: expected shape (N, …) with at least one sample, got {tuple(x.shape)}")
    if y.dtype != torch.int64 or y.shape != x.shape[:1]:
        raise ValueError(f"y: expected int64 class numbers of shape ({len(x)},), one per sample of x, "
                         f"got {y.dtype} {tuple(y.shape)}")
    parameter = next(model.parameters(), None)
    if parameter is None:
        raise ValueError(f"model: {type(model).__name__} has no parameters")
    if parameter.device != x.device:
        raise ValueError(f"x: expected on {parameter.device} like the model, got on {x.device}")
    embeds = not x.is_floating_point() and any(isinstance(module, nn.Embedding) for module in model.modules())
    if x.dtype != parameter.dtype and not embeds:
        raise ValueError(f"x: expected {parameter.dtype} like the model, got {x.dtype}")
    if not x.isfinite().all():
        raise ValueError(f"x: {int((~x.isfinite()).sum())} of {x.numel()} values are not finite")


def check_logits(logits: Tensor, y: Tensor) -> Tensor:
    """The class numbers y on the device of the logits; ValueError unless logits are (N, K) and y below K."""
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(y):
        got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(f"model: expected logits of shape ({len(y)}, K), got {got}")
    classes = logits.shape[1]
    if not 0 <= int(y.min()) <= int(y.max()) < classes:
        raise ValueError(f"y: expected class numbers 0 to {classes - 1}, the model has {classes} outputs, "
                         f"got {int(y.min())} to {int(y.max())}")
    values = logits.detach().double()
    if not values.isfinite().all():
        raise ValueError("model: its logits are not finite")
    probable = bool((values >= 0).all() and torch.allclose(values.sum(1), torch.ones_like(values[:, 0])))
    if probable or bool((values.logsumexp(1).abs() < 1e-5).all()):
        raise ValueError("model: expected logits, got probabilities or their logarithms; leave out the last softmax")
    return y.to(logits.device)


def ordinary(x: Tensor) -> Tensor:
    """x as a constant, also where the caller made it in inference mode."""
    return x.detach().clone() if x.is_inference() else x.detach()


def _check_inputs(ran: dict) -> None:
    for name, (_, kept, version, _) in ran.items():
        if kept._version != version:
            raise ValueError(f"model: the input of layer {name!r} was overwritten in place after the layer ran; write "
                             "that step without in-place")


def _layers(model: nn.Module, names: Iterable[str] | None) -> dict[str, nn.Module]:
    if names is not None:
        return named_layers(model, names)
    found = {name: module for name, module in model.named_modules() if isinstance(module, (nn.Linear, _ConvNd))}
    for name, module in model.named_modules():
        if name not in found and (loose := loose_weights(module)):
            raise ValueError(f"model: {name!r} ({type(module).__name__}) holds weights {loose} outside linear and "
                             "convolution layers; say in names which layers are wanted (any module may be named)")
    return found


def loose_weights(module: nn.Module) -> list[str]:
    """Names of the parameters of several dimensions that a module itself holds, unless it is of `NOT_LAYERS`."""
    if isinstance(module, NOT_LAYERS):
        return []
    return [key for key, p in module.named_parameters(recurse=False) if sum(n > 1 for n in p.shape) > 1]


@contextmanager
def _recording(layers: dict[str, nn.Module], ran: dict, samples: int) -> Iterator[None]:
    """Within the context, ``ran`` collects (layer, input, version of the input, z) by name, in order of the calls."""

    def keep(name: str):
        def hook(module: nn.Module, args: tuple, kwargs: dict, z: Tensor) -> Tensor:
            if not isinstance(z, Tensor) or z.ndim < 2 or len(z) != samples:
                got = tuple(z.shape) if isinstance(z, Tensor) else type(z).__name__
                raise ValueError(f"model: expected layer {name!r} to put out ({samples}, …), got {got}")
            z = z if z.requires_grad else z.detach().requires_grad_()
            calls = sum(other is module for other, _, _, _ in ran.values())
            before = (args or tuple(kwargs.values()))[0].detach()
            ran[f"{name}#{calls + 1}" if calls else name] = (module, before, before._version, z)
            return z.clone()  # so that a step in place after the layer leaves z as it was
        return hook

    handles = []
    try:
        for name, layer in layers.items():
            handles.append(layer.register_forward_hook(keep(name), with_kwargs=True))
        yield
    finally:
        for handle in handles:
            handle.remove()
