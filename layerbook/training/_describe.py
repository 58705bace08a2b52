"""What a network, a function or a value is, in plain tuples: equal for equal things, in any process, on any machine.

Neither files nor modules count: a definition is known by its name, its code and what that reads.
"""

import dataclasses
import enum
import functools
import hashlib
import inspect
import sys
import sysconfig
import types
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from layerbook.training._code import own_code, reads
from layerlib.data.splits import Split

OWN = ("layerlib", "layerbook")
# known by their names alone: which versions of them trained is told beside the weights
NAMED = ("torch", "torchvision", "numpy", "scipy", "builtins")
STANDARD = sysconfig.get_path("stdlib")
PLAIN = (
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    torch.dtype,
    torch.layout,
    torch.memory_format,
    slice,
    type(Ellipsis),
)
INTERNAL = frozenset(vars(nn.Module()))  # what every module has: its tensors and children, hooks, mode
MAKING = frozenset(("__init__", "__post_init__", "__new__"))
SHOWING = frozenset(("__repr__", "__str__", "extra_repr"))
HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


class Describer:
    """Describes things that may hold one another; a module or parameter met again is named by where it was first.

    Parameters
    ----------
    lasting : leave out what code collects: lists, dicts, sets and arrays count by their kind only
    """

    def __init__(self, lasting: bool = False):
        self.lasting = lasting
        self._known: dict[tuple[int, object], tuple[object, object]] = {}
        self._first: dict[int, str] = {}

    def network(self, model: nn.Module) -> list:
        """Modules in their order: kind and code, plain attributes, hooks, parameters and buffers with their values."""
        return [(name, self._module(name, module)) for name, module in model.named_modules(remove_duplicate=False)]

    def value(self, value: object, attributes: bool = False) -> object:
        """A value with all that it holds; of an object only its class, unless its ``attributes`` are asked for."""
        if isinstance(value, enum.Enum):
            return type(value).__qualname__, value.name
        if isinstance(value, PLAIN):
            return type(value).__name__, repr(value)
        if self.lasting and isinstance(value, (Mapping, list, set, Tensor, np.ndarray)):
            return type(value).__name__
        if isinstance(value, np.generic):
            return self.value(value.item())
        if isinstance(value, (Tensor, np.ndarray)):
            return self._array(value)
        if isinstance(value, Split):
            return "Split", self._array(value.images), self._array(value.labels)
        if isinstance(value, torch.device):
            return "device"  # where a network is does not say what it is
        if inspect.ismodule(value):
            return "module", value.__name__.rpartition(".")[2]
        return self._once(value, attributes, lambda: self._compound(value, attributes))

    def kind(self, cls: type) -> object:
        """The class of an object that is described by what it holds: how it was made no longer counts."""
        return self._once(cls, "kind", lambda: self._class(cls, self.kind, MAKING))

    def _once(self, value: object, how: object, describe: Callable[[], object]) -> object:
        key = id(value), how
        if key not in self._known:
            # the value is kept, so that nothing else gets its id; a circle ends at the name
            self._known[key] = ("within", getattr(value, "__qualname__", type(value).__name__)), value
            self._known[key] = describe(), value
        return self._known[key][0]

    def _module(self, name: str, module: nn.Module) -> object:
        if id(module) in self._first:
            return "as", self._first[id(module)]
        self._first[id(module)] = name
        plain = {key: each for key, each in sorted(vars(module).items()) if key not in INTERNAL}
        tensors = module._parameters | module._buffers
        return (
            self.kind(type(module)),
            self.value(plain, attributes=True),
            [self.value(hook) for kind in HOOKS for hook in getattr(module, kind).values()],
            [(key, self._array(each)) for key, each in tensors.items() if each is not None],
        )

    def _array(self, value: Tensor | np.ndarray) -> tuple:
        kind = ()
        if isinstance(value, Tensor):
            kind = type(value).__name__, value.requires_grad
        if isinstance(value, nn.Parameter):
            if id(value) in self._first:
                return "as", self._first[id(value)]
            self._first[id(value)] = str(len(self._first))
        return "array", *kind, str(value.dtype), tuple(value.shape), digest_of_values(value)

    def _compound(self, value: object, attributes: bool) -> tuple:
        kind = type(value).__name__
        if isinstance(value, Mapping):
            return kind, [(self.value(key), self.value(each, attributes)) for key, each in value.items()]
        if isinstance(value, (list, tuple)):
            return kind, [self.value(each, attributes) for each in value]
        if isinstance(value, (set, frozenset)):
            return kind, sorted(repr(self.value(each)) for each in value)
        if isinstance(value, functools.partial):
            given = dict(enumerate(value.args)) | dict(sorted(value.keywords.items()))
            return kind, self.value(value.func), self.value(given, attributes)
        if isinstance(value, type):
            return self._class(value, self.value)
        if isinstance(value, types.MethodType):
            return kind, self.value(value.__func__), self.value(value.__self__, attributes)
        if callable(value) and hasattr(value, "__qualname__"):
            return self._function(inspect.unwrap(value))
        if isinstance(value, nn.Module):
            return "network", self.network(value)
        own = attributes and not _named(type(value))
        if own or dataclasses.is_dataclass(value) or isinstance(value, types.SimpleNamespace):
            held = dict(sorted(getattr(value, "__dict__", {}).items()))
            return "object", self.kind(type(value)), self.value(held, attributes)
        return "object", self.kind(type(value))

    def _class(self, cls: type, base: Callable[[type], object], without: frozenset[str] = frozenset()) -> tuple:
        """Its name, its methods with what they read, its constants and its bases."""
        if _named(cls):
            return "class", f"{cls.__module__}.{cls.__qualname__}"
        bases = [base(each) for each in cls.__bases__]
        if _installed(cls):
            return "class", f"{cls.__module__}.{cls.__qualname__}", own_code(cls), bases
        members = [
            (name, self.value(_within(each)))
            for name, each in sorted(vars(cls).items())
            if name not in without and _counts(name, each)
        ]
        return "class", cls.__qualname__, members, bases

    def _function(self, function: object) -> tuple:
        """Its name and code, the values that it holds, and those that it reads around it."""
        name, code = function.__qualname__, getattr(function, "__code__", None)
        if _named(function) or code is None:
            return "function", f"{function.__module__}.{name}"
        if _installed(function):
            return "function", f"{function.__module__}.{name}", own_code(function)
        held = [self.value(each, attributes=True) for each in (*_cells(function), *_defaults(function))]
        around = {key: function.__globals__[key] for key in sorted(reads(code) & function.__globals__.keys())}
        return "function", name, own_code(function), held, [(key, self.value(each)) for key, each in around.items()]


