"""One size at a time: a figure drawn for every side of a report, the record first, this run behind a tab."""

from collections.abc import Callable, Collection, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from xarray import DataArray

from layerbook.figures._drawing import draws
from layerbook.figures.common import evenly
from layerbook.figures.slider import Side, touchable
from layerbook.figures.svg import svg
from layerbook.report import THIS_RUN, Report

MOST = 6  # positions of a slider
WIDE = 7.2  # inches, so that letters stay legible on a page of 780 pixels


@draws
def by_side(
    report: Report,
    name: str,
    draw: Callable[..., Figure],
    alt: str,
    along: str = "",
    told: str | Mapping[float | str, str] = "",
    start: int = -1,
    also: Collection[str] = (),
) -> HTML:
    """A figure of one curve, for its largest record and for this run.

    Parameters
    ----------
    name : of the curve
    draw : takes the curve and the side, and the value along the slider where there is one
    alt : what the figure shows, in a sentence that says the finding
    along : the dimension that the slider moves along; none without a slider
    told : what the slider moves along, in words: ``"hidden layers"``; or each of its positions in words
    start : the position of the slider that is shown first
    also : names of other curves that ``draw`` draws, whose numbers are kept beside those of this one
    """
    return of_sides(report.sides(name), name, draw, alt, along, told, start, curves_of(report, also))


@draws
def of_sides(
    sides: Mapping[str, DataArray],
    name: str,
    draw: Callable[..., Figure],
    alt: str,
    along: str = "",
    told: str | Mapping[float | str, str] = "",
    start: int = -1,
    also: Mapping[str, Mapping[str, DataArray]] | None = None,
) -> HTML:
    """The same for curves that are put together from several of a report: side -> curve; ``also``: name -> the same."""
    order = sorted(sides, key=lambda side: side == THIS_RUN)
    made = {}
    for side in order:
        curve = sides[side]
        steps = [curve[along].values[at].item() for at in evenly(curve.sizes[along], MOST)] if along else [None]
        frames, places = {}, []
        for step in steps:
            label = told[step] if isinstance(told, Mapping) else f"{told} {step}" if along else ""
            figure = draw(*((curve, side, step) if along else (curve, side)))
            places = _laid_out(figure, places)
            frames[label] = svg(figure, f"{alt} ({side}{', ' * bool(label)}{label})")
        made[side] = Side(frames, curve, start, {other: each[side] for other, each in (also or {}).items()})
    return touchable(made, told if isinstance(told, str) else along, name)


def curves_of(report: Report, names: Collection[str]) -> dict[str, dict[str, DataArray]]:
    """Name -> side -> curve."""
    return {name: report.sides(name) for name in names}


@draws
def by_network(report: Report, name: str, networks: Mapping[str, str]) -> dict[str, DataArray]:
    """Curves of several networks as one, for each side; where one has fewer layers than another, NaN.

    Parameters
    ----------
    name : of the curves, without that of the network
    networks : label -> end of the curve's name
    """
    return {
        side: xr.concat(
            [report.sides(f"{name}_{key}")[side] for key in networks.values()],
            pd.Index(list(networks), name="network"),
            join="outer",
        )
        for side in report.sides(f"{name}_{next(iter(networks.values()))}")
    }


@draws
def pairs(
    report: Report,
    name: str,
    draw: Callable[..., None],
    alt: str,
    networks: Mapping[str, str],
    along: str = "",
    told: str | Mapping[float | str, str] = "",
    start: int = -1,
    below: Mapping[str, object] | None = None,
    also: Collection[str] = (),
    **shared: object,
) -> HTML:
    """A figure with a panel a network.

    Parameters
    ----------
    name, networks : as of `by_network`
    draw : takes a network's curve, the axes and the side, and the value along the slider where there is one
    alt, along, told, start, also : as of `by_side`
    below : how the legend stands below all panels; without, each has its own or none
    """

    def drawn(curve: DataArray, side: str, *step: object) -> Figure:
        figure, axes = panels(len(networks), 2.9 if below is None else 3.2, **shared)
        for each, ax in zip(curve, axes, strict=True):
            for dim in each.dims:
                each = each.dropna(dim, how="all")
            draw(each, ax, side, *step)
            ax.set_title(each.network.item())
        if below is not None:
            legend_below(figure, axes[0], **below)
        return figure

    curves = by_network(report, name, networks)
    return of_sides(curves, name, drawn, alt, along, told, start, curves_of(report, also))


def _laid_out(figure: Figure, places: list) -> list:
    """Axes where they are in the first picture, so that nothing jumps; there, find out where that is."""
    if not places:
        figure.draw_without_rendering()
        places = [ax.get_position() for ax in figure.axes]
    figure.set_layout_engine("none")
    for ax, place in zip(figure.axes, places, strict=True):
        ax.set_position(place)
    return places


@draws
def panels(count: int, height: float = 2.9, **shared: object) -> tuple[Figure, np.ndarray]:
    """A figure of some axes in a row, as wide as the page."""
    figure, axes = plt.subplots(1, count, figsize=(WIDE, height), squeeze=False, **shared)
    return figure, axes[0]


@draws
def in_powers(axis: Axis) -> None:
    """A scale of powers of ten with plain numbers, which are read, and drawn, faster than formulas."""
    getattr(axis.axes, f"set_{axis.axis_name}scale")("log")
    axis.set_major_formatter(lambda value, _: f"{value:,g}")
    axis.set_minor_locator(NullLocator())


@draws
def legend_below(figure: Figure, ax: Axes, **look: object) -> None:
    """The legend of one of the axes below all of them."""
    handles, labels = ax.get_legend_handles_labels()
    columns = {"ncols": min(len(labels), 5)} | look
    figure.legend(handles, labels, loc="outside lower center", fontsize="small", **columns)
