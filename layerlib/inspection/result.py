"""What came of inspecting a network: numbers with intervals and nulls, reasons, and how to keep and show them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import torch
from torch import Tensor

from layerlib._checks import checked, path
from layerlib.inspection import _keeping, _report
from layerlib.inspection._intervals import Estimate, interval
from layerlib.inspection._lenses import QUANTITIES

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False, eq=False)
class Inspection:
    """What the instruments read off every layer of a network: see `inspect`.

    Two inspections are equal where all that they read is.

    Attributes
    ----------
    layers : names, in the order in which the layers run; those that do not run come last
    read_at : what was read for each of them: the layer itself, or the norm behind it
    values : quantity -> float64, shape (layers,), NaN where it could not be read
    nulls : quantity -> the same where there is nothing to be found; NaN where there is no such case
    draws, null_draws : quantity -> float32, shape (layers, draws), of the samples drawn again
    reasons : (layer, instrument) -> why it could not be read; for guided pictures the layer is "input"
    baseline : the distance, and the accuracy, of a layer that always predicts the frequencies of the classes
    accuracy : of the network itself on the judged half, NaN where it does not put out a number for each class
    images : up to eight of the judged half, one of each of the first classes, shape (n, C, H, W), or None; bytes, or
        floats of single precision at least
    pictures : what guided-bp-DNN draws for them and their labels, the same shape; None where it cannot
    about : what was read, of which samples, with what
    between : debiased CKA between any two layers, of at most 500 judged samples, float64, shape (layers, layers); it is
        0 on average where two have nothing in common. None where it was not asked for
    twin : the same of the network as it was ``before``, without pictures: what it can do as well, nobody had to learn
    """

    layers: tuple[str, ...]
    read_at: tuple[str, ...]
    values: dict[str, Tensor]
    nulls: dict[str, Tensor]
    draws: dict[str, Tensor]
    null_draws: dict[str, Tensor]
    reasons: dict[tuple[str, str], str]
    baseline: dict[str, float]
    accuracy: Estimate
    images: Tensor | None
    pictures: Tensor | None
    about: dict[str, object]
    between: Tensor | None = None
    twin: Inspection | None = None

    def to_frame(self) -> pd.DataFrame:
        """One row for each layer and quantity.

        Its columns are layer, read_at, instrument, quantity, value, low, high, null, twin and reason. ``low`` and
        ``high`` hold the middle 95 % of what other samples of the kind would have given, ``null`` is the value where
        there is nothing to be found, ``twin`` that of the network as it was before. ``reason`` is empty where there
        is a value. Layers and quantities are categories in their order, which
        ``frame.pivot(index="layer", columns="quantity", values="value")`` keeps.
        """
        kinds = {quantity: kind for kind, quantities in QUANTITIES.items() for quantity in quantities}
        unknown = torch.full((len(self.layers),), torch.nan, dtype=torch.float64)
        then = {} if self.twin is None else self.twin.values
        twin = {quantity: then.get(quantity, unknown) for quantity in self.values}
        columns = {
            name: torch.stack(list(part.values()), 1).flatten().tolist() if part else []
            for name, part in zip(
                ("value", "low", "high", "null", "twin"),
                (self.values, self.low, self.high, self.nulls, twin),
                strict=True,
            )
        }
        keys = [
            (layer, place, kinds[quantity], quantity)
            for layer, place in zip(self.layers, self.read_at, strict=True)
            for quantity in self.values
        ]
        frame = pd.DataFrame(keys, columns=["layer", "read_at", "instrument", "quantity"]).assign(**columns)
        missing = frame["value"].isna()
        frame["reason"] = [
            self.reasons.get((key[0], key[2]), "") if lost else "" for key, lost in zip(keys, missing, strict=True)
        ]
        orders = {"layer": self.layers, "quantity": list(self.values)}
        return frame.assign(
            **{name: pd.Categorical(frame[name], order, ordered=True) for name, order in orders.items()}
        )

    def figure(self) -> Figure:
        """All of it as one figure of matplotlib: a panel for each instrument, layer by layer."""
        from layerlib.inspection._figure import figure  # drawing comes last: no instrument needs it

        return figure(self)

    @checked(path=path)
    def to_html(self, path: str | Path | None = None) -> str:
        """A page with the figure, the table, the reasons and what was read, which needs no other file.

        Parameters
        ----------
        path : where to write it, too

        Returns
        -------
        the page
        """
        return _report.page(self, path)

    @checked(path=path)
    def save(self, path: str | Path) -> None:
        """Write all of it to one file of plain arrays, for ``Inspection.load``.

        Parameters
        ----------
        path : of the file, which becomes an ``.npz`` whatever its name
        """
        _keeping.save(self, path)

    @classmethod
    @checked(path=path)
    def load(cls, path: str | Path) -> Inspection:
        """What ``save`` wrote.

        Parameters
        ----------
        path : of the file

        Returns
        -------
        an inspection equal to the one that was saved

        Raises
        ------
        ValueError
            naming the file, if it is something else or damaged
        FileNotFoundError
            if there is none
        """
        return _keeping.load(path)

    @cached_property
    def low(self) -> dict[str, Tensor]:
        """Low end of each interval: quantity -> float64, shape (layers,)."""
        return {quantity: interval(draws)[0] for quantity, draws in self.draws.items()}

    @cached_property
    def high(self) -> dict[str, Tensor]:
        """High end of each interval."""
        return {quantity: interval(draws)[1] for quantity, draws in self.draws.items()}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Inspection):
            return NotImplemented
        return all(_same(getattr(self, each.name), getattr(other, each.name)) for each in fields(self))

    __hash__ = None  # its tensors could change

    def __repr__(self) -> str:
        return _report.in_three_lines(self)

    def _repr_html_(self) -> str:
        return _report.table_and_notes(self)


def _same(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return (
            one.shape == other.shape
            and one.dtype == other.dtype
            and bool(((one == other) | (one.isnan() & other.isnan())).all())
        )
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, Estimate) and isinstance(other, Estimate):
        return _same(one.draws, other.draws) and _same(torch.tensor(one), torch.tensor(other))
    return one == other
