"""Named data sets as tensors: small ones embedded, whole ones through torchvision, the reader's own as ``.npz``."""

import os
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from platformdirs import user_cache_path
from torch import Tensor

from layerlib._checks import checked, did_you_mean, path, several_names, text, whole_number
from layerlib.data._npz import UNREADABLE, from_npz
from layerlib.data.folders import coco, imagenet_folder, voc2007
from layerlib.data.scenes import make_scenes
from layerlib.data.splits import Data, Split

EMBEDDED = ("mnist-mini", "fashion-mini", "cifar10-mini")
WHOLE = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "cifar10": "CIFAR10"}
# of each set of scenes: the sets of its digits and of its articles, pictures to train and to test
SCENES = {
    "scenes-mini": ("mnist-mini", "fashion-mini", 10_000, 2_000),
    "scenes": ("mnist", "fashion_mnist", 50_000, 10_000),
}
FOLDERS = {"voc2007": voc2007, "coco": coco, "imagenet-folder": imagenet_folder}


@checked(name=path, root=path, size=whole_number)
def load(name: str | Path, root: str | Path | None = None, size: int | None = None) -> Data | Split:
    """A data set by name, or the reader's own from a ``.npz`` file.

    Parameters
    ----------
    name : str or path
        - "mnist-mini", "fashion-mini", "cifar10-mini": embedded, no network; 6,000 + 2,000 images, balanced, CIFAR
          5,000 + 2,000
        - "scenes-mini": 10,000 + 2,000 multi-label pictures made of the first two (``make_scenes``); "scenes": 50,000
          + 10,000 made of whole MNIST and Fashion-MNIST; train and test have no source image in common
        - "mnist", "fashion_mnist", "cifar10": whole, through torchvision
        - "voc2007", "coco", "imagenet-folder": as ``layerlib.data.folders`` says, multi-label but for the last
        - the path of a ``.npz`` with ``x_train, y_train, x_test, y_test`` and, if wanted, ``classes``: images uint8 of
          shape (N, H, W), (N, C, H, W) or (N, H, W, C) with 1 or 3 channels, labels whole numbers or names (N,) or
          multi-hot (N, K). Images may also be JPEG bytes: ``train_jpeg, train_offsets, train_labels``, the same for
          ``test``. Of a file with ``x, y`` a ``Split`` comes back.
    root : folder of the sets that are not embedded
        by default ``$LAYERLIB_DATA``, else the system's folder for caches (on Linux ``~/.cache/layerlib``); where
        torchvision can, it downloads into it
    size : height and width in pixels of the pictures of "voc2007", "coco" and "imagenet-folder", by default 224

    Returns
    -------
    Data, with the splits ``train`` and ``test`` and the names ``classes``; of a file with one part, a Split

    Raises
    ------
    ValueError
        for an unknown name (with the closest ones), a ``size`` for pictures that have one, or a file that is
        truncated or has other arrays or shapes
    FileNotFoundError
        for a file that is not there, or a whole set that is neither there nor can be downloaded (saying what to put
        where)
    """
    if str(name) in FOLDERS:
        size = 224 if size is None else size
        return FOLDERS[str(name)](_folder(root), size)
    if size is not None:
        raise ValueError(f"size: expected none but for {list(FOLDERS)}, got {size} for {str(name)!r}")
    if str(name) in EMBEDDED:
        with resources.as_file(resources.files("layerlib") / "datasets" / f"{name}.npz") as path:
            return from_npz(path)
    if str(name) in WHOLE:
        return _from_torchvision(str(name), _folder(root))
    if str(name) in SCENES:
        return _scenes(str(name), root)
    if Path(name).suffix == ".npz":
        return from_npz(Path(name))
    known = [*EMBEDDED, *SCENES, *WHOLE, *FOLDERS]
    hint = did_you_mean(str(name).lower(), known)
    raise ValueError(
        f"name: unknown data set {str(name)!r}{hint and f' ({hint})'}; expected one of {known} or a path ending in .npz"
    )


def _folder(root: str | Path | None) -> Path:
    return Path(root or os.environ.get("LAYERLIB_DATA") or user_cache_path("layerlib"))


@checked(name=text, root=path, part=text)
def scene_sources(name: str, root: str | Path | None = None, part: str = "train") -> tuple[Split, Split]:
    """The digits and the articles that a set of scenes is made of, for ``make_scenes`` and ``fresh_scenes``.

    Parameters
    ----------
    name : "scenes-mini" or "scenes"
    root : as of ``load``
    part : "train" or "test"

    Raises
    ------
    ValueError
        for another ``name`` or ``part``
    FileNotFoundError
        as ``load``, for "scenes" without whole MNIST and Fashion-MNIST
    """
    if name not in SCENES:
        raise ValueError(f"name: expected one of {list(SCENES)}, got {name!r}")
    if part not in ("train", "test"):
        raise ValueError(f"part: expected 'train' or 'test', got {part!r}")
    digits, articles = (getattr(load(source, root), part) for source in SCENES[name][:2])
    return digits, articles


@checked(names=several_names)
def label_vectors(names: Iterable[str]) -> Tensor:
    """Vectors of class names, near to one another where the names mean similar things.

    They are of a language model's token vectors (``tools/make_label_vectors.py`` says which), stored with the package.

    Parameters
    ----------
    names : K class names of VOC 2007, COCO or the scenes, as ``Data.classes`` has them

    Returns
    -------
    float32, shape (K, 256), each of length 1

    Raises
    ------
    ValueError
        for a name that has no vector, with the closest ones
    """
    with np.load(resources.files("layerlib") / "datasets" / "label_vectors.npz", allow_pickle=False) as file:  # type: ignore[arg-type]
        row = {str(name): i for i, name in enumerate(file["names"])}
        vectors = torch.from_numpy(file["vectors"])
    for name in names:
        if name not in row:
            hint = did_you_mean(str(name), row)
            raise ValueError(
                f"names: no vector of {name!r}{hint and f' ({hint})'}; expected class names of VOC, COCO or the scenes"
            )
    return vectors[torch.tensor([row[name] for name in names], dtype=torch.int64)]


def _scenes(name: str, root: str | Path | None) -> Data:
    digits, articles, train, test = SCENES[name]
    digits, articles = load(digits, root), load(articles, root)
    # seeds that are no number of an epoch of fresh scenes
    return Data(
        make_scenes(digits.train, articles.train, train, seed=10**6),
        make_scenes(digits.test, articles.test, test, seed=10**6 + 1),
        digits.classes + articles.classes,
    )


def _from_torchvision(name: str, root: Path) -> Data:
    from torchvision import datasets

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
        return Data(*splits, tuple(str(c).split(" - ")[0] for c in parts[0].classes))  # type: ignore[arg-type, call-arg]
    except UNREADABLE as error:
        if dotted := sorted(path.name for path in (root / folder).glob("*.idx?-ubyte")):
            raise ValueError(
                f"{name}: expected {dotted[0].replace('.', '-')} in {root / folder}, got {dotted[0]}: "
                "write a dash for the dot in the names of all four files"
            ) from error
        if len(list((root / folder).glob("*-ubyte"))) == 4:
            raise ValueError(f"{name}: a file in {root / folder} is truncated or damaged ({error!r})") from error
        raise FileNotFoundError(
            f"{name}: not found in {root} and not to be downloaded ({error}); "
            f"put the original files into {root / folder}, or use the embedded load({name.split('_')[0] + '-mini'!r})"
        ) from error
