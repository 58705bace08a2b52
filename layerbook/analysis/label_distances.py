"""Tests of what Cao et al. (2022) say of label distributions: claims 28 and 30 to 34, and F9b, of the registration.

Distances are those of each trial, tap and sample to the labels, shape (trials, taps, N), taps from bottom to top;
``of`` says in words of which network. Intervals are bootstraps over trials and samples where nothing else is said.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from scipy.stats import kendalltau
from torch import Tensor

from layerbook.analysis._shapes import shaped
from layerbook.analysis.contrast import bootstrap_mean
from layerbook.analysis.depth import depth_tests
from layerbook.analysis.intervals import bootstrap, over_networks
from layerbook.verdicts import Part, above, below, shown, within
from layerlib._checks import by_name, checked, choice, like, renamed, several, text, words
from layerlib.distributions.bootstrap import difference_draws
from layerlib.distributions.held_out import ExitTrial
from layerlib.distributions.samples import KINDS, largest_share
from layerlib.distributions.scores import SCORES

STILL = 0.005  # of W: what moves by less does not move


@checked(of=text)
@shaped(distances="trials taps N")
def falls(distances: Tensor, of: str) -> tuple[Part, Part, Part]:
    """Claim 28: W falls with depth, to half or less, from a level start; the interval is over samples."""
    depth = depth_tests(distances)
    return (
        below(f"{of}, rank correlation", depth.correlation, -0.8),
        below(f"{of}, last by first", depth.drop, 0.5, depth.drop_interval),
        below(f"{of}, first third varies", depth.shallow, 0.1, form=".1%"),
    )


@checked(by=words)
@shaped(distances="mapping trials taps N")
def orders(distances: Mapping[str, Tensor], by: str = "W, uniform") -> dict[str, float]:
    """Kendall's correlation of the order of the taps by each measure with that ``by`` one of them.

    Parameters
    ----------
    distances : measure -> distances, shape (trials, taps, N)
    """
    if by not in distances:
        raise ValueError(f"by: expected one of {', '.join(map(repr, distances))}, got {by!r}")
    means = {key: each.double().mean((0, 2)).cpu() for key, each in distances.items()}
    return {key: kendalltau(means[by], each).statistic for key, each in means.items()}


@checked(of=text)
@shaped(untrained="trials taps N", trained="* * N")
def learned(untrained: Tensor, trained: Tensor, of: str) -> tuple[Part, Part]:
    """Claim 28c: the fall from the first to the last tap is the training's.

    The output of an untrained network is nobody's answer. So its last tap is its output, or the last inner tap, whose
    classifier has learned, whichever falls more.
    """
    before = bootstrap(untrained[:, [0, -2, -1]].movedim(1, 0), _fall)
    after = bootstrap(trained[:, [0, -1]].movedim(1, 0), _fall)
    return (
        below(f"{of} untrained falls by", before.value, 0.1, before.ends, strict=True, form=".1%"),
        above(f"{of} trained falls by", after.value, 0.4, after.ends, form=".1%"),
    )


@checked(of=words, empty=text)
@shaped(risen="yes/no trials N")
def some_rise(risen: Tensor, of: str, empty: str = "") -> Part:
    """Claims 30 and 30b: W rises somewhere for at least a tenth of the samples; the interval is over samples.

    Parameters
    ----------
    risen : whether it does, bool, shape (trials, N)
    empty : why the test says nothing, if it does not
    """
    found = bootstrap_mean(risen.double().mean(0))
    return above(of, found.mean, 0.1, (found.low, found.high), form=".1%", empty=empty)


@shaped(course="... looks")
def changes(course: Tensor) -> Tensor:
    """Standard deviation of the changes of W from look to look, shape (…, looks) -> (…); NaN of fewer than two."""
    steps = course.diff()
    return steps.std(-1) if steps.shape[-1] > 1 else steps.new_full(steps.shape[:-1], torch.nan)


@shaped(course="... looks")
def roughness(course: Tensor) -> Tensor:
    """Standard deviation of first differences by √2 over the last half of the epochs, (…, epochs + 1) -> (…).

    Of a course that does not move but for noise it is the standard deviation of that noise.
    """
    epochs = course.shape[-1] - 1
    return changes(course[..., epochs // 2 :]) / 2**0.5


@checked(of=text)
@shaped(first="open trials", last="open trials")
def rougher(first: Tensor, last: Tensor, of: str) -> Part:
    """Claims 31, 31b and 31c: what moves at the first of two taps is more than twice what moves at the last.

    Parameters
    ----------
    first, last : movement of W in each trial, shape (trials,), such as ``changes`` or ``roughness``
    """
    moves = max(first.mean(), last.mean()) >= STILL
    still = "" if moves else f"neither moves by {STILL}"
    return _by_ratio(above, f"first by last tap in {of}", first, last, 2, still, strict=True)


@checked(of=text, unsettled=text)
@shaped(courses="mapping sequence *")
def steadied(courses: Mapping[str, Sequence[Tensor]], of: str, unsettled: str = "") -> tuple[Part, Part]:
    """Claims 32 and 32b: batch norm alone leaves more than half of the movement, an auxiliary loss at most half.

    Parameters
    ----------
    courses : W over the looks, (looks,) for each trial, of the kinds "plain", "batch norm" and "auxiliary loss"
    unsettled : why the networks are not what the test asks for, if they are not
    """
    moved = {kind: torch.stack([changes(course) for course in each]) for kind, each in courses.items()}
    plain = moved["plain"]
    still = "" if plain.mean() >= STILL else f"the plain SD is {plain.mean():.4f}, below {STILL}"
    empty = unsettled or still
    return (
        _by_ratio(above, f"batch norm by plain at {of}", moved["batch norm"], plain, 0.5, empty, strict=True),
        _by_ratio(below, f"auxiliary loss by plain at {of}", moved["auxiliary loss"], plain, 0.5, empty),
    )


@checked(of=words)
@shaped(right="yes/no trials taps N", shares="open trials *")
def lost_again(right: Tensor, shares: Tensor, of: str) -> tuple[Part, Part]:
    """Claim 33: 3 to 10 % are wrong at the end and right earlier, most of them at tap 0; the interval is over samples.

    Parameters
    ----------
    right : whether each tap answers each sample rightly, bool, shape (trials, taps, N)
    shares : of ``confused_shares``, shape (trials, taps)
    """
    found = bootstrap_mean((right[:, :-1].any(1) & ~right[:, -1]).double().mean(0))
    most = largest_share(shares.mean(0))
    nobody = "" if most is not None else "no sample is right earlier and wrong at the end"
    return (
        within(of, found.mean, 0.03, 0.1, (found.low, found.high), form=".1%"),
        shown(f"{of}: most at tap {'none' if most is None else most}", most == 0, empty=nobody),
    )


@checked(of=text)
@shaped(kinds="whole trials N")
def some_confused(kinds: Tensor, of: str) -> Part:
    """F9b: by thirds some samples are easy and some hard by definition; whether any is confused is found.

    Parameters
    ----------
    kinds : of ``difficulty_by_thirds``, shape (trials, N)
    """
    _check_kinds(kinds)
    share = (kinds == KINDS.index("confused")).double().mean()
    return above(f"confused in {of}", share, 0, strict=True, form=".1%")


@shaped(kinds="whole trials N", right="yes/no trials N")
def of_kinds(kinds: Tensor, right: Tensor) -> Tensor:
    """How many samples are of each kind, and how many of those the network gets right.

    Parameters
    ----------
    kinds : of ``difficulty_by_thirds``, shape (trials, N)
    right : bool, likewise

    Returns
    -------
    float64, shape (2, kinds), the second NaN for a kind without samples
    """
    _check_kinds(kinds)
    found = [kinds == kind for kind in range(len(KINDS))]
    return torch.stack([torch.stack([each.double().mean(), right[each].double().mean()]) for each in found], 1)


@checked(trials=several(like("ExitTrial", "gains", "staying")), metrics=by_name(choice(*SCORES)), of=text)
@shaped(answers="M K")
def gains_over_best(trials: Sequence[ExitTrial], answers: Tensor, metrics: Mapping[str, str], of: str) -> list[Part]:
    """Claim 34d: early exit scores better than the best fixed tap, in points.

    Parameters
    ----------
    trials : one of each network, all on the same judged samples
    answers : labels of those, shape (M, K)
    metrics : what to call a score -> its name in ``SCORES``
    """
    # one seed for all: a draw is of the same samples in every trial
    with renamed(labels="answers"):
        draws = torch.stack([difference_draws(each.leaving, each.staying, answers) for each in trials], -1)
    left = any((each.layers != each.layer).any() for each in trials)
    alike = "" if left else "every sample leaves at the best fixed tap"
    parts = []
    for name, score in metrics.items():
        values = torch.tensor([each.gains[score].difference for each in trials], dtype=torch.float64)
        found = over_networks([100 * values], [100 * draws[:, SCORES.index(score)].cpu()], _mean)
        parts.append(above(f"{of} {name} [points]", found.value, 0, found.ends, form="+.2f", empty=alike))
    return parts


def _check_kinds(kinds: Tensor) -> None:
    if kinds.max() >= len(KINDS):
        raise ValueError(f"kinds: expected numbers of {', '.join(KINDS)}, below {len(KINDS)}, got {kinds.max().item()}")


def _mean(values: Tensor) -> Tensor:
    return values.nanmean(-1)


def _fall(means: Tensor) -> Tensor:
    """Share by which the least of the last taps lies below the first, shape (draws, taps, trials) -> (draws,)."""
    mean = means.mean(-1)
    return 1 - mean[:, 1:].amin(1) / mean[:, 0]


def _by_ratio(
    test: Callable[..., Part], text: str, over: Tensor, under: Tensor, threshold: float, empty: str, **more: bool
) -> Part:
    """A test of the ratio of two means over trials, with an interval where there are several trials."""
    pair = torch.stack([over.cpu(), under.cpu()]).double()
    value = pair[0].mean() / pair[1].mean()
    several = len(over) > 1 and bool(value.isfinite())
    ends = bootstrap(pair[..., None], _ratio).ends if several else None
    return test(text, value, threshold, ends, empty=empty, **more)


def _ratio(means: Tensor) -> Tensor:
    return means[:, 0].mean(-1) / means[:, 1].mean(-1)
