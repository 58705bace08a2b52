"""Steps of a training as ours, a graph on a GPU and as written elsewhere, against the same steps by ``torch.compile``.

Three networks side by side, ten hidden layers of 100 nodes, batches of 128, Adam at its defaults, squared error. A row
says what compiling took as well, and how far the weights are apart after fifty steps from the same start.
"""

import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from benchmarks import Task
from benchmarks.training import BATCH, SIZES, network, products
from layerbook.precision import rounding
from layerbook.timing import finish
from layerbook.training._captured import Captured
from layerbook.training._ensemble import Stacked
from layerbook.training._loop import Run
from layerbook.training.settings import Settings, mse
from layerlib._checks import in_short

STEPS, SEEDS = 50, 3
Step = Callable[[Tensor, Tensor], object]


class Steps:
    """Fifty steps at each call, one way; networks and optimizer are made anew where the batch lies.

    Parameters
    ----------
    way : a training on a GPU -> what takes a step of it

    Attributes
    ----------
    first : seconds of the first fifty, with all that is made or compiled then
    weights : after these
    """

    def __init__(self, way: Callable[[Captured], Step]):
        self.way, self.device = way, None

    def __call__(self, x: Tensor, labels: Tensor) -> None:
        if self.device != x.device:
            self._begin(x, labels)
        else:
            self._take(x, labels)

    def _begin(self, x: Tensor, labels: Tensor) -> None:
        self.device, training = x.device, begin(x.device)
        training.full = x.shape[1]
        self.step = self.way(training)
        start = time.perf_counter()
        with torch.compiler.config.patch(force_disable_caches=True):  # else an earlier run has compiled it
            self._take(x, labels)
        finish()
        self.first = time.perf_counter() - start
        self.weights = [each.detach().cpu().clone() for each in training.run.network.parameters]

    def _take(self, x: Tensor, labels: Tensor) -> None:
        for _ in range(STEPS):
            self.step(x, labels)


def begin(device: torch.device) -> Captured:
    """A training of three networks that has not taken a step."""
    members = []
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        members.append(network().to(device))
    return Captured(Run(Stacked(members), range(SEEDS), Settings(steps=STEPS), device), mse)


def compiled(mode: str | None) -> Callable[[Captured], Step]:
    """What one would write: the whole step, given to ``torch.compile``."""

    def way(training: Captured) -> Step:
        forward, optimizer = training.forward, training.run.update

        def step(x: Tensor, labels: Tensor) -> None:
            optimizer.zero_grad()
            losses = mse(forward(x).flatten(0, 1), labels).unflatten(0, x.shape[:2])
            losses.mean(1).sum().backward()
            optimizer.step()

        fast = torch.compile(step, mode=mode)

        def rounded(x: Tensor, labels: Tensor) -> None:
            with rounding():
                fast(x, labels)

        return rounded

    return way


def refused() -> str:
    """Why PyTorch cannot compile here, as where there is no C++ compiler, or on a GPU no Triton; nothing if it can."""
    x = torch.ones(8, device="cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.compile(lambda x: (x + 1).sin())(x)
    except Exception as error:  # of many kinds, most of them private
        return in_short(error)
    return ""


def against(peer: str, way: Callable[[Captured], Step], why_not: str = "") -> Task:
    """Our steps beside those of a peer; where that cannot be had, alone, and the row says why."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(SEEDS, BATCH, SIZES[0], generator=generator)
    labels = torch.randint(SIZES[-1], (SEEDS * BATCH,), generator=generator)
    ours, theirs, must = Steps(lambda training: training), Steps(way), products(STEPS, SEEDS)

    def says() -> dict:
        if why_not:
            return {"left_out": f"{peer}: {why_not}"}
        apart = max((a - b).abs().max().item() for a, b in zip(ours.weights, theirs.weights, strict=True))
        return {"first_s": theirs.first, "weights_apart": apart}

    return Task(
        f"{STEPS} steps of three networks of ten layers, against {peer}",
        ours,
        (x, labels),
        "" if why_not else peer,
        None if why_not else theirs,
        must=lambda x, labels: must(x),
        says=says,
    )


def tasks() -> Iterator[Task]:
    why_not = refused()
    yield against("torch.compile", compiled(None), why_not)
    if torch.cuda.is_available():  # elsewhere there are no graphs, and both are the same
        yield against("torch.compile with graphs", compiled("reduce-overhead"), why_not)
        yield against("steps as written", lambda training: training.step)
