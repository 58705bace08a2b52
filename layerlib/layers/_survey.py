"""Which layers of any network can be read, and where: found out by running it on a few samples."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from layerlib._checks import in_short
from layerlib._forward import differentiating
from layerlib.data._samples import Given
from layerlib.layers._calls import calls_of
from layerlib.layers._channels import NORMS
from layerlib.layers._names import loose_weights, named_layers

NOT_RUN = "it did not run: the network uses its weights without calling it, or not at all"
OUTER = "it has weights of its own beside the layers within it; name it to read what it puts out"
SCRIPT = "it is part of a TorchScript, which does not show what its layers put out"


def survey(model: nn.Module, given: Given,
           names: Iterable[str] | None = None) -> tuple[dict[str, str], dict[str, str]]:
    """Which layers can be read, in the order in which they run, and why the others cannot.

    A layer that runs again in a pass is listed again, as ``"name#2"``.

    Parameters
    ----------
    given : what the network is called with for a few samples
    names : layers wanted, read where they put out. By default every linear and convolution layer, read behind the
        norm that directly takes its output where there is one, and every module with weights of another kind

    Returns
    -------
    layer -> what is read, itself or its norm; and layer -> the reason why it is not

    Raises
    ------
    ValueError
        if the network is a script, has no layer of a name, or does not run on them
    """
    if isinstance(model, torch.jit.ScriptModule):
        raise ValueError("model: expected an nn.Module, got a TorchScript, whose layers cannot be read one by one; "
                         "give the module that it was made from")
    wanted = _default(model) if names is None else named_layers(model, _named(names), "layers")
    norms = {name: module for name, module in model.named_modules() if names is None and isinstance(module, NORMS)}
    scripts = {name for name, module in wanted.items() if isinstance(module, torch.jit.ScriptModule)}
    watched = {name: module for name, module in (wanted | norms).items() if name not in scripts}
    with differentiating(model), torch.no_grad():
        try:
            calls, _ = calls_of(lambda some: some.run(model), given, watched)
        except Exception as error:  # whatever the reader's network raises
            raise ValueError(f"data: expected samples that the network runs on, got {given.shape()} and from it "
                             f"{in_short(error)}") from error
    normed = {id(each.entry): label for label, each in calls.items() if each.name in norms and each.directly}
    outer = {each.name.rsplit(".", i)[0] for each in calls.values() for i in range(1, each.name.count(".") + 1)}
    ran = {each.name for each in calls.values()}
    places = {}
    reasons = {name: SCRIPT if name in scripts else NOT_RUN for name in wanted if name not in ran}
    for label, each in calls.items():
        if each.name not in wanted:
            continue
        if names is None and each.name in outer:
            reasons[label] = OUTER
        elif not each.readable(len(given)):
            reasons[label] = f"it puts out {each.what()}, not floats with the samples first"
        else:
            places[label] = normed.get(id(each.given), label)
    return places, reasons


def _named(names: str | Iterable[str]) -> list[str]:
    names = [names] if isinstance(names, str) or not isinstance(names, Iterable) else list(names)
    if not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"layers: expected names of layers, got {names}")
    return names


def _default(model: nn.Module) -> dict[str, nn.Module]:
    layers = {name: module for name, module in model.named_modules() if name and ".parametrizations." not in name and
              (isinstance(module, (nn.Linear, _ConvNd)) or loose_weights(module))}
    if not layers:
        raise ValueError(f"model: expected linear or convolution layers, got none within {type(model).__name__}; put a "
                         "lone layer into nn.Sequential")
    return layers
