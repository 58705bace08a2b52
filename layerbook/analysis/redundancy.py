"""What layers do to redundancy: effective rank of their channels, and what the first layer keeps (Hu et al., IV-D)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from layerlib._checks import checked, text, whole_number
from layerlib._forward import batches, evaluating, running
from layerlib._tensors import first_parameter, network, pixels
from layerlib.layers.capture import capture
from layerlib.similarity import spectrum_rank


@torch.no_grad()
def rank_shares(model: nn.Module, names: Sequence[str], images: Tensor, batch_size: int = 250) -> Tensor:
    """Effective rank of what convolutions put out, by their numbers of channels.

    Every place of every picture is a sample of the channels; the effective rank is exp of the entropy of the
    eigenvalues of their covariance (Roy & Vetterli 2007). 1 where no channel repeats others, 1/channels where all say
    the same.

    Parameters
    ----------
    names : of the convolutions
    images : shape (N, C, H, W)

    Returns
    -------
    float64, shape (layers,), on the CPU

    Raises
    ------
    ValueError
        if a layer puts out the same everywhere
    """
    sums: dict[str, list[Tensor]] = {}
    for x in batches(images, batch_size, first_parameter(model)):
        with evaluating(model), running("images", x), capture(model, names) as seen:
            model(x)
            for name in names:
                rows = seen[name].transpose(0, 1).flatten(1).double()  # (channels, samples)
                shift = sums[name][0] if name in sums else rows.mean(1)  # near the mean, so that nothing cancels
                rows -= shift[:, None]
                now = [torch.tensor(float(rows.shape[1])), rows.sum(1), rows @ rows.T]
                before = sums[name][1:] if name in sums else [0.0, 0.0, 0.0]
                sums[name] = [shift, *(old + new for old, new in zip(before, now, strict=True))]
    return torch.stack([_share(*each[1:]) for each in sums.values()]).cpu()


def _share(samples: Tensor, total: Tensor, scatter: Tensor) -> Tensor:
    covariance = scatter - total.outer(total) / samples.item()
    return torch.tensor(spectrum_rank(torch.linalg.eigvalsh(covariance)) / len(total), dtype=torch.float64)


@checked(before=network, after=network, images=pixels)
def shares_gained(before: nn.Module, after: nn.Module, images: Tensor) -> Tensor:
    """`rank_shares` of every 3 x 3 convolution of a network before and after training.

    A convolution of one place that widens four times has a quarter at most, whatever it learns: such are left out.

    Returns
    -------
    float64, shape (2, layers)
    """
    if not len(images):
        raise ValueError("images: expected at least one, got none")
    names = [name for name, each in after.named_modules() if isinstance(each, nn.Conv2d) and each.kernel_size == (3, 3)]
    return torch.stack([rank_shares(model, names, images) for model in (before, after)])


@checked(before=network, after=network, convolution=text, norm=text, images=pixels, batch_size=whole_number)
@torch.no_grad()
def features_kept(
    before: nn.Module, after: nn.Module, convolution: str, norm: str, images: Tensor, batch_size: int = 1000
) -> Tensor:
    """Cosine of a picture's first features before and after training, each after batch norm and ReLU.

    The norm is that of training, by the pictures at hand: before training it has no statistics of its own.

    Parameters
    ----------
    convolution, norm : the first layer, and the batch norm that reads it
    images : shape (N, C, H, W)

    Returns
    -------
    float64, shape (N,), on the CPU
    """
    for argument, name in (("convolution", convolution), ("norm", norm)):
        if any(not hasattr(dict(model.named_modules()).get(name), "weight") for model in (before, after)):
            raise ValueError(f"{argument}: expected the name of a layer with weights, got {name!r}")
    found = []
    for x in batches(images, batch_size, first_parameter(after)):
        both = [_normalised(model, convolution, norm, x).cpu() for model in (before, after)]
        found.append(F.cosine_similarity(*both).double())
    return torch.cat(found)


def _normalised(model: nn.Module, convolution: str, norm: str, x: Tensor) -> Tensor:
    first, layer = model.get_submodule(convolution), model.get_submodule(norm)
    with running("images", x):
        z = first(x.to(first.weight.device))
    return F.batch_norm(z, None, None, layer.weight, layer.bias, training=True).relu().flatten(1)
