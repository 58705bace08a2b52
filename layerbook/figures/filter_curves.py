"""What the chapter on filters keeps in its report, and its figures draw: one curve a question, named axes and all."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from layerbook.analysis.depth import Stratification, stretches
from layerbook.analysis.filter_runs import READINGS, FilterRun
from layerbook.analysis.filter_seeds import PHASES
from layerbook.analysis.intervals import Interval
from layerbook.figures._drawing import draws
from layerbook.figures.filter_evolution import MEASURES
from layerbook.figures.filter_panels import WAYS
from layerbook.figures.filter_tables import KEYS
from layerbook.report import Report

CONVS = ["conv1", "conv2", "conv3", "conv4", "conv5"]
FACTORS = ["input", "error", "gradient"]


@draws
def training(report: Report, runs: Mapping[str, FilterRun], halved: Sequence[int]) -> None:
    """Losses and the six measures of change, means over stretches; after which steps the learning rate was halved."""
    for label, run in runs.items():
        report.curve(f"loss_{KEYS[label]}", run.history.loss, epoch=range(1, len(run.history.loss) + 1))
        values = np.stack([stretches(run.series(column)) for column in MEASURES])
        report.curve(f"metrics_{KEYS[label]}", values, metric=list(MEASURES), step=_steps(run), layer=CONVS)
    report.curve("halvings", halved)


@draws
def orders(report: Report, order: Mapping[str, Mapping[str, Stratification]]) -> None:
    """Rank correlations of depth and change: network -> reading -> what was found."""
    values = [[each[how] for how in READINGS] for each in order.values()]
    report.curve("order", values, run=list(order), reading=READINGS, value=["mean", "low", "high", "falling"])


@draws
def sizes(report: Report, change: Mapping[str, np.ndarray], weights: Mapping[str, Sequence[int]]) -> None:
    """Mean change of each layer, and the weights of one of its filters, shape (layers,) by network."""
    report.curve("mean_change", np.stack(list(change.values())), run=list(change), layer=CONVS)
    report.curve("weights", list(weights.values()), run=list(weights), layer=CONVS)


@draws
def gradients(report: Report, found: Mapping[str, Tensor]) -> None:
    """Sizes at every convolution before training and after it, shape (2, 3, convolutions) by network."""
    for label, each in found.items():
        layers = range(1, each.shape[-1] + 1)
        report.curve(f"gradients_{KEYS[label]}", each, state=["start", "end"], factor=FACTORS, layer=layers)


@draws
def nulls(report: Report, null: Mapping[str, Mapping[str, np.ndarray]], runs: Mapping[str, FilterRun]) -> None:
    """Nulls of Z, means over stretches: network -> threshold -> shape (snapshots, layers)."""
    for label, each in null.items():
        values = np.stack([stretches(one) for one in each.values()])
        report.curve(f"null_{KEYS[label]}", values, threshold=list(each), step=_steps(runs[label]), layer=CONVS)


@draws
def filters(report: Report, changes: Mapping[str, np.ndarray]) -> None:
    """Mean change of every filter, shape (layers, filters) by network."""
    for label, each in changes.items():
        report.curve(f"filters_{KEYS[label]}", each, layer=CONVS, filter=range(each.shape[1]))


@draws
def quarter(report: Report, costs: Mapping[str, np.ndarray]) -> None:
    """Points lost without a random quarter of a layer, shape (layers, draws, 2) by network."""
    for label, each in costs.items():
        report.curve(f"quarter_{KEYS[label]}", each, layer=CONVS, draw=range(each.shape[1]), best=["top-1", "top-5"])


@draws
def learned(report: Report, again: Mapping[str, Sequence[FilterRun]], wrong: np.ndarray, seeds: Sequence[int]) -> None:
    """After which step each training knew its pictures, its errors there, and which share of trainings got there.

    Parameters
    ----------
    wrong : test pictures named wrongly then, in percent: shape (networks, seeds)
    """
    ends = [[run.kept["step"] if run.kept else np.nan for run in each] for each in again.values()]
    report.curve("learned_at", ends, run=list(again), seed=seeds)
    report.curve("wrong_again", wrong, run=list(again), seed=seeds)
    report.number("known_again", np.isfinite(ends).mean(), ".0%")


@draws
def orders_again(report: Report, ordered: Mapping[str, Mapping[str, Mapping[str, Interval]]]) -> None:
    """The orders of several seeds: network -> reading -> phase -> mean of the seeds with its interval."""
    values = [[[how[phase] for how in each.values()] for phase in PHASES] for each in ordered.values()]
    readings = list(next(iter(ordered.values())))
    report.curve(
        "order_again", values, run=list(ordered), phase=PHASES, reading=readings, value=["mean", "low", "high"]
    )


@draws
def paces(report: Report, turned: Mapping[str, np.ndarray], again: Mapping[str, Sequence[FilterRun]]) -> None:
    """Moves in learning rates and turns in degrees, shape (2, snapshots, layers) by network, means over stretches."""
    for label, each in turned.items():
        values = np.stack([stretches(one) for one in each])
        step = _steps(again[label][0])
        report.curve(f"pace_{KEYS[label]}", values, quantity=["rates", "degrees"], step=step, layer=CONVS)


@draws
def ranks(report: Report, label: str, share: Tensor, seeds: Sequence[int]) -> None:
    """Effective ranks by channels of one network, shape (2, seeds, layers): untrained, and when it has learned."""
    layers = range(1, share.shape[-1] + 1)
    report.curve(f"rank_{KEYS[label]}", share, moment=["untrained", "has learned"], seed=seeds, layer=layers)


@draws
def costs_again(report: Report, lost: np.ndarray, seeds: Sequence[int]) -> None:
    """Points that VGG loses, shape (seeds, layers, choices), the picks first, then the draws."""
    choices = [*WAYS, *(f"random {i + 1}" for i in range(lost.shape[-1] - len(WAYS)))]
    report.curve("cost_again", lost, seed=seeds, layer=CONVS, choice=choices)


def _steps(run: FilterRun) -> np.ndarray:
    return stretches(run.steps.astype(float))
