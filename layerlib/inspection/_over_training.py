"""Inspections at several moments as one figure: at which layer an instrument says what, and when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from layerlib.inspection._compared import SHOWN
from layerlib.inspection._named import NAMES, short
from layerlib.palette import use_style

if TYPE_CHECKING:
    from layerlib.inspection.result import Inspection


def figure(inspections: Mapping[int, Inspection]) -> Figure:
    """A map for each instrument: layers upwards, steps to the right, the darker the larger the number.

    Returns
    -------
    a figure of matplotlib, which pyplot does not keep
    """
    first = next(iter(inspections.values()))
    steps = list(inspections)
    maps = {
        quantity: np.stack([found.values[quantity].numpy() for found in inspections.values()], 1)
        for quantity in SHOWN
        if quantity in first.values
    }
    maps = {quantity: values for quantity, values in maps.items() if np.isfinite(values).any()}
    if not maps:
        raise ValueError("instruments: expected a number at some layer, got none")
    columns = min(3, len(maps))
    rows = -(-len(maps) // columns)
    layers = len(first.layers)
    plt.switch_backend(plt.get_backend())
    with plt.rc_context():
        use_style()
        height = rows * min(max(1.6, 0.16 * layers), 5) + 0.6
        whole, axes = plt.subplots(
            rows, columns, sharex=True, sharey=True, squeeze=False, figsize=(3.1 * columns + 1.5, height)
        )
        edges = np.arange(len(steps) + 1) - 0.5
        for ax, (quantity, values) in zip(axes.flat, maps.items(), strict=False):
            drawn = ax.pcolormesh(edges, np.arange(layers + 1) - 0.5, values, cmap="viridis_r")
            ax.set_title(SHOWN[quantity].replace("\n", " "), fontsize="small")
            ax.grid(False)
            whole.colorbar(drawn, ax=ax, pad=0.02).ax.tick_params(labelsize="xx-small")
        for ax in axes.flat[len(maps) :]:
            ax.set_axis_off()
        shown = range(0, layers, -(-layers // NAMES))
        axes[0, 0].set_yticks(list(shown), [short(first.layers[i]) for i in shown], parse_math=False)
        ticks = sorted({round(i) for i in np.linspace(0, len(steps) - 1, min(6, len(steps)))})
        axes[0, 0].set_xticks(ticks, [steps[i] for i in ticks])
        for ax in axes.flat:  # a size of labels is each panel's own
            ax.tick_params(axis="y", labelsize="xx-small")
            ax.tick_params(axis="x", labelsize="x-small")
        whole.supxlabel("step", fontsize="small")
    plt.close(whole)
    return whole
