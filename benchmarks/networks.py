"""``inspect`` of networks at their own size, 1,000 pictures of 224 x 224: ``python -m benchmarks networks``.

The weights are random, which costs the same as trained ones. Each is measured in a process of its own: seconds of
one processor core, and megabytes at the peak beyond the network and the pictures.
"""

from collections.abc import Callable
from functools import partial

import torch
import torchvision
from torch import nn

from benchmarks.inspection import must
from layerlib import Split, inspect

PICTURES, SIDE, CLASSES, WARM = 1_000, 224, 10, 40


def small_vit(**sizes: int) -> nn.Module:
    """ViT-S/16, of which torchvision has the class and not the name."""
    shape = {"patch_size": 16, "num_layers": 12, "num_heads": 6, "hidden_dim": 384, "mlp_dim": 1536}
    return torchvision.models.VisionTransformer(image_size=SIDE, **shape, **sizes)


NETWORKS = {
    "ResNet-50": torchvision.models.resnet50,
    "ViT-S/16": small_vit,
    "Swin-T": torchvision.models.swin_t,
    "ConvNeXt-T": torchvision.models.convnext_tiny,
}


def made(make: Callable[..., nn.Module], pictures: int) -> tuple[nn.Module, Split]:
    torch.manual_seed(0)
    model = make(num_classes=CLASSES).eval()
    return model, Split(torch.randint(256, (pictures, 3, SIDE, SIDE)).byte(), torch.arange(pictures) % CLASSES)


def inspected(make: Callable[..., nn.Module], pictures: int) -> Callable[[], object]:
    model, split = made(make, pictures)
    inspect(model, split[:WARM])
    return lambda: inspect(model, split)


def passes(make: Callable[..., nn.Module], pictures: int) -> Callable[[], object]:
    model, split = made(make, pictures)
    must(model, split[:WARM])
    return lambda: must(model, split, 20)


def points() -> dict[str, Callable[[], Callable[[], object]]]:
    """A name for each point, and what makes its call."""
    ways = {"inspect": inspected, "passes": passes}
    return {
        f"{name}, {how}": partial(way, make, PICTURES) for name, make in NETWORKS.items() for how, way in ways.items()
    }
