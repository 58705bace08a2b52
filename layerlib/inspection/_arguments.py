"""What `inspect` is given, checked before any work: the network, its data, earlier weights, and words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from layerlib._checks import did_you_mean, kind_of, several_names
from layerlib._tensors import first_parameter
from layerlib.data._samples import Samples
from layerlib.inspection._lenses import QUANTITIES
from layerlib.layers._names import bare

INSTRUMENTS = (*QUANTITIES, "twin", "pictures")


def network_of(model: nn.Module) -> tuple[nn.Module, nn.Parameter]:
    """The network within what wraps it, and the parameter whose device and precision stand for its own.

    Raises
    ------
    ValueError
        if it is no module, or without weights, or without values in them
    """
    model = bare(model)
    parameters = list(model.parameters())
    if not parameters:
        raise ValueError(f"model: expected a network with weights: {type(model).__name__} has no parameters")
    first = first_parameter(model)
    return model, next((p for p in parameters if p.is_floating_point()), first)


def instruments_of(instruments: str | Iterable[str] | None) -> tuple[str, ...]:
    """Names of the instruments asked for, in their order; all of them by default."""
    if instruments is None:
        return INSTRUMENTS
    asked = several_names("instruments", instruments)
    for name in asked:
        if name not in INSTRUMENTS:
            hint = did_you_mean(str(name), INSTRUMENTS)
            raise ValueError(
                f"instruments: expected some of {', '.join(INSTRUMENTS)}, got {name!r}{hint and f' ({hint})'}"
            )
    if not asked:
        raise ValueError(f"instruments: expected some of {', '.join(INSTRUMENTS)}, got none")
    return tuple(name for name in INSTRUMENTS if name in asked)


def one_of(argument: str, value: object, words: Iterable[str]) -> None:
    """ValueError, naming the argument, where the value is none of the words."""
    if value not in (words := tuple(words)):
        raise ValueError(f"{argument}: expected one of {', '.join(map(repr, words))}, got {value!r}")


def halves(samples: Samples, seed: int) -> tuple[Tensor, Tensor]:
    """Which samples are fitted, and which are judged, a random half: bool, shapes (N,).

    Raises
    ------
    ValueError
        if there are fewer than four
    """
    if len(samples) < 4:
        raise ValueError(f"data: expected at least 4 samples, two for each half, got {len(samples)}")
    judged = torch.zeros(len(samples), dtype=torch.bool)
    judged[torch.randperm(len(samples), generator=torch.Generator().manual_seed(seed))[: len(samples) // 2]] = True
    return ~judged, judged


def numbered(fitted: Tensor, judged: Tensor) -> tuple[Tensor, Tensor, int]:
    """Labels of both halves with the classes that occur numbered from 0, and the number of classes."""
    if fitted.ndim == 2 and not judged.any():
        raise ValueError("data: expected labelled samples, got none in the half that is judged")
    if fitted.ndim == 2:
        return fitted, judged, fitted.shape[1]
    present, numbers = torch.cat([fitted, judged]).unique(return_inverse=True)
    if len(present) < 2:
        raise ValueError(f"data: expected at least two classes, got only class {present.tolist()}")
    return numbers[: len(fitted)], numbers[len(fitted) :], len(present)


def earlier_weights(before: nn.Module | Mapping[str, Tensor] | None) -> Mapping[str, Tensor] | None:
    """The ``state_dict`` of a network at an earlier moment, which may be given as such.

    Raises
    ------
    ValueError
        if it is neither
    """
    if before is None or isinstance(before, Mapping):
        return before
    if not isinstance(before, nn.Module):
        raise ValueError(
            f"before: expected the network at an earlier moment or its state_dict(), got {kind_of(before)}"
        )
    return bare(before).state_dict()


def runnable(model: nn.Module, earlier: Mapping[str, Tensor]) -> str | None:
    """Why the network cannot run with the earlier weights; None where it can."""
    for name, value in model.state_dict().items():
        old = earlier.get(name)
        if not isinstance(old, Tensor) or old.shape != value.shape:
            return f"before cannot be run: it has no {name} of shape {tuple(value.shape)}"
    return None
