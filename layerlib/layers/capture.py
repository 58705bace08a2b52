"""Reading the layers of any ``nn.Module`` while it runs."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from layerlib._checks import checked, several_names, whole_number
from layerlib._forward import alone, as_written, batches, evaluating, padded, running
from layerlib._tensors import first_parameter, network, samples
from layerlib.data._pairs import pairs
from layerlib.layers._calls import Call, recording
from layerlib.layers._names import bare, named_layers


class Seen(Mapping):
    """What the named layers put out in the last forward pass, by name."""

    def __init__(self, names: tuple[str, ...]):
        self.names = names
        self._kept: dict[str, Tensor] = {}

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.names:
            raise KeyError(f"{name!r} is not captured; captured are {list(self.names)}")
        if name not in self._kept:
            raise RuntimeError(f"layer {name!r} did not run in the last forward pass (or no pass was made)")
        return self._kept[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self.names if name in self._kept)

    def __len__(self) -> int:
        return len(self._kept)


@contextmanager
@checked(model=network, names=several_names)
def capture(model: nn.Module, names: str | Iterable[str]) -> Iterator[Seen]:
    """Within the context, ``seen[name]`` is the output of layer ``name`` in the last forward pass.

    Name the layer before an activation for its pre-activations (``linear3``), the activation for its output
    (``relu3``). The network goes on with a copy, so that a step in place does not overwrite what was captured.
    Afterwards the model is as before, also after an exception. Of a layer that runs several times in a pass, the
    last output is seen.

    Parameters
    ----------
    model : any module
    names : one name or several, as ``model.named_modules()`` gives them, of layers that put out one tensor

    Yields
    ------
    mapping, name -> tensor, shape (N, …)

    Raises
    ------
    ValueError
        for a name that is not a layer of the model (with the closest ones), or no name at all

    Examples
    --------
    >>> model = MLP((784, 100, 10))
    >>> with capture(model, ["linear1"]) as seen:
    ...     logits = model(torch.zeros(5, 1, 28, 28))
    >>> seen["linear1"].shape
    torch.Size([5, 100])
    """
    layers, inner, thread = named_layers(model, names), bare(model), threading.get_ident()
    seen = Seen(tuple(layers))
    calls: list[Call] = []  # of the pass that is being made

    def keep(call: Call) -> None:
        if not isinstance(call.output, Tensor):
            raise TypeError(
                f"names: expected layers that put out a tensor, got {type(call.output).__name__} of {call.name!r}; "
                "name a layer inside it"
            )
        seen._kept[call.name] = call.output
        calls.append(call)

    def forget(module: nn.Module, inputs: tuple) -> None:
        if threading.get_ident() == thread:
            calls.clear()
            seen._kept.clear()

    def give_back(module: nn.Module, inputs: tuple, output: object) -> object:
        # a network whose last layer is captured puts out what is seen, not the copy, unless a step in place came after
        # the layer; in inference mode nobody can tell
        own = [
            call.output
            for call in calls
            if call.given is output and not call.given.is_inference() and call.given._version == 0
        ]
        if threading.get_ident() == thread:
            calls.clear()
        return own[0] if own else None

    with ExitStack() as hooks:
        hooks.enter_context(alone(inner))
        hooks.enter_context(as_written(model))
        hooks.enter_context(padded(inner, layers))
        hooks.callback(inner.register_forward_pre_hook(forget).remove)
        hooks.enter_context(recording(layers, keep))
        hooks.callback(inner.register_forward_hook(give_back).remove)
        yield seen


@checked(model=network, names=several_names, images=samples, batch_size=whole_number)
@torch.inference_mode(False)  # so that the caller may take gradients of what is made of it
@torch.no_grad()
def passes(
    model: nn.Module, names: Iterable[str], images: Tensor | np.ndarray, batch_size: int
) -> Iterator[tuple[Tensor, Seen]]:
    """What a network and its named layers put out for ``images``, batch by batch, as of ``evaluated``.

    Between two batches the network is as it was.
    """
    for x in batches(images, batch_size, first_parameter(bare(model))):
        with capture(model, names) as seen, evaluating(model), running("images", x):
            final = model(x)
        yield final, seen


@checked(model=network, names=several_names, batch_size=whole_number)
def outputs(model: nn.Module, names: str | Iterable[str], images: object, batch_size: int = 2000) -> dict[str, Tensor]:
    """The outputs of the named layers for all ``images``, in evaluation mode, on the device of the model.

    All N outputs are held at once: for more than fits, go batch by batch with ``capture``.

    Parameters
    ----------
    model : any module
    names : one name or several, as of ``capture``
    images : uint8 pixels, shape (N, C, H, W), which are divided by 255; or any other tensor, shape (N, …), as the
        model takes it. Floats of an array get the model's precision. Of samples with labels, a ``Split``, ``(x, y)``,
        a ``Dataset`` or a ``DataLoader``, these are read, too.
    batch_size : samples that go through the network at a time

    Returns
    -------
    name -> tensor, shape (N, …)

    Raises
    ------
    ValueError
        as ``capture``; or if the network has no parameters, or ``images`` are neither a tensor nor an array, or are
        floats of another precision
    """
    if not isinstance(images, (Tensor, np.ndarray)):
        images = pairs("images", images, bare(model)).images
    pieces: dict[str, list[Tensor]] = {name: [] for name in names}
    for _, seen in passes(model, names, images, batch_size):
        for name in names:
            pieces[name].append(seen[name])
    return {name: torch.cat(kept) for name, kept in pieces.items()}
