"""Internal classifiers of all taps in one pass against a tap at a time.

The task is that of Cao et al. (2022, sec. 6.1): a frozen ResNet-18, a linear layer with a sigmoid on each of its taps,
SGD with their settings. The peers are what one would write with torch alone, a tap at a time: read through the frozen
network in every epoch, or once, keeping the tap's features. `layerlib` takes the network's own output for the last tap,
so the peers train the others.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import Task
from layerlib import LayerProbes
from layerlib.data.load import load
from layerlib.data.scenes import make_scenes
from layerlib.data.splits import Split
from layerlib.models import build, taps

PICTURES, EPOCHS, BATCH, CLASSES = 384, 10, 128, 20


def scenes() -> Split:
    digits, articles = load("mnist-mini").train, load("fashion-mini").train
    return make_scenes(digits, articles, PICTURES, seed=0)


def pooled(model: nn.Module, name: str, images: Tensor, pool: int) -> Tensor:
    """What one tap gives for a batch, by means over places or over a grid of them; shape (n, features)."""
    kept = []
    handle = model.get_submodule(name).register_forward_hook(lambda module, inputs, output: kept.append(output))
    with torch.no_grad():
        model(images.float() / 255)
    handle.remove()
    return F.adaptive_avg_pool2d(kept[0], min(pool, kept[0].shape[-1])).flatten(1)


def train(batches: Callable[[Tensor], Iterator[Tensor]], labels: Tensor, features: int) -> nn.Linear:
    """One probe, with the paper's settings; ``batches`` gives the features of the samples of an epoch's order."""
    torch.manual_seed(0)
    probe = nn.Linear(features, CLASSES)
    update = torch.optim.SGD(probe.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.MultiStepLR(update, [EPOCHS * 2 // 5, EPOCHS * 4 // 5])
    order = torch.Generator().manual_seed(0)
    loss = nn.BCEWithLogitsLoss()
    for _ in range(EPOCHS):
        rows = torch.randperm(len(labels), generator=order)
        for here, given in zip(rows.split(BATCH), batches(rows), strict=True):
            update.zero_grad()
            loss(probe(given), labels[here]).backward()
            update.step()
        schedule.step()
    return probe


def every_epoch(model: nn.Module, name: str, split: Split, pool: int) -> nn.Linear:
    """A pass for one tap that reads through the whole frozen network in every epoch."""
    wide = pooled(model, name, split.images[:2], pool).shape[1]
    return train(
        lambda rows: (pooled(model, name, split.images[here], pool) for here in rows.split(BATCH)), split.labels, wide
    )


def kept(model: nn.Module, name: str, split: Split, pool: int) -> nn.Linear:
    """A pass for one tap that reads through the network once and keeps the features."""
    features = torch.cat([pooled(model, name, images, pool) for images in split.images.split(BATCH)])
    return train(lambda rows: (features[here] for here in rows.split(BATCH)), split.labels, features.shape[1])


def trained(model: nn.Module, split: Split, pool: int) -> LayerProbes:
    probes = LayerProbes(model, taps(model), CLASSES, pool=pool)
    probes.train(split, epochs=EPOCHS)
    return probes


@torch.no_grad()
def forward(model: nn.Module, split: Split) -> None:
    for images in split.images.split(BATCH):
        model(images.float() / 255)


def tasks() -> Iterator[Task]:
    split = scenes()
    for name, method, width, pool, turns in (
        ("the network in every epoch", every_epoch, 0.125, 1, 3),
        ("features kept", kept, 0.125, 1, 5),
        ("features kept", kept, 1, 4, 2),
    ):
        torch.manual_seed(0)
        model = build("resnet18", CLASSES, width=width, channels=1).eval()
        read = f"a {pool} × {pool} grid" if pool > 1 else "means"
        yield Task(
            f"probes, ResNet-18 of width {width:g}, {PICTURES} scenes, {read}, against {name}",
            partial(trained, pool=pool),
            (model, split),
            name,
            lambda model, split, method=method, pool=pool: [method(model, t, split, pool) for t in taps(model)[:-1]],
            must=forward,
            turns=turns,
        )
