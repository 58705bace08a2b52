"""Networks trained on the device: the same as on the CPU, stored, read back, interrupted and gone on with."""

from functools import partial

import pytest
import torch
from pretend_device import counted
from torch import nn

from layerbook.training import _trainer as trainer
from layerbook.training.auxiliary import OutputWatch
from layerbook.training.fit import Settled, TrainAccuracy, cross_entropy, fit, fit_ensemble
from layerlib import FilterTracker, Split

random = torch.Generator().manual_seed(0)
TRAIN = Split(torch.randint(256, (60, 1, 5, 5), dtype=torch.uint8, generator=random), torch.arange(60) % 3)
VALIDATION = Split(torch.randint(256, (20, 1, 5, 5), dtype=torch.uint8, generator=random), torch.arange(20) % 3)


def halving(step):
    return 0.5 ** (step // 6)


SETTINGS = {
    "plain": {},
    "momentum and a schedule": {"optimizer": partial(torch.optim.SGD, lr=0.1, momentum=0.9), "schedule": halving},
    "noise": {"noise": 0.1},
    "until it knows its samples": {"until": TrainAccuracy(0.9)},
    "until it has settled": {"until": Settled(1)},
}
DRAWN_BY_THE_HOST = {name: settings for name, settings in SETTINGS.items() if "noise" not in settings}


def network():
    return nn.Sequential(nn.Flatten(), nn.Linear(25, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)).double()


def seeded(seed=0):
    torch.manual_seed(seed)
    return network()


def alone(**options):
    model = seeded()
    tracker, watch = FilterTracker(model, ["1"], every=2, threshold=1e-3), OutputWatch(VALIDATION.images, every=5)
    history = fit(model, TRAIN, VALIDATION, callbacks=[tracker, watch], **options)
    return [model], history, [tracker, watch]


def side_by_side(**options):
    trained = fit_ensemble(network, [0, 1], TRAIN, VALIDATION, **options)
    return [*trained.models, *trained.at(2)], trained.history, []


def saw(callbacks):
    """What the callbacks have seen: tables and tensors, on the CPU."""
    return [
        values
        for each in callbacks
        for values in (
            torch.from_numpy(each.to_frame().drop(columns="layer").to_numpy(dtype=float))[None]
            if isinstance(each, FilterTracker)
            else each.logits
        )
    ]


def compare(one, other, tolerance=0.0):
    """Networks on the device, everything else on the CPU, and all alike."""
    for ours, theirs in zip(one[0], other[0], strict=True):
        assert all(p.is_cuda for p in theirs.parameters())
        for name, value in theirs.state_dict().items():
            torch.testing.assert_close(value.cpu(), ours.state_dict()[name].cpu(), rtol=0, atol=tolerance)
    for name in ("loss", "validation_error", "best_epoch"):
        found = getattr(other[1], name)
        assert not found.is_cuda
        torch.testing.assert_close(found, getattr(one[1], name), rtol=0, atol=tolerance)
    for step, state in other[1].snapshots.items():
        for name, value in state.items():
            assert not value.is_cuda
            torch.testing.assert_close(value, one[1].snapshots[step][name], rtol=0, atol=tolerance)
    for ours, theirs in zip(saw(one[2]), saw(other[2]), strict=True):
        torch.testing.assert_close(theirs, ours, rtol=0, atol=tolerance)


each_way = pytest.mark.parametrize("run", [alone, side_by_side])
each_setting = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)


@each_way
@pytest.mark.parametrize("settings", DRAWN_BY_THE_HOST.values(), ids=DRAWN_BY_THE_HOST)
def test_the_device_trains_the_networks_that_the_cpu_trains(run, settings):
    options = {"epochs": 4, "batch_size": 16, "snapshots": [0, 2], "loss": cross_entropy} | settings
    compare(run(device="cpu", **options), run(**options), 1e-9)


@each_way
@each_setting
def test_a_stored_training_is_read_back_and_an_interrupted_one_goes_on(run, settings, tmp_path, monkeypatch):
    options = {"epochs": 4, "batch_size": 16, "snapshots": [0, 2], "loss": cross_entropy} | settings
    whole = run(store=tmp_path / "whole", **options)
    compare(whole, run(store=tmp_path / "whole", **options))
    monkeypatch.setattr(trainer, "SAVE_EVERY", 0.0)
    epoch = trainer._epoch

    def interrupted(training, *rest):
        if training.epoch == 1:
            raise KeyboardInterrupt
        epoch(training, *rest)

    monkeypatch.setattr(trainer, "_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(store=tmp_path / "parts", **options)
    monkeypatch.setattr(trainer, "_epoch", epoch)
    compare(whole, run(store=tmp_path / "parts", **options))


def test_random_numbers_of_the_device_go_on_as_if_nothing_had_been_trained():
    torch.manual_seed(5)
    expected = torch.rand(3, device="cuda"), torch.rand(3)
    with_dropout = nn.Sequential(nn.Flatten(), nn.Linear(25, 3), nn.Dropout(0.5))
    for train in (lambda: fit(with_dropout, TRAIN, epochs=1), lambda: fit_ensemble(network, [0, 1], TRAIN, epochs=1)):
        torch.manual_seed(5)
        train()
        found = torch.rand(3, device="cuda"), torch.rand(3)
        assert torch.equal(found[0].cpu(), expected[0].cpu()) and torch.equal(found[1], expected[1])


def test_a_tracker_never_waits_for_the_device():
    model = seeded().cuda()
    tracker = FilterTracker(model, ["1", "4"], every=1, threshold={"one": 1e-3, "falling": lambda step: 1e-2 / step})
    with counted() as counts:
        for _ in range(3):
            tracker.step()
    assert counts.launches > 0 and counts.syncs == 0
