"""What the text of a module defines and imports, and which names each definition uses; positions do not count."""

import ast
import hashlib
import re
from dataclasses import dataclass, field
from functools import lru_cache

from layerbook.names import FUNCTIONS, IMPORTS, Import, Use, names_imported, uses

# They say what a module is called and shows, not what it does.
_LABELS = {"__all__", "__version__"}


@dataclass(frozen=True)
class Definition:
    """The digest of a piece of code and the names it takes from its module."""

    digest: str
    uses: frozenset[Use]


@dataclass
class Source:
    """A module: its definitions, its other statements, what its names import, and its lazily loaded names."""

    definitions: dict[str, Definition] = field(default_factory=dict)
    statements: list[Definition] = field(default_factory=list)
    imports: dict[str, list[Import]] = field(default_factory=dict)
    imported: set[Import] = field(default_factory=set)
    homes: dict[str, str] = field(default_factory=dict)


_READ: dict[str, Definition] = {}


def digest(*texts: str) -> str:
    """Short digest of some texts in their order."""
    return hashlib.blake2b("\0".join(texts).encode(), digest_size=12).hexdigest()


@lru_cache(maxsize=1024)
def source(text: str) -> Source:
    """Read a module's text; what is no Python is one statement."""
    text = re.sub("\r\n?", "\n", text)
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError):
        return Source(statements=[Definition(digest(text), frozenset())])
    found, pieces, lines = _importing(body), {}, text.split("\n")
    for node in body:
        names = _names_defined(node)
        if _counts(node) and not names:
            found.statements.append(definition(node))
        for name in names - _LABELS:
            pieces.setdefault(name, []).append(node)
    for name, nodes in pieces.items():
        parts = [_known(node, lines) for node in nodes]
        found.definitions[name] = (
            parts[0]
            if len(parts) == 1
            else Definition(digest(*(part.digest for part in parts)), frozenset().union(*(part.uses for part in parts)))
        )
    if "__getattr__" in pieces:  # a table of names beside it: where each of them is at home
        for node in (node for nodes in pieces.values() for node in nodes):
            found.homes |= _table(getattr(node, "value", None))
    return found


@lru_cache(maxsize=256)
def script(text: str) -> Source:
    """Read a script, such as a notebook's cells: all its statements, in order, are one piece of code."""
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError):
        return source(text)
    found = _importing(module.body)
    found.statements.append(definition(module))
    return found


def definition(node: ast.AST) -> Definition:
    """Digest of code without its imports, docstrings and positions, and what it uses."""
    return Definition(digest(_dump(node)), frozenset(uses(node, {})))


def _known(node: ast.stmt, lines: list[str]) -> Definition:
    """As `definition`, once for each text: most code is the same in two versions of a module."""
    first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
    text = "\n".join([f"{node.col_offset} {node.end_col_offset}", *lines[first - 1 : node.end_lineno]])
    if text not in _READ:
        _READ[text] = definition(node)
    return _READ[text]


def _importing(body: list[ast.stmt]) -> Source:
    """What statements import, outside of functions and classes."""
    found = Source()
    for node in (node for node in body if not isinstance(node, (*FUNCTIONS, ast.ClassDef))):
        for each in (each for each in ast.walk(node) if isinstance(each, IMPORTS)):
            for name, what in names_imported(each):
                found.imports.setdefault(name, []).append(what)
                found.imported.add(what)
            if isinstance(each, ast.Import):  # of a.b.c the name is a, yet c runs
                found.imported.update(Import(0, alias.name) for alias in each.names)
    return found


def _counts(node: ast.AST) -> bool:
    """Whether a statement does something besides importing or being prose."""
    if isinstance(node, ast.If) and not node.orelse:  # if TYPE_CHECKING: import ...
        return any(map(_counts, node.body))
    prose = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return not prose and not isinstance(node, IMPORTS)


def _dump(value: object) -> str:
    """As `ast.dump`, without what does not count, and the same in every version of Python."""
    if isinstance(value, list):
        return f"[{','.join(_dump(each) for each in value if not isinstance(each, ast.stmt) or _counts(each))}]"
    if not isinstance(value, ast.AST) or isinstance(value, ast.Constant):
        return repr(value.value if isinstance(value, ast.Constant) else value)
    parts = [
        f"{name}={_dump(each)}"
        for name, each in ast.iter_fields(value)
        if name != "ctx" and each is not None and each != []
    ]
    return f"{type(value).__name__}({','.join(parts)})"


def _names_defined(node: ast.stmt) -> set[str]:
    if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        return {node.name}
    targets = (
        node.targets
        if isinstance(node, ast.Assign)
        else [node.target]
        if isinstance(node, (ast.AnnAssign, ast.AugAssign))
        else []
    )
    parts = [each for target in targets for each in ast.walk(target) if not isinstance(each, ast.expr_context)]
    # plots.SIZE = 1 changes what is not this module's: a statement, no definition
    return (
        {each.id for each in parts if isinstance(each, ast.Name)}
        if all(isinstance(each, (ast.Name, ast.Tuple, ast.List, ast.Starred)) for each in parts)
        else set()
    )


def _table(node: ast.expr | None) -> dict[str, str]:
    if not isinstance(node, ast.Dict):
        return {}
    pairs = [
        (key.value, value.value)
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(value, ast.Constant)
    ]
    return dict(pairs) if all(isinstance(text, str) for pair in pairs for text in pair) else {}