def digest_of_values(array: Tensor | np.ndarray) -> str:
    """Digest of the numbers of an array, in order, whatever their layout in memory."""
    if isinstance(array, Tensor):
        array = array.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1).view(torch.uint8).numpy()
    return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()


def _top(definition: object) -> str:
    return (definition.__module__ or "builtins").partition(".")[0]


def _file(definition: object) -> str:
    return getattr(sys.modules.get(definition.__module__), "__file__", None) or ""


def _installed(definition: object) -> bool:
    """Whether it is of another package: its own code is told, not that of the whole package."""
    file = _file(definition)
    return _top(definition) not in OWN and ("site-packages" in file or "dist-packages" in file)


def _named(definition: object) -> bool:
    """Whether it is Python's or PyTorch's; a reader's module may have the name of one of Python's."""
    top, file = _top(definition), _file(definition)
    return top in NAMED or (
        top in sys.stdlib_module_names and (not file or (file.startswith(STANDARD) and not _installed(definition)))
    )


def _cells(function: types.FunctionType) -> list:
    cells = []
    for cell in function.__closure__ or ():
        try:
            cells.append(cell.cell_contents)
        except ValueError:  # not yet filled
            cells.append(None)
    return cells


def _defaults(function: types.FunctionType) -> list:
    return [*(function.__defaults__ or ()), *sorted((function.__kwdefaults__ or {}).items())]


def _within(member: object) -> object:
    """The function of a method, class method or property."""
    return getattr(member, "fget", None) or getattr(member, "__func__", member)


def _counts(name: str, member: object) -> bool:
    """Whether a class's member says what it does: its methods and constants, not what Python or dataclass adds."""
    code = getattr(_within(member), "__code__", None)
    if code is not None:
        return code.co_filename != "<string>" and name not in SHOWING
    return not name.startswith("__") and isinstance(member, (*PLAIN, list, tuple, dict))
