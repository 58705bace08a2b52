"""CIFAR-10 made small enough to travel: the first pictures of each part, their JPEG bytes as they are.

    python -m tools.gpu_visit_data OUT PICTURES

The whole set is `cifar10_jpeg.npz` in the folder that LAYERLIB_DATA names. The pictures come in the set's own order,
so that the first 8,000 of a small file are the first 8,000 of the whole one.
"""

import os
import sys
from pathlib import Path

import numpy as np

from layerlib._files import replacing


def first(whole: Path, out: Path, pictures: int, tested: int = 10_000) -> None:
    """Write the first ``pictures`` training and ``tested`` test pictures of ``whole`` to ``out``."""
    with np.load(whole, allow_pickle=False) as kept:
        arrays = {"classes": kept["classes"]} if "classes" in kept else {}
        for part, count in (("train", pictures), ("test", tested)):
            offsets = kept[f"{part}_offsets"][: count + 1]
            arrays |= {
                f"{part}_jpeg": kept[f"{part}_jpeg"][: offsets[-1]],
                f"{part}_offsets": offsets,
                f"{part}_labels": kept[f"{part}_labels"][:count],
            }
    with replacing(out) as beside, beside.open("wb") as file:
        np.savez(file, **arrays)


if __name__ == "__main__":
    first(Path(os.environ["LAYERLIB_DATA"], "cifar10_jpeg.npz"), Path(sys.argv[1]), int(sys.argv[2]))
