"""All that `layerlib.inspect` read, as one figure."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from layerlib.inspection._intervals import interval
from layerlib.inspection._lenses import QUANTITIES
from layerlib.inspection._named import name_layers, short
from layerlib.inspection._pictured import pictured, say
from layerlib.nodes.classifiers import SYSTEMS
from layerlib.palette import BASELINE_COLOUR, INK, KIND_COLOURS, SYSTEM_COLOURS, use_style

if TYPE_CHECKING:
    from layerlib.inspection.result import Inspection

NULL = "0.75"
OUTPUTS, TARGETS, WEIGHTS = KIND_COLOURS[0], KIND_COLOURS[1], KIND_COLOURS[4]
MARKS = dict(zip(SYSTEMS, "so^", strict=True))


def figure(inspection: Inspection) -> Figure:
    """Images and guided pictures; then a panel for each instrument, over the layers in their order.

    A line is what was read, its shade the interval, and the grey band what the instrument says where there is nothing
    to be found. A thin line with empty marks is the network as it was before. A hatched layer is one that an
    instrument could not read; where it read none, the panel says why. Layers that no instrument could read are named
    below.

    Returns
    -------
    a figure of matplotlib, which pyplot does not keep: it shows as the last line of a cell, or save it with ``savefig``
    """
    asked = inspection.about["instruments"]
    shown, unread = _shown(inspection)
    panels = [draw for instrument, draw in PANELS if instrument in asked and _worth(inspection, instrument, draw)]
    longest = max(len(short(inspection.layers[i])) for i in shown)
    width, names = min(max(7.5, 0.22 * len(shown) + 3), 13), 0.3 + 0.075 * longest + 0.25 * bool(unread)
    top = 1.9 if "pictures" in asked and inspection.images is not None else 0
    shares = [2 if draw is _between else 1 for draw in panels] or [1]
    height = (1.45 if len(panels) < 7 else 1.15) * sum(shares) + names
    plt.switch_backend(plt.get_backend())  # first loaded within the context, it would forget to show other figures
    with plt.rc_context():
        use_style()
        whole = plt.figure(figsize=(width, top + height))
        whole.get_layout_engine().set(w_pad=0.12)
        above, below = whole.subfigures(2, 1, height_ratios=(top, height)) if top else (None, whole)
        if above is not None:
            pictured(inspection, above.subplots(2, 1, sharex=True, sharey=True))
        axes = np.atleast_1d(below.subplots(len(shares), 1, sharex=True, height_ratios=shares))
        for draw, ax in zip(panels, axes, strict=False):
            draw(_Panel(inspection, shown, ax))
            if ax.get_legend_handles_labels()[0]:
                ax.legend(loc="center left", bbox_to_anchor=(1.005, 0.5), fontsize="x-small", borderaxespad=0)
            ax.grid(axis="x", visible=False)
        name_layers(axes[-1], [inspection.layers[i] for i in shown])
        if unread:
            line = textwrap.shorten(_line(inspection, unread), int(14 * width), placeholder=" …")
            axes[-1].set_xlabel(line, fontsize="x-small", color="0.35", parse_math=False)
        below.align_ylabels(axes)
    plt.close(whole)
    return whole


class _Panel:
    """One instrument's axes: its quantities over the layers that are shown."""

    def __init__(self, inspection: Inspection, shown: list[int], ax: Axes):
        self.inspection, self.shown, self.ax = inspection, shown, ax

    def of(self, part: dict, quantity: str) -> np.ndarray:
        return part[quantity][self.shown].numpy()

    def lines(self, instrument: str, looks: dict[str, tuple], scale: float = 1) -> bool:
        """A line for each quantity read anywhere, hatched where none was; or, in words, why not. Whether any was."""
        values = {quantity: scale * self.of(self.inspection.values, quantity) for quantity in looks}
        missing = np.isnan(list(values.values())).all(0)
        if missing.all():
            self.ax.set_yticks([])
            say(self.ax, f"Not read: {_reason(self.inspection, instrument)}.")
            return False
        for i, (quantity, (label, colour, mark)) in enumerate(looks.items()):
            if np.isfinite(values[quantity]).any():
                self._null(quantity, colour if len(looks) > 1 else "0.55", scale, "null" if i == 0 else None)
                ends = [scale * self.of(part, quantity) for part in (self.inspection.low, self.inspection.high)]
                self.ax.fill_between(range(len(self.shown)), *ends, color=colour, alpha=0.15, linewidth=0)
                self.ax.plot(values[quantity], color=colour, marker=mark, markersize=3.5, linewidth=1.4, label=label)
                if self.inspection.twin is not None and quantity in self.inspection.twin.values:
                    then = scale * self.of(self.inspection.twin.values, quantity)
                    told = "before" if i == 0 else None
                    self.ax.plot(
                        then,
                        color=colour,
                        marker=mark,
                        markersize=3,
                        markerfacecolor="white",
                        linewidth=0.8,
                        label=told,
                    )
        for i in np.flatnonzero(missing):
            self.ax.axvspan(i - 0.5, i + 0.5, facecolor="none", edgecolor="0.8", hatch="////", linewidth=0, zorder=0)
        if missing.any():
            self.ax.fill_between([], [], facecolor="none", edgecolor="0.8", hatch="////", linewidth=0, label="not read")
        absent = [label for quantity, (label, *_) in looks.items() if np.isnan(values[quantity]).all()]
        if absent:
            text = f"{' and '.join(absent)} not read: {_reason(self.inspection, instrument)}"
            self.ax.set_title(
                textwrap.shorten(text, 130, placeholder=" …"), fontsize="xx-small", loc="left", pad=3, parse_math=False
            )
        return True

    def _null(self, quantity: str, colour: object, scale: float, label: str | None) -> None:
        null = scale * self.of(self.inspection.nulls, quantity)
        low, high = scale * interval(self.inspection.null_draws[quantity][self.shown]).numpy()
        low, high = (np.where(np.isnan(end), null, end) for end in (low, high))
        # with an edge, so that a band of no width is seen, too
        self.ax.fill_between(
            range(len(self.shown)), low, high, color=NULL, alpha=0.6, linewidth=2, zorder=0.5, label=label
        )
        self.ax.plot(null, color=colour, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0.6)


