"""When a training may end before its last epoch: rules that are looked at after each epoch, for every network."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from layerbook.training._ensemble import Single, Stacked, State
from layerbook.training._loop import errors
from layerlib._checks import number, whole_number
from layerlib._forward import as_input
from layerlib.data.splits import Split

Loss = Callable[[Tensor, Tensor], Tensor]


class Until(ABC):
    """A rule for ``fit(until=…)``: one number for each network after each epoch, and when its course so far is enough.

    A rule of your own is a frozen dataclass with the two methods ``measure`` and ``reached``; both only look, and
    remember nothing. ``network(x)``, x of shape (networks, N, …), gives the logits (networks, N, K) of ``network.size``
    networks; ``network.train(False)`` brings them into evaluation mode.
    """

    @abstractmethod
    def measure(self, network: Single | Stacked, train: Split, validation: Split | None, loss: Loss) -> Tensor:
        """The number looked at, of each network; float64, shape (networks,), on the network's device."""

    @abstractmethod
    def reached(self, course: Tensor) -> Tensor:
        """Whether the last epoch of a ``course``, shape (networks, epochs), reaches the rule; bool, (networks,)."""

    def follow(self, network: Single | Stacked) -> "Followed":
        """A training of ``network`` from here on, under this rule."""
        return Followed(self, network)


@dataclass(frozen=True)
class TrainAccuracy(Until):
    """Until the network, in evaluation mode, answers this share of the training samples rightly.

    Parameters
    ----------
    share : above 0, at most 1

    Raises
    ------
    ValueError
        if ``share`` is no such number
    """

    share: float

    def __post_init__(self):
        number("share", self.share, "a number above 0, at most 1", lambda given: 0 < given <= 1)

    def measure(self, network: Single | Stacked, train: Split, validation: Split | None, loss: Loss) -> Tensor:
        # counted, since 1 minus a share of errors may miss a share like 0.999 by rounding
        return (len(train) - (errors(network, train) * len(train)).round()) / len(train)

    def reached(self, course: Tensor) -> Tensor:
        return course[:, -1] >= self.share


@dataclass(frozen=True)
class Settled(Until):
    """Until the mean loss on the validation split no longer falls.

    That is: the least of the last ``patience`` epochs lies at most ``tolerance`` below the least before them.

    Parameters
    ----------
    patience : epochs, from 1 up
    tolerance : in units of the loss, from 0 up

    Raises
    ------
    ValueError
        if ``patience`` is no whole number from 1 up, or ``tolerance`` none from 0 up; in ``fit``, without a
        validation split
    """

    patience: int = 5
    tolerance: float = 0.0

    def __post_init__(self):
        whole_number("patience", self.patience)
        number("tolerance", self.tolerance, "a number from 0 up", lambda given: 0 <= given < math.inf)

    def measure(self, network: Single | Stacked, train: Split, validation: Split | None, loss: Loss) -> Tensor:
        if validation is None:
            raise ValueError("until: Settled looks at the loss on a validation split, and there is none")
        return mean_loss(network, validation, loss)

    def reached(self, course: Tensor) -> Tensor:
        if course.shape[1] <= self.patience:
            return torch.zeros(len(course), dtype=torch.bool, device=course.device)
        before, lately = course[:, : -self.patience], course[:, -self.patience :]
        return before.amin(1) - lately.amin(1) <= self.tolerance


class Followed:
    """A training under a rule: every network keeps the weights of the first epoch that reaches it.

    Attributes
    ----------
    measured : the rule's number after each epoch, shape (networks,) each
    epoch : int64, shape (networks,), the epoch that reached the rule, counted from 1; 0 where none has yet
    kept : the weights of that epoch, of all networks; None before the first epoch
    """

    def __init__(self, rule: Until, network: Single | Stacked):
        self.rule = rule
        self.measured: list[Tensor] = []
        self.epoch = torch.zeros(network.size, dtype=torch.int64, device=network.parameters[0].device)
        self.kept: State | None = None

    def look(self, network: Single | Stacked, train: Split, validation: Split | None, loss: Loss) -> None:
        """Measure after an epoch, and keep the weights of each network that has not reached the rule before."""
        running = self.epoch == 0
        self.measured.append(self.rule.measure(network, train, validation, loss))
        now = network.stacked_state()
        self.kept = (
            now
            if self.kept is None
            else {
                name: torch.where(running.view(-1, *[1] * (t.ndim - 1)), t, self.kept[name]) for name, t in now.items()
            }
        )
        reached = self.rule.reached(torch.stack(self.measured, 1))
        self.epoch = self.epoch.where(~(running & reached), len(self.measured))

    def done(self) -> bool:
        """Whether every network has reached the rule."""
        return bool((self.epoch > 0).all())

    def finish(self, network: Single | Stacked) -> None:
        """Leave every network at the epoch that reached the rule, else at the last."""
        network.load(self.kept)

    def state_dict(self) -> dict:
        """All that is needed to go on from here."""
        return {"measured": self.measured, "epoch": self.epoch, "kept": self.kept}

    def load_state_dict(self, state: dict) -> None:
        """Go on from there."""
        self.measured, self.epoch, self.kept = state["measured"], state["epoch"], state["kept"]


@torch.no_grad()
def mean_loss(network: Single | Stacked, split: Split, loss: Loss, batch_size: int = 2000) -> Tensor:
    """Mean loss of each network over ``split``, in evaluation mode; float64, shape (networks,)."""
    network.train(False)
    dtype = network.parameters[0].dtype
    total = torch.zeros(network.size, dtype=torch.float64, device=split.images.device)
    for images, labels in zip(split.images.split(batch_size), split.labels.split(batch_size), strict=True):
        logits = network(as_input(images, dtype).expand(network.size, *images.shape))
        each = loss(logits.flatten(0, 1), labels.repeat(network.size, *[1] * (labels.ndim - 1)))
        total += each.double().unflatten(0, (network.size, -1)).sum(1)
    return total / len(split)
