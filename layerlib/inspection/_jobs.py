"""What instruments do with each layer: one after the other, or in step where a device would be asked by each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

from layerlib._asking import Asking, in_step
from layerlib._threads import one_thread
from layerlib.inspection import _lenses as lenses
from layerlib.inspection._alike import rank
from layerlib.inspection._lenses import SEPARATED
from layerlib.inspection._narrow import narrowed
from layerlib.inspection._reading import Readings
from layerlib.inspection._sheet import Sheet, only

if TYPE_CHECKING:
    from layerlib.inspection._study import Study

MULTI_HOT = "labels are multi-hot, where it needs class numbers"


class Job(NamedTuple):
    """What one instrument does with one layer.

    Attributes
    ----------
    z : what the layer puts out, shape (N, features)
    asking : writes down what is found
    numbers : how many an operation is on, for ``one_thread``
    """

    z: Tensor
    asking: Asking[None]
    numbers: float = math.inf

    def bytes(self, classes: int) -> int:
        """About what it holds while it waits: rows in float64, or histograms of 512 bins and the table of these."""
        return 16 * self.z.shape[1] * max(min(len(self.z), SEPARATED), 512 * classes)


def run(jobs: Iterable[Job], classes: int, memory: float) -> None:
    """Each to its end: as many in step as fill the ``memory``, or one by one where there is none."""
    several, held = [], 0
    for job in jobs:
        several.append(job)
        held += job.bytes(classes)
        if held > memory:
            _in_step(several)
            several, held = [], 0
    _in_step(several)


def _in_step(jobs: list[Job]) -> None:
    with one_thread(max((job.numbers for job in jobs), default=0)):
        in_step(job.asking for job in jobs)


def by_class(study: Study, sheet: Sheet, layer: str, first: Readings | None, second: Readings) -> Iterator[Job]:
    """Patterns and nodes, which need class numbers as labels."""
    if not study.by_class:
        sheet.refuse(layer, ("patterns", "nodes", "targets"), MULTI_HOT)
        return
    z, peaks = second.outputs[layer], second.peaks[layer]
    both = {
        "patterns": [
            lambda truth=truth: lenses.patterns(peaks, truth, study.classes, z, study.resampling)
            for truth in (study.truth, study.mixed[1])
        ],
        "nodes": [
            lambda labels=labels: lenses.nodes(
                first.peaks[layer], labels, peaks, study.truth, study.classes, study.resampling, study.memory / 4
            )
            for labels in (study.labels, study.mixed[0])
        ],
    }
    for instrument, measures in both.items():
        if instrument in study.asked:
            for asking in sheet.measures(layer, instrument, *measures):
                yield Job(z, asking, numbers=0)  # few: blocks of nodes that stay in the cache


def by_sample(
    study: Study, sheet: Sheet, layer: str, z: Tensor, dealt: Tensor | None, second: Readings, carried: Tensor | None
) -> Iterator[Job]:
    """Targets, with the labels of the errors ``carried`` back; and the rank, where readings are ``dealt`` anew."""
    if "targets" in study.asked and study.by_class:
        yield Job(z, _targets(study, sheet, layer, z, second, carried), numbers=z.numel())
    if dealt is not None:
        both = (lambda rows=rows: only("effective_rank", rank(rows, study.few)) for rows in (study.some(z), dealt))
        yield Job(z, sheet.measure(layer, "rank", *both))


def _targets(
    study: Study, sheet: Sheet, layer: str, z: Tensor, second: Readings, carried: Tensor | None
) -> Asking[None]:
    features = (
        lambda truth=truth: lenses.separated(study.some(z), truth, "feature", study.few) for truth in study.told
    )
    yield from sheet.measure(layer, "targets", *features)
    if second.untold is not None or layer not in second.targets:
        sheet.refuse(layer, ("targets",), second.untold or "the loss does not reach it by back-propagation")
        return
    told, others = second.targets[layer], second.others.get(layer)
    targets = (
        lambda z=z, labels=labels: lenses.separated(study.some(short(study, z)), labels, "target", study.few)
        for z, labels in ((told, study.told[0]), (others, carried))
        if z is not None
    )
    yield from sheet.measure(layer, "targets", *targets)


def short(study: Study, rows: Tensor) -> Tensor:
    """Readings that, read flat, are no more numbers than samples, with the same inner products."""
    return narrowed(rows) if study.pooling.read == "flat" else rows
