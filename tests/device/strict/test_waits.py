"""How often the host waits for the device in an inspection, and while filters are followed."""

import pytest
import torch
from pretend_device import counted

import layerlib as ll
from layerlib.models import MLP

LAYERS = 20


@pytest.fixture(scope="module")
def inspected():
    """What was counted while every layer of a network of twenty was read by all instruments that read outputs."""
    torch.manual_seed(0)
    model = MLP((12, *[16] * (LAYERS - 1), 4), bias="all").cuda()
    y = torch.arange(120) % 4
    data = torch.randn(120, 12) + torch.eye(4, 12)[y], y
    with counted() as counts:
        found = ll.inspect(model, data, instruments=("distribution", "patterns", "nodes", "targets", "rank"))
    assert len(found.layers) == LAYERS and found.values["combined"].isfinite().all()
    return counts


def test_an_inspection_of_twenty_layers_waits_fifty_times_at_most(inspected):
    assert inspected.syncs <= 50, str(inspected)


def test_following_filters_waits_at_no_step():
    torch.manual_seed(0)
    model = MLP((12, *[16] * 5, 4), bias="all").cuda()
    tracker = ll.FilterTracker(model, [f"linear{i}" for i in range(1, 7)], every=1)
    tracker(0)
    tracker.step()  # what is made once
    with counted() as counts:
        for _ in range(10):
            for parameter in model.parameters():
                parameter.data.add_(0.01)
            tracker.step()
    assert counts.syncs == 0, str(counts)
    assert len(tracker.to_frame()) == 11 * 6
