"""A training from its first epoch to its last: what is asked is checked, progress is shown, a long run is saved."""

import math
import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor
from tqdm.auto import tqdm

from layerbook.training._captured import Captured
from layerbook.training._ensemble import Single, Stacked, State
from layerbook.training._loop import Run, one_epoch
from layerbook.training._store import Kept
from layerbook.training.settings import Settings, binary_cross_entropy, mse, steps_per_epoch
from layerbook.training.until import Followed
from layerlib.data.splits import Split

SAVE_EVERY = 30.0  # seconds between two savings of a run that has a file
_PLAIN = ("epoch", "step", "losses", "errors", "kept", "best", "best_error", "best_epoch", "seconds")


@dataclass
class History:
    """What a training run reported.

    Attributes
    ----------
    loss : float64, shape (epochs,), mean training loss of each epoch; (seeds, epochs) of an ensemble
    validation_error : float64, the same shape, share of wrong samples; empty without a validation split, and with
        ``until``, by which no epoch is chosen for its validation error
    best_epoch : int64, shape () or (seeds,), epoch whose weights were kept, counted from 1: of the smallest validation
        error; with ``until`` the first that reached it, else the last
    snapshots : weights copied after the asked steps (0: before training), on the CPU, step -> state dict; in an
        ensemble every tensor has a leading dimension of seeds
    seconds : wall time of the training, over all its parts if it was interrupted; NaN where it is not known
    measured : float64, shape (epochs,) or (seeds, epochs), what ``until`` looked at after each epoch; None without it
    reached : bool, shape () or (seeds,), whether that was enough before the epochs were over; None without ``until``
    """

    loss: Tensor
    validation_error: Tensor
    best_epoch: Tensor
    snapshots: dict[int, State] = field(default_factory=dict)
    seconds: float = math.nan
    measured: Tensor | None = None
    reached: Tensor | None = None


def train_network(
    network: Single | Stacked,
    seeds: Sequence[int],
    train: Split | Callable[[int], Split],
    validation: Split | None,
    settings: Settings,
    unfinished: Kept | None = None,
) -> History:
    """Train in place, as `layerbook.training.fit.fit` says; a long run is kept in ``unfinished``, and resumed there."""
    device = network.parameters[0].device
    fresh = train if callable(train) else None
    data = (train(1) if fresh else train).to(device)
    epochs = _epochs(settings, data)
    _check_kinds(data, validation, settings)
    loss = _checked_loss(settings, data, validation)
    devices = range(torch.cuda.device_count()) if network.parameters[0].is_cuda else []
    with torch.random.fork_rng(devices=devices), _weights_cast_anew(device.type):
        run = Run(network, seeds, settings, device)
        captured = Captured(run, loss) if network.parameters[0].is_cuda else None
        followed = settings.until and settings.until.follow(network)
        saved = unfinished and unfinished.read(device)
        if saved:
            _resume(run, followed, saved)
        else:
            run.after_step()
        started = last = time.monotonic()
        before = run.seconds
        quiet = settings.progress is None or bool(os.environ.get("CI") or os.environ.get("TQDM_DISABLE"))
        with tqdm(
            total=epochs, initial=run.epoch, desc=settings.progress, disable=quiet, unit="epoch", leave=False
        ) as bar:
            while run.epoch < epochs and not (followed and followed.done()):
                if fresh and run.epoch:
                    data = fresh(run.epoch + 1).to(device)
                _epoch(run, data, None if followed else validation, loss, captured)
                if followed:
                    followed.look(network, data, validation, loss)
                bar.update()
                run.seconds = before + time.monotonic() - started
                if unfinished and time.monotonic() - last > SAVE_EVERY and run.epoch < epochs:
                    unfinished.write(_state(run, followed))
                    last = time.monotonic()
        if captured:
            captured.finish()
        followed.finish(network) if followed else run.finish()
    return _history(run, followed)


def _weights_cast_anew(kind: str) -> AbstractContextManager:
    """An autocast around a training keeps what it cast, the weights of the start; within this one it does not."""
    if not torch.is_autocast_enabled(kind):
        return nullcontext()
    return torch.autocast(kind, torch.get_autocast_dtype(kind), cache_enabled=False)


def _epoch(run: Run, data: Split, validation: Split | None, loss: Callable, captured: Captured | None) -> None:
    try:
        captured.epoch(data, validation) if captured else one_epoch(run, data, validation, loss)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ValueError(
            f"batch_size: batch normalisation needs at least two samples a batch, and {len(data)} in "
            f"batches of {run.settings.batch_size} leave one for the last: take another"
        ) from None
    except RuntimeError as error:
        if "randomness" not in str(error):
            raise
        raise ValueError(
            "make_model: expected networks without dropout or other chance, which would draw otherwise "
            "side by side than one by one: train each with fit"
        ) from None
    if not run.losses[-1].isfinite().all():
        raise ValueError(
            f"loss: not finite in epoch {run.epoch} ({run.losses[-1].tolist()}); lower the learning rate of optimizer"
        )


