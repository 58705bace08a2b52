"""An inspection in a file of plain arrays and JSON."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from layerlib._archives import check_sizes
from layerlib._files import replacing
from layerlib.inspection._intervals import Estimate

if TYPE_CHECKING:
    from layerlib.inspection.result import Inspection

FORMAT = 1
BY_QUANTITY = ("values", "nulls", "draws", "null_draws")
DAMAGED = (
    ValueError,
    OSError,
    EOFError,
    RuntimeError,
    TypeError,
    KeyError,
    AttributeError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)


def save(inspection: Inspection, path: Path) -> None:
    """See ``Inspection.save``."""
    with replacing(path) as beside, beside.open("wb") as file:
        np.savez_compressed(file, **packed(inspection))


def load(path: Path) -> Inspection:
    """See ``Inspection.load``."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with np.load(path, allow_pickle=False) as file:
            if "said" not in file.files:
                raise ValueError(f"no array 'said' among {file.files}")
            check_sizes(file.zip, file.files)
            return unpacked({key: file[key] for key in file.files})
    except DAMAGED as error:
        raise ValueError(f"{path}: damaged, or not an inspection as Inspection.save writes it ({error})") from error


def packed(inspection: Inspection) -> dict[str, np.ndarray]:
    """All of an inspection as plain arrays by name."""
    arrays = {
        f"{part}/{quantity}": values.numpy()
        for part in BY_QUANTITY
        for quantity, values in getattr(inspection, part).items()
    }
    arrays |= {
        name: getattr(inspection, name).numpy()
        for name in ("images", "pictures", "between")
        if getattr(inspection, name) is not None
    }
    if inspection.twin is not None:
        arrays |= {f"twin/{name}": array for name, array in packed(inspection.twin).items()}
    arrays["accuracy"] = np.float64(inspection.accuracy)
    if inspection.accuracy.draws is not None:
        arrays["accuracy_draws"] = inspection.accuracy.draws.numpy()
    said = {
        "format": FORMAT,
        "layers": inspection.layers,
        "read_at": inspection.read_at,
        "reasons": [[*key, reason] for key, reason in inspection.reasons.items()],
        "baseline": inspection.baseline,
        "about": inspection.about,
    }
    return arrays | {"said": np.array(list(json.dumps(said).encode()), np.uint8)}


def unpacked(arrays: Mapping[str, np.ndarray]) -> Inspection:
    """What ``packed`` made arrays of."""
    from layerlib.inspection.result import Inspection

    said = json.loads(arrays["said"].tobytes())
    if said["format"] != FORMAT:
        raise ValueError(f"expected format {FORMAT}, got {said['format']}")
    parts = {
        part: {
            key.split("/", 1)[1]: torch.from_numpy(array) for key, array in arrays.items() if key.startswith(f"{part}/")
        }
        for part in BY_QUANTITY
    }
    drawn = {
        name: torch.from_numpy(arrays[name]) if name in arrays else None
        for name in ("images", "pictures", "accuracy_draws", "between")
    }
    twin = {key.removeprefix("twin/"): array for key, array in arrays.items() if key.startswith("twin/")}
    accuracy = Estimate(float(arrays["accuracy"]), drawn.pop("accuracy_draws"))
    return Inspection(
        tuple(said["layers"]),
        tuple(said["read_at"]),
        **parts,
        reasons={(layer, instrument): reason for layer, instrument, reason in said["reasons"]},
        baseline=said["baseline"],
        accuracy=accuracy,
        **drawn,
        about=said["about"],
        twin=unpacked(twin) if twin else None,
    )
