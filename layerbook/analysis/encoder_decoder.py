"""What the chapter on forward and backward measures: clouds of targets and features, and pictures drawn backwards."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from layerbook.analysis.contrast import contrasts, near_marks
from layerbook.analysis.likeness import class_mates, silhouettes, within_classes
from layerbook.analysis.strokes import Strokes
from layerlib import separation
from layerlib.backward.guided import alignment, propagate


class Likeness(NamedTuple):
    """What pictures drawn backwards are like, of one kind of drawing.

    Parameters
    ----------
    image : cosine with the own image, shape (N,), mean of the networks
    class_mean : cosine with the mean image of the class, likewise
    nearer : whether it is nearer to its own image than to another of its class, bool, shape (networks, N)
    each_other : mean cosine of two pictures of a class, mean of the networks
    """

    image: Tensor
    class_mean: Tensor
    nearer: Tensor
    each_other: float


def over_training(
    moments: Iterable[Sequence[nn.Module]], images: Tensor, labels: Tensor, random: Tensor
) -> tuple[Tensor, Tensor]:
    """Separation of targets, targets of random labels and features; dot product and cosine of targets and features.

    Parameters
    ----------
    moments : the networks of all seeds, at each moment
    images, labels, random : test images, their labels, and labels that have nothing to do with them

    Returns
    -------
    separated : shape (moments, seeds, layers, 3, 2): k-NN accuracy and silhouette of each cloud
    aligned : shape (moments, seeds, layers, 2): means of the dot product and the cosine of −target and pre-activation
    """
    found = [[_clouds(model, images, labels, random) for model in models] for models in moments]
    separated, aligned = (torch.stack([torch.stack([seed[i] for seed in row]) for row in found]) for i in (0, 1))
    return separated, aligned


def beyond_permuted(model: nn.Module, images: Tensor, labels: Tensor, names: Sequence[str]) -> Tensor:
    """Silhouettes of the targets of some layers, less those of the same errors sent through other images.

    Parameters
    ----------
    names : of the layers

    Returns
    -------
    float64, shape (layers, N)
    """
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(3))
    true, permuted = propagate(model, images, labels), propagate(model, images, labels, order=order)
    back = order.argsort()
    return torch.stack(
        [
            silhouettes(true[name].target, labels) - silhouettes(permuted[name].target, labels[order])[back]
            for name in names
        ]
    )


def likeness(
    drawn: Iterable[Mapping[str, Tensor]], images: Tensor, means: Tensor, labels: Tensor
) -> dict[str, Likeness]:
    """What the pictures that networks draw are like, by kind of drawing.

    Parameters
    ----------
    drawn : of each network, kind -> its pictures of ``images``
    means : mean image of each class
    """
    mates, found = class_mates(labels), {}
    for pictures in drawn:
        for kind, each in pictures.items():
            to_image, to_mean, to_mate = (alignment(each, other)[1] for other in (images, means[labels], images[mates]))
            found.setdefault(kind, []).append((to_image, to_mean, to_image > to_mate, within_classes(each, labels)))
    by_kind = {kind: list(zip(*rows, strict=True)) for kind, rows in found.items()}
    return {
        kind: Likeness(
            torch.stack(image).nanmean(0), torch.stack(mean).nanmean(0), torch.stack(nearer), sum(alike) / len(alike)
        )
        for kind, (image, mean, nearer, alike) in by_kind.items()
    }


def stroke_contrasts(
    drawn: Iterable[Mapping[str, Tensor]], strokes: Strokes, kinds: Sequence[str], near: Sequence[str]
) -> tuple[dict[str, dict[tuple[str, str], Tensor]], Tensor]:
    """How much brighter pictures are at crossings and turns, and how much of the brightest ink lies near them.

    Parameters
    ----------
    drawn : of each network, kind -> its pictures
    kinds : of which to take the contrast
    near : of which to look where the brightest ink is

    Returns
    -------
    per_image : kind -> contrasts as of `contrasts`, each of shape (N,), mean of the networks
    marked : as of `near_marks`, shape (near, 2, networks, N)
    """
    marked, found = [], {kind: [] for kind in kinds}
    for pictures in drawn:
        marked.append(torch.stack([near_marks(pictures[kind], strokes) for kind in near]))
        for kind in kinds:
            found[kind].append(contrasts(pictures[kind], strokes))
    per_image = {
        kind: {key: torch.stack([each[key] for each in seeds]).mean(0) for key in seeds[0]}
        for kind, seeds in found.items()
    }
    return per_image, torch.stack(marked, 2)


def _clouds(model: nn.Module, images: Tensor, labels: Tensor, random: Tensor) -> tuple[Tensor, Tensor]:
    true, other = propagate(model, images, labels), propagate(model, images, random)
    separated = [
        [
            separation(true[layer].target, labels),
            separation(other[layer].target, random),
            separation(true[layer].preactivation, labels),
        ]
        for layer in true
    ]
    aligned = [alignment(-each.target, each.preactivation) for each in true.values()]
    means = [[value.nanmean().item() for value in pair] for pair in aligned]
    return torch.tensor(separated), torch.tensor(means)
