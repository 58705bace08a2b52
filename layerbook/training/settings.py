"""How a network is trained: losses, optimizer, schedule, and the settings of one training in one place."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from numbers import Real

import torch
from torch import Tensor
from torch.nn import functional as F

from layerlib._checks import checked, closest, function, functions, number, text, whole_number
from layerlib._tensors import labelled
from layerlib.data.splits import Split

ADAM = partial(torch.optim.Adam, lr=1e-3, fused=True)


def mse(logits: Tensor, labels: Tensor) -> Tensor:
    """Squared error of linear outputs to the one-hot label, averaged over classes; shape (N,)."""
    return (logits - F.one_hot(labels, logits.shape[-1])).square().mean(-1)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the softmax of the logits; shape (N,)."""
    return F.cross_entropy(logits, labels, reduction="none")


def binary_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy of the sigmoids of the logits to multi-hot labels, averaged over classes; shape (N,)."""
    return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), reduction="none").mean(-1)


@dataclass(frozen=True)
class OneCycle:
    """Schedule of a short training: the rate rises in a line, then falls as half a cosine (Smith & Topin 2019).

    Parameters
    ----------
    steps : of the whole training
    rise : share of them in which the rate rises, below 1

    Raises
    ------
    ValueError
        if ``steps`` is below 1 or ``rise`` no such share
    """

    steps: int
    rise: float = 0.2

    def __post_init__(self):
        whole_number("steps", self.steps)
        number("rise", self.rise, "a share from 0 to below 1", lambda given: 0 <= given < 1)

    def __call__(self, step: int) -> float:
        peak = self.rise * self.steps
        if step < peak:
            return (step + 1) / (peak + 1)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - peak) / (self.steps - peak))))


@dataclass(frozen=True)
class Settings:
    """Settings of one training: the keywords of ``fit`` and ``fit_ensemble``, where each is explained.

    Raises
    ------
    ValueError
        for a number that is not whole or too small, both or neither of ``epochs`` and ``steps``, or an ``until`` that
        is no rule
    """

    epochs: int | None = None
    steps: int | None = None
    loss: Callable[[Tensor, Tensor], Tensor] = mse
    optimizer: Callable = ADAM
    schedule: Callable[[int], float] | None = None
    batch_size: int = 128
    noise: float = 0.0
    snapshots: Iterable[int] = ()
    callbacks: Sequence[Callable] = ()
    until: object | None = None
    progress: str | None = None

    def __post_init__(self):
        if (self.epochs is None) == (self.steps is None):
            raise ValueError(f"epochs, steps: expected one of the two, got {self.epochs} and {self.steps}")
        for name in ("epochs", "steps", "batch_size"):
            if getattr(self, name) is not None or name == "batch_size":
                self._set(name, whole_number(name, getattr(self, name)))
        if isinstance(self.noise, bool) or not isinstance(self.noise, Real) or not 0 <= self.noise < math.inf:
            raise ValueError(f"noise: expected a number from 0 up, got {self.noise!r}")
        self._set("noise", float(self.noise))
        for name in ("loss", "optimizer", "schedule"):
            if name != "schedule" or self.schedule is not None:
                function(name, getattr(self, name))
        if self.progress is not None:
            text("progress", self.progress)
        if self.until is not None and not (is_dataclass(self.until) and hasattr(self.until, "follow")):
            raise ValueError(f"until: expected a rule such as TrainAccuracy(0.999), got {self.until!r}")
        if isinstance(self.snapshots, str) or not isinstance(self.snapshots, Iterable):
            raise ValueError(f"snapshots: expected whole numbers, got {self.snapshots!r}")
        self._set("snapshots", tuple(sorted({whole_number("snapshots", step, 0) for step in self.snapshots})))
        self._set("callbacks", functions("callbacks", self.callbacks))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @classmethod
    def named(cls, settings: dict) -> "Settings":
        """Settings by their names.

        Raises
        ------
        TypeError
            for a name that there is not, with the closest that there is
        """
        names = [field.name for field in fields(cls)]
        for name in settings:
            if name not in names:
                close = closest(name, names) or ["optimizer"] * name.startswith(("lr", "learning"))
                hint = f"did you mean {close[0]}? " if close else ""
                raise TypeError(f"{name}: {hint}the settings of a training are {', '.join(names)}")
        return cls(**settings)


@checked(split=labelled, batch_size=whole_number)
def steps_per_epoch(split: Split, batch_size: int = 128) -> int:
    """Steps in which all samples of a split are seen once."""
    return -(-len(split) // batch_size)
