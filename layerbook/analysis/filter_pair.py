"""The questions of the first round put to one pair of VGG and ResNet, whatever its size (Hu et al. 2018)."""

from collections.abc import Mapping

import numpy as np
import torch
from torch.nn import functional as F

from layerbook.analysis._shapes import shaped
from layerbook.analysis.filter_runs import READINGS, FilterRun
from layerbook.analysis.filter_seeds import RUN, cheap_layers, mirroring, order, spread
from layerbook.training.fit import error_rate
from layerlib._checks import checked, whole_number
from layerlib._tensors import labelled
from layerlib.data.splits import Split

QUESTIONS = {
    "images": ("training pictures", ",.0f"),
    "width": ("width", "g"),
    "wrong_vgg": ("test pictures named wrongly, VGG", ".1%"),
    "wrong_resnet": ("the same, ResNet", ".1%"),
    "known_vgg": ("part of the training after which its pictures are known, VGG", ".0%"),
    "known_resnet": ("the same, ResNet", ".0%"),
    "order_printed": ("4.1b (below 0): order of change with depth, VGG, as printed", "+.2f"),
    "order_weight": ("4.1b (below 0): the same per weight", "+.2f"),
    "variance_printed": ("4.2 (at most 0.5): ResNet's variance between layers, times VGG's, as printed", ".2f"),
    "variance_weight": ("4.2b (at most 0.5): the same per weight", ".2f"),
    "mirrored_vgg": ("4.3 (at most −0.8): correlation of S and Z, VGG", "+.2f"),
    "mirrored_resnet": ("4.3 (at most −0.8): the same, ResNet", "+.2f"),
    "still_top": ("4.4 (above 0.5): least Z of VGG's conv5", ".2f"),
    "idle_top": ("4.5 (above 5 %): idle filters of VGG's conv5", ".1%"),
    "cheap": ("4.6 (all 5): layers where filters picked by Z cost VGG less than random ones", ".0f"),
    "kept_more": ("4.8 (above 0): cosine of first features, ResNet's less VGG's", "+.3f"),
}


@checked(vgg=RUN, resnet=RUN, picks=whole_number, test=labelled, judged=whole_number)
@shaped(lost="array layers choices")
def answers(
    vgg: FilterRun, resnet: FilterRun, lost: np.ndarray, picks: int, test: Split, judged: int
) -> Mapping[str, float]:
    """What a pair of networks answers to the first round's tests, a number each.

    Parameters
    ----------
    vgg, resnet : trained with the same optimizer on the same pictures
    lost : points that VGG loses without filters, shape (layers, choices): ``picks`` ways to pick, Z first, then draws
    test : pictures that neither has seen; features are compared on the first ``judged``

    Returns
    -------
    name -> number, those of `QUESTIONS` but the first two; NaN for what did not happen
    """
    change = vgg.changes()
    cosines = [
        F.cosine_similarity(*(each.flatten(1) for each in run.first_features(test.images[:judged]))).double().mean()
        for run in (vgg, resnet)
    ]
    found = {
        "wrong_vgg": error_rate(vgg.model, test),
        "wrong_resnet": error_rate(resnet.model, test),
        "known_vgg": _known(vgg),
        "known_resnet": _known(resnet),
        "order_printed": order(change[READINGS[0]]),
        "order_weight": order(change[READINGS[1]]),
        "variance_printed": spread(resnet, READINGS[0]) / spread(vgg, READINGS[0]),
        "variance_weight": spread(resnet, READINGS[1]) / spread(vgg, READINGS[1]),
        "mirrored_vgg": mirroring(vgg),
        "mirrored_resnet": mirroring(resnet),
        "still_top": vgg.series("still_fixed")[:, -1].min(),
        "idle_top": vgg.idle()[-1],
        "cheap": cheap_layers(lost[None], picks)[0],
        "kept_more": cosines[1] - cosines[0],
    }
    return {name: float(value) for name, value in found.items()}


def _known(run: FilterRun) -> float:
    """Which part of a training it took until its pictures were known; NaN if they never were."""
    return torch.nan if run.kept is None else run.kept["step"] / run.steps[-1]
