"""The figures of the chapter on forward and backward: each takes its report and shows the largest record or this run.

Those of planes are in `clouds`, that of all claims in `trials`, the drawings in `flowing`.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from xarray import DataArray

from layerbook.analysis.strokes import Strokes, boxes
from layerbook.figures import common
from layerbook.figures._drawing import draws
from layerbook.figures.clouds import CLOUDS
from layerbook.figures.sides import WIDE, by_side, legend_below, panels
from layerbook.figures.slider import drawing
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
    "error": "from the error",
    "label": "from the label",
    "guided, masked": "guided, as printed",
    "guided": "guided, no mask",
    "guided, wrong label": "… wrong label",
    "guided, untrained": "… untrained",
}
_HUES = (*common.KIND_COLOURS[:2], common.CONTROL_COLOUR, common.KIND_COLOURS[2], common.CONTROL_COLOUR)
_LOOKS = [{"color": hue, "marker": marker} for hue, marker in zip(_HUES, "osvD^", strict=True)]
_CLOUD_HUES = dict(zip(CLOUDS, (common.KIND_COLOURS[0], common.CONTROL_COLOUR, common.KIND_COLOURS[1]), strict=True))


@draws
def alignments(report: Report) -> HTML:
    """Dot product and cosine of features and targets over training, a line a layer."""

    def draw(curve: DataArray, _: str) -> Figure:
        figure, axes = panels(2, 3)
        for ax, what, title in zip(axes, ("dot", "cosine"), ("dot product", "cosine"), strict=True):
            _over_training(curve.sel(number=what), ax)
            ax.set(title=title, xlabel="iteration")
        legend_below(figure, axes[0], ncols=6, title="layer")
        return figure

    alt = "The dot products of all six layers lie on one line, which rises and falls; the cosines rise and stay small"
    return by_side(report, "alignment", draw, alt)


@draws
def separations(report: Report, pixels: Sequence[float]) -> HTML:
    """k-NN accuracy and silhouette of the three clouds over training, and those of the pixels as a line.

    Parameters
    ----------
    pixels : k-NN accuracy and silhouette of this run's images; a record has its own
    """

    def draw(curve: DataArray, side: str) -> Figure:
        figure, axes = plt.subplots(2, 3, figsize=(WIDE, 4.6), sharex=True, sharey="row")
        recorded = [report.recorded(name) for name in ("knn_pixels", "pixels_silhouette")]
        for row, what, level in zip(axes, curve.number.values, pixels if side == THIS_RUN else recorded, strict=True):
            for ax, cloud in zip(row, CLOUDS, strict=True):
                _over_training(curve.sel(cloud=cloud, number=what), ax)
            if level is not None:
                row[2].axhline(level, color=common.BASELINE_COLOUR, linewidth=1, zorder=0)
            row[0].set_ylabel("k-NN accuracy" if what == "k-NN" else what)
        for ax, title in zip(axes[0], ("targets", "targets of\nrandom labels", "features"), strict=True):
            ax.set_title(title)
        plt.setp(axes[1], xlabel="iteration")
        legend_below(figure, axes[0, 0], ncols=6, title="layer")
        return figure

    alt = "Silhouettes of targets rise more with true labels than with random ones at first; those of features rise "
    return by_side(report, "separation_mnist", draw, alt + "above the pixels', their k-NN most at the upper layers")


@draws
def decoder_pictures(report: Report) -> HTML:
    """What the decoder draws for some images, in ways that differ in one thing at a time (Xie & Lai, fig. 7)."""

    def draw(curve: DataArray, _: str) -> Figure:
        (image, *kinds), words = curve.transpose("picture", "digit", ...).values, list(STRIPS.values())
        figure, (above, below) = plt.subplots(2, 1, figsize=(WIDE, 7.4), height_ratios=(1, len(kinds)))
        common.pictures(image, above, "", "ink")
        rows = [each / np.abs(each).max((1, 2), keepdims=True).clip(1e-12) for each in kinds]
        rows = [np.pad(each, ((0, 0), (1, 1), (0, 0)), constant_values=np.nan) for each in rows]
        below.imshow(_tiled(rows), cmap="signed", vmin=-1, vmax=1, interpolation="nearest")
        common.bare(below)
        size = image.shape[1] + 2
        for ax, names in ((above, words[:1]), (below, words[1:])):
            ax.set_yticks(size * (np.arange(len(names)) + 0.5) - 0.5, names, fontsize="small")
            ax.tick_params(length=0)
        return figure

    alt = (
        "Digits and what is drawn for them backwards: readable only where the pixels are masked, and for a wrong label "
    )
    return by_side(report, "pictures", draw, alt + "nearly the same as for the right one")


@draws
def decoder_likeness(report: Report) -> HTML:
    """Cosine of the decoder's pictures with their image, over training; and with other things, at the end."""

    def draw(curve: DataArray, side: str) -> Figure:
        figure, (left, right) = panels(2, 3.2)
        for each, look in zip(curve.transpose("picture", "seed", "iteration"), _LOOKS, strict=True):
            common.spread(each.iteration.values, each.values, left, label=DRAWN[each.picture.item()], **look)
        ends = report.sides("decoder_likeness")[side].transpose("picture", "to")
        for look, values in zip(_LOOKS, ends, strict=True):
            right.plot(values, range(3), linestyle="", markersize=8, **look)
        _in_iterations(left)
        left.set(xlabel="iteration", ylabel="cosine with the image", title="while it learns")
        right.set_yticks(range(3), ends.to.values)
        right.set(ylim=(2.5, -0.5), xlabel="cosine", title="at the end, with")
        legend_below(figure, left, ncols=2)
        return figure

    alt = "Guided pictures are hardly less like their image for a wrong label than for the right one; all are less "
    return by_side(report, "decoder_cosine", draw, alt + "like it than like each other", also=["decoder_likeness"])


