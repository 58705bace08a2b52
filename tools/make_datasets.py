"""Make the embedded small data sets from the whole ones: balanced, fixed, stored without pickle.

    python tools/make_datasets.py ROOT

ROOT holds ``MNIST/raw`` and ``FashionMNIST/raw`` as torchvision stores them, and CIFAR-10 as JPEG bytes in
``cifar10_jpeg.npz`` (``train_jpeg``, ``train_offsets``, ``train_labels``, the same for ``test``).
"""

import argparse
from pathlib import Path

import numpy as np
from torchvision.datasets import MNIST, FashionMNIST

OUT = Path(__file__).resolve().parent.parent / "layerlib" / "datasets"
CIFAR10_CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def balanced(labels: np.ndarray, per_class: int, seed: int) -> np.ndarray:
    """Indices of ``per_class`` samples of each class, in a fixed random order."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(labels))
    chosen = np.concatenate([order[labels[order] == c][:per_class] for c in np.unique(labels)])
    return random.permutation(chosen)


def grey(maker, root: Path, name: str) -> None:
    """6,000 training and 2,000 test images of a torchvision set of grey pictures."""
    arrays = {}
    for part, per_class in (("train", 600), ("test", 200)):
        whole = maker(root, train=part == "train")
        index = balanced(whole.targets.numpy(), per_class, seed=0)
        arrays[f"x_{part}"] = whole.data.numpy()[index]
        arrays[f"y_{part}"] = whole.targets.numpy()[index].astype(np.int64)
    classes = [c.split(" - ")[0] if name == "mnist" else c for c in whole.classes]
    np.savez_compressed(OUT / f"{name}-mini.npz", classes=np.array(classes), **arrays)


def cifar10(root: Path) -> None:
    """5,000 training and 2,000 test images, their JPEG bytes copied as they are."""
    with np.load(root / "cifar10_jpeg.npz", allow_pickle=False) as whole:
        arrays = {}
        for part, per_class in (("train", 500), ("test", 200)):
            labels, offsets, stream = (whole[f"{part}_{k}"] for k in ("labels", "offsets", "jpeg"))
            index = balanced(labels, per_class, seed=0)
            pieces = [stream[offsets[i] : offsets[i + 1]] for i in index]
            arrays[f"{part}_jpeg"] = np.concatenate(pieces)
            arrays[f"{part}_offsets"] = np.cumsum([0] + [len(p) for p in pieces])
            arrays[f"{part}_labels"] = labels[index].astype(np.int64)
    np.savez(OUT / "cifar10-mini.npz", classes=np.array(CIFAR10_CLASSES), **arrays)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    root = parser.parse_args().root
    OUT.mkdir(exist_ok=True)
    grey(MNIST, root, "mnist")
    grey(FashionMNIST, root, "fashion")
    cifar10(root)
    for path in sorted(OUT.glob("*.npz")):
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")
