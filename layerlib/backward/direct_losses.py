"""Direct losses: one for each layer of the encoder and of the decoder (Xie & Lai 2018, eqs. 5-10).

Both are dot products. The paper writes them with -õ_l, to be maximised; with õ_l itself they are to be minimised and
their gradients are those of the whole loss. They have no bound, and share their value: without biases and with ReLU,
⟨õ_l, z_l⟩ = ⟨p - y, z_L⟩ at every layer. Only the gradients are what the equations equate.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from layerlib._batches import check_batch
from layerlib._checks import checked
from layerlib._forward import differentiating, running
from layerlib._tensors import beside, finite, network, numbers
from layerlib.backward.targets import propagate
from layerlib.layers._names import bare


@checked(layer=network, inputs=finite, target=finite)
def direct_loss_fp(layer: nn.Module, inputs: Tensor, target: Tensor) -> Tensor:
    """Direct loss of a layer of the encoder, targetᵀ (W_l o_{l-1} + b_l), per sample (Xie & Lai 2018, eq. 6).

    At ``target`` = õ_l its gradient in W_l and b_l is that of the whole loss (eq. 7); at -õ_l, what the paper writes,
    it is to be maximised (eq. 8). It is a dot product, not a cosine, and has no bound: only its gradient is meant.

    Parameters
    ----------
    layer : linear or convolution layer; its parameters are what the loss can be differentiated in
    inputs : shape (N, …), o_{l-1}, a constant
    target : the shape of the layer's output, õ_l or -õ_l, a constant

    Returns
    -------
    shape (N,)

    Raises
    ------
    ValueError
        if ``target`` has not the shape of the layer's output

    Examples
    --------
    >>> one = propagate(model, images, labels)["linear2"]
    >>> direct_loss_fp(one.layer, one.input, one.target).sum().backward()  # adds the whole loss's gradient
    """
    with running("inputs", inputs):
        z = layer(_beside(layer, "inputs", inputs))
    _same_shape(target, z)
    return (_beside(layer, "target", target) * z).flatten(1).sum(1)


@checked(layer=network, inputs=finite, target=finite)
def direct_loss_bp(layer: nn.Module, inputs: Tensor, target: Tensor) -> Tensor:
    """Direct loss of a layer of the decoder, o_{l-1}ᵀ (W_lᵀ target), per sample (Xie & Lai 2018, eqs. 9-10).

    At ``target`` = õ_l its gradient in W_l is that of the whole loss; at -õ_l it is to be maximised (eq. 10), drawing
    what the decoder puts out, -W_lᵀ õ_l, towards ``inputs``. The bias plays no part.

    Parameters, returned shape and errors are those of ``direct_loss_fp``.
    """
    return (_beside(layer, "inputs", inputs) * decoded(layer, inputs, target)).flatten(1).sum(1)


@checked(layer=network, inputs=finite, target=finite)
def decoded(layer: nn.Module, inputs: Tensor, target: Tensor) -> Tensor:
    """What a layer of the decoder puts out, z̃_{l-1} = W_lᵀ target (Xie & Lai 2018, eq. 3), in the shape of ``inputs``.

    Of ``inputs`` only the shape counts. The result can be differentiated in W_l. The errors are those of
    ``direct_loss_fp``.
    """
    with torch.enable_grad():
        start = torch.zeros_like(_beside(layer, "inputs", inputs)).requires_grad_()
        with running("inputs", inputs):
            z = layer(start)
        _same_shape(target, z)
        # the layer is affine, so its transpose is the derivative at any point, here at zero
        return torch.autograd.grad(z, start, _beside(layer, "target", target), create_graph=True)[0]


@checked(a=finite, b=finite)
def alignment(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Dot product and cosine of each sample's pair of vectors: what eq. 6 computes, and what the paper calls it.

    Parameters
    ----------
    a, b : shape (N, …), such as -õ_l and z_l, or -z̃_0 and x

    Returns
    -------
    dot, cosine : float64, shape (N,); the cosine is NaN where a vector is zero

    Raises
    ------
    ValueError
        if the shapes differ, or products are not finite
    """
    if a.shape != b.shape or a.ndim < 2:
        raise ValueError(f"a, b: expected the same shape (N, …), got {tuple(a.shape)} and {tuple(b.shape)}")
    a, b = a.flatten(1).double(), b.to(a.device).flatten(1).double()
    dot = (a * b).sum(1)
    if not dot.isfinite().all():
        raise ValueError("a, b: expected numbers whose products are finite, got larger ones")
    return dot, dot / a.norm(dim=1) / b.norm(dim=1)


