"""The tests of the four lenses' first edition (claims 44 to 50), made again on its three networks.

It read the distance by means alone. Its targets had no control; here they have, so that from claim 47 on these tests no
longer judge what they judged then.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from layerbook.analysis.agreement import LENSES, agreement, made_up, order
from layerbook.report import Report, above, below
from layerbook.verdicts import Part
from layerlib._checks import checked, like, share

_LENSES = ("means", "patterns", "nodes", "targets")  # but filters, which are a clock
_EACH = "each network, mean over seeds"


@checked(report=like("Report", "claim"), share=share)
def claims(report: Report, readings: Mapping[str, np.ndarray], steps: Sequence[int], share: float) -> None:
    """Report claims 44 to 50.

    Parameters
    ----------
    readings : network -> shape (seeds, lenses, moments, layers), as of `agreement.readings`
    steps : shape (moments,)
    share : of where the network ends, as of `agreement.made_up`
    """
    when = {net: made_up(each, steps, share) for net, each in readings.items()}
    rises = {net: order(each[:, :, -1]) for net, each in readings.items()}
    report.claim(
        "44",
        "In the trained network the lenses rise with depth",
        "layers gain (Davel et al. 2020; Cao et al. 2022)",
        "",
        *_by_lens(rises, ("means", "patterns", "nodes"), above, 0.8),
        test=f"rank correlation of layer and reading at least 0.8, {_EACH}",
        figure="lens-maps",
    )
    orders = {net: order(each) for net, each in when.items()}
    report.claim(
        "45",
        "Upper layers make up their mind first",
        "targets come from above (Xie & Lai 2018)",
        "",
        *_by_lens(orders, ("means", "nodes"), below, -0.5),
        test=f"rank correlation of layer and step (never is last) at most -0.5, distance and nodes, {_EACH}",
        figure="lens-reads",
    )
    report.claim(
        "46",
        "Filters settle from the bottom up",
        "converges bottom-up (Raghu et al. 2017)",
        "",
        *_by_lens(orders, ("filters",), above, 0.5),
        test=f"rank correlation of layer and step of half the way at least 0.5, {_EACH}",
        figure="lens-times",
    )
    report.claim(
        "47",
        "A layer is told before it knows (targets now by their excess)",
        "targets train the encoder (Xie & Lai 2018)",
        "",
        *_told_first(when),
        test="targets before distance in at least 80 % of layers and seeds, each network",
        figure="lens-times",
    )
    agreed = {net: agreement(each) for net, each in readings.items()}
    for item, way, says, least in (
        ("48", "layers", "the layers", 0.7),
        ("49", "steps", "the steps", 0.7),
        ("50", "rest", "what layers and steps do not add", 0.3),
    ):
        report.claim(
            item,
            f"The lenses agree over {says}",
            "none: never compared",
            "",
            *_by_pair(agreed, way, least),
            test=f"rank correlation at least {least}, mean over seeds, every pair of lenses but filters, each network",
            figure="lens-agreement",
        )


def _by_lens(
    values: Mapping[str, np.ndarray], lenses: Sequence[str], test: Callable[..., Part], mark: float
) -> Iterator[Part]:
    for net, each in values.items():
        for lens in lenses:
            yield test(f"{net}, {lens}", np.nanmean(each[:, LENSES.index(lens)]), mark)


def _told_first(when: Mapping[str, np.ndarray]) -> Iterator[Part]:
    for net, each in when.items():
        late = np.nan_to_num(each, nan=np.inf)
        first = late[:, LENSES.index("targets")] < late[:, LENSES.index("means")]
        yield above(net, first.mean(), 0.8, form=".0%")


def _by_pair(agreed: Mapping[str, Mapping[str, np.ndarray]], way: str, least: float) -> Iterator[Part]:
    for net, each in agreed.items():
        for a, b in combinations(_LENSES, 2):
            yield above(f"{a} and {b}, {net}", np.nanmean(each[way][:, LENSES.index(a), LENSES.index(b)]), least)
