"""The claims of the chapter on forward and backward beside their controls."""

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from xarray import DataArray

from layerbook.claims import COLOURS, numbered
from layerbook.figures._drawing import draws
from layerbook.figures.common import BASELINE_COLOUR, CONTROL_COLOUR, INK
from layerbook.figures.sides import WIDE, of_sides
from layerbook.record import recorded_claims
from layerbook.report import THIS_RUN, Report

# claim -> what is measured, and what the control is, in the figure of all claims; superseded ones are not in it
_SAYS = {
    "19b": ("targets' silhouette, less permuted errors'", ""),
    "20": ("targets' silhouette rises with the layer", "random labels"),
    "20b": ("… beyond random labels", ""),
    "21": ("gain of low layers by iteration 100", "random labels"),
    "22": ("silhouettes of z₁ and õ₁ apart", "at the start"),
    "22b": ("z₁ laid out like õ₁", "pixels"),
    "23": ("untrained features' k-NN, low", "pixels"),
    "23b": ("… no better than pixels", "pixels"),
    "24": ("−z̃₀ like its image (cosine)", "wrong label"),
    "24b": ("… guided", "wrong label"),
    "25b": ("unguided like others of its class", "guided"),
    "25c": ("guided nearer to its own image", "unguided"),
    "26b": ("brighter at crossings than unguided", "unguided"),
    "26c": ("brightest ink near marks, by any ink's", "any ink"),
}
_VALUES = ["measured", "control", "threshold", "side"]
_COLUMNS = {"measured": 1.26, "control": 1.33, "bar": 2.26, "verdict": 2.37}  # where they stand, in widths of the axes


@draws
def keep_trials(report: Report, controls: Mapping[str, float]) -> None:
    """Keep the curve ``trials``: what each claim measured, its control, its threshold and the side it wants.

    Parameters
    ----------
    report : with the claims of the figure and their numbers
    controls : claim -> its control, of those that are no number of the report
    """
    curve = _trials(report, THIS_RUN, controls)
    report.curve("trials", curve.values, claim=curve.claim.values.tolist(), value=_VALUES)


@draws
def trials(report: Report) -> HTML:
    """Each claim on a scale of its own: measured, control, threshold and outcome, the thresholds in one line."""

    def draw(curve: DataArray, side: str) -> Figure:
        figure, ax = plt.subplots(figsize=(WIDE, 6.6))
        figure.set_layout_engine("none")  # what stands beside the axes has no place in a layout
        ax.set_position((0.29, 0.05, 0.24, 0.89))
        rows = []
        for item, (value, control, *bar) in zip(curve.claim.values, curve.values, strict=True):
            says, name = _SAYS[item]
            told = f"{numbered(item, report.chapter)}  " + textwrap.fill(says, 25)
            rows.append((told, value, control if name else None, name, *bar, report.outcome(item, side)))
        against_controls(rows, ax)
        return figure

    alt = "Measured value, control, threshold and verdict of fourteen claims: several dots lie on their controls, or"
    kept = report.sides("trials").items()
    made = {
        side: _trials(report, side, {item: each.sel(claim=item, value="control").item() for item in ("20", "21", "22")})
        for side, each in kept
    }
    return of_sides(made, "trials", draw, f"{alt} on the wrong side of them")


def _trials(report: Report, side: str, controls: Mapping[str, float]) -> DataArray:
    """The rows of the figure, from the numbers and the claims of a side."""
    claims = report.claims if side == THIS_RUN else recorded_claims(report.record)

    def told(name: str) -> float:
        return report.side_number(name, side)

    def part(item: str, at: int | None = None) -> float:
        values = [part.value for part in claims[item].parts]
        values = [np.nan if value is None else value for value in values]
        return min(values) if at is None else values[at]

    rows = {
        "19b": (part("19b"), np.nan, 0, 1),
        "20": (part("20"), controls["20"], 0.9, 1),
        "20b": (part("20b"), np.nan, 0.9, 1),
        "21": (part("21"), controls["21"], 0, 1),
        "22": (part("22", 1), controls["22"], 0.05, -1),
        "22b": (told("cka_end"), told("cka_pixels"), told("cka_pixels"), 1),
        "23": (told("knn_before"), told("knn_pixels"), 0.3, -1),
        "23b": (told("knn_before"), told("knn_pixels"), told("knn_pixels"), -1),
        "24": (told("cosine_error"), told("cosine_wrong"), 0.3, 1),
        "24b": (told("cosine_guided"), told("cosine_guided_wrong"), 0.3, 1),
        "25b": (told("same_class_error"), told("same_class_guided"), told("same_class_guided"), 1),
        "25c": (told("nearer_guided"), told("nearer_error"), 0.75, 1),
        "26b": (told("adjusted_crossings"), told("unguided_crossings"), told("unguided_crossings"), 1),
        "26c": (told("near_marks_ratio"), 1, 1.5, 1),
    }
    values = np.array(list(rows.values()), dtype=float)
    return DataArray(values, dims=("claim", "value"), coords={"claim": list(rows), "value": _VALUES})


@draws
def against_controls(rows: Sequence[tuple], ax: Axes) -> Axes:
    """Claims against their controls: what was measured, what the control gives, the threshold, and the verdict.

    Each row has its own scale: the threshold is at 0, the side on which the claim holds is the right one, and the unit
    is the largest of the row's numbers.

    Parameters
    ----------
    rows : (claim in words, measured, control or None, name of the control, threshold, +1 or -1, verdict), where the
        claim asks for more (+1) or less (-1) than the threshold
    """

    def beside(text: str, column: str, y: float, **look) -> None:
        align = {"ha": "right"} if column in ("measured", "bar") else {}
        place = (_COLUMNS[column], y)
        ax.annotate(text, place, xycoords=("axes fraction", "data"), va="center", fontsize="small", **align | look)

    for column in _COLUMNS:
        beside(column, column, -0.9, color=CONTROL_COLOUR if column == "control" else INK)
    for y, (_, value, control, name, threshold, side, verdict) in enumerate(rows):
        unit = side * max(abs(each) for each in (value, control, threshold) if each is not None)
        ax.axhline(y, color="0.92", linewidth=0.8, zorder=0)
        ax.plot((value - threshold) / unit, y, "o", color=INK, markersize=7)
        beside(_number(value), "measured", y)
        beside(_number(threshold), "bar", y, color="0.35")
        beside(verdict, "verdict", y, color=COLOURS[verdict], fontweight="bold")
        if control is not None:
            look = {"color": CONTROL_COLOUR, "markersize": 8, "fillstyle": "none", "markeredgewidth": 1.8}
            ax.plot((control - threshold) / unit, y, "D", **look)
            beside(f"{_number(control)} {name}", "control", y, color=CONTROL_COLOUR)
    ax.axvline(0, color=BASELINE_COLOUR, linewidth=1.5, zorder=1)
    ax.set_yticks(range(len(rows)), [row[0] for row in rows])
    ax.set(xlim=(-2, 1.25), ylim=(len(rows) - 0.4, -0.6), xticks=[-1, 0, 0.8])
    ax.set_xticklabels(["fails", "bar", "holds"])
    ax.tick_params(length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(visible=False)
    return ax


def _number(value: float) -> str:
    return f"{value + 0:.2f}".replace("-", "−")
