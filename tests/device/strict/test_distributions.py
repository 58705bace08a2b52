"""Probes, transport and early exit keep the device from waiting for the host in their loops."""

import pytest
import torch
from pretend_device import counted

import layerlib as ll
from layerlib.models import CNN, taps

CLASSES = 3


def drawn(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def syncs(call):
    with counted() as counts:
        call()
    return counts.syncs


def test_training_probes_waits_for_no_step_and_for_no_epoch():
    x, labels = drawn(4, 60, 5).cuda(), torch.arange(60) % CLASSES

    def train(epochs, batch_size):
        ll.LinearProbes(CLASSES).train(x, labels, epochs=epochs, batch_size=batch_size)

    train(1, 60)
    assert syncs(lambda: train(1, 60)) == syncs(lambda: train(8, 10)) <= 10


def test_a_loss_that_is_not_finite_is_told_with_its_epoch_all_the_same():
    with pytest.raises(ValueError, match=r"loss: not finite in epoch [12] "):
        ll.LinearProbes(CLASSES).train(drawn(60, 5).cuda(), torch.arange(60) % CLASSES, epochs=3, rate=1e38)


def test_a_spilled_mask_may_be_on_the_device():
    torch.manual_seed(0)
    model = CNN(4, 2, CLASSES, 1).cuda()
    images = (255 * drawn(20, 1, 8, 8)).to(torch.uint8)
    probes = ll.LayerProbes(model, taps(model), CLASSES)
    features = probes.features(ll.Split(images, torch.arange(20) % CLASSES), memory=0)
    chosen = torch.arange(20, device="cuda") < 7
    assert not features.pooled.is_cuda and features.pooled[:, :7].equal(features[chosen].pooled)
    probes.train(features[chosen], epochs=1)
    assert probes.weight.is_cuda and probes.predict(features[chosen]).shape == (len(taps(model)), 7, CLASSES)


def test_entropic_transport_looks_at_its_error_now_and_then():
    p, q = (ll.label_distribution(drawn(6, 5) + each).cuda() for each in (0, drawn(6, 5)))
    cost = ll.label_cost(drawn(5, 2)).cuda()

    def solve(iterations):
        ll.sinkhorn(p, q, cost, 0.01, max_iterations=iterations, tolerance=0.0)

    solve(1)
    assert syncs(lambda: solve(320)) < 320 / 5  # a look in 32 iterations, and what it costs to let rows go


def test_early_exit_waits_a_few_times_a_tap_whatever_the_samples():
    torch.manual_seed(0)
    model = CNN(4, 4, CLASSES, 1).cuda()
    names = [f"conv{i}" for i in range(1, 5)]
    images = (255 * drawn(40, 1, 8, 8)).to(torch.uint8)
    probes = ll.LayerProbes(model, names, CLASSES)
    probes.fit(ll.Split(images, torch.arange(40) % CLASSES))
    early = ll.EarlyExit(model, probes, ll.ConfidentRatio(0.5, 0.5))
    x = (images / 255).cuda()
    early(x)
    assert syncs(lambda: early(x)) <= 4 * len(names)
