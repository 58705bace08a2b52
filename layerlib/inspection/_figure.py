"""All that `layerlib.inspect` read, as one figure."""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from layerlib.nodes.classifiers import SYSTEMS
from layerlib.palette import BASELINE_COLOUR, INK, KIND_COLOURS, SYSTEM_COLOURS, bare, pictures, use_style

if TYPE_CHECKING:
    from layerlib.inspection.inspect import Inspection

NAMES, LONGEST = 32, 30  # names below the layers at most, and characters of a name
NOT_READ = "0.92"
MARKS = dict(zip(SYSTEMS, "so^", strict=True))


def figure(inspection: Inspection) -> Figure:
    """Images and guided pictures; then a panel for each instrument, over the layers in their order.

    A grey band marks a layer that an instrument could not read. Where it read none, the panel says why.

    Returns
    -------
    a figure of matplotlib, which pyplot does not keep: it shows as the last line of a cell, or save it with ``savefig``
    """
    panels = [_distance, _perplexity, _nodes, _silhouette]
    if inspection.values["relative_change"].isfinite().any():
        panels.append(_change)
    layers = len(inspection.layers)
    longest = max(len(_short(name)) for name in inspection.layers)
    width, names = min(max(7.5, 0.22 * layers + 3), 13), 0.3 + 0.075 * longest
    height = 1.9 + 1.45 * len(panels) + names
    plt.switch_backend(plt.get_backend())  # first loaded within the context, it would forget to show other figures
    with plt.rc_context():
        use_style()
        whole = plt.figure(figsize=(width, height))
        whole.get_layout_engine().set(w_pad=0.12)
        top, below = whole.subfigures(2, 1, height_ratios=(1.9, height - 1.9))
        _pictures(inspection, top.subplots(2, 1, sharex=True, sharey=True))
        axes = below.subplots(len(panels), 1, sharex=True)
        for draw, ax in zip(panels, axes, strict=True):
            draw(inspection, ax)
            if ax.get_legend_handles_labels()[0]:
                ax.legend(loc="center left", bbox_to_anchor=(1.005, 0.5), fontsize="x-small", borderaxespad=0)
            ax.grid(axis="x", visible=False)
        # room for a single layer too
        axes[-1].set_xlim(-0.6, max(layers - 0.4, 1))
        shown = range(0, layers, -(-layers // NAMES))
        axes[-1].set_xticks(list(shown), [_short(inspection.layers[i]) for i in shown], rotation=90, fontsize="x-small")
        below.align_ylabels(axes)
    plt.close(whole)
    return whole


def _pictures(inspection: Inspection, axes: np.ndarray) -> None:
    images = inspection.images.cpu().numpy() / 255
    beside = np.pad(images, ((0, 0), (0, 0), (0, 0), (1, 1)), constant_values=1)
    row = np.moveaxis(np.concatenate(beside, -1), 0, -1)
    axes[0].imshow(row[..., :3] if row.shape[-1] >= 3 else row[..., 0], cmap="gray", vmin=0, vmax=1,
                   interpolation="nearest")
    bare(axes[0], "images")
    if inspection.pictures is None:
        axes[1].set_axis_off()
        _say(axes[1], f"No guided pictures: {inspection.reasons['input', 'pictures']}.")
    else:
        pictures(inspection.pictures.detach().sum(1).double().cpu().numpy(), axes[1], "guided-\nbp-DNN")


def _distance(inspection: Inspection, ax: Axes) -> None:
    if _lines(inspection, "distribution", {"distance": ("layer's probe", INK, "o")}, ax):
        ax.axhline(inspection.baseline["distance"], color=BASELINE_COLOUR, linestyle=":", label="class frequencies")
        ax.set_ylim(bottom=0)
    ax.set_ylabel("distance\nto the target")


def _perplexity(inspection: Inspection, ax: Axes) -> None:
    if _lines(inspection, "patterns", {"perplexity": ("mean over classes", INK, "o")}, ax):
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter("{x:g}")
        low, high = ax.get_ylim()
        room = 1.3 if high > 4 * low else 2
        ax.set_ylim(max(low / room, 0.8), high * room)
    ax.set_ylabel("perplexity\n[patterns]")


def _nodes(inspection: Inspection, ax: Axes) -> None:
    looks = {system: (system, SYSTEM_COLOURS[system], MARKS[system]) for system in SYSTEMS}
    if _lines(inspection, "nodes", looks, ax, scale=100):
        if np.isfinite(inspection.accuracy):
            ax.axhline(100 * inspection.accuracy, color=INK, linestyle=":", linewidth=1.2, label="network")
        ax.set_ylim(0, 103)
    ax.set_ylabel("accuracy of\nnodes [%]")


def _silhouette(inspection: Inspection, ax: Axes) -> None:
    looks = {"target_silhouette": ("targets", KIND_COLOURS[1], "o"),
             "feature_silhouette": ("outputs", KIND_COLOURS[0], "D")}
    if _lines(inspection, "targets", looks, ax):
        ax.axhline(0, color="0.7", linewidth=0.8, zorder=0)
    ax.set_ylabel("silhouette")


def _change(inspection: Inspection, ax: Axes) -> None:
    _lines(inspection, "filters", {"relative_change": ("weights", INK, "o")}, ax)
    ax.set_ylim(bottom=0)
    ax.set_ylabel("relative\nchange")


def _lines(inspection: Inspection, instrument: str, looks: dict[str, tuple], ax: Axes, scale: float = 1) -> bool:
    """A line for each quantity that was read at any layer, grey bands where none was; or, in words, why not."""
    values = {quantity: scale * inspection.values[quantity].numpy() for quantity in looks}
    for quantity, (label, colour, mark) in looks.items():
        if np.isfinite(values[quantity]).any():
            ax.plot(values[quantity], color=colour, marker=mark, markersize=3.5, linewidth=1.4, label=label)
    missing = np.isnan(list(values.values())).all(0)
    if missing.all():
        ax.set_yticks([])
        _say(ax, f"Not read: {_reason(inspection, instrument)}.")
        return False
    for i in np.flatnonzero(missing):
        ax.axvspan(i - 0.5, i + 0.5, color=NOT_READ, linewidth=0, zorder=0)
    if missing.any():
        ax.fill_between([], [], color=NOT_READ, label="not read")
    absent = [label for quantity, (label, *_) in looks.items() if np.isnan(values[quantity]).all()]
    if absent:
        text = f"{' and '.join(absent)} not read: {_reason(inspection, instrument)}"
        ax.set_title(textwrap.shorten(text, 130, placeholder=" …"), fontsize="xx-small", loc="left", pad=3)
    return True


def _reason(inspection: Inspection, instrument: str) -> str:
    found = Counter(reason for (_, which), reason in inspection.reasons.items() if which == instrument)
    # of several, the one of most layers
    return found.most_common(1)[0][0]


def _say(ax: Axes, text: str) -> None:
    ax.text(0.5, 0.5, textwrap.fill(text, 90), transform=ax.transAxes, ha="center", va="center", fontsize="x-small",
            color="0.35")


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"…{name[-LONGEST + 1:]}"
