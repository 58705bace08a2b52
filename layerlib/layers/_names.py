"""Networks whose layers can be read, and their layers by name."""

from collections.abc import Iterable, Iterator

import torch
from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils.parametrize import ParametrizationList

from layerlib._checks import closest, kind_of, names_of

# their weights may have two dimensions, but multiply entry by entry or look up
NOT_LAYERS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.Embedding)
CLOSED = "whose layers cannot be read one by one; give the module that it was made from"


def bare(model: nn.Module) -> nn.Module:
    """The network itself, within what compiles it or spreads it over devices.

    Raises
    ------
    ValueError
        if it is no ``nn.Module``, or one whose layers cannot be read: a script, an exported or a quantised network
    """
    if isinstance(model, torch.export.ExportedProgram):
        raise ValueError(f"model: expected an nn.Module, got a program of torch.export, {CLOSED}")
    if not isinstance(model, nn.Module):
        raise ValueError(f"model: expected an nn.Module, got {kind_of(model)}")
    while hasattr(model, "_orig_mod") or isinstance(model, (nn.DataParallel, DistributedDataParallel)):
        model = model.get_submodule("_orig_mod" if hasattr(model, "_orig_mod") else "module")
    if isinstance(model, torch.jit.ScriptModule):
        raise ValueError(f"model: expected an nn.Module, got a TorchScript, {CLOSED}")
    for name, module in model.named_modules():
        # a method of its own in the place of eval only says that it is not supported
        if isinstance(module, fx.GraphModule) and "eval" in vars(module):
            raise ValueError(f"model: expected an nn.Module, got a program of torch.export, {CLOSED}")
        if type(module).__module__.startswith("torch.ao.nn.") and ".quantized." in type(module).__module__:
            raise ValueError(
                f"model: expected layers in floating point, got {name!r} quantised; give the network as it was before"
            )
    return model


def named_layers(model: nn.Module, names: str | Iterable[str], argument: str = "names") -> dict[str, nn.Module]:
    """The modules of ``model`` with these names, or this name, by name.

    Raises
    ------
    ValueError
        for a name that is not a layer of the model (with the closest ones), or no name at all; or as ``bare``
    """
    names = names_of(names)
    network = bare(model)
    layers = dict(network.named_modules())
    within = layers if network is model else layers | dict(model.named_modules())
    for name in names:
        if name not in within or name == "":
            close = closest(name, layers, cutoff=0.4) or list(layers)[1:4]
            raise ValueError(f"{argument}: {type(network).__name__} has no layer {name!r}; closest are {close}")
    if not names:
        raise ValueError(f"{argument}: expected at least one layer, got none")
    return {name: within[name] for name in names}


def weighted_layers(model: nn.Module) -> Iterator[tuple[str, nn.Module, list[str]]]:
    """Every linear and convolution layer, and every other module that holds weights of several dimensions itself.

    Yields
    ------
    its name, itself, and the names of the weights that lie outside linear and convolution layers
    """
    for name, module in model.named_modules():
        if ".parametrizations." in f".{name}.":  # what makes a layer's weights is no layer
            continue
        known = isinstance(module, (nn.Linear, _ConvNd))
        loose = [] if known or isinstance(module, NOT_LAYERS) else _weights(module)
        if known or loose:
            yield name, module, loose


def _weights(module: nn.Module) -> list[str]:
    """Names of the parameters of several dimensions that a module itself holds, or makes of others."""
    made = getattr(module, "parametrizations", {})
    made = {key: part for key, part in made.items() if isinstance(part, ParametrizationList)}
    own = list(module.named_parameters(recurse=False))
    own += [(key, p) for key, part in made.items() for p in part.parameters(recurse=False)]
    return list(dict.fromkeys(key for key, p in own if sum(n > 1 for n in p.shape) > 1))
