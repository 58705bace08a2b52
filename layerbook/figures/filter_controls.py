"""The figures of the second round on filters: several seeds, controls, and learning apart from memory."""

import numpy as np
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullLocator
from xarray import DataArray

from layerbook.figures._drawing import draws
from layerbook.figures.common import CONTROL_COLOUR, KIND_COLOURS
from layerbook.figures.filter_panels import WAYS, orders, over_steps, zeroing_costs
from layerbook.figures.sides import by_side, legend_below, pairs, panels
from layerbook.report import Report

PACED = {"VGG-16": "vgg", "VGG-16, batch norm": "vgg_bn", "ResNet-50, pre-activation": "resnet"}
READ = {"VGG-16": "vgg", "ResNet-50, pre-activation": "resnet"}
QUANTITIES = {"rates": "move of a weight [learning rates]", "degrees": "turn of a filter [degrees]"}


@draws
def seed_orders(report: Report) -> HTML:
    """Rank correlation of depth and change, means over seeds, in the phase of learning and in the one after it."""

    def draw(curve: DataArray, _: str) -> Figure:
        phases = curve.dropna("phase", how="all").phase.values  # without one that no training has got to
        figure, axes = panels(len(phases), 3.2, sharey=True)
        for ax, phase in zip(axes, phases, strict=True):
            runs = {run.run.item(): {how.reading.item(): how for how in run} for run in curve.sel(phase=phase)}
            orders(runs, ax)
            ax.set_title(phase)
            ax.label_outer()
        legend_below(figure, axes[0])
        return figure

    alt = "Rank correlations of depth and change with intervals over seeds, while networks learn and after"
    return by_side(report, "order_again", draw, alt)


@draws
def paces(report: Report) -> HTML:
    """Moves in learning rates and turns in degrees over training, a panel a network."""

    def draw(curve: DataArray, ax: Axes, side: str, quantity: str) -> None:
        learned = report.sides("learned_at")[side].sel(run=curve.network.item()).values
        known = learned[np.isfinite(learned)]
        over_steps(curve.step.values, curve.sel(quantity=quantity).values, curve.layer.values, ax, known)
        ax.set(yscale="log", ylabel=QUANTITIES[quantity].replace(" [", "\n["))
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(FormatStrFormatter("%g"))
        ax.yaxis.set_minor_locator(NullLocator())

    alt = "How far weights move, in learning rates, and how far filters turn, in degrees, for five layers over training"
    return pairs(report, "pace", draw, alt, PACED, "quantity", QUANTITIES, 0, {}, ["learned_at"], sharey=True)


@draws
def ranks(report: Report) -> HTML:
    """Effective rank of each convolution by its channels, before training and when the network has learned."""

    def draw(curve: DataArray, ax: Axes, _: str) -> None:
        for each, colour in zip(
            curve.transpose("moment", "seed", "layer"), (CONTROL_COLOUR, KIND_COLOURS[0]), strict=True
        ):
            ax.plot(curve.layer.values, each.values.T, color=colour, linewidth=0.7, alpha=0.5)
            ax.plot(curve.layer.values, each.mean("seed"), color=colour, marker=".", label=each.moment.item())
        ax.set(xlabel="3 × 3 convolution", ylabel="effective rank / channels", ylim=(0, 1.03))

    alt = "Effective rank by the number of channels against depth, before training and when the network has learned"
    return pairs(report, "rank", draw, alt, READ, below={}, sharey=True)


@draws
def zeroing_again(report: Report) -> HTML:
    """Accuracy lost by VGG without some filters of each layer, a panel a seed."""

    def draw(curve: DataArray, _: str) -> Figure:
        figure, axes = panels(curve.sizes["seed"], 3.2, sharey=True)
        for ax, each in zip(axes, curve, strict=True):
            values = each.values
            zeroing_costs(values[:, len(WAYS) :], dict(zip(WAYS, values.T, strict=False)), each.layer.values, ax)
            ax.set_title(f"seed {each.seed.item()}")
            ax.tick_params("x", labelrotation=45)
        axes[0].set_ylabel("accuracy lost [points]")
        legend_below(figure, axes[0])
        return figure

    alt = "Accuracy lost by layer for random and picked filters of VGG-16, a panel a seed"
    return by_side(report, "cost_again", draw, alt)
