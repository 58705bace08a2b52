"""Checks of tensors and networks, and of what goes into these: samples, pictures with their labels, devices."""

from contextlib import suppress
from numbers import Real

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from layerlib._checks import kind_of


def as_tensor(argument: str, value: object, dtype: torch.dtype | None = None) -> Tensor:
    """A tensor as it is, a numpy array, numbers or nested lists of them as a tensor; ValueError for anything else."""
    if isinstance(value, (Real, list, tuple)):
        with suppress(TypeError, ValueError, RuntimeError):  # rows of unequal lengths, or no numbers
            return torch.tensor(value, dtype=dtype)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        # PyTorch takes neither reversed nor read-only arrays without a word
        value = torch.from_numpy(np.require(value, value.dtype.newbyteorder("="), ["C", "W"]))
    if isinstance(value, Tensor) and (value.is_meta or value.layout != torch.strided):
        raise ValueError(f"{argument}: expected a dense tensor with values, got {value.layout} on {value.device}")
    if not isinstance(value, Tensor):
        kind = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else kind_of(value)
        raise ValueError(f"{argument}: expected a tensor or an array of numbers, got {kind}")
    return value if dtype is None else value.to(dtype)


def numbers(argument: str, value: object) -> Tensor:
    """The value as a tensor of real numbers; ValueError, naming the argument, for anything else."""
    value = as_tensor(argument, value)
    if value.is_complex():
        raise ValueError(f"{argument}: expected real numbers, got {value.dtype}")
    return value


def floats(argument: str, value: object) -> Tensor:
    """The value as a tensor of floating point; ValueError, naming the argument, for whole numbers and anything else."""
    value = numbers(argument, value)
    if not value.is_floating_point():
        raise ValueError(f"{argument}: expected a float tensor, got {value.dtype}")
    return value


def all_finite(value: Tensor) -> Tensor:
    """Whether no number is NaN or infinite: bool, shape (). Told by the least and the largest, not by each alone."""
    extremes = torch.stack(value.detach().aminmax()) if value.is_floating_point() and value.numel() else value
    return extremes.isfinite().all()


def finite(argument: str, value: object) -> Tensor:
    """The value as a tensor of floating point without NaN and infinities; ValueError, naming the argument, else."""
    value = floats(argument, value)
    if not all_finite(value):
        raise ValueError(f"{argument}: {int((~value.isfinite()).sum())} of {value.numel()} values are not finite")
    return value


def beside(argument: str, value: Tensor, like: Tensor) -> Tensor:
    """The value on the device and in the precision of ``like``; ValueError, naming the argument, if it is too large."""
    cast = value.to(like.device, like.dtype)
    if value.dtype != like.dtype and not all_finite(cast):
        raise ValueError(f"{argument}: expected numbers that {like.dtype} holds, got larger ones")
    return cast


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


def network(argument: str, value: object) -> nn.Module:
    """The value, an ``nn.Module``; ValueError, naming the argument, for its class, its weights and anything else."""
    # who reads its layers says why a program cannot be read
    if not isinstance(value, (nn.Module, torch.export.ExportedProgram)):
        raise ValueError(f"{argument}: expected an nn.Module, got {kind_of(value)}")
    return value  # type: ignore[return-value]


def networks(argument: str, value: object) -> list[nn.Module]:
    """The values, each an ``nn.Module``; ValueError, naming the argument, for none and for anything else."""
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"{argument}: expected networks, at least one, got {value!r:.80}")
    return [network(argument, each) for each in value]


def place(argument: str, value: object) -> torch.device:
    """The value as a device; ValueError, naming the argument, for anything that is none."""
    with suppress(TypeError, RuntimeError):
        if isinstance(value, (str, torch.device)):
            return torch.device(value)
    raise ValueError(f"{argument}: expected a device, got {value!r}")


def samples(argument: str, value: object) -> Tensor | np.ndarray:
    """The value, a tensor or an array of numbers, samples first; ValueError, naming the argument, for anything else."""
    if not isinstance(value, (Tensor, np.ndarray)):
        raise ValueError(f"{argument}: expected a tensor or a numpy array, got {kind_of(value)}")
    if not numbers(argument, value).ndim:
        raise ValueError(f"{argument}: expected shape (N, …), got ()")
    return value


def pixels(argument: str, value: object) -> Tensor:
    """The value as uint8 pictures (N, C, H, W); ValueError, naming the argument, for anything else."""
    value = numbers(argument, value)
    if value.dtype != torch.uint8 or value.ndim != 4:
        raise ValueError(
            f"{argument}: expected uint8 pixels, 0 to 255, got {value.dtype} "
            f"{tuple(value.shape)}: their shape is (N, C, H, W)"
        )
    return value


def labelled(argument: str, value: object) -> object:
    """The value, images with their labels; ValueError, naming the argument, for anything else."""
    if not all(hasattr(value, name) for name in ("images", "labels")):
        raise ValueError(f"{argument}: expected a Split, images with their labels, got {kind_of(value)}")
    return value
