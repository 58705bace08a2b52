"""The command line: ``list``, ``run``, ``record``, ``verify`` and ``check``, and what `layerbook.sweep_cli` adds."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from layerbook import sweep_cli
from layerbook.asked import UsageError, chapter_of, given, unknown, wanted
from layerbook.chapters import STORE, CellFailed, Interrupted, chapters, reported
from layerbook.parameters import recordable
from layerbook.places import check_writable, find_book, out_path
from layerbook.stopping import stoppable


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise UsageError(f"{message} (see {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="layerlib",
        description="List the chapters, and run them with other parameters.",
        epilog="For every instrument on a network of your own: layerlib inspect --help",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--book", type=Path, help="folder of the chapters (default: ./book, else that of this installation)"
    )
    commands.add_parser("list", parents=[shared], help="chapters and their parameters")
    running = argparse.ArgumentParser(add_help=False, parents=[shared])
    running.add_argument("chapter")
    running.add_argument(
        "-p",
        dest="pairs",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="set a parameter; a file is looked for where you are, then in the book's folder",
    )
    running.add_argument("--out", type=Path, help="executed notebook (default: _build/runs/CHAPTER.SIZE.ipynb)")
    run = commands.add_parser("run", parents=[running], help="run one chapter")
    run.add_argument("--size", choices=("small", "full"), default="small", help="full: parameters/CHAPTER.yaml")
    verifying = commands.add_parser("verify", parents=[shared], help="make a record's run again, and compare")
    verifying.add_argument("record", help="a chapter's name, or the path of its record")
    small = "small: run the chapter small by the record's code and by today's, instead of as the record was made"
    verifying.add_argument("--size", choices=("small", "full"), default="full", help=small)
    verifying.add_argument(
        "--from-store", type=Path, help="folder of stored trainings to take networks from; else train anew"
    )
    commands.add_parser("check", parents=[shared], help="see whether all is there and the instruments say the same")
    recorded = "run one chapter at full size and write what it reported to records/CHAPTER.json"
    commands.add_parser("record", parents=[running], help=recorded).set_defaults(size="full")
    sweep_cli.add_to(commands, shared)
    return parser


def _list(options: argparse.Namespace) -> None:
    book = find_book(options.book)
    found, broken = chapters(book)
    for error in broken.values():
        _say(error)
    if not found:
        raise UsageError(f"{book}: no chapter: no notebook there has a cell tagged parameters")
    for name, chapter in found.items():
        print(f"{name}: {chapter.title}")
        for line in _columns(
            [(f"{p.name}{p.kind and f': {p.kind}'} = {p.default!r}", p.help) for p in chapter.parameters.values()]
        ):
            print(f"  {line}")


def _columns(rows: Sequence[tuple[str, str]], widest: int = 44) -> list[str]:
    """Two columns; where the first is very wide, the second stands below it."""
    width = max((len(first) for first, _ in rows if len(first) <= widest), default=0)
    lines = []
    for first, second in rows:
        if len(first) > width and second:
            lines.append(first)
            first = ""
        lines.append(f"{first:<{width}}  {second}".rstrip())
    return lines


def _run(options: argparse.Namespace) -> None:
    book = find_book(options.book)
    chapter = chapter_of(book, options.chapter)
    values = wanted(chapter, given(options.pairs, book), options.size, book)
    out = out_path(options.out, options.size, book, chapter.path)
    record = book / "records" / f"{options.chapter}.json" if options.command == "record" else None
    check_writable(out, record)
    # papermill and what it brings take seconds to import.
    from layerbook.provenance import git_state
    from layerbook.running import execute

    git = git_state(book)
    try:
        notebook = execute(chapter, values, out)
    except CellFailed as error:
        raise CellFailed(f"{options.chapter}: {error}; executed notebook kept: {out}") from None
    except Interrupted as error:
        raise Interrupted(f"{options.chapter}: interrupted {error}") from None
    print(f"executed notebook: {out}")
    if record is not None:
        defaults = {name: recordable(p.default) for name, p in chapter.parameters.items()}
        _record(record, notebook, defaults | values, git)


def _verify(options: argparse.Namespace) -> int:
    book = find_book(options.book)
    path = Path(options.record)
    if path.suffix != ".json":
        path = book / "records" / f"{options.record}.json"
    if not path.is_file():
        names = [each.stem for each in sorted(book.glob("records/*.json")) if each.stem != "verified"]
        raise unknown("record", options.record, names)
    if options.size == "full":
        return _again(path.resolve(), book, options.from_store)
    if options.from_store:
        raise UsageError("--from-store: a small run trains anew, so it goes with --size full alone")
    from layerbook.verify import verify

    _say(f"running {path.stem} twice, small: at its record's commit and by today's code")
    found = verify(path.resolve(), book)
    print(
        f"{found.chapter}: {found.numbers} numbers and {found.curves} curves of a small run, "
        f"at commit {found.commit[:7]} and today: {'other' if found.differences else 'the same'}"
    )
    for line in found.differences:
        print(f"  {line}")
    if found.kept:
        print(f"kept: {found.kept}")
    elif not found.differences:
        _say("note: not kept, since there are local changes: commit them and verify again")
    return 1 if found.differences else 0


def _again(path: Path, book: Path, from_store: Path | None) -> int:
    from layerbook.anew import anew

    _say(f"running {path.stem} as its record was made, {'with stored networks' if from_store else 'training anew'}")
    found = anew(path, book, from_store=from_store)
    setting = f", since here is another setting ({'; '.join(found.because)})" if found.because else ""
    compared = f"{found.compared} numbers, curves and verdicts compared, tolerance {found.tolerance:g}"
    print(f"{found.chapter}: {compared}{setting}")
    for line in found.differences:
        print(f"  {line}")
    print(f"executed notebook: {found.notebook}")
    return 1 if found.differences else 0


def _check(options: argparse.Namespace) -> int:
    from layerbook.check import check

    return check(options.book)


def _record(path: Path, notebook: object, parameters: dict, git: dict) -> None:
    from layerbook._schemas import SCHEMA
    from layerbook.provenance import provenance
    from layerbook.record import write_record

    chapter, report = path.stem, reported(notebook)
    if report is None or not (report["numbers"] or report["curves"] or report["claims"]):
        raise UsageError(f"{chapter} reported nothing: its last cell must show a Report, not empty")
    if report["chapter"] != chapter:
        raise UsageError(f"{chapter} reported as {report['chapter']!r}: the names must be the same")
    if report["size"] == "smaller":
        _say("note: recording a run below the paper's size")
    if git["commit"] is None:
        _say(f"note: {path.parents[1]} is not in a git commit: the record names none")
    origin = provenance(git, parameters, notebook.metadata.papermill["duration"])
    if trainings := report.pop("trainings", None):
        origin["trainings"] = trainings
    # Where this machine keeps its trainings says nothing to another.
    asked = {name: value for name, value in parameters.items() if name != STORE}
    write_record({"schema": SCHEMA, **report, "parameters": asked, "provenance": origin}, path)
    print(f"record: {path}")


_COMMANDS = {"list": _list, "run": _run, "record": _run, "verify": _verify, "check": _check, **sweep_cli.COMMANDS}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : arguments without the program's name; by default those of the process

    Returns
    -------
    int, the exit code: 0 fine, 1 a cell or a run of a sweep failed, a record is not what today's code gives or `check`
    found fault, 2 bad usage, 130 interrupted
    """
    with stoppable():
        try:
            options = _parser().parse_args(argv)
            code = _COMMANDS[options.command](options)
        except KeyboardInterrupt:
            return _say("interrupted: nothing was written", 130)
        except Interrupted as error:
            return _say(error, 130)
        except CellFailed as error:
            return _say(error, 1)
        except (ValueError, OSError) as error:
            return _say(error, 2)
    return code or 0


def _say(text: object, code: int = 0) -> int:
    print(f"layerlib: {' '.join(str(text).split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
