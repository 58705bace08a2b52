"""Which names a piece of code imports, and which it takes from outside."""

import ast
import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
IMPORTS = (ast.Import, ast.ImportFrom)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)


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


def names_imported(node: ast.stmt) -> Iterator[tuple[str, Import]]:
    """The names that an import binds, and what each stands for."""
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            yield alias.asname or alias.name, Import(node.level, node.module or "", alias.name)
        else:
            yield (
                alias.asname or alias.name.split(".")[0],
                Import(0, alias.name if alias.asname else alias.name.split(".")[0]),
            )


Scope = Mapping[str, tuple[Import, ...]]


def uses(node: ast.AST | None, scope: Scope) -> Iterator[Use]:
    """Names that a piece of code takes from outside; ``scope`` are those of the functions around it."""
    if isinstance(node, (ast.Name, ast.Attribute)):
        attributes: list[str] = []
        while isinstance(node, ast.Attribute):
            attributes.insert(0, node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            yield from uses(node, scope)
        elif node.id not in scope or scope[node.id]:
            yield Use(node.id, tuple(attributes), scope.get(node.id, ()))
    elif isinstance(node, (*FUNCTIONS, ast.Lambda)):
        yield from _all_uses(_around(node), scope)
        body = node.body if isinstance(node.body, list) else [node.body]
        yield from _all_uses(body, {**scope, **_bound(node.args, body)})
    elif isinstance(node, _COMPREHENSIONS):
        first, *others = node.generators
        inner = {
            **scope,
            **{name.id: () for each in node.generators for name in ast.walk(each.target) if isinstance(name, ast.Name)},
        }
        elements = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        yield from uses(first.iter, scope)
        yield from _all_uses([*elements, first.target, *first.ifs, *others], inner)
    elif isinstance(node, ast.ClassDef):
        own = {name: (what,) for each in node.body if isinstance(each, IMPORTS) for name, what in names_imported(each)}
        yield from _all_uses(ast.iter_child_nodes(node), {**scope, **own})
    elif isinstance(node, ast.AnnAssign):
        yield from _all_uses([node.target, node.value, *_annotation(node.annotation)], scope)
    elif node is not None and not isinstance(node, IMPORTS):
        yield from _all_uses(ast.iter_child_nodes(node), scope)


def _all_uses(nodes: Iterable[ast.AST | None], scope: Scope) -> Iterator[Use]:
    for node in nodes:
        yield from uses(node, scope)


def _around(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> list[ast.AST | None]:
    """What of a function is worked out where it stands: decorators, defaults, annotations."""
    outside = [*node.args.defaults, *node.args.kw_defaults, *getattr(node, "decorator_list", [])]
    annotations = [each.annotation for each in _arguments(node.args)]
    return [*outside, *(part for each in [*annotations, getattr(node, "returns", None)] for part in _annotation(each))]


def _arguments(node: ast.arguments) -> list[ast.arg]:
    return [each for each in ast.iter_child_nodes(node) if isinstance(each, ast.arg)]


def _annotation(node: ast.expr | None) -> Iterator[ast.AST]:
    if node is None:
        return
    yield node
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            with contextlib.suppress(SyntaxError):  # a word of a Literal
                yield ast.parse(each.value, mode="eval").body


def _bound(arguments: ast.arguments, body: list[ast.AST]) -> dict[str, tuple[Import, ...]]:
    """Names of a function's own: None of the module's, or what it imports under them."""
    found: dict[str, tuple[Import, ...]] = {each.arg: () for each in _arguments(arguments)}
    ours: set[str] = set()
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            found.setdefault(node.name, ())
        elif isinstance(node, IMPORTS):
            for name, what in names_imported(node):
                found[name] = (*found.get(name, ()), what)
        elif isinstance(node, ast.Global):
            ours.update(node.names)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.setdefault(node.id, ())
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            found.setdefault(node.name, ())
        if not isinstance(node, (*FUNCTIONS, ast.ClassDef, ast.Lambda, *_COMPREHENSIONS)):
            waiting += ast.iter_child_nodes(node)
    return {name: what for name, what in found.items() if name not in ours}
