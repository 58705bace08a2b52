"""Training against a plain torchvision ``DataLoader`` loop.

Ten hidden layers of 100 nodes, batches of 128, Adam at its defaults, squared error: the network of Davel et al.
(2020), an epoch of the embedded 6,000 digits.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision.datasets import MNIST
from torchvision.transforms import ToTensor

from benchmarks import Task
from layerbook.training.fit import fit, fit_ensemble
from layerlib.data.load import load
from layerlib.data.splits import Split
from layerlib.models import MLP

SIZES, BATCH = (784, *[100] * 10, 10), 128


class Pictures(MNIST):
    """torchvision's MNIST, its own ``__getitem__`` (an image, then ``ToTensor``) over the pictures of ``split``."""

    def __init__(self, split: Split):
        self.data, self.targets = split.images[:, 0], split.labels
        self.transform, self.target_transform = ToTensor(), None


def network() -> nn.Module:
    return MLP(SIZES)


def loader_loop(split: Split) -> None:
    """What one would write."""
    model = network()
    optimizer = torch.optim.Adam(model.parameters())
    for images, labels in DataLoader(Pictures(split), batch_size=BATCH, shuffle=True):
        loss = F.mse_loss(model(images), F.one_hot(labels, 10).float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def by_hand(split: Split) -> None:
    """The same steps with gradients written out: the fewest operators that PyTorch has for this network."""
    with split.images.device:
        _by_hand(split)


def _by_hand(split: Split) -> None:
    torch.manual_seed(0)
    weights = [torch.randn(b, a) * (2 / a) ** 0.5 for a, b in pairwise(SIZES)]
    parameters = [*weights, *(torch.zeros(b) for b in SIZES[1:])]
    gradients, first, second = ([torch.zeros_like(p) for p in parameters] for _ in range(3))
    steps = [torch.zeros(()) for _ in parameters]
    layers, pictures = len(weights), split.images.flatten(1).float() / 255
    wanted = F.one_hot(split.labels, 10).float()
    for rows in torch.randperm(len(split)).split(BATCH)[: len(split) // BATCH]:
        values = [pictures[rows]]
        for i in range(layers):
            z = torch.addmm(parameters[layers + i], values[-1], weights[i].T)
            values.append(z.relu_() if i + 1 < layers else z)
        error = (values[-1] - wanted[rows]).mul_(2 / (BATCH * SIZES[-1]))
        for i in reversed(range(layers)):
            torch.mm(error.T, values[i], out=gradients[i])
            torch.sum(error, 0, out=gradients[layers + i])
            if i:
                error = torch.ops.aten.threshold_backward(error @ weights[i], values[i], 0)
        torch._fused_adam_(
            parameters, gradients, first, second, [], steps, lr=1e-3, beta1=0.9, beta2=0.999, weight_decay=0.0,
            eps=1e-8, amsgrad=False, maximize=False,
        )  # fmt: skip
        torch._foreach_add_(steps, 1.0)


def products(steps: int, seeds: int) -> Callable[[Split], None]:
    """The matrix products of as many steps."""
    weights = [torch.randn(seeds, b, a) for a, b in pairwise(SIZES)]
    given = [torch.randn(seeds, BATCH, a) for a in SIZES]

    def run(split: Split) -> None:
        for _ in range(steps):
            for at, w in enumerate(weights):
                torch.bmm(given[at], w.mT)
                torch.bmm(given[at + 1].mT, given[at])
                if at:
                    torch.bmm(given[at + 1], w)

    return run


def tasks() -> Iterator[Task]:
    train = load("mnist-mini").train
    steps = len(train) // BATCH
    yield Task(
        f"training, an epoch of {len(train):,} digits",
        lambda split: fit(network(), split, epochs=1, batch_size=BATCH, device=split.images.device),
        (train,),
        "a DataLoader loop",
        loader_loop,
        must=products(steps, 1),
    )
    yield Task(
        f"training, an epoch of {len(train):,} digits; beside the same steps without autograd",
        lambda split: fit(network(), split, epochs=1, batch_size=BATCH, device=split.images.device),
        (train,),
        must=by_hand,
    )
    yield Task(
        "training, the same of three networks",
        lambda split: fit_ensemble(network, range(3), split, epochs=1, batch_size=BATCH, device=split.images.device),
        (train,),
        "a DataLoader loop",
        loader_loop,
        share=1 / 3,
        must=products(steps, 3),
    )
