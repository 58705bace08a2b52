"""The small tables of the chapter on filters; each keeps its numbers in the report, so that the text can glue them.

What is given by network is a mapping from its label, as in `KEYS`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from layerbook.analysis.depth import Stratification
from layerbook.analysis.filter_pair import QUESTIONS
from layerbook.analysis.filter_runs import READINGS
from layerbook.analysis.intervals import Interval
from layerbook.figures._drawing import draws
from layerbook.figures.filter_evolution import NETWORKS
from layerbook.figures.filter_panels import WAYS
from layerbook.figures.tables import Table, numbers
from layerbook.report import Report

# network -> the end of its numbers' names
KEYS = {
    "VGG-16": "vgg",
    "ResNet-50": "resnet",
    "VGG-16, SGD": "vgg_sgd",
    "VGG-16, batch norm": "vgg_bn",
    "ResNet-50, SGD": "resnet_sgd",
    "ResNet-50, pre-activation": "resnet",
    "ResNet-50, 3 × 3": "resnet_post",
}
BOTH = {key: label for label, key in NETWORKS.items()}  # the paper's two, as columns
SHORT = dict(zip(("printed", "weight", "relative"), READINGS, strict=True))


@draws
def errors(report: Report, wrong: Mapping[str, float]) -> Table:
    """Shares of test pictures named wrongly, in percent."""
    return _by_network(report, "Test pictures named wrongly [%]", "wrong", wrong, ".1f")


@draws
def first_filters(report: Report, moved: Tensor) -> Table:
    """How far the filters of VGG's first layer have moved, shape (filters,), by their own length."""
    rows = {
        "moved_least": ("the one that moves least", moved.min()),
        "moved_most": ("the one that moves most", moved.max()),
    }
    return numbers(report, "How far filters of VGG's first layer have moved, by their own length", rows, form=".1%")


@draws
def orders(report: Report, order: Mapping[str, Mapping[str, Stratification]]) -> Table:
    """Rank correlations of depth and change: network -> reading -> what was found."""
    rows = {KEYS[label]: (label, *(each[how].mean for how in READINGS)) for label, each in order.items()}
    caption = "Rank correlation of depth and change, mean of the snapshots"
    return numbers(report, caption, rows, SHORT, "+.2f", named="order_{row}_{column}")


@draws
def slopes(report: Report, slope: Mapping[str, float]) -> Table:
    """Slopes of change over the number of weights."""
    return _by_network(
        report, "Slope of the mean change over the number of weights, both as logarithms", "slope", slope
    )


@draws
def gradients(report: Report, correlations: Mapping[str, Mapping[str, Sequence[float]]]) -> Table:
    """Rank correlations with depth: key of the network -> factor -> before training and after it."""
    factors = next(iter(correlations.values()))
    rows = {factor: (factor, *(correlations[key][factor][1] for key in BOTH)) for factor in factors}
    return numbers(report, "Rank correlation with the number of the layer, after training", rows, BOTH, "+.2f")


@draws
def variances(report: Report, ratios: Mapping[str, float]) -> Table:
    """Variance between ResNet's layers by VGG's: reading -> ratio."""
    rows = {f"variance_{how.split()[-1]}": (how, ratio) for how, ratio in ratios.items()}
    return numbers(report, "Variance between ResNet's layers, times VGG's", rows)


@draws
def moving(
    report: Report, most: float, mirrored: Mapping[str, float], still: float, rise: Mapping[str, float]
) -> Table:
    """Who moves, and who is still.

    Parameters
    ----------
    most : largest S of all
    mirrored : correlation of S and Z, by network
    still : mean Z of VGG's top layer
    rise : threshold -> correlation of step and ResNet's Z
    """
    rows = {
        "most_moving": ("largest S of all", most),
        **{f"mirrored_{KEYS[label]}": (f"correlation of S and Z, {label}", each) for label, each in mirrored.items()},
        "top_still": ("mean Z of VGG's conv5", still),
        **{f"rise_{kind}": (f"correlation of step and ResNet's Z, {kind} threshold", rise[kind]) for kind in rise},
    }
    return numbers(report, "Who moves, and who is still", rows)


@draws
def excess(report: Report, found: Sequence[np.ndarray]) -> Table:
    """Z less its null of the paper's two networks, shape (snapshots, layers) each."""
    rows = {
        "excess": ("mean of the layers", *(each.mean() for each in found)),
        "excess_top": ("conv5", *(each[:, -1].mean() for each in found)),
    }
    return numbers(report, "By how much Z exceeds its null, fixed threshold", rows, BOTH, "+.3f")


@draws
def idle(report: Report, top: float, largest: float) -> Table:
    """Shares of idle filters: of VGG's top layer, and of the layer of ResNet with most."""
    rows = {"idle_vgg": ("VGG's conv5", top), "idle_resnet": ("a layer of ResNet, at most", largest)}
    return numbers(report, "Share of idle filters", rows, form=".1%")


