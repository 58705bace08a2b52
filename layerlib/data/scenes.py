"""Multi-label pictures without a network: a few digits and articles of clothing at random places of a canvas."""

from collections.abc import Callable

import torch
from torch import Tensor

from layerlib._checks import any_whole_number, checked, whole_number
from layerlib._tensors import labelled
from layerlib.data.splits import Split

CLASSES_PER_SOURCE = 10
BATCH = 1024  # pictures at once: bounds the memory, and the indices stay in the cache


@checked(
    digits=labelled,
    articles=labelled,
    count=any_whole_number,
    seed=any_whole_number,
    size=whole_number,
    most=any_whole_number,
)
def make_scenes(digits: Split, articles: Split, count: int, seed: int, size: int = 64, most: int = 5) -> Split:
    """Pictures of 1 to ``most`` objects, each a digit or an article, at random places; the brighter pixel wins.

    The number of objects is uniform, each is a digit or an article by a fair coin, then any sample of its split,
    then any place that holds the whole of it. Objects may overlap and classes repeat: with 10 + 10 balanced
    classes a picture of up to 5 objects has about 2.8 labels, of up to 2 about 1.5.

    Parameters
    ----------
    digits : images uint8, shape (M, 1, h, w), labels 0 .. 9, which stay
    articles : the same of M' samples and labels 0 .. 9, which become 10 .. 19
    count : N, the number of pictures
    seed : of everything random, drawn on the CPU: every device makes the same pictures
    size : height and width of the pictures, in pixels
    most : largest number of objects

    Returns
    -------
    Split on the device of ``digits``: images uint8, shape (N, 1, size, size); labels multi-hot float32, shape (N, 20)

    Raises
    ------
    ValueError
        if the splits are not grey pictures of one shape with labels 0 .. 9 on one device, ``count`` or ``most`` is
        below 1, or ``size`` is smaller than they are
    """
    _check(digits, articles, count, size, most)
    device, (h, w) = digits.images.device, digits.images.shape[-2:]
    sources = torch.cat([digits.images, articles.images]).flatten(1)
    classes = torch.cat([digits.labels, articles.labels + CLASSES_PER_SOURCE])
    objects, *drawn = _draw(len(digits), len(articles), count, seed, most, (size - h + 1, size - w + 1))
    rows, (source, top, left) = _rows(objects, device), (part.to(device) for part in drawn)
    window = torch.arange(h, device=device)[:, None] * size + torch.arange(w, device=device)
    images = torch.zeros(count, size * size, dtype=torch.uint8, device=device)
    labels = torch.zeros(count, 2 * CLASSES_PER_SOURCE, device=device)
    for i, row in rows:
        corner = row * size * size + top[row, i] * size + left[row, i]
        place = (corner[:, None] + window.flatten()).flatten()
        pasted = sources[source[row, i]].flatten()
        images.view(-1)[place] = torch.maximum(images.view(-1)[place], pasted)
        labels[row, classes[source[row, i]]] = 1
    return Split(images.view(count, 1, size, size), labels)


@checked(digits=labelled, articles=labelled, count=any_whole_number, size=whole_number, most=any_whole_number)
def fresh_scenes(digits: Split, articles: Split, count: int, size: int = 64, most: int = 5) -> Callable[[int], Split]:
    """A training set that is another one in every epoch: a function from the epoch's number to its pictures.

    Parameters
    ----------
    digits, articles, count, size, most : as of ``make_scenes``, whose seed is the number of the epoch

    Returns
    -------
    epoch -> Split of ``count`` pictures, always the same for the same number

    Raises
    ------
    ValueError
        as ``make_scenes``, at once and not in the first epoch
    """
    _check(digits, articles, count, size, most)
    return lambda epoch: make_scenes(digits, articles, count, seed=epoch, size=size, most=most)


def _draw(digits: int, articles: int, count: int, seed: int, most: int, places: tuple[int, int]) -> tuple[Tensor, ...]:
    """Objects per picture (N,); and of each: row in digits and articles one after the other, top, left (N, most)."""
    random = torch.Generator().manual_seed(seed)
    objects = torch.randint(1, most + 1, (count,), generator=random)
    shape = (count, most)
    is_digit = torch.rand(shape, generator=random) < 0.5
    digit = torch.randint(digits, shape, generator=random)
    article = torch.randint(articles, shape, generator=random) + digits
    top, left = (torch.randint(n, shape, generator=random) for n in places)
    return objects, digit.where(is_digit, article), top, left


def _rows(objects: Tensor, device: torch.device) -> list[tuple[int, Tensor]]:
    """Pairs of the number of an object and the pictures that have it, ``BATCH`` of all pictures after the other.

    They are picked on the CPU and moved together: a GPU is waited for at each look and each copy.
    """
    steps = [(start, i) for start in range(0, len(objects), BATCH) for i in range(int(objects.max()))]
    rows = [start + (objects[start : start + BATCH] > i).nonzero()[:, 0] for start, i in steps]
    moved = torch.cat(rows).to(device).split([len(each) for each in rows])
    return [(i, each) for (_, i), each in zip(steps, moved, strict=True)]


def _check(digits: Split, articles: Split, count: int, size: int, most: int) -> None:
    for name, split in (("digits", digits), ("articles", articles)):
        shape = tuple(split.images.shape[1:])
        if shape[0] != 1 or shape != tuple(digits.images.shape[1:]):
            raise ValueError(f"{name}: expected grey pictures (1, h, w) of the shape of digits, got {shape}")
        if split.labels.ndim != 1 or split.labels.max() >= CLASSES_PER_SOURCE:
            raise ValueError(
                f"{name}: expected class numbers 0 to 9, got labels {tuple(split.labels.shape)} up to "
                f"{split.labels.max().item():g}"
            )
    if articles.images.device != digits.images.device:
        raise ValueError(
            f"articles: expected on the device of digits, {digits.images.device}, got {articles.images.device}"
        )
    if count < 1:
        raise ValueError(f"count: expected at least 1 picture, got {count}")
    if most < 1:
        raise ValueError(f"most: expected at least 1 object, got {most}")
    if size < max(digits.images.shape[-2:]):
        raise ValueError(f"size: expected at least {max(digits.images.shape[-2:])}, that of the objects, got {size}")
