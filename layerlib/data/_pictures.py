"""Picture files as pixels: brought to one size, the right way up, whatever their depth; and where they lie."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def classes_in(folder: Path) -> tuple[list[str], list[tuple[Path, int]]]:
    """The folders in ``folder`` as classes, in the order of their names, and (picture, class) of every picture in them.

    Hidden files and folders do not count, and a folder that links lead to again counts once.

    Raises
    ------
    FileNotFoundError
        if ``folder`` is none or holds none, or a class has no picture
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder")
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    found = [(path, i) for i, name in enumerate(classes) for path in _files(folder / name)]
    if without := [name for i, name in enumerate(classes) if i not in {each for _, each in found}]:
        raise FileNotFoundError(
            f"{folder}: expected pictures {', '.join(SUFFIXES)} of every class, got none of {without[0]!r}"
        )
    if not classes:
        raise FileNotFoundError(f"{folder}: expected a folder of pictures for each class, got none")
    return classes, found


def _files(folder: Path) -> Iterator[Path]:
    seen: set[str] = set()
    for base, inner, names in os.walk(folder, followlinks=True):
        # os.walk goes where this list leads, in its order
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        if (real := os.path.realpath(base)) in seen:
            inner.clear()
            continue
        seen.add(real)
        yield from (
            Path(base, name) for name in sorted(names) if name.lower().endswith(SUFFIXES) and not name.startswith(".")
        )


def pictures(paths: Sequence[str | Path], size: int) -> Tensor:
    """The pictures as RGB, uint8 (N, 3, size, size), read by as many threads as there are cores.

    Each is turned as its EXIF data say, its shorter side resized to ``size``, then cut out of the middle. 16 bits are
    brought to 8, and so are floats in [0, 1].

    Raises
    ------
    ValueError
        naming the file, if it is damaged, too large to be a picture, or of numbers that are no brightness
    """
    # filled in place: a list of pictures stacked at the end would need the memory twice
    images = torch.empty(len(paths), 3, size, size, dtype=torch.uint8)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        read = threads.map(lambda i: images[i].copy_(_picture(paths[i], size)), range(len(paths)))
        quiet = bool(os.environ.get("CI") or os.environ.get("TQDM_DISABLE"))
        for _ in tqdm(read, total=len(paths), desc="pictures", disable=quiet, leave=False):
            pass
    return images


def _picture(path: str | Path, size: int) -> Tensor:
    from PIL import Image, ImageOps
    from torchvision.transforms import functional as F

    try:
        with Image.open(path) as file:
            upright = _eight_bits(ImageOps.exif_transpose(file), _brightest(file))
            return F.pil_to_tensor(F.center_crop(F.resize(upright, size), size))
    except FileNotFoundError:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: truncated, or not a picture ({error})") from error


def _eight_bits(picture, top: float | None):
    """Any picture of Pillow as 8-bit RGB; of more bits Pillow itself would keep the lowest 8."""
    from PIL import Image

    if picture.mode[0] not in "IF":
        return picture.convert("RGB")
    if top is None:
        raise ValueError("expected 8 or 16 bits, or floats in [0, 1], got whole numbers of 32 bits")
    values = np.asarray(picture).astype(np.float64)
    if not (values.min() >= 0 and values.max() <= top):
        raise ValueError(f"expected grey from 0 to {top}, got {values.min():.4g} to {values.max():.4g}")
    return Image.fromarray((values * (255 / top)).round().astype(np.uint8)).convert("RGB")


def _brightest(file) -> float | None:
    """What stands for white in a picture of more than 8 bits; None where it cannot be told."""
    if file.mode == "F":
        return 1
    # some versions of Pillow give 16 bits as 32, which in a PNG there are none of
    return 65535 if file.mode.startswith("I;16") or file.format == "PNG" else None
