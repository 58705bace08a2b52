"""The phase in which a network learns, kept apart from the one in which it has memorised its samples."""

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from layerbook.training.settings import cross_entropy
from layerlib._checks import checked, from_zero, whole_number
from layerlib._forward import evaluated
from layerlib._tensors import labelled, network
from layerlib.data.splits import Split


class _Stateful(Protocol):
    def state_dict(self) -> dict[str, Any]: ...


def _stateful(argument: str, value: object) -> _Stateful:
    if not hasattr(value, "state_dict"):
        raise ValueError(f"{argument}: expected a callback with state_dict(), got {type(value).__name__}")
    return value


@checked(model=network, train=labelled, per_epoch=whole_number, tracker=_stateful, known=from_zero)
class Learning:
    """Callback of `layerbook.training.fit.fit` that keeps a network as it is when it has learned its samples.

    After each epoch it looks at the mean cross-entropy on the training samples, in evaluation mode. At the first that
    is at most ``known`` it keeps the weights, and what ``tracker`` saw until then. The training goes on.

    Parameters
    ----------
    model : the network that is trained
    train : what it is trained on, images and class numbers
    per_epoch : steps of an epoch
    tracker : a callback that comes before this one
    known : loss at which learning is over

    Attributes
    ----------
    losses : the loss after each epoch, to the one that ends the phase
    kept : step, weights and the tracker's state at its end; None as long as the network learns
    """

    def __init__(self, model: nn.Module, train: Split, per_epoch: int, tracker: _Stateful, known: float = 0.1):
        self.model, self.train, self.per_epoch, self.tracker, self.known = model, train, per_epoch, tracker, known
        self.losses: list[float] = []
        self.kept: dict[str, Any] | None = None

    def __repr__(self) -> str:
        # a stored run is known by its settings, of which this is one
        return f"Learning(per_epoch={self.per_epoch}, known={self.known})"

    def __call__(self, step: int, model: nn.Module | None = None) -> None:
        """Take note of ``step`` steps having been made; with 0, begin anew."""
        if step == 0:
            self.losses, self.kept = [], None
        elif self.kept is None and step % self.per_epoch == 0:
            self.losses.append(mean_loss(self.model, self.train))
            if self.losses[-1] <= self.known:
                self.kept = self.now(step)

    def now(self, step: int) -> dict[str, Any]:
        """What is kept, as of now."""
        weights = {name: each.detach().cpu().clone() for name, each in self.model.state_dict().items()}
        return {"step": step, "weights": weights, "tracker": self.tracker.state_dict()}

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs."""
        return {"losses": list(self.losses), "kept": self.kept}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.losses, self.kept = list(state["losses"]), state["kept"]


@torch.no_grad()
def mean_loss(model: nn.Module, split: Split, batch_size: int = 1000) -> float:
    """Mean cross-entropy over a split, in evaluation mode."""
    parts: list[Tensor] = [
        cross_entropy(logits, labels.to(logits.device)).double().sum()
        for logits, labels in zip(
            evaluated(model, split.images, batch_size), split.labels.split(batch_size), strict=True
        )
    ]
    return torch.stack(parts).sum().item() / len(split)