@checked(model=network, x=numbers, y=numbers)
def gradient_gaps(model: nn.Module, x: Tensor, y: Tensor) -> dict[str, dict[str, float]]:
    """How far the direct losses' gradients are from the whole loss's, layer by layer (Xie & Lai 2018, eqs. 7-10).

    Each is ‖direct - whole‖ / ‖whole‖ of the gradients summed over the batch: ``fp weight`` and ``fp bias`` (where
    there is one) of the encoder's direct loss, ``bp weight`` of the decoder's. The whole loss is differentiated
    through autograd's own cross-entropy, in one pass that shares nothing with ``propagate``. A layer that runs
    several times has one row: the sum over its calls. NaN where the gradient of the whole loss is zero.

    Parameters and errors are those of ``targets``.

    Examples
    --------
    >>> gradient_gaps(model.double(), images.double(), labels)["linear1"]["fp weight"] < 1e-10
    True
    """
    model = bare(model)
    passes = propagate(model, x, y)
    layers = {each.layer: name for name, each in reversed(passes.items())}
    rows: dict[str, dict[str, float]] = {}
    with differentiating(model), _differentiable(list(layers)):
        x, y = check_batch(model, x, y)
        whole = F.cross_entropy(model(x.detach()), y.to(x.device), reduction="sum")
        for layer, name in reversed(layers.items()):
            calls = [each for each in passes.values() if each.layer is layer]
            named = dict(layer.named_parameters(recurse=False))
            wanted = torch.autograd.grad(whole, list(named.values()), retain_graph=True)
            encoder = sum(direct_loss_fp(layer, each.input, each.target).sum() for each in calls)
            got = torch.autograd.grad(encoder, list(named.values()))  # type: ignore[arg-type]
            row = {f"fp {key}": _gap(g, w) for key, g, w in zip(named, got, wanted, strict=True)}
            decoder = sum(direct_loss_bp(layer, each.input, each.target).sum() for each in calls)
            row["bp weight"] = _gap(torch.autograd.grad(decoder, layer.weight)[0], wanted[list(named).index("weight")])  # type: ignore[arg-type]
            rows[name] = row
    return rows


def _gap(got: Tensor, wanted: Tensor) -> float:
    whole = wanted.norm()
    if not whole.isfinite():
        raise ValueError("x: expected numbers whose gradients can be squared, got larger ones")
    return ((got - wanted).norm() / whole).item()


@contextmanager
def _differentiable(layers: list[nn.Module]) -> Iterator[None]:
    """Frozen parameters count too: within the context all require a gradient."""
    frozen = [p for layer in layers for p in layer.parameters() if not p.requires_grad]
    try:
        for parameter in frozen:
            parameter.requires_grad_()
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)


def _beside(layer: nn.Module, argument: str, value: Tensor) -> Tensor:
    """The value as a constant beside the layer's weights."""
    return beside(argument, value.detach(), next(layer.parameters(), value))


def _same_shape(target: Tensor, z: Tensor) -> None:
    if target.shape != z.shape:
        raise ValueError(
            f"target: expected shape {tuple(z.shape)}, that of the layer's output, "
            f"got {tuple(target.shape)}, which does not go with these inputs"
        )
