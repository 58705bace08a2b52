"""Parameters of chapters: read from their cell as Python reads it; values from outside, as_kind against their types."""

import ast
import io
import math
import operator
import re
import tokenize
from collections.abc import Callable
from dataclasses import dataclass

LARGEST = 2**63  # what torch and numpy take for a whole number
_SCALARS = {"int": int, "float": float, "bool": bool, "str": str}
_ANY = ("Any", "object")
_ARITHMETIC = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}


@dataclass(frozen=True)
class Parameter:
    """A parameter of a chapter: its name, type as written (empty where there is none), default, and comment."""

    name: str
    kind: str
    default: object
    help: str


def read_parameters(code: str) -> dict[str, Parameter]:
    """Read the parameters out of their cell: assignments to one name, each with a type or not.

    The type may stand in a comment, ``# type: List[int] help``. A default that is no plain value is kept as it is
    written.

    Raises
    ------
    ValueError
        if the cell is no Python
    """
    try:
        statements = ast.parse(code).body
        comments = {
            token.start[0]: token.string.lstrip("# ")
            for token in tokenize.generate_tokens(io.StringIO(code).readline)
            if token.type == tokenize.COMMENT
        }
    except (SyntaxError, tokenize.TokenError) as error:
        raise ValueError(f"its parameters are no Python: {error}") from None
    found = {}
    for statement in statements:
        if not isinstance(statement, (ast.Assign, ast.AnnAssign)) or statement.value is None:
            continue
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        if len(targets) != 1 or not isinstance(targets[0], ast.Name):
            continue
        name, written = targets[0].id, getattr(statement, "annotation", None)
        told = re.fullmatch(
            r"(?:type:\s*(?P<kind>[\w.]+(?:\[.*?\]+)?(?:\s*\|\s*\w+)*)\s*)?(?P<help>.*)",
            comments.get(statement.end_lineno, ""),
        )
        try:
            default = _value(statement.value)
            likely = _kind_of(default)
        except (ValueError, ArithmeticError, TypeError):
            default, likely = ast.get_source_segment(code, statement.value), ""
        kind = ast.unparse(written) if written else told["kind"] or likely
        if kind in ("list", "List") and likely:
            kind = likely  # which tells what is in the list
        found[name] = Parameter(name, kind, default, told["help"])
    return found


def _value(node: ast.expr) -> object:
    """A literal, or arithmetic of literals, as in ``2 * 5``."""
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        left, right = _value(node.left), _value(node.right)
        if not all(isinstance(side, (int, float)) and abs(side) <= LARGEST for side in (left, right)) or (
            isinstance(node.op, ast.Pow) and abs(right) > 64
        ):
            raise ValueError("too large to work out here")
        return _ARITHMETIC[type(node.op)](left, right)
    if isinstance(node, (ast.List, ast.Tuple)):
        items = [_value(item) for item in node.elts]
        return items if isinstance(node, ast.List) else tuple(items)
    return ast.literal_eval(node)


def _kind_of(value: object) -> str:
    """The annotation that a default would have had; empty where it tells none."""
    if isinstance(value, list):
        kinds = {_kind_of(item) for item in value}
        return f"list[{kinds.pop()}]" if len(kinds) == 1 and "" not in kinds else "list"
    return type(value).__name__ if type(value) in _SCALARS.values() else ""


def as_kind(value: object, kind: str, name: str) -> object:
    """Return a value as its parameter's type wants it.

    Parameters
    ----------
    value : as YAML gave it
    kind : ``int``, ``float`` (takes an int), ``bool``, ``str``, ``None``, ``list``, ``dict``, with or without what is
        in them, ``Literal``, ``Any``, or several of these (``int | None``); empty for whatever JSON can hold
    name : the parameter's, for the error

    Raises
    ------
    ValueError
        if the value is of another type, is nothing that a record can keep, or the type is none of these
    """
    plain(value, name)
    try:
        return _fitting(value, ast.parse(kind or "Any", mode="eval").body, name)
    except SyntaxError:
        raise _unknown(name, kind) from None


