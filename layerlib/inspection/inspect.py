"""The instruments of the book on every layer of any network, in one call."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor, nn

from layerlib._forward import as_input
from layerlib.data.splits import Split
from layerlib.inspection import _lenses as lenses
from layerlib.inspection._arguments import earlier_weights, split_of
from layerlib.inspection._lenses import QUANTITIES
from layerlib.layers._names import bare
from layerlib.layers._survey import Readings, read, survey

LARGEST = 1e18
MULTI_HOT = "labels are multi-hot, where it needs class numbers"


@dataclass(frozen=True, repr=False)
class Inspection:
    """What the instruments read off every layer of a network: see `inspect`.

    Attributes
    ----------
    layers : names, in the order in which the layers run; those that do not run come last
    read_at : what was read for each of them: the layer itself, or the norm behind it
    values : quantity -> float64, shape (layers,), NaN where it could not be read
    reasons : (layer, instrument) -> why it could not be read; for guided pictures the layer is "input"
    baseline : the distance, and the accuracy, of a layer that always predicts the frequencies of the classes
    accuracy : of the network itself on the judged half, NaN where it does not put out a number for each class
    images : up to eight of the judged half, one of each of the first classes, uint8, shape (n, C, H, W)
    pictures : what guided-bp-DNN draws for them and their labels, the same shape; None where it cannot
    """

    layers: tuple[str, ...]
    read_at: tuple[str, ...]
    values: dict[str, Tensor]
    reasons: dict[tuple[str, str], str]
    baseline: dict[str, float]
    accuracy: float
    images: Tensor
    pictures: Tensor | None

    def to_frame(self) -> pd.DataFrame:
        """One row for each layer and quantity: layer, read_at, instrument, quantity, value, reason.

        ``reason`` is empty where there is a value. Layers and quantities are categories in their order, which
        ``frame.pivot(index="layer", columns="quantity", values="value")`` keeps.
        """
        rows = [(layer, place, instrument, quantity, value,
                 self.reasons.get((layer, instrument), "") if math.isnan(value) else "")
                for i, (layer, place) in enumerate(zip(self.layers, self.read_at, strict=True))
                for instrument, quantities in QUANTITIES.items() for quantity in quantities
                for value in [self.values[quantity][i].item()]]
        frame = pd.DataFrame(rows, columns=["layer", "read_at", "instrument", "quantity", "value", "reason"])
        orders = {"layer": self.layers, "quantity": list(self.values)}
        return frame.assign(**{name: pd.Categorical(frame[name], order, ordered=True)
                               for name, order in orders.items()})

    def figure(self):
        """All of it as one figure of matplotlib: a panel for each instrument, layer by layer."""
        from layerlib.inspection._figure import figure  # drawing comes last: no instrument needs it

        return figure(self)

    def __repr__(self) -> str:
        return "\n".join([self._table().to_string(float_format="{:.3g}".format, na_rep="-"), *self._notes()])

    def _repr_html_(self) -> str:
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self._notes())
        table = self._table().to_html(float_format="{:.3g}".format, na_rep="–")
        return f'<div style="overflow-x: auto">{table}<ul>{notes}</ul></div>'

    def _table(self) -> pd.DataFrame:
        table = pd.DataFrame({name: values.tolist() for name, values in self.values.items()}, index=list(self.layers))
        return table.dropna(axis=1, how="all")

    def _notes(self) -> list[str]:
        """A sentence for each reason: what was not read, where, why."""
        told: dict[tuple[str, str], list[str]] = {}
        for (layer, instrument), reason in self.reasons.items():
            told.setdefault((layer, reason), []).append(instrument)
        where: dict[tuple[str, str], list[str]] = {}
        for (layer, reason), instruments in told.items():
            what = "pictures not drawn" if layer == "input" else f"{_listed(instruments)} not read"
            where.setdefault((what, reason), []).append(layer)
        return [f"{what}{self._places(layers)}: {reason}" for (what, reason), layers in where.items()]

    def _places(self, layers: list[str]) -> str:
        if layers == ["input"]:
            return ""
        return " at any layer" if len(layers) == len(self.layers) > 1 else f" at {_few(layers)}"


@torch.inference_mode(False)  # gradients on, whatever the caller has switched off
def inspect(model: nn.Module, split: Split, layers: Iterable[str] | None = None,
            before: nn.Module | Mapping[str, Tensor] | None = None, *, batch_size: int = 200,
            seed: int = 0) -> Inspection:
    """Read every layer of a network with every instrument of the book, in one pass over the data.

    Each layer is read once, sample by sample: the pre-activation of each node; of each channel of a convolution, or of
    tokens, the mean over places, and for patterns and nodes the largest over places; of an attention or recurrent
    layer, the first of what it puts out. From these numbers alone come

    - *distribution*: ``distance``, the mean Wasserstein distance (uniform cost) of the label distribution of a linear
      probe to the target, and ``probe_accuracy`` (Cao et al. 2022). Channels are standardised for the probes; the
      last layer is given one as well;
    - *patterns*: ``perplexity`` of the on/off patterns, a channel being on where it is above 0 at some place, averaged
      over classes; ``entropy``, likewise, is ln P by its cap, ln of the class's samples (Davel et al. 2020);
      ``control_entropy`` is the same with shuffled labels;
    - *nodes*: accuracy of the ``discrete``, ``continuous`` and ``combined`` systems (Davel et al. 2020);
    - *targets*: silhouette and k-NN accuracy, by the cosine, of the back-propagated targets and of what the layer puts
      out, "feature", on at most 2,000 samples (Xie & Lai 2018);
    - *filters*: with ``before``, the ``change`` of one weight, D_t by the number of weights of a filter, and
      ``relative_change``, ‖W' - W‖ / ‖W‖ (Hu et al. 2018).

    One half of the samples, picked by ``seed``, trains probes and node systems; all numbers are of the other half. The
    network is read in evaluation mode and not changed. What an instrument cannot read it lists with the reason.

    Parameters
    ----------
    model : any module that takes images, shape (N, C, H, W), of numbers in [0, 1]
        One that expects other numbers becomes ``nn.Sequential(Normalise(), model)``, with a step of your own first.
    split : labelled images
        With multi-hot labels only the distribution and the filters can be read.
    layers : one name or several, of ``model.named_modules()``, read where they put out
        By default every linear and convolution layer, behind the norm that takes its output where there is one, and
        every module with weights of another kind. A layer that runs again is listed again, as ``"name#2"``.
    before : the network, or its ``state_dict()``, at an earlier moment, as a copy
    batch_size : images at a time
        What the network keeps of so many for going back must fit the memory: for large images take fewer.
    seed : of the halves

    Returns
    -------
    Inspection

    Raises
    ------
    ValueError
        if the network is a TorchScript, has no weights or no such layer, normalises by the batch, or does not run on
        the images; if the split has fewer than four images or two classes; or if an argument is of another kind

    Examples
    --------
    >>> inspection = inspect(model, data.test)
    >>> inspection.to_frame().query("quantity == 'distance'")[["layer", "value"]]
    >>> inspection.figure().savefig("layers.png")
    """
    model, earlier = bare(model), earlier_weights(before)
    split = split_of(model, split, batch_size)
    places, reasons = survey(model, as_input(split.images[:2], next(model.parameters()).dtype), layers)
    fitted, judged = split.holdout(len(split) // 2, seed)
    labels, truth, classes = _numbered(fitted.labels, judged.labels)
    first = read(model, fitted.images, None, places, batch_size)
    second = read(model, judged.images, judged.labels if truth.ndim == 1 else None, places, batch_size)
    sheet = _Sheet((*places, *reasons))
    reasons |= {layer: "its outputs are not finite, or too large to be squared" for layer in places
                if not all((part.outputs[layer].abs() < LARGEST).all() for part in (first, second))}
    for layer, reason in reasons.items():
        sheet.refuse(layer, ("distribution", "patterns", "nodes", "targets"), reason)
    good = [layer for layer in places if layer not in reasons]
    if good:
        rows = lenses.distribution([first.outputs[layer] for layer in good], labels,
                                   [second.outputs[layer] for layer in good], truth, classes)
        for layer, row in zip(good, rows, strict=True):
            sheet.write(layer, row)
    for layer in good:
        if truth.ndim == 2:
            sheet.refuse(layer, ("patterns", "nodes", "targets"), MULTI_HOT)
        else:
            _by_class(sheet, layer, first.peaks[layer], labels, second, truth, classes)
    modules = dict(model.named_modules())
    for layer in sheet.layers:
        name = layer.split("#")[0]
        if earlier is None:
            sheet.refuse(layer, ("filters",), "no earlier weights were given as before")
        else:
            sheet.measure(layer, "filters", lenses.filters, earlier, modules[name], name)
    images, pictures, why = lenses.pictures(model, judged, second.untold)
    sheet.reasons |= {} if why is None else {("input", "pictures"): why}
    read_at = tuple(places.get(layer, layer) for layer in sheet.layers)
    return Inspection(sheet.layers, read_at, sheet.values, sheet.reasons, lenses.guess(labels, truth, classes),
                      lenses.accuracy(second.logits, judged), images, pictures)


class _Sheet:
    """What has been read so far: values, NaN at first, and reasons."""

    def __init__(self, layers: tuple[str, ...]):
        self.layers = layers
        self.reasons: dict[tuple[str, str], str] = {}
        self.values = {quantity: torch.full((len(layers),), torch.nan, dtype=torch.float64)
                       for quantities in QUANTITIES.values() for quantity in quantities}

    def write(self, layer: str, numbers: Mapping[str, float]) -> None:
        for quantity, value in numbers.items():
            self.values[quantity][self.layers.index(layer)] = value

    def refuse(self, layer: str, instruments: Iterable[str], reason: str) -> None:
        self.reasons |= {(layer, instrument): reason for instrument in instruments}

    def measure(self, layer: str, instrument: str, lens: Callable[..., Mapping[str, float]], *readings) -> None:
        try:
            self.write(layer, numbers := lens(*readings))
        except ValueError as error:
            self.refuse(layer, (instrument,), str(error))
        else:
            if any(map(math.isnan, numbers.values())):
                self.refuse(layer, (instrument,), "its weights were all 0 before: no change is relative to them")


def _by_class(sheet: _Sheet, layer: str, fitted: Tensor, labels: Tensor, judged: Readings, truth: Tensor,
              classes: int) -> None:
    """What needs class numbers as labels: patterns, nodes and the separation of targets and outputs."""
    z, peaks = judged.outputs[layer], judged.peaks[layer]
    sheet.measure(layer, "patterns", lenses.patterns, peaks, truth, classes, not torch.equal(z, peaks))
    sheet.measure(layer, "nodes", lenses.nodes, fitted, labels, peaks, truth, classes)
    sheet.measure(layer, "targets", lenses.separated, z, truth, "feature")
    if layer in judged.targets:
        sheet.measure(layer, "targets", lenses.separated, judged.targets[layer], truth, "target")
    else:
        sheet.refuse(layer, ("targets",), judged.untold or "the loss does not reach it by back-propagation")


def _numbered(fitted: Tensor, judged: Tensor) -> tuple[Tensor, Tensor, int]:
    """Labels of both halves with the classes that occur numbered from 0, and the number of classes."""
    if fitted.ndim == 2 and not judged.any():
        raise ValueError("split: expected labelled images, got none in the half that is judged")
    if fitted.ndim == 2:
        return fitted, judged, fitted.shape[1]
    present, numbers = torch.cat([fitted, judged]).unique(return_inverse=True)
    if len(present) < 2:
        raise ValueError(f"split: expected at least two classes, got only class {present.tolist()}")
    return numbers[: len(fitted)], numbers[len(fitted):], len(present)


def _few(names: list[str]) -> str:
    return _listed(names) if len(names) < 5 else f"{', '.join(names[:3])} and {len(names) - 3} more layers"


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
