"""What the decoder draws: pictures by bp-DNN and guided-bp-DNN (Xie & Lai 2018, eqs. 3 and 11).

Every picture ascends the evidence for the label. In bp-DNN it is -z̃_0, with the error p - y or, for the label alone,
-y at the top. Eq. 11 puts +y at the top, so there the picture is z̃_0 as printed: the same direction.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from layerlib._batches import check_batch, check_logits
from layerlib._checks import checked, choice, flag
from layerlib._forward import differentiating, label_error, ordinary, running
from layerlib._tensors import network, numbers
from layerlib.backward._bending import Steps, bending_modules
from layerlib.backward.direct_losses import alignment, decoded, direct_loss_bp, direct_loss_fp, gradient_gaps
from layerlib.backward.targets import propagate, targets
from layerlib.layers._names import bare

__all__ = [
    "alignment",
    "bp_image",
    "decoded",
    "direct_loss_bp",
    "direct_loss_fp",
    "gradient_gaps",
    "guided_bp_image",
    "propagate",
    "targets",
]

GUIDED = (
    "celu",
    "elu",
    "expit",
    "gelu",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_sigmoid",
    "logsigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "rrelu",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "softsign",
    "special_expit",
    "tanh",
    "tanhshrink",
    "threshold",
)


def _functions(*names: str) -> frozenset:
    spaces = (torch, F, Tensor, torch._C._nn, torch._C._special)  # type: ignore[attr-defined]
    found = (getattr(space, name + ending, None) for space in spaces for name in names for ending in ("", "_"))
    return frozenset(function for function in found if function is not None)


ACTIVATIONS = _functions(*GUIDED)
RELUS = _functions("relu", "relu6")


@checked(model=network, x=numbers, y=numbers, seed=choice("error", "label"))
def bp_image(model: nn.Module, x: Tensor, y: Tensor, seed: str = "error") -> Tensor:
    """The decoder's picture -z̃_0, what bp-DNN puts out at the input (Xie & Lai 2018, eq. 3).

    With seed "error" it is the gradient of log p_y in x, with "label" that of the logit z_{L,y}: both ascend the
    evidence for the label. Pass and restoring are as in ``targets``.

    Parameters
    ----------
    model : puts out logits, shape (N, K)
    x : float, shape (N, …), of the model's dtype
    y : int64, shape (N,), the label of each sample, or any other class whose picture is wanted
    seed : "error", z̃_L = p - y as in eq. 3; or "label", z̃_L = -y, the seed of eq. 11 in the sign of eq. 3

    Returns
    -------
    the shape of x

    Raises
    ------
    ValueError
        if the shapes, dtypes, devices or class numbers do not fit, ``seed`` is another word, the logits do not depend
        on x, batch norm has no running statistics, or the model puts out probabilities instead of logits

    Examples
    --------
    >>> bp_image(MLP((784, 100, 10)), torch.rand(5, 1, 28, 28), torch.arange(5)).shape
    torch.Size([5, 1, 28, 28])
    """
    model, x, y = _checked(model, x, y)
    with differentiating(model):
        start = ordinary(x).requires_grad_()
        with running("x", x):
            logits = model(start.clone())
        y = check_logits(logits, y)
        evidence = -label_error(logits.detach(), y) if seed == "error" else F.one_hot(y, logits.shape[1]).to(logits)
        return _gradient(logits, start, evidence)


@checked(model=network, x=numbers, y=numbers, mask_input=flag, unguided=choice("refuse", "pass"))
def guided_bp_image(
    model: nn.Module, x: Tensor, y: Tensor, mask_input: bool = True, unguided: str = "refuse"
) -> Tensor:
    """The picture of guided-bp-DNN (Xie & Lai 2018, eq. 11), for any element-wise activation.

    At each activation an entry of z̃ is kept where z and z̃ are both above 0 or both below 0, z being what came into
    the activation; then σ'(z) multiplies. Where σ' is negative (GELU, SiLU and Mish, for some z < 0) a kept entry thus
    changes its sign. With ReLU this is guided back-propagation (Springenberg et al. 2014).

    Modules and functional calls (F.relu, torch.tanh, x.sigmoid(), in place or not) are guided alike, without a hook:
    activations are caught as they are called. Pass and restoring are as in ``targets``.

    Parameters
    ----------
    model : puts out logits, shape (N, K); feed-forward, its activations among those of ``GUIDED``
    x : float, shape (N, …), of the model's dtype
    y : int64, shape (N,), the label of each sample, or any other class whose picture is wanted
    mask_input : guide at l = 0 too, by the sign of x. Where x is in [0, 1] this blanks the background.
    unguided : "refuse"; or "pass", by the plain derivative through what bends and cannot be guided, such as attention

    Returns
    -------
    the shape of x

    Raises
    ------
    ValueError
        as ``bp_image``; and, naming the module, where a step bends what it gets and cannot be guided: an activation
        written by hand (clamp, where, x * (x > 0)), a custom autograd function, a gate or attention

    Examples
    --------
    >>> guided_bp_image(MLP((784, 100, 10)), torch.rand(5, 1, 28, 28), torch.arange(5)).shape
    torch.Size([5, 1, 28, 28])
    """
    picture, passed = guided_as_far(model, x, y, mask_input)
    if passed and unguided == "refuse":
        name, (kind, step) = next(iter(passed.items()))
        raise ValueError(
            f"model: {name!r} ({kind}) uses {step}, which cannot be guided; change it to an element-wise activation "
            "such as nn.ReLU(), F.gelu or torch.sigmoid, or let it pass with unguided='pass'"
        )
    return picture


def guided_as_far(
    model: nn.Module, x: Tensor, y: Tensor, mask_input: bool = True
) -> tuple[Tensor, dict[str, tuple[str, str]]]:
    """The picture of ``guided_bp_image`` with unguided="pass", and what was passed: module -> its kind and a step."""
    model, x, y = _checked(model, x, y)
    with differentiating(model):
        start = ordinary(x).requires_grad_()
        entry = start.clone()
        origin = entry.grad_fn
        with Guide() as guide, running("x", x):
            logits = model(entry)
        y = check_logits(logits, y)
        passed = {}
        if Steps(origin, guide.steps).bending(logits):
            with Guide() as guide:
                passed = bending_modules(model, start.clone(), guide.steps)
        picture = _gradient(logits, start, F.one_hot(y, logits.shape[1]).to(logits))
    return (picture * (picture.sign() == x.detach().sign()) if mask_input else picture), passed


class Guide(TorchFunctionMode):
    """Within the context, the gradient that comes into an activation loses the entries that do not match its input.

    Attributes
    ----------
    steps : autograd's step of each activation -> that of its input
    """

    def __init__(self):
        super().__init__()
        self.steps: dict = {}

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function not in ACTIVATIONS:
            return function(*args, **kwargs)
        z = args[0] if args else kwargs["input"]
        if not z.requires_grad:
            return function(*args, **kwargs)
        before, version = z.grad_fn, z._version
        kept = z.detach()
        # ReLU's derivative removes z <= 0 by itself, and needs no copy of z
        if function not in RELUS and (function.__name__.endswith("_") or kwargs.get("inplace")):
            kept = kept.clone()
            version = kept._version
        output = function(*args, **kwargs)
        if output.requires_grad:  # not within no_grad
            output.register_hook(_relu_guide if function in RELUS else _sign_guide(kept, version))
            self.steps[output.grad_fn] = before
        return output


def _relu_guide(gradient: Tensor) -> Tensor:
    return gradient.clamp(min=0)


def _sign_guide(z: Tensor, version: int):
    def keep(gradient: Tensor) -> Tensor:
        if z._version != version:
            raise ValueError(
                "model: the input of an activation was overwritten in place after it ran; write that step "
                "without in-place"
            )
        return gradient * (gradient.sign() == z.sign())

    return keep


def _gradient(logits: Tensor, start: Tensor, evidence: Tensor) -> Tensor:
    picture = torch.autograd.grad(logits, start, evidence, allow_unused=True)[0] if logits.requires_grad else None
    if picture is None:
        raise ValueError("model: its logits do not depend on x by back-propagation (detach or no_grad on the way?)")
    return picture


def _checked(model: nn.Module, x: Tensor, y: Tensor) -> tuple[nn.Module, Tensor, Tensor]:
    model = bare(model)
    x, y = check_batch(model, x, y)
    if not x.is_floating_point():
        raise ValueError(f"x: expected floating point, got {x.dtype}: a picture is a gradient in x")
    return model, x, y
