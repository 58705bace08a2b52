"""What the text of a module defines and imports, and which names each definition uses; positions do not count."""

import ast
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)
_IMPORTS = (ast.Import, ast.ImportFrom)
# They say what a module is called and shows, not what it does.
_LABELS = {"__all__", "__version__"}


class Import(NamedTuple):
    """``from module import name`` with ``level`` dots before the module; without a name, the module itself."""

    level: int
    module: str
    name: str = ""


class Use(NamedTuple):
    """A name with the attributes asked of it, as in ``plots.INK``; ``imports`` if the function imports it itself."""

    name: str
    attributes: tuple[str, ...] = ()
    imports: tuple[Import, ...] = ()


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


def digest(*texts: str) -> str:
    """Short digest of some texts in their order."""
    return hashlib.blake2b("\0".join(texts).encode(), digest_size=12).hexdigest()


@lru_cache(maxsize=1024)
def source(text: str) -> Source:
    """Read a module's text; what is no Python is one statement."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError):
        return Source(statements=[Definition(digest(text), frozenset())])
    found, pieces = Source(), {}
    for node in body:
        for each in ast.walk(node) if not isinstance(node, (*_FUNCTIONS, ast.ClassDef)) else ():
            if isinstance(each, _IMPORTS):
                for name, what in _names_imported(each):
                    found.imports.setdefault(name, []).append(what)
                found.imported.update(_modules_imported(each))
        names = _names_defined(node)
        if _counts(node) and not names:
            found.statements.append(definition([node]))
        for name in names - _LABELS:
            pieces.setdefault(name, []).append(node)
    found.definitions = {name: definition(nodes) for name, nodes in pieces.items()}
    if "__getattr__" in pieces:  # a table of names beside it: where each of them is at home
        for node in (node for nodes in pieces.values() for node in nodes):
            found.homes |= _table(getattr(node, "value", None))
    return found


@lru_cache(maxsize=256)
def script(text: str) -> Source:
    """Read a script, such as a notebook's cells: all its statements, in order, are one piece of code."""
    found = source(text)
    try:
        whole = [definition(ast.parse(text).body)]
    except (SyntaxError, ValueError):
        return found
    return Source(statements=whole, imports=found.imports, imported=found.imported)


def definition(nodes: list[ast.stmt]) -> Definition:
    """Digest of statements without their imports, docstrings and positions, and what they use."""
    uses = {use for node in nodes for use in _uses(node, {})}
    return Definition(digest(_dump(nodes)), frozenset(uses))


def _counts(node: ast.AST) -> bool:
    """Whether a statement does something besides importing or being prose."""
    if isinstance(node, ast.If) and not node.orelse:  # if TYPE_CHECKING: import ...
        return any(map(_counts, node.body))
    prose = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return not prose and not isinstance(node, _IMPORTS)


def _dump(value: object) -> str:
    """As `ast.dump`, without what does not count, and the same in every version of Python."""
    if isinstance(value, list):
        return f"[{','.join(_dump(each) for each in value if not isinstance(each, ast.stmt) or _counts(each))}]"
    if not isinstance(value, ast.AST) or isinstance(value, ast.Constant):
        return repr(value.value if isinstance(value, ast.Constant) else value)
    parts = [f"{name}={_dump(each)}" for name, each in ast.iter_fields(value)
             if name != "ctx" and each is not None and each != []]
    return f"{type(value).__name__}({','.join(parts)})"


def _names_defined(node: ast.stmt) -> set[str]:
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(
        node, (ast.AnnAssign, ast.AugAssign)) else []
    parts = [each for target in targets for each in ast.walk(target) if not isinstance(each, ast.expr_context)]
    # plots.SIZE = 1 changes what is not this module's: a statement, no definition
    return {each.id for each in parts if isinstance(each, ast.Name)} if all(
        isinstance(each, (ast.Name, ast.Tuple, ast.List, ast.Starred)) for each in parts) else set()


def _names_imported(node: ast.stmt) -> Iterator[tuple[str, Import]]:
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            yield alias.asname or alias.name, Import(node.level, node.module or "", alias.name)
        else:
            yield alias.asname or alias.name.split(".")[0], Import(
                0, alias.name if alias.asname else alias.name.split(".")[0])


