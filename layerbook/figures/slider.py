"""Figures that a reader touches on the static page, without kernel or network: sizes behind tabs, a slider."""

import base64
import hashlib
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import HTML
from matplotlib.figure import Figure
from xarray import DataArray

from layerbook import _html
from layerbook.figures._drawing import draws
from layerbook.figures.svg import dark_style, svg

_SCRIPT = Path(__file__).with_name("slider.js").read_text(encoding="utf-8")
WIDEST = 30  # columns of a table that is still read
_SCROLL = 'tabindex="0" role="region" aria-label="Figure, which scrolls where the page is narrow"'


@dataclass(frozen=True)
class Side:
    """What one side of a figure shows: pictures, one at a time, and the numbers behind them.

    Attributes
    ----------
    frames : label -> markup of a picture, in the order of the slider
    numbers : what is drawn, for the table and the file; none for a drawing
    start : the frame that is shown first, and stays without a script
    also : name -> what is drawn beside it
    """

    frames: Mapping[str, str]
    numbers: DataArray | None = None
    start: int = -1
    also: Mapping[str, DataArray] = field(default_factory=dict)


@draws
def touchable(sides: Mapping[str, Side], what: str = "", name: str = "numbers") -> HTML:
    """A figure that shows one side at a time, and of that side one picture.

    Parameters
    ----------
    sides : name -> what it shows; more than one get tabs, the first is shown
    what : what the slider moves along, where a side has several pictures
    name : of the file with the numbers, without its ending

    Raises
    ------
    ValueError
        if there is no side, or one has no picture
    """
    if not sides or not all(side.frames for side in sides.values()):
        raise ValueError("sides: expected at least one, each with a picture")
    tabs = "".join(
        f'<button type="button" aria-pressed="{str(not at).lower()}">{html.escape(told)}</button>'
        for at, told in enumerate(sides)
    )
    if len(sides) == 1:
        tabs = f"<span>{html.escape(next(iter(sides)))}</span>"
    tabs += '<button type="button" class="layer-enlarge">enlarge</button>'
    tabs = f'<div class="layer-tabs" role="group" aria-label="What this figure shows">{tabs}</div>'
    bodies = "".join(_side(side, what, name, told, at > 0) for at, (told, side) in enumerate(sides.items()))
    style = dark_style([markup for side in sides.values() for markup in side.frames.values()])
    key = f"slider-{hashlib.sha256(f'{tabs}{bodies}'.encode()).hexdigest()[:12]}"  # its own, and the same in every run
    return HTML(
        f'<div class="layer-figure layerlib-slider" id="{key}"><style>{style}</style>{tabs}{bodies}'
        f'<script>{_SCRIPT}("{key}");</script></div>'
    )


@draws
def drawing(figure: Figure, alt: str) -> HTML:
    """A figure that is only looked at, in the colours of the page's theme."""
    markup = svg(figure, alt)
    style = dark_style([markup])
    return HTML(
        f'<div class="layer-figure"><style>{style}</style><div class="layer-scroll" {_SCROLL}>{markup}</div></div>'
    )


def _side(side: Side, what: str, name: str, told: str, hidden: bool) -> str:
    start = side.start % len(side.frames)
    frames = "".join(
        f'<div class="layer-frame" data-label="{html.escape(label)}"{" hidden" * (at != start)}>{markup}</div>'
        for at, (label, markup) in enumerate(side.frames.items())
    )
    return (
        f'<div data-side="{html.escape(told)}"{" hidden" * hidden}><div class="layer-scroll" {_SCROLL}>{frames}</div>'
        f"{_range(list(side.frames), start, what)}{_numbers(side, name, told)}</div>"
    )


def _range(labels: Sequence[str], start: int, what: str) -> str:
    if len(labels) == 1:
        return ""
    told = html.escape(labels[start])
    return (
        f'<div class="layer-range" style="display: flex; gap: 0.8em; align-items: center">'
        f'<input type="range" min="0" max="{len(labels) - 1}" value="{start}" step="1" autocomplete="off" '
        f'aria-label="{html.escape(what)}" aria-valuetext="{told}" style="flex: 1">'
        f'<output style="min-width: 9em">{told}</output></div>'
    )


def _numbers(side: Side, name: str, told: str) -> str:
    """The numbers behind a figure, folded; those drawn beside the first ones under their name."""
    if side.numbers is None:
        return ""
    parts = [_part(side.numbers, f"{name} {told}".strip())]
    for other, numbers in side.also.items():
        parts.append(f"<p>{html.escape(other.replace('_', ' '))}:</p>{_part(numbers, f'{other} {told}'.strip())}")
    return f'<details class="layer-numbers"><summary>Numbers of this figure</summary>{"".join(parts)}</details>'


def _part(numbers: DataArray, name: str) -> str:
    """Numbers as a table of means over seeds or trials, and all of them as a file of this name.

    Means are geometric, of one more than the numbers, where the attribute ``mean`` says so; then nothing stands where
    a seed has no number.
    """
    coded = base64.b64encode(_wide(numbers).to_csv(float_format="%.5g").encode()).decode()
    over = [f"{dim}s" for dim in ("seed", "trial") if dim in numbers.dims]
    dims, geometric = [dim[:-1] for dim in over], numbers.attrs.get("mean") == "geometric"
    mean = np.expm1(np.log1p(numbers).mean(dims, skipna=False)) if geometric else numbers.mean(dims)
    mean = _wide(mean)
    shown, said = "", "geometric means" if geometric else "means"
    if mean.size <= 1000 and mean.shape[1] <= WIDEST:
        told = mean.reset_index() if numbers.ndim > 1 else mean
        rows = [[_short(cell) for cell in row] for row in told.itertuples(index=False)]
        shown = _html.table([str(head) for head in told.columns], rows, "layer-numbers")
    return (
        f'<a download="{html.escape(name)}.csv" href="data:text/csv;base64,{coded}">All of them as a CSV file</a>'
        f"{f'; {said} over the {over[0]}:' if shown and over else ''}{shown}"
    )


def _wide(numbers: DataArray) -> pd.DataFrame:
    """A column for each value along the last dimension, a row for each of the others."""
    *outer, last = numbers.dims
    columns = [f"{last} {value}" for value in numbers[last].values]
    lines = numbers.values.reshape(-1, len(columns))
    index = pd.MultiIndex.from_product([numbers[each].values for each in outer], names=outer) if outer else None
    return pd.DataFrame(lines, index=index, columns=columns)


def _short(value: object) -> str:
    return str(value) if not isinstance(value, float) else "" if value != value else f"{value:.3g}"
