"""One training loop: data on the device, seeds side by side, the best epoch kept, finished runs stored."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from layerlib.data import Split
from layerlib.records import replacing
from layerlib.stacked import Single, Stacked, State, unstack
from layerlib.store import fingerprint

ADAM = partial(torch.optim.Adam, lr=1e-3, fused=True)


def mse(logits: Tensor, labels: Tensor) -> Tensor:
    """Squared error of linear outputs to the one-hot label, averaged over classes; shape (N,)."""
    return (logits - F.one_hot(labels, logits.shape[-1])).square().mean(-1)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the softmax of the logits; shape (N,)."""
    return F.cross_entropy(logits, labels, reduction="none")


DEFAULTS = {"loss": mse, "optimizer": ADAM, "batch_size": 128, "noise": 0.0, "snapshots": (), "callbacks": (),
            "progress": None, "epochs": None, "steps": None, "schedule": None}


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
    """

    loss: Tensor
    validation_error: Tensor
    best_epoch: Tensor
    snapshots: dict[int, State] = field(default_factory=dict)


@dataclass
class Trained:
    """Networks trained side by side, in the order of the seeds, and what the run reported."""

    models: list[nn.Module]
    history: History

    def at(self, step: int) -> list[nn.Module]:
        """The networks as they were after ``step`` steps (KeyError if no snapshot was asked there)."""
        return unstack(self.models, self.history.snapshots[step])


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


@contextmanager
def modes_kept(model: nn.Module) -> Iterator[None]:
    """Afterwards every module of ``model`` is in training or evaluation mode as it was before."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def fit(model: nn.Module, train: Split, validation: Split | None = None, *, epochs: int | None = None,
        steps: int | None = None, seed: int = 0, loss: Callable[[Tensor, Tensor], Tensor] = mse,
        optimizer: Callable = ADAM, schedule: Callable[[int], float] | None = None, batch_size: int = 128,
        noise: float = 0.0, snapshots: Iterable[int] = (), callbacks: Sequence[Callable] = (),
        device: str | torch.device = "auto", progress: str | None = None) -> History:
    """Train ``model`` in place; with a validation split, leave it at the epoch with the smallest validation error.

    Parameters
    ----------
    epochs, steps : how long, one of the two; after a number of ``steps`` the last epoch may be a part of one
    loss : (logits (N, K), labels (N,)) -> (N,), such as ``mse`` or ``cross_entropy``
    optimizer : parameters -> optimizer, as in ``partial(torch.optim.SGD, lr=0.1)``
    schedule : step, from 0 -> factor on the optimizer's learning rate in that step; by default 1 throughout
    seed : of the order of the samples and of the noise
    noise : standard deviation of Gaussian noise added to the inputs, in units of the pixel range
    snapshots : steps after which the weights are copied; 0 is before training
    callbacks : each called as ``callback(step, model)``, once before training with step 0, then after every step
    progress : label of the progress bar; none is shown without it, nor under CI

    Raises
    ------
    ValueError
        for ``epochs``, ``steps`` or ``batch_size`` below 1, both or neither of ``epochs`` and ``steps``, a label the
        network has no output for, or a loss that is not finite or not one number per sample
    """
    device = pick_device(device)
    network = Single(model.to(device))
    with modes_kept(model):
        history = _train(network, [seed], train.to(device), validation and validation.to(device), epochs=epochs,
                         steps=steps, loss=loss, optimizer=optimizer, schedule=schedule, batch_size=batch_size,
                         noise=noise, snapshots=snapshots, callbacks=callbacks, progress=progress)
    kept = {step: {name: t[0] for name, t in state.items()} for step, state in history.snapshots.items()}
    return History(history.loss[0], history.validation_error[0], history.best_epoch[0], kept)


def fit_ensemble(make_model: Callable[[], nn.Module], seeds: Sequence[int], train: Split,
                 validation: Split | None = None, *, store: str | Path | None = None,
                 device: str | torch.device = "auto", **settings) -> Trained:
    """Train one network per seed, side by side in one batched pass: the same networks as ``fit`` gives one by one.

    ``make_model()`` is called once per seed, with torch's generator seeded by it. Settings are those of ``fit``
    (``callbacks`` get the batched networks as their model, see ``stacked_state``).

    Parameters
    ----------
    store : folder where the finished run is kept; a later call with the same settings, initial weights and data
        reads it back instead of training, so that a long series can be stopped and resumed. ``loss``, ``optimizer``
        and ``schedule`` count by their names: give a changed one another name.

    Raises
    ------
    ValueError
        as ``fit``; also for ``store`` together with ``callbacks``, which would not be called again, or with a
        lambda, a local function or an object, whose name does not say what it does
    """
    device = pick_device(device)
    members = [_seeded(make_model, seed) for seed in seeds]
    settings = DEFAULTS | settings
    settings["snapshots"] = sorted(settings["snapshots"])
    path = store and Path(store) / f"{fingerprint(members, seeds, train, validation, settings, DEFAULTS)}.pt"
    if path and path.is_file():
        kept = torch.load(path, map_location="cpu", weights_only=True)
        history = History(**kept["history"])
    else:
        network = Stacked([member.to(device) for member in members])
        history = _train(network, seeds, train.to(device), validation and validation.to(device), **settings)
        kept = {"state": network.stacked_state(), "history": vars(history)}
        if path:
            with replacing(path) as beside:
                torch.save(kept, beside)
    return Trained(unstack([member.to(device) for member in members], kept["state"]), history)


