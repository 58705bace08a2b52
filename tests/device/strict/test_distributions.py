"""Probes, transport and early exit keep the device from waiting for the host in their loops."""

import pytest
import torch
from pretend_device import counted

import layerlib as ll
from layerlib.data.scenes import BATCH, make_scenes
from layerlib.distributions._ascent import ascended
from layerlib.distributions._rules import Confident
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


def test_entropic_transport_looks_at_its_error_once_in_32_iterations():
    p, q = (ll.label_distribution(drawn(6, 5) + each).cuda() for each in (0, drawn(6, 5)))
    cost = ll.label_cost(drawn(5, 2)).cuda()

    def solve(iterations, tolerance=0.0):
        return syncs(lambda: ll.sinkhorn(p, q, cost, 0.01, max_iterations=iterations, tolerance=tolerance))

    solve(1)
    assert solve(1 + 320 - 32) == solve(1) + 9
    assert solve(321, tolerance=1e-3) <= solve(1) + 10  # rows that leave do not add to it


def test_exact_transport_looks_at_who_climbs_on_once_in_five_steps():
    chosen = drawn(400, 8).argsort(1)[:, :3]
    p, q = drawn(400, 8).double(), torch.zeros(400, 8, dtype=torch.float64).scatter_(1, chosen, 1 / 3)
    p, cost = p / p.sum(1, keepdim=True), torch.cdist(drawn(8, 2), drawn(8, 2)).double()
    there = [each.cuda() for each in (p, q, cost)]
    with counted() as counts:
        found = ascended(*there)
    assert found.cpu().isfinite().float().mean() > 0.99
    torch.testing.assert_close(found.cpu(), ascended(p, q, cost), rtol=1e-12, atol=1e-12, equal_nan=True)
    assert counts.syncs == 5 + 1, str(counts)  # five before the first step, and one look


def test_early_exit_waits_once_a_tap_whatever_the_samples():
    torch.manual_seed(0)
    model = CNN(4, 4, CLASSES, 1).cuda()
    names = [f"conv{i}" for i in range(1, 5)]
    images = (255 * drawn(40, 1, 8, 8)).to(torch.uint8)
    probes = ll.LayerProbes(model, names, CLASSES)
    probes.fit(ll.Split(images, torch.arange(40) % CLASSES))
    x = (images / 255).cuda()
    for rule in (ll.ConfidentRatio(0.5, 0.5), Confident(0.5)):
        early = ll.EarlyExit(model, probes, rule)
        assert early.exit(x)[1].max() == 3
        with counted() as counts:
            early(x)
        assert counts.syncs == 1 + len(names), str(counts)  # and a look at x


def test_scenes_wait_as_often_however_many_they_are():
    digits = ll.Split((255 * drawn(20, 1, 6, 6)).byte(), torch.arange(20) % 10).to("cuda")

    def make(count, most):
        return syncs(lambda: make_scenes(digits, digits, count, seed=0, size=16, most=most))

    assert make(3, 1) == make(BATCH + 1, 5) <= 10
