"""What has been read so far of a network's layers, and why the rest was not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from layerlib._checks import in_short
from layerlib.inspection._intervals import DRAWS, Estimate, interval
from layerlib.inspection._lenses import QUANTITIES

OF_NAN = {
    "filters": "its weights were all 0 before: no change is relative to them",
    "patterns": "the samples judged are all of one class, and no two of different ones",
}


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
        quantities = [quantity for instrument in self.asked for quantity in QUANTITIES.get(instrument, ())]
        self.values, self.nulls = (
            {quantity: torch.full((len(layers),), torch.nan, dtype=torch.float64) for quantity in quantities}
            for _ in range(2)
        )
        self.draws, self.null_draws = (
            {quantity: torch.full((len(layers), DRAWS), torch.nan) for quantity in quantities} for _ in range(2)
        )

    def write(self, layer: str, numbers: Mapping[str, Estimate], null: bool = False) -> None:
        row = self.layers.index(layer)
        values, draws = (self.nulls, self.null_draws) if null else (self.values, self.draws)
        for quantity, number in numbers.items():
            values[quantity][row] = float(number)
            if number.draws is not None and not math.isnan(number):
                draws[quantity][row] = number.draws.to("cpu", torch.float32)

    def refuse(self, layer: str, instruments: Iterable[str], reason: str) -> None:
        self.reasons |= {(layer, instrument): reason for instrument in instruments if instrument in self.asked}

    def measure(
        self,
        layer: str,
        instrument: str,
        lens: Callable[[], Mapping[str, Estimate]],
        null: Callable[[], Mapping[str, Estimate]] | None = None,
    ) -> None:
        """Write what a lens says, and what it says of the null; or, where it cannot, the reason."""
        try:
            self.write(layer, numbers := lens())
        except Exception as error:  # one instrument that fails must not cost the others
            self.refuse(layer, (instrument,), in_short(error))
            return
        if instrument in OF_NAN and any(map(math.isnan, numbers.values())):
            self.refuse(layer, (instrument,), OF_NAN[instrument])
        if null is not None:
            try:
                self.write(layer, null(), null=True)
            except ValueError:  # it has no null then
                return

    def intervals(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Low and high ends, float64, shape (layers,), by quantity."""
        ends = {quantity: interval(draws) for quantity, draws in self.draws.items()}
        return {q: each[0] for q, each in ends.items()}, {q: each[1] for q, each in ends.items()}
