"""Crossings and sharp turns of drawn strokes, and how bright a picture is there (Xie & Lai 2018, fig. 8, measured).

The paper marks by eye, in boxes, where guided-bp-DNN is brightest: where strokes cross (red) or turn suddenly (green).
Here the strokes are thinned to a skeleton and both are found by rule, so that a whole test set can be asked.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from layerbook.analysis._shapes import shaped
from layerlib._checks import checked, like, share
from layerlib._tensors import numbers

SPUR = 3  # branches of at most so many pixels come from a ragged edge
SPAN = 4  # a direction is taken over so many pixels of the path
SHARP = 60.0  # degrees; a circle of radius 4 turns by 57 over two spans
# the eight neighbours, those that share an edge first: a walk takes these before it cuts a corner
STEPS = ((-1, 0), (0, 1), (1, 0), (0, -1), (-1, 1), (1, 1), (1, -1), (-1, -1))


@dataclass(frozen=True)
class Strokes:
    """Where the strokes of N images are, cross and turn. All masks are bool, shape (N, H, W).

    Attributes
    ----------
    ink : the strokes
    skeleton : their middle lines, one pixel wide
    crossings : the ink within 1 pixel of where three or more lines meet
    turns : the ink within 1 pixel of a turn of at least ``SHARP`` degrees, but for the crossings
    density : float32, shape (N, H, W), mean brightness of the 5 x 5 pixels around each pixel, 0 to 1
    """

    ink: Tensor
    skeleton: Tensor
    crossings: Tensor
    turns: Tensor
    density: Tensor

    @property
    def rest(self) -> Tensor:
        """The ink outside crossings and turns."""
        return self.ink & ~self.crossings & ~self.turns


@checked(images=numbers, threshold=share)
def find_strokes(images: Tensor, threshold: float = 0.5) -> Strokes:
    """Strokes of drawn images, by skeleton (Zhang & Suen 1984, through scikit-image).

    Branches of at most ``SPUR`` pixels are pruned. A crossing is where three lines or more leave a skeleton pixel, or a
    clump of 2 x 2; a turn, the sharpest pixel within ``SPAN`` where a line's directions over the ``SPAN`` pixels before
    and after differ by ``SHARP`` degrees or more.

    Parameters
    ----------
    images : uint8 0 to 255 or float 0 to 1, shape (N, H, W) or (N, 1, H, W)
    threshold : share of full brightness above which a pixel is ink

    Raises
    ------
    ValueError
        if the shape is another, values lie outside the range, or ``threshold`` is not between 0 and 1

    Examples
    --------
    >>> strokes = find_strokes(load("mnist-mini").test.images[:5])
    >>> strokes.crossings.shape
    torch.Size([5, 28, 28])
    """
    from skimage.morphology import skeletonize

    bright = _bright(images)
    if not 0 < threshold < 1:
        raise ValueError(f"threshold: expected between 0 and 1, got {threshold}")
    ink = (bright > threshold).cpu().numpy()
    # images one below the other, with empty borders wide enough for every walk: one array, one call
    sheet = np.pad(ink, ((0, 0), (SPAN + 1, SPAN + 1), (SPAN + 1, SPAN + 1)))
    shape, sheet = sheet.shape, sheet.reshape(-1, sheet.shape[2])
    skeleton = _pruned(skeletonize(sheet))
    crossings = _crossings(skeleton)
    turns = _sharpest(_turning(skeleton & ~_grown(crossings)))
    crossings = _grown(crossings)
    turns = _grown(turns) & ~crossings

    def back(mask: np.ndarray) -> Tensor:
        inner = mask.reshape(shape)[:, SPAN + 1 : -SPAN - 1, SPAN + 1 : -SPAN - 1]
        return torch.from_numpy(np.ascontiguousarray(inner)).to(images.device)

    density = F.avg_pool2d(bright[:, None], 5, stride=1, padding=2)[:, 0]
    ink = torch.from_numpy(ink).to(images.device)
    return Strokes(ink, back(skeleton), back(crossings) & ink, back(turns) & ink, density)


def boxes(mask: Tensor, margin: int = 1) -> list[tuple[int, int, int, int]]:
    """A box around each connected part of ``mask``, bool (H, W), to be drawn: (top, left, height, width) in pixels."""
    if mask.ndim != 2 or mask.dtype != torch.bool:
        raise ValueError(f"mask: expected bool of shape (H, W), got {mask.dtype} {tuple(mask.shape)}")
    parts = ndimage.find_objects(ndimage.label(mask.cpu().numpy(), np.ones((3, 3)))[0])
    return [
        (
            rows.start - margin,
            columns.start - margin,
            rows.stop - rows.start + 2 * margin,
            columns.stop - columns.start + 2 * margin,
        )
        for rows, columns in parts
    ]


def _bright(images: Tensor) -> Tensor:
    flat = images[:, 0] if images.ndim == 4 and images.shape[1] == 1 else images
    if flat.ndim != 3 or len(flat) == 0:
        raise ValueError(f"images: expected shape (N, H, W) or (N, 1, H, W), got {tuple(images.shape)}")
    bright = flat.float() / (255 if images.dtype == torch.uint8 else 1)
    if not ((bright >= 0) & (bright <= 1)).all():
        raise ValueError(
            "images: expected uint8 from 0 to 255 or floating point from 0 to 1, "
            f"got {images.dtype} from {bright.min():g} to {bright.max():g}"
        )
    return bright


def _around(mask: np.ndarray, corners: tuple[tuple[int, int], ...] = ((-1, -1), (1, 1))) -> np.ndarray:
    """The ring of pixels around every pixel, clockwise, shape (ring, H, W); outside is empty.

    ``corners`` are the ring's corners above left and below right, (row, column) seen from the pixel.
    """
    (top, left), (bottom, right) = corners
    ring = [(top, c) for c in range(left, right)] + [(r, right) for r in range(top, bottom)]
    ring += [(bottom, c) for c in range(right, left, -1)] + [(r, left) for r in range(bottom, top, -1)]
    padded = np.pad(mask, 2)
    height, width = mask.shape
    return np.stack([padded[2 + r : 2 + r + height, 2 + c : 2 + c + width] for r, c in ring])


def _entries(ring: np.ndarray) -> np.ndarray:
    """How often a ring goes from empty to line: 1 around an end, 2 around a line, 3 or more around a crossing."""
    return (~ring & np.roll(ring, -1, axis=0)).sum(0)


def _crossings(skeleton: np.ndarray) -> np.ndarray:
    """Where three lines or more meet, in a pixel or in a block of 2 x 2 that is full or lacks one."""
    one = skeleton & (_entries(_around(skeleton)) >= 3)
    square = _around(skeleton, ((0, 0), (1, 1)))
    four = (square.sum(0) >= 3) & (_entries(_around(skeleton, ((-1, -1), (2, 2)))) >= 3)
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        one |= skeleton & np.roll(four, (row, column), (0, 1))
    return one


def _grown(mask: np.ndarray) -> np.ndarray:
    return mask | _around(mask).any(0)


def _pruned(skeleton: np.ndarray) -> np.ndarray:
    """Without branches of at most SPUR pixels: ends are eaten away, and what still ends grows back."""
    short = skeleton
    for _ in range(SPUR):
        ring = _around(short)
        short = short & ~((_entries(ring) == 1) & (ring.sum(0) <= 2))
    ends = short & (_entries(_around(short)) <= 1)
    for _ in range(SPUR):
        ends = _grown(ends) & skeleton
    return short | ends


def _turning(lines: np.ndarray) -> np.ndarray:
    """By how many degrees each pixel's line turns, from SPAN pixels before to SPAN after; 0 where it is not so long."""
    flat, width = lines.ravel(), lines.shape[1]
    here = np.flatnonzero(lines)
    first = _next(flat, width, here, here[None])
    # what shares an edge with the first neighbour is on its side of the line
    beside = [first + row * width + column for row, column in STEPS[:4]]
    second = _next(flat, width, here, np.stack([here, first, *beside]))
    ends = [_walk(flat, width, one, np.stack([here, two])) for one, two in ((first, second), (second, first))]
    angle = np.zeros(flat.size)
    whole = (ends[0] >= 0) & (ends[1] >= 0)
    here, (before, after) = here[whole], (end[whole] for end in ends)
    towards = [(a // width - b // width) + 1j * (a % width - b % width) for a, b in ((here, before), (after, here))]
    angle[here] = np.abs(np.degrees(np.angle(towards[1] / towards[0])))
    return angle.reshape(lines.shape)


def _walk(flat: np.ndarray, width: int, position: np.ndarray, visited: np.ndarray) -> np.ndarray:
    """Where a walk along the line from ``position`` comes to after SPAN - 1 steps, -1 where the line ends before."""
    for _ in range(SPAN - 1):
        visited = np.concatenate([visited, position[None]])
        position = _next(flat, width, position, visited)
    return position


def _next(flat: np.ndarray, width: int, position: np.ndarray, visited: np.ndarray) -> np.ndarray:
    """The neighbour on the line that is not visited yet, -1 where there is none; all are flat indices."""
    following = np.full_like(position, -1)
    for row, column in reversed(STEPS):
        candidate = position + row * width + column
        free = (position >= 0) & flat[candidate.clip(0, flat.size - 1)] & (visited != candidate).all(0)
        following = np.where(free, candidate, following)
    return following


def _sharpest(angle: np.ndarray) -> np.ndarray:
    return (angle >= SHARP) & (angle == ndimage.maximum_filter(angle, 2 * SPAN + 1))


@checked(strokes=like("Strokes, as find_strokes gives", "crossings", "turns"))
@shaped(labels="whole N")
def one_of_each(strokes: Strokes, labels: Tensor) -> Tensor:
    """An image of each class that labels name: the first with a crossing and a turn, else with one of them, else any.

    Parameters
    ----------
    labels : int64, shape (N,)

    Returns
    -------
    int64, shape (classes,), rows of the images, by class
    """
    if len(labels) != len(strokes.ink):
        raise ValueError(f"labels: expected {len(strokes.ink)}, one for each image of strokes, got {len(labels)}")
    marks = sum(mask.flatten(1).any(1).int() for mask in (strokes.crossings, strokes.turns)).to(labels.device)
    rows = [(labels == each).nonzero()[:, 0] for each in labels.unique()]
    return torch.stack([each[marks[each].argmax()] for each in rows])
