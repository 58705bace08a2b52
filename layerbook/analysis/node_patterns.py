"""Tests of what Davel et al. (2020) say of nodes and their patterns: claims 1 to 6, 15 and 17 of the registration.

Perplexities are those of each network, layer and class, shape (seeds, layers, C); ``samples`` are the N_c that they
were counted on; ``of`` says in words of which networks.
"""

from collections.abc import Mapping

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from layerbook.analysis._shapes import shaped
from layerbook.analysis.intervals import Interval, bootstrap, over_networks, rank_correlation, trend
from layerbook.verdicts import HOLDS, Part, above, below, shown
from layerlib._checks import checked, several, share, text, whole_number
from layerlib._tensors import numbers
from layerlib.patterns import crossing


@shaped(shares="seeds layers C nodes")
def agnostic(shares: Tensor) -> Part:
    """Claim 1: most early nodes have at least three classes that switch them on now and then.

    Parameters
    ----------
    shares : active shares of the early layers, shape (seeds, layers, C, nodes)
    """
    found = _over_seeds((((shares > 0.05) & (shares < 0.95)).sum(-2) >= 3).double().mean((-2, -1)))
    return above("nodes of layers 1–2", found.value, 0.5, found.ends, form=".0%")


@shaped(after="seeds layers C nodes", before="seeds layers C nodes")
def selective(after: Tensor, before: Tensor) -> tuple[Part, Part]:
    """Claim 2: late nodes are on for nearly all of a class or for nearly none, after training and not before.

    Parameters
    ----------
    after, before : active shares of the late layers, shape (seeds, layers, C, nodes)
    """
    trained, initial = (((each < 0.02) | (each > 0.98)).double().mean((-2, -1)) for each in (after, before))
    return (
        above(
            "node–class pairs of the last 3 layers", trained.mean(), 0.95, _over_seeds(trained.mean(1)).ends, form=".1%"
        ),
        below("before training", initial.mean(), 0.5, _over_seeds(initial.mean(1)).ends, strict=True, form=".0%"),
    )


@checked(of=text)
@shaped(p="positive seeds layers C", samples="positive C")
def early_and_late(p: Tensor, samples: Tensor, of: str) -> tuple[Part, Part]:
    """Claim 3: early layers tell samples apart, late layers only classes."""
    ratio, last = p / samples, p[:, -1]
    early = bootstrap(ratio.mean(-1)[:, :2].T[:, :, None], lambda means: means.mean(-1).amin(1))
    return (
        above(f"P/N_c of layers 1–2, {of}", ratio.mean((0, 2))[:2].min(), 0.95, early.ends, form=".3f"),
        below(f"last P, {of}", last.mean(), 1.5, _over_seeds(last.mean(-1)).ends, form=".1f"),
    )


@checked(to=share)
@shaped(p="positive seeds layers C", samples="positive C")
def drop(p: Tensor, samples: Tensor, to: float) -> Tensor:
    """Layers that ln P takes from 90 % of its cap to ``to`` of it, shape (seeds,); infinite where it never does."""
    return crossing(p, samples, to) - crossing(p, samples, 0.9)


@checked(to=share, of=text)
@shaped(p="mapping positive seeds * C", samples="positive C")
def sharper(p: Mapping[int, Tensor], samples: Tensor, to: float, of: str) -> Part:
    """First half of claim 4: the drop takes fewer layers in wide networks; ``p`` by width.

    As it was fixed before the runs, by the p-value of Spearman's correlation over all networks; of one that is not
    below 0 it counts as 1. The text tells the correlation with its interval.
    """
    lengths = torch.stack([drop(each, samples, to) for _, each in sorted(p.items())])  # (widths, seeds)
    found = trend(sorted(p), lengths)
    every = np.repeat(sorted(p), lengths.shape[1]), lengths.flatten()
    return below(
        f"{of}, rank correlation of width and length {found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}]; p",
        spearmanr(*every).pvalue if found.value < 0 else 1.0,
        0.05,
        strict=True,
        form=".1g",
        empty="" if lengths.isfinite().any() else "no drop ends within its network",
    )


@shaped(easy="open *", hard="open *")
def more_gradual(easy: Tensor, hard: Tensor) -> Part:
    """Second half of claim 4: the drop takes longer on the harder set.

    Parameters
    ----------
    easy, hard : lengths of the drop, shape (seeds,)
    """
    easy, hard = easy.median().item(), hard.median().item()
    return shown(
        f"median length {easy:.1f} and {hard:.1f} layers",
        hard > easy,
        empty="no drop ends within its network" if easy == hard == torch.inf else "",
    )


@checked(of=text, empty=text)
@shaped(middles="mapping open seeds", draws="mapping open * seeds")
def stays(middles: Mapping[int, Tensor], of: str, draws: Mapping[int, Tensor] | None = None, empty: str = "") -> Part:
    """Claims 5 and 5c: the middle of the drop lies within one layer whatever the depth.

    Depths whose drop has no middle, since it does not get below half, are left out. If the others stay within a layer
    and draws are given, such a depth leaves the claim undecided.

    Parameters
    ----------
    middles : depth -> shape (seeds,), infinite where there is none
    draws : depth -> what other samples would give, shape (draws, seeds)
    empty : why the test would say nothing
    """
    deep = [d for d, each in sorted(middles.items()) if each.isfinite().all()]
    text = f"{of}, midpoints of {', '.join(map(str, deep)) or 'no'} layers apart [layers]"
    if len(deep) < 2:
        return below(text, np.nan, 1, empty=empty or "fewer than two depths get below half")
    if draws is None:
        value = apart(*(middles[d][None] for d in deep)).item()
        return below(text, value, 1, form=".1f", empty=empty)
    found = over_networks([middles[d] for d in deep], [draws[d] for d in deep], apart)
    part = below(text, found.value, 1, found.ends, form=".2f", empty=empty)
    lacking = [str(d) for d in sorted(middles) if d not in deep]
    if lacking and part.outcome == HOLDS:
        reason = f"{', '.join(lacking)} layers do not get below half"
        return below(text, found.value, 1, found.ends, form=".2f", empty=reason)
    return part


