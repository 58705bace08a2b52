"""What has been read so far of a network's layers, and why the rest was not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from layerlib._asking import Asking
from layerlib._checks import in_short
from layerlib.inspection._intervals import DRAWS, Estimate
from layerlib.inspection._lenses import QUANTITIES

Lens = Callable[[], Asking[Mapping[str, Estimate]]]
OF_NAN = {
    "filters": "its weights were all 0 before: no change is relative to them",
    "patterns": "the samples judged are all of one class, and no two of different ones",
}


def only(quantity: str, asking: Asking[Estimate]) -> Asking[dict[str, Estimate]]:
    """What a lens finds that finds one quantity alone, by its name."""
    return {quantity: (yield from asking)}


class Sheet:
    """Values of every layer and quantity, NaN at first; their draws; their nulls, and the draws of these.

    Parameters
    ----------
    layers : by name
    asked : instruments; of others nothing is kept
    """

    def __init__(self, layers: tuple[str, ...], asked: Iterable[str]):
        self.layers, self.asked = layers, tuple(asked)
        self.reasons: dict[tuple[str, str], str] = {}
        self.likeness: dict[str, Tensor] = {}  # of the layers between which CKA is taken
        quantities = [quantity for instrument in self.asked for quantity in QUANTITIES.get(instrument, ())]
        self.values, self.nulls = (
            {quantity: torch.full((len(layers),), torch.nan, dtype=torch.float64) for quantity in quantities}
            for _ in range(2)
        )
        self._drawn: tuple[dict, dict] = {}, {}  # (quantity, row) -> draws, where they were made

    def write(self, layer: str, numbers: Mapping[str, Estimate], null: bool = False) -> None:
        row = self.layers.index(layer)
        values = self.nulls if null else self.values
        for quantity, number in numbers.items():
            values[quantity][row] = float(number)
            if number.draws is not None and not math.isnan(number):
                self._drawn[null][quantity, row] = number.draws.float()

    def draws(self, null: bool = False) -> dict[str, Tensor]:
        """Draws of each quantity, float32, shape (layers, DRAWS), on the CPU; NaN where there are none."""
        unknown = torch.full((len(self.layers), DRAWS), torch.nan, dtype=torch.float32)
        found = {quantity: unknown.clone() for quantity in self.values}
        drawn = self._drawn[null]
        for device in {each.device for each in drawn.values()}:
            there = [key for key, each in drawn.items() if each.device == device]
            # in one piece: a GPU is waited for each time
            for (quantity, row), each in zip(there, torch.stack([drawn[key] for key in there]).cpu(), strict=True):
                found[quantity][row] = each
        return found

    def refuse(self, layer: str, instruments: Iterable[str], reason: str) -> None:
        self.reasons |= {(layer, instrument): reason for instrument in instruments if instrument in self.asked}

    def measure(self, layer: str, instrument: str, *lenses: Lens) -> Asking[None]:
        """Write what a lens says, and what one of the null says; or, where it cannot, the reason."""
        for asking in self.measures(layer, instrument, *lenses):
            yield from asking

    def measures(self, layer: str, instrument: str, lens: Lens, null: Lens | None = None) -> list[Asking[None]]:
        """The same as one for each lens, which may be asked in any order or in step."""
        failed: list[Exception] = []  # where the lens failed, its null is not written
        return [self._measure(layer, instrument, lens, failed)] + ([self._null(layer, null, failed)] if null else [])

    def _measure(self, layer: str, instrument: str, lens: Lens, failed: list[Exception]) -> Asking[None]:
        try:
            self.write(layer, numbers := (yield from lens()))
        except Exception as error:  # one instrument that fails must not cost the others
            failed.append(error)
            self.refuse(layer, (instrument,), in_short(error))
            return
        if instrument in OF_NAN and any(map(math.isnan, numbers.values())):
            self.refuse(layer, (instrument,), OF_NAN[instrument])

    def _null(self, layer: str, lens: Lens, failed: list[Exception]) -> Asking[None]:
        if failed:
            return
        try:
            numbers = yield from lens()
        except Exception as error:
            if isinstance(error, ValueError) or failed:  # it has no null then
                return
            raise
        if not failed:
            self.write(layer, numbers, null=True)