def _distance(panel: _Panel) -> None:
    if panel.lines("distribution", {"distance": ("layer's probe", OUTPUTS, "o")}):
        baseline = panel.inspection.baseline["distance"]
        panel.ax.axhline(baseline, color=BASELINE_COLOUR, linestyle=":", label="class frequencies")
        panel.ax.set_ylim(bottom=0)
    panel.ax.set_ylabel("distance\nto the target")


def _perplexity(panel: _Panel) -> None:
    if panel.lines("patterns", {"perplexity": ("mean over classes", OUTPUTS, "o")}):
        _logarithmic(panel.ax, 0.8)
    panel.ax.set_ylabel("perplexity\n[patterns]")


def _hamming(panel: _Panel) -> None:
    panel.lines("patterns", {"hamming": ("pairs of samples", OUTPUTS, "o")})
    panel.ax.set_ylabel("Hamming,\nwithin / between")


def _nodes(panel: _Panel) -> None:
    looks = {system: (system, SYSTEM_COLOURS[system], MARKS[system]) for system in SYSTEMS}
    if panel.lines("nodes", looks, scale=100):
        if np.isfinite(panel.inspection.accuracy):
            panel.ax.axhline(100 * panel.inspection.accuracy, color=INK, linestyle=":", linewidth=1.2, label="network")
        panel.ax.set_ylim(0, 103)
    panel.ax.set_ylabel("accuracy of\nnodes [%]")


def _silhouette(panel: _Panel) -> None:
    looks = {"target_silhouette": ("targets", TARGETS, "o"), "feature_silhouette": ("outputs", OUTPUTS, "D")}
    if panel.lines("targets", looks):
        panel.ax.axhline(0, color="0.7", linewidth=0.8, zorder=0)
    panel.ax.set_ylabel("silhouette")


def _rank(panel: _Panel) -> None:
    if panel.lines("rank", {"effective_rank": ("outputs", OUTPUTS, "o")}):
        _logarithmic(panel.ax, 0.8)
    panel.ax.set_ylabel("effective\nrank")


def _cka(panel: _Panel) -> None:
    panel.lines("cka", {"cka": ("outputs", OUTPUTS, "o")})
    panel.ax.set_ylabel("CKA\nto before")


def _change(panel: _Panel) -> None:
    panel.lines("filters", {"relative_change": ("weights", WEIGHTS, "o")})
    panel.ax.set_ylim(bottom=-0.06 * panel.ax.get_ylim()[1])  # room for the null, a change by 0
    panel.ax.set_ylabel("relative\nchange")


def _between(panel: _Panel) -> None:
    values = panel.inspection.between[panel.shown][:, panel.shown].numpy()
    drawn = panel.ax.imshow(values, vmin=0, vmax=1, cmap="viridis_r", origin="lower", aspect="auto")
    bar = panel.ax.figure.colorbar(drawn, cax=panel.ax.inset_axes((1.02, 0.1, 0.02, 0.8)))
    bar.ax.tick_params(labelsize="x-small")
    panel.ax.grid(False)
    panel.ax.set_yticks([])
    panel.ax.set_ylabel("likeness\nbetween layers\n[CKA]")


PANELS: tuple[tuple[str, Callable[[_Panel], None]], ...] = (
    ("distribution", _distance),
    ("patterns", _perplexity),
    ("patterns", _hamming),
    ("nodes", _nodes),
    ("targets", _silhouette),
    ("rank", _rank),
    ("cka", _between),
    ("cka", _cka),
    ("filters", _change),
)


def _shown(inspection: Inspection) -> tuple[list[int], list[int]]:
    """Numbers of the layers that any instrument but the filters read, or of all where it read none; and the others."""
    of_outputs = [values for quantity, values in inspection.values.items() if quantity not in QUANTITIES["filters"]]
    every = range(len(inspection.layers))
    read = [i for i in every if any(values[i].isfinite() for values in of_outputs)]
    return (read, [i for i in every if i not in read]) if read else (list(every), [])


def _worth(inspection: Inspection, instrument: str, draw: Callable[[_Panel], None]) -> bool:
    """Whether a panel has something to say: what an earlier moment is needed for has not, without one."""
    if draw is _between:
        return inspection.between is not None and int(inspection.between.isfinite().any(0).sum()) > 1
    return instrument not in ("cka", "filters") or any(
        inspection.values[quantity].isfinite().any() for quantity in QUANTITIES[instrument]
    )


def _line(inspection: Inspection, unread: list[int]) -> str:
    names = [inspection.layers[i] for i in unread]
    listed = ", ".join(map(short, names[:4])) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    why = next((reason for (layer, _), reason in inspection.reasons.items() if layer == names[0]), "")
    return f"Not read: {listed}: {why}."


def _logarithmic(ax: Axes, least: float) -> None:
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter("{x:g}")
    low, high = ax.get_ylim()
    room = 1.3 if high > 4 * low else 2
    ax.set_ylim(max(low / room, least), high * room)


def _reason(inspection: Inspection, instrument: str) -> str:
    found = Counter(reason for (_, which), reason in inspection.reasons.items() if which == instrument)
    # of several, the one of most layers
    return found.most_common(1)[0][0]
