"""The figure of the scoreboard: how many claims came to which outcome, at which size."""

from collections.abc import Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from layerbook.claims import COLOURS, NOT_RECORDED
from layerbook.figures._drawing import draws
from layerbook.figures.slider import drawing
from layerbook.scoreboard import RECORD, Scoreboard
from layerlib.palette import STYLE

# Beside the colours, for eyes that tell these apart badly, and for printers that know none.
MARKS = dict(zip(COLOURS, ("✓", "½", "✗", "?"), strict=True))
SMALLER = "///"


@draws
def draw(board: Scoreboard, sides: Sequence[str], axes: Sequence[Axes]) -> None:
    """Draw the counts of outcomes, one bar a paper, one axes a side; hatched where not at the paper's size.

    Parameters
    ----------
    board : the scoreboard
    sides : some of `layerbook.scoreboard.SIDES`
    axes : as many
    """
    for ax, side in zip(axes, sides, strict=True):
        counts = board.counts(side)
        left = np.zeros(len(counts))
        for outcome, colour in COLOURS.items():
            at_size = counts[outcome, "paper"].to_numpy()
            smaller = counts[outcome].sum(axis=1).to_numpy() - at_size
            for widths, hatch in ((at_size, ""), (smaller, SMALLER)):
                bars = ax.barh(counts.index, widths, left=left, color=colour, edgecolor="white", hatch=hatch)
                texts = ax.bar_label(
                    bars,
                    [f"{n} {MARKS[outcome]}" if n else "" for n in widths],
                    label_type="center",
                    color="black",
                    fontsize="small",
                )
                for text in texts:
                    text.set_bbox({"facecolor": colour, "edgecolor": "none", "pad": 1})
                left = left + widths
        for place, (built, total) in enumerate(zip(board.chapters, left, strict=True)):
            if not total:
                missing = NOT_RECORDED if side == RECORD else built.state
                ax.text(0.1, place, missing, va="center", style="italic", color="0.35")
        ax.set(title=side, xlabel="number of claims", xlim=(0, None), ylim=(len(counts) - 0.5, -0.5))
        ax.grid(axis="y", visible=False)
        ax.spines[["top", "right"]].set_visible(False)


def legend_entries(board: Scoreboard, sides: Sequence[str]) -> list[Patch]:
    """What the hatching of `draw` means, and the colours and marks of the outcomes that occur there, for a legend."""
    counts = [board.counts(side) for side in sides]
    occur = [outcome for outcome in COLOURS if any(each[outcome].to_numpy().any() for each in counts)]
    named = [Patch(facecolor=COLOURS[each], label=f"{MARKS[each]} {each}") for each in occur]
    return [*named, Patch(facecolor="0.6", edgecolor="white", hatch=SMALLER, label="smaller than the paper's size")]


@draws
def picture(board: Scoreboard) -> HTML:
    """How the claims of each paper came out in the largest record, for another page."""
    with mpl.rc_context(STYLE):  # whose ink follows the theme of a page
        figure, ax = plt.subplots(figsize=(7.2, 3.1))
        draw(board, [RECORD], [ax])
        ax.set_title("")
        figure.legend(handles=legend_entries(board, [RECORD]), ncols=2, loc="outside lower center", fontsize="small")
    counts = board.counts(RECORD).T.groupby(level=0).sum().T
    told = (
        f"{paper}: " + ", ".join(f"{number} {outcome}" for outcome, number in row.items() if number)
        for paper, row in counts.iterrows()
    )
    return drawing(figure, "How the claims came out in the largest record. " + "; ".join(told))
