"""How much brighter a picture is on marked parts of a stroke than on the rest, raw and adjusted for ink (F8).

Units: standard deviations of the picture's brightness over the image's own ink, so that images and networks compare.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from layerbook.analysis._shapes import shaped
from layerbook.analysis.strokes import Strokes
from layerlib._checks import any_whole_number, checked, like, share, whole_number

ADJUSTMENTS, MARKS = ("raw", "adjusted"), ("crossings", "turns")
FOUND = like("Strokes, as find_strokes gives", "ink", "crossings", "turns")


class Bootstrapped(NamedTuple):
    """A mean over images, its bootstrap interval, and how many images it is of."""

    mean: float
    low: float
    high: float
    images: int

    @property
    def ends(self) -> tuple[float, float]:
        """Low and high, as a claim's part takes them."""
        return self.low, self.high


def standardized(pictures: Tensor, ink: Tensor) -> Tensor:
    """Brightness on the ink, per image of mean 0 and standard deviation 1.

    Parameters
    ----------
    pictures : float, shape (N, H, W) or (N, 1, H, W), such as ``guided_bp_image(model, x, y)``
    ink : bool, shape (N, H, W)

    Returns
    -------
    float64, shape (N, H, W); NaN outside the ink, and for images whose ink is all equally bright

    Raises
    ------
    ValueError
        if the shapes do not fit or a value on the ink is not finite
    """
    flat = pictures[:, 0] if pictures.ndim == 4 and pictures.shape[1] == 1 else pictures
    if ink.dtype != torch.bool or flat.shape != ink.shape or ink.ndim != 3:
        raise ValueError(
            f"pictures: expected the shape of ink, bool (N, H, W), got pictures {tuple(pictures.shape)} "
            f"and ink {ink.dtype} {tuple(ink.shape)}"
        )
    ink = ink.to(flat.device)
    brightness = flat.detach().double().where(ink, torch.nan)
    if not flat[ink].isfinite().all():
        raise ValueError("pictures: brightness on the ink is not finite")
    centred = brightness - brightness.nanmean((1, 2), keepdim=True)
    spread = centred.square().nanmean((1, 2), keepdim=True).sqrt()
    return centred / spread.where(spread > 0, torch.nan)


def adjusted(brightness: Tensor, strokes: Strokes) -> Tensor:
    """Brightness less what ink density and the distance from the centre explain, over all images together.

    Least squares over all pixels of ink: brightness on density, distance, their squares and product, and on the marks
    themselves, each less its mean over the image. The marks are in it so that what belongs to them is not handed to
    the ink; then the part of ink and place alone is taken off. So the contrast that is left is that between marked
    and other pixels of the same density and distance.

    Parameters
    ----------
    brightness : float64, shape (N, H, W), from ``standardized``
    strokes : of the same images

    Returns
    -------
    float64, shape (N, H, W), in the units of ``brightness``; NaN where that is
    """
    device = brightness.device
    rows, columns = (torch.arange(n, dtype=torch.float64, device=device) - (n - 1) / 2 for n in brightness.shape[1:])
    distance = (rows[:, None].square() + columns.square()).sqrt().expand_as(brightness) / len(rows)
    density = strokes.density.to(device).double()
    place = [density, distance, density.square(), distance.square(), density * distance]
    known = torch.stack([*place, *(mask.to(device).double() for mask in (strokes.crossings, strokes.turns))], -1)
    inside = ~brightness.isnan()
    known = known - known.where(inside[..., None], torch.nan).nanmean((1, 2), keepdim=True)
    x, b = known[inside], brightness[inside]
    # a mark that no image has makes the equations singular: lstsq by SVD gives it weight 0
    weights = torch.linalg.lstsq((x.T @ x).cpu(), (x.T @ b).cpu()[:, None], driver="gelsd").solution[:, 0].to(device)
    return brightness - known[..., : len(place)].nan_to_num() @ weights[: len(place)]