@torch.no_grad()
def error_rate(model: nn.Module, split: Split, batch_size: int = 2000) -> float:
    """Share of samples whose largest logit is not their label, in evaluation mode."""
    with modes_kept(model):
        return _errors(Single(model), split.to(next(model.parameters()).device), batch_size)[0].item()


def _train(network: Single | Stacked, seeds: Sequence[int], train: Split, validation: Split | None, *,
           epochs: int | None, steps: int | None, loss: Callable, optimizer: Callable, schedule: Callable | None,
           batch_size: int, noise: float, snapshots: Iterable[int], callbacks: Sequence[Callable],
           progress: str | None) -> History:
    epochs = _epochs(epochs, steps, batch_size, train)
    device, dtype = network.parameters[0].device, network.parameters[0].dtype
    update = optimizer(network.parameters)
    rate = schedule and torch.optim.lr_scheduler.LambdaLR(update, schedule)
    orders = [torch.Generator().manual_seed(seed) for seed in seeds]
    kept, wanted = {}, set(snapshots)
    losses, errors = [], []
    best, best_error = None, torch.full((network.size,), torch.inf, dtype=torch.float64, device=device)
    best_epoch = torch.full((network.size,), epochs, device=device)

    def after(step: int) -> None:
        if step in wanted:
            kept[step] = network.stacked_state()
        for callback in callbacks:
            callback(step, getattr(network, "model", network))

    after(step := 0)
    quiet = progress is None or bool(os.environ.get("CI") or os.environ.get("TQDM_DISABLE"))
    for epoch in tqdm(range(1, epochs + 1), desc=progress, disable=quiet, unit="epoch", leave=False):
        network.train(True)
        total = torch.zeros(network.size, dtype=torch.float64, device=device)
        order = torch.stack([torch.randperm(len(train), generator=g) for g in orders]).to(device)
        batches = order.split(batch_size, dim=1)[:steps and steps - step]
        for rows in batches:
            x = as_input(train.images[rows.flatten()], dtype).unflatten(0, rows.shape)
            if noise:
                drawn = [torch.randn(x.shape[1:], generator=g, dtype=dtype) for g in orders]
                x += noise * torch.stack(drawn).to(device)
            logits = network(x)
            labels = train.labels[rows.flatten()]
            if step == 0:
                _check_labels(train, validation, logits.shape[-1])
            each = loss(logits.flatten(0, 1), labels)
            if each.shape != labels.shape[:1]:
                raise ValueError(f"loss: expected one number per sample, shape ({len(labels)},), got "
                                 f"{tuple(each.shape)}; without reduction, as in F.cross_entropy(…, reduction='none')")
            each = each.unflatten(0, rows.shape)
            update.zero_grad()
            each.mean(1).sum().backward()
            update.step()
            if rate:
                rate.step()
            total += each.detach().sum(1)
            after(step := step + 1)
        losses.append(total / sum(rows.shape[1] for rows in batches))
        if not losses[-1].isfinite().all():
            raise ValueError(f"loss: not finite in epoch {epoch} ({losses[-1].tolist()}); "
                             "lower the learning rate of optimizer")
        if validation is not None:
            errors.append(_errors(network, validation))
            better = errors[-1] < best_error
            best_error, best_epoch = torch.where(better, errors[-1], best_error), best_epoch.where(~better, epoch)
            best = _keep(best, network.stacked_state(), better)
    if best is not None:
        network.load(best)
    empty = torch.empty(network.size, 0, dtype=torch.float64)
    return History(torch.stack(losses, 1).cpu(), torch.stack(errors, 1).cpu() if errors else empty,
                   best_epoch.cpu(), kept)


def _epochs(epochs: int | None, steps: int | None, batch_size: int, train: Split) -> int:
    """How many epochs are begun."""
    if (epochs is None) == (steps is None):
        raise ValueError(f"epochs, steps: expected one of the two, got {epochs} and {steps}")
    if steps is not None and steps < 1:
        raise ValueError(f"steps: expected at least 1, got {steps}")
    if (epochs is not None and epochs < 1) or batch_size < 1:
        raise ValueError(f"epochs, batch_size: expected at least 1, got {epochs} and {batch_size}")
    return epochs if steps is None else -(-steps // steps_per_epoch(train, batch_size))


def _check_labels(train: Split, validation: Split | None, outputs: int) -> None:
    for split in (train, validation):
        if split is not None and split.labels.ndim == 1 and int(split.labels.max()) >= outputs:
            raise ValueError(f"labels: expected class numbers below {outputs}, the number of outputs, "
                             f"got {int(split.labels.max())}")


def _keep(best: State | None, now: State, better: Tensor) -> State:
    if best is None:
        return now
    return {name: torch.where(better.view(-1, *[1] * (t.ndim - 1)), t, best[name]) for name, t in now.items()}


@torch.no_grad()
def _errors(network: Single | Stacked, split: Split, batch_size: int = 2000) -> Tensor:
    network.train(False)
    dtype = network.parameters[0].dtype
    wrong = torch.zeros(network.size, dtype=torch.float64, device=split.images.device)
    for images, labels in zip(split.images.split(batch_size), split.labels.split(batch_size), strict=True):
        x = as_input(images, dtype).expand(network.size, *images.shape)
        wrong += (network(x).argmax(-1) != labels).sum(1)
    return wrong / len(split)


def _seeded(make_model: Callable[[], nn.Module], seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        return make_model()