@draws
def marked_digits(images: Tensor, guided: Tensor, strokes: Strokes, rows: Tensor) -> HTML:
    """Some digits and their guided pictures, with boxes around crossings and turns (Xie & Lai, fig. 8).

    Parameters
    ----------
    images : of all digits, shape (N, 1, H, W)
    guided : of the chosen ones, shape (n, H, W)
    rows : int64, which ones, shape (n,)
    """
    wide, half = images.shape[-1], -(-len(rows) // 2)  # two lines of digits, each with its pictures below
    shown = [image[0].double() for image in images[rows].cpu()], [each / each.abs().max() for each in guided.cpu()]
    lines = -(-len(rows) // half)
    figure, axes = plt.subplots(2 * lines, 1, figsize=(WIDE, 3 * lines))
    for line, (digit, picture) in enumerate(zip(axes[::2], axes[1::2], strict=True)):
        some = slice(half * line, half * (line + 1))
        crossings, turns = [
            [
                (top, left + wide * at, *size)
                for at, row in enumerate(rows[some].tolist())
                for top, left, *size in boxes(mask[row])
            ]
            for mask in (strokes.crossings, strokes.turns)
        ]
        for ax, strip, what in zip((digit, picture), shown, ("digit", "guided"), strict=True):
            common.marked(np.concatenate([common.as_array(each) for each in strip[some]], 1), crossings, turns, ax)
            ax.set_ylabel(what)
    return drawing(
        figure,
        f"{len(rows)} digits with boxes at crossings and turns, and below each its guided picture, which is dark there "
        "and elsewhere",
    )


@draws
def contrasts(report: Report) -> HTML:
    """Contrast at crossings and at turns, raw and adjusted for ink, for each kind of picture."""

    def draw(curve: DataArray, _: str) -> Figure:
        figure, axes = panels(2, 3, sharex=True, sharey=True)
        looks = [{"fillstyle": "none", "shift": 0.16}, {"shift": -0.16}]
        for ax, where in zip(axes, curve.mark.values, strict=True):
            for how, style in zip(curve.adjustment.values, looks, strict=True):
                rows: Mapping = {
                    DRAWN[row.picture.item()]: row.transpose("value").values
                    for row in curve.sel(mark=where, adjustment=how).transpose("picture", "value")
                }
                common.intervals(rows, ax, color=common.INK, label=how, **style)
            ax.set(xlabel="standard deviations", title=f"at {where}")
        legend_below(figure, axes[0])
        return figure

    alt = "At crossings and turns pictures are brighter; adjusted for ink and place the contrast shrinks, and unguided "
    return by_side(report, "contrast", draw, alt + "pictures and wrong labels have most of it, too")


@draws
def other_networks(report: Report) -> HTML:
    """Silhouettes by layer of three networks, before training, at an early step and at the end."""

    def draw(_: DataArray, side: str, step: int) -> Figure:
        figure, axes = panels(3, 3, sharey=True)
        for ax, (label, key) in zip(axes, NETWORKS.items(), strict=True):
            curve = report.sides(f"separation_{key}")[side].sel(iteration=step, number="silhouette")
            for cloud, colour in _CLOUD_HUES.items():
                values = curve.sel(cloud=cloud).transpose("seed", "layer")
                line = "--" if "random" in cloud else "-"  # where it lies on the other, both are seen
                common.spread(values.layer, values, ax, label=cloud, color=colour, linestyle=line)
            ax.set(title=label, xlabel="layer", ylim=(-0.35, 1.05))
        axes[0].set_ylabel("silhouette")
        legend_below(figure, axes[0])
        return figure

    alt = "In the sigmoid network, which learns nothing, targets are all but perfectly separated, whatever the labels"
    others = [f"separation_{key}" for key in NETWORKS.values() if key != "sigmoid"]
    return by_side(report, "separation_sigmoid", draw, alt, "iteration", "iteration", also=others)


def _tiled(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of pictures as one picture; each row has shape (N, H, W)."""
    return np.concatenate(
        [np.concatenate(np.pad(each, ((0, 0), (0, 0), (1, 1)), constant_values=np.nan), 1) for each in rows]
    )


def _over_training(curve: DataArray, ax: Axes) -> None:
    common.over_training(curve.iteration.values, curve.transpose("iteration", "seed", "layer").values, ax)
    _in_iterations(ax)
    ax.set_xlabel("")


def _in_iterations(ax: Axes) -> None:
    """An axis of iterations that has a place for 0, in plain numbers."""
    ax.set_xscale("symlog", linthresh=10)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    ax.set_xticks([at for at in (0, 10, 100, 1000, 10000) if at <= ax.get_xlim()[1] * 1.01])
    ax.minorticks_off()
