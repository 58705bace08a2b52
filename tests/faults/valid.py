"""Valid arguments of every kind, small, and what the recipes call with them."""

from collections import OrderedDict
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from calling import Recipe
from torch import nn

import layerlib as ll
from layerlib.data.splits import Split
from layerlib.distributions._rules import Confident
from layerlib.layers import capture

MORE_AXES = "axes before the last ones are welcome"
NO_SAMPLES = "no samples, no answers"
AS_THE_MODEL_TAKES = {("images", fault): "other numbers go in as they are" for fault in ("floats", "halves")}
AS_IT_IS = "no choice, no change"
LABEL = "a label, shown as it is"

random = torch.Generator().manual_seed(0)
X = torch.rand(12, 1, 6, 6, generator=random)
IMAGES = (255 * X).to(torch.uint8)
LABELS = torch.arange(12) % 3
Z = torch.randn(12, 5, generator=random)
ACTIVE = Z > 0
PROBABILITIES = torch.rand(5, 12, 4, generator=random)
HOT = (torch.rand(12, 4, generator=random) > 0.5).float()
HOT[torch.arange(12), torch.arange(12) % 4] = 1
MASSES = ll.label_distribution(PROBABILITIES[0])
GOALS = ll.label_distribution(HOT)
COST = ll.label_cost(4).float()
NAMES = ("conv", "hidden")
SPLIT = Split(IMAGES, LABELS)
MULTI = Split(IMAGES, HOT)
DISTANCES = torch.rand(6, 12, generator=random)
_folder = TemporaryDirectory(prefix="faults")  # gone with the process
FOLDER = Path(_folder.name)


def net(classes: int = 3) -> nn.Module:
    torch.manual_seed(0)
    layers = {
        "conv": nn.Conv2d(1, 4, 3),
        "relu": nn.ReLU(),
        "flat": nn.Flatten(),
        "hidden": nn.Linear(64, 8),
        "relu2": nn.ReLU(),
        "head": nn.Linear(8, classes),
    }
    return nn.Sequential(OrderedDict(layers))


def affine() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(5, 3)


def grey(classes: int, count: int = 10) -> Split:
    return Split(IMAGES[:count], torch.arange(count) % classes)


def pictures() -> Path:
    from PIL import Image

    for name in ("cat", "dog"):
        (FOLDER / "pictures" / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(IMAGES[0, 0].numpy()).save(FOLDER / "pictures" / name / "1.png")
    return FOLDER / "pictures"


def npz() -> Path:
    np.savez(FOLDER / "own.npz", x=IMAGES.numpy(), y=LABELS.numpy())
    return FOLDER / "own.npz"


def captured(model, names):
    with ll.capture(model, names) as seen:
        model(X)
    return dict(seen)


def made(model, images, **batches):
    return [(final, dict(seen)) for final, seen in capture.passes(model, images=images, **batches)]


def without(model, name, filters, also):
    with ll.zeroed(model, name, filters, also):
        return model(X)


def nodes():
    return ll.NodeClassifiers.fit(Z, LABELS)


def tracker(threshold=1e-3):
    return tracked(net(), NAMES, 1, threshold)


def tracked(model, names, every, threshold):
    made = ll.FilterTracker(model, names, every, threshold)
    if isinstance(model, nn.Module):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.01 * torch.arange(parameter.numel()).view_as(parameter)
    made.step()
    return made


def probes(model, names=NAMES, classes=4, pool=1, heads=None):
    found = ll.LayerProbes(model, names, classes, pool, heads)
    found.train(MULTI, epochs=1)
    return found


def weights_of(probes):
    return probes.weight, probes.bias


def fitted(method="fit", classes=4, **options):
    found = ll.LinearProbes(classes)
    return getattr(found, method)(**({"features": PROBABILITIES[:1, :, :2].double(), "targets": HOT} | options))


def linear_probes():
    found = ll.LinearProbes(4)
    found.train(PROBABILITIES[:2, :, :3], HOT, epochs=1)
    return found


def trained(method="fit", **options):
    found = ll.LayerProbes(net(4), ["hidden"], 4)
    return getattr(found, method)(**options)


def batches():
    return [(Z[:6], LABELS[:6]), (Z[6:], LABELS[6:])]


def recipe(name, call, arguments, fine=None, without=None):
    return Recipe(f"layerlib.{name}", call, arguments, fine or {}, without or {})


def early():
    return ll.EarlyExit(net(4), probes(net(4)), Confident(0.3))


def state(model):
    return model.state_dict()


def seen(**given):
    options = dict(model=net(), data=SPLIT, instruments=("patterns",)) | given
    found = ll.inspect(**options)
    return found.layers, found.values


def inspection():
    return ll.inspect(net(), SPLIT, instruments=("patterns",))


def watched(**given):
    return ll.Watch(**(dict(model=net(), data=SPLIT) | given), instruments=("patterns",))


def kept() -> Path:
    inspection().save(FOLDER / "saved.npz")
    return FOLDER / "saved.npz"
