"""Make the vectors of the label names of VOC, COCO and the scenes, stored with the package.

    pip install wordllama==0.4.0.post1
    python tools/make_label_vectors.py

The model is WordLlama's default, ``l2_supercat`` with 256 dimensions (MIT licence; token vectors taken out of a large
language model and retrained, averaged over the tokens of a text); its package brings the weights, so no network
is asked. A name is embedded as it is written, spaces between its words, but for two kinds: a digit as "the digit
three", since "3" or "one" alone mean much else, and "aeroplane" in the American spelling, which the model knows.
"""

import io
import zipfile
from pathlib import Path

import numpy as np
import wordllama

from layerlib.data.folders import VOC_CLASSES

OUT = Path(__file__).resolve().parent.parent / "layerlib" / "datasets" / "label_vectors.npz"
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ARTICLES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
COCO_CLASSES = (
    "person",
    "bicycle",
    "car",
    "motorcycle",
    "airplane",
    "bus",
    "train",
    "truck",
    "boat",
    "traffic light",
    "fire hydrant",
    "stop sign",
    "parking meter",
    "bench",
    "bird",
    "cat",
    "dog",
    "horse",
    "sheep",
    "cow",
    "elephant",
    "bear",
    "zebra",
    "giraffe",
    "backpack",
    "umbrella",
    "handbag",
    "tie",
    "suitcase",
    "frisbee",
    "skis",
    "snowboard",
    "sports ball",
    "kite",
    "baseball bat",
    "baseball glove",
    "skateboard",
    "surfboard",
    "tennis racket",
    "bottle",
    "wine glass",
    "cup",
    "fork",
    "knife",
    "spoon",
    "bowl",
    "banana",
    "apple",
    "sandwich",
    "orange",
    "broccoli",
    "carrot",
    "hot dog",
    "pizza",
    "donut",
    "cake",
    "chair",
    "couch",
    "potted plant",
    "bed",
    "dining table",
    "toilet",
    "tv",
    "laptop",
    "mouse",
    "remote",
    "keyboard",
    "cell phone",
    "microwave",
    "oven",
    "toaster",
    "sink",
    "refrigerator",
    "book",
    "clock",
    "vase",
    "scissors",
    "teddy bear",
    "hair drier",
    "toothbrush",
)
SPELLED = {
    "aeroplane": "airplane",
    "diningtable": "dining table",
    "pottedplant": "potted plant",
    "tvmonitor": "tv monitor",
} | {str(i): f"the digit {word}" for i, word in enumerate(DIGITS)}


def vectors(names: list[str]) -> np.ndarray:
    """Unit vectors of the names, float32 (K, 256)."""
    # the package looks for its own tokenizer in a cache only, so its folder is given as one
    model = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
    embedded = np.asarray(model.embed([SPELLED.get(name, name) for name in names]), dtype=np.float64)
    return (embedded / np.linalg.norm(embedded, axis=1, keepdims=True)).astype(np.float32)


def save(path: Path, **arrays: np.ndarray) -> None:
    """A ``.npz`` that is the same to the byte whenever the arrays are: no time of writing in it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for key, array in arrays.items():
            content = io.BytesIO()
            np.save(content, array, allow_pickle=False)
            file.writestr(
                zipfile.ZipInfo(f"{key}.npy", (1980, 1, 1, 0, 0, 0)),
                content.getvalue(),
                compress_type=zipfile.ZIP_DEFLATED,
            )


if __name__ == "__main__":
    names = sorted({*VOC_CLASSES, *COCO_CLASSES, *ARTICLES, *map(str, range(10))})
    save(OUT, names=np.array(names), vectors=vectors(names))
    print(f"{OUT.name}: {len(names)} names, {OUT.stat().st_size / 1e6:.2f} MB")