def contrast(brightness: Tensor, marked: Tensor, rest: Tensor) -> Tensor:
    """Mean brightness on the marked pixels less that on the rest, per image.

    Parameters
    ----------
    brightness : float64, shape (N, H, W), from ``standardized`` or ``adjusted``
    marked, rest : bool, shape (N, H, W), such as ``strokes.crossings`` and ``strokes.rest``

    Returns
    -------
    float64, shape (N,); NaN for an image without marked pixels or without any other

    Examples
    --------
    >>> strokes = find_strokes(images)
    >>> brightness = standardized(guided_bp_image(model, as_input(images), labels), strokes.ink)
    >>> bootstrap_mean(contrast(adjusted(brightness, strokes), strokes.crossings, strokes.rest)).mean
    """
    if not brightness.shape == marked.shape == rest.shape:
        raise ValueError(
            f"marked, rest: expected the shape {tuple(brightness.shape)} of brightness, "
            f"got {tuple(marked.shape)} and {tuple(rest.shape)}"
        )
    there, elsewhere = (
        brightness.where(mask.to(brightness.device), torch.nan).nanmean((1, 2)) for mask in (marked, rest)
    )
    return there - elsewhere


@checked(strokes=FOUND)
@shaped(pictures="gaps ... H W")
def contrasts(pictures: Tensor, strokes: Strokes) -> dict[tuple[str, str], Tensor]:
    """Contrast of each image, raw and adjusted, at crossings and at turns.

    Parameters
    ----------
    pictures : as of ``standardized``
    strokes : of the same images

    Returns
    -------
    (one of ``ADJUSTMENTS``, one of ``MARKS``) -> float64, shape (N,)
    """
    raw = standardized(pictures, strokes.ink)
    brightness = dict(zip(ADJUSTMENTS, (raw, adjusted(raw, strokes)), strict=True))
    return {
        (how, where): contrast(brightness[how], getattr(strokes, where), strokes.rest)
        for how in ADJUSTMENTS
        for where in MARKS
    }


@checked(samples=whole_number, seed=any_whole_number)
@shaped(values="gaps N")
def bootstrap_mean(values: Tensor, samples: int = 2000, seed: int = 0) -> Bootstrapped:
    """Mean over images with its 95 % percentile bootstrap interval; images with NaN are left out.

    For two pictures of the same images, give the differences of their contrasts: the interval is then paired.

    Parameters
    ----------
    values : float, shape (N,)

    Raises
    ------
    ValueError
        if the shape is another, or no value is left

    Examples
    --------
    >>> bootstrap_mean(torch.ones(50))
    Bootstrapped(mean=1.0, low=1.0, high=1.0, images=50)
    """
    if values.ndim != 1 or values.isnan().all():
        raise ValueError(
            f"values: expected shape (N,) with at least one number, got {tuple(values.shape)} "
            f"of which {int(values.isnan().sum())} are NaN"
        )
    kept = values[~values.isnan()].double().cpu()
    generator = torch.Generator().manual_seed(seed)
    means = torch.cat(
        [kept[torch.randint(len(kept), (50, len(kept)), generator=generator)].mean(1) for _ in range(-(-samples // 50))]
    )[:samples]
    low, high = means.quantile(torch.tensor([(1 - 0.95) / 2, (1 + 0.95) / 2], dtype=torch.float64)).tolist()
    return Bootstrapped(kept.mean().item(), low, high, len(kept))


@checked(strokes=FOUND, part=share)
@shaped(pictures="... H W")
def near_marks(pictures: Tensor, strokes: Strokes, part: float = 0.1) -> Tensor:
    """Share of the brightest ink, and of all ink, that lies within two pixels of a crossing or a turn.

    Parameters
    ----------
    pictures : shape (N, 1, H, W) or (N, H, W), the brighter the more it counts
    part : of an image's ink, the brightest of which is looked at, at least one pixel

    Returns
    -------
    float64, shape (2, N): of the brightest ink, of all ink
    """
    if pictures.numel() != strokes.ink.numel():
        raise ValueError(
            f"pictures: expected those of the strokes, {tuple(strokes.ink.shape)}, got {tuple(pictures.shape)}"
        )
    bright, ink = pictures.reshape(strokes.ink.shape).flatten(1), strokes.ink.flatten(1)
    # the masks reach one pixel from where lines cross and turn: one more
    marks = (strokes.crossings | strokes.turns).float()[:, None]
    near = (F.max_pool2d(marks, 3, stride=1, padding=1)[:, 0] > 0).flatten(1) & ink
    rank = bright.masked_fill(~ink, -torch.inf).argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    count = (part * ink.sum(1)).round().clamp(min=1)
    top = (rank < count[:, None]) & ink
    return torch.stack([(each & near).sum(1) / each.sum(1).clamp(min=1) for each in (top, ink)]).double()
