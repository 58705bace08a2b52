"""The training loop itself: one batched pass for all seeds, the best epoch kept, a long run saved now and then."""

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from layerbook.record import replacing
from layerbook.training._ensemble import Single, Stacked, State
from layerlib._forward import as_input, steps_per_epoch, wrong
from layerlib.data.load import Split

SAVE_EVERY = 30.0  # seconds between two savings of a run that has a file


@dataclass
class History:
    """What a training run reported.

    Attributes
    ----------
    loss : float64, shape (epochs,), mean training loss of each epoch; (seeds, epochs) of an ensemble
    validation_error : float64, the same shape, share of wrong samples; empty without a validation split
    best_epoch : int64, shape () or (seeds,), epoch whose weights were kept, counted from 1
    snapshots : weights copied after the asked steps (0: before training), step -> state dict; in an ensemble every
        tensor has a leading dimension of seeds
    seconds : wall time of the training, over all its parts if it was interrupted; NaN where it is not known
    """

    loss: Tensor
    validation_error: Tensor
    best_epoch: Tensor
    snapshots: dict[int, State] = field(default_factory=dict)
    seconds: float = math.nan


class Run:
    """The state of one training run after some epochs: all that is needed to go on from there."""

    def __init__(self, network: Single | Stacked, seeds, settings: dict, device: torch.device):
        self.network, self.settings = network, settings
        self.update = settings["optimizer"](network.parameters)
        schedule = settings["schedule"]
        self.rate = schedule and torch.optim.lr_scheduler.LambdaLR(self.update, schedule)
        self.orders = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.epoch = self.step = 0
        self.losses: list[Tensor] = []
        self.errors: list[Tensor] = []
        self.kept: dict[int, State] = {}
        self.best: State | None = None
        self.best_error = torch.full((network.size,), torch.inf, dtype=torch.float64, device=device)
        self.best_epoch = torch.zeros(network.size, dtype=torch.int64, device=device)
        self.seconds = 0.0

    PLAIN = ("epoch", "step", "losses", "errors", "kept", "best", "best_error", "best_epoch", "seconds")

    def save(self, path: Path) -> None:
        state = {name: getattr(self, name) for name in self.PLAIN} | {
            "network": self.network.stacked_state(), "update": self.update.state_dict(),
            "rate": self.rate and self.rate.state_dict(), "orders": [g.get_state() for g in self.orders],
            "random": _random_state(), "callbacks": [c.state_dict() for c in self.settings["callbacks"]]}
        if self.rate:
            state["rate"].pop("lr_lambdas")
        with replacing(path) as beside:
            torch.save(state, beside)

    def resume(self, path: Path, device: torch.device) -> None:
        state = torch.load(path, map_location=device, weights_only=True)
        for name in self.PLAIN:
            setattr(self, name, state[name])
        self.network.load(state["network"])
        self.update.load_state_dict(state["update"])
        if self.rate:
            self.rate.load_state_dict(state["rate"] | {"lr_lambdas": [None]})
        for order, saved in zip(self.orders, state["orders"], strict=True):
            order.set_state(saved.cpu())
        _set_random_state(state["random"])
        for callback, saved in zip(self.settings["callbacks"], state["callbacks"], strict=True):
            callback.load_state_dict(saved)

    def after_step(self) -> None:
        if self.step in self.settings["snapshots"]:
            self.kept[self.step] = self.network.stacked_state()
        for callback in self.settings["callbacks"]:
            callback(self.step, getattr(self.network, "model", self.network))

    def judge(self, validation: Split) -> None:
        """Keep the weights of every network whose validation error is the smallest so far."""
        self.errors.append(errors(self.network, validation))
        better = self.errors[-1] < self.best_error
        self.best_error = torch.where(better, self.errors[-1], self.best_error)
        self.best_epoch = self.best_epoch.where(~better, self.epoch)
        now = self.network.stacked_state()
        self.best = now if self.best is None else {
            name: torch.where(better.view(-1, *[1] * (t.ndim - 1)), t, self.best[name]) for name, t in now.items()}

    def history(self) -> History:
        empty = torch.empty(self.network.size, 0, dtype=torch.float64)
        reached = torch.full_like(self.best_epoch, self.epoch) if self.best is None else self.best_epoch
        return History(torch.stack(self.losses, 1).cpu(), torch.stack(self.errors, 1).cpu() if self.errors else empty,
                       reached.cpu(), self.kept, self.seconds)


