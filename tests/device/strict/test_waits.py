"""How often the host waits for the device in an inspection, and while filters are followed."""

import torch
from pretend_device import counted

import layerlib as ll
from layerlib.models import MLP

LAYERS = 20


def network(seed):
    torch.manual_seed(seed)
    return MLP((12, *[16] * (LAYERS - 1), 4), bias="all").cuda()


def inspected(**options):
    """What was counted while every layer of a network of twenty was read, by default by all instruments."""
    y = torch.arange(120) % 4
    data = torch.rand(120, 1, 3, 4, generator=torch.Generator().manual_seed(0)) + torch.eye(4, 12).view(4, 1, 3, 4)[y]
    model = network(0)
    with counted() as counts:
        found = ll.inspect(model, (data, y), **options)
    assert len(found.layers) == LAYERS and found.pictures is not None
    read = {quantity for quantity, values in found.values.items() if values.isfinite().all()}
    assert found.values.keys() - read == (set() if "before" in options else {"cka", "change", "relative_change"})
    return counts


def test_an_inspection_of_twenty_layers_waits_fifty_times_at_most():
    counts = inspected()
    assert counts.syncs <= 50, str(counts)


def test_that_of_an_earlier_moment_as_well_waits_as_often_again():
    counts = inspected(before=network(1))
    assert counts.syncs <= 2 * 50, str(counts)


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
