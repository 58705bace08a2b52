"""A test by intervention: if a layer's output is moved from one class to another, does the network follow?"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from layerlib import Split, outputs
from layerlib.models import taps


@torch.no_grad()
def followed(model: nn.Module, name: str, learn: Split, test: Split, seed: int = 0) -> Tensor:
    """Whether the network names class b once a layer's output was moved by μ_b - μ_a.

    For each picture a is what the network answers and b one of the other classes, drawn. μ_c is the mean output of the
    layer over the pictures of class c in ``learn``. The control moves by as much between means of classes whose labels
    were shuffled. If the layer tells the classes apart in a way that the rest of the network goes by, it follows.

    Parameters
    ----------
    model : one whose ``taps`` are known, the last of them its logits
    name : a layer, as of ``capture``
    learn : pictures of the class means
    test : pictures whose outputs are moved
    seed : of drawing b and of shuffling

    Returns
    -------
    bool, shape (2, N), on the CPU: moved between classes, and between shuffled ones

    Raises
    ------
    ValueError
        if a class has no picture in ``learn``
    """
    last = taps(model)[-1]
    before = outputs(model, {name, last}, test.images)
    answered, shape, classes = before[last].argmax(1).cpu(), before[name].shape[1:], before[last].shape[1]
    learned = outputs(model, [name], learn.images)[name].flatten(1)
    random = torch.Generator().manual_seed(seed)
    wanted = (answered + torch.randint(1, classes, answered.shape, generator=random)) % classes
    labels = learn.labels.cpu()
    shuffled = labels[torch.randperm(len(labels), generator=random)]
    steps = [means[wanted] - means[answered] for means in (_means(learned, y, classes) for y in (labels, shuffled))]
    steps[1] = steps[1] * (steps[0].norm(dim=1) / steps[1].norm(dim=1).clamp_min(1e-30))[:, None]
    found = []
    for step in steps:
        with moved(model, name, step.view(-1, *shape)):
            found.append(outputs(model, last, test.images, len(test))[last].argmax(1).cpu() == wanted)
    return torch.stack(found)


@contextmanager
def moved(model: nn.Module, name: str, step: Tensor) -> Iterator[None]:
    """Within the context the layer puts out what it did plus ``step``, one for each picture of the batch."""
    handle = model.get_submodule(name).register_forward_hook(lambda module, given, z: z + step)
    try:
        yield
    finally:
        handle.remove()


def _means(z: Tensor, labels: Tensor, classes: int) -> Tensor:
    counts = labels.bincount(minlength=classes)
    if len(counts) > classes or not counts.all():
        raise ValueError(f"learn: expected pictures of each of {classes} classes, got {counts.tolist()} of each")
    sums = z.new_zeros(classes, z.shape[1]).index_add_(0, labels.to(z.device), z)
    return sums / counts.to(z)[:, None]
