"""One pass over the samples: what every layer puts out and what it is told, sample by sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from layerlib._forward import differentiating
from layerlib._room import room
from layerlib._threads import one_thread
from layerlib.data._samples import Samples
from layerlib.inspection._errors import Errors
from layerlib.inspection._passes import Reader, forward, there_and_back

LARGEST = 1e18


@dataclass(frozen=True)
class Readings:
    """What layers put out and what they were told, sample by sample.

    Attributes
    ----------
    outputs : layer -> shape (N, features), float32 or, of a network in float64, float64
    peaks : layer -> the largest over the same places, of the same shape; the same numbers where there is one place each
    targets : layer -> of its target õ_l, of the same shape; without the layers that the loss does not reach
    others : the same, with the errors of other samples carried back
    logits : what the network put out, shape (N, K); shape (N, 0) where it is something else
    untold : why there are no targets of any layer, or None
    """

    outputs: Mapping[str, Tensor]
    peaks: Mapping[str, Tensor]
    targets: Mapping[str, Tensor]
    others: Mapping[str, Tensor]
    logits: Tensor
    untold: str | None


def read(
    reader: Reader, samples: Samples, wanted: Tensor, labels: Tensor | None = None, errors: Errors | None = None
) -> Readings:
    """Run the network once over the ``wanted`` samples, in evaluation mode, forward and, for the targets, back.

    Under the mean, a channel's target is, up to a factor, that of a number added to the channel everywhere. Of outputs
    the largest is kept, too: ReLU commutes with it, so that it is above 0 where the channel is on at some place.

    Parameters
    ----------
    wanted : bool, shape (all,), N of them True
    labels : int64, shape (N,), class numbers to go back from, which needs logits; None for no targets
        Where it turns out that it cannot go back, the pass goes on without.
    errors : of at least N other samples, carried back likewise, each through the pass of a sample of its own

    Raises
    ------
    ValueError
        if a layer puts out other shapes for these samples than in the survey, or does not run
    """
    count, start = int(wanted.sum()), 0
    memory = reader.memory / (8 * max(len(reader.places), 1))
    kept = {kind: _Rows(count, memory) for kind in ("outputs", "peaks", "targets", "others")}
    windows: dict[str, int] = {}
    logits, untold, careful = [], None, False
    with differentiating(reader.model), one_thread(reader.numbers):
        size = reader.ahead if labels is None else reader.batch_size
        for given in samples.batches(wanted, size, reader.like):
            rows = slice(start, start + len(given))
            start = rows.stop

            def keep(kind: str, place: str, values: Tensor, rows: slice = rows) -> None:
                kept[kind].write(place, rows, values)

            if labels is None or untold is not None:
                final = forward(reader, given, windows, keep)
            else:
                others = None if errors is None else errors.values[rows]
                final, untold, careful = there_and_back(reader, given, windows, keep, labels[rows], others, careful)
            logits.append(final.detach() if isinstance(final, Tensor) else reader.like.new_empty(len(given), 0))
            del final  # the next batch needs its room
    kept["peaks"].rows = kept["outputs"].rows | kept["peaks"].rows
    outputs, peaks, targets, others = (
        {layer: each.rows[place] for layer, place in reader.places.items() if place in each.rows}
        for each in kept.values()
    )
    told = {"targets": targets, "others": others} if untold is None else {"targets": {}, "others": {}}
    return Readings(outputs, peaks, **told, logits=torch.cat(logits), untold=untold)


def bounded(readings: Sequence[Readings], device: torch.device) -> dict[str, bool]:
    """Layer -> whether all that it puts out is finite, and can be squared."""
    layers = list(readings[0].outputs)
    # NaN is the largest of all, and below nothing
    largest = [each.outputs[layer].abs().amax().to(device) for each in readings for layer in layers]
    fits = (torch.stack(largest) < LARGEST).view(len(readings), -1).all(0).tolist() if layers else []
    return dict(zip(layers, fits, strict=True))


class _Rows:
    """Readings of one kind, layer by layer, batch by batch."""

    def __init__(self, count: int, memory: float):
        self.count, self.memory, self.rows = count, memory, {}

    def write(self, layer: str, place: slice, values: Tensor) -> None:
        if layer not in self.rows:
            self.rows[layer] = room((self.count, values.shape[1]), values, self.memory)
        if self.rows[layer].shape[1] != values.shape[1]:
            raise ValueError(
                f"data: expected as many places in every batch to read layer {layer!r} by them, got "
                f"{self.rows[layer].shape[1]} and {values.shape[1]} numbers a sample; read their mean"
            )
        self.rows[layer][place] = values
