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
        found = {quantity: torch.full((len(self.layers), DRAWS), torch.nan) for quantity in self.values}
        drawn = self._drawn[null]
        for device in {each.device for each in drawn.values()}:
            there = [key for key, each in drawn.items() if each.device == device]
            # in one piece: a GPU is waited for each time
            for (quantity, row), each in zip(there, torch.stack([drawn[key] for key in there]).cpu(), strict=True):
                found[quantity][row] = each
        return found

    def refuse(self, layer: str, instruments: Iterable[str], reason: str) -> None:
        self.reasons |= {(layer, instrument): reason for instrument in instruments if instrument in self.asked}

    def measure(
        self,
        layer: str,
        instrument: str,
        lens: Callable[[], Asking[Mapping[str, Estimate]]],
        null: Callable[[], Asking[Mapping[str, Estimate]]] | None = None,
    ) -> Asking[None]:
        """Write what a lens says, and what it says of the null; or, where it cannot, the reason."""
        try:
            self.write(layer, numbers := (yield from lens()))
        except Exception as error:  # one instrument that fails must not cost the others
            self.refuse(layer, (instrument,), in_short(error))
            return
        if instrument in OF_NAN and any(map(math.isnan, numbers.values())):
            self.refuse(layer, (instrument,), OF_NAN[instrument])
        if null is not None:
            try:
                self.write(layer, (yield from null()), null=True)
            except ValueError:  # it has no null then
                return
