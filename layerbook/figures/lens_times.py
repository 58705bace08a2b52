"""When layers have made up their mind, in the chapter on four lenses: the slider moves the mark."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from IPython.display import HTML
from matplotlib.figure import Figure
from xarray import DataArray

from layerbook.analysis.agreement import FIVE, LENSES, READ_OUTS, made_up
from layerbook.figures._drawing import draws
from layerbook.figures.lens_panels import times
from layerbook.figures.lens_tables import SHORT
from layerbook.figures.sides import legend_below, of_sides, panels
from layerbook.report import Report

SHARES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
FIRST_EDITION = "the first edition"


@draws
def first_edition(report: Report) -> HTML:
    """What the first edition saw, by means and by nodes: its record where that is the one there is."""
    sides = _readings(report, list(SHORT)[:3])
    kept = report.recorded_curve("readings")  # of all its networks
    if kept is not None:
        kept = kept.assign_coords(lens=["means" if lens == "distance" else lens for lens in kept.lens.values])
        kept = kept.reindex(lens=list(LENSES)).transpose("network", "seed", "lens", "step", "layer")
        sides[FIRST_EDITION] = {each.network.item(): each.drop_vars("network") for each in kept}
    return _decided(sides, ("means", "nodes"), "By means, upper layers of convolutional networks come first")


@draws
def read_outs(report: Report) -> HTML:
    """The step from which each layer has made up its mind, by three read-outs of one instrument."""
    alt = "By means the upper layers of convolutional networks come first; flat, all their hidden layers come at once"
    return _decided(_readings(report, SHORT), READ_OUTS, alt)


@draws
def lenses(report: Report) -> HTML:
    """The step from which each layer has made up its mind, by five lenses."""
    alt = "Each lens calls the layers of four networks decided in an order of its own"
    return _decided(_readings(report, SHORT), FIVE, alt)


def _readings(report: Report, networks: Collection[str]) -> dict[str, dict[str, DataArray]]:
    """Side -> network -> dims seed, lens, step, layer."""
    sides: dict[str, dict[str, DataArray]] = {}
    for name in networks:
        for side, curve in report.sides(f"readings_{SHORT[name]}").items():
            sides.setdefault(side, {})[name] = curve
    return sides


def _decided(sides: Mapping[str, Mapping[str, DataArray]], shown: Sequence[str], alt: str) -> HTML:
    """From which step on each layer has made up its mind, a panel a network."""

    def draw(curve: DataArray, side: str, mark: float) -> Figure:
        figure, axes = panels(curve.sizes["network"], 3.3)
        for each, ax in zip(curve.sel(mark=mark), axes, strict=True):
            like = sides[side][each.network.item()]  # which has as many layers as the network
            when = each.sel(layer=like.layer).transpose("lens", "seed", "layer").values
            times(dict(zip(shown, when, strict=True)), like.step.values[-1], ax)
            ax.set(title=each.network.item(), xlabel="step")
        axes[0].set_ylabel("layer")
        legend_below(figure, axes[0])
        return figure

    curves = {side: _times(networks, shown) for side, networks in sides.items()}
    told = {share: f"mark: {share:.0%} of the end" for share in SHARES}
    return of_sides(curves, "steps", draw, alt, "mark", told, SHARES.index(0.5))


def _times(networks: Mapping[str, DataArray], shown: Sequence[str]) -> DataArray:
    """Dims network, mark, seed, lens, layer; NaN where a network has no such layer, or one never made up its mind."""
    found = []
    for curve in networks.values():
        when = np.stack([made_up(curve.to_numpy(), curve.step.values, share) for share in SHARES])
        when = when[:, :, [LENSES.index(lens) for lens in shown]]
        axes = {"mark": list(SHARES), "seed": curve.seed.values, "lens": list(shown), "layer": curve.layer.values}
        found.append(DataArray(when, axes, list(axes)))
    both = xr.concat(found, pd.Index(list(networks), name="network"), join="outer")
    return both.assign_attrs(mean="geometric")  # as they are drawn
