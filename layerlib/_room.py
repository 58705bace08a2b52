"""Tensors too large for the memory, in files that end with them."""

import shutil
import tempfile

import torch
from torch import Tensor


def room(shape: tuple[int, ...], like: Tensor, memory: float) -> Tensor:
    """Zeros of ``shape``, on the device of ``like``; beyond ``memory`` bytes in a nameless file, which ends with them.

    Raises
    ------
    ValueError
        if the file has no room either
    """
    needed = torch.Size(shape).numel() * like.element_size()
    if needed <= memory:
        return torch.zeros(shape, dtype=like.dtype, device=like.device)
    folder = tempfile.gettempdir()
    # the file takes its space only as it is written, and a disk that is full then would end the whole process
    if needed > (free := shutil.disk_usage(folder).free):
        raise ValueError(
            f"memory: expected features of up to {memory:.2g} bytes, or {free:.2g}, the room left in "
            f"{folder}, got {needed:.2g}; take fewer pictures or a smaller pool"
        )
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        return torch.from_file(file.name, shared=True, size=torch.Size(shape).numel(), dtype=like.dtype).view(shape)
