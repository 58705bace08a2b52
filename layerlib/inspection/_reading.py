"""One pass over the samples: what every layer puts out and what it is told, sample by sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from layerlib._batches import check_logits
from layerlib._checks import in_short
from layerlib._forward import differentiating, label_error
from layerlib._room import room
from layerlib._threads import one_thread
from layerlib.data._samples import Given, Samples
from layerlib.inspection._errors import Errors
from layerlib.inspection._outputs import logits_of, needed
from layerlib.inspection._pooling import Pooling
from layerlib.layers._calls import Call, calls_of
from layerlib.layers._channels import Widths, channels_second, in_a_row, precise, widths_of

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


@dataclass(frozen=True)
class Reader:
    """How a network is read.

    Attributes
    ----------
    places : layer -> what is read, as of ``survey``
    output : what the network puts out -> its logits; None for the usual places
    batch_size : samples at a time
    numbers : how many an operation of a pass is on, for ``one_thread``
    memory : bytes of readings; more lie in files
    weights : by which those of the network are replaced while it is read
    logits : of other samples, which tell whether it puts out logits at all
    """

    model: nn.Module
    places: Mapping[str, str]
    like: Tensor
    pooling: Pooling = field(default_factory=Pooling)
    output: Callable | None = None
    batch_size: int = 200
    numbers: float = math.inf
    memory: float = 2e9
    weights: Mapping[str, Tensor] | None = None
    logits: Tensor | None = None

    @property
    def watched(self) -> dict[str, nn.Module]:
        modules = dict(self.model.named_modules())
        return {name: modules[name] for name in (place.split("#")[0] for place in self.places.values())}

    def run(self, given: Given) -> object:
        """What the network puts out for these samples, logits in place of what holds them."""
        model = (
            self.model
            if self.weights is None
            else (lambda *args, **named: torch.func.functional_call(self.model, self.weights, args, named))
        )
        return logits_of(given.run(model), len(given), self.output)

    def rows(self, z: Tensor, module: nn.Module, widths: Widths, given: Given) -> tuple[Tensor, Tensor]:
        """What is kept of an output of ``module``, or of its target: see ``Pooling``."""
        placed = channels_second(precise(z), module, widths, len(given))
        whole = len(z) == len(given)  # the tokens of windows follow in no one order
        return self.pooling(placed, whole and in_a_row(z, module, widths), given.mask)


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
    watched, widths = reader.watched, widths_of(reader.model)
    count, start = int(wanted.sum()), 0
    kept = {
        kind: _Rows(count, reader.memory / (8 * max(len(reader.places), 1)))
        for kind in ("outputs", "peaks", "targets", "others")
    }
    logits, untold, windows = [], None, {}
    with differentiating(reader.model), one_thread(reader.numbers):
        for given in samples.batches(wanted, reader.batch_size, reader.like):
            rows = slice(start, start + len(given))
            start = rows.stop
            y = None if labels is None or untold is not None else labels[rows]
            others = None if errors is None else errors.values[rows]
            calls, final, reached, why = _pass(reader, given, watched, widths, windows, y, others)
            untold = untold or why
            for layer, place in reader.places.items():
                module = calls[place].module
                means, peaks = reader.rows(calls[place].output, module, widths, given)
                kept["outputs"].write(layer, rows, means)
                if peaks is means:  # kept once: the readings of a wide layer are most of the memory
                    kept["peaks"].rows[layer] = kept["outputs"].rows[layer]
                else:
                    kept["peaks"].write(layer, rows, peaks)
                for kind, back in zip(("targets", "others"), reached, strict=True):
                    if place in back:
                        kept[kind].write(layer, rows, back[place])
            logits.append(final.detach() if isinstance(final, Tensor) else reader.like.new_empty(len(given), 0))
            del calls, final, reached  # the next batch needs their room
    told = {kind: kept[kind].rows if untold is None else {} for kind in ("targets", "others")}
    return Readings(kept["outputs"].rows, kept["peaks"].rows, **told, logits=torch.cat(logits), untold=untold)


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


def _pass(
    reader: Reader,
    given: Given,
    watched: Mapping[str, nn.Module],
    widths: Widths,
    windows: dict[str, int],
    labels: Tensor | None,
    others: Tensor | None,
) -> tuple[dict[str, Call], object, tuple[dict, dict], str | None]:
    """One batch forward and, where there are labels, back: calls, what comes out, rows of both targets, and why none.

    ``windows`` are the rows a sample of each place, as the first batch has them.
    """
    why = None
    if labels is not None:
        try:
            calls, final = calls_of(reader.run, given, watched)
        except Exception as error:  # some networks run only where no gradient is kept
            why = in_short(error)
        else:
            _check(calls, reader.places, len(given), windows)
            try:
                outputs = {place: calls[place].output for place in reader.places.values()}

                def rows(place: str, target: Tensor) -> Tensor:
                    return reader.rows(target, calls[place].module, widths, given)[0]

                return calls, final, _back(final, labels, others, outputs, reader.logits, rows), None
            except (ValueError, RuntimeError) as error:
                return calls, final, ({}, {}), in_short(error)
    with torch.no_grad():
        calls, final = calls_of(reader.run, given, watched)
    _check(calls, reader.places, len(given), windows)
    return calls, final, ({}, {}), why


def _back(
    logits: object,
    labels: Tensor,
    others: Tensor | None,
    outputs: Mapping[str, Tensor],
    known: Tensor | None,
    rows: Callable[[str, Tensor], Tensor],
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """∂ℓ/∂z of every sample for each of the ``outputs`` that the loss reaches, for its own error and for another's.

    Of each the ``rows`` alone, before it goes back again: whole, they take as much memory as the outputs.
    """
    logits = needed(logits, len(labels))
    if int(labels.max()) >= logits.shape[1]:
        raise ValueError(
            f"data: expected class numbers below {logits.shape[1]}, the number of the network's outputs, "
            f"got {int(labels.max())}"
        )
    y = check_logits(logits, labels, known)
    # what was made within no_grad has no step to go back
    known = {name: z for name, z in outputs.items() if z.requires_grad and logits.requires_grad}
    seeds = ([label_error(logits.detach(), y)] + ([] if others is None else [others.to(logits)])) if known else []
    told: list[dict[str, Tensor]] = [{}, {}]
    for own, seed in zip(told, seeds, strict=False):
        last = seed is seeds[-1]
        reached = torch.autograd.grad(logits, [*known.values()], seed, retain_graph=not last, allow_unused=True)
        own |= {name: rows(name, target) for name, target in zip(known, reached, strict=True) if target is not None}
        del reached
    return told[0], told[1]


def _check(calls: Mapping[str, Call], places: Mapping[str, str], samples: int, windows: dict[str, int]) -> None:
    for place in places.values():
        if place not in calls:
            raise ValueError(f"model: layer {place!r} ran for the first samples and not for others")
        if not calls[place].readable(samples, windows.setdefault(place, calls[place].windows(samples))):
            got = getattr(calls[place].output, "shape", type(calls[place].output).__name__)
            raise ValueError(
                f"model: expected layer {place!r} to put out ({samples}, …) for {samples} samples, "
                f"got {got}; name the others in layers"
            )
