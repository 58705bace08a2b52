"""The claims of the chapter on forward and backward beside their controls."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from layerbook.claims import COLOURS
from layerbook.figures._drawing import closed_on_error
from layerbook.figures.common import CONTROL_COLOUR, INK
from layerbook.report import Report

# claim -> what is measured, and what the control is, in the figure of all claims
_SAYS = {
    "19": ("targets' silhouette beyond random labels'", ""),
    "20": ("rise with the layer", "random labels"),
    "20b": ("… beyond random labels", ""),
    "21": ("gain of low layers by iteration 100", "random labels"),
    "22": ("silhouettes of z₁, õ₁ apart", "at the start"),
    "22b": ("z₁ laid out like õ₁", "pixels"),
    "23": ("untrained features' k-NN", "pixels"),
    "23b": ("… no better than pixels", "pixels"),
    "24": ("−z̃₀ like its image (cosine)", "wrong label"),
    "24b": ("… guided", "wrong label"),
    "25": ("unguided picture like class mean", "guided"),
    "25b": ("… like others of its class", "guided"),
    "26": ("brighter at crossings", "wrong label"),
    "26b": ("… more than unguided", "unguided"),
}


@closed_on_error
def trials(report: Report) -> Figure:
    """Each claim on the scale of its own number: measured, control, threshold, outcome; in this run and the record."""
    sides = report.sides("trials")
    figure, axes = plt.subplots(len(sides), 1, figsize=(11, 5.4 * len(sides)), squeeze=False)
    for ax, (side, curve) in zip(axes[:, 0], sides.items(), strict=True):
        rows = []
        for item, (value, control, *threshold) in zip(curve.claim.values, curve.values[:, :4], strict=True):
            says, name = _SAYS[item]
            rows.append((f"{item}  {says}", value, control, name, *threshold, report.outcome(item, side)))
        against_controls(rows, ax)
        ax.set_title(side, pad=20)
    return figure


def against_controls(rows: Sequence[tuple], ax: Axes) -> Axes:
    """Claims against their controls: what was measured, what the control gives, the threshold, and the verdict.

    Parameters
    ----------
    rows : (claim in words, measured, control or None, name of the control, threshold, +1 or -1, verdict), where the
        claim asks for more (+1) or less (-1) than the threshold
    """

    def beside(text: str, x: float, y: float, **look) -> None:
        ax.annotate(text, (x, y), xycoords=("axes fraction", "data"), va="center", fontsize="small", **look)

    beside("control", 1.02, -0.9, color="0.35")
    beside("verdict", 1.24, -0.9, color="0.35")
    for y, (_, value, control, name, threshold, side, verdict) in enumerate(rows):
        ax.plot([threshold] * 2, [y - 0.35, y + 0.35], color="0.35", linewidth=1.5)
        ax.annotate(
            "",
            (threshold + side * 0.09, y - 0.3),
            (threshold, y - 0.3),
            arrowprops={"arrowstyle": "->", "color": "0.35"},
        )
        ax.plot(value, y, "o", color=INK, markersize=8)
        if control is not None:
            ax.plot(control, y, "D", color=CONTROL_COLOUR, markersize=8, fillstyle="none", markeredgewidth=1.8)
            beside(name, 1.02, y, color=CONTROL_COLOUR)
        beside(verdict, 1.24, y, color=COLOURS[verdict], fontweight="bold")
    ax.set_yticks(range(len(rows)), [row[0] for row in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.axvline(0, color="0.8", linewidth=0.8, zorder=0)
    return ax
