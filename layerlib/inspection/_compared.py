"""Two inspections as one figure: by how much each quantity differs, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from layerlib.inspection._figure import OUTPUTS
from layerlib.inspection._named import name_layers
from layerlib.palette import use_style

if TYPE_CHECKING:
    from layerlib.inspection.compare import Comparison

# one of each instrument's, and what it is called
SHOWN = {
    "distance": "distance\nto the target",
    "entropy": "entropy of\npatterns",
    "hamming": "Hamming,\nin / between",
    "combined": "accuracy of\nnodes",
    "target_silhouette": "silhouette\nof targets",
    "feature_silhouette": "silhouette\nof outputs",
    "effective_rank": "effective\nrank",
    "cka": "CKA\nto before",
    "relative_change": "relative\nchange",
}


def figure(comparison: Comparison) -> Figure:
    """See ``Comparison.figure``."""
    found = {quantity: comparison.of(quantity) for quantity in SHOWN if quantity in comparison.quantities()}
    found = {quantity: each for quantity, each in found.items() if bool((each[1] - each[0]).isfinite().any())}
    if not found:
        raise ValueError("a, b: expected a number of the same layer in both, got none")
    layers = len(comparison.layers)
    width = min(max(7.5, 0.22 * layers + 3), 13)
    plt.switch_backend(plt.get_backend())
    with plt.rc_context():
        use_style()
        whole, axes = plt.subplots(
            len(found),
            1,
            sharex=True,
            squeeze=False,
            figsize=(width, 1.15 * len(found) + 0.5 + 0.075 * max(map(len, comparison.layers))),
        )
        for ax, (quantity, (one, other, (low, high))) in zip(axes[:, 0], found.items(), strict=True):
            difference = (other - one).numpy()
            ax.axhline(0, color="0.5", linewidth=0.8, zorder=0)
            ax.fill_between(range(layers), low.numpy(), high.numpy(), color=OUTPUTS, alpha=0.2, linewidth=0)
            ax.plot(difference, color=OUTPUTS, marker="o", markersize=3.5, linewidth=1.4)
            sure = np.flatnonzero((low > 0) | (high < 0))
            ax.plot(sure, difference[sure], linestyle="", marker="o", markersize=6, color=OUTPUTS)
            ax.set_ylabel(SHOWN[quantity])
            ax.grid(axis="x", visible=False)
        name_layers(axes[-1, 0], comparison.layers)
        axes[-1, 0].set_xlabel("second − first; large where the middle 95 % leaves 0 out", fontsize="x-small")
        whole.align_ylabels(axes[:, 0])
    plt.close(whole)
    return whole
