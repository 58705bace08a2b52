"""Two inspections, layer by layer: by how much they differ, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import torch
from torch import Tensor

from layerlib._checks import kind_of
from layerlib.inspection._intervals import interval
from layerlib.inspection._lenses import QUANTITIES
from layerlib.inspection.result import Inspection

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAME_SAMPLES = ("judged", "judged_labels", "seed", "samples")


@dataclass(frozen=True, repr=False)
class Comparison:
    """What the second of two inspections has more than the first: see `compare`.

    Attributes
    ----------
    first, second : the inspections
    layers : those of both, in the order of the first
    paired : whether both judged the same samples, so that what these have in common cancels
    """

    first: Inspection
    second: Inspection
    layers: tuple[str, ...]
    paired: bool

    def to_frame(self) -> pd.DataFrame:
        """One row for each layer and quantity: layer, instrument, quantity, first, second, difference, low, high.

        ``low`` and ``high`` hold the middle 95 % of the differences that other samples would have given: draw by draw
        where both judged the same samples, else as of independent ones.
        """
        kinds = {quantity: kind for kind, quantities in QUANTITIES.items() for quantity in quantities}
        rows = []
        for quantity in self.quantities():
            one, other, ends = self.of(quantity)
            columns = (one.tolist(), other.tolist(), (other - one).tolist(), *ends.tolist())
            rows += [
                (layer, kinds[quantity], quantity, *row) for layer, *row in zip(self.layers, *columns, strict=True)
            ]
        frame = pd.DataFrame(
            rows, columns=["layer", "instrument", "quantity", "first", "second", "difference", "low", "high"]
        )
        orders = {"layer": self.layers, "quantity": self.quantities()}
        frame = frame.assign(
            **{name: pd.Categorical(frame[name], order, ordered=True) for name, order in orders.items()}
        )
        return frame.sort_values(["layer", "quantity"], ignore_index=True)

    def quantities(self) -> list[str]:
        """Those that both have read."""
        return [quantity for quantity in self.first.values if quantity in self.second.values]

    def of(self, quantity: str) -> tuple[Tensor, Tensor, Tensor]:
        """Values of both, float64 (layers,), and the ends of the interval of their difference, (2, layers)."""
        (one, drawn), (other, again) = (
            (each.values[quantity][rows], each.draws[quantity][rows].double())
            for each, rows in ((self.first, self._rows(self.first)), (self.second, self._rows(self.second)))
        )
        if not self.paired:
            random = torch.Generator().manual_seed(1)
            again = again[:, torch.randperm(again.shape[1], generator=random)]
        return one, other, interval(again - drawn)

    def figure(self) -> Figure:
        """The differences, a panel for each quantity, over the layers; a shade holds the middle 95 %.

        Returns
        -------
        a figure of matplotlib, which pyplot does not keep
        """
        from layerlib.inspection._compared import figure

        return figure(self)

    def __repr__(self) -> str:
        told = "the same samples" if self.paired else "different samples"
        more = self.second.accuracy - self.first.accuracy
        return (
            f"{self.second.about['network']} against {self.first.about['network']}: {len(self.layers)} layers in "
            f"both, judged on {told}, accuracy {more:+.3g}"
        )

    def _rows(self, inspection: Inspection) -> list[int]:
        return [inspection.layers.index(layer) for layer in self.layers]


def compare(a: Inspection, b: Inspection) -> Comparison:
    """How two inspections differ, layer by layer, with intervals: of two networks, or of one at two moments.

    Layers are matched by their names. Judged on the same samples (the same data, in the same order, with one ``seed``),
    two networks are compared sample by sample, which tells apart much smaller differences.

    Parameters
    ----------
    a, b : inspections with a layer in common, of which differences are b - a

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        if one is none, or they have no layer or no quantity in common

    Examples
    --------
    >>> comparison = compare(inspect(before, data), inspect(after, data))
    >>> comparison.to_frame().query("quantity == 'distance' and high < 0")["layer"]
    """
    for name, each in (("a", a), ("b", b)):
        if not isinstance(each, Inspection):
            raise ValueError(f"{name}: expected an Inspection, got {kind_of(each)}")
    layers = tuple(layer for layer in a.layers if layer in b.layers)
    if not layers:
        raise ValueError(
            f"b: expected layers of the names of those of a, {list(a.layers[:3])} …, got {list(b.layers[:3])} …"
        )
    if not {*a.values} & {*b.values}:
        raise ValueError(
            f"b: expected instruments of those of a, {a.about['instruments']}, got {b.about['instruments']}"
        )
    return Comparison(a, b, layers, all(a.about[key] == b.about[key] for key in SAME_SAMPLES))
