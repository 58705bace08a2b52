"""What the modules of a network put out in one pass, and which of their dimensions are channels."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from layerlib.backward.targets import evaluating

NORMS = (_BatchNorm, nn.GroupNorm, nn.LayerNorm)


@contextmanager
def reading(model: nn.Module) -> Iterator[None]:
    """Evaluation mode as in ``targets.evaluating``; and what is compiled runs as written, so that hooks see it."""
    compiled = any(hasattr(module, "_orig_mod") or module._compiled_call_impl is not None for module in model.modules())
    # asked for only where it is needed: it imports the whole compiler
    with evaluating(model), torch.compiler.set_stance("force_eager") if compiled else nullcontext():
        yield


class Run:
    """One run of a module in a pass. It keeps its tensors, so that none can take the identity of another."""

    def __init__(self, name: str, module: nn.Module, entry: object, output: object):
        self.name, self.module, self.entry, self.raw = name, module, entry, output
        # whether what came in was not overwritten in place on its way
        self.directly = isinstance(entry, Tensor) and (entry.is_inference() or entry._version == 0)
        # attention and recurrent layers put out a tuple, first of it what the next layer takes
        output = output[0] if type(output) is tuple and output else output
        if isinstance(output, Tensor) and output.is_floating_point() and torch.is_grad_enabled():
            output = output if output.requires_grad else output.detach().requires_grad_()
        self.output = output
        # so that a step in place after the layer leaves its output as it was
        self.given = output.clone() if isinstance(output, Tensor) else output

    def passed_on(self) -> object:
        return (self.given, *self.raw[1:]) if type(self.raw) is tuple and self.raw else self.given

    def readable(self, samples: int) -> bool:
        z = self.output
        return isinstance(z, Tensor) and z.ndim > 1 and len(z) == samples and z.is_floating_point() and z.numel() > 0

    def what(self) -> str:
        z = self.output
        if not isinstance(z, Tensor):
            return f"a {type(z).__name__}"
        return f"{str(z.dtype).removeprefix('torch.')} of shape {tuple(z.shape)} for 2 samples"


def run(model: nn.Module, x: Tensor, watched: Mapping[str, nn.Module]) -> tuple[dict[str, Run], object]:
    """The runs of the ``watched`` modules in one pass, by name and number, in their order; and what comes out."""
    runs: dict[str, Run] = {}

    def keep(name: str):
        def hook(module: nn.Module, args: tuple, kwargs: dict, output: object) -> object:
            ran = Run(name, module, next(iter((*args, *kwargs.values())), None), output)
            calls = sum(other.name == name for other in runs.values())
            runs[f"{name}#{calls + 1}" if calls else name] = ran
            return ran.passed_on()
        return hook

    with ExitStack() as hooks:
        for name, module in watched.items():
            hooks.callback(module.register_forward_hook(keep(name), with_kwargs=True).remove)
        return runs, model(x)


def in_short(error: Exception) -> str:
    """What went wrong: our own sentence, or the first sentence of PyTorch's."""
    text = str(error).strip().split("\n")[0]
    return text if isinstance(error, ValueError) else f"{type(error).__name__}: {text.split('. ')[0].rstrip('.')}"


def widths_of(model: nn.Module) -> tuple[set[int], set[int]]:
    """How many channels there are behind linear layers and their norms; and behind convolutions and theirs."""
    tokens, maps = set(), set()
    for module in model.modules():
        if isinstance(module, nn.Linear):
            tokens.add(module.out_features)
        elif isinstance(module, nn.LayerNorm):
            tokens.add(module.normalized_shape[-1])
        elif isinstance(module, _ConvNd):
            maps.add(module.out_channels)
        elif isinstance(module, NORMS):
            maps.add(module.num_channels if isinstance(module, nn.GroupNorm) else module.num_features)
    return tokens, maps


def channels(z: Tensor, module: nn.Module, widths: tuple[set[int], set[int]]) -> Tensor:
    """Places behind channels, (N, channels, places): channels are the last dimension of tokens, the second of maps."""
    z = z.detach()
    z = z if z.dtype == torch.float64 else z.float()
    return z[..., None] if z.ndim == 2 else (z.movedim(-1, 1) if _channels_last(z, module, widths) else z).flatten(2)


def _channels_last(z: Tensor, module: nn.Module, widths: tuple[set[int], set[int]]) -> bool:
    if type(module) is nn.LayerNorm:
        return len(module.normalized_shape) == 1
    if isinstance(module, nn.LayerNorm):  # some bring the channels to the end for the norm, and back
        return z.shape[1] != module.normalized_shape[-1]
    if isinstance(module, (nn.Linear, _ConvNd, *NORMS)):
        return isinstance(module, nn.Linear)
    # of any other module, by what else in the network is as wide; else three dimensions are taken for tokens
    token, map_ = (size in known for size, known in zip((z.shape[-1], z.shape[1]), widths, strict=True))
    return token if token != map_ else z.ndim == 3
