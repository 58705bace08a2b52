"""Tests of what Davel et al. (2020) say of their three node systems: claims 7 to 14 of the registration.

Everywhere the three systems are the discrete, the continuous and the combined one, in this order, and accuracies are
those of each system of each network at each layer, shape (..., 3, seeds, layers).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from scipy.stats import binomtest
from torch import Tensor

from layerbook.analysis._shapes import shaped
from layerbook.analysis.intervals import bootstrap, rank_correlation, trend
from layerbook.verdicts import Part, above, below, shown, within
from layerlib._checks import checked, mapping, several_names, share, text, whole_numbers

SYSTEMS = ("discrete", "continuous", "combined")
DISCRETE, CONTINUOUS, COMBINED = range(3)


def _two_names(argument: str, value: object) -> dict[str, str]:
    given = mapping("easy", "hard")(argument, value)
    return {key: text(argument, each) for key, each in given.items()}


@shaped(late="... 3 layers", network="...")
def gap_and_lead(late: Tensor, network: Tensor) -> Tensor:
    """Largest distance between the systems, and their least lead over the network, in points.

    Parameters
    ----------
    late : accuracies, mean over seeds, shape (..., 3, layers)
    network : accuracy of the network itself, shape (...)

    Returns
    -------
    shape (..., 2)
    """
    if network.shape != late.shape[:-2]:
        raise ValueError(f"network: expected shape {tuple(late.shape[:-2])}, as late, got {tuple(network.shape)}")
    gap = (late.amax(-2) - late.amin(-2)).amax(-1)
    return 100 * torch.stack([gap, late.flatten(-2).amin(-1) - network], -1)


@checked(network=share, of=text)
@shaped(accuracy="3 seeds layers")
def together(accuracy: Tensor, network: float, of: str = "") -> tuple[Part, Part]:
    """Claim 7: in the last two layers the systems are one, and as good as the network.

    Parameters
    ----------
    accuracy : shape (3, seeds, layers)
    network : accuracy of the networks themselves, mean over seeds
    of : which networks, in words
    """
    gap, lead = gap_and_lead(accuracy.mean(1)[:, -2:], torch.tensor(network, dtype=torch.float64)).tolist()
    return _together(of, (gap, None), (lead, None))


@checked(of=text, empty=text)
@shaped(right="yes/no 3 seeds layers N", network="yes/no seeds N")
def together_surely(right: Tensor, network: Tensor, of: str = "", empty: str = "") -> tuple[Part, Part]:
    """Claim 7b: the same with intervals over seeds and samples.

    Parameters
    ----------
    right : bool, which samples each system answers rightly, shape (3, seeds, layers, N)
    network : bool, which the networks themselves do, shape (seeds, N)
    of, empty : which networks, in words; why the test says nothing, if it does not
    """
    late = right[:, :, -2:].transpose(1, 2).flatten(0, 1)  # (3 × 2, seeds, N)
    both = torch.cat([late, network[None]])

    def measured(which: int):
        def statistic(means: Tensor) -> Tensor:
            means = means.mean(-1)
            return gap_and_lead(means[:, :-1].unflatten(1, (3, 2)), means[:, -1])[:, which]

        found = bootstrap(both, statistic, rounds=1000)
        return found.value, found.ends

    return _together(of, measured(0), measured(1), empty)


def _together(of: str, gap: tuple, lead: tuple, empty: str = "") -> tuple[Part, Part]:
    return (
        below(f"{of}systems apart in the last two layers [points]", gap[0], 0.5, gap[1], form=".2f", empty=empty),
        above(f"{of}lead over the network [points]", lead[0], -0.5, lead[1], form="+.2f", empty=empty),
    )


@shaped(right="yes/no 3 samples")
def combined_leads(right: Tensor) -> tuple[Part, Part]:
    """Claim 8: in the first layer the combined system is right where another is wrong more often than the reverse.

    Parameters
    ----------
    right : bool, shape (3, samples), the samples of all seeds in a row
    """
    parts = []
    for name, other in (("discrete", right[DISCRETE]), ("continuous", right[CONTINUOUS])):
        more, less = (right[COMBINED] & ~other).sum().item(), (other & ~right[COMBINED]).sum().item()
        p = binomtest(more, more + less).pvalue if more + less else 1.0
        parts.append(
            below(
                f"right where the {name} system is wrong {more} times, the reverse {less}; McNemar p",
                p if more > less else 1.0,
                0.01,
                strict=True,
                form=".1g",
            )
        )
    return tuple(parts)


@shaped(before="3 seeds layers", after="3 seeds layers")
def late_gain(before: Tensor, after: Tensor) -> Part:
    """Claim 9: while training, the last two layers gain at least twice what the first layer gains.

    Parameters
    ----------
    before, after : accuracies, shape (3, seeds, layers)
    """
    gain = 100 * (after - before).mean((0, 1))
    first, last = gain[0].item(), gain[-2:].mean().item()
    # a gain twice a loss is none: the last layers must gain at all
    return above(
        f"layer 1 gains {first:+.1f} points, the last two {last:+.1f}; the last two less twice layer 1",
        min(last - 2 * first, last),
        0,
        form="+.1f",
    )


@checked(bandwidths=several_names)
@shaped(accuracy="moments bandwidths 3 seeds layers")
def continuous_lags(accuracy: Tensor, bandwidths: Sequence[str]) -> tuple[Part, ...]:
    """Claim 10: at every one of some moments the continuous system is the worse one, for each bandwidth.

    Parameters
    ----------
    accuracy : shape (moments, bandwidths, 3, seeds, layers)
    bandwidths : their names
    """
    if len(bandwidths) != accuracy.shape[1]:
        raise ValueError(f"bandwidths: expected {accuracy.shape[1]} names, as in accuracy, got {len(bandwidths)}")
    lag = 100 * (accuracy[:, :, CONTINUOUS] - accuracy[:, :, DISCRETE]).mean((-2, -1))
    return tuple(
        below(f"largest continuous − discrete, bandwidth {name} [points]", lag[:, b].max(), 0, strict=True, form="+.1f")
        for b, name in enumerate(bandwidths)
    )


@checked(of=text)
@shaped(accuracy="widths 3 seeds layers", widths="array widths")
def with_width(accuracy: Tensor, widths: Sequence[int], of: str) -> tuple[Part, Part]:
    """Claims 11 and 12: with width, layer 1's continuous accuracy falls, and the last layer's accuracies rise.

    Parameters
    ----------
    accuracy : shape (widths, 3, seeds, layers)
    widths : in the same order
    """
    falls, rises = trend(widths, accuracy[:, CONTINUOUS, :, 0]), trend(widths, accuracy[..., -1].mean(1))
    text = f"rank correlation of width and accuracy, {of}"
    return below(text, falls.value, 0, falls.ends, form="+.2f"), above(text, rises.value, 0, rises.ends, form="+.2f")


@checked(of=text)
@shaped(right="mapping yes/no seeds N")
def falls_with_width(right: Mapping[int, Tensor], of: str) -> Part:
    """Claim 11b: the accuracy of layer 1's continuous system falls with width.

    Parameters
    ----------
    right : width -> which test samples it gets right, bool, shape (seeds, N)
    """
    widths = sorted(right)
    places = np.repeat(widths, len(right[widths[0]]))
    found = bootstrap([right[w] for w in widths], lambda *means: rank_correlation(places, torch.cat(means, 1)))
    return below(f"rank correlation of width and accuracy, {of}", found.value, 0, found.ends, form="+.2f")


@checked(of=text)
@shaped(narrow="3 seeds layers", wide="3 seeds layers")
def narrow_loses(narrow: Tensor, wide: Tensor, of: str) -> Part:
    """Half of claim 13: in the first layer of a narrow network the discrete system loses most.

    Parameters
    ----------
    narrow, wide : accuracies, shape (3, seeds, layers)
    of : which data, in words
    """
    lost = 100 * (wide - narrow)[..., 0].mean(1)
    told = ", ".join(f"{name} {loss:.1f}" for name, loss in zip(SYSTEMS, lost.tolist(), strict=True))
    return shown(f"{of}, points lost: {told}", lost.argmax() == DISCRETE)


@shaped(accuracy="3 seeds layers")
def meeting_layer(accuracy: Tensor) -> float:
    """First layer, from 1, from which on the systems stay within half a point; infinite if there is none.

    Parameters
    ----------
    accuracy : shape (3, seeds, layers)
    """
    apart = 100 * (accuracy.mean(1).amax(0) - accuracy.mean(1).amin(0)) > 0.5
    if apart[-1]:
        return float("inf")
    return apart.nonzero().max().item() + 2.0 if apart.any() else 1.0


@checked(names=_two_names)
@shaped(easy="3 seeds layers", hard="3 seeds layers")
def meet_earlier(easy: Tensor, hard: Tensor, names: Mapping[str, str]) -> tuple[Part, Part]:
    """Claim 14: on the easier set the systems meet at least one layer earlier, and all accuracies are higher.

    Parameters
    ----------
    easy, hard : accuracies, shape (3, seeds, layers)
    names : of the two sets
    """
    met = {"easy": meeting_layer(easy), "hard": meeting_layer(hard)}
    told = ", ".join(
        f"{layer:g} on {names[label]}" if layer < float("inf") else f"none on {names[label]}"
        for label, layer in met.items()
    )
    higher = bool((easy.mean(1) > hard.mean(1)).all())
    return (
        shown(f"within half a point from layer {told}", met["easy"] < float("inf") and met["easy"] <= met["hard"] - 1),
        shown(f"accuracies {'all' if higher else 'not all'} higher on {names['easy']}", higher),
    )


@shaped(right="yes/no 3 seeds layers N")
def slightly_ahead(right: Tensor) -> tuple[Part, Part]:
    """Claim 16: in the last two layers the continuous system is ahead of the discrete one, by at most two points.

    Parameters
    ----------
    right : which test samples each system gets right, shape (3, seeds, layers, N)
    """
    ahead = 100 * (right[CONTINUOUS].double() - right[DISCRETE].double())
    layers = right.shape[2]
    found = {layer: bootstrap(ahead[:, layer - 1]) for layer in (layers - 1, layers)}
    return tuple(
        within(f"continuous − discrete, layer {layer} [points]", each.value, 0, 2, each.ends, form="+.2f")
        for layer, each in found.items()
    )


@checked(seeds=whole_numbers)
@shaped(accuracy="seeds layers")
def deepest_dip(accuracy: Tensor, seeds: Sequence[int]) -> dict[str, float]:
    """Where a layer lies farthest below the mean of its two neighbours, in a single network.

    Parameters
    ----------
    accuracy : of one system, shape (seeds, layers), at least three layers
    seeds : their numbers

    Returns
    -------
    dict with ``dip`` in points, its ``dip_layer`` from 1 and its ``dip_seed``
    """
    if len(seeds) != len(accuracy):
        raise ValueError(f"seeds: expected {len(accuracy)}, as in accuracy, got {len(seeds)}")
    dip = 100 * ((accuracy[:, :-2] + accuracy[:, 2:]) / 2 - accuracy[:, 1:-1])
    seed, layer = divmod(dip.argmax().item(), dip.shape[1])
    return {"dip": dip.max().item(), "dip_layer": layer + 2, "dip_seed": seeds[seed]}
