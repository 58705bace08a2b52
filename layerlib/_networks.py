"""Checks of networks and of what goes into them: samples, pictures with their labels, devices."""

from contextlib import suppress

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from layerlib._checks import kind_of, numbers


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
