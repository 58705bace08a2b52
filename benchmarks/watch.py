"""What a ``Watch`` costs: ten inspections within a training of ResNet-18: ``python -m benchmarks watch``.

The training is a usual one: 30 epochs of the 50,000 pictures of CIFAR-10, 128 at a time. A few of its steps are timed,
and an inspection of 1,000 pictures with all that a watch reads, also before any step.
"""

from statistics import median

import torch
from torch.nn import functional as F

from benchmarks.measure import taken
from layerlib import Watch
from layerlib._forward import as_input, pick_device
from layerlib.data.load import load
from layerlib.models import build

STEPS, BATCH, PICTURES, INSPECTIONS, ROUNDS = 30 * 50_000 // 128, 128, 1000, 10, 3


def main() -> dict:
    data, device = load("cifar10-mini"), pick_device()
    torch.manual_seed(0)
    model = build("resnet18", 10).to(device)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    x, y = as_input(data.train.images[:BATCH].to(device)), data.train.labels[:BATCH].to(device)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model.train()(x), y).backward()
        optimizer.step()

    watch = Watch(model, data.test[:PICTURES], every=STEPS // INSPECTIONS)
    of_step, of_inspection = map(median, taken(ROUNDS, step, watch.look))
    share = INSPECTIONS * of_inspection / (STEPS * of_step)
    layers = len(watch.look().layers)
    print(
        f"ResNet-18, {torch.get_num_threads()} threads; s\n"
        f"  a step with {BATCH} pictures of 32 x 32     {of_step:6.2f}\n"
        f"  an inspection, {PICTURES:,} pictures, {layers} layers {of_inspection:6.2f}\n"
        f"  {INSPECTIONS} inspections are {share:.1%} of {STEPS:,} steps, 30 epochs of CIFAR-10"
    )
    return {
        "layers": layers,
        "step_seconds": of_step,
        "inspection_seconds": of_inspection,
        "share_of_training": share,
    }
