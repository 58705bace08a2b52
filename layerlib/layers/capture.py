"""Reading the layers of any ``nn.Module`` while it runs."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from layerlib._forward import as_input, modes_kept


def named_layers(model: nn.Module, names: Iterable[str], argument: str = "names") -> dict[str, nn.Module]:
    """The modules of ``model`` with these names, or this name, by name.

    Raises
    ------
    ValueError
        for a name that is not a layer of the model (with the closest ones), or no name at all
    """
    names = (names,) if isinstance(names, str) else tuple(names)
    layers = dict(model.named_modules())
    for name in names:
        if name not in layers or name == "":
            close = difflib.get_close_matches(name, layers, n=3, cutoff=0.4) or list(layers)[1:4]
            raise ValueError(f"{argument}: {type(model).__name__} has no layer {name!r}; closest are {close}")
    if not names:
        raise ValueError(f"{argument}: expected at least one layer, got none")
    return {name: layers[name] for name in names}


class Seen(Mapping):
    """What the named layers put out in the last forward pass, by name."""

    def __init__(self, names: tuple[str, ...]):
        self.names = names
        self._kept: dict[str, tuple[Tensor, int | None]] = {}

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.names:
            raise KeyError(f"{name!r} is not captured; captured are {list(self.names)}")
        if name not in self._kept:
            raise RuntimeError(f"layer {name!r} did not run in the last forward pass (or no pass was made)")
        output, version = self._kept[name]
        if version is not None and output._version != version:
            raise RuntimeError(
                f"layer {name!r}: its output was overwritten in place after it ran (by F.relu_(…) or x += …, say); "
                "write that step without in-place"
            )
        return output

    def __iter__(self) -> Iterator[str]:
        return (name for name in self.names if name in self._kept)

    def __len__(self) -> int:
        return len(self._kept)


@contextmanager
def capture(model: nn.Module, names: Iterable[str]) -> Iterator[Seen]:
    """Within the context, ``seen[name]`` is the output of layer ``name`` in the last forward pass.

    Name the layer before an activation for its pre-activations (``linear3``), the activation for its output
    (``relu3``). Activations that work in place are made not to while the context is open, so that they do not
    overwrite what was captured. Afterwards the model is as before, also after an exception. Of a layer that runs
    several times in a pass, the last output is seen.

    Parameters
    ----------
    model : any module
    names : names as ``model.named_modules()`` gives them, of layers that put out one tensor

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

    def keep(name: str):
        def hook(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            if not isinstance(output, Tensor):
                raise TypeError(f"layer {name!r}: expected a tensor as its output, got {type(output).__name__}; "
                                "name a layer inside it")
            # a tensor of inference mode cannot tell whether it was overwritten: keep a copy
            seen._kept[name] = (output.clone(), None) if output.is_inference() else (output, output._version)
        return hook

    def forget(module: nn.Module, inputs: tuple) -> None:
        seen._kept.clear()

    in_place = [m for m in model.modules() if getattr(m, "inplace", False) is True]
    handles = [model.register_forward_pre_hook(forget)]
    try:
        handles += [layer.register_forward_hook(keep(name)) for name, layer in layers.items()]
        for module in in_place:
            module.inplace = False
        yield seen
    finally:
        for handle in handles:
            handle.remove()
        for module in in_place:
            module.inplace = True


@torch.no_grad()
def outputs(model: nn.Module, names: Iterable[str], images: Tensor, batch_size: int = 2000) -> dict[str, Tensor]:
    """The outputs of the named layers for all ``images``, in evaluation mode, on the device of the model.

    All N outputs are held at once: for more than fits, go batch by batch with ``capture``.

    Parameters
    ----------
    images : uint8, shape (N, C, H, W)

    Returns
    -------
    name -> tensor, shape (N, …)
    """
    names = tuple(names)
    parameter = next(model.parameters())
    pieces: dict[str, list[Tensor]] = {name: [] for name in names}
    with modes_kept(model), capture(model, names) as seen:
        model.eval()
        for batch in images.split(batch_size):
            model(as_input(batch.to(parameter.device), parameter.dtype))
            for name in names:
                pieces[name].append(seen[name])
    return {name: torch.cat(kept) for name, kept in pieces.items()}
