"""Curves: named numbers of any dimensions, as JSON in a record and as ``xarray.DataArray`` in a chapter."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from layerlib._checks import checked, text

if TYPE_CHECKING:
    from xarray import DataArray


def curve_json(name: str, values: object, axes: Mapping[str, object]) -> dict:
    """A curve as a record keeps it: ``dims`` (names, outermost first), ``axes`` (what each runs over), ``values``.

    Parameters
    ----------
    name : for the errors
    values : tensor, array or nested list; numbers keep 6 significant digits, NaN becomes null
    axes : what each dimension runs over, outermost first; inner dimensions may go without

    Raises
    ------
    ValueError
        if a value is infinite or no number, there is no dimension, or an axis does not fit
    """
    try:
        kept = json_values(name, values)
    except (ValueError, RuntimeError) as error:  # the latter of a tensor without values
        raise ValueError(f"values: {error}") from None
    if not isinstance(kept, list):
        raise ValueError(f"values: {name}: expected at least one dimension, got the number {values!r}")
    ticks = {}
    for axis, along in axes.items():
        if isinstance(along, str) or not hasattr(along, "__iter__"):
            raise ValueError(f"{axis}: expected what the dimension runs over, got {along!r}")
        along = along.tolist() if hasattr(along, "tolist") else list(along)
        ticks[axis] = [tick if isinstance(tick, str) else json_values(axis, tick) for tick in along]
        if None in ticks[axis]:
            raise ValueError(f"{axis}: expected numbers or text, got NaN")
    check_axes(name, kept, list(ticks.items()))
    # The dimensions apart, in order: a notebook file sorts the keys of its objects.
    return {"dims": list(ticks), "axes": ticks, "values": kept}


@checked(over=text)
def stacked(found: Mapping[tuple[str, object], np.ndarray], over: str, **inner: object) -> dict:
    """What was found in several data sets and, say, depths, as the arguments of a report's ``curve``.

    Parameters
    ----------
    found : (data set, value of ``over``) -> numbers, of one shape but for their last dimension: the layers, say, of
        which networks of other depths have more or fewer
    over : name of what varies beside the data set
    inner : what the other dimensions run over, but for a last one of layers, which is counted from 1

    Returns
    -------
    dict with ``values``, NaN where a network has no such layer, and what each dimension runs over

    Examples
    --------
    >>> report.curve("error", **stacked({("easy", 2): [0.1, 0.2], ("easy", 4): [0.1, 0.1]}, "depth", seed=[0, 1]))
    """
    pairs = isinstance(found, Mapping) and all(isinstance(key, tuple) and len(key) == 2 for key in found)
    if not pairs or not found:
        raise ValueError(f"found: expected (data set, {over}) -> numbers, got {found!r:.80}")
    if not all(np.asarray(each).dtype.kind in "biuf" for each in found.values()):
        raise ValueError(f"found: expected arrays of numbers, got {found!r:.80}")
    sets, along = list(dict.fromkeys(name for name, _ in found)), sorted({value for _, value in found})
    values = _padded([[np.asarray(found[name, value], dtype=float).tolist() for value in along] for name in sets])
    layers = {"layer": range(1, values.shape[-1] + 1)} if values.ndim == len(inner) + 3 else {}
    return {"values": values, "data": sets, over: along, **inner, **layers}


def as_array(name: str, curve: Mapping) -> "DataArray":
    """A kept curve as numbers with names.

    Returns
    -------
    DataArray of float64: null is NaN; rows that end early are filled up with NaN; dimensions without an axis are
    called ``dim_2``, … by their place
    """
    from xarray import DataArray  # half a second, which the command line does without

    values = _padded(curve["values"])
    named = [*curve["dims"], *(f"dim_{place}" for place in range(len(curve["dims"]), values.ndim))]
    return DataArray(values, dims=named, coords=dict(curve["axes"]), name=name)


def repeatable(name: str, curve: Mapping) -> "DataArray":
    """What of a kept curve the same run gives again: all but the times, as an axis ``what`` calls them.

    Returns
    -------
    DataArray, as of `as_array`
    """
    array = as_array(name, curve)
    return array.drop_sel(what="time") if "what" in array.coords and "time" in array["what"] else array


def json_values(name: str, values: object) -> object:
    """Tensors, arrays and nested sequences as JSON: 6 significant digits, NaN as None."""
    if hasattr(values, "tolist"):
        values = values.tolist()
    if isinstance(values, (list, tuple, range)):
        return [json_values(name, value) for value in values]
    if isinstance(values, (bool, int)):
        return int(values)
    if not isinstance(values, float) or math.isinf(values):
        raise ValueError(f"{name}: expected finite numbers or NaN, got {values!r}")
    return None if math.isnan(values) else float(f"{values:.6g}")


def check_axes(name: str, values: object, axes: Sequence[tuple[str, list]]) -> None:
    """Refuse an axis whose length is not that of its dimension; the axes come outermost first."""
    if not axes:
        return
    (axis, ticks), *inner = axes
    length = len(values) if isinstance(values, list) else 0
    if length != len(ticks):
        raise ValueError(f"{axis}: expected {length} values, one for each of {name}'s, got {len(ticks)}")
    for value in values:
        check_axes(name, value, inner)


def _padded(values: object) -> np.ndarray:
    """Nested lists as one array, what is null or missing as NaN."""
    try:
        return np.array(values, dtype=np.float64)  # null becomes NaN
    except ValueError:
        if not isinstance(values, list):
            raise
    rows = [_padded(value) for value in values]
    depth = max((row.ndim for row in rows), default=0)
    shape = [max(row.shape[axis] for row in rows if row.ndim == depth) for axis in range(depth)]
    whole = np.full((len(rows), *shape), np.nan)
    for place, row in enumerate(rows):
        if row.ndim == depth:
            whole[(place, *map(slice, row.shape))] = row
        elif not np.isnan(row).all():
            raise ValueError(f"values: expected {depth} dimensions in every row, got {row.ndim} in row {place}")
    return whole
