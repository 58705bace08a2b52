"""Steps of a pass that bend what they get and cannot be guided, found among autograd's; and whose they are."""

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction
from torch.utils.hooks import RemovableHandle

# steps, as autograd names them, by which an activation can be written by hand or that bend more than one entry
BENDING = re.compile(
    r"Abs|Atan\w*|Celu|Clamp\w*|CopySlices|Cosh?|Elu|Erfc?|Exp2?|Expm1|Gelu|Glu|Hard\w+|IndexPut\w*|"
    r"LeakyRelu\w*|Log\w*|Masked\w+|Maximum|Minimum|Mish|Pow|Prelu\w*|Reciprocal|Relu\w*|Rrelu\w*|"
    r"R?sqrt|Scaled\w+|Sigmoid|Sign|Silu|Sinh?|Soft\w+|Sqrt|Tanh?|Threshold|Where|Xlog\w+|"
    r"\w*(?:Rnn|Lstm|Gru)\w*"
)
MERGING = ("Add", "Sub", "Cat", "Stack")


class Steps:
    """Autograd's steps from that of the input on, each looked at once.

    Parameters
    ----------
    origin : autograd's step of the input
    guided : step of each activation that is guided -> that of its input; it may grow meanwhile
    """

    def __init__(self, origin, guided: Mapping):
        self.guided, self._depends = guided, {origin: True}

    def bending(self, output: Tensor) -> list[str]:
        """Those up to ``output`` that were not looked at before, bend, and are not guided, in words."""
        found, depends = [], self._depends
        stack = [(output.grad_fn, False)]
        while stack:
            node, seen = stack.pop()
            if node is None or (not seen and node in depends):
                continue
            before = [self.guided[node]] if node in self.guided else [step for step, _ in node.next_functions]
            if not seen:
                depends[node] = False
                stack += [(node, True), *((step, False) for step in before)]
                continue
            reaching = sum(depends.get(step, False) for step in before)
            depends[node] = reaching > 0
            if reaching and node not in self.guided and (word := _bends(node, reaching)):
                found.append(word.lower())
        return found


def bending_modules(model: nn.Module, entry: Tensor, guided: Mapping) -> dict[str, tuple[str, str]]:
    """Run the network on ``entry``; the modules that make such steps themselves, in the order in which they run.

    A step between two modules is that of the module around them.

    Returns
    -------
    module -> its class, and the first of its steps
    """
    steps, running = Steps(entry.grad_fn, guided), [""]
    found: dict[str, tuple[str, str]] = {}

    def blame(name: str, values: object) -> None:
        for value in values if isinstance(values, Iterable) and not isinstance(values, Tensor) else (values,):
            if isinstance(value, Tensor) and (words := steps.bending(value)):
                found.setdefault(name, (type(model.get_submodule(name)).__name__, words[0]))

    def hooks(name: str, module: nn.Module) -> tuple:
        def begin(module: nn.Module, args: tuple, kwargs: dict) -> None:
            blame(running[-1], (*args, *kwargs.values()))
            running.append(name)

        def end(module: nn.Module, args: tuple, output: object) -> None:
            blame(running.pop(), output)

        return module.register_forward_pre_hook(begin, with_kwargs=True), module.register_forward_hook(end)

    handles: list[RemovableHandle] = []
    for name, module in model.named_modules():
        if not isinstance(module, torch.jit.ScriptModule):
            handles += hooks(name, module)
    try:
        model(entry)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _bends(node, reaching: int) -> str | None:
    name = node.name().rsplit(".", 1)[-1].split("Backward")[0]
    by_mask = False
    if name == "Mul" and reaching == 1:
        factors = [getattr(node, f"_saved_{which}", None) for which in ("self", "other")]
        full = tuple(node._input_metadata[0].shape)
        # x * (x > 0): a factor of its own for every sample and entry
        by_mask = any(isinstance(f, Tensor) and not f.requires_grad and tuple(f.shape) == full for f in factors)
    if isinstance(node, BackwardCFunction) or BENDING.fullmatch(name) or by_mask:
        return name
    return name if reaching > 1 and name not in MERGING else None
