"""Early exit against the whole network, its table of accuracies against loops, its bootstrap against scikit-learn.

The network is a narrow ResNet-18 on 64 x 64 pictures, with probes on its taps; a made-up rule lets a fixed share of
the remaining samples leave at every tap. The loops do a part of the work, and their time is scaled.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import Task
from layerlib import EarlyExit, LayerProbes, Split
from layerlib.distributions.bootstrap import paired_bootstrap
from layerlib.distributions.early_exit import confident_ratio, mean_at_exit
from layerlib.distributions.scores import exact_match, scores
from layerlib.models import build, taps

CLASSES, PICTURES, THRESHOLDS = 20, 256, 50
SHARE = 0.3  # of the samples present, which leaves at each tap
LAYERS, SAMPLES = 10, 5_000  # of the table; the test set of VOC2007 has 4,952
TRIED = (10, 20)  # of the thresholds: some samples leave, and some stay


def leaving(share: float) -> Callable[[Tensor], Tensor]:
    """A rule under which the first ``share`` of the samples present leaves."""
    return lambda p: torch.arange(len(p), device=p.device) < round(share * len(p))


def made_up() -> tuple[Tensor, Tensor]:
    """Probabilities of all layers (L, N, K), surer with depth, and labels (N, K)."""
    generator = torch.Generator().manual_seed(0)
    labels = (torch.rand(SAMPLES, CLASSES, generator=generator) < 0.14).float()
    sure = torch.linspace(0.5, 3, LAYERS)[:, None, None]
    noise = torch.randn(LAYERS, SAMPLES, CLASSES, generator=generator)
    return (sure * (2 * labels - 1) + 1.5 * noise).sigmoid(), labels


def with_numpy(probabilities: np.ndarray, right: np.ndarray, s2: float, rho: float) -> float:
    """Accuracy for one pair of thresholds, vectorised over samples and layers, as one would write it."""
    n, m = (probabilities > 0.5).sum(2), (probabilities > s2).sum(2)
    leaves = (n > 0) & (m >= rho * n)
    leaves[-1] = True
    return float(right[leaves.argmax(0), np.arange(right.shape[1])].mean())


def exits() -> Task:
    torch.manual_seed(0)
    model = build("resnet18", CLASSES, width=0.5, channels=1).eval()
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (PICTURES, 1, 64, 64), generator=generator).byte()
    labels = (torch.rand(PICTURES, CLASSES, generator=generator) < 0.14).float()
    probes = LayerProbes(model, taps(model), CLASSES)
    probes.train(Split(images, labels), epochs=1)
    network = EarlyExit(model, probes, leaving(SHARE)).eval()
    return Task(
        f"early exit, ResNet-18, {100 * SHARE:g} % leave at each tap, {PICTURES} pictures of 64 × 64",
        answered,
        (network, images),
        "the whole network",
        lambda _, images: answered(model, images),
        must=lambda _, images: of_those_left(model, images),
    )


def of_those_left(model: nn.Module, images: Tensor) -> None:
    """A plain pass of the network, after every tap for as many samples as ``leaving`` has left there."""

    def rest(module: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
        return output[round(SHARE * len(output)) :]

    handles = [model.get_submodule(name).register_forward_hook(rest) for name in taps(model)]
    answered(model, images)
    for handle in handles:
        handle.remove()


@torch.no_grad()
def answered(network: nn.Module, images: Tensor) -> Tensor:
    return network(images.float() / 255)


def tasks() -> Iterator[Task]:
    yield exits()
    probabilities, labels = made_up()
    truth, row = exact_match(probabilities, labels), torch.linspace(0.5, 1, THRESHOLDS, dtype=torch.float64)
    arrays = probabilities.numpy(), truth.numpy()

    def ours(probabilities: Tensor, row: Tensor, right: Tensor) -> Tensor:
        return mean_at_exit(confident_ratio(probabilities, row), row, right)

    def theirs(*_: Tensor) -> list[float]:
        return [with_numpy(*arrays, row[i].item(), row[j].item()) for i in TRIED for j in TRIED]

    yield Task(
        f"accuracies of {THRESHOLDS} × {THRESHOLDS} thresholds, {LAYERS} layers, {SAMPLES:,} samples",
        ours,
        (probabilities, row, truth),
        "NumPy",
        theirs,
        share=len(TRIED) ** 2 / THRESHOLDS**2,
        nbytes=probabilities.nbytes,
        apart=lambda: (
            np.abs(ours(probabilities, row, truth)[TRIED, :][:, TRIED].flatten().numpy() - theirs()).max().item()
        ),
    )
    first, second = probabilities[-2], probabilities[-1]
    drawn = torch.randint(SAMPLES, (5, SAMPLES), generator=torch.Generator().manual_seed(0))
    yield Task(
        f"1,000 paired resamples of {SAMPLES:,} samples, all scores",
        paired_bootstrap,
        (first, second, labels),
        "scikit-learn",
        lambda *each: [(scores(each[0][rows], each[2][rows]), scores(each[1][rows], each[2][rows])) for rows in drawn],
        share=len(drawn) / 1000,
        turns=3,
    )
