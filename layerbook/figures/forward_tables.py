"""The small tables of the chapter on forward and backward; each keeps its numbers in the report for the text."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from layerbook.analysis.contrast import MARKS, Bootstrapped
from layerbook.figures._drawing import draws
from layerbook.figures.forward_backward import DRAWN, NETWORKS
from layerbook.figures.tables import Table, numbers
from layerbook.report import Report


@draws
def accuracies(report: Report, accuracy: Mapping[str, Tensor]) -> Table:
    """Test accuracies in percent, of every seed, by network."""
    rows = {f"accuracy_{key}": (label, accuracy[label].mean()) for label, key in NETWORKS.items()}
    return numbers(report, "Test accuracy [%], mean over seeds", rows)


@draws
def aligned(report: Report, moments: Tensor) -> Table:
    """Dot product and cosine of −target and pre-activation at layer 1, at both ends of training.

    Parameters
    ----------
    moments : shape (steps, seeds, layers, 2), as of `layerbook.analysis.encoder_decoder.over_training`
    """
    said = {"dot": "dot product", "cosine": "cosine"}
    rows = {
        name: (what, *(moments[at, :, 0, i].mean() for at in (0, -1))) for i, (name, what) in enumerate(said.items())
    }
    columns = {"start": "before training", "end": "at the end"}
    return numbers(report, "Minus target and pre-activation at layer 1", rows, columns, {"dot": ".3f"})


@draws
def others(report: Report, separated: Mapping[str, Tensor]) -> Table:
    """How separated targets and features are in the other two networks.

    Parameters
    ----------
    separated : network -> shape (moments, seeds, layers, clouds, 2), moments being the start, an early one and the end
    """
    fashion, sigmoid = (separated[label][:, :, :5, :, 1].mean(1) for label in list(NETWORKS)[1:])
    beyond = (fashion[..., 0] - fashion[..., 1]).mean(1)
    rows = {
        "fashion_excess_start": ("Fashion-MNIST, true less random labels, start", beyond[0]),
        "fashion_excess_early": ("the same, early", beyond[1]),
        "sigmoid_targets": ("sigmoid, least silhouette of the targets, ever", sigmoid[..., 0].min()),
        "sigmoid_excess": (
            "sigmoid, most that true and random labels differ by",
            (sigmoid[..., 0] - sigmoid[..., 1]).abs().max(),
        ),
        "sigmoid_knn": (
            "sigmoid, k-NN accuracy of the first layer's features, end",
            separated["MNIST, sigmoid"][-1, :, 0, 2, 0].mean(),
        ),
    }
    return numbers(report, "Silhouettes at layers 1 to 5, and one accuracy", rows, form=".3f")


@draws
def counted(report: Report) -> Table:
    """How many claims there are, and how many hold."""
    held = sum(claim.outcome == "holds" for claim in report.claims.values())
    rows = {"claims_tested": ("tested", len(report.claims)), "claims_held": ("that hold in full", held)}
    return numbers(report, "Claims of this chapter", rows, form="d")


@draws
def excesses(report: Report, excess: Sequence[Tensor], gain: Tensor, early: int) -> Table:
    """How much more separated targets are with true labels than with random ones.

    Parameters
    ----------
    excess : true less random silhouettes before training and at the early step, shape (seeds, layers) each
    gain : what they gain by then, shape (layers, clouds), true labels first
    early : the early step
    """
    rows = {
        "excess_start": ("true less random labels, mean of layers 1 to 5, iteration 0", excess[0].mean()),
        "excess_early": (f"the same, iteration {early}", excess[1].mean()),
        "gain_true": (f"gained at layer 1 by iteration {early}, true labels", gain[0, 0]),
        "gain_random": ("the same, random labels", gain[0, 1]),
    }
    return numbers(report, "Silhouette of the targets", rows, form=".3f")


@draws
def first_layer(report: Report, features: Tensor, targets: Tensor, pixels: float, alike: Tensor) -> Table:
    """Silhouettes of the first layer's features and targets, and how alike they are arranged.

    Parameters
    ----------
    features, targets : their silhouettes, shape (steps,)
    pixels : that of the images
    alike : CKA with the targets, shape (steps, seeds, 2): of the features, of the pixels
    """
    rows = {
        "z1_start": ("silhouette of z₁, start", features[0]),
        "z1_end": ("silhouette of z₁, end", features[-1]),
        "o1_end": ("silhouette of õ₁, end", targets[-1]),
        "pixels_silhouette": ("silhouette of the pixels", pixels),
        "cka_start": ("CKA of z₁ and õ₁, start", alike[0, :, 0].mean()),
        "cka_end": ("CKA of z₁ and õ₁, end", alike[-1, :, 0].mean()),
        "cka_pixels": ("CKA of the pixels and õ₁, end", alike[-1, :, 1].mean()),
    }
    return numbers(report, "The first layer's features z₁, their targets õ₁, and the pixels", rows)


@draws
def features(report: Report, before: Tensor, after: Tensor, pixels: Sequence[float]) -> Table:
    """k-NN accuracy and silhouette of the best layer before and after training, and of the pixels."""
    said = {"knn": "k-NN accuracy", "silhouette": "silhouette"}
    rows = {name: (what, before[i], after[i], pixels[i]) for i, (name, what) in enumerate(said.items())}
    columns = {"before": "before training", "after": "after", "pixels": "pixels"}
    return numbers(report, "Features, at the best of layers 1 to 5, and the pixels", rows, columns, {"knn": ".1%"})


@draws
def drawn(report: Report, likened: Mapping[str, Sequence[float]], nearer: Mapping[str, float]) -> Table:
    """What pictures drawn backwards are like.

    Parameters
    ----------
    likened : kind -> cosine with the image, with the mean of its class, with other pictures of the class; also of
        ``"error, wrong label"`` and ``"guided, wrong label"``, whose cosine with the image is kept for the text
    nearer : kind -> how often the own image is nearer than another of its class
    """
    kinds = {kind: DRAWN[kind] for kind in ("error", "label", "guided")}
    said = {
        "cosine": "the image",
        "to_mean": "the mean image of the class",
        "same_class": "other pictures of the class",
    }
    rows = {
        name: (f"cosine with {to}", *(likened[kind][i] for kind in kinds)) for i, (name, to) in enumerate(said.items())
    }
    for name, kind in (("wrong", "error, wrong label"), ("guided_wrong", "guided, wrong label")):
        report.number(f"cosine_{name}", likened[kind][0])
    rows["nearer"] = ("nearer to its own image", *(nearer[kind] for kind in kinds))
    return numbers(report, "Pictures drawn backwards, at the end", rows, kinds, {"nearer": ".0%"})


@draws
def marks(
    report: Report,
    brighter: Mapping[str, Mapping[tuple[str, str], Bootstrapped]],
    over_wrong: Mapping[str, Bootstrapped],
) -> Table:
    """How much brighter pictures are at crossings and at turns.

    Parameters
    ----------
    brighter : kind -> (adjustment, mark) -> contrast
    over_wrong : mark -> adjusted contrast of the guided picture less that for a wrong label
    """
    rows = {
        "raw": ("guided, raw", *(brighter["guided"]["raw", where].mean for where in MARKS)),
        "adjusted": (
            "guided, adjusted for ink and place",
            *(brighter["guided"]["adjusted", where].mean for where in MARKS),
        ),
        "over_wrong": ("that, more than for a wrong label", *(over_wrong[where].mean for where in MARKS)),
        "unguided": ("unguided, adjusted", *(brighter["label"]["adjusted", where].mean for where in MARKS)),
    }
    caption = "How much brighter pictures are on the marks, in standard deviations"
    return numbers(report, caption, rows, {where: f"at {where}" for where in MARKS})
