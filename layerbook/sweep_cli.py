"""The command line of sweeps: ``layerlib sweep CHAPTER``, ``collect DIR`` and ``plot DIR``."""

import argparse
import sys
from pathlib import Path

from layerbook.asked import given
from layerbook.places import find_book


def add_to(commands: argparse._SubParsersAction, shared: argparse.ArgumentParser) -> None:
    """Add the three commands to a parser's.

    Parameters
    ----------
    commands : where they go
    shared : what every command takes
    """
    sweep = commands.add_parser("sweep", parents=[shared], help="run one chapter for many values of its parameters")
    sweep.add_argument("chapter")
    over = "values of a parameter; of several such options, every combination runs"
    sweep.add_argument("--over", metavar="NAME=VALUE,VALUE", action="append", required=True, help=over)
    one = "a parameter that is the same in every run"
    sweep.add_argument("-p", dest="pairs", metavar="NAME=VALUE", action="append", default=[], help=one)
    sweep.add_argument("--size", choices=("small", "full"), default="small", help="full: parameters/CHAPTER.yaml")
    where = sweep.add_mutually_exclusive_group()
    where.add_argument("--jobs", type=int, default=1, help="runs side by side on this machine (default: 1)")
    where.add_argument(
        "--dask", metavar="ADDRESS", help="of a scheduler of dask.distributed, whose workers run instead"
    )
    out = "folder of the runs (default: _build/sweeps/CHAPTER), or an address to which they go too: s3://, gs://, …"
    sweep.add_argument("--out", metavar="DIR", help=out)

    collect = commands.add_parser("collect", parents=[shared], help="write what the runs reported as one table")
    collect.add_argument("folder", type=Path, metavar="DIR")
    keep = "keep the verdicts of the runs in the book's records, too, for its map"
    collect.add_argument("--keep", action="store_true", help=keep)
    plot = commands.add_parser("plot", help="draw what the runs of a sweep reported")
    plot.add_argument("folder", type=Path, metavar="DIR")
    plot.add_argument("--x", required=True, help="a parameter, or an axis of a curve")
    plot.add_argument("--y", required=True, help="a number or a curve")
    plot.add_argument("--hue", help="a parameter, or an axis of a curve")
    plot.add_argument("--out", type=Path, help="picture (default: DIR/Y_by_X.png)")


def _sweep(options: argparse.Namespace) -> int:
    from layerbook.sweep import sweep

    book = find_book(options.book)
    done = sweep(
        options.chapter,
        given(options.over, None, "--over", several=True),
        given(options.pairs, None),
        size=options.size,
        jobs=options.jobs,
        dask=options.dask,
        out=options.out,
        book=book,
    )
    for name, error in done.failed.items():
        print(f"layerlib: {name}: {' '.join(error.split())}", file=sys.stderr)
    before = f", {done.before} of them before" if done.before else ""
    print(f"{done.runs - len(done.failed)} of {done.runs} runs have finished{before}: {done.folder}")
    return 1 if done.failed else 0


def _collect(options: argparse.Namespace) -> None:
    from layerbook.collected import collect, write

    table = collect(options.folder)
    for path in write(table, options.folder):
        print(f"{len(table)} rows: {path}")
    if options.keep:
        from layerbook.stored_verdicts import keep_verdicts

        for path in keep_verdicts(options.folder, find_book(options.book) / "records"):
            print(f"verdicts: {path}")


def _plot(options: argparse.Namespace) -> None:
    from layerbook.collected import collect
    from layerbook.figures.sweeps import plot

    out = options.out or options.folder / f"{options.y}_by_{options.x}.png"
    plot(collect(options.folder), options.x, options.y, options.hue).savefig(out)
    print(f"figure: {out}")


COMMANDS = {"sweep": _sweep, "collect": _collect, "plot": _plot}
