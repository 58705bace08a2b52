"""The figures of the second round on filters: several seeds, controls, and learning apart from memory."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullLocator

from layerbook.figures._drawing import REPORT, closed_on_error
from layerbook.figures.common import CONTROL_COLOUR, KIND_COLOURS
from layerbook.figures.filter_panels import WAYS, columns, orders, outer_legend, over_steps, zeroing_costs
from layerbook.report import Report
from layerlib._checks import checked

CONTROLLED = {"VGG-16, batch norm": "vgg_bn", "ResNet-50, pre-activation": "resnet"}
READ = {"VGG-16": "vgg", "ResNet-50, pre-activation": "resnet"}


@checked(report=REPORT)
@closed_on_error
def seed_orders(report: Report) -> Figure:
    """Rank correlation of depth and change, means over seeds, in the phase of learning and in the one after it."""
    sides = report.sides("order_again")
    known = [each.dropna("phase", how="all").phase.values for each in sides.values()]
    phases = max(known, key=len)  # without one that no training has got to
    size = (2.5 + 3.5 * len(phases), 0.8 + 2.6 * len(sides))
    figure, axes = plt.subplots(len(sides), len(phases), figsize=size, squeeze=False)
    for row, (side, curve) in zip(axes, sides.items(), strict=True):
        for ax, phase in zip(row, phases, strict=True):
            runs = {run.run.item(): {how.reading.item(): how for how in run} for run in curve.sel(phase=phase)}
            orders(runs, ax)
            ax.set_title(f"{phase} · {side}")
            ax.label_outer()
    outer_legend(axes[:1, -1])
    return figure


@checked(report=REPORT)
@closed_on_error
def paces(report: Report) -> Figure:
    """Moves in learning rates and turns in degrees over training, of two networks with batch norm."""
    shown = [(label, side, curve) for side in report.sides("pace_vgg_bn") for label, key in CONTROLLED.items()
             for curve in [report.sides(f"pace_{key}")[side]]]  # fmt: skip
    axes = columns(len(shown), rows=2)
    for column, (label, side, curve) in zip(axes, shown, strict=True):
        column[0].set_title(f"{label} · {side}")
        learned = report.sides("learned_at")[side].sel(run=label).values
        for ax, values in zip(column, curve, strict=True):
            over_steps(curve.step.values, values, curve.layer.values, ax, learned[np.isfinite(learned)])
            ax.set_yscale("log")
            ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ax.yaxis.set_major_formatter(FormatStrFormatter("%g"))
            ax.yaxis.set_minor_locator(NullLocator())
    for column in axes[::2]:
        for ax, what in zip(column, ("move of a weight\n[learning rates]", "turn of a filter\n[degrees]"), strict=True):
            ax.set_ylabel(what)
    outer_legend(axes[1::2, 0])
    return axes[0, 0].figure.figure


@checked(report=REPORT)
@closed_on_error
def ranks(report: Report) -> Figure:
    """Effective rank of each convolution by its channels, before training and when the network has learned."""
    shown = [(f"{label} · {side}", report.sides(f"rank_{key}")[side]) for side in report.sides("rank_vgg")
             for label, key in READ.items()]  # fmt: skip
    axes = columns(len(shown), height=2.6)[:, 0]
    for ax, (title, curve) in zip(axes, shown, strict=True):
        for each, colour in zip(
            curve.transpose("moment", "seed", "layer"), (CONTROL_COLOUR, KIND_COLOURS[0]), strict=True
        ):
            ax.plot(curve.layer.values, each.values.T, color=colour, linewidth=0.7, alpha=0.5)
            ax.plot(curve.layer.values, each.mean("seed"), color=colour, marker=".", label=each.moment.item())
        ax.set(title=title, xlabel="3 × 3 convolution", ylim=(0, 1.03))
    for ax in axes[::2]:
        ax.set_ylabel("effective rank / channels")
    outer_legend(axes[1::2])
    return axes[0].figure.figure


@checked(report=REPORT)
@closed_on_error
def zeroing_again(report: Report) -> Figure:
    """Accuracy lost by VGG without some filters of each layer, a panel a seed."""
    sides = report.sides("cost_again")
    across = max(curve.sizes["seed"] for curve in sides.values())
    figure, axes = plt.subplots(len(sides), across, figsize=(3.6 * across + 1, 0.4 + 3 * len(sides)), squeeze=False)
    for row, (side, curve) in zip(axes, sides.items(), strict=True):
        for ax in row[curve.sizes["seed"] :]:
            ax.remove()
        for ax, each in zip(row, curve, strict=False):
            values = each.values
            zeroing_costs(values[:, len(WAYS) :], dict(zip(WAYS, values.T, strict=False)), curve.layer.values, ax)
            ax.set_title(f"seed {each.seed.item()} · {side}", fontsize="small")
        row[0].set_ylabel("accuracy lost [points]")
    axes[0, len(axes[0]) - 1 if len(sides) == 1 else 0].legend(fontsize="x-small")
    return figure
