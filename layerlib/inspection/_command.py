"""The command ``layerlib inspect``: a network by the name of what makes it, and samples in a file."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from layerlib.inspection import _report
from layerlib.inspection._by_name import Unusable, network_called, samples_in
from layerlib.inspection.inspect import inspect

SAID = "inspect a network of your own"


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
        found = inspect(network_called(options.network, options.weights), samples_in(options.data))
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


def _say(text: object, code: int) -> int:
    print(f"layerlib: {' '.join(str(text).split())}", file=sys.stderr)
    return code
