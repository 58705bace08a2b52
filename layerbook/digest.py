"""Digests of code by its meaning: of what a chapter runs, of what a function or class does.

Each top-level definition counts by its syntax, without imports, docstrings, comments and positions; what it uses in
the book's packages is followed. So moving code changes no digest, and changing it does.
"""

import ast
import contextlib
import inspect
import json
import linecache
import re
import sysconfig
import textwrap
from collections.abc import Collection, Mapping
from functools import lru_cache, partial
from pathlib import Path
from types import CodeType, FunctionType

from layerbook.reach import PACKAGES, Code
from layerbook.syntax import definition, digest

_MAGIC = re.compile(r"^(\s*)([%!].*)$", re.MULTILINE)
# Read by their qualified names: what Python and its packages do is a matter of their versions.
_INSTALLED = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def files_in(folder: Path) -> dict[str, str]:
    """The texts of the packages' modules below a folder, by their paths from there."""
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for package in PACKAGES
        for path in sorted((folder / package).rglob("*.py"))
    }


def reached(notebook: str, files: Mapping[str, str], without: Collection[str] = ()) -> frozenset[str]:
    """Digests of a notebook's code and of all that it reaches in the packages.

    Parameters
    ----------
    notebook : the text of its file
    files : path from the folder that holds the packages, with ``/`` -> text
    without : names of definitions that are not followed

    Returns
    -------
    set of text: a digest for each definition, and for each name in it the digest of what the name stands for
    """
    return Code(files).reached(_code(notebook), without)


def digest_of(*objects: object) -> str:
    """One digest of functions and classes, the same wherever they and what they use lie.

    Those of the packages count with all that they reach; others, as of a notebook, by their own source; installed ones,
    such as torch's, by their names. Of another object its class counts, of a partial its arguments, too.

    Parameters
    ----------
    objects : functions, classes, methods, partials

    Returns
    -------
    hexadecimal text
    """
    return digest(*(_one(each) for each in objects))


def _one(thing: object) -> str:
    if isinstance(thing, partial):
        arguments = [*enumerate(thing.args), *sorted(thing.keywords.items())]
        return digest(
            _one(thing.func),
            *(f"{name} {_one(value) if callable(value) else repr(value)}" for name, value in arguments),
        )
    thing = inspect.unwrap(getattr(thing, "__func__", thing))
    if not hasattr(thing, "__qualname__"):
        thing = type(thing)
    module = thing.__module__ or ""
    if module.split(".")[0] in PACKAGES:
        with contextlib.suppress(KeyError):  # made by other code, at no place in the module
            reach = _installed().reached_from(module, thing.__qualname__.split(".")[0])
            return digest(thing.__qualname__, *sorted(reach))
    return f"{module}.{thing.__qualname__}" if _is_installed(thing) else _own(thing)


@lru_cache(maxsize=1)
def _installed() -> Code:
    return Code(files_in(Path(__file__).resolve().parents[1]))


def _is_installed(thing: object) -> bool:
    try:
        file = inspect.getfile(thing)
    except (TypeError, OSError):  # built in, or written in a notebook
        return not _functions(thing)
    return thing.__module__ != "__main__" and file.startswith(_INSTALLED)


def _own(thing: type | FunctionType) -> str:
    """Digest of what was written outside of the packages: its source, or its byte code where that says more."""
    try:
        text = textwrap.dedent(_text(thing))
        return definition(ast.parse(text)).digest if thing.__name__ != "<lambda>" else _compiled(thing.__code__)
    except (OSError, TypeError, SyntaxError):
        return digest(thing.__qualname__, *(_compiled(each.__code__) for each in _functions(thing)))


def _text(thing: type | FunctionType) -> str:
    # A class of a notebook lies in no file that its module could name, but its functions know theirs.
    for code in (each.__code__ for each in _functions(thing) if isinstance(thing, type)):
        text = "".join(linecache.getlines(code.co_filename))
        around = [
            node
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.ClassDef)
            and node.name == thing.__name__
            and node.lineno <= code.co_firstlineno <= node.end_lineno
        ]
        if around:
            return ast.unparse(around[-1])
    return inspect.getsource(thing)


def _functions(thing: object) -> list[FunctionType]:
    """A function itself; those of a class's own."""
    found = vars(thing).values() if isinstance(thing, type) else [thing]
    return [each for each in (getattr(each, "__func__", each) for each in found) if isinstance(each, FunctionType)]


def _compiled(code: CodeType) -> str:
    constants = [_compiled(each) if isinstance(each, CodeType) else repr(each) for each in code.co_consts]
    return digest(code.co_code.hex(), *constants, *code.co_names, *code.co_varnames)


def _code(notebook: str) -> str:
    """The code of a notebook's file; the text itself where that is none."""
    try:
        cells = ["".join(cell["source"]) for cell in json.loads(notebook)["cells"] if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError):
        return f"{notebook!r},"
    return "\n".join(_plain(cell) if _MAGIC.search(cell) else cell for cell in cells)


def _plain(cell: str) -> str:
    """A cell as Python: lines that only IPython understands become text."""
    try:
        ast.parse(cell)
    except SyntaxError:
        return (
            f"{cell!r},\n"
            if cell.lstrip().startswith("%%")
            else _MAGIC.sub(lambda match: f"{match[1]}{match[2]!r},", cell)
        )
    return cell
