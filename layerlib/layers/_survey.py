"""Which layers of any network can be read, and where: found out by running it on a few samples."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from layerlib._checks import in_short
from layerlib._forward import differentiating
from layerlib.data._samples import Given
from layerlib.layers._calls import Call, calls_of
from layerlib.layers._channels import NORMS
from layerlib.layers._names import bare, named_layers, weighted_layers

NOT_RUN = "it did not run: the network uses its weights without calling it, or not at all"
OUTER = "it has weights of its own beside the layers within it; name it to read what it puts out"
SCRIPT = "it is part of a TorchScript, which does not show what its layers put out"


def survey(model: nn.Module, given: Given, names: Iterable[str] | None = None) -> tuple[dict[str, str], dict[str, str]]:
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
        if the network is a script, exported or quantised, has no layer of a name, or does not run on them
    """
    bare(model)  # refuses what has no layers to be read
    wanted = _default(model) if names is None else named_layers(model, _named(names), "layers")
    norms = {name: module for name, module in model.named_modules() if names is None and isinstance(module, NORMS)}
    scripts = {name for name, module in wanted.items() if isinstance(module, torch.jit.ScriptModule)}
    watched = {name: module for name, module in (wanted | norms).items() if name not in scripts}
    with differentiating(model), torch.no_grad():
        try:
            calls, _ = calls_of(lambda some: some.run(model), given, watched)
        except Exception as error:  # whatever the reader's network raises
            raise ValueError(
                f"data: expected samples that the network runs on, got {given.shape()} and from it {in_short(error)}"
            ) from error
        windows = _windows(model, given, watched, calls)
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
        elif not each.readable(len(given), windows.get(label, 1)):
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
    layers = {name: module for name, module, _ in weighted_layers(model) if name}
    if not layers:
        raise ValueError(
            f"model: expected linear or convolution layers, got none within {type(model).__name__}; put a "
            "lone layer into nn.Sequential"
        )
    return layers


def _windows(
    model: nn.Module, given: Given, watched: Mapping[str, nn.Module], calls: Mapping[str, Call]
) -> dict[str, int]:
    """How many rows a sample each layer puts out, where they are several, those of one sample after the other's."""
    several = {label: count for label, call in calls.items() if (count := call.windows(len(given))) > 1}
    if not several:
        return {}
    try:
        single, _ = calls_of(lambda one: one.run(model), given[:1], watched)
    except Exception:  # some networks run on several samples only
        return {}
    return {
        label: count
        for label, count in several.items()
        if label in single and _begins_with(calls[label].output, single[label].output, count)
    }


def _begins_with(z: object, first: object, count: int) -> bool:
    """Whether the first sample has ``count`` rows of its own, the first of ``z``."""
    if not (isinstance(z, Tensor) and isinstance(first, Tensor) and z.is_floating_point()):
        return False
    if first.shape != (count, *z.shape[1:]):
        return False
    return torch.allclose(z[:count], first, rtol=1e-3, atol=1e-5 * float(first.abs().max()))
