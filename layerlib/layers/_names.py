"""Layers of a network by name, and which of its modules are layers."""

from collections.abc import Iterable

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from layerlib._checks import closest, kind_of, names_of

# their weights may have two dimensions, but multiply entry by entry or look up
NOT_LAYERS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.Embedding)


def named_layers(model: nn.Module, names: str | Iterable[str], argument: str = "names") -> dict[str, nn.Module]:
    """The modules of ``model`` with these names, or this name, by name.

    Raises
    ------
    ValueError
        for a name that is not a layer of the model (with the closest ones), or no name at all
    """
    names = names_of(names)
    layers = dict(model.named_modules())
    for name in names:
        if name not in layers or name == "":
            close = closest(name, layers, cutoff=0.4) or list(layers)[1:4]
            raise ValueError(f"{argument}: {type(model).__name__} has no layer {name!r}; closest are {close}")
    if not names:
        raise ValueError(f"{argument}: expected at least one layer, got none")
    return {name: layers[name] for name in names}


def bare(model: nn.Module) -> nn.Module:
    """The network itself within what compiles it or spreads it over devices.

    Raises
    ------
    ValueError
        if it is no ``nn.Module``
    """
    if not isinstance(model, nn.Module):
        raise ValueError(f"model: expected an nn.Module, got {kind_of(model)}")
    while hasattr(model, "_orig_mod") or isinstance(model, (nn.DataParallel, DistributedDataParallel)):
        model = model._orig_mod if hasattr(model, "_orig_mod") else model.module
    return model  # type: ignore[return-value]


def loose_weights(module: nn.Module) -> list[str]:
    """Names of the parameters of several dimensions that a module itself holds, unless it is of `NOT_LAYERS`."""
    if isinstance(module, NOT_LAYERS):
        return []
    return [key for key, p in module.named_parameters(recurse=False) if sum(n > 1 for n in p.shape) > 1]