def _history(run: Run, followed: Followed | None) -> History:
    empty = torch.empty(run.network.size, 0, dtype=torch.float64)
    chosen = torch.full_like(run.best_epoch, run.epoch) if run.best is None else run.best_epoch
    kept = {step: {name: t.cpu() for name, t in state.items()} for step, state in run.kept.items()}
    history = History(
        torch.stack(run.losses, 1).cpu(),
        torch.stack(run.errors, 1).cpu() if run.errors else empty,
        chosen.cpu(),
        kept,
        run.seconds,
    )
    if followed:
        history.measured, history.reached = torch.stack(followed.measured, 1).cpu(), (followed.epoch > 0).cpu()
        history.best_epoch = history.best_epoch.where(~history.reached, followed.epoch.cpu())
    return history


def _state(run: Run, followed: Followed | None) -> dict:
    """All of a run that is needed to go on from there."""
    state = {name: getattr(run, name) for name in _PLAIN} | {
        "network": run.network.stacked_state(),
        "update": run.update.state_dict(),
        "rate": run.rate and run.rate.state_dict(),
        "orders": [g.get_state() for g in run.orders],
        "random": _random_state(),
        "callbacks": [c.state_dict() for c in run.settings.callbacks],
        "followed": followed and followed.state_dict(),
    }
    if run.rate:
        state["rate"].pop("lr_lambdas")
    return state


def _resume(run: Run, followed: Followed | None, state: dict) -> None:
    for name in _PLAIN:
        setattr(run, name, state[name])
    run.network.load(state["network"])
    run.update.load_state_dict(state["update"])
    if run.rate:
        run.rate.load_state_dict(state["rate"] | {"lr_lambdas": [None]})
    for order, saved in zip(run.orders, state["orders"], strict=True):
        order.set_state(saved.cpu())
    _set_random_state(state["random"])
    for callback, saved in zip(run.settings.callbacks, state["callbacks"], strict=True):
        callback.load_state_dict(saved)
    if followed:
        followed.load_state_dict(state["followed"])


def _epochs(settings: Settings, train: Split) -> int:
    """How many epochs are begun; a snapshot after the last step is refused."""
    each = steps_per_epoch(train, settings.batch_size)
    steps = settings.epochs * each if settings.steps is None else settings.steps
    if settings.snapshots and settings.snapshots[-1] > steps:
        raise ValueError(
            f"snapshots: expected steps from 0 to {steps}, the last of the training, got {settings.snapshots[-1]}"
        )
    return -(-steps // each)


def _check_kinds(train: Split, validation: Split | None, settings: Settings) -> None:
    """Class numbers or several labels, the same for training and validation, and a loss for them."""
    several = train.labels.ndim == 2
    if validation is not None and (validation.labels.ndim == 2) != several:
        kinds = ("multi-hot labels", "class numbers") if several else ("class numbers", "multi-hot labels")
        raise ValueError(f"validation: expected {kinds[0]}, as of train, got {kinds[1]}")
    if several and settings.loss is mse:
        raise ValueError(
            "loss: mse, the default, compares with one class number a sample; "
            "take binary_cross_entropy for multi-hot labels"
        )
    if not several and settings.loss is binary_cross_entropy:
        raise ValueError("loss: binary_cross_entropy expects multi-hot labels, got class numbers: take cross_entropy")
    for split in (train, validation):
        if several and split is not None and not ((split.labels == 0) | (split.labels == 1)).all():
            raise ValueError("labels: expected multi-hot, zeros and ones, got other values")


def _checked_loss(settings: Settings, train: Split, validation: Split | None) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss; at its first call, when the number of outputs is known, labels are checked before any step."""
    unchecked = [split.labels for split in (train, validation) if split is not None]

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        while unchecked:
            _check_labels(unchecked.pop(0), logits.shape[-1])
        losses = settings.loss(logits, labels)
        if losses.shape != labels.shape[:1]:
            raise ValueError(
                f"loss: expected one number per sample, shape ({len(labels)},), got "
                f"{tuple(losses.shape)}; without reduction, as in F.cross_entropy(…, reduction='none')"
            )
        return losses

    return loss


def _check_labels(labels: Tensor, outputs: int) -> None:
    if labels.ndim == 1 and int(labels.max()) >= outputs:
        raise ValueError(
            f"labels: expected class numbers below {outputs}, the number of outputs, got {int(labels.max())}"
        )
    if labels.ndim == 2 and labels.shape[1] != outputs:
        raise ValueError(f"labels: expected {outputs} columns, one per output, got {labels.shape[1]}")


def _random_state() -> list[Tensor]:
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [])]


def _set_random_state(states: list[Tensor]) -> None:
    torch.set_rng_state(states[0].cpu())
    for i, state in enumerate(states[1:]):
        torch.cuda.set_rng_state(state.cpu(), i)
