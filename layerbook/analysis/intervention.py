"""A test by intervention: if a layer's output is moved from one class to another, does the network follow?"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from layerlib import Split, outputs
from layerlib._checks import any_whole_number, checked, several_names
from layerlib._tensors import labelled, network
from layerlib.models import taps


@checked(model=network, names=several_names, learn=labelled, test=labelled, seed=any_whole_number)
@torch.no_grad()
def followed(model: nn.Module, names: Sequence[str], learn: Split, test: Split, seed: int = 0) -> Tensor:
    """Whether the network names class b once a layer's output was moved by μ_b - μ_a.

    For each picture a is what the network answers and b one of the other classes, drawn. μ_c is the mean output of the
    layer over the pictures of class c in ``learn``. The control moves by as much between means of classes whose labels
    were shuffled. If the layer tells the classes apart in a way that the rest of the network goes by, it follows.

    Parameters
    ----------
    model : one whose ``taps`` are known, the last of them its logits
    names : layers, as of ``capture``; each is moved alone
    learn : pictures of the class means
    test : pictures whose outputs are moved
    seed : of drawing b and of shuffling

    Returns
    -------
    bool, shape (layers, 2, N), on the CPU: moved between classes, and between shuffled ones

    Raises
    ------
    ValueError
        if a class has no picture in ``learn``
    """
    answer = taps(model)[-1]
    logits = outputs(model, answer, test.images)[answer]
    answered, classes = logits.argmax(1).cpu(), logits.shape[1]
    random = torch.Generator().manual_seed(seed)
    wanted = (answered + torch.randint(1, classes, answered.shape, generator=random)) % classes
    labels = learn.labels.cpu()
    shuffled = labels[torch.randperm(len(labels), generator=random)]
    twice, found = torch.cat([test.images, test.images]), []
    for name, learned in outputs(model, names, learn.images).items():
        means = (_means(learned.flatten(1), y, classes) for y in (labels, shuffled))
        true, control = (each[wanted] - each[answered] for each in means)
        control = control * (true.norm(dim=1) / control.norm(dim=1).clamp_min(1e-30))[:, None]
        with moved(model, name, torch.cat([true, control]).view(-1, *learned.shape[1:])):
            after = outputs(model, answer, twice, len(twice))[answer].argmax(1).cpu()
        found.append(after.view(2, -1) == wanted)
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
