"""How long something takes, on whatever device it runs."""

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from layerlib._checks import checked, function, whole_number
from layerlib._forward import running
from layerlib._tensors import network, numbers


@checked(call=function, times=whole_number)
def milliseconds(call: Callable[[], object], times: int = 5) -> float:
    """Median time of a call, in milliseconds.

    Parameters
    ----------
    times : how often it is called
    """
    taken = []
    for _ in range(times):
        finish()
        start = time.perf_counter()
        call()
        finish()
        taken.append(1000 * (time.perf_counter() - start))
    return float(np.median(taken))


@checked(model=network, batch=numbers)
def forward_milliseconds(model: nn.Module, batch: Tensor) -> float:
    """Median time of a model on a batch, without gradients, in milliseconds."""
    with torch.no_grad(), running("batch", batch):
        return milliseconds(lambda: model(batch))


def finish() -> None:
    """Wait until a GPU, if there is one, has done all that was asked of it: it works on while Python goes on."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
