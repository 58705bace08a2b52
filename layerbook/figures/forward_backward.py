"""The figures of the chapter on forward and backward, from its report; those of planes are in `clouds`."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from layerbook.analysis.strokes import Strokes, boxes
from layerbook.figures import common
from layerbook.figures._drawing import closed_on_error
from layerbook.figures.clouds import CLOUDS
from layerbook.report import THIS_RUN, Report

NETWORKS = {"MNIST": "mnist", "Fashion-MNIST": "fashion", "MNIST, sigmoid": "sigmoid"}
# what the decoder draws -> how it is called in figures
DRAWN = {
    "error": "unguided, error",
    "label": "unguided, label",
    "error, wrong label": "unguided, error, wrong label",
    "guided": "guided",
    "guided, wrong label": "guided, wrong label",
    "guided, untrained": "guided, untrained",
}
STRIPS = {
    "image": "image",
    "error": "bp-DNN, error",
    "label": "bp-DNN, label",
    "guided, masked": "guided, as printed",
    "guided": "guided, no pixel mask",
    "guided, wrong label": "… wrong label",
    "guided, untrained": "… untrained",
}
_HUES = (*common.KIND_COLOURS[:2], common.CONTROL_COLOUR, common.KIND_COLOURS[2], common.CONTROL_COLOUR)
_LOOKS = [{"color": hue, "marker": marker} for hue, marker in zip(_HUES, "osvD^", strict=True)]
_RECORD = {"linestyle": ":", "marker": ""}


@closed_on_error
def alignments(report: Report) -> Figure:
    """Dot product and cosine of features and targets over training, a line a layer."""
    sides = report.sides("alignment")
    figure, axes = plt.subplots(len(sides), 2, figsize=(10, 3.2 * len(sides)), squeeze=False)
    for row, (side, curve) in zip(axes, sides.items(), strict=True):
        for i, (ax, what) in enumerate(zip(row, ("dot product", "cosine"), strict=True)):
            common.over_training(curve.iteration.values, curve.values[..., i], ax)
            ax.set(ylabel=f"mean {what}", title=side)
    axes[0, 1].legend(title="layer", fontsize="x-small")
    return figure


@closed_on_error
def separations(report: Report, pixels: Sequence[float]) -> Figure:
    """k-NN accuracy and silhouette of the three clouds over training, and those of the pixels as a line."""
    figure, axes = plt.subplots(2, 3, figsize=(11, 5.6), sharex=True, sharey="row")
    for i, what in enumerate(("k-NN accuracy", "silhouette")):
        for j, (ax, cloud) in enumerate(zip(axes[i], CLOUDS, strict=True)):
            for side, curve in report.sides("separation_mnist").items():
                style = {} if side == THIS_RUN else _RECORD
                common.over_training(curve.iteration.values, curve.values[:, :, :, j, i], ax, **style)
            ax.set(title=cloud if i == 0 else "", xlabel="iteration" if i else "")
        axes[i, 2].axhline(pixels[i], color=common.BASELINE_COLOUR, linewidth=1, zorder=0)
        axes[i, 0].set_ylabel(what)
    axes[1, 0].legend(title="layer", fontsize="x-small", ncols=2)
    return figure


@closed_on_error
def decoder_pictures(report: Report, strips: np.ndarray) -> Figure:
    """What the decoder draws for some images, in ways that differ in one thing at a time (Xie & Lai, fig. 7).

    Parameters
    ----------
    strips : of this run, shape (kinds of `STRIPS`, images, H, W), each picture by its largest value
    """
    blocks = {side: curve.values for side, curve in report.sides("pictures").items()} | {THIS_RUN: strips}
    widths = [block.shape[1] for block in blocks.values()]
    figure, axes = plt.subplots(
        len(STRIPS), len(blocks), squeeze=False, width_ratios=widths, figsize=(11, 0.7 + 70 / sum(widths))
    )
    for column, (side, block) in zip(axes.T, blocks.items(), strict=True):
        for ax, word, strip in zip(column, STRIPS.values(), block, strict=True):
            colours = "gray_r" if word == "image" else "RdBu_r"
            common.pictures(strip, ax, word if side == THIS_RUN else "", colours)
        column[0].set_title(side)
    return figure


@closed_on_error
def decoder_likeness(report: Report) -> Figure:
    """Cosine of the decoder's pictures with their image, over training; and with other things, at the end."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8))
    for side, curve in report.sides("decoder_cosine").items():
        for each, look in zip(curve.transpose("picture", ...), _LOOKS, strict=True):
            style = {"label": DRAWN[each.picture.item()]} if side == THIS_RUN else _RECORD
            common.spread(curve.iteration.values, each.values.T, left, **look | style)
    for side, curve in report.sides("decoder_likeness").items():
        for look, values in zip(_LOOKS, curve, strict=True):
            fill = "full" if side == THIS_RUN else "none"
            right.plot(values, range(3), linestyle="", markersize=8, fillstyle=fill, **look)
    left.set_xscale("symlog", linthresh=10)
    left.set(xlabel="iteration", ylabel="cosine with the image", title="while it learns")
    right.set_yticks(range(3), curve.to.values)
    right.set(ylim=(2.5, -0.5), xlabel="cosine", title="at the end")
    left.legend(fontsize="x-small")
    return figure


