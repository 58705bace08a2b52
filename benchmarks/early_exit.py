"""Early exit against the whole network, its table against loops, its bootstrap against scikit-learn's scores in a loop.

``python -m benchmarks early_exit``. The network is a narrow ResNet-18 on 64 x 64 pictures, with probes on its ten taps;
made-up rules let a fixed share of the remaining samples leave at every tap. The loops run on a part of the
work, and their time is scaled to all of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

from benchmarks import seconds
from layerlib.data.load import Split
from layerlib.distributions.bootstrap import paired_bootstrap
from layerlib.distributions.early_exit import EarlyExit, confident_ratio, mean_at_exit
from layerlib.distributions.probes import LayerProbes
from layerlib.distributions.scores import exact_match, scores
from layerlib.models import build, taps

CLASSES, PICTURES, THRESHOLDS = 20, 256, 50
LAYERS, SAMPLES = 10, 5_000  # of the table; the test set of VOC2007 has 4,952
SHARES = (0.0, 0.1, 0.3, 1.0)


def leaving(share: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """A rule under which the first ``share`` of the samples present leaves."""
    return lambda p: torch.arange(len(p), device=p.device) < round(share * len(p))


def stopping(device: str) -> dict:
    """Milliseconds a batch: the whole network, and early exit with the mean number of taps passed."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build("resnet18", CLASSES, width=0.5, channels=1).to(device).eval()
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (PICTURES, 1, 64, 64), generator=generator).byte().to(device)
    labels = (torch.rand(PICTURES, CLASSES, generator=generator) < 0.14).float().to(device)
    probes = LayerProbes(model, taps(model), CLASSES)
    probes.train(Split(images, labels), epochs=1)
    x = images.float() / 255
    exits = {share: EarlyExit(model, probes, leaving(share)) for share in SHARES}

    def timed(network: Callable) -> Callable[[], None]:
        def run() -> None:
            network(x).sum().item()  # the sum waits for the GPU

        return run

    with torch.no_grad():
        runs = {"whole": timed(model)} | {str(share): timed(network) for share, network in exits.items()}
        times = seconds(5, **runs)
        layers = {share: network.exit(x)[1].double().mean().item() for share, network in exits.items()}
    whole = times.pop("whole")
    return {
        "whole_ms": 1e3 * whole,
        "shares": [
            {
                "leaves_at_each_tap": share,
                "mean_tap": layers[share],
                "ms": 1e3 * times[str(share)],
                "of_whole": times[str(share)] / whole,
            }
            for share in SHARES
        ],
    }


