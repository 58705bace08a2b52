"""What an earlier moment is needed for: what it says itself, how alike its outputs are, how far filters have moved."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from torch import Tensor, nn

from layerlib._asking import Asking, in_step
from layerlib._checks import in_short
from layerlib.data._samples import Samples
from layerlib.inspection import _lenses as lenses
from layerlib.inspection._alike import alike
from layerlib.inspection._arguments import runnable
from layerlib.inspection._intervals import Resampling
from layerlib.inspection._lenses import shuffled
from layerlib.inspection._passes import Reader
from layerlib.inspection._reading import read
from layerlib.inspection._sheet import Sheet, only

if TYPE_CHECKING:
    from layerlib.inspection._study import Study
    from layerlib.inspection.result import Inspection

NO_TWIN = ("cka", "filters", "twin", "pictures")  # of the earlier moment itself
NO_BEFORE = "no earlier weights were given as before"

Weights = Mapping[str, Tensor]


def twin_of(
    study: Study, reader: Reader, parts: list[list[str]], reasons: Mapping[str, str], earlier: Weights | None
) -> tuple[Inspection | None, str | None]:
    """What the same study says of the network with the ``earlier`` weights; and why nothing, where they were given."""
    if "twin" not in study.asked or earlier is None:
        return None, None
    if (why := runnable(reader.model, earlier)) is not None:
        return None, why
    own = copy.copy(study)
    own.asked = tuple(name for name in study.asked if name not in NO_TWIN)
    try:
        with _as_it_was(reader.model):
            sheet, logits, _ = own.readings(replace(reader, weights=_there(reader, earlier)), parts, reasons, None)
    except Exception as error:  # the network as it is has been read all the same
        return None, in_short(error)
    return own.found(sheet, reader, logits), None


def earlier_outputs(reader: Reader, samples: Samples, wanted: Tensor, earlier: Weights | None) -> Weights | str:
    """Outputs by layer of the ``wanted`` samples with the ``earlier`` weights; or why there are none."""
    if earlier is None:
        return NO_BEFORE
    if (why := runnable(reader.model, earlier)) is not None:
        return why
    try:
        with _as_it_was(reader.model):
            return read(replace(reader, weights=_there(reader, earlier)), samples, wanted).outputs
    except Exception as error:  # the network as it is has been read all the same
        return in_short(error)


@contextmanager
def _as_it_was(model: nn.Module) -> Iterator[None]:
    """Tensors that modules hold beside their parameters, as pruned weights are, are afterwards what they were."""
    held = [(vars(module), dict(vars(module))) for module in model.modules()]
    try:
        yield
    finally:
        for now, then in held:
            now.update((name, value) for name, value in then.items() if isinstance(value, Tensor))


def _there(reader: Reader, weights: Weights) -> Weights:
    return {name: value.detach().to(reader.like.device) for name, value in weights.items()}


def cka(sheet: Sheet, layer: str, z: Tensor, old: Tensor | str, resampling: Resampling) -> Asking[None]:
    """CKA of what a layer puts out with what it put out of ``old``, or why there is none."""
    if isinstance(old, str):
        sheet.refuse(layer, ("cka",), old)
        return
    yield from sheet.measure(
        layer,
        "cka",
        *(lambda each=each: only("cka", alike(z, each, resampling)) for each in (old, shuffled(old))),
    )


def filters(sheet: Sheet, model: nn.Module, earlier: Weights | None, seed: int) -> None:
    """Change of the filters of every layer since the ``earlier`` weights."""
    if "filters" not in sheet.asked:
        return
    if earlier is None:
        for layer in sheet.layers:
            sheet.refuse(layer, ("filters",), NO_BEFORE)
        return
    modules = dict(model.named_modules())
    names = {layer: layer.split("#")[0] for layer in sheet.layers}
    in_step(
        sheet.measure(
            layer, "filters", lambda name=name: lenses.filters(earlier, modules[name], name, seed), lenses.unmoved
        )
        for layer, name in names.items()
    )
