"""Draw the verdicts of the records: python tools/scoreboard_picture.py OUT.png"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

from layerbook.figures.scoreboard import draw, legend_entries
from layerbook.scoreboard import RECORD, Scoreboard
from layerlib._files import replacing

ROOT = Path(__file__).resolve().parents[1]


def main(out: str) -> None:
    board = Scoreboard(ROOT / "_build" / "executed", ROOT / "book" / "records")
    figure, ax = plt.subplots(figsize=(9, 3.2), layout="constrained")
    draw(board, [RECORD], [ax])
    ax.set_title("")
    figure.legend(handles=legend_entries(board, [RECORD]), ncols=3, loc="outside lower center", frameon=False)
    with replacing(Path(out)) as beside:
        # The counts travel along, so that a test can tell an old picture; matplotlib's version does not.
        told = {"Software": None, "Description": board.counts(RECORD).to_csv()}
        figure.savefig(beside, dpi=150, bbox_inches="tight", facecolor="white", metadata=told)


if __name__ == "__main__":
    main(*sys.argv[1:])
