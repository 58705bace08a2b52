"""Ways to leave a network early, judged on samples that did not choose the thresholds (Cao et al. 2022, sec. 6.6)."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from layerbook.analysis._shapes import shaped
from layerbook.verdicts import HOLDS, Part, above
from layerlib._checks import by_name, checked, like, renamed, several, text, whole_number
from layerlib.distributions import early_exit
from layerlib.distributions.bootstrap import Difference, paired_bootstrap
from layerlib.distributions.held_out import best_rule
from layerlib.distributions.scores import exact_match

Leaving = tuple[Tensor, Tensor]  # probabilities, shape (M, K), and layers, shape (M,), with which samples leave

SURE = torch.linspace(0, 1, 201)  # levels of confidence that are tried


def _ways(argument: str, value: object) -> Mapping[str, Leaving]:
    """The value, which is as `ways_to_leave` gives it."""
    pairs = isinstance(value, Mapping) and value and all(isinstance(each, tuple) for each in value.values())
    if not pairs or not all(len(each) == 2 and all(isinstance(t, Tensor) for t in each) for each in value.values()):
        raise ValueError(f"{argument}: expected what ways_to_leave gives, got {value!r:.80}")
    return value


@shaped(probabilities="L N K", labels="N K", s2="S", rho="R")
def accuracies(probabilities: Tensor, labels: Tensor, s2: Tensor, rho: Tensor) -> Tensor:
    """Accuracy of early exit for every pair of thresholds.

    Parameters
    ----------
    probabilities : shape (L, N, K)
    labels : 0 or 1, shape (N, K)

    Returns
    -------
    float64, shape (s2, rho)
    """
    right = exact_match(probabilities, labels).double()
    with renamed(thresholds="rho"):
        return early_exit.mean_at_exit(early_exit.confident_ratio(probabilities, s2), rho, right)


@shaped(probabilities="L N K", labels="N K", choose="whole chosen", judge="whole M")
def ways_to_leave(probabilities: Tensor, labels: Tensor, choose: Tensor, judge: Tensor) -> dict[str, Leaving]:
    """How the judged samples leave, by five ways; all but the first and the last look at the choosing samples only.

    *Paper's choice* takes the thresholds that are best on the judged samples, *held out* those that are best on the
    others, *calibrated* does so after a temperature for each layer, *confidence* leaves where the whole answer is
    probable, *oracle* where it is right.

    Parameters
    ----------
    probabilities : shape (L, N, K)
    labels : 0 or 1, shape (N, K)
    choose, judge : int64, which samples

    Returns
    -------
    way -> probabilities, shape (M, K), and layers, int64, shape (M,)
    """
    for name, picked in (("choose", choose), ("judge", judge)):
        if picked.max() >= len(labels):
            raise ValueError(f"{name}: expected samples below {len(labels)}, got {picked.max().item()}")
    held, seen, known = probabilities[:, judge], probabilities[:, choose], labels[choose]
    cool = early_exit.calibrated(probabilities, early_exit.temperatures(seen, known))
    tried = early_exit.mean_at_exit(early_exit.confidence(seen), SURE, exact_match(seen, known).double())
    level = SURE[len(SURE) - 1 - int(tried.flip(0).argmax())].item()  # of equal ones the highest
    leaves = {
        "paper's choice": (held, best_rule(held, labels[judge])(held)),
        "held out": (held, best_rule(seen, known)(held)),
        "calibrated": (cool[:, judge], best_rule(cool[:, choose], known)(cool[:, judge])),
        "confidence": (held, early_exit.Confident(level)(held)),
        "oracle": (held, exact_match(held, labels[judge])),
    }
    layers = {way: early_exit.first_exit(leave) for way, (_, leave) in leaves.items()}
    return {way: (early_exit.at_exit(values, layers[way]), layers[way]) for way, (values, _) in leaves.items()}


@checked(left=several(_ways))
@shaped(whole="sequence M K", labels="M K")
def gains(
    left: Sequence[Mapping[str, Leaving]], whole: Sequence[Tensor], labels: Tensor
) -> dict[str, list[dict[str, Difference]]]:
    """What every way gains over the whole network, in every trial.

    Parameters
    ----------
    left : way -> `Leaving`, of each trial
    whole : probabilities of the whole network, shape (M, K), of each trial
    labels : of the judged samples

    Returns
    -------
    way -> for each trial score -> difference with its paired interval
    """
    return {
        way: [paired_bootstrap(out[way][0], each, labels) for out, each in zip(left, whole, strict=True)]
        for way in left[0]
    }


@checked(gained=by_name(several(by_name(like("Difference", "low", "high")))), metrics=by_name(text))
def gains_over_whole(
    gained: Mapping[str, Sequence[Mapping[str, Difference]]], metrics: Mapping[str, str]
) -> tuple[list[Part], str]:
    """Claims 34, 34b and 34c: early exit scores better than the whole network, in points, in every trial.

    Parameters
    ----------
    gained : network -> score -> difference, of each trial
    metrics : what to call a score -> its name

    Returns
    -------
    the parts, and in short for each network and metric the mean gain and in how many trials its own interval is above 0
    """
    parts, short = [], []
    for name, trials in gained.items():
        for metric, score in metrics.items():
            if any(score not in each for each in trials):
                raise ValueError(f"metrics: expected scores that were gained, {', '.join(trials[0])}, got {score!r}")
            found = [
                above(f"{name} {metric}, trial {trial} [points]", *_points(each[score]), form="+.2f")
                for trial, each in enumerate(trials)
            ]
            parts += found
            mean, passed = np.mean([part.value for part in found]), sum(part.outcome == HOLDS for part in found)
            short.append(f"{name} {metric} {mean:+.2f} points, its own interval above 0 in {passed} of {len(trials)}")
    return parts, "; ".join(short)


@checked(left=several(_ways), layers=whole_number)
def leaving_shares(left: Sequence[Mapping[str, Leaving]], layers: int) -> Tensor:
    """Shares of the samples that leave at each layer, float64, shape (trials, ways, layers)."""
    last = max(int(found.max()) for out in left for _, found in out.values())
    if last >= layers:
        raise ValueError(f"layers: expected more than {last}, where samples leave, got {layers}")
    counts = [[found.bincount(minlength=layers).double() / len(found) for _, found in out.values()] for out in left]
    return torch.stack([torch.stack(each) for each in counts])


def _points(gain: Difference) -> tuple[float, float, tuple[float, float]]:
    """A difference in points, the threshold that it shall pass, and the ends of its interval."""
    return 100 * gain.difference, 0, (100 * gain.low, 100 * gain.high)
