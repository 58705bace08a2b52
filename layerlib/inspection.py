"""The instruments of the book on every layer of any network, in one call."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor, nn

from layerlib import lenses
from layerlib.batches import as_input, wrong
from layerlib.guided_bp import guided_bp_image
from layerlib.lenses import QUANTITIES
from layerlib.reading import read, survey
from layerlib.splits import Split, class_count

PICTURES = 8


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
    images, pictures : up to eight images of the judged half, uint8 (n, C, H, W), and what guided-bp-DNN draws for
        their labels; no pictures where it cannot
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
        rows = [(layer, place, instrument, quantity, self.values[quantity][i].item(),
                 self.reasons.get((layer, instrument), ""))
                for i, (layer, place) in enumerate(zip(self.layers, self.read_at, strict=True))
                for instrument, quantities in QUANTITIES.items() for quantity in quantities]
        frame = pd.DataFrame(rows, columns=["layer", "read_at", "instrument", "quantity", "value", "reason"])
        orders = {"layer": self.layers, "quantity": list(self.values)}
        return frame.assign(**{name: pd.Categorical(frame[name], order, ordered=True)
                               for name, order in orders.items()})

    def figure(self):
        """All of it as one figure of matplotlib: a panel for each instrument, layer by layer."""
        from layerlib.inspection_plots import figure  # drawing comes last: no instrument needs it

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
        where: dict[str, dict[str, list[str]]] = {}
        for (layer, instrument), reason in self.reasons.items():
            where.setdefault(reason, {}).setdefault(instrument, []).append(layer)
        return [f"{', '.join(found)}: {_few(next(iter(found.values())))} not read: {reason}"
                for reason, found in where.items()]


def inspect(model: nn.Module, split: Split, layers: Iterable[str] | None = None,
            before: nn.Module | Mapping[str, Tensor] | None = None, *, batch_size: int = 200,
            seed: int = 0) -> Inspection:
    """Read every layer of a network with every instrument of the book, in one pass over the data.

    Each layer is read once, sample by sample: the pre-activation of each node, the mean over places of each channel of
    a convolution, the mean over tokens. From these numbers alone come

    - *distribution*: ``distance``, the mean Wasserstein distance (uniform cost) of the label distribution of a linear
      probe to the target, and ``probe_accuracy`` (Cao et al. 2022). Channels are standardised for the probes;
    - *patterns*: ``perplexity`` of the on/off patterns, a channel being on where its mean over places is above 0,
      averaged over classes; ``entropy``, likewise, is ln P by its cap, ln of the class's samples (Davel et al. 2020);
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
    model : any module that takes images in [0, 1], shape (N, C, H, W). One that expects other numbers:
        ``nn.Sequential(Normalise(), model)``
    split : labelled images; with multi-hot labels only the distribution and the filters can be read
    layers : names of ``model.named_modules()``, read where they put out. By default every linear and convolution
        layer, behind the norm that takes its output where there is one. A layer that runs again is ``"name#2"``
    before : the network, or its ``state_dict()``, at an earlier moment
    batch_size : samples at a time, which bounds the memory

    Raises
    ------
    ValueError
        if the network is a TorchScript, has no such layer, or does not run on the images; if the split is too small
        for two halves with two classes; or a weight of ``before`` has another shape

    Examples
    --------
    >>> inspection = inspect(model, data.test)
    >>> inspection.to_frame().query("quantity == 'distance'")[["layer", "value"]]
    >>> inspection.figure().savefig("layers.png")
    """
    model = getattr(model, "_orig_mod", model)  # of a compiled one
    parameter = next(model.parameters(), None)
    if parameter is None or batch_size < 1 or len(split) < 4:
        raise ValueError("model, batch_size, split: expected a network with weights, at least 1 and 4 samples, "
                         f"got {type(model).__name__}, {batch_size} and {len(split)}")
    split = split.to(parameter.device)
    places, reasons = survey(model, as_input(split.images[:2], parameter.dtype), layers)
    fitted, judged = split.holdout(len(split) // 2, seed)
    untold = _why_no_targets(model, judged, places)
    first = read(model, fitted, places, False, batch_size)
    second = read(model, judged, places, untold is None, batch_size)
    labels, truth, classes = _numbered(fitted.labels, judged.labels)
    sheet = _Sheet((*places, *reasons))
    reasons |= {layer: "its outputs are not finite" for layer in places
                if not all(part.outputs[layer].isfinite().all() for part in (first, second))}
    for layer, reason in reasons.items():
        sheet.refuse(layer, ("distribution", "patterns", "nodes", "targets"), reason)
    good = {layer: place.split("#")[0] for layer, place in places.items() if layer not in reasons}
    if good:
        sides = ([part.outputs[layer] for layer in good] for part in (first, second))
        rows = lenses.distribution(model, list(good.values()), next(sides), labels, next(sides), truth, classes)
        for layer, row in zip(good, rows, strict=True):
            sheet.write(layer, row)
    for layer in good:
        if truth.ndim == 2:
            sheet.refuse(layer, ("patterns", "nodes", "targets"), "labels are multi-hot, where it needs class numbers")
            continue
        z = second.outputs[layer]
        sheet.measure(layer, "patterns", lenses.patterns, z, truth, classes)
        sheet.measure(layer, "nodes", lenses.nodes, first.outputs[layer], labels, z, truth, classes)
        sheet.measure(layer, "targets", lenses.separated, z, truth, "feature")
        if layer in second.targets:
            sheet.measure(layer, "targets", lenses.separated, second.targets[layer], truth, "target")
        else:
            sheet.refuse(layer, ("targets",), untold or "the loss does not reach it by back-propagation")
    earlier = before.state_dict() if isinstance(before, nn.Module) else before
    modules = dict(model.named_modules())
    for layer in sheet.layers:
        name = layer.split("#")[0]
        if earlier is None:
            sheet.refuse(layer, ("filters",), "no earlier weights to compare with were given as before")
        else:
            sheet.measure(layer, "filters", lenses.filters, earlier, modules[name], name)
    images, pictures, why = _pictures(model, judged)
    sheet.reasons |= {} if why is None else {("input", "pictures"): why}
    read_at = tuple(places.get(layer, layer) for layer in sheet.layers)
    return Inspection(sheet.layers, read_at, sheet.values, sheet.reasons, lenses.guess(labels, truth, classes),
                      _accuracy(second.logits, judged), images, pictures)


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
            self.write(layer, lens(*readings))
        except ValueError as error:
            self.refuse(layer, (instrument,), str(error))


def _numbered(fitted: Tensor, judged: Tensor) -> tuple[Tensor, Tensor, int]:
    """Labels of both halves with the classes that occur numbered from 0, and the number of classes."""
    if fitted.ndim == 2:
        return fitted, judged, fitted.shape[1]
    present, numbers = torch.cat([fitted, judged]).unique(return_inverse=True)
    if len(present) < 2:
        raise ValueError(f"split: expected at least two classes, got only class {present.tolist()}")
    return numbers[: len(fitted)], numbers[len(fitted):], len(present)


def _why_no_targets(model: nn.Module, split: Split, places: Mapping[str, str]) -> str | None:
    if split.labels.ndim == 2:
        return "labels are multi-hot, where it needs class numbers"
    try:
        read(model, split[torch.tensor([0, int(split.labels.argmax())])], places, True, 2)
    except (ValueError, RuntimeError) as error:
        return str(error)
    return None


def _accuracy(outputs: Tensor, split: Split) -> float:
    fits = outputs.ndim == 2 and outputs.shape[1] >= class_count(split) and outputs.shape[1] > 1
    return 1 - wrong(outputs, split.labels).double().mean().item() if fits else math.nan


def _pictures(model: nn.Module, split: Split) -> tuple[Tensor, Tensor | None, str | None]:
    """An image of each of the first classes, what guided-bp-DNN draws for it, and why it does not."""
    labels = split.labels if split.labels.ndim == 1 else split.labels.argmax(1)
    first = torch.stack([(labels == each).nonzero()[0, 0] for each in labels.unique()[:PICTURES]])
    images, labels = split.images[first], labels[first]
    x = as_input(images, next(model.parameters()).dtype)
    try:
        return images, guided_bp_image(model, x, labels), None
    except (ValueError, RuntimeError) as error:
        return images, None, str(error)


def _few(names: list[str]) -> str:
    return ", ".join(names) if len(names) < 5 else f"{', '.join(names[:3])} and {len(names) - 3} more layers"
