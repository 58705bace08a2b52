"""The name under which a finished training run is stored: another one whenever the outcome would be another."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from functools import partial

from torch import nn

from layerlib import __version__
from layerlib.data.load import Split


def fingerprint(members: Sequence[nn.Module], seeds: Sequence[int], train: Split | Callable[[int], Split],
                validation: Split | None, settings: dict, defaults: dict) -> str:
    """A name that changes with anything that changes the outcome: settings, initial weights, data."""
    for callback in settings["callbacks"]:
        if not (hasattr(callback, "state_dict") and hasattr(callback, "load_state_dict")):
            raise ValueError("callbacks: expected state_dict() and load_state_dict(state) together with store, where "
                             f"a run read back calls none; {_name(callback)} has them not")
    settings = settings | {"progress": None, "callbacks": tuple(map(repr, settings["callbacks"]))}
    words = sorted((k, _name(v)) for k, v in settings.items() if _name(v) != _name(defaults.get(k)))
    # a lambda, a local function or an object may do different things under one name
    nameless = any(mark in str(words) for mark in (" at 0x", "<lambda>", "<locals>"))
    if nameless or any(callable(v) and not isinstance(v, partial) and not hasattr(v, "__qualname__")
                       and not is_dataclass(v) for v in settings.values()):
        raise ValueError(f"optimizer, loss: expected named functions or partial(torch.optim.…) with store, got {words}")
    digest = hashlib.sha256(repr((__version__, words, list(seeds), str(members[0]))).encode())
    for tensor in [t for m in members for t in m.state_dict().values()]:
        digest.update(tensor.detach().cpu().numpy().tobytes())
    for split in (train(1) if callable(train) else train, validation):
        if split is not None:
            digest.update(split.images.cpu().numpy().tobytes() + split.labels.cpu().numpy().tobytes())
    return digest.hexdigest()[:24]


def _name(setting) -> str:
    return getattr(setting, "__qualname__", None) or str(setting)