def made_up() -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities of all layers (L, N, K), surer with depth, and labels (N, K)."""
    generator = torch.Generator().manual_seed(0)
    labels = (torch.rand(SAMPLES, CLASSES, generator=generator) < 0.14).float()
    sure = torch.linspace(0.5, 3, LAYERS)[:, None, None]
    noise = torch.randn(LAYERS, SAMPLES, CLASSES, generator=generator)
    return (sure * (2 * labels - 1) + 1.5 * noise).sigmoid(), labels


def pair_with_numpy(probabilities: np.ndarray, right: np.ndarray, s2: float, rho: float) -> float:
    """Accuracy for one pair of thresholds, vectorised over samples and layers, as one would write it."""
    n, m = (probabilities > 0.5).sum(2), (probabilities > s2).sum(2)
    leaves = (n > 0) & (m >= rho * n)
    leaves[-1] = True
    return float(right[leaves.argmax(0), np.arange(right.shape[1])].mean())


def pair_sample_by_sample(probabilities: list, right: list, s2: float, rho: float) -> float:
    """Algorithm 3 as printed."""
    hits = 0
    for i in range(len(right[0])):
        for layer in range(len(right)):
            n, m = (sum(p > threshold for p in probabilities[layer][i]) for threshold in (0.5, s2))
            if layer == len(right) - 1 or (n > 0 and m / n >= rho):
                hits += right[layer][i]
                break
    return hits / len(right[0])


def table() -> dict[str, float]:
    """Seconds for the accuracies of 50 x 50 pairs of thresholds."""
    probabilities, labels = made_up()
    right, row = exact_match(probabilities, labels), torch.linspace(0.5, 1, THRESHOLDS, dtype=torch.float64)
    ours = mean_at_exit(confident_ratio(probabilities, row), row, right)
    times = seconds(3, accuracies=lambda: mean_at_exit(confident_ratio(probabilities, row), row, right))
    arrays = probabilities.numpy(), right.numpy()
    few = probabilities[:, :200].tolist(), right[:, :200].tolist()
    inside = (10, 20)  # thresholds that let some leave and some stay
    start = time.perf_counter()
    theirs = [pair_with_numpy(*arrays, row[i].item(), row[j].item()) for i in inside for j in inside]
    middle = time.perf_counter()
    pair_sample_by_sample(*few, row[10].item(), row[20].item())
    end = time.perf_counter()
    times["numpy"] = (middle - start) / len(theirs) * THRESHOLDS**2
    times["sample_by_sample"] = (end - middle) * SAMPLES / 200 * THRESHOLDS**2
    found = ours[inside, :][:, inside].flatten().tolist()
    times["largest_difference"] = max(abs(a - b) for a, b in zip(found, theirs, strict=True))
    return times


def bootstrap() -> dict[str, float]:
    """Seconds for the intervals of all scores from 1,000 resamples."""
    probabilities, labels = made_up()
    first, second = probabilities[-2], probabilities[-1]
    start = time.perf_counter()
    paired_bootstrap(first, second, labels)
    middle = time.perf_counter()
    for seed in range(5):
        rows = torch.randint(SAMPLES, (SAMPLES,), generator=torch.Generator().manual_seed(seed))
        scores(first[rows], labels[rows]), scores(second[rows], labels[rows])
    end = time.perf_counter()
    return {"ours": middle - start, "scikit-learn": (end - middle) / 5 * 1000}


def main() -> dict:
    """Run everything on one thread, print the tables, return the numbers."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        numbers: dict = {device: stopping(device) for device in ["cpu"] + ["cuda"] * torch.cuda.is_available()}
        numbers |= {"table": table(), "bootstrap": bootstrap()}
    finally:
        torch.set_num_threads(threads)
    report(numbers)
    return numbers


def report(numbers: dict) -> None:
    print(f"early exit, ResNet-18 of half width, {PICTURES} pictures of 64 x 64, one thread")
    for device in [name for name in ("cpu", "cuda") if name in numbers]:
        print(f"  {device}: whole network {numbers[device]['whole_ms']:.1f} ms a batch")
        for row in numbers[device]["shares"]:
            print(
                f"    {row['leaves_at_each_tap']:4.0%} leave at each tap (mean tap {row['mean_tap']:.1f}): "
                f"{row['ms']:8.1f} ms, {row['of_whole']:.2f} of it"
            )
    times = numbers["table"]
    print(
        f"accuracies of {THRESHOLDS} x {THRESHOLDS} thresholds, {LAYERS} layers x {SAMPLES:,} samples x {CLASSES} "
        f"classes\n  layerlib          {times['accuracies']:10.2f} s"
    )
    for name in ("numpy", "sample_by_sample"):
        print(f"  {name:16s}  {times[name]:10.2f} s  x{times[name] / times['accuracies']:,.0f}  (scaled)")
    print(f"  largest difference of an accuracy: {times['largest_difference']:.1g}")
    ours, theirs = numbers["bootstrap"].values()
    print(
        f"1,000 paired resamples of {SAMPLES:,} samples, all scores\n  layerlib      {ours:8.1f} s\n"
        f"  scikit-learn  {theirs:8.1f} s  x{theirs / ours:.0f}  (scaled)"
    )


if __name__ == "__main__":
    main()
