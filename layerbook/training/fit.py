"""One training loop: data on the device, seeds side by side, the best epoch kept, finished runs stored."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from layerbook.record import replacing
from layerbook.training._ensemble import Single, Stacked, State, unstack
from layerbook.training._loop import History, errors, train_network
from layerbook.training._store import fingerprint
from layerlib._forward import as_input, modes_kept, pick_device, steps_per_epoch
from layerlib.data.load import Split

__all__ = ["ADAM", "History", "OneCycle", "Trained", "as_input", "binary_cross_entropy", "cross_entropy",
           "error_rate", "fit", "fit_ensemble", "modes_kept", "mse", "pick_device", "steps_per_epoch"]

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


DEFAULTS = {"loss": mse, "optimizer": ADAM, "batch_size": 128, "noise": 0.0, "snapshots": (), "callbacks": (),
            "progress": None, "epochs": None, "steps": None, "schedule": None}


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
        if self.steps < 1 or not 0 <= self.rise < 1:
            raise ValueError(f"steps, rise: expected at least 1 and a share from 0 to below 1, got {self}")

    def __call__(self, step: int) -> float:
        peak = self.rise * self.steps
        if step < peak:
            return (step + 1) / (peak + 1)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - peak) / (self.steps - peak))))


@dataclass
class Trained:
    """Networks trained side by side, in the order of the seeds, and what the run reported."""

    models: list[nn.Module]
    history: History

    def at(self, step: int) -> list[nn.Module]:
        """The networks as they were after ``step`` steps (KeyError if no snapshot was asked there)."""
        return unstack(self.models, self.history.snapshots[step])


def fit(model: nn.Module, train: Split | Callable[[int], Split], validation: Split | None = None, *,
        epochs: int | None = None, steps: int | None = None, seed: int = 0,
        loss: Callable[[Tensor, Tensor], Tensor] = mse, optimizer: Callable = ADAM,
        schedule: Callable[[int], float] | None = None, batch_size: int = 128, noise: float = 0.0,
        snapshots: Iterable[int] = (), callbacks: Sequence[Callable] = (), store: str | Path | None = None,
        device: str | torch.device = "auto", progress: str | None = None) -> History:
    """Train ``model`` in place; with a validation split, leave it at the epoch with the smallest validation error.

    Parameters
    ----------
    train : a split; or a function of the epoch, counted from 1, that gives the split of that epoch
    epochs, steps : how long, one of the two; after a number of ``steps`` the last epoch may be a part of one
    loss : (logits (N, K), labels (N,) or (N, K)) -> (N,): ``mse``, ``cross_entropy``, ``binary_cross_entropy``
    optimizer : parameters -> optimizer, as in ``partial(torch.optim.SGD, lr=0.1)``
    schedule : step, from 0 -> factor on the optimizer's learning rate in that step; by default 1 throughout
    seed : of the order of the samples, of the noise and of dropout
    noise : standard deviation of Gaussian noise added to the inputs, in units of the pixel range
    snapshots : steps after which the weights are copied; 0 is before training
    callbacks : each called as ``callback(step, model)``, once before training with step 0, then after every step
    store : folder where the run is kept under a name made of its settings, initial weights and data. A run that was
        interrupted goes on from its last saving (every half minute), a finished one is read back. ``loss``,
        ``optimizer`` and ``schedule`` count by their names: give a changed one another name. Callbacks need
        ``state_dict()`` and ``load_state_dict(state)``, so that what they saw is kept too.
    progress : label of the progress bar; none is shown without it, nor under CI

    Raises
    ------
    ValueError
        for ``epochs``, ``steps`` or ``batch_size`` below 1, both or neither of ``epochs`` and ``steps``, a label the
        network has no output for, or a loss that is not finite or not one number per sample; with ``store``, for a
        lambda, a local function or an object, whose name does not say what it does, or a callback without a state
    """
    settings = {"epochs": epochs, "steps": steps, "loss": loss, "optimizer": optimizer, "schedule": schedule,
                "batch_size": batch_size, "noise": noise, "snapshots": snapshots, "callbacks": callbacks,
                "progress": progress}
    network = Single(model.to(pick_device(device)))
    with modes_kept(model):
        state, history = _stored(network, [model], [seed], train, validation, store, settings)
        network.load(state)
    kept = {step: {name: t[0] for name, t in taken.items()} for step, taken in history.snapshots.items()}
    return History(history.loss[0], history.validation_error[0], history.best_epoch[0], kept, history.seconds)


def fit_ensemble(make_model: Callable[[], nn.Module], seeds: Sequence[int], train: Split | Callable[[int], Split],
                 validation: Split | None = None, *, store: str | Path | None = None,
                 device: str | torch.device = "auto", **settings) -> Trained:
    """Train one network per seed, side by side in one batched pass: the same networks as ``fit`` gives one by one.

    ``make_model()`` is called once per seed, with torch's generator seeded by it. Settings are those of ``fit``
    (``callbacks`` get the batched networks as their model, see ``stacked_state``).

    Raises
    ------
    ValueError
        as ``fit``
    """
    device = pick_device(device)
    members = [_seeded(make_model, seed).to(device) for seed in seeds]
    network = Stacked(members)
    state, history = _stored(network, members, seeds, train, validation, store, DEFAULTS | settings)
    return Trained(unstack(members, state), history)


@torch.no_grad()
def error_rate(model: nn.Module, split: Split, batch_size: int = 2000) -> float:
    """Share of samples answered wrongly in evaluation mode, see `layerlib._forward.wrong`."""
    with modes_kept(model):
        return errors(Single(model), split.to(next(model.parameters()).device), batch_size)[0].item()


def _stored(network: Single | Stacked, members: Sequence[nn.Module], seeds: Sequence[int], train, validation,
            store: str | Path | None, settings: dict) -> tuple[State, History]:
    """Train, or read a finished run back; the weights and what was reported."""
    device = network.parameters[0].device
    settings = settings | {"snapshots": sorted(settings["snapshots"])}
    validation = validation and validation.to(device)
    if store is None:
        history = train_network(network, seeds, train, validation, settings)
        return network.stacked_state(), history
    name = fingerprint(members, seeds, train, validation, settings, DEFAULTS)
    path, saved = Path(store) / f"{name}.pt", Path(store) / f"{name}.unfinished.pt"
    if path.is_file():
        kept = torch.load(path, map_location="cpu", weights_only=True)
        for callback, state in zip(settings["callbacks"], kept.get("callbacks", []), strict=True):
            callback.load_state_dict(state)
        return kept["state"], History(**kept["history"])
    history = train_network(network, seeds, train, validation, settings, saved)
    kept = {"state": network.stacked_state(), "history": vars(history),
            "callbacks": [callback.state_dict() for callback in settings["callbacks"]]}
    with replacing(path) as beside:
        torch.save(kept, beside)
    saved.unlink(missing_ok=True)
    return kept["state"], history


def _seeded(make_model: Callable[[], nn.Module], seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        return make_model()
