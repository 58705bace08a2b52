"""What every pass over pictures needs: the device, pixels as input, modes kept, wrong answers counted."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from layerlib.data.load import Split


def pick_device(device: str | torch.device = "auto") -> torch.device:
    """``"auto"`` is CUDA where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else torch.device(device)


def as_input(images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Pixels 0 .. 255 as numbers in [0, 1], the input of every network of the book."""
    if images.dtype != torch.uint8:
        raise ValueError(f"images: expected uint8 pixels, 0 to 255, got {images.dtype}")
    return images.to(dtype).div_(255)


def steps_per_epoch(split: Split, batch_size: int = 128) -> int:
    return -(-len(split) // batch_size)


def wrong(logits: Tensor, labels: Tensor) -> Tensor:
    """Which answers are wrong: the largest logit is not the label; of several labels, the positive logits are not they.

    Parameters
    ----------
    logits : shape (…, N, K)
    labels : int64, shape (N,), or multi-hot, shape (N, K)

    Returns
    -------
    bool, shape (…, N)
    """
    return logits.argmax(-1) != labels if labels.ndim == 1 else ((logits > 0) != labels.bool()).any(-1)


@contextmanager
def modes_kept(model: nn.Module) -> Iterator[None]:
    """Afterwards every module of ``model`` is in training or evaluation mode as it was before."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
