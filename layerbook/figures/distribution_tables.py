"""The small tables of the chapter on layer distributions; each keeps its numbers in the report for the text.

What is given by network is a mapping from its name in `NETWORKS`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from layerbook.figures._drawing import draws
from layerbook.figures.layer_distributions import NETWORKS, UNIFORM
from layerbook.figures.tables import Table, numbers
from layerbook.report import Report
from layerbook.verdicts import Part
from layerlib.distributions.samples import KINDS

COLUMNS = {key: name for name, key in NETWORKS.items()}


@draws
def networks(report: Report, found: Mapping[str, Sequence[Mapping[str, float]]]) -> Table:
    """How the networks answer test pictures: the scores of each trial, by network."""
    columns = {"accuracy": "exact match", "map": "mAP"}
    rows = {
        key: (name, *(100 * np.mean([each[score] for each in found[name]]) for score in columns))
        for name, key in NETWORKS.items()
    }
    return numbers(report, "The networks on the test pictures [%]", rows, columns, ".1f")


@draws
def ends(
    report: Report,
    orders: Mapping[str, Mapping[str, float]],
    near: Mapping[str, Tensor],
    floor: Tensor,
) -> Table:
    """The order of the taps by the cost with meaning, and the distance of the first.

    Parameters
    ----------
    orders : by network, of `layerbook.analysis.label_distances.orders`
    near : by network, mean distance, shape (taps,)
    floor : of the label frequencies
    """
    rows = {
        "order": (
            "order by the cost with meaning, Kendall",
            *(orders[name].get("W, meaning", np.nan) for name in NETWORKS),
        ),
        "shallow": ("first tap: below the baseline by [%]", *(100 * (1 - near[name][0] / floor) for name in NETWORKS)),
    }
    return numbers(report, "The order of the taps, and the first of them", rows, COLUMNS, {"shallow": ".1f"})


@draws
def falls(report: Report, fall: Mapping[str, Sequence[Part]]) -> Table:
    """By how much the distance falls before training and after it, by network: the parts of claim 28c."""
    rows = {
        f"fall_{when}": (said, *(100 * fall[name][i].value for name in NETWORKS))
        for i, (when, said) in enumerate((("before", "before training"), ("after", "trained")))
    }
    return numbers(report, "By how much the last tap is nearer to the labels than the first [%]", rows, COLUMNS, ".1f")


@draws
def roughness(report: Report, found: Mapping[str, Tensor]) -> Table:
    """Roughness of the courses of two taps, by network: shape (trials, 2)."""
    means = [found[name].nan_to_num().mean(0) for name in NETWORKS]
    rows = {
        f"roughness_{which}": (tap, *(each[i] for each in means))
        for i, (which, tap) in enumerate((("first", "tap 1"), ("last", "last inner tap")))
    }
    return numbers(report, "Roughness of the distance", rows, COLUMNS, ".4f")


@draws
def steadied(
    report: Report, first: Mapping[str, Tensor], courses: Mapping[str, Sequence[Tensor]], moves: Mapping[str, Tensor]
) -> Table:
    """Where an inner tap ends, and how much it moved on its way, by kind of run.

    Parameters
    ----------
    first : W of the first round, shape (trials, looks, outputs), the tap first
    courses : W of tap 4 in the second round, (looks,) for each trial
    moves : standard deviation of the changes of those, shape (trials,)
    """
    rows = {
        "steady": ("first round, tap 1: at the end", *(each[:, -1, 0].mean() for each in first.values())),
        "settled": ("second round, tap 4: at the end", *(np.mean([w[-1].item() for w in courses[k]]) for k in first)),
        "moves": ("second round, tap 4: SD of its changes", *(np.mean(moves[kind].tolist()) for kind in first)),
    }
    form = {"steady": ".3f", "settled": ".3f", "moves": ".4f"}
    kinds = {kind.replace(" ", "_"): kind for kind in first}
    return numbers(report, f"Distance to the target ({UNIFORM}), mean of the trials", rows, kinds, form)


@draws
def ideal(report: Report, shares: Mapping[str, Tensor]) -> Table:
    """Exact match of the network and of whoever knew where to stop, by network: `confused_shares` of each trial."""
    rows = {
        "last": ("of the network", *(100 * shares[name][:, -1].mean() for name in NETWORKS)),
        "ideal": ("of whoever knew where to stop", *(100 * shares[name].sum(1).mean() for name in NETWORKS)),
    }
    return numbers(report, "Exact match [%]", rows, COLUMNS, ".1f")


@draws
def over_best(
    report: Report, gone: Mapping[str, Tensor], gains: Mapping[str, Sequence[Part]], metrics: Sequence[str]
) -> Table:
    """What early exit gains over the best fixed tap, and how many leave before it.

    Parameters
    ----------
    gone : by network, whether a sample leaves before, bool, shape (trials, M)
    gains : by network, the parts of claim 34d, one of ``metrics`` each
    """
    rows = {"gone": ("leave before it [%]", *(100 * gone[name].double().mean() for name in NETWORKS))}
    for i, metric in enumerate(metrics):
        values = [gains[name][i].value for name in NETWORKS]
        rows[f"over_best_{metric}".lower()] = (f"gain in {metric} [points]", *values)
    form = {row: ".1f" if row == "gone" else "+.2f" for row in rows}
    return numbers(report, "Early exit against the best fixed tap", rows, COLUMNS, form)


@draws
def kinds(report: Report, shares: Sequence[Tensor], right: Sequence[Tensor]) -> Table:
    """How many samples are of each kind, and how many of them are answered rightly.

    Parameters
    ----------
    shares, right : in [0, 1], (kinds,) of each network; NaN for a kind without samples
    """
    columns, values = {}, []
    for (name, key), share, correct in zip(NETWORKS.items(), shares, right, strict=True):
        columns |= {f"share_{key}": f"{name}: of all", f"right_{key}": "exactly right"}
        values += [100 * share, 100 * correct]
    rows = {kind: (kind, *(each[i] for each in values)) for i, kind in enumerate(KINDS)}
    return numbers(report, "Kinds of samples [%]", rows, columns, ".1f", "{column}_{row}")


@draws
def leaving(report: Report, shares: Mapping[str, Tensor], ways: Sequence[str]) -> Table:
    """How many samples leave before the last tap, by network: `leaving_shares` of each, shape (trials, ways, taps)."""
    early = {name: 100 * (1 - each[..., -1].mean(0)) for name, each in shares.items()}
    rows = {
        "early" if way == "held out" else f"early_{way.replace(' ', '_').replace(chr(39), '')}": (
            way,
            *(early[name][i] for name in NETWORKS),
        )
        for i, way in enumerate(ways)
    }
    return numbers(report, "How many leave early [%]", rows, COLUMNS, ".1f")
