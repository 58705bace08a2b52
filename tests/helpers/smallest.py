"""The smallest parameters at which every chapter runs from its first cell to its last, and the data sets for them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

DATASETS = {
    "digits": ("mnist-mini", 400, 160),
    "clothes": ("fashion-mini", 400, 160),
    "colours": ("cifar10-mini", 256, 60),
}
SMALLEST = {
    "cooperating_classifiers": {
        "easy": "digits",
        "hard": "clothes",
        "depth": 3,
        "width": 20,
        "depths": [2, 3],
        "widths": [10, 20],
        "depth_watched": 3,
        "depth_sigmoid": 2,
        "seeds": [0, 1],
        "epochs": 2,
        "after_epochs": [1, 2],
        "after_batches": [0, 2],
        "validation": 60,
        "seeds_again": [0, 1],
        "depths_settled": [2, 3],
        "epochs_settled": 2,
        "noises": [0.1],
    },
    "forward_backward": {
        "easy": "digits",
        "hard": "clothes",
        "iterations": 110,
        "looked_at": [10],
        "seeds": [0, 1],
        "measured": 120,
        "shown": 60,
        "perplexity": 5.0,
    },
    "layer_distributions": {
        "resnet_width": 0.0625,
        "vgg_width": 0.0625,
        "pictures": 64,
        "tested": 100,
        "epochs": 1,
        "batch_size": 32,
        "probe_pictures": 100,
        "probe_epochs": 4,
        "watched": 40,
        "stability_pictures": 64,
        "stability_epochs": 2,
        "settling_pictures": 64,
        "settling_epochs": 2,
        "side": 32,
    },
    "filter_evolution": {
        "data": "colours",
        "images": 256,
        "width": 0.0625,
        "images_more": 256,
        "width_more": 0.0625,
        "epochs": 3,
        "halved_after": [1],
        "every": 1,
        "seeds_again": [1, 2],
        "judged": 50,
        "judged_again": 50,
        "draws": 2,
        "draws_again": 2,
    },
    "four_lenses": {
        "data": "digits",
        "depth": 2,
        "nodes": 16,
        "width": 4,
        "seeds": [0],
        "blocks": 1,
        "token": 8,
        "looked_at": [0, 4, 8],
        "judged": 160,
        "drawn_labels": 40,
        "epochs_drawn": 2,
        "moved": 20,
    },
    "your_network": {
        "arguments": {"widths": [784, 16, 10]},
        "data": "digits",
        "judged": 80,
        "steps": 4,
        "every": 2,
    },
    # they read what chapters reported or benchmarks measured, and compute next to nothing
    "performance": None,
    "robustness": None,
    "scoreboard": None,
}


def datasets(folder: Path) -> dict[str, str]:
    """Write small parts of the embedded data sets into a folder: their paths, by name."""
    from layerlib.data.load import load

    paths = {}
    for name, (whole, *sizes) in DATASETS.items():
        data, arrays = load(whole), {}
        for part, count in zip(("train", "test"), sizes, strict=True):
            split = getattr(data, part)[:count]
            arrays |= {f"x_{part}": split.images.numpy(), f"y_{part}": split.labels.numpy()}
        paths[name] = str(folder / f"{name}.npz")
        np.savez(paths[name], classes=np.array(data.classes), **arrays)
    return paths


def parameters(chapter: str, paths: Mapping[str, str]) -> dict[str, object]:
    """The smallest parameters of a chapter, with the paths of `datasets`."""
    return {key: paths.get(str(value), value) for key, value in SMALLEST[chapter].items()}
