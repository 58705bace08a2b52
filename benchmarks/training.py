"""Training against a plain torchvision ``DataLoader`` loop: ``python -m benchmarks training``.

Ten hidden layers of 100 nodes, batches of 128, Adam at its defaults, squared error: the network of Davel et al.
(2020). The embedded 6,000 digits serve; whole MNIST too where ``$LAYERLIB_DATA`` holds it.
"""

import os
import time
from collections.abc import Callable
from statistics import mean, median

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision.datasets import MNIST
from torchvision.transforms import ToTensor

from layerbook.training.fit import error_rate, fit, fit_ensemble
from layerlib.data.load import Split, load
from layerlib.models import MLP

SEEDS, BATCH = (0, 1, 2), 128


class Pictures(MNIST):
    """torchvision's MNIST, its own ``__getitem__`` (an image, then ``ToTensor``) over the pictures of ``split``."""

    def __init__(self, split: Split):
        self.data, self.targets = split.images[:, 0], split.labels
        self.transform, self.target_transform = ToTensor(), None


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return MLP((784, *[100] * 10, 10))


def loader_loop(split: Split, seed: int, epochs: int, workers: int = 0) -> nn.Module:
    """What one would write."""
    model = network(seed)
    optimizer = torch.optim.Adam(model.parameters())
    loader = DataLoader(Pictures(split), batch_size=BATCH, shuffle=True, num_workers=workers)
    for _ in range(epochs):
        for images, labels in loader:
            loss = F.mse_loss(model(images), F.one_hot(labels, 10).float())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model


def fitted(split: Split, seed: int, epochs: int) -> nn.Module:
    model = network(seed)
    fit(model, split, epochs=epochs, seed=seed, batch_size=BATCH, device="cpu")
    return model


def together(split: Split, epochs: int) -> list[nn.Module]:
    return fit_ensemble(
        lambda: MLP((784, *[100] * 10, 10)), SEEDS, split, epochs=epochs, batch_size=BATCH, device="cpu"
    ).models


def rounds(ways: dict[str, Callable[[int], list[nn.Module]]], split: Split, test: Split, epochs: int) -> dict:
    """Seconds an epoch and test error (%) of each way, once per seed, in turns."""
    taken = {name: [] for name in ways}
    errors = {name: [] for name in ways}
    for seed in SEEDS:
        for name, way in ways.items():
            start = time.perf_counter()
            models = way(seed)
            taken[name].append((time.perf_counter() - start) / epochs)
            errors[name] += [100 * error_rate(model, test) for model in models]
    return {
        name: {
            "seconds": median(taken[name]),
            "error": mean(errors[name]),
            "error_spread": torch.tensor(errors[name]).std().item(),
        }
        for name in ways
    }


def compare(name: str, epochs: int) -> dict:
    data = load(name)
    loader_loop(data.train[:BATCH], 0, 1)
    together(data.train[:BATCH], 1)
    results = rounds(
        {
            "DataLoader loop, a seed": lambda seed: [loader_loop(data.train, seed, epochs)],
            "the same, 2 workers": lambda seed: [loader_loop(data.train, seed, epochs, workers=2)],
            "fit, a seed": lambda seed: [fitted(data.train, seed, epochs)],
            "fit, 3 seeds in turn": lambda _: [fitted(data.train, seed, epochs) for seed in SEEDS],
            "fit_ensemble, 3 seeds": lambda _: together(data.train, epochs),
        },
        data.train,
        data.test,
        epochs,
    )
    loop, one, turns, side = (
        results[key]["seconds"]
        for key in ("DataLoader loop, a seed", "fit, a seed", "fit, 3 seeds in turn", "fit_ensemble, 3 seeds")
    )
    ratios = {"fit_times_loop": loop / one, "ensemble_times_loop": 3 * loop / side, "ensemble_times_fit": turns / side}
    print(f"{name}: {len(data.train):,} images, 10 x 100, {torch.get_num_threads()} threads, {epochs} epochs")
    print(f"  {'':24} {'s an epoch':>10}   test error, mean and spread over seeds")
    for key, row in results.items():
        print(f"  {key:24} {row['seconds']:10.3f}   {row['error']:.2f} % ± {row['error_spread']:.2f}")
    print(
        f"  fit is {ratios['fit_times_loop']:.1f} x a loop; fit_ensemble {ratios['ensemble_times_loop']:.1f} x "
        f"a loop per seed, {ratios['ensemble_times_fit']:.1f} x fit in turn",
        flush=True,
    )
    return {"images": len(data.train), "epochs": epochs, "threads": torch.get_num_threads(), "ways": results} | ratios


def main() -> dict:
    """The embedded digits; whole MNIST too where it is at hand."""
    results = {"mnist-mini": compare("mnist-mini", epochs=10)}
    if os.environ.get("LAYERLIB_DATA"):
        results["mnist"] = compare("mnist", epochs=2)
    return results


if __name__ == "__main__":
    main()
