import copy

import pytest
import torch
from torch import nn

from layerbook.analysis.zeroing_costs import costs, picks
from layerlib.data.splits import Split
from layerlib.filters.tracking import FilterTracker


@pytest.fixture
def network():
    """A network of two convolutions with norms, its tracker after one step of unequal change, and pictures."""
    torch.manual_seed(0)
    first, second = ((nn.Conv2d(i, o, 3), nn.BatchNorm2d(o), nn.ReLU()) for i, o in ((1, 6), (6, 8)))
    model = nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(8 * 16, 6)).eval()
    nn.init.uniform_(model[1].bias)
    tracker = FilterTracker(model, ["0", "3"], every=1, threshold=0.1)
    with torch.no_grad():
        for name in (0, 3):
            for i, weight in enumerate(model[name].weight):
                weight += 0.03 * i  # the last filters move most
    tracker.step()
    images = torch.randint(256, (50, 1, 8, 8), dtype=torch.uint8)
    return model, tracker, Split(images, torch.randint(6, (50,)))


@torch.no_grad()
def right(model, split):
    return (model(split.images / 255).argmax(1) == split.labels).double().mean().item()


@pytest.mark.parametrize("norms", [(), ("1", "4")])
def test_a_cost_is_what_is_lost_when_a_copy_has_these_filters_at_zero(network, norms):
    model, tracker, split = network
    found = costs(model, tracker, [0.5, 0.25], split, draws=3, seed=7, norms=norms)
    assert found.shape == (2, 6, 2)
    for row, name, count in zip(found, ("0", "3"), (3, 2), strict=True):
        filters, generator = len(model[int(name)].weight), torch.Generator().manual_seed(7)
        tried = [*picks(model, tracker, name, count)]
        tried += [torch.randperm(filters, generator=generator)[:count] for _ in range(3)]
        for choice, lost in zip(tried, row[:, 0], strict=True):
            twin = copy.deepcopy(model)
            for layer in (name, *norms[name == "3" :][:1]):
                for kind in ("weight", "bias"):
                    getattr(twin[int(layer)], kind).data[choice] = 0
            assert lost == pytest.approx(100 * (right(model, split) - right(twin, split)))


def test_picks_are_the_most_still_the_least_changed_and_the_smallest(network):
    model, tracker, _ = network
    most_still, least_changed, smallest = picks(model, tracker, "0", 2)
    assert set(most_still.tolist()) <= {0, 1, 2, 3} and set(least_changed.tolist()) == {0, 1}
    assert set(smallest.tolist()) == set(model[0].weight.flatten(1).norm(dim=1).argsort()[:2].tolist())


def test_draws_alone_are_the_same_draws(network):
    model, tracker, split = network
    whole = costs(model, tracker, [0.5, 0.25], split, draws=3, seed=7)
    alone = costs(model, tracker, [0.5, 0.25], split, draws=3, seed=7, picked=False)
    assert (alone == whole[:, 3:]).all()
