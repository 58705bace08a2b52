"""Data sets that lie in folders of pictures, brought to one size: Pascal VOC 2007, COCO 2014, ImageNet's layout."""

import json
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import torch
from torch import Tensor

from layerlib._checks import checked, path, whole_number
from layerlib.data._pictures import classes_in, pictures
from layerlib.data.splits import Data, Split

VOC_CLASSES = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
COCO_FILES = (
    "annotations/instances_{0}.json and the pictures {0}/*.jpg, from annotations_trainval2014.zip and "
    "{0}.zip of cocodataset.org"
)
TRAIN_PER_CLASS, TEST_PER_CLASS = 96, 4


@checked(root=path, size=whole_number)
def voc2007(root: Path, size: int) -> Data:
    """Pascal VOC 2007 as a multi-label set: trainval to train, test to test, objects marked difficult not counted.

    Parameters
    ----------
    root : folder that holds ``VOCdevkit/VOC2007``; it is downloaded where it is missing
    size : of the pictures, in pixels: shorter side resized to it, then centre-cropped

    Returns
    -------
    Data with images uint8, shape (N, 3, size, size), labels multi-hot float32, shape (N, 20), and the number of
    pictures left out because they have no label; 1.5 GB at size 224

    Raises
    ------
    ValueError
        for an annotation or a picture that is damaged, or a class that is not one of the 20
    FileNotFoundError
        if it is neither there nor can be downloaded
    """
    from torchvision.datasets import VOCDetection

    parts = []
    for image_set in ("trainval", "test"):
        try:
            try:
                found = VOCDetection(root, "2007", image_set)
            except (RuntimeError, FileNotFoundError):
                # asked only now, because torchvision unpacks the whole archive again at every download
                found = VOCDetection(root, "2007", image_set, download=True)
        except (RuntimeError, OSError) as error:
            raise FileNotFoundError(
                f"voc2007: {image_set} not found in {root} and not to be downloaded ({error}); put VOCtrainval and "
                f"VOCtest of 2007, unpacked, into {root / 'VOCdevkit' / 'VOC2007'}"
            ) from error
        # a blank line in the list stands for no picture
        pairs = zip(found.images, map(Path, found.annotations), strict=True)
        listed = [(image, path) for image, path in pairs if path.name != ".xml"]
        if not listed:
            raise ValueError(f"voc2007: expected pictures in ImageSets/Main/{image_set}.txt of {root}, got none")
        parts.append(([image for image, _ in listed], torch.stack([_voc_labels(path) for _, path in listed])))
    return _multi_label(parts, VOC_CLASSES, size)


@checked(root=path, size=whole_number)
def coco(root: Path, size: int) -> Data:
    """COCO 2014 as a multi-label set: train2014 to train, val2014 to test, objects in crowds counted too.

    Parameters
    ----------
    root : folder that holds ``annotations/instances_train2014.json``, ``train2014/*.jpg``, and both for ``val2014``
    size : of the pictures, in pixels: shorter side resized to it, then centre-cropped

    Returns
    -------
    Data with images uint8, shape (N, 3, size, size), labels multi-hot float32, shape (N, 80), in the order of the
    category numbers, and the number of pictures left out because they have no label; 18.6 GB at size 224

    Raises
    ------
    ValueError
        for annotations that are damaged or have other categories in the two parts, or a picture that is damaged
    FileNotFoundError
        for what is not there, saying what to put where
    """
    parts, names = [], []
    for part in ("train2014", "val2014"):
        path = root / "annotations" / f"instances_{part}.json"
        if not path.is_file() or not (root / part).is_dir():
            raise FileNotFoundError(f"coco: {part} not found in {root}; put there {COCO_FILES.format(part)}")
        try:
            files, labels, classes = _coco_labels(json.loads(path.read_text()))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"{path}: truncated, or not instances as COCO writes them ({error!r})") from error
        parts.append(([root / part / file for file in files], labels))
        names.append(classes)
    if names[0] != names[1]:
        raise ValueError(f"{path}: expected the {len(names[0])} categories of train2014, got others, {len(names[1])}")
    return _multi_label(parts, names[0], size)


