"""What an inspection says of itself: what was read, of which samples, with what."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch

from layerlib import __version__
from layerlib.inspection._passes import Reader

if TYPE_CHECKING:
    from layerlib.inspection._study import Study


def about(study: Study, reader: Reader) -> dict[str, object]:
    """What was read of which samples, with what, in plain words and numbers."""
    labels = study.own[1].cpu().numpy().tobytes()
    return {
        "network": type(study.model).__name__,
        "parameters": sum(p.numel() for p in study.model.parameters()),
        "samples": len(study.samples),
        "judged": len(study.truth),
        "classes": study.classes,
        "judged_labels": hashlib.sha256(labels).hexdigest()[:16],
        "read": study.pooling.read,
        "position": study.pooling.position,
        "instruments": list(study.asked),
        "seed": study.seed,
        "batch_size": reader.batch_size,
        "layerlib": __version__,
        "torch": str(torch.__version__),
        "device": str(study.like.device),
    }