@closed_on_error
def marked_digits(images: Tensor, guided: Tensor, strokes: Strokes, rows: Tensor) -> Figure:
    """Some digits and their guided pictures, with boxes around crossings and turns (Xie & Lai, fig. 8).

    Parameters
    ----------
    images : of all digits, shape (N, 1, H, W)
    guided : of the chosen ones, shape (n, H, W)
    rows : int64, which ones, shape (n,)
    """
    figure, axes = plt.subplots(2, len(rows), figsize=(12, 2.7))
    for (above, below), row, picture in zip(axes.T, rows.tolist(), guided, strict=True):
        crossings, turns = (boxes(mask[row]) for mask in (strokes.crossings, strokes.turns))
        common.marked(images[row, 0], crossings, turns, above)
        common.marked(picture, crossings, turns, below)
    axes[0, 0].set_ylabel("digit")
    axes[1, 0].set_ylabel("guided")
    return figure


@closed_on_error
def contrasts(report: Report) -> Figure:
    """Contrast at crossings and at turns, raw and adjusted for ink, for each kind of picture."""
    sides = report.sides("contrast")
    figure, axes = plt.subplots(len(sides), 2, figsize=(11, 2.7 * len(sides)), squeeze=False, sharex=True, sharey=True)
    looks = [{"fillstyle": "none", "shift": 0.16}, {"shift": -0.16}]
    for line, (side, curve) in zip(axes, sides.items(), strict=True):
        for ax, where in zip(line, curve.mark.values, strict=True):
            for how, style in zip(curve.adjustment.values, looks, strict=True):
                rows = curve.sel(mark=where, adjustment=how)
                common.intervals(
                    {DRAWN[row.picture.item()]: row.values for row in rows}, ax, color=common.INK, label=how, **style
                )
            ax.set(xlabel="contrast [standard deviations]", title=f"{where} · {side}")
            ax.label_outer()
    axes[0, 0].legend(fontsize="x-small", loc="lower right")
    return figure


@closed_on_error
def other_networks(report: Report, early: int) -> Figure:
    """Silhouettes by layer of three networks, before training, at an early step and at the end."""
    hues = common.KIND_COLOURS[0], common.CONTROL_COLOUR, common.KIND_COLOURS[1]
    figure, axes = plt.subplots(3, 3, figsize=(11, 7.4), sharex=True, sharey=True)
    for row, (label, key) in zip(axes, NETWORKS.items(), strict=True):
        for side, curve in report.sides(f"separation_{key}").items():
            last = curve.iteration.values[-1]
            for ax, step in zip(row, (0, early, last), strict=True):
                values = curve.sel(iteration=step, number="silhouette").values
                for i, (cloud, colour) in enumerate(zip(CLOUDS, hues, strict=True)):
                    style = {"label": cloud} if side == THIS_RUN else _RECORD
                    common.spread(range(1, 7), values[..., i], ax, color=colour, **style)
                when = "the end" if step == last else f"iteration {step}"
                ax.set_title(f"{label} · {when}", fontsize="small")
        row[0].set_ylabel("silhouette")
    plt.setp(axes[-1], xlabel="layer")
    axes[0, 0].legend(fontsize="x-small")
    return figure
