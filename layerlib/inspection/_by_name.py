"""A network by the name of what makes it, its weights and its samples in files."""

import importlib
import os
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from layerlib._archives import check_sizes
from layerlib._checks import in_short
from layerlib.data.load import load
from layerlib.data.splits import Split


class Unusable(ValueError):
    """What was asked for cannot be done; the message says why."""


def network_called(named: str, weights: Path | None = None, **arguments: object) -> nn.Module:
    """The network that ``named``, a MODULE:CALLABLE, makes of ``arguments``, with these weights.

    Raises
    ------
    Unusable
        if there is no such module or callable, it makes no network, or the weights are none or do not fit
    """
    module, _, name = named.partition(":")
    if not module or not name:
        raise Unusable(f"network: expected MODULE:CALLABLE, got {named!r}")
    if (here := os.getcwd()) not in sys.path:
        sys.path.insert(0, here)
    try:
        made = getattr(importlib.import_module(module), name)
        network = made if isinstance(made, nn.Module) else made(**arguments)
    except Exception as error:  # whatever the reader's module raises
        raise Unusable(f"{named}: {in_short(error)}") from error
    if not isinstance(network, nn.Module):
        raise Unusable(f"{named}: expected a network, an nn.Module, got {type(network).__name__}")
    if weights is not None:
        try:
            network.load_state_dict(_weights(weights))
        except (RuntimeError, AttributeError) as error:  # it lists every key that does not fit
            lines = str(error).split("\n")
            raise Unusable(f"{weights}: {' '.join(lines[:2])[:300]}") from error
    return network


def _weights(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise Unusable(f"{path}: no such file")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of a file that is something else, anything
        raise Unusable(f"{path}: expected a state_dict, as torch.save writes it, or a .safetensors") from error
    return found.get("state_dict", found) if isinstance(found, Mapping) else found


def samples_in(path: Path) -> Split | dict[str, np.ndarray]:
    """Labelled samples of a ``.npz``, as ``inspect`` takes them; of training and test samples these.

    Raises
    ------
    Unusable
        if it is no such file
    """
    if not path.is_file():
        raise Unusable(f"{path}: no such file")
    try:
        with np.load(path, allow_pickle=False) as file:
            check_sizes(file.zip, file.files)
            arrays = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise Unusable(f"{path}: expected a .npz of plain arrays ({error})") from error
    pictures = arrays.get("x", arrays.get("x_test"))
    if "test_jpeg" in arrays or (pictures is not None and pictures.dtype == np.uint8 and pictures.ndim > 2):
        found = load(path)
        return found if isinstance(found, Split) else found.test
    ours = {name.removesuffix("_test"): array for name, array in arrays.items() if name in ("x_test", "y_test")}
    return ours or arrays
