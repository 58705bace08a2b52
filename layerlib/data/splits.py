"""Images with their labels: a split, and a data set of two."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from layerlib._checks import any_whole_number, checked, path, several_names, whole_number
from layerlib._tensors import as_tensor, labelled, numbers, place


@dataclass(frozen=True)
class Split:
    """Images and their labels.

    Attributes
    ----------
    images : uint8, shape (N, C, H, W)
    labels : int64, shape (N,), class numbers; or float32, shape (N, K), multi-hot

    numpy arrays become tensors, and labels in them of any whole numbers int64, of two dimensions float32.

    Raises
    ------
    ValueError
        if the images, the labels or their numbers are other than that
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self):
        for name in ("images", "labels"):
            object.__setattr__(self, name, _tensor(getattr(self, name), name))
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            raise ValueError(f"images: expected uint8 (N, C, H, W), got {self.images.dtype} {tuple(self.images.shape)}")
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
            raise ValueError(
                f"labels: expected {len(self.images)}, one per image, got {len(self.labels)} "
                f"for images {tuple(self.images.shape)}"
            )
        if class_numbers and self.labels.min() < 0:
            raise ValueError(f"labels: expected class numbers from 0 up, got {self.labels.min().item()}")

    @classmethod
    @checked(images=numbers, labels=numbers)
    def from_numpy(cls, images: np.ndarray, labels: np.ndarray | Sequence) -> "Split":
        """A split from arrays as they come.

        Parameters
        ----------
        images : uint8, shape (N, H, W), (N, C, H, W) or (N, H, W, C), with 1 or 3 channels
        labels : whole numbers, shape (N,); or zeros and ones, shape (N, K)

        Returns
        -------
        Split

        Raises
        ------
        ValueError
            if they are others
        """
        return cls(images_of(np.asarray(images), "images"), labels_of(np.asarray(labels), "labels"))

    @classmethod
    @checked(folder=path, size=whole_number)
    def from_folder(cls, folder: str | Path, size: int = 224) -> "Split":
        """A split from a folder with a folder of pictures for each class, numbered in the order of their names.

        Parameters
        ----------
        folder : whose folders are the classes
        size : of the pictures, in pixels: shorter side resized to it, then centre-cropped

        Returns
        -------
        Split

        Raises
        ------
        ValueError
            for a picture that is damaged, or too large to be one
        FileNotFoundError
            if there is no such folder, or none with a picture in it
        """
        from layerlib.data.folders import class_folder  # which makes splits itself

        return class_folder(Path(folder), size)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index) -> "Split":
        """The samples at ``index`` (a slice, a mask or a tensor of indices), again as a split."""
        return Split(self.images[index], self.labels[index])

    @checked(device=place)
    def to(self, device: torch.device | str) -> "Split":
        """The same on another device.

        Parameters
        ----------
        device : as for a tensor

        Returns
        -------
        Split
        """
        return Split(self.images.to(device), self.labels.to(device))

    @checked(samples=any_whole_number, seed=any_whole_number)
    def holdout(self, samples: int, seed: int = 0) -> tuple["Split", "Split"]:
        """Two disjoint parts, each in the order it had.

        Parameters
        ----------
        samples : number of random samples of the second
        seed : of their choice

        Returns
        -------
        rest, held : Split

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


def _tensor(value: Tensor | np.ndarray, name: str) -> Tensor:
    if isinstance(value, Tensor):
        return as_tensor(name, value)
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
        got = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
        raise ValueError(f"{name}: expected a tensor or a numpy array of numbers, got {got}")
    dtype = value.dtype.newbyteorder("=")
    if name == "labels":
        dtype = np.float32 if value.ndim == 2 else np.int64 if value.dtype.kind in "iu" else dtype
    # PyTorch takes neither reversed nor read-only arrays without a word
    return torch.from_numpy(np.require(value, dtype, ["C", "W"]))


def images_of(x: np.ndarray, name: str) -> Tensor:
    """Images uint8, shape (N, H, W), (N, C, H, W) or (N, H, W, C) with 1 or 3 channels, as (N, C, H, W)."""
    if x.dtype != np.uint8 or x.ndim not in (3, 4) or (x.ndim == 4 and not {x.shape[1], x.shape[3]} & {1, 3}):
        raise ValueError(
            f"{name}: expected uint8 images (N, H, W), (N, C, H, W) or (N, H, W, C) with 1 or 3 "
            f"channels, got {x.dtype} {x.shape}"
        )
    if x.ndim == 3:
        x = x[:, None]
    return _tensor(x if x.shape[1] in (1, 3) else x.transpose(0, 3, 1, 2), name)


def labels_of(y: np.ndarray, name: str) -> Tensor:
    """Whole numbers (N,) as int64, zeros and ones (N, K) as float32."""
    whole, hot = y.ndim == 1 and y.dtype.kind in "iu", y.ndim == 2 and np.isin(y, (0, 1)).all()
    if not whole and not hot:
        raise ValueError(f"{name}: expected whole numbers (N,) or zeros and ones (N, K), got {y.dtype} {y.shape}")
    return _tensor(y, "labels")


@dataclass(frozen=True)
class Data:
    """A data set of two splits.

    Attributes
    ----------
    train, test : its splits
    classes : names of the classes, by class number
    unlabelled : how many pictures were left out of train and of test because they have no label
    """

    train: Split
    test: Split
    classes: tuple[str, ...]
    unlabelled: tuple[int, int] = (0, 0)

    def __post_init__(self):
        for name in ("train", "test"):
            labelled(name, getattr(self, name))
        object.__setattr__(self, "classes", several_names("classes", self.classes))
        _check_counts("unlabelled", self.unlabelled)
        train, test = (tuple(part.images.shape[1:]) for part in (self.train, self.test))
        if train != test:
            raise ValueError(f"test: expected images of the shape of those of train, {train}, got {test}")
        train, test = (
            f"float32 (N, {part.labels.shape[1]})" if part.labels.ndim == 2 else "int64 (N,)"
            for part in (self.train, self.test)
        )
        if train != test:
            raise ValueError(f"test: expected labels of the kind of those of train, {train}, got {test}")
        count = class_count(self.train, self.test)
        if len(self.classes) < count:
            raise ValueError(f"classes: expected at least {count} names, one per class, got {len(self.classes)}")

    def to(self, device: torch.device | str) -> "Data":
        """The same data on ``device``."""
        return replace(self, train=self.train.to(device), test=self.test.to(device))


def _check_counts(name: str, counts: tuple[int, int]) -> None:
    if not isinstance(counts, tuple) or len(counts) != 2:
        raise ValueError(f"{name}: expected two whole numbers, got {counts!r}")
    for count in counts:
        whole_number(name, count, 0)


def class_count(*parts: Split) -> int:
    """The number of classes that the labels of ``parts`` speak of."""
    for part in parts:
        labelled("parts", part)
    return max(part.labels.shape[1] if part.labels.ndim == 2 else int(part.labels.max()) + 1 for part in parts)
