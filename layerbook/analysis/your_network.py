"""A reader's own network and samples, as the template notebook takes them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from layerlib import Split, load
from layerlib._checks import any_whole_number, checked, mapping, renamed, text, whole_number
from layerlib._forward import pick_device
from layerlib.data._source import as_tensor
from layerlib.data.splits import Data
from layerlib.inspection._by_name import network_called, samples_in

Samples = tuple[Tensor, Tensor]


@checked(code=text, make=text, arguments=mapping(), weights=text, seed=any_whole_number)
def network(code: str, make: str, arguments: Mapping[str, object], weights: str = "", seed: int = 0) -> nn.Module:
    """The network that ``make`` makes of the arguments, the same for one seed; on a GPU where there is one.

    Parameters
    ----------
    code : a file .py, or the name of a module, in which ``make`` is
    weights : file of a state_dict, .pt or .safetensors; "" for the first weights

    Raises
    ------
    ValueError
        as of ``layerlib inspect``
    """
    path = Path(code)
    if path.suffix == ".py":
        if not path.is_file():
            raise ValueError(f"code: {path}: no such file")
        sys.path[:0] = [str(path.parent.resolve())]
        code = path.stem
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            made = network_called(f"{code}:{make}", Path(weights) if weights else None, **arguments)
        except ValueError as error:
            of_file = weights and str(error).startswith(weights)
            raise ValueError(f"{'weights' if of_file else 'code, make, arguments'}: {error}") from error
    return made.to(pick_device())


@checked(data=text, judged=whole_number, seed=any_whole_number)
def samples(data: str, judged: int, seed: int = 0) -> tuple[Samples | None, Samples | Mapping]:
    """Samples to learn from, and up to ``judged`` to inspect the network on, none of them in both.

    Parameters
    ----------
    data : name of an embedded set, or a .npz: pictures as ``layerlib.load`` takes them; x and y, or x_train, y_train,
        x_test and y_test; or labels beside others by the names that the network gives them, to inspect alone

    judged : how many, at least one

    Raises
    ------
    ValueError
        if ``data`` is neither
    """
    with renamed(name="data"):
        found: object = samples_in(Path(data)) if data.endswith(".npz") else load(data)
        if isinstance(found, Split):
            found = load(data)
    if isinstance(found, Data):
        return _floats(found.train), tuple(part[:judged] for part in _floats(found.test))
    parts = _floats(found) if isinstance(found, Split) else found
    if isinstance(parts, Mapping) and set(parts) != {"x", "y"}:
        return None, {name: values[:judged] for name, values in parts.items()}
    x, y = (as_tensor(each) for each in ((parts["x"], parts["y"]) if isinstance(parts, Mapping) else parts))
    with np.load(data) as file:
        if "x_train" in file:
            return (as_tensor(file["x_train"]), as_tensor(file["y_train"])), (x[:judged], y[:judged])
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    here, rest = order[:judged], order[judged:]
    return ((x[rest], y[rest]) if len(rest) else None), (x[here], y[here])


def _floats(split: Split) -> Samples:
    return split.images / 255, split.labels
