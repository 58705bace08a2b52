"""Every layer of any network in one pass over the data: what it puts out and what it is told, channel by channel."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from layerlib._checks import check_logits, first_parameter, in_short
from layerlib._forward import batches, differentiating, label_error
from layerlib.layers._calls import Call, calls_of
from layerlib.layers._channels import NORMS, channels, widths_of
from layerlib.layers._names import loose_weights, named_layers

NOT_RUN = "it did not run: the network uses its weights without calling it, or not at all"
OUTER = "it has weights of its own beside the layers within it; name it to read what it puts out"
SCRIPT = "it is part of a TorchScript, which does not show what its layers put out"


@dataclass(frozen=True)
class Readings:
    """What layers put out and what they were told, sample by sample.

    Attributes
    ----------
    outputs : layer -> mean over places, shape (N, channels), float32 or, of a network in float64, float64
    peaks : layer -> the largest over places, of the same shape; the same numbers where there is one place
    targets : layer -> mean over places of its target õ_l; without the layers that the loss does not reach
    logits : what the network put out, shape (N, K); shape (N, 0) where it is something else
    untold : why there are no targets of any layer, or None
    """

    outputs: dict[str, Tensor]
    peaks: dict[str, Tensor]
    targets: dict[str, Tensor]
    logits: Tensor
    untold: str | None


def survey(model: nn.Module, x: Tensor, names: Iterable[str] | None = None) -> tuple[dict[str, str], dict[str, str]]:
    """Which layers can be read, in the order in which they run, and why the others cannot.

    A layer that runs again in a pass is listed again, as ``"name#2"``.

    Parameters
    ----------
    x : a few inputs, shape (n, …)
    names : layers wanted, read where they put out. By default every linear and convolution layer, read behind the
        norm that directly takes its output where there is one, and every module with weights of another kind

    Returns
    -------
    layer -> what is read, itself or its norm; and layer -> the reason why it is not

    Raises
    ------
    ValueError
        if the network is a script, has no layer of a name, or does not run on ``x``
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
            calls, _ = calls_of(model, x, watched)
        except Exception as error:  # whatever the reader's network raises
            raise ValueError(f"split: expected images that the network runs on, got shape {tuple(x.shape[1:])} and "
                             f"from it {in_short(error)}") from error
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
        elif not each.readable(len(x)):
            reasons[label] = f"it puts out {each.what()}, not floats with the samples first"
        else:
            places[label] = normed.get(id(each.given), label)
    return places, reasons


def read(model: nn.Module, images: Tensor, labels: Tensor | None, places: Mapping[str, str],
         batch_size: int) -> Readings:
    """Run the network once over ``images``, in evaluation mode, forward and, for the targets, back.

    Convolutions are averaged over their places and tokens over all of them, outputs and targets alike. A channel's
    target is then, up to a factor, that of a number added to the channel everywhere. Of outputs the largest is kept,
    too: ReLU commutes with it, so that it is above 0 where the channel is on at some place.

    Parameters
    ----------
    images : uint8, shape (N, C, H, W)
    labels : int64, shape (N,), to go back from, which needs logits; None for no targets
        Where it turns out that it cannot go back, the pass goes on without.
    places : as of ``survey``

    Raises
    ------
    ValueError
        if a layer puts out other shapes for these samples than in the survey, or does not run
    """
    modules, widths = dict(model.named_modules()), widths_of(model)
    watched = {name: modules[name] for name in (place.split("#")[0] for place in places.values())}
    outputs, peaks, targets = ({layer: [] for layer in places} for _ in range(3))
    logits, untold = [], None
    wanted = None if labels is None else labels.split(batch_size)
    with differentiating(model):
        for i, x in enumerate(batches(images, batch_size, first_parameter(model))):
            y = None if wanted is None or untold is not None else wanted[i]
            calls, final, reached, why = _pass(model, x, watched, places, y)
            untold = untold or why
            for layer, place in places.items():
                z = channels(calls[place].output, calls[place].module, widths)
                outputs[layer].append(z.mean(2))
                peaks[layer].append(z.amax(2))
                if reached.get(place) is not None:
                    targets[layer].append(channels(reached[place], calls[place].module, widths).mean(2))
            plain = isinstance(final, Tensor) and final.ndim == 2 and len(final) == len(x)
            logits.append(final.detach() if plain else x.new_empty(len(x), 0))
    kept = ({layer: torch.cat(each) for layer, each in part.items() if each} for part in (outputs, peaks, targets))
    outputs, peaks, told = kept
    return Readings(outputs, peaks, told if untold is None else {}, torch.cat(logits), untold)


def _pass(model: nn.Module, x: Tensor, watched: Mapping[str, nn.Module], places: Mapping[str, str],
          labels: Tensor | None) -> tuple[dict[str, Call], object, dict[str, Tensor], str | None]:
    """One batch forward and, where there are labels, back: calls, what comes out, targets, and why there are none."""
    why = None
    if labels is not None:
        try:
            calls, final = calls_of(model, x, watched)
        except RuntimeError as error:  # some networks run only where no gradient is kept
            why = in_short(error)
        else:
            _check(calls, places, len(x))
            try:
                outputs = {place: calls[place].output for place in places.values()}
                return calls, final, _back(final, labels, outputs), None
            except (ValueError, RuntimeError) as error:
                return calls, final, {}, in_short(error)
    with torch.no_grad():
        calls, final = calls_of(model, x, watched)
    _check(calls, places, len(x))
    return calls, final, {}, why


def _back(logits: object, labels: Tensor, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """∂ℓ/∂z of every sample for each of the ``outputs`` that the loss reaches."""
    if isinstance(logits, Tensor):
        labels = labels.to(logits.device)
        if logits.ndim == 2 and int(labels.max()) >= logits.shape[1]:
            raise ValueError(f"split: expected class numbers below {logits.shape[1]}, the number of the network's "
                             f"outputs, got {int(labels.max())}")
    y = check_logits(logits, labels)
    error = label_error(logits.detach(), y)
    # what was made within no_grad has no step to go back
    known = {name: z for name, z in outputs.items() if z.requires_grad and logits.requires_grad}
    reached = torch.autograd.grad(logits, list(known.values()), error, allow_unused=True) if known else ()
    return {name: target for name, target in zip(known, reached, strict=True) if target is not None}


def _check(calls: Mapping[str, Call], places: Mapping[str, str], samples: int) -> None:
    for place in places.values():
        if place not in calls:
            raise ValueError(f"model: layer {place!r} ran for the first samples and not for others")
        if not calls[place].readable(samples):
            got = getattr(calls[place].output, "shape", type(calls[place].output).__name__)
            raise ValueError(f"model: expected layer {place!r} to put out ({samples}, …) for {samples} samples, "
                             f"got {got}; name the others in layers")


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
