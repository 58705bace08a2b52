"""The reader's own pictures and labels in a ``.npz`` file of plain arrays."""

import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
from torch import Tensor

from layerlib._archives import check_sizes
from layerlib.data.splits import Data, Split, class_count, images_of, labels_of

# what NumPy, zipfile, Pillow and torchvision raise for files that are missing, damaged, or declare more than there is
UNREADABLE = (
    ValueError,
    OSError,
    EOFError,
    RuntimeError,
    TypeError,
    KeyError,
    AssertionError,
    SyntaxError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)


MOST_CLASSES = 1_000_000  # a stray label must not ask for as many names


def from_npz(path: Path) -> Data | Split:
    """A data set from ``x_train, y_train, x_test, y_test``, or a split from ``x, y``; see ``load``.

    No other array of the file is unpacked.

    Raises
    ------
    ValueError
        naming the file, if it is damaged, or its arrays are missing or others than ``load`` says
    FileNotFoundError
        if there is none
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with np.load(path, allow_pickle=False) as file:
            present = sorted(file.files)
            parts = ("",) if {"x", "y"} <= {*present} else ("train", "test")
            keys = {part: _keys(part, present) for part in parts}
            wanted = [key for key in (*sum(keys.values(), ()), "classes") if key in present]
            check_sizes(file.zip, wanted)
            arrays = {key: file[key] for key in wanted}
    except UNREADABLE as error:
        raise ValueError(f"{path}: truncated, or not a .npz of plain arrays ({str(error) or repr(error)})") from error
    for each in keys.values():
        if missing := [key for key in each if key not in arrays]:
            raise ValueError(
                f"{path}: expected arrays x_train, y_train, x_test, y_test; {missing} missing, got "
                f"{present}; of one split alone, x and y"
            )
    with _naming(path):
        names = _names(arrays, keys)
        pieces = [(_images(arrays, each), _labels(arrays[each[-1]], each[-1], names)) for each in keys.values()]
    splits = []
    for part, piece in zip(parts, pieces, strict=True):
        with _naming(f"{path}, {part}" if part else path):
            splits.append(Split(*piece))
    if len(splits) == 1:
        return splits[0]
    with _naming(path):
        for key, split in zip(keys.values(), splits, strict=True):
            if names is None and split.labels.ndim == 1 and (stray := int(split.labels.max())) >= MOST_CLASSES:
                raise ValueError(f"{key[-1]}: expected class numbers below {MOST_CLASSES}, got {stray}")
        return Data(*splits, tuple(map(str, range(class_count(*splits)) if names is None else names)))  # type: ignore[arg-type, call-arg]


@contextmanager
def _naming(where: object) -> Iterator[None]:
    """What is refused within is refused with the name of the file first."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _keys(part: str, present: Sequence[str]) -> tuple[str, ...]:
    if not part:
        return "x", "y"
    jpeg = f"{part}_jpeg", f"{part}_offsets", f"{part}_labels"
    return jpeg if jpeg[0] in present else (f"x_{part}", f"y_{part}")


def _names(arrays: dict[str, np.ndarray], keys: dict[str, tuple[str, ...]]) -> list[str] | None:
    """Names of the classes: those given, else those that labels in words are, in their order."""
    if "classes" in arrays:
        return _words(np.atleast_1d(arrays["classes"]))
    labels = [arrays[each[-1]] for each in keys.values()]
    words = [_words(each) for each in labels if each.dtype.kind in "SU" and each.ndim == 1]
    return sorted(set().union(*words)) if len(words) == len(labels) else None


def _words(names: np.ndarray) -> list[str]:
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names.tolist()]


def _labels(labels: np.ndarray, key: str, names: list[str] | None) -> Tensor:
    if labels.dtype.kind in "SU" and labels.ndim == 1 and names is not None:
        words, number = _words(labels), {name: i for i, name in enumerate(names)}
        if unknown := {*words} - {*number}:
            raise ValueError(f"{key}: expected names among classes, got {sorted(unknown)[:5]}")
        labels = np.array([number[word] for word in words], np.int64)
    return labels_of(labels, key)


def _images(arrays: dict[str, np.ndarray], keys: tuple[str, ...]) -> Tensor:
    if len(keys) == 2:
        return images_of(arrays[keys[0]], keys[0])
    from PIL import Image

    stream, offsets = arrays[keys[0]].tobytes(), arrays[keys[1]]
    try:
        pieces = [stream[a:b] for a, b in pairwise(offsets.tolist())]
        pictures = np.stack([np.asarray(Image.open(io.BytesIO(piece)).convert("RGB")) for piece in pieces])
    except (*UNREADABLE, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{keys[0]}: expected JPEG pictures of one size from each of {keys[1]} to the next ({error})"
        ) from error
    return images_of(pictures, keys[0])
