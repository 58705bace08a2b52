"""The small tables of the four lenses, a column a network; each keeps its numbers in the report for the text."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from layerbook.analysis.agreement import LENSES, order, usual_step
from layerbook.figures._drawing import draws
from layerbook.figures.tables import Table, numbers
from layerbook.report import Report
from layerlib import Inspection

# network -> the end of its numbers' names
SHORT = {"MLP": "mlp", "plain CNN": "plain", "residual CNN": "residual", "ViT": "vit"}
NETWORKS = {short: net for net, short in SHORT.items()}


@draws
def errors(report: Report, wrong: Mapping[str, Sequence[float]]) -> Table:
    """Test pictures named wrongly in percent, of every seed, by network."""
    rows = {"wrong": ("named wrongly [%]", *(np.mean(wrong[net]) for net in SHORT))}
    return _numbers(report, "Test pictures", rows, NETWORKS, ".1f")


@draws
def read_outs(report: Report, when: Mapping[str, np.ndarray], orders: Mapping[tuple[str, str], float]) -> Table:
    """Which layers pass the mark before training, read flat; and in which order they pass it.

    Parameters
    ----------
    when : of `layerbook.analysis.agreement.made_up`, by network
    orders : (network, read-out) -> rank correlation of layer and step; of the convolutional networks
    """
    flat = [when[net][:, LENSES.index("flat")] == 0 for net in SHORT]
    rows = {"ready": ("layers ready before training, flat [%]", *(100 * each.mean() for each in flat))}
    for lens in ("means", "flat"):
        values = [orders.get((net, lens), np.nan) for net in SHORT]
        rows[f"order_{lens}"] = (f"rank correlation of layer and step, {lens}", *values)
    return _numbers(report, "The same networks, by read-out", rows, NETWORKS, {"ready": ".0f"})


@draws
def outputs(report: Report, when: Mapping[str, np.ndarray], last: float) -> Table:
    """From which step on the output layer passes the mark, by distance and nodes; ``when`` as of `read_outs`."""
    steps = [usual_step(when[net], last)[:, -1] for net in SHORT]
    rows = {
        f"out_{lens}": (said, *(each[LENSES.index(lens)] for each in steps))
        for lens, said in (("flat", "distance, flat"), ("nodes", "nodes"))
    }
    return _numbers(report, "Step from which on the output layer has made up its mind", rows, NETWORKS, ".0f")


@draws
def marks(report: Report, when: Mapping[str, np.ndarray], own: Mapping[str, np.ndarray]) -> Table:
    """In which order layers pass the mark of the network's end, and of their own; both as ``when`` of `read_outs`.

    By the network's end, hidden layers also alone: nothing where all of them are tied.
    """
    ends = {
        "network": ("by the network's end", when, slice(None)),
        "hidden": ("by the network's end, hidden layers alone", when, slice(-1)),
        "own": ("by the layer's own end", own, slice(None)),
    }
    rows = {}
    for lens in ("means", "flat", "nodes"):
        for end, (said, times, layers) in ends.items():
            tied = np.nan if end == "hidden" else 0.0
            values = (_order(times[net][:, LENSES.index(lens), layers], tied) for net in SHORT)
            rows[f"order_{end}_{lens}"] = (f"{lens}, {said}", *values)
    return _numbers(report, "Rank correlation of layer and step", rows, NETWORKS)


@draws
def pixels(report: Report, bare: Inspection, looks: Mapping[str, Sequence]) -> Table:
    """How many pictures a ridge regression names rightly in percent: of the bare pixels, and of hidden layers.

    Parameters
    ----------
    bare : of the pixels, read flat
    looks : network -> by moment and seed, inspections of which the last is read flat, the output last
    """

    def named(moment: Sequence) -> float:
        return 100 * np.mean([look[-1].values["probe_accuracy"][:-1].double().mean() for look in moment])

    of_pixels = 100 * bare.values["probe_accuracy"].double().mean()
    rows = {
        "ridge_pixels": ("bare pixels", *[of_pixels] * len(SHORT)),
        "ridge_start": ("hidden layers before training, mean", *(named(looks[net][0]) for net in SHORT)),
        "ridge_end": ("hidden layers at the end, mean", *(named(looks[net][-1]) for net in SHORT)),
    }
    return _numbers(report, "Pictures that a ridge regression names rightly [%]", rows, NETWORKS, ".0f")


@draws
def told(report: Report, excess: Mapping[str, np.ndarray]) -> Table:
    """What hidden layers are told beyond permuted errors, before training and at the end.

    Parameters
    ----------
    excess : readings of the targets, shape (seeds, moments, layers), the output last, by network
    """
    rows = {
        f"told_beyond_{moment}": (said, *(excess[net][:, i, :-1].mean() for net in SHORT))
        for moment, said, i in (("start", "before training", 0), ("end", "at the end", -1))
    }
    return _numbers(report, "Silhouette of targets beyond permuted errors, mean of the hidden layers", rows, NETWORKS)


@draws
def obeyed(report: Report, follows: Mapping[str, Tensor]) -> Table:
    """How many pictures follow in percent, by network: bool, shape (seeds, moments, layers, 2, samples)."""
    rows = {
        name: (said, *(100 * follows[net][:, step, :, kind].double().mean() for net in SHORT))
        for name, said, step, kind in (
            ("start", "before training", 0, 0),
            ("end", "at the end", -1, 0),
            ("shuffled", "at the end, between shuffled classes", -1, 1),
        )
    }
    return _numbers(report, "Pictures that follow [%], mean over hidden layers", rows, NETWORKS, ".0f")


@draws
def agreed(report: Report, agreement: Mapping[str, Mapping[str, np.ndarray]]) -> Table:
    """Rank correlations of the distance, read flat, with other lenses: of `layerbook.analysis.agreement.agreement`."""
    said = {"rest": "beyond what layers and steps add", "steps": "over the steps"}
    rows = {}
    for way, lens in (("rest", "nodes"), ("rest", "patterns"), ("rest", "targets"), ("steps", "filters")):
        found = [agreement[net][way][:, LENSES.index("flat"), LENSES.index(lens)] for net in SHORT]
        # a lens that reads the same everywhere has no order
        values = [each.mean() if np.isfinite(each).all() else 0 for each in found]
        rows[f"{way}_{lens}"] = (f"{lens}, {said[way]}", *values)
    return _numbers(report, "Rank correlation with the distance, read flat", rows, NETWORKS)


def _numbers(report: Report, caption: str, rows: Mapping, columns: Mapping, form: str | Mapping = ".2f") -> Table:
    # A record of the first edition has numbers of these names, by other read-outs, and no such curve.
    second = report.recorded_curve("readings_mlp") is not None
    return numbers(report, caption, rows, columns, form, beside=second)


def _order(times: np.ndarray, tied: float) -> float:
    """Mean over seeds of the order of layers, ``tied`` where none of them has any."""
    found = order(times)
    return float(np.nanmean(found)) if np.isfinite(found).any() else tied
