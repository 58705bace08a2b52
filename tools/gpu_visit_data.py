"""The data sets made small enough to travel, and made whole again where they arrive.

    python -m tools.gpu_visit_data FOLDER PICTURES
    python -m tools.gpu_visit_data --unpack FOLDER TO

Both look for the whole sets in the folder that LAYERLIB_DATA names. Of CIFAR-10 (`cifar10_jpeg.npz`) the first pictures
of each part travel, their JPEG bytes as they are, in the set's own order, so that the first 8,000 of a small file are
the first 8,000 of the whole one. With 0 pictures it is MNIST and Fashion-MNIST that travel, whole, a sixth smaller than
by gzip: one chapter learns from these, another from those, and all of them together are more than a visit can carry.
"""

import lzma
import os
import shutil
import sys
from pathlib import Path

import numpy as np

from layerlib._files import replacing

RAW = [
    f"{data}/raw/{part}-{kind}-ubyte"
    for data in ("MNIST", "FashionMNIST")
    for part in ("train", "t10k")
    for kind in ("images-idx3", "labels-idx1")
]


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


def pack(whole: Path, folder: Path, pictures: int) -> None:
    """What travels of the sets in ``whole``, into ``folder``: so many pictures of CIFAR-10, or all of the others."""
    if pictures:
        first(whole / "cifar10_jpeg.npz", folder / "cifar10.npz", pictures)
        return
    for name in RAW:
        with replacing(folder / f"{name.replace('/', '-')}.xz") as beside:
            beside.write_bytes(lzma.compress((whole / name).read_bytes()))


def unpack(folder: Path, to: Path) -> None:
    """Put what came in ``folder`` where a chapter looks for it."""
    for name in RAW:
        if not (kept := folder / f"{name.replace('/', '-')}.xz").exists():
            continue
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        with replacing(to / name) as beside:
            beside.write_bytes(lzma.decompress(kept.read_bytes()))
    if (folder / "cifar10.npz").exists():
        shutil.copy(folder / "cifar10.npz", to)


if __name__ == "__main__":
    if sys.argv[1] == "--unpack":
        unpack(*map(Path, sys.argv[2:]))
    else:
        pack(Path(os.environ["LAYERLIB_DATA"]), Path(sys.argv[1]), int(sys.argv[2]))
