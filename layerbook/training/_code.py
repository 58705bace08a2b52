"""Code by its meaning: the syntax of a live definition, as it was imported, and the names that it looks up."""

import ast
import contextlib
import dis
import functools
import hashlib
import inspect
import os
import textwrap
import time
import types
from pathlib import Path

STARTED = time.time()


def own_code(definition: object) -> str:
    """Digest of a definition's own syntax tree without docstrings; of its bytes where its text is not to be had.

    Raises
    ------
    ValueError
        if the text is no longer that of the code that runs
    """
    if isinstance(definition, types.FunctionType):
        _check_unchanged(definition.__code__)
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(definition)))
    except (OSError, TypeError, SyntaxError):
        tree = None
    if tree is None or _is_one_of_several(definition, tree):
        words = repr(_bytes(getattr(definition, "__code__", None)))
    else:
        words = _tree(tree)
    return hashlib.sha256(words.encode()).hexdigest()


def _is_one_of_several(definition: object, tree: ast.Module) -> bool:
    """A line with several lambdas does not say which of them it is."""
    return definition.__name__ == "<lambda>" and sum(isinstance(each, ast.Lambda) for each in ast.walk(tree)) > 1


def _check_unchanged(code: types.CodeType) -> None:
    with contextlib.suppress(OSError):  # a notebook's cell has no file
        written = os.stat(code.co_filename).st_mtime
        if written > STARTED and code not in _codes_in(code.co_filename, written):
            raise ValueError(
                f"store: {code.co_filename} was changed after it had been imported: begin anew, so that "
                "the training is kept under the name of the code that ran"
            )


@functools.lru_cache(maxsize=64)
def _codes_in(path: str, written: float) -> frozenset[types.CodeType]:
    """All code of a file as it is now."""
    waiting = [compile(Path(path).read_bytes(), path, "exec", dont_inherit=True)]
    for code in waiting:
        waiting += [each for each in code.co_consts if isinstance(each, types.CodeType)]
    return frozenset(waiting)


def _bytes(value: object) -> object:
    if isinstance(value, types.CodeType):
        return value.co_code, value.co_names, value.co_varnames, [_bytes(each) for each in value.co_consts]
    return sorted(map(repr, value)) if isinstance(value, frozenset) else repr(value)


def _tree(node: object) -> str:
    if isinstance(node, list):
        return f"[{','.join(_tree(each) for each in node if not isinstance(each, (ast.Import, ast.ImportFrom)))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = dict(ast.iter_fields(node))
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and ast.get_docstring(node) is not None:
        fields["body"] = fields["body"][1:]
    # what is empty is left out: later versions of Python add fields to their trees
    told = (f"{k}={_tree(v)}" for k, v in fields.items() if v not in (None, []) and k not in ("annotation", "returns"))
    return f"{type(node).__name__}({','.join(told)})"


def reads(code: types.CodeType) -> set[str]:
    """Names that code looks up in its module, also in the functions within."""
    own = {each.argval for each in dis.get_instructions(code) if each.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return own.union(*(reads(each) for each in code.co_consts if isinstance(each, types.CodeType)))
