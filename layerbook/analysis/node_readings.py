"""What the first chapter reads off networks of one shape, one a seed: shares, patterns, and what the nodes vote for.

Layers are the hidden ones, from the first, unless it says otherwise; what is returned lies on the CPU.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from layerbook.analysis._shapes import shaped
from layerbook.analysis.pattern_draws import perplexity_draws
from layerbook.training.fit import Trained, error_rate
from layerlib._checks import checked, like, several, whole_number
from layerlib._tensors import labelled, network, networks, samples
from layerlib.data.splits import Split
from layerlib.layers.capture import outputs
from layerlib.models import taps
from layerlib.nodes.classifiers import NodeClassifiers
from layerlib.patterns import activation_share, active, layer_perplexity


@checked(models=networks, split=labelled)
def active_shares(models: Sequence[nn.Module], split: Split) -> Tensor:
    """Share of each class that switches each node on, hidden and output nodes in a row (Davel et al. 2020, fig. 1).

    Returns
    -------
    float64, shape (seeds, C, nodes)
    """
    seen = [outputs(model, taps(model), split.images).values() for model in models]
    return torch.stack([torch.cat([activation_share(active(z), split.labels) for z in each], 1) for each in seen]).cpu()


@checked(model=network, images=samples)
def patterns(model: nn.Module, images: Tensor) -> Tensor:
    """Which nodes are on, on the device of the images: bool, shape (layers, N, nodes)."""
    return active(torch.stack(list(outputs(model, taps(model)[:-1], images).values())))


@checked(models=networks, split=labelled)
def perplexities(models: Sequence[nn.Module], split: Split) -> Tensor:
    """Layer perplexity of every network (Davel et al. 2020, eqs. 1-2): float64, shape (seeds, layers, C)."""
    return torch.stack([layer_perplexity(patterns(model, split.images), split.labels).cpu() for model in models])


@checked(models=networks, split=labelled)
def drawn_perplexities(models: Sequence[nn.Module], split: Split) -> Tensor:
    """Perplexities that other samples might give each network: float64, shape (draws, seeds, layers, C)."""
    return torch.stack([perplexity_draws(patterns(model, split.images), split.labels) for model in models], 1)


@checked(models=networks, split=labelled)
def lit(models: Sequence[nn.Module], split: Split) -> Tensor:
    """How many samples switch each node of layer 1 on: int64, shape (seeds, nodes)."""
    first = [outputs(model, taps(model)[:1], split.images) for model in models]
    return torch.stack([active(z).sum(0).cpu() for seen in first for z in seen.values()])


@checked(classes=whole_number)
@shaped(values="array samples", labels="array whole samples", edges="array edges")
def histograms(values: np.ndarray, labels: np.ndarray, edges: np.ndarray, classes: int) -> np.ndarray:
    """Samples of each class by their ``values`` at one node (Davel et al. 2020, fig. 11).

    Parameters
    ----------
    values, labels : shapes (samples,)
    edges : of the bins, rising, shape (bins + 1,)
    classes : C

    Returns
    -------
    float64, shape (C, bins)
    """
    if len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise ValueError(f"edges: expected at least two rising numbers, got {edges!r:.80}")
    if labels.max() >= classes:
        raise ValueError(f"labels: expected class numbers 0 to {classes - 1}, got {labels.max()}")
    return np.stack([np.histogram(values[labels == c], edges)[0] for c in range(classes)]).astype(float)


@checked(models=networks, split=labelled)
def errors(models: Sequence[nn.Module], split: Split) -> Tensor:
    """Share of samples that each network answers wrongly: float32, shape (seeds,)."""
    return torch.tensor([error_rate(model, split) for model in models])


@checked(models=networks, split=labelled)
def answered(models: Sequence[nn.Module], split: Split) -> Tensor:
    """Which samples the networks themselves answer rightly: bool, shape (seeds, N)."""
    last = [outputs(model, taps(model)[-1:], split.images) for model in models]
    return torch.stack([z.argmax(-1) == split.labels for seen in last for z in seen.values()]).cpu()


def votes(nodes: NodeClassifiers, z: Tensor) -> Tensor:
    """Class that each node system names, the prior counted once and, as printed, once a node (Davel et al., eq. 11).

    Parameters
    ----------
    nodes : of one layer
    z : pre-activations of that layer, shape (N, nodes)

    Returns
    -------
    int64, shape (2, 3, N): once or as printed; discrete, continuous and combined system
    """
    once = nodes.log_posteriors(z)
    return torch.stack([once, once + (nodes.nodes - 1) * nodes.log_prior]).argmax(-1)


def _layers(argument: str, value: object) -> slice:
    if not isinstance(value, slice):
        raise ValueError(f"{argument}: expected a slice of the hidden layers, got {value!r}")
    return value


@checked(models=networks, learned=labelled, judged=several(labelled), layers=_layers)
def right(
    models: Sequence[nn.Module],
    learned: Split,
    *judged: Split,
    layers: slice = slice(None),
    bandwidth: str | float = "scott",
) -> list[Tensor]:
    """Which samples each node system of each layer gets right, with the prior counted in both ways of `votes`.

    Parameters
    ----------
    learned : what the node systems are estimated from
    judged : what they are asked about, one split or several
    layers : which of the hidden ones

    Returns
    -------
    bool, shape (2, 3, seeds, layers, N), for each split of ``judged``
    """
    found: list[list[Tensor]] = [[] for _ in judged]
    for model in models:
        names = taps(model)[:-1][layers]
        z, *asked = (outputs(model, names, split.images) for split in (learned, *judged))
        nodes = {name: NodeClassifiers.fit(z[name], learned.labels, bandwidth) for name in names}
        for rows, split, seen in zip(found, judged, asked, strict=True):
            rows.append(torch.stack([votes(nodes[name], seen[name]) for name in names], 2) == split.labels)
    return [torch.stack(rows, 2).cpu() for rows in found]


@checked(models=networks, learned=labelled, judged=several(labelled))
def accuracy(models: Sequence[nn.Module], learned: Split, *judged: Split, bandwidth: str | float = "scott") -> Tensor:
    """Accuracy of the node systems, as of `right`: float64, shape (judged, 2, 3, seeds, layers)."""
    found = right(models, learned, *judged, bandwidth=bandwidth)
    return torch.stack([each.double().mean(-1) for each in found])


@checked(models=networks, split=labelled)
def own_accuracy(models: Sequence[nn.Module], split: Split) -> float:
    """Accuracy of the networks themselves, averaged over seeds."""
    return float(np.mean([1 - error_rate(model, split) for model in models]))


@checked(trainings=several(like("Trained, as fit_ensemble gives", "history")))
def unknown(*trainings: Trained) -> str:
    """Why a test of networks trained until they know their images says nothing: some do not. Empty if all do."""
    runs = [each.history for each in trainings]
    least = min(run.measured[:, -1].min().item() for run in runs)
    return "" if all(run.reached.all() for run in runs) else f"some know only {least:.1%} of their images"
