"""A sample of a half, for what costs the square of the samples that it is given."""

from __future__ import annotations

import torch
from torch import Tensor


class Sampled:
    """At most ``most`` of ``count`` rows, the same of whatever has as many; all of them where they are no more.

    Drawn, since the first ones may be of a few classes alone.
    """

    def __init__(self, count: int, most: int, seed: int, device: torch.device | str = "cpu"):
        self._rows, self._count = None, min(count, most)
        if count > most:
            random = torch.Generator().manual_seed(seed ^ 1)  # by the seed itself the halves are drawn
            rows = torch.randperm(count, generator=random)[:most].sort().values
            self._rows = rows.to(device, non_blocking=True)

    def __len__(self) -> int:
        return self._count

    def __call__(self, z: Tensor) -> Tensor:
        return z if self._rows is None else z[self._rows.to(z.device)]
