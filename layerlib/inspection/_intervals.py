"""Intervals from readings that are there already: samples drawn again, without another pass through the network."""

from __future__ import annotations

import torch
from torch import Tensor

DRAWS = 500
AT_A_TIME = 8192  # samples
LEVELS = (0.025, 0.975)


class Estimate(float):
    """A number of one layer, and what it would have been with other samples of the same kind.

    Attributes
    ----------
    draws : float64, shape (DRAWS,), of the samples drawn again; None where they were not
    """

    draws: Tensor | None

    def __new__(cls, value: float | Tensor, draws: Tensor | None = None) -> Estimate:
        made = super().__new__(cls, value)
        made.draws = draws
        return made


class Resampling:
    """How often each of N samples is drawn, ``DRAWS`` times: Poisson counts of mean 1 (Hanley & MacGibbon 2006).

    The same seed and N draw the same samples, so that two networks can be compared draw by draw. Whatever is a mean of
    one number a sample is drawn as that mean; a quantity that is none, by the mean of its influence function.
    """

    def __init__(self, samples: int, seed: int, device: torch.device | str = "cpu"):
        random = torch.Generator().manual_seed(seed)
        # on the CPU, so that every device draws the same
        counts = torch.poisson(torch.ones(samples, DRAWS, dtype=torch.float32), generator=random)
        # few are kept as they are needed, many in an eighth of the memory
        counts = counts.to(torch.uint8 if samples > AT_A_TIME else torch.float64)
        self.counts = counts.to(device, non_blocking=True)
        self._drawn = sum(some.sum(0, dtype=torch.float64) for some in self.counts.split(AT_A_TIME))

    def sums(self, each: Tensor, rows: Tensor | None = None) -> Tensor:
        """Σ counts · ``each``, float64, (DRAWS, …) for (n, …), of all samples or those at ``rows``."""
        counts = self.counts if rows is None else self.counts[rows]
        counts, each = counts.split(AT_A_TIME), each.to(counts.device).split(AT_A_TIME)
        return sum(some.double().T @ values.double() for some, values in zip(counts, each, strict=True))

    def mean(self, each: Tensor, rows: Tensor | None = None) -> Tensor:
        """Mean over samples, (DRAWS, …) for (n, …)."""
        drawn = self._drawn if rows is None else self.counts[rows].sum(0, dtype=torch.float64)
        return self.sums(each, rows) / drawn.view(-1, *[1] * (each.ndim - 1))

    def class_means(self, each: Tensor, labels: Tensor, classes: int) -> Tensor:
        """Mean of ``each``, shape (N,), within each class: (DRAWS, C); NaN where a draw has none of a class."""
        totals = torch.zeros(2, classes, DRAWS, dtype=torch.float64, device=each.device)
        parts = (part.split(AT_A_TIME) for part in (self.counts.to(each.device), each, labels))
        for counts, values, numbers in zip(*parts, strict=True):
            totals[0].index_add_(0, numbers, counts * values.double()[:, None])
            totals[1].index_add_(0, numbers, counts.double())
        return (totals[0] / totals[1]).T

    def ratio(self, above: Tensor, below: Tensor) -> Tensor:
        """Σ ``above`` / Σ ``below``, (DRAWS,), of what each sample has to do with all others.

        A pair counts for both its samples, so that drawing one of them anew tells half of what drawing both does.
        """
        plain = above.sum(dtype=torch.float64) / below.sum(dtype=torch.float64)
        return plain + 2 * (self.sums(above) / self.sums(below) - plain)


def interval(draws: Tensor) -> Tensor:
    """The middle 95 % of the draws, shape (2, …) for (…, DRAWS); NaN where there are none."""
    return draws.double().nanquantile(draws.new_tensor(LEVELS, dtype=torch.float64), dim=-1)
