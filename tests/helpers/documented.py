"""What a docstring leaves out."""

import ast
import dataclasses
import inspect
import re
import textwrap

from docutils.frontend import get_default_settings
from docutils.parsers.rst import Parser
from docutils.utils import new_document
from numpydoc.docscrape import NumpyDocString
from sphinx.ext.autosummary import extract_summary
from summaries import setup

setup(None)  # sentences end where they do in the book


def summary_of(value: object) -> str:
    """What the tables of the API page show of a docstring."""
    text = inspect.cleandoc(value.__doc__ or "")
    return extract_summary(text.splitlines(), new_document("", get_default_settings(Parser)))


def faults(value: object) -> list[str]:
    """What the docstring of a public function, class or method lacks."""
    text = inspect.cleandoc(value.__doc__ or "")
    if not text:
        return ["no docstring"]
    doc = NumpyDocString(text)
    found = []
    if doc["Signature"]:
        found.append(f"begins with a signature: {doc['Signature']}")
    described = {
        name.lstrip("*")
        for section in ("Parameters", "Attributes", "Other Parameters")
        for entry in doc[section]
        for name in re.split(r",\s*", entry.name)
    }
    left_out = [name for name in _arguments(value) if name not in described]
    if left_out:
        found.append(f"Parameters: {', '.join(left_out)}")
    if _answers(value) and not (doc["Returns"] or doc["Yields"]):
        found.append("Returns")
    if _refuses(value) and not doc["Raises"]:
        found.append("Raises")
    return found


def _arguments(value: object) -> list[str]:
    if isinstance(value, type) and issubclass(value, BaseException):
        return []
    if dataclasses.is_dataclass(value):
        return [field.name for field in dataclasses.fields(value) if not field.name.startswith("_")]
    if isinstance(value, type) and "Attributes\n" in (value.__doc__ or "") and "Parameters\n" not in value.__doc__:
        return []  # it is made by its own class methods, which say from what
    if isinstance(value, type) and "__init__" not in vars(value):
        return [name for name in getattr(value, "_fields", ()) if not name.startswith("_")]
    names = list(inspect.signature(value.__init__ if isinstance(value, type) else value).parameters)
    return [name for name in names if name not in ("self", "cls")]


def _answers(value: object) -> bool:
    """Whether a function has arguments and returns something: then more is to say of it than its summary does."""
    if isinstance(value, type) or not _arguments(value):
        return False
    return str(value.__annotations__.get("return")) not in ("None", "Iterator[None]", "collections.abc.Iterator[None]")


def _refuses(value: object) -> bool:
    """Whether an exception is raised in the function itself, or in the making of an object of the class."""
    if isinstance(value, type):
        value = vars(value).get("__post_init__" if dataclasses.is_dataclass(value) else "__init__")
    if value is None:
        return False
    tree = ast.parse(textwrap.dedent(inspect.getsource(value)))
    return any(isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) for node in ast.walk(tree))
