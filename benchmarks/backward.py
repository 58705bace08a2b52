"""What back-propagation sends down: pictures against captum, targets against hooks and passes, separation against
scikit-learn."""

import copy
import warnings
from collections.abc import Iterable, Iterator
from functools import partial

import torch
from captum.attr import GuidedBackprop
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import Task
from layerlib import guided_bp_image, separation, targets
from layerlib._forward import as_input
from layerlib.data.load import load
from layerlib.models import MLP

IMAGES = 500


def one_by_one(model: nn.Module, x: Tensor, y: Tensor) -> list[Tensor]:
    """Targets by a forward and backward pass per sample, the gradients caught by full backward hooks."""
    caught: list[list[Tensor]] = []
    layers = [m for m in model.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    handles = [m.register_full_backward_hook(lambda m, before, after: caught[-1].append(after[0])) for m in layers]
    for i in range(len(x)):
        caught.append([])
        F.cross_entropy(model(x[i : i + 1]), y[i : i + 1]).backward()
    for handle in handles:
        handle.remove()
    model.zero_grad()
    return [torch.cat(each) for each in zip(*caught, strict=True)][::-1]


def layer_by_layer(model: nn.Sequential, x: Tensor, y: Tensor) -> list[Tensor]:
    """Targets of the whole batch by a backward pass per layer, in a chain whose pre-activations one can reach."""
    zs = []
    for module in model:
        x = module(x)
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            zs.append(x)
    loss = F.cross_entropy(x, y, reduction="sum")
    return [torch.autograd.grad(loss, z, retain_graph=True)[0] for z in zs]


def back(model: nn.Module, x: Tensor, y: Tensor, times: int = 1, pixels: bool = False) -> None:
    """A pass forward, and so many backward, not to the weights: to the output of the first layer, or to the pixels."""
    was = [p.requires_grad for p in model.parameters()]
    model.requires_grad_(False)
    first = next(module for module in model.modules() if isinstance(module, (nn.Linear, nn.Conv2d)))
    handle = first.register_forward_hook(lambda module, inputs, z: z.requires_grad_())
    loss = F.cross_entropy(model(x.clone().requires_grad_(pixels)), y, reduction="sum")
    handle.remove()
    for at in range(times):
        loss.backward(retain_graph=at < times - 1)
    for parameter, needed in zip(model.parameters(), was, strict=True):
        parameter.requires_grad_(needed)


def by_scikit_learn(features: Tensor, labels: Tensor, neighbours: int = 5) -> tuple[float, float]:
    found = NearestNeighbors(n_neighbors=neighbours, metric="cosine").fit(features.numpy())
    nearest = labels[torch.from_numpy(found.kneighbors(return_distance=False))]
    accuracy = (nearest.mode(1).values == labels).double().mean().item()
    return accuracy, silhouette_score(features.numpy(), labels.numpy(), metric="cosine")


def captum(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    with warnings.catch_warnings():  # that it sets hooks
        warnings.simplefilter("ignore")
        return GuidedBackprop(model).attribute(x.clone(), target=y)


def convolutions() -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 16, 5), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(3872, 64), nn.ReLU(), nn.Linear(64, 10)).eval()


def gap(found: Iterable, expected: Iterable) -> float:
    pairs = zip(found, expected, strict=True)
    return max((torch.as_tensor(a) - torch.as_tensor(b)).abs().max().item() for a, b in pairs)


def tasks() -> Iterator[Task]:
    test, model = load("mnist-mini").test, convolutions()
    x, y = as_input(test.images[:IMAGES]), test.labels[:IMAGES]
    exact, wide = copy.deepcopy(model).double(), x.double()

    yield Task(
        f"guided pictures, a small CNN, {IMAGES} pictures",
        partial(guided_bp_image, mask_input=False),
        (model, x, y),
        "captum",
        captum,
        must=partial(back, pixels=True),
        apart=lambda: gap([guided_bp_image(exact, wide, y, False)], [captum(exact, wide, y)]),
    )
    for name, naive, turns in (("a pass a sample", one_by_one, 3), ("a pass a layer", layer_by_layer, 5)):
        yield Task(
            f"targets, a small CNN, {IMAGES} pictures, against {name}",
            targets,
            (model, x, y),
            name,
            naive,
            must=back,
            apart=lambda naive=naive: gap(targets(exact, wide, y).values(), naive(exact, wide, y)),
            turns=turns,
        )
    torch.manual_seed(0)
    cloud = targets(MLP((784, *[100] * 5, 10), bias="all"), as_input(test.images), test.labels)["linear1"]
    yield Task(
        f"separation, {len(cloud):,} × {cloud.shape[1]}",
        separation,
        (cloud, test.labels),
        "scikit-learn",
        by_scikit_learn,
        operations=2 * len(cloud) ** 2 * cloud.shape[1],
        apart=lambda: gap(separation(cloud, test.labels), by_scikit_learn(cloud, test.labels)),
    )
