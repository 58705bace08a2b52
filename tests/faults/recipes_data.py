"""Valid calls of pictures of layers and of data."""

import torch
from valid import FOLDER, IMAGES, LABELS, NAMES, NO_SAMPLES, SPLIT, X, Z, affine, grey, net, npz, pictures, recipe

import layerlib as ll
from layerlib.backward import direct_losses, separation, targets
from layerlib.data import folders, scenes
from layerlib.data import load as loading
from layerlib.data.splits import Data, Split, class_count

RECIPES = [
    recipe(
        "backward.direct_losses.direct_loss_fp",
        direct_losses.direct_loss_fp,
        lambda: dict(layer=affine(), inputs=Z, target=Z[:, :3]),
    ),
    recipe(
        "backward.direct_losses.direct_loss_bp",
        direct_losses.direct_loss_bp,
        lambda: dict(layer=affine(), inputs=Z, target=Z[:, :3]),
    ),
    recipe(
        "backward.direct_losses.decoded", direct_losses.decoded, lambda: dict(layer=affine(), inputs=Z, target=Z[:, :3])
    ),
    recipe(
        "backward.direct_losses.alignment",
        direct_losses.alignment,
        lambda: dict(a=Z, b=Z + 1),
        {(name, "zeros"): "a zero vector has no cosine" for name in "ab"},
    ),
    recipe(
        "backward.direct_losses.gradient_gaps",
        direct_losses.gradient_gaps,
        lambda: dict(model=net(), x=X, y=LABELS),
        {("x", fault): "NaN where there is no gradient" for fault in ("tiny", "zeros")},
    ),
    recipe("backward.guided.bp_image", ll.bp_image, lambda: dict(model=net(), x=X, y=LABELS, seed="error")),
    recipe(
        "backward.guided.guided_bp_image",
        ll.guided_bp_image,
        lambda: dict(model=net(), x=X, y=LABELS, mask_input=True, unguided="refuse"),
    ),
    recipe(
        "backward.separation.separation",
        ll.separation,
        lambda: dict(features=Z, labels=LABELS, neighbours=2),
        {
            ("features", "axis more"): "any axes after the first",
            ("labels", "far out"): "any whole number names a class",
            ("labels", "negative"): "any whole number names a class",
        },
    ),
    recipe(
        "backward.separation.directions",
        separation.directions,
        lambda: dict(features=Z),
        {("features", "axis more"): "any axes after the first", ("features", "empty"): NO_SAMPLES},
    ),
    recipe("backward.targets.targets", ll.targets, lambda: dict(model=net(), x=X, y=LABELS, names=NAMES)),
    recipe(
        "backward.targets.propagate",
        lambda **given: {name: each.target for name, each in targets.propagate(**given).items()},
        lambda: dict(model=net(), x=X, y=LABELS, names=NAMES, order=torch.arange(12).flip(0)),
    ),
    recipe("data.folders.class_folder", folders.class_folder, lambda: dict(folder=pictures(), size=4)),
    recipe(
        "data.load.load",
        loading.load,
        lambda: dict(name=npz(), root=FOLDER, size=None),
        {("root", fault): "an own file lies where it lies" for fault in ("not there", "zero byte")},
    ),
    recipe(
        "data.load.scene_sources",
        loading.scene_sources,
        lambda: dict(name="scenes-mini", root=FOLDER, part="test"),
        {("root", fault): "these are embedded" for fault in ("not there", "zero byte")},
    ),
    recipe(
        "data.load.label_vectors",
        loading.label_vectors,
        lambda: dict(names=("cat", "dog")),
        {("names", "empty"): "no names, no vectors"},
    ),
    recipe(
        "data.scenes.make_scenes",
        scenes.make_scenes,
        lambda: dict(digits=grey(10), articles=grey(10), count=3, seed=0, size=16, most=2),
    ),
    recipe(
        "data.scenes.fresh_scenes",
        lambda **given: scenes.fresh_scenes(**given)(1),
        lambda: dict(digits=grey(10), articles=grey(10), count=3, size=16, most=2),
    ),
    recipe(
        "data.splits.Split",
        Split,
        lambda: dict(images=IMAGES, labels=LABELS),
        {("labels", "far out"): "a split knows of no number of classes", ("images", "narrow"): "of any width"},
    ),
    recipe(
        "data.splits.Split.from_numpy", Split.from_numpy, lambda: dict(images=IMAGES.numpy(), labels=LABELS.numpy())
    ),
    recipe("data.splits.Split.from_folder", Split.from_folder, lambda: dict(folder=pictures(), size=4)),
    recipe("data.splits.Split.to", SPLIT.to, lambda: dict(device="cpu")),
    recipe("data.splits.Split.holdout", SPLIT.holdout, lambda: dict(samples=3, seed=0)),
    recipe(
        "data.splits.Data",
        Data,
        lambda: dict(train=SPLIT, test=SPLIT, classes=("a", "b", "c"), unlabelled=(0, 0)),
        {("classes", "unknown"): "a class may be called as one likes"},
    ),
    recipe("data.splits.class_count", lambda parts: class_count(parts), lambda: dict(parts=SPLIT)),
]
