"""What an earlier moment is needed for: how alike outputs are to those of then, and how far filters have moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor, nn

from layerlib._checks import in_short
from layerlib.data._samples import Samples
from layerlib.inspection import _lenses as lenses
from layerlib.inspection._alike import alike
from layerlib.inspection._arguments import runnable
from layerlib.inspection._intervals import Estimate, Resampling
from layerlib.inspection._lenses import SEPARATED, shuffled
from layerlib.inspection._reading import Reader, read
from layerlib.inspection._sheet import Sheet

NO_BEFORE = "no earlier weights were given as before"

Weights = Mapping[str, Tensor]


def earlier_outputs(reader: Reader, samples: Samples, wanted: Tensor, earlier: Weights | None) -> Weights | str:
    """Outputs by layer of the ``wanted`` samples with the ``earlier`` weights; or why there are none."""
    if earlier is None:
        return NO_BEFORE
    if (why := runnable(reader.model, earlier)) is not None:
        return why
    weights = {name: value.detach().to(reader.like.device) for name, value in earlier.items()}
    try:
        return read(replace(reader, weights=weights), samples, wanted).outputs
    except Exception as error:  # the network as it is has been read all the same
        return in_short(error)


def cka(sheet: Sheet, layer: str, z: Tensor, then: Tensor | str, resampling: Resampling) -> None:
    """CKA of what a layer puts out with what it put out ``then``, or why there is none."""
    if isinstance(then, str):
        sheet.refuse(layer, ("cka",), then)
        return
    old = then[:SEPARATED]
    sheet.measure(
        layer,
        "cka",
        *(lambda each=each: {"cka": alike(z[:SEPARATED], each, resampling)} for each in (old, shuffled(old))),
    )


def filters(sheet: Sheet, model: nn.Module, earlier: Weights | None, seed: int) -> None:
    """Change of the filters of every layer since the ``earlier`` weights."""
    if "filters" not in sheet.asked:
        return
    modules = dict(model.named_modules())
    for layer in sheet.layers:
        name = layer.split("#")[0]
        if earlier is None:
            sheet.refuse(layer, ("filters",), NO_BEFORE)
        else:
            sheet.measure(
                layer,
                "filters",
                lambda name=name: lenses.filters(earlier, modules[name], name, seed),
                lambda: {quantity: Estimate(0.0) for quantity in lenses.QUANTITIES["filters"]},
            )
