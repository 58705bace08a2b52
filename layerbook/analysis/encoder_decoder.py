"""What the chapter on forward and backward measures: clouds of targets and features, and pictures drawn backwards."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor, nn

from layerbook.analysis._shapes import shaped
from layerbook.analysis.contrast import FOUND, contrasts, near_marks
from layerbook.analysis.likeness import class_mates, silhouettes, within_classes
from layerbook.analysis.strokes import Strokes
from layerlib import separation
from layerlib._checks import by_name, checked, renamed, several_names, some_of
from layerlib._tensors import network, networks, numbers
from layerlib.backward.guided import alignment, propagate

ASKED = {"x": "images", "y": "labels"}  # what they are called by `propagate`


def _moments(argument: str, value: object) -> Iterator[Sequence[nn.Module]]:
    """The values, networks at each moment, one moment after the other."""
    return (networks(argument, each) for each in _some(argument, value))


def _drawn(argument: str, value: object) -> Iterator[Mapping[str, Tensor]]:
    """The values, pictures by kind, one network after the other."""
    return (by_name(numbers)(argument, each) for each in _some(argument, value))


def _some(argument: str, value: object) -> Iterator:
    """The values one by one, at least one."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError(f"{argument}: expected several, got {value!r:.80}")
    values = iter(value)
    for first in values:
        return chain([first], values)
    raise ValueError(f"{argument}: expected several, got none")


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


@checked(moments=_moments)
@shaped(images="N ...", labels="whole N", random="whole N")
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


@checked(model=network, names=several_names)
@shaped(images="N ...", labels="whole N")
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
    with renamed(**ASKED):
        true, permuted = propagate(model, images, labels), propagate(model, images, labels, order=order)
    names = some_of("names", names, true)
    back = order.argsort()
    return torch.stack(
        [
            silhouettes(true[name].target, labels) - silhouettes(permuted[name].target, labels[order])[back]
            for name in names
        ]
    )


@checked(drawn=_drawn)
@shaped(images="N ...", means="classes ...", labels="whole N")
def likeness(
    drawn: Iterable[Mapping[str, Tensor]], images: Tensor, means: Tensor, labels: Tensor
) -> dict[str, Likeness]:
    """What the pictures that networks draw are like, by kind of drawing.

    Parameters
    ----------
    drawn : of each network, kind -> its pictures of ``images``
    means : mean image of each class
    """
    if means.shape[1:] != images.shape[1:] or labels.max() >= len(means):
        raise ValueError(
            f"means: expected one of the shape of images, {tuple(images.shape[1:])}, for each class of labels, "
            f"got {tuple(means.shape)}"
        )
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


@checked(drawn=_drawn, strokes=FOUND, kinds=several_names, near=several_names)
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
        kinds, near = some_of("kinds", kinds, pictures), some_of("near", near, pictures)
        marked.append(torch.stack([near_marks(pictures[kind], strokes) for kind in near]))
        for kind in kinds:
            found[kind].append(contrasts(pictures[kind], strokes))
    per_image = {
        kind: {key: torch.stack([each[key] for each in seeds]).mean(0) for key in seeds[0]}
        for kind, seeds in found.items()
    }
    return per_image, torch.stack(marked, 2)


def _clouds(model: nn.Module, images: Tensor, labels: Tensor, random: Tensor) -> tuple[Tensor, Tensor]:
    with renamed(**ASKED):
        true = propagate(model, images, labels)
    with renamed(x="images", y="random"):
        other = propagate(model, images, random)
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
