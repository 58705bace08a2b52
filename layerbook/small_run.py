"""A few seconds of every instrument on a small network, and what it said where the stored numbers were made."""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import resources

import torch
from torch import Tensor, nn

from layerlib.backward.guided import bp_image, guided_bp_image
from layerlib.backward.separation import separation
from layerlib.backward.targets import targets
from layerlib.data.load import load
from layerlib.data.splits import Split
from layerlib.distributions._exiting import EarlyExit
from layerlib.distributions._rules import ConfidentRatio
from layerlib.distributions.distances import label_cost, label_distribution, sinkhorn, wasserstein
from layerlib.distributions.probes import LayerProbes
from layerlib.filters.change import filter_change
from layerlib.filters.tracking import FilterTracker
from layerlib.filters.zeroing import accuracy_without
from layerlib.inspection.inspect import inspect
from layerlib.layers.capture import outputs
from layerlib.models import MLP
from layerlib.nodes.classifiers import NodeClassifiers
from layerlib.patterns import active, layer_perplexity
from layerlib.similarity import cka, effective_rank

# All is in float64, where another order of the same sums moves the twelfth digit and training some more.
CLOSE = 1e-6
_LAYERS = ("linear1", "linear2")


@dataclass
class Trained:
    """A network before and after a short descent on all of its samples at once, which draws nothing at random.

    Attributes
    ----------
    before, model : the same network, untrained and trained
    tracker : what followed its filters
    learned, asked : the samples that it was trained on, and others
    """

    before: nn.Module
    model: nn.Module
    tracker: FilterTracker
    learned: Split
    asked: Split

    @classmethod
    def on(cls, device: str, samples: int = 400, steps: int = 40, rate: float = 0.5) -> "Trained":
        """Train it.

        Parameters
        ----------
        device : where
        samples : to learn from, and to be asked about
        steps : of gradient descent at that ``rate``
        """
        data = load("mnist-mini")
        learned, asked = (part[:samples].to(device) for part in (data.train, data.test))
        model = without_chance(MLP((784, 40, 20, 10)).double().to(device))
        before, update = copy.deepcopy(model), torch.optim.SGD(model.parameters(), lr=rate)
        tracker = FilterTracker(model, _LAYERS, every=10)
        images = pixels(learned)
        for _ in range(steps):
            update.zero_grad()
            nn.functional.cross_entropy(model(images), learned.labels).backward()
            update.step()
            tracker.step()
        return cls(before, model.eval(), tracker, learned, asked)

    @cached_property
    def nodes(self) -> dict[str, Tensor]:
        """Pre-activations of the hidden layers for the samples asked about."""
        return outputs(self.model, _LAYERS, self.asked.images)

    @cached_property
    def probes(self) -> LayerProbes:
        """Probes on the hidden layers and the output."""
        probes = LayerProbes(self.model, [*_LAYERS, "linear3"], classes=10)
        probes.fit(self.learned)
        return probes


def pixels(split: Split) -> Tensor:
    """Images between 0 and 1, float64 of shape (N, 1, 28, 28)."""
    return split.images.double() / 255


@torch.no_grad()
def without_chance(model: nn.Module) -> nn.Module:
    """Weights that every version of PyTorch gives: sines of their places, as large as a random start's."""
    for weight in model.parameters():
        if weight.ndim > 1:
            places = torch.arange(1, weight.numel() + 1, dtype=weight.dtype) ** 1.5
            weight.copy_(places.sin().view_as(weight) * (6 / weight[0].numel()) ** 0.5)
    return model


def _patterns(run: Trained) -> list[float]:
    return [layer_perplexity(active(z), run.asked.labels).mean().item() for z in run.nodes.values()]


def _nodes(run: Trained) -> list[float]:
    learned = outputs(run.model, ["linear2"], run.learned.images)["linear2"]
    fitted = NodeClassifiers.fit(learned, run.learned.labels)
    z, labels = run.nodes["linear2"], run.asked.labels
    return [(fitted.predict(z, system) == labels).double().mean().item() for system in ("discrete", "continuous")]


def _targets(run: Trained) -> list[float]:
    found = targets(run.model, pixels(run.asked), run.asked.labels)
    return [*(each.norm().item() for each in found.values()), *separation(found["linear1"], run.asked.labels)]


def _pictures(run: Trained) -> list[float]:
    few = run.asked[:20]
    return [image(run.model, pixels(few), few.labels).norm().item() for image in (bp_image, guided_bp_image)]


def _distributions(run: Trained) -> list[float]:
    answers, truth = label_distribution(run.probes.predict(run.asked.images)), _one_hot(run.asked.labels)
    cost = label_cost(10).to(truth)
    exact = [wasserstein(each, truth, cost).mean().item() for each in answers]
    return [*exact, sinkhorn(answers[0, :50], truth[:50], cost, epsilon=0.1).cost.mean().item()]


def _early_exit(run: Trained) -> list[float]:
    answers, layers = EarlyExit(run.model, run.probes, ConfidentRatio(s2=0.9, rho=1.0)).exit(pixels(run.asked))
    return [(answers.argmax(1) == run.asked.labels).double().mean().item(), layers.double().mean().item()]


def _filters(run: Trained) -> list[float]:
    change = filter_change(run.before.linear1.weight, run.model.linear1.weight, threshold=2e-4)
    without = accuracy_without(run.model, "linear2", [[], [*range(10)]], run.asked, best=[1])
    return [*(run.tracker.mean_distance(name).mean().item() for name in _LAYERS), change.distance, *without[:, 0]]


def _similarity(run: Trained) -> list[float]:
    first, second = run.nodes.values()
    return [effective_rank(first), effective_rank(second), cka(first, second)]


def _inspect(run: Trained) -> list[float]:
    frame = inspect(run.model, run.asked, before=run.before).to_frame()
    return [len(frame), frame.loc[frame.quantity == "probe_accuracy", "value"].mean()]


def _one_hot(labels: Tensor) -> Tensor:
    return nn.functional.one_hot(labels, 10).double()


INSTRUMENTS: dict[str, Callable[[Trained], list[float]]] = {
    "patterns": _patterns,
    "nodes": _nodes,
    "targets": _targets,
    "pictures": _pictures,
    "distributions": _distributions,
    "early exit": _early_exit,
    "filters": _filters,
    "similarity": _similarity,
    "inspect": _inspect,
}


def measured(instrument: str, run: Trained) -> list[float]:
    """What an instrument says of the small network: a few numbers."""
    return [float(value) for value in INSTRUMENTS[instrument](run)]


def stored() -> dict[str, list[float]]:
    """What each instrument said when the numbers were stored (``tests/helpers/small_run.py`` stores them)."""
    return json.loads(resources.files("layerbook").joinpath("small_run.json").read_text(encoding="utf-8"))


def apart(found: list[float], expected: list[float]) -> str:
    """In words, the first number that is not as it was; nothing where all are, to six digits."""
    if len(found) != len(expected):
        return f"{len(found)} numbers, {len(expected)} are stored"
    for here, there in zip(found, expected, strict=True):
        if not abs(here - there) <= CLOSE * max(1.0, abs(there)):
            return f"{here:.7g}, {there:.7g} is stored"
    return ""
