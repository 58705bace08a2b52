"""The command ``layerlib inspect``: a network by the name of what makes it, and samples in a file."""

import argparse
import importlib
import os
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from layerlib._checks import in_short
from layerlib.data.load import load
from layerlib.data.splits import Split
from layerlib.inspection import _report
from layerlib.inspection.inspect import inspect

SAID = "inspect a network of your own"


class Unusable(ValueError):
    """What was asked for cannot be done; the message says why."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise Unusable(f"{message} (see {self.prog} --help)")


def main(argv: Sequence[str]) -> int:
    """Inspect, and print the table; see ``layerlib inspect --help``.

    Parameters
    ----------
    argv : arguments behind the word inspect

    Returns
    -------
    int, the exit code: 0 fine, 2 bad usage, 130 interrupted
    """
    try:
        options = _parser().parse_args(argv)
        found = inspect(_network(options.network, options.weights), _samples(options.data))
        print(found)
        print(_report.table(found).to_string(float_format="{:.3g}".format, na_rep="-"))
        if options.html is not None:
            found.to_html(options.html)
            print(f"page: {options.html}")
    except KeyboardInterrupt:
        return _say("interrupted: nothing was written", 130)
    except (ValueError, OSError) as error:
        return _say(error, 2)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="layerlib inspect", description=f"{SAID.capitalize()}: every instrument on every layer.")
    parser.add_argument("network", metavar="MODULE:CALLABLE", help="which makes the network, called with nothing")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FILE.npz",
        help="arrays x and y, or x_test and y_test; or labels beside others by the names that the network gives them",
    )
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a state_dict, as .pt or .safetensors")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write figure, table and reasons as one page")
    return parser


def _network(named: str, weights: Path | None) -> nn.Module:
    module, _, name = named.partition(":")
    if not module or not name:
        raise Unusable(f"network: expected MODULE:CALLABLE, got {named!r}")
    if (here := os.getcwd()) not in sys.path:
        sys.path.insert(0, here)
    try:
        made = getattr(importlib.import_module(module), name)
        network = made if isinstance(made, nn.Module) else made()
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


def _samples(path: Path) -> Split | dict[str, np.ndarray]:
    if not path.is_file():
        raise Unusable(f"{path}: no such file")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise Unusable(f"{path}: expected a .npz of plain arrays ({error})") from error
    pictures = arrays.get("x", arrays.get("x_test"))
    if "test_jpeg" in arrays or (pictures is not None and pictures.dtype == np.uint8 and pictures.ndim > 2):
        found = load(path)
        return found if isinstance(found, Split) else found.test
    ours = {name.removesuffix("_test"): array for name, array in arrays.items() if name in ("x_test", "y_test")}
    return ours or arrays


def _say(text: object, code: int) -> int:
    print(f"layerlib: {' '.join(str(text).split())}", file=sys.stderr)
    return code
