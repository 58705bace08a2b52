"""The command line: ``layerlib list``, ``run CHAPTER`` and ``record CHAPTER``, thin, over papermill."""

import argparse
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml
from papermill.iorw import NoDatesSafeLoader

from layerbook import chapters as rerun
from layerbook.provenance import git_state, provenance
from layerbook.record import SCHEMA, write_record
from layerlib._checks import did_you_mean


class UsageError(Exception):
    """What was asked for cannot be done; the message says why, in one line."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise UsageError(f"{message} (see {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="layerlib", description="List the chapters, and run them with other parameters.")
    commands = parser.add_subparsers(dest="command", required=True)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--book", type=Path, help="folder of the chapters (default: ./book)")
    commands.add_parser("list", parents=[shared], help="chapters and their parameters")
    running = argparse.ArgumentParser(add_help=False, parents=[shared])
    running.add_argument("chapter")
    running.add_argument(
        "-p", dest="pairs", metavar="NAME=VALUE", action="append", default=[], help="set a parameter"
    )
    running.add_argument("--out", type=Path, help="executed notebook (default: _build/runs/CHAPTER.SIZE.ipynb)")
    run = commands.add_parser("run", parents=[running], help="run one chapter")
    run.add_argument(
        "--size", choices=("small", "full"), default="small", help="full: parameters/CHAPTER.yaml"
    )
    recorded = "run one chapter at full size and write what it reported to records/CHAPTER.json"
    commands.add_parser("record", parents=[running], help=recorded).set_defaults(size="full")
    return parser


def _unknown(what: str, name: str, names: Iterable[str]) -> UsageError:
    names = list(names)
    hint = did_you_mean(name, names)
    return UsageError(f"no {what} {name!r}: {hint and f'{hint} '}there are: {', '.join(names) or 'none'}")


def find_book(given: Path | None) -> Path:
    """Return the folder of the chapters: the given one, ``./book``, or ``book`` beside an editable layerlib.

    Raises
    ------
    UsageError
        if there is no such folder
    """
    places = [given] if given is not None else [Path("book"), Path(__file__).resolve().parents[1] / "book"]
    for place in places:
        if place.is_dir():
            return place.resolve()
    raise UsageError(f"no book folder at {' or '.join(map(str, places))}: name it with --book")


def _chapters(book: Path) -> dict[str, rerun.Chapter]:
    try:
        return rerun.chapters(book)
    except ValueError as error:
        raise UsageError(error) from None


def _from_yaml(text: str, where: str) -> object:
    try:
        return yaml.load(text, Loader=NoDatesSafeLoader)
    except yaml.YAMLError as error:
        raise UsageError(f"{where}: not YAML: {' '.join(str(error).split())}") from None


def _full_size(book: Path, chapter: rerun.Chapter) -> dict[str, object]:
    path = book / "parameters" / f"{chapter.path.stem}.yaml"
    if not path.is_file():
        raise UsageError(f"expected the full-size parameters in {path}, there is no such file")
    values = _from_yaml(path.read_text(encoding="utf-8"), str(path))
    if not isinstance(values, dict):
        raise UsageError(f"{path}: expected names with values, got {type(values).__name__}")
    return _checked(values, chapter, f"{path}: ")


def _checked(values: dict, chapter: rerun.Chapter, where: str) -> dict[str, object]:
    for name, value in values.items():
        if name not in chapter.parameters:
            error = _unknown(f"parameter of {chapter.path.stem}", str(name), chapter.parameters)
            raise UsageError(f"{where}{error}")
        try:
            values[name] = rerun.checked(value, chapter.parameters[name].kind, name)
        except ValueError as error:
            raise UsageError(f"{where}{error}") from None
    return values


def _given(pairs: Sequence[str]) -> dict[str, object]:
    for pair in pairs:
        if "=" not in pair:
            raise UsageError(f"-p: expected NAME=VALUE, got {pair!r}")
    split = (pair.split("=", 1) for pair in pairs)
    return {name.strip(): _from_yaml(text, name) for name, text in split}


def _list(options: argparse.Namespace) -> None:
    book = find_book(options.book)
    found = _chapters(book)
    if not found:
        raise UsageError(f"{book}: no chapter: no notebook there has a cell tagged parameters")
    for name, chapter in found.items():
        print(f"{name}: {chapter.title}")
        for p in chapter.parameters.values():
            print(f"  {f'{p.name}: {p.kind} = {p.default!r}':<40}{p.help}".rstrip())


def _out_path(options: argparse.Namespace, book: Path, chapter: rerun.Chapter) -> Path:
    out = options.out or book.parent / "_build" / "runs" / f"{options.chapter}.{options.size}.ipynb"
    if out.suffix != ".ipynb" or out.is_dir():
        raise UsageError(f"--out: expected a file name ending in .ipynb, got {str(out)!r}")
    if out.resolve() == chapter.path.resolve():
        raise UsageError(f"--out: {out} is the chapter itself, which a run must not overwrite")
    return out


def _run(options: argparse.Namespace) -> None:
    book = find_book(options.book)
    found = _chapters(book)
    if options.chapter not in found:
        raise _unknown("chapter", options.chapter, found)
    chapter = found[options.chapter]
    values = _full_size(book, chapter) if options.size == "full" else {}
    values |= _checked(_given(options.pairs), chapter, "")
    out = _out_path(options, book, chapter)
    git = git_state(book)
    try:
        notebook = rerun.execute(chapter, values, out)
    except rerun.CellFailed as error:
        raise rerun.CellFailed(f"{options.chapter}: {error}; executed notebook kept: {out}") from None
    print(f"executed notebook: {out}")
    if options.command == "record":
        defaults = {name: p.default for name, p in chapter.parameters.items()}
        _record(book, options.chapter, notebook, defaults | values, git)


def _record(book: Path, chapter: str, notebook, parameters: dict, git: dict) -> None:
    report = rerun.reported(notebook)
    if report is None or not (report["numbers"] or report["curves"] or report["claims"]):
        raise UsageError(f"{chapter} reported nothing: its last cell must show a Report, not empty")
    if report["chapter"] != chapter:
        raise UsageError(f"{chapter} reported as {report['chapter']!r}: the names must be the same")
    if report["size"] == "smaller":
        print("layerlib: note: recording a run below the paper's size", file=sys.stderr)
    if git["commit"] is None:
        print(f"layerlib: note: {book} is not in a git commit: the record names none", file=sys.stderr)
    origin = provenance(git, parameters, notebook.metadata.papermill["duration"])
    if trainings := report.pop("trainings", None):
        origin["trainings"] = trainings
    path = book / "records" / f"{chapter}.json"
    write_record({"schema": SCHEMA, **report, "parameters": parameters, "provenance": origin}, path)
    print(f"record: {path}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : arguments without the program's name; by default those of the process

    Returns
    -------
    int, the exit code: 0 fine, 1 a cell failed, 2 bad usage, 130 interrupted
    """
    # A run that is terminated ends as one interrupted by ctrl-C does: kernel stopped, nothing half-written.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        options = _parser().parse_args(argv)
        {"list": _list, "run": _run, "record": _run}[options.command](options)
    except rerun.CellFailed as error:
        return _fail(error, 1)
    except (UsageError, OSError) as error:
        return _fail(error, 2)
    except KeyboardInterrupt:
        return _fail("interrupted: nothing was written", 130)
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _fail(error: object, code: int) -> int:
    print(f"layerlib: {error}", file=sys.stderr)
    return code
