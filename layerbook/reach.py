"""What a chapter reaches in the book's packages, as digests of code by its meaning.

Each top-level definition counts by its syntax, without imports, docstrings, comments and positions; names are followed
through imports to definitions, wherever these lie. So moving code changes no digest, and changing it does.
"""

import ast
import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from layerbook.syntax import Definition, Import, Source, Use, script, source

PACKAGES = ("layerlib", "layerbook")
_MAGIC = re.compile(r"^(\s*)([%!].*)$", re.MULTILINE)


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
    without : definitions that are not followed, with their modules, wherever these lie: ``record.read_record``

    Returns
    -------
    set of text: a digest for each definition, and for each name in it the digest of what the name stands for
    """
    return _Code(files).reached(_code(notebook), without)


class _Code:
    """The modules of the packages as texts, and what can be reached in them.

    Parameters
    ----------
    files : path from the folder that holds the packages, with ``/`` -> text; other files are left out
    """

    def __init__(self, files: Mapping[str, str]):
        self._texts: dict[str, str] = {}
        self._packages: set[str] = set()
        for path, text in files.items():
            parts = path.removesuffix(".py").split("/")
            if path.endswith(".py") and parts[0] in PACKAGES:
                if parts[-1] == "__init__":
                    parts.pop()
                    self._packages.add(".".join(parts))
                self._texts[".".join(parts)] = text
        for name in list(self._texts):  # folders without __init__.py
            for parent in _parents(name):
                if parent not in self._texts:
                    self._packages.add(parent)
                    self._texts[parent] = ""

    def reached(self, text: str, without: Collection[str]) -> frozenset[str]:
        """Digests of a script's code and of all that it reaches, as of the function."""
        start = script(text)
        found: set[str] = set()
        modules: set[str] = set()
        done: set[tuple[str, Definition]] = set()
        waiting = [("", start, each) for each in start.statements]
        waiting += self._entered("", start, modules)
        while waiting:
            where, namespace, one = waiting.pop()
            if (where, one) in done:
                continue
            done.add((where, one))
            found.add(one.digest)
            for use in one.uses:
                for target in self._targets(where, namespace, use):
                    label = target if isinstance(target, str) else target[1]
                    if not isinstance(target, str) and f"{target[0].rpartition('.')[2]}.{label}" not in without:
                        home = source(self._texts[target[0]])
                        waiting += self._entered(target[0], home, modules)
                        waiting.append((target[0], home, home.definitions[label]))
                        label = home.definitions[label].digest
                    found.add(f"{one.digest} {'.'.join((use.name, *use.attributes))} {label}")
        return frozenset(found)

    def _entered(self, module: str, start: Source, modules: set[str]) -> Iterator[tuple[str, Source, Definition]]:
        """Statements that run when a module is imported: its own, its packages', and those of what it imports."""
        waiting = [(module, start)]
        while waiting:
            name, namespace = waiting.pop()
            if name in modules:
                continue
            modules.add(name)
            if name:
                yield from ((name, namespace, each) for each in namespace.statements)
            imported = [self._absolute(name, each) for each in namespace.imported]
            others = {part for base, what in imported for part in (base, f"{base}.{what}") if part in self._texts}
            others |= {parent for each in (*others, name) for parent in _parents(each)}
            waiting += [(each, source(self._texts[each])) for each in sorted(others - modules)]

    def _targets(self, module: str, namespace: Source, use: Use) -> Iterator[str | tuple[str, str]]:
        """Where a name leads: definitions, as module and name; text for what is outside or missing."""
        if use.imports:
            for each in use.imports:
                yield from self._followed(*self._absolute(module, each), use.attributes, frozenset())
        else:
            yield from self._named(module, namespace, use.name, use.attributes, frozenset())

    def _named(
        self, module: str, namespace: Source, name: str, attributes: tuple[str, ...], seen: frozenset
    ) -> Iterator[str | tuple[str, str]]:
        if (module, name) in seen:
            return
        seen |= {(module, name)}
        if name in namespace.definitions:
            yield module, name
        for each in namespace.imports.get(name, ()):
            yield from self._followed(*self._absolute(module, each), attributes, seen)
        if name in namespace.definitions or name in namespace.imports or not module:
            return
        if name in namespace.homes:
            home = namespace.homes[name]
            home = home if not home.startswith(".") else module + home
            yield from self._followed(
                *((home, name) if home in self._texts else home.rpartition(".")[::2]), attributes, seen
            )
        elif f"{module}.{name}" in self._texts:
            yield from self._in_module(f"{module}.{name}", attributes, seen)
        elif "__getattr__" in namespace.definitions:  # names loaded on demand, from the modules that it imports
            for each in {each for use in namespace.definitions["__getattr__"].uses for each in use.imports}:
                home = ".".join(filter(None, self._absolute(module, each)))
                if home in self._texts:
                    yield from self._named(home, source(self._texts[home]), name, attributes, seen)

    def _followed(
        self, base: str, name: str, attributes: tuple[str, ...], seen: frozenset
    ) -> Iterator[str | tuple[str, str]]:
        """Where an import leads: ``name`` of the module ``base``, or that module itself if ``name`` is empty."""
        if base.split(".")[0] not in PACKAGES:
            yield f"{base}.{name}".rstrip(".")
        elif base not in self._texts:
            yield "nothing"
        elif not name:
            yield from self._in_module(base, attributes, seen)
        else:
            targets = list(self._named(base, source(self._texts[base]), name, attributes, seen))
            yield from targets or ["nothing"]

    def _in_module(self, module: str, attributes: tuple[str, ...], seen: frozenset) -> Iterator[str | tuple[str, str]]:
        namespace = source(self._texts[module])
        if attributes:
            yield from self._followed(module, attributes[0], attributes[1:], seen)
            return
        for name in sorted({*namespace.definitions, *namespace.imports, *namespace.homes}):
            yield from self._named(module, namespace, name, (), seen)

    def _absolute(self, module: str, what: Import) -> tuple[str, str]:
        if not what.level:
            return what.module, what.name
        parts = module.split(".") if module in self._packages else module.split(".")[:-1]
        parts = parts[: len(parts) + 1 - what.level]
        return ".".join([*parts, *filter(None, [what.module])]), what.name


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


def _parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:k]) for k in range(1, len(parts))]
