"""Reading the layers of any ``nn.Module`` while it runs."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from layerlib._checks import names_of
from layerlib._forward import evaluated
from layerlib.layers._calls import Call, recording
from layerlib.layers._names import named_layers


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
    layers = named_layers(model, names)
    seen = Seen(tuple(layers))
    calls: list[Call] = []  # of the pass that is being made

    def keep(call: Call) -> None:
        if not isinstance(call.output, Tensor):
            raise TypeError(f"layer {call.name!r}: expected a tensor as its output, got {type(call.output).__name__}; "
                            "name a layer inside it")
        seen._kept[call.name] = call.output
        calls.append(call)

    def forget(module: nn.Module, inputs: tuple) -> None:
        calls.clear()
        seen._kept.clear()

    def give_back(module: nn.Module, inputs: tuple, output: object) -> object:
        # a network whose last layer is captured puts out what is seen, not the copy, unless a step in place came after
        # the layer; in inference mode nobody can tell
        own = [call.output for call in calls
               if call.given is output and not output.is_inference() and output._version == 0]
        calls.clear()
        return own[0] if own else None

    handles = [model.register_forward_pre_hook(forget)]
    try:
        with recording(layers, keep):
            handles.append(model.register_forward_hook(give_back))
            yield seen
    finally:
        for handle in handles:
            handle.remove()


def passes(model: nn.Module, names: Iterable[str], images: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Seen]]:
    """What a network and its named layers put out for ``images``, batch by batch, as of ``evaluated``.

    Between two batches the network is as it was.
    """
    for batch in images.split(batch_size):
        with capture(model, names) as seen:
            final = next(evaluated(model, batch, batch_size))
        yield final, seen


def outputs(model: nn.Module, names: str | Iterable[str], images: Tensor, batch_size: int = 2000) -> dict[str, Tensor]:
    """The outputs of the named layers for all ``images``, in evaluation mode, on the device of the model.

    All N outputs are held at once: for more than fits, go batch by batch with ``capture``.

    Parameters
    ----------
    model : any module that takes images of numbers in [0, 1]
    names : one name or several, as of ``capture``
    images : uint8, shape (N, C, H, W)
    batch_size : images that go through the network at a time

    Returns
    -------
    name -> tensor, shape (N, …)

    Raises
    ------
    ValueError
        as ``capture``; or if the network has no parameters, or ``images`` are not uint8
    """
    names = names_of(names)
    pieces: dict[str, list[Tensor]] = {name: [] for name in names}
    for _, seen in passes(model, names, images, batch_size):
        for name in names:
            pieces[name].append(seen[name])
    return {name: torch.cat(kept) for name, kept in pieces.items()}
