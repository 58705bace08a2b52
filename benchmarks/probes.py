"""Ten internal classifiers in one pass against ten passes, one for each tap: ``python -m benchmarks.probes``.

The task is that of Cao et al. (2022, sec. 6.1): a frozen ResNet-18, a linear layer with a sigmoid on each of its ten
taps, SGD with their settings. The references are what one would write with torch alone, a tap at a time: read through
the frozen network in every epoch, or once, keeping the tap's features. They train a probe on the network's own output
too, layerlib takes its sigmoid; times without that tap are given beside.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import median

import torch
from torch import Tensor, nn

from layerlib.data.load import load
from layerlib.data.scenes import make_scenes
from layerlib.data.splits import Split
from layerlib.distributions.probes import LayerProbes
from layerlib.models import build, taps

PICTURES, EPOCHS, BATCH, WIDTH, ROUNDS = 384, 10, 128, 0.125, 3
Start = tuple[Tensor, Tensor]  # first weight and bias of an ``nn.Linear``


def task() -> tuple[nn.Module, Split]:
    torch.manual_seed(0)
    digits, articles = load("mnist-mini").train, load("fashion-mini").train
    model = build("resnet18", 20, width=WIDTH, channels=1)
    return model, make_scenes(digits, articles, PICTURES, seed=0)


def pooled(model: nn.Module, name: str, images: Tensor) -> Tensor:
    """What one tap gives for a batch, averaged over places; shape (n, features)."""
    kept = []
    handle = model.get_submodule(name).register_forward_hook(lambda module, inputs, output: kept.append(output))
    with torch.no_grad():
        model(images.float() / 255)
    handle.remove()
    return kept[0].mean((2, 3)) if kept[0].ndim == 4 else kept[0]


def train(start: Start, batches: Callable[[Tensor], Iterator[Tensor]], labels: Tensor) -> nn.Linear:
    """One probe, with the paper's settings; ``batches`` gives the features of the samples of an epoch's order."""
    probe = nn.Linear(start[0].shape[1], len(start[1]))
    probe.load_state_dict({"weight": start[0], "bias": start[1]})
    update = torch.optim.SGD(probe.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.MultiStepLR(update, [EPOCHS * 2 // 5, EPOCHS * 4 // 5])
    order = torch.Generator().manual_seed(0)
    loss = nn.BCEWithLogitsLoss()
    for _ in range(EPOCHS):
        rows = torch.randperm(len(labels), generator=order)
        for here, features in zip(rows.split(BATCH), batches(rows), strict=True):
            update.zero_grad()
            loss(probe(features), labels[here]).backward()
            update.step()
        schedule.step()
    return probe


def every_epoch(model: nn.Module, name: str, split: Split, start: Start) -> nn.Linear:
    """A pass for one tap that reads through the whole frozen network in every epoch."""
    return train(
        start, lambda rows: (pooled(model, name, split.images[here]) for here in rows.split(BATCH)), split.labels
    )


def cached(model: nn.Module, name: str, split: Split, start: Start) -> nn.Linear:
    """A pass for one tap that reads through the network once and keeps the features."""
    features = torch.cat([pooled(model, name, images) for images in split.images.split(BATCH)])
    return train(start, lambda rows: (features[here] for here in rows.split(BATCH)), split.labels)


def own_start(features: int, classes: int) -> Start:
    probe = nn.Linear(features, classes)
    return probe.weight.detach(), probe.bias.detach()


def seconds(run: Callable[[], object]) -> tuple[float, object]:
    started = time.perf_counter()
    result = run()
    return time.perf_counter() - started, result


def largest_difference(model: nn.Module, split: Split, ours: LayerProbes, theirs: list[nn.Linear]) -> float:
    """Of all probabilities of the inner taps, which both train from the same weights in the same order."""
    probabilities = ours.predict(split.images)
    with torch.no_grad():
        found = [
            (probabilities[i] - probe(pooled(model, name, split.images)).sigmoid()).abs().max().item()
            for i, (name, probe) in enumerate(zip(ours.names, theirs[:-1], strict=False))
        ]
    return max(found)


def compare() -> dict:
    """Seconds of all methods on one thread, their ratios, and how far their probabilities are apart."""
    model, split = task()
    model.eval()
    names, classes = taps(model), split.labels.shape[1]
    starts: list[Start] = []
    ours = LayerProbes(model, names, classes)

    def first(epoch: int, probes: LayerProbes) -> None:
        if epoch == 0:
            starts[:] = [
                (weight[:, weight.any(0)].clone(), bias.clone())
                for weight, bias in zip(probes.weight, probes.bias, strict=True)
            ]
            starts.append(own_start(classes, classes))

    methods = {"every_epoch": every_epoch, "cached": cached}
    times: dict[str, list[float]] = {
        "layerlib": [],
        "reading": [],
        **{name: [] for name in methods},
        **{f"{name}_inner": [] for name in methods},
    }
    differences = {}
    for _ in range(ROUNDS):  # interleaved, so that noise on a shared machine meets all
        times["reading"].append(seconds(lambda: ours.features(split))[0])
        times["layerlib"].append(seconds(lambda: ours.train(split, epochs=EPOCHS, callbacks=[first]))[0])
        for key, method in methods.items():
            passes = [
                seconds(lambda name=name, start=start, method=method: method(model, name, split, start))
                for name, start in zip(names, starts, strict=True)
            ]
            times[key].append(sum(spent for spent, _ in passes))
            times[f"{key}_inner"].append(sum(spent for spent, _ in passes[:-1]))
            differences[key] = largest_difference(model, split, ours, [probe for _, probe in passes])
    numbers: dict = {f"{key}_seconds": median(spent) for key, spent in times.items()}
    for key in (*methods, *(f"{name}_inner" for name in methods)):
        ratios = [theirs / own for theirs, own in zip(times[key], times["layerlib"], strict=True)]
        numbers[f"times_{key}"] = median(ratios)
    return numbers | {f"difference_{key}": value for key, value in differences.items()}


def main() -> dict:
    """Run everything, print the table, return the numbers (seconds, ratios, largest differences)."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    numbers = compare()
    torch.set_num_threads(threads)
    numbers |= {"pictures": PICTURES, "epochs": EPOCHS}
    print(f"ResNet-18 of width {WIDTH}, {PICTURES} scenes of 64 x 64, {EPOCHS} epochs, one thread; seconds, ten taps")
    print(
        f"  layerlib, one pass               {numbers['layerlib_seconds']:7.2f}   "
        f"({numbers['reading_seconds']:.2f} of them in the network)"
    )
    for key, says in (("every_epoch", "ten passes, network every epoch"), ("cached", "ten passes, features kept")):
        print(
            f"  {says:32s} {numbers[key + '_seconds']:7.2f}   x{numbers['times_' + key]:.1f}   (x"
            f"{numbers[f'times_{key}_inner']:.1f} for the nine inner taps; probabilities apart by at most "
            f"{numbers['difference_' + key]:.1e})"
        )
    return numbers


if __name__ == "__main__":
    main()
