"""What several trainings say of filters, from several seeds: phases apart, intervals over seeds (Hu et al. 2018)."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from layerbook.analysis._shapes import shaped
from layerbook.analysis.filter_runs import READINGS, FilterRun
from layerbook.analysis.intervals import Interval, bootstrap, rank_correlation
from layerlib._checks import checked, choice, function, like, several, whole_number

PHASES = ("learning", "memorised")
RUN = like("FilterRun", "changes")
RUNS, READING = several(RUN), choice(*READINGS)


@checked(runs=RUNS, measure=function)
def over_seeds(runs: Sequence[FilterRun], measure: Callable[[FilterRun], float]) -> Interval:
    """Mean of a number of each run, with a bootstrap over the runs; NaN where a run has none."""
    values = torch.tensor([float(measure(run)) for run in runs], dtype=torch.float64)
    return Interval(*[torch.nan] * 3) if values.isnan().any() else bootstrap(values[:, None])


@shaped(change="array snapshots layers")
def order(change: np.ndarray) -> float:
    """Spearman's correlation of depth and change, averaged over snapshots.

    Parameters
    ----------
    change : shape (snapshots, layers), layers from bottom to top; -1 where it falls with depth
    """
    return rank_correlation(range(change.shape[1]), torch.tensor(change)).mean().item()


@checked(runs=RUNS, reading=READING)
def phase_orders(runs: Sequence[FilterRun], reading: str) -> dict[str, Interval]:
    """Order of change with depth in the phase of learning and in the one after it, see `order`.

    Parameters
    ----------
    reading : one of `layerbook.analysis.filter_runs.READINGS`
    """

    def within(run: FilterRun, phase: str) -> float:
        learned = len(run.learned.steps)
        change = run.learned.changes()[reading] if phase == PHASES[0] else run.changes()[reading][learned:]
        return order(change) if len(change) else np.nan  # too short a run has no such phase

    return {phase: over_seeds(runs, partial(within, phase=phase)) for phase in PHASES}


@checked(run=RUN)
def mirroring(run: FilterRun) -> float:
    """Spearman's correlation of S and Z over all layers and snapshots; 0 where one of them never changes."""
    moves, still = (run.series(f"{metric}_fixed").ravel() for metric in ("significant", "still"))
    return rank_correlation(moves.tolist(), torch.tensor(still)).item()


@checked(run=RUN, snapshots=partial(whole_number, least=0))
def resting(run: FilterRun, snapshots: int) -> float:
    """Z of the top layer with the falling threshold, averaged over so many last ``snapshots``, one at least."""
    return float(run.series("still_falling")[-max(1, snapshots) :, -1].mean())


@checked(run=RUN, reading=READING)
def spread(run: FilterRun, reading: str) -> float:
    """Variance of ln D between layers, averaged over snapshots."""
    return float(np.log(run.changes()[reading]).var(axis=1).mean())


@checked(runs=RUNS, others=RUNS, reading=READING)
def ratio(runs: Sequence[FilterRun], others: Sequence[FilterRun], reading: str) -> Interval:
    """`spread` of some runs by that of others, means over seeds."""
    groups = [torch.tensor([[spread(run, reading)] for run in each]) for each in (runs, others)]
    return bootstrap(groups, lambda one, other: one.mean(-1) / other.mean(-1))


@shaped(values="seeds samples", others="* samples")
def difference(values: Tensor, others: Tensor) -> Interval:
    """Mean of some networks less that of others on the same samples, shapes (seeds, samples)."""
    return bootstrap([values, others], lambda one, other: one.mean(-1) - other.mean(-1))


@checked(picks=whole_number)
@shaped(lost="array seeds layers choices")
def cheap_layers(lost: np.ndarray, picks: int) -> np.ndarray:
    """At how many layers the first pick costs less than the 5th percentile of random draws, for each seed.

    Parameters
    ----------
    lost : shape (seeds, layers, choices), the random draws behind so many ``picks``
    """
    return (lost[:, :, 0] < np.quantile(lost[:, :, picks:], 0.05, axis=2)).sum(1)


@shaped(gained="seeds layers")
def rises(gained: Tensor) -> Interval:
    """Spearman's correlation of depth and a number of each layer, mean over seeds.

    Parameters
    ----------
    gained : shape (seeds, layers)
    """
    return bootstrap(rank_correlation(range(gained.shape[1]), gained)[:, None])


@checked(runs=RUNS, rate=function)
def paces(runs: Sequence[FilterRun], rate: Callable[[int], float]) -> np.ndarray:
    """How far a weight moves between snapshots by the current learning rate, and by which angle filters turn.

    Parameters
    ----------
    runs : with an `layerbook.analysis.turning.TurningTracker`, of equal length
    rate : the learning rate of the step just made

    Returns
    -------
    shape (2, snapshots, layers), means over runs: root mean square of the moves, in learning rates; degrees
    """
    rates = np.array([[rate(step)] for step in runs[0].steps])
    moves = np.mean([run.series("per_weight") ** 0.5 / rates for run in runs], axis=0)
    return np.stack([moves, np.mean([run.series("angle") for run in runs], axis=0)])