def plain(value: object, name: str) -> None:
    """Refuse what no record can keep: JSON holds text, finite numbers, true, false, null, lists, and names with values.

    Raises
    ------
    ValueError
        naming the place of the value
    """
    if isinstance(value, (list, dict)):
        if not all(isinstance(key, str) for key in (value if isinstance(value, dict) else ())):
            raise ValueError(f"{name}: expected names that are text, got {list(value)!r:.80}")
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            plain(each, f"{name}[{key}]")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name}: expected a finite number, got {value}")
    elif isinstance(value, int) and abs(value) >= LARGEST:
        raise ValueError(f"{name}: expected a whole number of at most 63 bits, got one of {value.bit_length()}")
    elif isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError(f"{name}: expected text in UTF-8, got {value!r}")
    elif not isinstance(value, (int, float, str, type(None))):
        raise ValueError(
            f"{name}: expected numbers, text, true or false, lists, or names with values, "
            f"got {type(value).__name__} {value!r:.80}"
        )


def recordable(value: object) -> object:
    """A default as a record keeps it: what JSON does not hold as text."""
    if isinstance(value, (list, tuple, set, frozenset)):
        return [recordable(each) for each in value]
    try:
        plain(value, "default")
    except ValueError:
        return repr(value)
    return value


def _unknown(name: str, kind: str) -> ValueError:
    known = ", ".join([*_SCALARS, "list", "dict", "Literal", "None"])
    return ValueError(f"{name}: cannot be set from here: its type {kind} is none of {known}")


def _fitting(value: object, kind: ast.expr, name: str) -> object:
    wrong = f"{name}: expected {ast.unparse(kind)}, got {type(value).__name__} {value!r:.80}"
    if isinstance(kind, ast.Constant) and isinstance(kind.value, str):
        return _fitting(value, ast.parse(kind.value, mode="eval").body, name)
    if isinstance(kind, ast.BinOp) and isinstance(kind.op, ast.BitOr):
        return _either(value, [kind.left, kind.right], name, wrong)
    base, inner = (kind.value, kind.slice) if isinstance(kind, ast.Subscript) else (kind, None)
    word = base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", getattr(base, "value", ""))
    inside = inner.elts if isinstance(inner, ast.Tuple) else [inner] if inner else []
    if word == "Union":
        return _either(value, inside, name, wrong)
    if word == "Optional":
        return _either(value, [*inside, ast.Constant(None)], name, wrong)
    if word == "Literal":
        return _either(value, inside, name, wrong, lambda each, option, _: _same(each, option))
    if word in _ANY:
        return value
    if word in ("list", "List", "dict", "Dict"):
        return _container(value, {"list": list, "dict": dict}[word.lower()], inside, name, wrong)
    return _scalar(value, word, wrong, ast.unparse(kind), name)


def _either(value: object, kinds: list[ast.expr], name: str, wrong: str, fit: Callable = _fitting) -> object:
    for kind in kinds:
        try:
            return fit(value, kind, name)
        except ValueError as error:
            if "cannot be set" in str(error):
                raise
    raise ValueError(wrong)


def _same(value: object, option: ast.expr) -> object:
    wanted = ast.literal_eval(option)
    if type(value) is not type(wanted) or value != wanted:
        raise ValueError
    return value


def _container(value: object, kind: type, inside: list[ast.expr], name: str, wrong: str) -> object:
    if not isinstance(value, kind):
        raise ValueError(wrong)
    if not inside:
        return value
    items = value.items() if kind is dict else enumerate(value)
    fitting = {key: _fitting(each, inside[-1], f"{name}[{key}]") for key, each in items}
    return fitting if kind is dict else list(fitting.values())


def _scalar(value: object, word: object, wrong: str, kind: str, name: str) -> object:
    if word is None and value is None:
        return None
    if word is not None and word not in _SCALARS:
        raise _unknown(name, kind)
    if word == "float" and type(value) is int:
        return float(value)
    if word is None or type(value) is not _SCALARS[word]:
        raise ValueError(f"{wrong} (quote it twice: {name}='\"{value}\"')" if word == "str" else wrong)
    return value
