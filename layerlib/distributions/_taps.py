"""The taps of a network: what they put out, pooled for probes, and which of them answer by themselves."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from layerlib._checks import kind_of, whole_number
from layerlib._forward import evaluating
from layerlib.distributions._features import pooled_features
from layerlib.layers._channels import widths_of
from layerlib.layers._names import named_layers
from layerlib.layers.capture import passes


class Taps:
    """Layers of a network that are read, as of ``LayerProbes``, whose parameters and errors these are."""

    def __init__(
        self, model: nn.Module, names: Sequence[str], classes: int, pool: int, heads: Mapping[str, str] | None
    ):
        self.pool = whole_number("pool", pool)
        if not isinstance(heads, Mapping | None):
            raise ValueError(f"heads: expected a mapping of taps to layers, got {kind_of(heads)}")
        self._layers, self.heads = named_layers(model, names), dict(heads or {})
        self.names = tuple(self._layers)
        self._heads = named_layers(model, self.heads.values(), "heads") if self.heads else {}
        if others := [name for name in self.heads if name not in self.names]:
            raise ValueError(f"heads: expected some of the taps, {list(self.names)}, got {others[0]!r}")
        self.model, self.classes, self._widths = model, classes, widths_of(model)

    def pooled(self, name: str, output: Tensor, pool: int | None = None) -> Tensor:
        """Features of what a tap put out, (n, F)."""
        return pooled_features(output, pool or self.pool, self._layers[name], self._widths)

    def probed(self, count: int) -> list[str]:
        """The taps of the ``count`` probes: all without a head, but for a last one that is the network's own output."""
        return [name for name in self.names if name not in self.heads][:count]

    def answer(self, name: str, output: Tensor) -> Tensor:
        """What the head of a tap makes of its output: logits, shape (n, K)."""
        head = self._heads[self.heads[name]]
        pooled = self.pooled(name, output, 1)
        try:
            with evaluating(head):
                return head(pooled)
        except RuntimeError as error:
            raise ValueError(
                "heads: expected layers of the network that read the means of their taps, got "
                f"{self.heads[name]!r} for {name!r}, of {pooled.shape[1]} channels"
            ) from error

    @torch.inference_mode(False)
    @torch.no_grad()
    def read(self, images: Tensor | np.ndarray, batch_size: int) -> Iterator[tuple[list[Tensor], Tensor | None]]:
        """Batch by batch, features of taps that need a probe, (n, F) each, and logits of the others, (taps, n, K)."""
        for outputs, ends in _outputs(self.model, self.names, images, batch_size):
            own = {name: self.answer(name, outputs[name]) for name in self.heads}
            if ends and self.names[-1] not in own:
                own[self.names[-1]] = outputs[self.names[-1]]
            for name, answer in own.items():
                if answer.shape[1:] != (self.classes,):
                    raise ValueError(
                        f"classes: expected {tuple(answer.shape[1:])}, what the network puts out"
                        f"{f' at {name!r}' if name in self.heads else ''}, got {self.classes}"
                    )
            each = [self.pooled(name, x) for name, x in outputs.items() if name not in own]
            yield each, torch.stack([own[name] for name in self.names if name in own]) if own else None


def _outputs(
    model: nn.Module, names: Sequence[str], images: Tensor | np.ndarray, batch_size: int
) -> Iterator[tuple[dict[str, Tensor], bool]]:
    """Run ``model`` in evaluation mode on ``images``, (N, …), and read what its taps put out.

    Yields
    ------
    for every batch, tap -> its output; and whether that of the last is the network's own

    Raises
    ------
    ValueError
        if a tap puts out anything but a row of floats for each image
    """
    starts = range(0, max(len(images), 1), batch_size)
    for start, (final, seen) in zip(starts, passes(model, names, images, batch_size), strict=True):
        samples = min(batch_size, len(images) - start)
        outputs = {name: seen[name] for name in names}
        for name, x in outputs.items():
            if not x.is_floating_point() or x.ndim < 2 or len(x) != samples:
                raise ValueError(
                    f"names: expected layers that put out floats, a row for each of {samples} images, "
                    f"got {x.dtype} {tuple(x.shape)} from {name!r}"
                )
        yield outputs, outputs[names[-1]] is final
