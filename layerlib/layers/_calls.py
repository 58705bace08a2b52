"""The calls of a network's modules in one pass: what came in and what came out, however often a module runs."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class Call:
    """One call of a module in a pass. It keeps its tensors, so that none can take the identity of another.

    Attributes
    ----------
    name, module : which
    entry : the first argument
    output : what came out, of several the first; as it was, whatever the network does to it later
    given : the copy of ``output`` that the network goes on with; where it is not ``copied``, often the output itself
    """

    def __init__(self, name: str, module: nn.Module, entry: object, output: object, reachable: bool, copied: bool):
        self.name, self.module, self.entry, self._whole = name, module, entry, output
        self._version = entry._version if isinstance(entry, Tensor) and not entry.is_inference() else 0
        # attention and recurrent layers put out a tuple, first of it what the next layer takes
        z = output[0] if type(output) is tuple and output else output
        if reachable and isinstance(z, Tensor) and z.is_floating_point() and torch.is_grad_enabled():
            z = z if z.requires_grad else z.detach().requires_grad_()
        self.output = z
        # so that a step in place after the layer leaves its output as it was; at a leaf there can be none
        self.given = z.clone() if isinstance(z, Tensor) and (copied or (z.is_leaf and z.requires_grad)) else z

    @property
    def directly(self) -> bool:
        """Whether what came in was not overwritten in place on its way."""
        return isinstance(self.entry, Tensor) and self._version == 0

    @property
    def overwritten(self) -> bool:
        """Whether what came in was overwritten in place after the module ran."""
        return isinstance(self.entry, Tensor) and not self.entry.is_inference() and self.entry._version != self._version

    def passed_on(self) -> object:
        """What the network goes on with, of the kind that the module put out."""
        whole = self._whole
        return (self.given, *whole[1:]) if type(whole) is tuple and whole else self.given

    def windows(self, samples: int) -> int:
        """How many rows there are a sample, 1 where they are not as many for each."""
        rows = len(self.output) if isinstance(self.output, Tensor) and self.output.ndim else 0
        return rows // samples if rows and rows % samples == 0 else 1

    def readable(self, samples: int, windows: int = 1) -> bool:
        """Whether the output is floats, with this number of windows of each sample, one sample after the other."""
        z = self.output
        fits = isinstance(z, Tensor) and z.ndim > 1 and len(z) == windows * samples
        return fits and z.is_floating_point() and z.numel() > 0

    def what(self) -> str:
        z = self.output
        if not isinstance(z, Tensor):
            return f"a {type(z).__name__}"
        return f"{str(z.dtype).removeprefix('torch.')} of shape {tuple(z.shape)} for 2 samples"


@contextmanager
def recording(
    watched: Mapping[str, nn.Module], keep: Callable[[Call], None], reachable: bool = False, copied: bool = True
) -> Iterator[None]:
    """Within the context every call of the ``watched`` modules in this thread is handed to ``keep`` as it ends.

    Parameters
    ----------
    watched : modules by name
    reachable : whether gradients can be taken in every output, also where no weight before it has one
    copied : whether the network goes on with copies; without, an output is as it was only until ``keep`` returns
    """
    thread = threading.get_ident()

    def hook_of(name: str):
        def hook(module: nn.Module, args: tuple, kwargs: dict, output: object) -> object:
            if threading.get_ident() != thread:
                return None
            call = Call(name, module, next(iter((*args, *kwargs.values())), None), output, reachable, copied)
            keep(call)
            return call.passed_on()

        return hook

    with ExitStack() as hooks:
        for name, module in watched.items():
            hooks.callback(module.register_forward_hook(hook_of(name), with_kwargs=True).remove)
        yield


def numbered(keep: Callable[[str, Call], None]) -> Callable[[Call], None]:
    """Hands on calls with their labels: a module's first has its name, the second that and ``"#2"``, and so on."""
    times: Counter[str] = Counter()

    def number(call: Call) -> None:
        times[call.name] += 1
        keep(call.name if times[call.name] == 1 else f"{call.name}#{times[call.name]}", call)

    return number


def calls_of(
    model: Callable[[Any], object], x: object, watched: Mapping[str, nn.Module]
) -> tuple[dict[str, Call], object]:
    """The calls of the ``watched`` modules in one pass, ``numbered``; and what comes out of the network.

    They are in their order. Gradients can be taken in every output.
    """
    calls: dict[str, Call] = {}
    with recording(watched, numbered(calls.__setitem__), reachable=True):
        return calls, model(x)
