"""Every layer of any network in one pass over the data: what it puts out and what it is told, one number a channel."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from layerlib.batches import as_input
from layerlib.capture import named_layers
from layerlib.splits import Split
from layerlib.targets import check_logits, evaluating, label_error, loose_weights

NORMS = (_BatchNorm, nn.GroupNorm, nn.LayerNorm)
NOT_RUN = "it did not run: the network uses its weights without calling it, or not at all"
OUTER = "it has weights of its own beside the layers within it; name it to read what it puts out"


@dataclass(frozen=True)
class Readings:
    """What layers put out and what they were told, sample by sample, averaged over places.

    Attributes
    ----------
    outputs : layer -> shape (N, channels), float32 or, of a network in float64, float64
    targets : layer -> the same shape, its target õ_l; without the layers that the loss does not reach
    logits : what the network put out, shape (N, …)
    """

    outputs: dict[str, Tensor]
    targets: dict[str, Tensor]
    logits: Tensor


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
    wanted = _default(model) if names is None else named_layers(model, names, "layers")
    norms = {name: module for name, module in model.named_modules() if names is None and isinstance(module, NORMS)}
    with evaluating(model), torch.no_grad():
        try:
            runs, _ = _run(model, x, wanted | norms)
        except Exception as error:  # whatever the reader's network raises
            raise ValueError(f"split: expected images that the network runs on, got {tuple(x.shape[1:])} and "
                             f"{type(error).__name__}: {error}") from error
    normed = {id(run.entry): label for label, run in runs.items() if run.name in norms}
    outer = {run.name.rsplit(".", i)[0] for run in runs.values() for i in range(1, run.name.count(".") + 1)}
    places, reasons = {}, {name: NOT_RUN for name in wanted if all(run.name != name for run in runs.values())}
    for label, run in runs.items():
        if run.name not in wanted:
            continue
        if names is None and run.name in outer:
            reasons[label] = OUTER
        elif not run.readable(len(x)):
            reasons[label] = f"it puts out {run.what()}, not floats of shape ({len(x)}, …) for {len(x)} samples"
        else:
            places[label] = normed.get(id(run.given), label)
    return places, reasons


def read(model: nn.Module, split: Split, places: Mapping[str, str], with_targets: bool, batch_size: int) -> Readings:
    """Run the network once over ``split``, in evaluation mode, forward and, for the targets, back.

    Convolutions are averaged over their places and tokens over all of them, outputs and targets alike. A channel's
    target is then, up to a factor, that of a number added to the channel everywhere.

    Parameters
    ----------
    places : as of ``survey``
    with_targets : whether to go back; needs class numbers as labels and logits, as ``targets`` does
    """
    modules, parameter = dict(model.named_modules()), next(model.parameters())
    watched = {name: modules[name] for name in (place.split("#")[0] for place in places.values())}
    outputs, targets = ({layer: [] for layer in places} for _ in range(2))
    logits = []
    for start in range(0, len(split), batch_size):
        batch = split[start : start + batch_size]
        x = as_input(batch.images.to(parameter.device), parameter.dtype)
        with evaluating(model), torch.set_grad_enabled(with_targets):
            runs, final = _run(model, x, watched)
            reached = _back(final, batch.labels, {place: runs[place].output for place in places.values()}) \
                if with_targets else {}
        for layer, place in places.items():
            outputs[layer].append(_channels(runs[place].output, runs[place].module))
            if reached.get(place) is not None:
                targets[layer].append(_channels(reached[place], runs[place].module))
        logits.append(final.detach() if isinstance(final, Tensor) else x.new_empty(len(x), 0))
    return Readings({layer: torch.cat(each) for layer, each in outputs.items()},
                    {layer: torch.cat(each) for layer, each in targets.items() if each}, torch.cat(logits))


class _Run:
    """One run of a module in a pass. It keeps its tensors, so that none can take the identity of another."""

    def __init__(self, name: str, module: nn.Module, entry: object, output: object):
        self.name, self.module, self.entry = name, module, entry
        if isinstance(output, Tensor) and output.is_floating_point() and torch.is_grad_enabled():
            output = output if output.requires_grad else output.detach().requires_grad_()
        self.output = output
        # so that a step in place after the layer leaves its output as it was
        self.given = output.clone() if isinstance(output, Tensor) else output

    def readable(self, samples: int) -> bool:
        z = self.output
        return isinstance(z, Tensor) and z.ndim > 1 and len(z) == samples and z.is_floating_point()

    def what(self) -> str:
        z = self.output
        return f"{z.dtype} of shape {tuple(z.shape)}" if isinstance(z, Tensor) else f"a {type(z).__name__}"


def _run(model: nn.Module, x: Tensor, watched: Mapping[str, nn.Module]) -> tuple[dict[str, _Run], object]:
    """The runs of the ``watched`` modules in one pass, by name and number, in their order; and what comes out."""
    runs: dict[str, _Run] = {}

    def keep(name: str):
        def hook(module: nn.Module, args: tuple, kwargs: dict, output: object) -> object:
            run = _Run(name, module, next(iter((*args, *kwargs.values())), None), output)
            calls = sum(other.name == name for other in runs.values())
            runs[f"{name}#{calls + 1}" if calls else name] = run
            return run.given
        return hook

    with ExitStack() as hooks:
        for name, module in watched.items():
            hooks.callback(module.register_forward_hook(keep(name), with_kwargs=True).remove)
        return runs, model(x)


def _back(logits: object, labels: Tensor, outputs: Mapping[str, Tensor]) -> dict[str, Tensor | None]:
    """∂ℓ/∂z of every sample for each of the ``outputs``; None where the loss does not reach it."""
    y = check_logits(logits, labels.to(logits.device))
    if not logits.requires_grad:
        return {}
    error = label_error(logits.detach(), y)
    reached = torch.autograd.grad(logits, list(outputs.values()), error, allow_unused=True)
    return dict(zip(outputs, reached, strict=True))


def _channels(z: Tensor, module: nn.Module) -> Tensor:
    """Means over places, (N, channels): channels are the last dimension of tokens, else the second."""
    z = z.detach()
    z = z if z.dtype == torch.float64 else z.float()
    if z.ndim == 2:
        return z
    if isinstance(module, nn.LayerNorm):  # some bring the channels to the end for the norm, and back
        last = z.shape[-1] == module.normalized_shape[-1]
    else:
        last = isinstance(module, nn.Linear) or (z.ndim == 3 and not isinstance(module, (_ConvNd, *NORMS)))
    return (z.movedim(-1, 1) if last else z).flatten(2).mean(2)


def _default(model: nn.Module) -> dict[str, nn.Module]:
    layers = {name: module for name, module in model.named_modules() if name and
              (isinstance(module, (nn.Linear, _ConvNd)) or loose_weights(module))}
    if not layers:
        raise ValueError(f"model: expected layers with weights, got none within {type(model).__name__}")
    return layers
