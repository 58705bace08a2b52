"""The steps of a training: one batched pass for all seeds, and the best epoch kept. All that makes the numbers is here.

A stored training is known by this code, too: what only checks, shows or saves belongs elsewhere.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from layerbook.training._ensemble import Single, Stacked, State
from layerbook.training.settings import Settings
from layerlib._forward import as_input, batches, wrong
from layerlib.data.splits import Split


class Run:
    """The state of one training run after some epochs: all that is needed to go on from there."""

    def __init__(self, network: Single | Stacked, seeds, settings: Settings, device: torch.device):
        self.network, self.settings = network, settings
        torch.manual_seed(seeds[0])  # of dropout
        self.update = settings.optimizer(network.parameters)
        self.rate = settings.schedule and torch.optim.lr_scheduler.LambdaLR(self.update, settings.schedule)
        self.orders = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.epoch = self.step = 0
        self.losses: list[Tensor] = []
        self.errors: list[Tensor] = []
        self.kept: dict[int, State] = {}
        self.best: State | None = None
        self.best_error = torch.full((network.size,), torch.inf, dtype=torch.float64, device=device)
        self.best_epoch = torch.zeros(network.size, dtype=torch.int64, device=device)
        self.seconds = 0.0

    def after_step(self) -> None:
        if self.step in self.settings.snapshots:
            self.kept[self.step] = self.network.stacked_state()
        for callback in self.settings.callbacks:
            callback(self.step, getattr(self.network, "model", self.network))

    def judge(self, validation: Split) -> None:
        """Keep the weights of every network whose validation error is the smallest so far."""
        self.errors.append(errors(self.network, validation))
        better = self.errors[-1] < self.best_error
        self.best_error = torch.where(better, self.errors[-1], self.best_error)
        self.best_epoch = self.best_epoch.where(~better, self.epoch)
        now = self.network.stacked_state()
        self.best = (
            now
            if self.best is None
            else {
                name: torch.where(better.view(-1, *[1] * (t.ndim - 1)), t, self.best[name]) for name, t in now.items()
            }
        )

    def finish(self) -> None:
        """Leave every network at its best epoch, where there was one to choose by."""
        if self.best is not None:
            self.network.load(self.best)


def one_epoch(run: Run, train: Split, validation: Split | None, loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Go once through ``train``; ``loss`` is that of the settings, with its checks."""
    network, settings, noise = run.network, run.settings, run.settings.noise
    device, dtype = network.parameters[0].device, network.parameters[0].dtype
    network.train(True)
    run.epoch += 1
    total = torch.zeros(network.size, dtype=torch.float64, device=device)
    order = torch.stack([torch.randperm(len(train), generator=g) for g in run.orders]).to(device)
    steps = settings.steps
    batches = order.split(settings.batch_size, dim=1)[: steps and steps - run.step]
    for rows in batches:
        x = as_input(train.images[rows.flatten()], dtype).unflatten(0, rows.shape)
        if noise:
            drawn = [torch.randn(x.shape[1:], generator=g, dtype=dtype) for g in run.orders]
            x += noise * torch.stack(drawn).to(device)
        logits = network(x)
        labels = train.labels[rows.flatten()]
        each = loss(logits.flatten(0, 1), labels).unflatten(0, rows.shape)
        run.update.zero_grad()
        each.mean(1).sum().backward()
        run.update.step()
        if run.rate:
            run.rate.step()
        total += each.detach().sum(1)
        run.step += 1
        run.after_step()
    run.losses.append(total / sum(rows.shape[1] for rows in batches))
    if validation is not None:
        run.judge(validation)


@torch.no_grad()
def errors(network: Single | Stacked, split: Split, batch_size: int = 2000) -> Tensor:
    """Share of wrong samples of each network, in evaluation mode; float64, shape (networks,)."""
    network.train(False)
    count = torch.zeros(network.size, dtype=torch.float64, device=split.images.device)
    inputs = batches(split.images, batch_size, network.parameters[0])
    for x, labels in zip(inputs, split.labels.split(batch_size), strict=True):
        count += wrong(network(x.expand(network.size, *x.shape)), labels).sum(1)
    return count / len(split)