def _modules_imported(node: ast.stmt) -> Iterator[Import]:
    for alias in node.names:
        yield Import(node.level, node.module or "", alias.name) if isinstance(node, ast.ImportFrom) else Import(
            0, alias.name)


def _table(node: ast.expr | None) -> dict[str, str]:
    if not isinstance(node, ast.Dict):
        return {}
    pairs = [(key.value, value.value) for key, value in zip(node.keys, node.values, strict=True)
             if isinstance(key, ast.Constant) and isinstance(value, ast.Constant)]
    return dict(pairs) if all(isinstance(text, str) for pair in pairs for text in pair) else {}


Scope = Mapping[str, tuple[Import, ...]]


def _uses(node: ast.AST | None, scope: Scope) -> Iterator[Use]:
    """Names that a piece of code takes from outside; ``scope`` are those of the functions around it."""
    if isinstance(node, (ast.Name, ast.Attribute)):
        attributes: list[str] = []
        while isinstance(node, ast.Attribute):
            attributes.insert(0, node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            yield from _uses(node, scope)
        elif node.id not in scope or scope[node.id]:
            yield Use(node.id, tuple(attributes), scope.get(node.id, ()))
    elif isinstance(node, (*_FUNCTIONS, ast.Lambda)):
        yield from _all_uses(_around(node), scope)
        body = node.body if isinstance(node.body, list) else [node.body]
        yield from _all_uses(body, {**scope, **_bound(node.args, body)})
    elif isinstance(node, _COMPREHENSIONS):
        first, *others = node.generators
        inner = {**scope, **{name.id: () for each in node.generators for name in ast.walk(each.target)
                             if isinstance(name, ast.Name)}}
        elements = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        yield from _uses(first.iter, scope)
        yield from _all_uses([*elements, first.target, *first.ifs, *others], inner)
    elif isinstance(node, ast.ClassDef):
        own = {name: (what,) for each in node.body if isinstance(each, _IMPORTS)
               for name, what in _names_imported(each)}
        yield from _all_uses(ast.iter_child_nodes(node), {**scope, **own})
    elif isinstance(node, ast.AnnAssign):
        yield from _all_uses([node.target, node.value, *_annotation(node.annotation)], scope)
    elif node is not None and not isinstance(node, _IMPORTS):
        yield from _all_uses(ast.iter_child_nodes(node), scope)


def _all_uses(nodes: Iterable[ast.AST | None], scope: Scope) -> Iterator[Use]:
    for node in nodes:
        yield from _uses(node, scope)


def _around(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> list[ast.AST | None]:
    """What of a function is worked out where it stands: decorators, defaults, annotations."""
    outside = [*node.args.defaults, *node.args.kw_defaults, *getattr(node, "decorator_list", [])]
    annotations = [each.annotation for each in ast.walk(node.args) if isinstance(each, ast.arg)]
    return [*outside, *(part for each in [*annotations, getattr(node, "returns", None)] for part in _annotation(each))]


def _annotation(node: ast.expr | None) -> Iterator[ast.AST]:
    if node is None:
        return
    yield node
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            try:
                yield ast.parse(each.value, mode="eval").body
            except SyntaxError:  # a word of a Literal
                continue


def _bound(arguments: ast.arguments, body: list[ast.AST]) -> dict[str, tuple[Import, ...]]:
    """Names of a function's own: None of the module's, or what it imports under them."""
    found: dict[str, tuple[Import, ...]] = {each.arg: () for each in ast.walk(arguments) if isinstance(each, ast.arg)}
    ours: set[str] = set()
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            found.setdefault(node.name, ())
        elif isinstance(node, _IMPORTS):
            for name, what in _names_imported(node):
                found[name] = (*found.get(name, ()), what)
        elif isinstance(node, ast.Global):
            ours.update(node.names)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.setdefault(node.id, ())
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            found.setdefault(node.name, ())
        if not isinstance(node, (*_FUNCTIONS, ast.ClassDef, ast.Lambda, *_COMPREHENSIONS)):
            waiting += ast.iter_child_nodes(node)
    return {name: what for name, what in found.items() if name not in ours}
