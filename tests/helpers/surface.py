"""What is public in the packages; as text, a line a name: python tests/helpers/surface.py > tests/surface.txt"""

import ast
import importlib
import inspect
import json
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType

import layerlib

EMPTY = inspect.Parameter.empty


def public_modules(*packages: str) -> Iterator[ModuleType]:
    """The packages and all modules below them whose path has no underscore, and which need no package of others."""
    for package in map(importlib.import_module, packages):
        yield package
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not any(part.startswith("_") or part == "integrations" for part in found.name.split(".")):
                yield importlib.import_module(found.name)


def defined(module: ModuleType) -> Iterator[object]:
    """The public functions and classes that a module defines."""
    for name, value in vars(module).items():
        here = getattr(value, "__module__", None) == module.__name__
        if here and not name.startswith("_") and isinstance(value, FunctionType | type):
            yield value


def members(value: type) -> Iterator[tuple[str, object]]:
    """The public methods and properties that a class defines, each as the function behind it."""
    for name, definition in vars(value).items():
        function = getattr(definition, "__func__", None) or getattr(definition, "fget", None) or definition
        if not name.startswith("_") and isinstance(function, FunctionType):
            yield name, function


def with_members(value: object) -> Iterator[tuple[str, object]]:
    """A function; or a class, and then its methods; each with its full name."""
    name = f"{value.__module__}.{value.__qualname__}"
    yield name, value
    if isinstance(value, type):
        for member, function in members(value):
            yield f"{name}.{member}", function


def imported_by_chapters(book: Path, package: str) -> Iterator[object]:
    """The functions and classes of a package that the notebooks of a book import; of a module all that it defines."""
    for notebook in sorted(book.glob("*.ipynb")):
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                for node in ast.walk(ast.parse("".join(cell["source"]))):
                    if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == package:
                        yield from _named_by(node)


def _named_by(statement: ast.ImportFrom) -> Iterator[object]:
    home = importlib.import_module(statement.module)
    for name in statement.names:
        value = getattr(home, name.name, None) or importlib.import_module(f"{home.__name__}.{name.name}")
        if isinstance(value, ModuleType):
            yield from defined(value)
        elif callable(value):
            yield value


def lines() -> Iterator[str]:
    """Every public name of ``layerlib`` with its arguments and their defaults; a class with its public members."""
    for name in sorted(layerlib.__all__):
        value = getattr(layerlib, name)
        yield f"{name}{_arguments(value)}"
        if isinstance(value, type):
            fields = getattr(value, "__annotations__", {})
            yield from (f"{name}.{field}" for field in fields if not field.startswith("_"))
            for member, function in members(value):
                read = isinstance(inspect.getattr_static(value, member), property)
                yield f"{name}.{member}" + ("" if read else _arguments(function))


def _arguments(value: object) -> str:
    """As in a definition, without types, which are written otherwise in another Python."""
    try:
        signature = inspect.signature(value)
    except ValueError:  # of an exception or the like, written in C
        return "(…)"
    parameters = [
        parameter.replace(annotation=EMPTY, default=EMPTY if parameter.default is EMPTY else _Shown(parameter.default))
        for name, parameter in signature.parameters.items()
        if name not in ("self", "cls")
    ]
    return str(signature.replace(parameters=parameters, return_annotation=EMPTY))


class _Shown:
    """A default, with functions and classes by name instead of by address."""

    def __init__(self, value: object):
        self.value = value

    def __repr__(self) -> str:
        return getattr(self.value, "__qualname__", None) or repr(self.value)


if __name__ == "__main__":
    print(*lines(), sep="\n")
