"""FilterTracker against saving checkpoints.

Five layers of a VGG-16 and a ResNet-50 are looked at five times, as in Hu et al. (2018, sec. IV-B). They saved the
model every so many steps and compared afterwards; so does the peer, with ``torch.save`` and ``filter_change``. The
training between two looks is left out: what is timed is all that a reader adds to it.
"""

import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn

from benchmarks import Task
from layerlib import FilterTracker, filter_change
from layerlib.models import build

WIDTH, LOOKS, THRESHOLD = 0.25, 5, 2e-4
LAYERS = {
    "vgg16": ["features.0", "features.7", "features.14", "features.21", "features.28"],
    "resnet50": ["conv1", "layer1.2.conv2", "layer2.3.conv2", "layer3.5.conv2", "layer4.2.conv2"],
}


@torch.no_grad()
def learned(model: nn.Module, names: list[str]) -> None:
    """In place of training: the weights of ``names`` move."""
    for name in names:
        model.get_submodule(name).weight.mul_(1.001)


def tracked(model: nn.Module, names: list[str]) -> list[float]:
    tracker = FilterTracker(model, names, 1, THRESHOLD)
    for _ in range(LOOKS):
        learned(model, names)
        tracker.step()
    return tracker.to_frame().distance.tolist()


def saved(model: nn.Module, names: list[str]) -> list[float]:
    """D of every layer between each saved state and the one before."""
    distances = []
    with tempfile.TemporaryDirectory() as folder:
        for look in range(LOOKS + 1):
            if look:
                learned(model, names)
            torch.save(model.state_dict(), Path(folder, f"{look}.pt"))
        states = [torch.load(Path(folder, f"{look}.pt"), weights_only=True) for look in range(LOOKS + 1)]
    for before, after in pairwise(states):
        weights = [(before[f"{name}.weight"], after[f"{name}.weight"]) for name in names]
        distances += [filter_change(*pair, THRESHOLD).distance.item() for pair in weights]
    return distances


def apart(kind: str) -> float:
    """The largest relative difference of a distance, from the same weights."""
    found = []
    for way in (tracked, saved):
        torch.manual_seed(0)
        found.append(torch.tensor(way(build(kind, 10, WIDTH), LAYERS[kind]), dtype=torch.float64))
    return (found[0] / found[1] - 1).abs().max().item()


def tasks() -> Iterator[Task]:
    for kind, names in LAYERS.items():
        model = build(kind, 10, WIDTH)
        held = sum(model.get_submodule(name).weight.nbytes for name in names)
        yield Task(
            f"filters, {kind} of width {WIDTH:g}, {len(names)} layers, {LOOKS} looks",
            tracked,
            (model, names),
            "checkpoints",
            saved,
            nbytes=3 * LOOKS * held,  # the weights, their copy, and the copy anew
            apart=partial(apart, kind),
        )
