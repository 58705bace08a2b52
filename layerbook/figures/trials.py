"""The claims of the chapter on forward and backward beside their controls."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from xarray import DataArray

from layerbook.claims import COLOURS, numbered
from layerbook.figures._drawing import draws
from layerbook.figures.common import CONTROL_COLOUR, INK
from layerbook.figures.sides import WIDE, by_side
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


@draws
def keep_trials(report: Report, controls: Mapping[str, float]) -> None:
    """Keep the curve ``trials``: what each claim measured, its control, its threshold and the side it wants.

    Parameters
    ----------
    report : with the claims of `_SAYS` and their numbers
    controls : claim -> its control, of those that are no number of the report
    """
    told, parts = report.numbers, {item: _values(report, item) for item in ("19", "20", "20b", "21", "22")}
    rows = {
        "19": (parts["19"].min(), np.nan, 0, 1),
        "20": (parts["20"].min(), controls["20"], 0.9, 1),
        "20b": (parts["20b"].min(), np.nan, 0.9, 1),
        "21": (parts["21"].min(), controls["21"], 0, 1),
        "22": (parts["22"][1], controls["22"], 0.05, -1),
        "22b": (told["cka_end"], told["cka_pixels"], told["cka_pixels"], 1),
        "23": (told["knn_before"], told["knn_pixels"], 0.3, -1),
        "23b": (told["knn_before"], told["knn_pixels"], told["knn_pixels"], -1),
        "24": (told["cosine_error"], told["cosine_wrong"], 0.3, 1),
        "24b": (told["cosine_guided"], told["cosine_guided_wrong"], 0.3, 1),
        "25": (told["to_mean_error"], told["to_mean_guided"], told["to_mean_guided"], 1),
        "25b": (told["same_class_error"], told["same_class_guided"], told["same_class_guided"], 1),
        "26": (told["adjusted_crossings"], controls["26"], 0, 1),
        "26b": (told["adjusted_crossings"], told["unguided_crossings"], told["unguided_crossings"], 1),
    }
    values = [[float(value) for value in row] for row in rows.values()]
    report.curve("trials", values, claim=list(rows), value=["measured", "control", "threshold", "side"])


@draws
def trials(report: Report) -> HTML:
    """Each claim on the scale of its own number: measured, control, threshold and outcome."""

    def draw(curve: DataArray, side: str) -> Figure:
        figure, ax = plt.subplots(figsize=(WIDE, 6.6))
        figure.set_layout_engine("constrained", rect=(0, 0, 0.84, 1))  # what stands beside the axes has no place
        rows = []
        for item, (value, control, *threshold) in zip(curve.claim.values, curve.values[:, :4], strict=True):
            says, name = _SAYS[item]
            told = f"{numbered(item, report.chapter)}  {says}"
            rows.append((told, value, control, name, *threshold, report.outcome(item, side)))
        against_controls(rows, ax)
        return figure

    alt = "Measured value, control, threshold and verdict of fourteen claims: several dots lie on their controls"
    return by_side(report, "trials", draw, alt)


def _values(report: Report, item: str) -> np.ndarray:
    values = [part.value for part in report.claims[item].parts]
    return np.array([np.nan if value is None else value for value in values], dtype=float)


@draws
def against_controls(rows: Sequence[tuple], ax: Axes) -> Axes:
    """Claims against their controls: what was measured, what the control gives, the threshold, and the verdict.

    Parameters
    ----------
    rows : (claim in words, measured, control or None, name of the control, threshold, +1 or -1, verdict), where the
        claim asks for more (+1) or less (-1) than the threshold
    """

    def beside(text: str, x: float, y: float, **look) -> None:
        ax.annotate(text, (x, y), xycoords=("axes fraction", "data"), va="center", fontsize="small", **look)

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
            beside(name, 1.02, y + 0.24, color=CONTROL_COLOUR)
        beside(verdict, 1.02, y - 0.2, color=COLOURS[verdict], fontweight="bold")
    ax.set_yticks(range(len(rows)), [row[0] for row in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.axvline(0, color="0.8", linewidth=0.8, zorder=0)
    return ax