@shaped(middles="sequence open draws *")
def apart(*middles: Tensor) -> Tensor:
    """How many layers lie between the middles of several depths, each (draws, seeds) and averaged; shape (draws,)."""
    means = torch.stack([each.mean(-1).to(middles[0].device) for each in middles], 1)
    return (means.amax(1) - means.amin(1)).nan_to_num(torch.inf)


@checked(of=text, empty=text)
@shaped(deep="seeds", shallow="seeds")
def no_harm(deep: Tensor, shallow: Tensor, of: str, empty: str = "") -> Part:
    """Claims 6 and 6b: deep networks err no more than shallow ones, beyond two standard errors over seeds.

    Parameters
    ----------
    deep, shallow : errors, shape (seeds,)
    empty : why the test would say nothing
    """
    deep, shallow = 100 * deep.double(), 100 * shallow.double()
    margin = 2 * ((deep.var() + shallow.var()) / len(deep)).sqrt().item()
    return below(
        f"{of}, more errors, of which {margin:.2f} are allowed [points]",
        deep.mean() - shallow.mean(),
        margin,
        form="+.2f",
        empty=empty,
    )


def _counted(argument: str, value: object) -> tuple[Tensor, int]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(f"{argument}: expected pairs of counts and a number of samples, got {value!r:.80}")
    return numbers(argument, value[0]), whole_number(argument, value[1])


@checked(counts=several(_counted))
def specific_and_general(*counts: tuple[Tensor, int]) -> tuple[Part, Part]:
    """Claim 15: some nodes are on for at most two training samples, some for nearly all.

    Parameters
    ----------
    counts : of every data set, how many of its samples switch each node on, and how many there are
    """
    dead = sum((lit == 0).sum().item() for lit, _ in counts)
    rare = sum(((lit == 1) | (lit == 2)).sum().item() for lit, _ in counts)
    general = sum((lit > 0.9 * samples).sum().item() for lit, samples in counts)
    return (
        shown(
            f"{rare} nodes on for 1–2 training samples, {dead} for none",
            rare + dead > 0,
            empty="only dead nodes" if dead and not rare else "",
        ),
        shown(f"{general} on for > 90 %", general > 0),
    )


@checked(of=text)
@shaped(lit="whole seeds nodes")
def specialists(lit: Tensor, of: str) -> Part:
    """Claim 15b: every network has nodes that are on for one or two training samples, dead ones apart.

    Parameters
    ----------
    lit : how many samples switch each node on, shape (seeds, nodes)
    """
    rare, dead = ((lit == 1) | (lit == 2)).sum(1), (lit == 0).sum(1)
    return above(
        f"{of}, nodes on for 1–2 training samples, by seed {rare.tolist()} (for none {dead.tolist()}); least",
        rare.min(),
        1,
        form="d",
    )


@shaped(p="positive ... layers C", samples="positive C")
def height(p: Tensor, samples: Tensor) -> Tensor:
    """How much of its cap ln P takes, averaged over classes and layers; shape (..., seeds)."""
    return (p.log() / samples.log()).mean((-2, -1))


@checked(of=text)
@shaped(p="positive seeds layers C", before="positive seeds layers C", samples="positive C")
def raised(p: Tensor, before: Tensor, samples: Tensor, of: str) -> Part:
    """Claim 17: another way to train raises perplexity."""
    heights = [height(each, samples)[:, None] for each in (p, before)]
    found = bootstrap(heights, lambda a, b: a.mean(-1) - b.mean(-1))
    return above(f"{of}: ln P / ln N_c up by", found.value, 0, found.ends, form="+.3f")


@checked(label=text, of=text)
@shaped(heights="mapping seeds", draws="mapping * seeds")
def rises(
    heights: Mapping[tuple[str, float], Tensor], draws: Mapping[tuple[str, float], Tensor], label: str, of: str
) -> Part:
    """Claim 17b: the stronger the noise, the higher the perplexity.

    Parameters
    ----------
    heights : (set, strength) -> shape (seeds,), as of `height`
    draws : (set, strength) -> what other samples would give, shape (draws, seeds)
    label : the set
    """
    keys = sorted(key for key in heights if key[0] == label)
    if not keys or not keys == sorted(key for key in draws if key[0] == label):
        raise ValueError(f"label: expected a set of heights and draws, got {label!r}")
    places = np.repeat([strength for _, strength in keys], len(heights[keys[0]]))
    found = over_networks(
        [heights[key] for key in keys],
        [draws[key] for key in keys],
        lambda *each: rank_correlation(places, torch.cat(each, 1)),
    )
    return above(f"rank correlation of noise and ln P, {of}", found.value, 0, found.ends, form="+.2f")


def _over_seeds(values: Tensor) -> Interval:
    return bootstrap(values[:, None])