@checked(root=path, size=whole_number)
def imagenet_folder(root: Path, size: int) -> Data:
    """A folder of pictures per class, laid out as ImageNet is; at most 96 pictures a class to train and 4 to test.

    Parameters
    ----------
    root : folder with ``train/<class>/*.JPEG`` and ``val/<class>/*.JPEG``, of each the first in sorted order; without
        ``val`` the 4 that follow the first 96 of ``train``
    size : of the pictures, in pixels: shorter side resized to it, then centre-cropped

    Returns
    -------
    Data with images uint8, shape (N, 3, size, size), labels int64, shape (N,); 15 GB at 1,000 classes and size 224

    Raises
    ------
    ValueError
        if ``val`` has other classes than ``train``; if there is no ``val`` and a class has no more than 96 pictures;
        for a picture that is damaged
    FileNotFoundError
        if there is no ``train``, or a class in it has no picture
    """
    if not (root / "train").is_dir():
        raise FileNotFoundError(
            f"imagenet-folder: no train in {root}; put pictures into {root / 'train'}/<class>/, "
            f"and those to test with into {root / 'val'}/<class>/"
        )
    classes, train = classes_in(root / "train")
    whole, first = train, TRAIN_PER_CLASS
    if (root / "val").is_dir():
        others, whole = classes_in(root / "val")
        first = 0
        if others != classes:
            raise ValueError(
                f"imagenet-folder: expected in val the {len(classes)} classes of train, got "
                f"{len(others)}, different {sorted({*others} ^ {*classes})[:5]}"
            )
    test = _ranked(whole, first, first + TEST_PER_CLASS)
    few = sorted({*range(len(classes))} - {label for _, label in test})
    if few:
        raise ValueError(
            f"imagenet-folder: expected more than {first} pictures a class in train where there is no "
            f"val, got no more of class {classes[few[0]]!r}"
        )
    return Data(*(_labelled(chosen, size) for chosen in (_ranked(train, 0, TRAIN_PER_CLASS), test)), tuple(classes))  # type: ignore[arg-type, call-arg]


@checked(folder=path, size=whole_number)
def class_folder(folder: Path, size: int) -> Split:
    """All pictures of a folder that has a folder for each class: see ``Split.from_folder``."""
    return _labelled(classes_in(folder)[1], size)


def _labelled(samples: Sequence[tuple[Path, int]], size: int) -> Split:
    return Split(pictures([path for path, _ in samples], size), torch.tensor([label for _, label in samples]))


def _ranked(samples: Sequence[tuple[Path, int]], start: int, stop: int) -> list[tuple[Path, int]]:
    """Of the samples (path, class), sorted by class, those at ``start`` to ``stop`` within their class."""
    labels = torch.tensor([label for _, label in samples])
    rank = torch.arange(len(labels)) - torch.searchsorted(labels, labels)
    return [samples[i] for i in ((rank >= start) & (rank < stop)).nonzero()[:, 0].tolist()]


def _voc_labels(path: Path) -> Tensor:
    try:
        objects = ElementTree.parse(path).getroot().iterfind("object")
        names = [o.findtext("name") for o in objects if o.findtext("difficult", "0").strip() != "1"]
    except ElementTree.ParseError as error:
        raise ValueError(f"{path}: damaged ({error})") from error
    if unknown := [name for name in names if name not in VOC_CLASSES]:
        raise ValueError(f"{path}: damaged, or an object that is none of the 20 classes, got {unknown[0]!r}")
    return torch.tensor([float(name in names) for name in VOC_CLASSES])


def _coco_labels(content: dict) -> tuple[list[str], Tensor, tuple[str, ...]]:
    """File names, labels (N, K) and class names; category numbers have gaps, columns have none."""
    categories = sorted(content["categories"], key=lambda category: category["id"])
    images = sorted(content["images"], key=lambda image: image["id"])
    row = {image["id"]: i for i, image in enumerate(images)}
    column = {category["id"]: i for i, category in enumerate(categories)}
    labels = torch.zeros(len(images), len(categories))
    places = [(row[a["image_id"]], column[a["category_id"]]) for a in content["annotations"]]
    labels[tuple(torch.tensor(places, dtype=torch.int64).view(-1, 2).T)] = 1
    files, classes = ([each[key] for each in many] for many, key in ((images, "file_name"), (categories, "name")))
    if wrong := [name for name in files + classes if not isinstance(name, str)]:
        raise TypeError(f"expected names, got {wrong[0]!r}")
    return files, labels, tuple(classes)


def _multi_label(parts: Sequence[tuple[Sequence[str | Path], Tensor]], classes: tuple[str, ...], size: int) -> Data:
    splits, unlabelled = [], []
    for paths, labels in parts:
        kept = labels.any(1)
        splits.append(Split(pictures([paths[i] for i in kept.nonzero()[:, 0].tolist()], size), labels[kept]))
        unlabelled.append(int((~kept).sum()))
    return Data(*splits, classes, unlabelled=tuple(unlabelled))  # type: ignore[arg-type, call-arg, misc]
