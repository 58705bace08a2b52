"""FilterTracker against saving checkpoints, in one run: ``python -m benchmarks filters``.

Five layers of a narrow VGG-16 and ResNet-50 are followed every 10 steps, as in Hu et al. (2018, sec. IV-B). They saved
the model every 10 steps and compared afterwards; so does the reference, with ``torch.save`` and ``filter_change``.
Batches of 64 made-up pictures of 32 x 32, Adam. What a way takes on top of training is timed around its own calls.
"""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import torch
from torch import nn
from torch.nn import functional as F

from layerlib.filters.change import filter_change
from layerlib.filters.tracking import FilterTracker
from layerlib.models import build

WIDTH, EVERY, STEPS, ROUNDS, THRESHOLD = 0.25, 10, 40, 3, 2e-4
LAYERS = {
    "vgg16": ["features.0", "features.7", "features.14", "features.21", "features.28"],
    "resnet50": ["conv1", "layer1.2.conv2", "layer2.3.conv2", "layer3.5.conv2", "layer4.2.conv2"],
}


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def train(model: nn.Module, after: Callable[[int], object]) -> tuple[float, float]:
    """Seconds of training alone, and of ``after(step)`` on top of it."""
    torch.manual_seed(0)
    x, y = torch.rand(64, 3, 32, 32), torch.randint(10, (64,))
    optimizer = torch.optim.Adam(model.parameters(), THRESHOLD, fused=True)

    def step() -> None:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    times = [(seconds(step), seconds(partial(after, number))) for number in range(1, STEPS + 1)]
    return sum(own for own, _ in times), sum(added for _, added in times)


def tracked(name: str) -> dict:
    model = build(name, 10, WIDTH)
    tracker = FilterTracker(model, LAYERS[name], EVERY, THRESHOLD)
    training, added = train(model, lambda step: tracker.step())
    added += seconds(tracker.to_frame)
    kept = tracker.state_dict()
    size = sum(t.nbytes for t in (*kept["copy"].values(), *kept["sums"].values(), kept["rows"]))
    return {"training": training, "added": added, "bytes": size, "frame": tracker.to_frame()}


def saved(name: str) -> dict:
    model = build(name, 10, WIDTH)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)

        def save(step: int) -> None:
            if step % EVERY == 0:
                torch.save(model.state_dict(), path / f"{step}.pt")

        first = seconds(partial(save, 0))
        training, added = train(model, save)
        found: list[float] = []
        added += first + seconds(lambda: found.extend(compare(path, LAYERS[name])))
        size = sum(file.stat().st_size for file in path.iterdir())
    return {"training": training, "added": added, "bytes": size, "distances": found}


def compare(path: Path, names: list[str]) -> list[float]:
    """D_t of every layer between each saved state and the one before."""
    distances, before = [], torch.load(path / "0.pt", weights_only=True)
    for step in range(EVERY, STEPS + 1, EVERY):
        after = torch.load(path / f"{step}.pt", weights_only=True)
        distances += [
            filter_change(before[f"{name}.weight"], after[f"{name}.weight"], THRESHOLD).distance.item()
            for name in names
        ]
        before = after
    return distances


def against(name: str) -> dict:
    """Both ways in turns; medians over the rounds. That they measure the same is checked."""
    for way in (tracked, saved):
        torch.manual_seed(0)
        way(name)
    rounds = []
    for _ in range(ROUNDS):
        pair = []
        for way in (tracked, saved):
            torch.manual_seed(0)
            pair.append(way(name))
        torch.testing.assert_close(
            torch.tensor(pair[0]["frame"].distance.to_numpy()),
            torch.tensor(pair[1]["distances"], dtype=torch.float64),
            rtol=1e-5,
            atol=0,
        )
        rounds.append(pair)
    numbers = {}
    for key, which in (("tracker", 0), ("checkpoints", 1)):
        numbers[f"{key}_percent"] = 100 * median(pair[which]["added"] / pair[which]["training"] for pair in rounds)
        numbers[f"{key}_bytes"] = rounds[0][which]["bytes"]
    return numbers | {"step_ms": 1e3 * median(pair[0]["training"] for pair in rounds) / STEPS}


def main() -> dict:
    """Print the table; return the numbers: percent of training time, bytes held or written."""
    numbers = {name: against(name) for name in LAYERS}
    print(f"five layers every {EVERY} steps, width {WIDTH}, {STEPS} steps, {torch.get_num_threads()} thread(s)")
    print(f"  {'':9} {'step, ms':>9}   on top of training, %      bytes held or written")
    print(f"  {'':9} {'':9}   {'tracker':>8} {'checkpoints':>12} {'tracker':>13} {'checkpoints':>13}")
    for name, row in numbers.items():
        print(
            f"  {name:9} {row['step_ms']:9.1f}   {row['tracker_percent']:8.2f} {row['checkpoints_percent']:12.2f} "
            f"{row['tracker_bytes']:13,} {row['checkpoints_bytes']:13,}"
        )
    return numbers


if __name__ == "__main__":
    main()
