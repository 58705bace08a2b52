"""Named data sets as tensors: small ones embedded, whole ones through torchvision, the reader's own as ``.npz``."""

import difflib
import io
import os
import zipfile
import zlib
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

EMBEDDED = ("mnist-mini", "fashion-mini", "cifar10-mini")
WHOLE = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "cifar10": "CIFAR10"}
# what NumPy, zipfile, Pillow and torchvision raise for files that are missing or damaged
UNREADABLE = (ValueError, OSError, EOFError, RuntimeError, TypeError, KeyError, AssertionError, SyntaxError,
              zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Split:
    """Images and their labels.

    Attributes
    ----------
    images : uint8, shape (N, C, H, W)
    labels : int64, shape (N,), class numbers; or float32, shape (N, K), multi-hot
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self):
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            raise ValueError(
                f"images: expected uint8 (N, C, H, W), got {self.images.dtype} {tuple(self.images.shape)}"
            )
        if len(self.images) == 0:
            raise ValueError("images: expected at least one image, got none")
        class_numbers = self.labels.dtype == torch.int64 and self.labels.ndim == 1
        multi_hot = self.labels.dtype == torch.float32 and self.labels.ndim == 2
        if not class_numbers and not multi_hot:
            raise ValueError(
                "labels: expected int64 (N,) or multi-hot float32 (N, K), "
                f"got {self.labels.dtype} {tuple(self.labels.shape)}"
            )
        if len(self.labels) != len(self.images):
            raise ValueError(f"labels: expected {len(self.images)}, one per image, got {len(self.labels)}")
        if class_numbers and self.labels.min() < 0:
            raise ValueError(f"labels: expected class numbers from 0 up, got {self.labels.min().item()}")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index) -> "Split":
        """The samples at ``index`` (a slice, a mask or a tensor of indices), again as a split."""
        return Split(self.images[index], self.labels[index])

    def to(self, device: torch.device | str) -> "Split":
        return Split(self.images.to(device), self.labels.to(device))

    def holdout(self, samples: int, seed: int = 0) -> tuple["Split", "Split"]:
        """Two disjoint parts, the second with ``samples`` random samples, both in the order they had.

        Raises
        ------
        ValueError
            if ``samples`` leaves one part empty
        """
        if not 0 < samples < len(self):
            raise ValueError(f"samples: expected 1 to {len(self) - 1} of {len(self)}, got {samples}")
        held = torch.zeros(len(self), dtype=torch.bool)
        held[torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))[:samples]] = True
        held = held.to(self.images.device)
        return self[~held], self[held]


@dataclass(frozen=True)
class Data:
    """A data set: ``train`` and ``test`` splits and the names of the classes, by class number."""

    train: Split
    test: Split
    classes: tuple[str, ...]

    def __post_init__(self):
        train, test = (tuple(part.images.shape[1:]) for part in (self.train, self.test))
        if train != test:
            raise ValueError(f"test: expected images of the shape of those of train, {train}, got {test}")
        train, test = (f"float32 (N, {part.labels.shape[1]})" if part.labels.ndim == 2 else "int64 (N,)"
                       for part in (self.train, self.test))
        if train != test:
            raise ValueError(f"test: expected labels of the kind of those of train, {train}, got {test}")
        count = _class_count(self.train, self.test)
        if len(self.classes) < count:
            raise ValueError(f"classes: expected at least {count} names, one per class, got {len(self.classes)}")


def load(name: str | Path, root: str | Path | None = None) -> Data:
    """A data set by name, or the reader's own from a ``.npz`` file.

    Parameters
    ----------
    name : str or path
        "mnist-mini", "fashion-mini" or "cifar10-mini" (embedded, no network: 6,000 + 2,000 images, balanced; CIFAR
        5,000 + 2,000), "mnist", "fashion_mnist" or "cifar10" (whole, through torchvision), or the path of a
        ``.npz`` with ``x_train, y_train, x_test, y_test`` and, if wanted, ``classes``: images uint8 of shape
        (N, H, W), (N, C, H, W) or (N, H, W, C) with 1 or 3 channels, labels whole numbers (N,) or multi-hot (N, K).
        Images may also be JPEG bytes: ``train_jpeg, train_offsets, train_labels``, the same for ``test``.
    root : folder of the whole sets
        by default ``$LAYERLIB_DATA``, else ``~/.cache/layerlib``; a whole set that is not there is downloaded into it

    Raises
    ------
    ValueError
        for an unknown name (with the closest ones), or a file that is truncated or has other arrays or shapes
    FileNotFoundError
        for a ``.npz`` that is not there, or a whole set that is neither there nor can be downloaded (saying what
        to put where)
    """
    if str(name) in EMBEDDED:
        with resources.as_file(resources.files("layerlib") / "datasets" / f"{name}.npz") as path:
            return _from_npz(path)
    if str(name) in WHOLE:
        return _from_torchvision(str(name), root)
    if Path(name).suffix == ".npz":
        return _from_npz(Path(name))
    known = [*EMBEDDED, *WHOLE]
    close = difflib.get_close_matches(str(name).lower(), known, n=2)
    hint = f" (did you mean {' or '.join(close)}?)" if close else ""
    raise ValueError(f"name: unknown data set {str(name)!r}{hint}; expected one of {known} or a path ending in .npz")


def _from_torchvision(name: str, root: str | Path | None) -> Data:
    from torchvision import datasets

    root = Path(root or os.environ.get("LAYERLIB_DATA") or Path.home() / ".cache" / "layerlib")
    maker = getattr(datasets, WHOLE[name])
    folder = "cifar-10-batches-py" if name == "cifar10" else f"{WHOLE[name]}/raw"
    try:
        parts = [maker(root, train=train, download=True) for train in (True, False)]
        splits = []
        for part in parts:
            images = torch.as_tensor(part.data)
            images = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()
            splits.append(Split(images, torch.as_tensor(part.targets).long()))
        # torchvision writes "0 - zero"; the embedded sets and the figures say "0"
        return Data(*splits, tuple(str(c).split(" - ")[0] for c in parts[0].classes))
    except UNREADABLE as error:
        if len(list((root / folder).glob("*-ubyte"))) == 4:
            raise ValueError(f"{name}: a file in {root / folder} is truncated or damaged ({error!r})") from error
        raise FileNotFoundError(
            f"{name}: not found in {root} and not to be downloaded ({error}); "
            f"put the original files into {root / folder}, or use the embedded load({name.split('_')[0] + '-mini'!r})"
        ) from error


def _from_npz(path: Path) -> Data:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except UNREADABLE as error:
        raise ValueError(f"{path}: truncated, or not a .npz of plain arrays ({error})") from error
    parts = []
    for part in ("train", "test"):
        jpeg = f"{part}_jpeg" in arrays
        keys = [f"{part}_jpeg", f"{part}_offsets", f"{part}_labels"] if jpeg else [f"x_{part}", f"y_{part}"]
        missing = [key for key in keys if key not in arrays]
        if missing:
            raise ValueError(f"{path}: expected arrays x_train, y_train, x_test, y_test; {missing} missing, "
                             f"got {sorted(arrays)}")
        images = _decode(arrays, part, path) if jpeg else _images(arrays[keys[0]], path, keys[0])
        labels = _labels(arrays[keys[-1]], path, keys[-1])
        try:
            parts.append(Split(images, labels))
        except ValueError as error:
            raise ValueError(f"{path}, {part}: {error}") from error
    try:
        names = np.atleast_1d(arrays.get("classes", np.arange(_class_count(*parts))))
        return Data(*parts, tuple(str(name) for name in names))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _images(x: np.ndarray, path: Path, key: str) -> Tensor:
    if x.dtype != np.uint8 or x.ndim not in (3, 4) or (x.ndim == 4 and not {x.shape[1], x.shape[3]} & {1, 3}):
        raise ValueError(f"{path}: {key}: expected uint8 images (N, H, W), (N, C, H, W) or (N, H, W, C) with 1 or 3 "
                         f"channels, got {x.dtype} {x.shape}")
    images = torch.from_numpy(x)
    if x.ndim == 3:
        return images[:, None]
    return images if x.shape[1] in (1, 3) else images.permute(0, 3, 1, 2).contiguous()


def _labels(y: np.ndarray, path: Path, key: str) -> Tensor:
    if y.ndim == 1 and np.issubdtype(y.dtype, np.integer):
        return torch.from_numpy(y.astype(np.int64))
    if y.ndim == 2 and np.isin(y, (0, 1)).all():
        return torch.from_numpy(y.astype(np.float32))
    raise ValueError(f"{path}: {key}: expected whole numbers (N,) or zeros and ones (N, K), got {y.dtype} {y.shape}")


def _class_count(*parts: Split) -> int:
    return max(part.labels.shape[1] if part.labels.ndim == 2 else int(part.labels.max()) + 1 for part in parts)


def _decode(arrays: dict[str, np.ndarray], part: str, path: Path) -> Tensor:
    from PIL import Image

    stream, offsets = arrays[f"{part}_jpeg"].tobytes(), arrays[f"{part}_offsets"]
    try:
        pieces = [stream[a:b] for a, b in pairwise(offsets.tolist())]
        pictures = np.stack([np.asarray(Image.open(io.BytesIO(piece)).convert("RGB")) for piece in pieces])
    except UNREADABLE as error:
        raise ValueError(f"{path}: {part}_jpeg: expected JPEG pictures of one size from each of {part}_offsets to the "
                         f"next ({error})") from error
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()
