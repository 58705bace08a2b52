"""What the chapter on four lenses keeps in its report, and its figures draw: a curve a question and network."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from layerbook.analysis import lens_tests
from layerbook.analysis.agreement import LENSES, Look, readings
from layerbook.figures._drawing import draws
from layerbook.figures.lens_tables import SHORT
from layerbook.report import Report
from layerbook.training.fit import Trained
from layerbook.verdicts import Part
from layerlib import Inspection, Split, inspect
from layerlib.models import taps

Looks = Mapping[tuple[str, str], Sequence[Sequence[Look]]]  # (data, network) -> by moment and seed
TOLD = ["targets", "permuted errors"]


@draws
def looked(report: Report, looks: Looks, data: str, seeds: Sequence[int], steps: Sequence[int]) -> tuple[dict, dict]:
    """What the lenses read, and read with other samples; of one data set, the report keeps the first.

    Parameters
    ----------
    looks : (data, network) -> by moment and seed, what `layerbook.analysis.agreement.readings` takes
    data : whose curves are kept

    Returns
    -------
    (data, network) -> shape (seeds, lenses, moments, layers); and the same behind an axis of draws
    """
    read = {key: np.stack([readings(each) for each in zip(*moments, strict=True)]) for key, moments in looks.items()}
    drawn = {
        key: np.stack([readings(each, drawn=True) for each in zip(*moments, strict=True)], 1)
        for key, moments in looks.items()
    }
    for (name, net), values in read.items():
        if name == data:
            axes = {"seed": seeds, "lens": LENSES, "step": steps, "layer": range(1, values.shape[-1] + 1)}
            report.curve(f"readings_{SHORT[net]}", values, **axes)
    return read, drawn


@draws
def told(report: Report, looks: Looks, data: str, seeds: Sequence[int], steps: Sequence[int]) -> None:
    """The silhouette of what each hidden layer is told, and that of permuted errors: what, seed, step, layer."""
    for (name, net), moments in looks.items():
        if name == data:
            each = torch.stack([torch.stack([_told(look[0]) for look in row], 1) for row in moments], 2)
            axes = {"seed": seeds, "step": steps, "layer": range(1, each.shape[-1] + 1)}
            report.curve(f"told_{SHORT[net]}", each, what=TOLD, **axes)


@draws
def by_heart(
    report: Report, lost: Mapping[tuple[str, str], Trained], test: Mapping[str, Split], data: str
) -> list[Part]:
    """What is read, by the true labels, of networks that learned drawn ones; each by its control.

    Parameters
    ----------
    lost : (data, network) -> trainings until the drawn labels were known
    test : data -> pictures with their true labels
    data : whose curves are kept

    Returns
    -------
    parts of claim 54; those of networks that do not know their labels are undecided
    """
    parts = []
    for (name, net), run in lost.items():
        looks = [
            (
                inspect(model, test[name], taps(model), read="flat", instruments="distribution"),
                inspect(model, test[name], taps(model), instruments="patterns"),
            )
            for model in run.models
        ]
        known = run.history.measured[:, -1].min().item()
        empty = "" if run.history.reached.all() else f"some know only {known:.1%} of the drawn labels"
        parts += lens_tests.by_heart(looks, f"{net}, {name}", empty)
        if name == data:
            distance = torch.stack([a.values["distance"][:-1] / a.baseline["distance"] for a, _ in looks])
            entropy = torch.stack([b.values["entropy"][:-1] / b.nulls["entropy"][:-1] for _, b in looks])
            axes = {"seed": range(len(looks)), "layer": range(1, distance.shape[-1] + 1)}
            values = torch.stack([distance.double(), entropy.double()])
            report.curve(f"by_heart_{SHORT[net]}", values, what=["distance", "entropy"], **axes)
    return parts


@draws
def obeyed(
    report: Report, found: Mapping[str, tuple[np.ndarray, Tensor]], seeds: Sequence[int], steps: Sequence[int]
) -> None:
    """How often a network follows where a layer is moved, beside what the distance, read flat, says of the layer.

    Parameters
    ----------
    found : network -> readings of hidden layers by that of the trained output, shape (seeds, moments, layers); and
        bool, shape (seeds, moments, layers, 2, samples), of `intervention.followed`
    """
    for net, (part, follows) in found.items():
        values = np.stack([part, *follows.double().mean(-1).movedim(-1, 0).numpy()])
        axes = {"seed": seeds, "step": steps, "layer": range(1, part.shape[-1] + 1)}
        report.curve(f"obeyed_{SHORT[net]}", values, what=["reading", "moved", "shuffled"], **axes)


@draws
def drawn(report: Report, looks: Looks, data: str, steps: Sequence[int]) -> None:
    """How alike what guided back-propagation draws is to what it draws in the end: cosine, mean over pictures."""
    nets = [net for name, net in looks if name == data]
    pictures = [[row[0][0].pictures.flatten(1).double() for row in looks[data, net]] for net in nets]
    alike = [[F.cosine_similarity(each, rows[-1]).mean().item() for each in rows] for rows in pictures]
    report.curve("drawn_alike", alike, network=nets, step=steps)


def _told(inspection: Inspection) -> Tensor:
    """Shape (2, hidden layers): an output layer's target is the error itself."""
    return torch.stack([part["target_silhouette"][:-1] for part in (inspection.values, inspection.nulls)])
