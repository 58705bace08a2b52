"""The weights of a layer, filter by filter, however it keeps them: as a parameter, parametrised or pruned."""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.conv import _ConvTransposeNd
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from layerlib._forward import evaluating


def effective(layer: nn.Module, key: str = "weight") -> Tensor | None:
    """What the layer works with as its ``key``, made of its parameters as in evaluation mode; None if there is none."""
    if (own := layer._parameters.get(key)) is not None:
        return own
    if parametrize.is_parametrized(layer, key):
        with evaluating(_steps(layer, key)):  # in training mode a spectral norm would take a step
            return getattr(layer, key)
    made = None
    for hook in layer._forward_pre_hooks.values():  # what makes the weight before every pass, in their order
        if getattr(hook, "_tensor_name", getattr(hook, "name", None)) != key:
            continue
        if isinstance(hook, BasePruningMethod):
            made = hook.apply_mask(layer)
        elif isinstance(hook, SpectralNorm):
            made = hook.compute_weight(layer, do_power_iteration=False)
        elif isinstance(hook, WeightNorm):
            made = hook.compute_weight(layer)
        elif isinstance(hook, _ZeroedBefore):
            made = hook.step(made)
    return made


def weight_of(layer: nn.Module, name: str) -> Tensor:
    """The weight that the layer called ``name`` works with, filters first: shape (filters, …).

    A parametrised or pruned layer makes it of its parameters, here as in evaluation mode.

    Raises
    ------
    ValueError
        if the layer has no weight of its own
    """
    weight = effective(layer, "weight")
    if weight is None:
        raise ValueError(f"name: expected a layer with a weight of its own, got {name!r}, a {type(layer).__name__}")
    return filters_first(weight, layer)


def filters_first(weight: Tensor, layer: nn.Module) -> Tensor:
    """The weight of a layer as (filters, …): a transposed convolution's own first dimension counts its inputs."""
    if not isinstance(layer, _ConvTransposeNd) or len(weight) % layer.groups:
        return weight
    # each group of inputs has filters of its own
    return weight.unflatten(0, (layer.groups, -1)).transpose(1, 2).flatten(0, 1)


def weight_in(state: Mapping[str, Tensor], name: str, layer: nn.Module) -> Tensor | None:
    """The weight, filters first, that ``layer`` had when ``state`` was its network's; None if it is not in there."""
    if isinstance(plain := state.get(f"{name}.weight"), Tensor):
        return filters_first(plain, layer)
    if (key := f"{name}.weight_orig") in state and (mask := f"{name}.weight_mask") in state:
        return filters_first(state[key] * state[mask].to(state[key]), layer)
    own = [key for key, _ in (*layer.named_parameters(), *layer.named_buffers())]
    if not own or not all(isinstance(state.get(f"{name}.{key}"), Tensor) for key in own):
        return None
    return functional_call(_Weight(layer), {f"layer.{key}": state[f"{name}.{key}"] for key in own}, ())


def twin_of(network: nn.Module) -> nn.Module:
    """A deep copy, also of a network with pruned layers, whose weights are no leaves and refuse to be copied."""
    made = (
        value
        for module in network.modules()
        for value in vars(module).values()
        if isinstance(value, Tensor) and not value.is_leaf
    )
    return copy.deepcopy(network, {id(value): value.detach().clone() for value in made})


@contextmanager
def rows_zeroed(layer: nn.Module, key: str, rows: Tensor) -> Iterator[None]:
    """Within the context ``rows`` of what the layer works with as its ``key``, "weight" or "bias", are zero."""
    if layer._parameters.get(key) is not None:
        with _parameter_zeroed(layer, key, rows):
            yield
    elif parametrize.is_parametrized(layer, key):
        steps = _steps(layer, key)
        step = _Zeroed(layer, rows)
        steps.append(step)
        try:
            yield
        finally:
            last = next(name for name, each in steps.named_children() if each is step)
            del steps._modules[last]
    elif effective(layer, key) is not None:
        handle = layer.register_forward_pre_hook(_ZeroedBefore(layer, key, rows))  # after the one that makes the weight
        setattr(layer, key, effective(layer, key))
        try:
            yield
        finally:
            handle.remove()
            setattr(layer, key, effective(layer, key))
    else:
        yield


def _steps(layer: nn.Module, key: str) -> nn.ModuleList:
    """The steps by which a parametrised layer makes its weight."""
    return getattr(layer.parametrizations, key)


class _Weight(nn.Module):
    """The weight of a layer as what a network puts out, of parameters that it may be given."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self) -> Tensor:
        return weight_of(self.layer, "layer")


class _Zeroed(nn.Module):
    """A last step of a parametrisation, which puts zeros into rows of the weight."""

    def __init__(self, layer: nn.Module, rows: Tensor):
        super().__init__()
        self.place = _place(layer, rows)

    def forward(self, weight: Tensor) -> Tensor:
        weight = weight.clone()
        view, index = self.place(weight)
        view[index] = 0
        return weight

    def right_inverse(self, weight: Tensor) -> Tensor:
        return weight


class _ZeroedBefore:
    """A forward pre-hook that puts zeros into rows of a weight which another one before it makes."""

    def __init__(self, layer: nn.Module, key: str, rows: Tensor):
        self.name, self.step = key, _Zeroed(layer, rows)

    def __call__(self, layer: nn.Module, inputs: tuple) -> None:
        setattr(layer, self.name, self.step(getattr(layer, self.name)))


@contextmanager
def _parameter_zeroed(layer: nn.Module, key: str, rows: Tensor) -> Iterator[None]:
    place = _place(layer, rows)
    with torch.no_grad():
        view, index = place(layer.get_parameter(key))
        kept = view[index]
        view[index] = 0
    try:
        yield
    finally:
        # the parameter may have another dtype, or be on another device, by now
        with torch.no_grad():
            view, index = place(layer.get_parameter(key))
            view[index] = kept.to(view)


def _place(layer: nn.Module, rows: Tensor) -> Callable[[Tensor], tuple[Tensor, tuple]]:
    """Where the rows of filters lie in a weight or bias: a function that gives a view of it and an index into that."""

    def place(tensor: Tensor) -> tuple[Tensor, tuple]:
        here = rows.to(tensor.device)
        if not isinstance(layer, _ConvTransposeNd) or tensor.ndim == 1:
            return tensor, (here,)
        each = tensor.shape[1]
        return tensor.unflatten(0, (layer.groups, -1)), (here // each, slice(None), here % each)

    return place