def train_network(network: Single | Stacked, seeds, train: Split | Callable[[int], Split], validation: Split | None,
                  settings: dict, saved: Path | None = None) -> History:
    """Train in place, as `layerbook.training.fit.fit` says; ``saved`` is where a long run is kept, and resumed from."""
    device = network.parameters[0].device
    fresh = train if callable(train) else None
    data = train(1).to(device) if fresh else train.to(device)
    epochs = _epochs(settings, data)
    devices = range(torch.cuda.device_count()) if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seeds[0])  # of dropout
        run = Run(network, seeds, settings, device)
        if saved and saved.is_file():
            run.resume(saved, device)
        else:
            run.after_step()
        progress = settings["progress"]
        quiet = progress is None or bool(os.environ.get("CI") or os.environ.get("TQDM_DISABLE"))
        started = last = time.monotonic()
        before = run.seconds
        bar = tqdm(total=epochs, initial=run.epoch, desc=progress, disable=quiet, unit="epoch", leave=False)
        with bar:
            while run.epoch < epochs:
                if fresh and run.epoch:
                    data = fresh(run.epoch + 1).to(device)
                _epoch(run, data, validation)
                bar.update()
                run.seconds = before + time.monotonic() - started
                if saved and time.monotonic() - last > SAVE_EVERY and run.epoch < epochs:
                    run.save(saved)
                    last = time.monotonic()
    if run.best is not None:
        network.load(run.best)
    return run.history()


def _epoch(run: Run, train: Split, validation: Split | None) -> None:
    network, settings, noise = run.network, run.settings, run.settings["noise"]
    device, dtype = network.parameters[0].device, network.parameters[0].dtype
    network.train(True)
    run.epoch += 1
    total = torch.zeros(network.size, dtype=torch.float64, device=device)
    order = torch.stack([torch.randperm(len(train), generator=g) for g in run.orders]).to(device)
    steps = settings["steps"]
    batches = order.split(settings["batch_size"], dim=1)[:steps and steps - run.step]
    for rows in batches:
        x = as_input(train.images[rows.flatten()], dtype).unflatten(0, rows.shape)
        if noise:
            drawn = [torch.randn(x.shape[1:], generator=g, dtype=dtype) for g in run.orders]
            x += noise * torch.stack(drawn).to(device)
        logits = network(x)
        labels = train.labels[rows.flatten()]
        if run.step == 0:
            _check_labels(train, validation, logits)
        each = settings["loss"](logits.flatten(0, 1), labels)
        if each.shape != labels.shape[:1]:
            raise ValueError(f"loss: expected one number per sample, shape ({len(labels)},), got "
                             f"{tuple(each.shape)}; without reduction, as in F.cross_entropy(…, reduction='none')")
        each = each.unflatten(0, rows.shape)
        run.update.zero_grad()
        each.mean(1).sum().backward()
        run.update.step()
        if run.rate:
            run.rate.step()
        total += each.detach().sum(1)
        run.step += 1
        run.after_step()
    run.losses.append(total / sum(rows.shape[1] for rows in batches))
    if not run.losses[-1].isfinite().all():
        raise ValueError(f"loss: not finite in epoch {run.epoch} ({run.losses[-1].tolist()}); "
                         "lower the learning rate of optimizer")
    if validation is not None:
        run.judge(validation)


@torch.no_grad()
def errors(network: Single | Stacked, split: Split, batch_size: int = 2000) -> Tensor:
    """Share of wrong samples of each network, in evaluation mode; float64, shape (networks,)."""
    network.train(False)
    dtype = network.parameters[0].dtype
    count = torch.zeros(network.size, dtype=torch.float64, device=split.images.device)
    for images, labels in zip(split.images.split(batch_size), split.labels.split(batch_size), strict=True):
        x = as_input(images, dtype).expand(network.size, *images.shape)
        count += wrong(network(x), labels).sum(1)
    return count / len(split)


def _epochs(settings: dict, train: Split) -> int:
    """How many epochs are begun."""
    epochs, steps, batch_size = settings["epochs"], settings["steps"], settings["batch_size"]
    if (epochs is None) == (steps is None):
        raise ValueError(f"epochs, steps: expected one of the two, got {epochs} and {steps}")
    if steps is not None and steps < 1:
        raise ValueError(f"steps: expected at least 1, got {steps}")
    if (epochs is not None and epochs < 1) or batch_size < 1:
        raise ValueError(f"epochs, batch_size: expected at least 1, got {epochs} and {batch_size}")
    return epochs if steps is None else -(-steps // steps_per_epoch(train, batch_size))


def _check_labels(train: Split, validation: Split | None, logits: Tensor) -> None:
    outputs = logits.shape[-1]
    for split in (train, validation):
        if split is not None and split.labels.ndim == 1 and int(split.labels.max()) >= outputs:
            raise ValueError(f"labels: expected class numbers below {outputs}, the number of outputs, "
                             f"got {int(split.labels.max())}")
        if split is not None and split.labels.ndim == 2 and split.labels.shape[1] != outputs:
            raise ValueError(f"labels: expected {outputs} columns, one per output, got {split.labels.shape[1]}")


def _random_state() -> list[Tensor]:
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [])]


def _set_random_state(states: list[Tensor]) -> None:
    torch.set_rng_state(states[0].cpu())
    for i, state in enumerate(states[1:]):
        torch.cuda.set_rng_state(state.cpu(), i)
