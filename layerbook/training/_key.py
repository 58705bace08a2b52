"""The name under which a finished training run is stored: another one whenever the outcome would be another."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from functools import partial

import torch
from torch import nn

from layerbook.training._captured import Captured
from layerbook.training._describe import Describer
from layerbook.training._ensemble import Single, Stacked
from layerbook.training._loop import Run, errors, one_epoch
from layerbook.training.settings import Settings
from layerlib._forward import as_input, wrong
from layerlib.data.splits import Split

CODE = (Run, one_epoch, errors, Single, Stacked, as_input, wrong)  # what makes the numbers of a training


def fingerprint(
    members: Sequence[nn.Module],
    seeds: Sequence[int],
    train: Split | Callable[[int], Split],
    validation: Split | None,
    settings: Settings,
) -> str:
    """A name for everything that the outcome depends on, and for nothing else.

    Settings that are nothing (None, 0, empty) are left out, so that a setting that comes later leaves the names of
    earlier runs as they were.

    Parameters
    ----------
    members : the networks before training
    seeds, train, validation, settings : as of ``fit_ensemble``

    Returns
    -------
    str, 24 hexadecimal digits

    Raises
    ------
    ValueError
        for a callback without a state; for a setting whose name does not say what it does
    """
    describe = Describer()
    callbacks = settings.callbacks
    for callback in callbacks:
        if not (hasattr(callback, "state_dict") and hasattr(callback, "load_state_dict")):
            raise ValueError(
                "callbacks: expected state_dict() and load_state_dict(state) together with store, where "
                f"a run read back calls none; {_name(callback)} has them not"
            )
    given = {
        key: value
        for key, value in sorted(vars(settings).items())
        if key not in ("callbacks", "progress") and (callable(value) or value)
    }
    _check_names(given | {"callbacks": [repr(callback) for callback in callbacks]})
    words = (
        list(map(describe.value, CODE)),
        describe.value(given),
        [_callback(each, describe) for each in callbacks],
        list(seeds),
        [describe.network(member) for member in members],
        describe.value(train, attributes=True),
        describe.value(train(1) if callable(train) else None),
        describe.value(validation),
        _autocast(members[0]),
    )
    if next(members[0].parameters()).is_cuda:
        words += (describe.value(Captured),)
    return hashlib.sha256(repr(words).encode()).hexdigest()[:24]


def _autocast(model: nn.Module) -> str | None:
    """The precision that a ``torch.autocast`` around the training asks for."""
    device = next(model.parameters()).device.type
    return f"{torch.get_autocast_dtype(device)}, cast anew" if torch.is_autocast_enabled(device) else None


def _callback(callback: Callable, describe: Describer) -> tuple:
    """Its class and what it says of itself; of what it holds only functions, since the rest changes in training."""
    functions = [
        (key, describe.value(held))
        for key, value in sorted(getattr(callback, "__dict__", {}).items())
        for held in (value.values() if isinstance(value, dict) else [value])
        if callable(held) and not isinstance(held, nn.Module)
    ]
    return Describer(lasting=True).value(type(callback)), repr(callback), functions


def _check_names(settings: dict) -> None:
    words = sorted((key, _name(value)) for key, value in settings.items())
    # a lambda, a local function or an object may do different things under one name
    nameless = any(mark in str(words) for mark in (" at 0x", "<lambda>", "<locals>"))
    if nameless or any(
        callable(v) and not isinstance(v, partial) and not hasattr(v, "__qualname__") and not is_dataclass(v)
        for v in settings.values()
    ):
        raise ValueError(f"optimizer, loss: expected named functions or partial(torch.optim.…) with store, got {words}")


def _name(setting) -> str:
    if isinstance(setting, partial):
        return f"partial({_name(setting.func)}, {setting.args}, {setting.keywords})"
    return getattr(setting, "__qualname__", None) or str(setting)
