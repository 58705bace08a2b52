"""How exact float32 is on a GPU: a training's steps may round to TF32, all that measures does not.

TF32 keeps ten binary digits of the factors of a product, float32 twenty-three, and is several times as fast. PyTorch
takes it in convolutions unless it is told otherwise. So it is told here, and nowhere else: `rounding` around the
steps of a training, `exact` where a chapter makes its report. On the CPU there is nothing to tell.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

TRAINING, MEASURING = "TF32", "float32"
_VALUES = {"fp32_precision": {TRAINING: "tf32", MEASURING: "ieee"}, "allow_tf32": {TRAINING: True, MEASURING: False}}


@contextmanager
def rounding() -> Iterator[None]:
    """Within the context products, convolutions and recurrent cells on a GPU are in TF32; then as they were before."""
    switches = _switches()
    before = [getattr(*switch) for switch in switches]
    try:
        _turn(TRAINING)
        yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            setattr(*switch, value)


def exact() -> None:
    """From now on all of them are in full float32; where there is no GPU, PyTorch stays as it is."""
    if torch.cuda.is_available():
        _turn(MEASURING)


def told(precision: str) -> str:
    """What a record says of it."""
    return f"matrix products and convolutions in {precision}"


def _turn(precision: str) -> None:
    for place, name in _switches():
        setattr(place, name, _VALUES[name][precision])


def _switches() -> list[tuple[object, str]]:
    """PyTorch's own, and their name there: of products, convolutions and recurrent cells.

    Whoever sets the newer ones must not read the older ones: PyTorch raises. Before 2.9 there are only those.
    """
    products, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    if hasattr(cudnn, "conv"):
        return [(place, "fp32_precision") for place in (products, cudnn.conv, cudnn.rnn)]
    return [(products, "allow_tf32"), (cudnn, "allow_tf32")]