@draws
def lost(report: Report, costs: Mapping[str, np.ndarray]) -> Table:
    """Points lost without filters, by network: shape (layers, choices, 2), the picks first, then the draws.

    What filters of highest Z cost VGG beyond random ones is kept, too, as ``beyond_random``.
    """
    top1 = [costs[label][:, :, 0] for label in NETWORKS]
    said = ("of highest Z", "of least D", "of smallest weights")
    rows = {
        way: (what, *(each[:, i].mean() for each in top1)) for i, (way, what) in enumerate(zip(WAYS, said, strict=True))
    }
    rows["random"] = ("at random", *(each[:, len(WAYS) :].mean() for each in top1))
    caption = "Points lost without filters, mean of the five layers"
    table = numbers(report, caption, rows, BOTH, ".1f", named="lost_{column}_{row}")
    report.number("beyond_random", report.numbers["lost_vgg_Z"] - report.numbers["lost_vgg_random"], "+.1f")
    return table


@draws
def first_layer(report: Report, cosine: Mapping[str, Tensor], moves: Sequence[tuple[float, float]]) -> Table:
    """What the first layer has become, of the paper's two networks.

    Parameters
    ----------
    cosine : of its features before and after, shape (N,)
    moves : how far its weights have moved, and by how much its answer to a grey picture has changed
    """
    rows = {
        "cosine": ("cosine of the features", *(cosine[label].mean() for label in NETWORKS)),
        "first_moved": ("weights moved, by their own length", *(moved for moved, _ in moves)),
        "grey": ("answer to plain grey changed, by its own size", *(grey for _, grey in moves)),
    }
    form = {"cosine": ".3f", "first_moved": ".0%", "grey": ".0%"}
    return numbers(report, "The first layer, before training and at the end", rows, BOTH, form)


@draws
def orders_again(report: Report, ordered: Mapping[str, Mapping[str, Mapping[str, Interval]]]) -> Table:
    """Rank correlations of depth and change while VGG learns: network -> reading -> phase -> mean of the seeds."""
    rows = {
        KEYS[label]: (label, *(ordered[label][how]["learning"].value for how in READINGS[:2]))
        for label in ("VGG-16", "VGG-16, SGD")
    }
    caption = "Rank correlation of depth and change while learning, mean of the seeds"
    readings = {short: SHORT[short] for short in ("printed", "weight")}
    return numbers(report, caption, rows, readings, "+.2f", named="again_{row}_{column}")


@draws
def paces(report: Report, turned: Mapping[str, np.ndarray], layers: Sequence[str]) -> Table:
    """How far weights move and filters turn at the first and the last layer, (2, snapshots, layers) by network."""
    units = {"pace": "learning rates", "angle": "degrees"}
    rows = {
        f"{what}_{KEYS[label]}": (f"{label}, {units[what]}", *(values[:, layer].mean() for layer in (0, -1)))
        for i, what in enumerate(units)
        for label, values in ((label, each[i]) for label, each in turned.items())
    }
    return numbers(report, "In ten steps, mean over the training", rows, {layers[0]: layers[0], layers[-1]: layers[-1]})


@draws
def learning(report: Report, most: float, rest: Interval, ratios: Mapping[tuple[str, str], Interval]) -> Table:
    """The largest S, Z of ResNet's top layer at the end, and variances between layers by (network, reading)."""
    rows = {
        "most_moving_again": ("largest S of all", most),
        "rest": ("ResNet's conv5: Z in the last epoch", rest.value),
    }
    for (label, how), each in ratios.items():
        name = f"ratio_{KEYS[label]}_{how.split()[-1]}"
        rows[name] = (f"variance between layers, times VGG's: {label}, {how}", each.value)
    return numbers(report, "While the networks learn", rows)


@draws
def ranks(report: Report, rising: Mapping[str, Interval]) -> Table:
    """Rank correlations of depth and gain of effective rank."""
    values = {label: each.value for label, each in rising.items()}
    return _by_network(report, "Rank correlation of depth and gain", "rank_rise", values, "+.2f")


@draws
def kept(report: Report, alike: Mapping[str, Tensor]) -> Table:
    """Cosines of first-layer features before and after learning, shape (seeds, N)."""
    values = {label: each.mean() for label, each in alike.items()}
    return _by_network(report, "Cosine of first-layer features before and after learning", "alike", values, ".3f")


@draws
def lost_again(report: Report, costs: np.ndarray) -> Table:
    """Points that VGG loses, shape (seeds, layers, choices), the picks first, then the draws."""
    rows = {
        "again_lost_Z": ("of highest Z", costs[:, :, 0].mean()),
        "again_lost_random": ("at random", costs[:, :, len(WAYS) :].mean()),
    }
    return numbers(report, "Points that VGG loses without filters, mean of layers and seeds", rows, form=".1f")


@draws
def pairs(report: Report, found: Mapping[str, Mapping[str, float]], heads: Mapping[str, str]) -> Table:
    """What two pairs of VGG and ResNet answer to the first round's tests.

    Parameters
    ----------
    found : short name of a pair -> name of `layerbook.analysis.filter_pair.QUESTIONS` -> number
    heads : short name of a pair -> what it is
    """
    rows = {name: (what, *(each[name] for each in found.values())) for name, (what, _) in QUESTIONS.items()}
    forms = {name: form for name, (_, form) in QUESTIONS.items()}
    caption = "The first round's questions, put to two pairs"
    return numbers(report, caption, rows, heads, forms, named="pair_{row}_{column}")


def _by_network(report: Report, caption: str, name: str, values: Mapping[str, float], form: str = ".2f") -> Table:
    rows = {f"{name}_{KEYS[label]}": (label, value) for label, value in values.items()}
    return numbers(report, caption, rows, form=form)
