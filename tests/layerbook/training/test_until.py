"""Trainings that end by a rule: the weights of the epoch that a plain loop stops at, alone, side by side, resumed."""

import math
from dataclasses import dataclass
from functools import partial

import pytest
import torch
from torch import nn

from layerbook.training import _trainer as trainer
from layerbook.training._ensemble import Single, Stacked
from layerbook.training.auxiliary import WithClassifier, joint_cross_entropy
from layerbook.training.fit import Settled, TrainAccuracy, Until, as_input, cross_entropy, fit, fit_ensemble, mse
from layerbook.training.until import mean_loss
from layerlib.data.splits import Split
from layerlib.models import MLP

SGD = partial(torch.optim.SGD, lr=0.1, momentum=0.9)
SEEDS = [0, 1, 2]


def split(samples, seed):
    """Labels that follow from the pixels, with some noise."""
    random = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (samples, 1, 5, 5), dtype=torch.uint8, generator=random)
    sums = images.flatten(1).double() @ torch.linspace(-1, 1, 25).double()
    labels = (sums / 250).round().long().clamp(-1, 1) + 1
    noisy = torch.rand(samples, generator=random) < 0.1
    return Split(images, torch.where(noisy, torch.randint(3, (samples,), generator=random), labels))


TRAIN, VALIDATION = split(150, 0), split(60, 1)
ONE_BY_ONE = {"batch_size": 32, "optimizer": SGD, "device": "cpu"}


def network(**options):
    return MLP((25, 12, 9, 3), **options).double()


def seeded(seed, **options):
    torch.manual_seed(seed)
    return network(**options)


def accuracy(model, data):
    with torch.no_grad():
        model.eval()
        right = (model(as_input(data.images, torch.float64)).argmax(1) == data.labels).sum().item()
    return right / len(data)


def plain_loop(seed, epochs, enough, **options):
    """Train one network and stop after the first epoch where ``enough(model)``; the weights and the epochs it took."""
    model, order = seeded(seed, **options), torch.Generator().manual_seed(seed)
    update = SGD(model.parameters())
    for epoch in range(1, epochs + 1):
        model.train()
        for rows in torch.randperm(len(TRAIN), generator=order).split(32):
            update.zero_grad()
            mse(model(as_input(TRAIN.images[rows], torch.float64)), TRAIN.labels[rows]).mean().backward()
            update.step()
        if enough(model):
            return model.state_dict(), epoch
    return model.state_dict(), epochs


def close(ours, theirs, tolerance=1e-9):
    assert ours.keys() == theirs.keys()
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_each_network_keeps_the_weights_of_the_first_epoch_that_knows_its_samples(batch_norm):
    options = {"batch_norm": batch_norm}
    trained = fit_ensemble(partial(network, **options), SEEDS, TRAIN, epochs=60, until=TrainAccuracy(0.9), **ONE_BY_ONE)
    took = []
    for seed, member in zip(SEEDS, trained.models, strict=True):
        expected, epoch = plain_loop(seed, 60, lambda model: accuracy(model, TRAIN) >= 0.9, **options)
        close(member.state_dict(), expected)
        took.append(epoch)
    assert trained.history.best_epoch.tolist() == took and len(set(took)) > 1
    assert trained.history.reached.tolist() == [True] * 3
    assert trained.history.measured.shape == trained.history.loss.shape == (3, max(took))
    for member, row, epoch in zip(trained.models, trained.history.measured, took, strict=True):
        assert row[epoch - 1] == accuracy(member, TRAIN) >= 0.9 and (row[: epoch - 1] < 0.9).all()


def test_the_last_weights_are_kept_where_the_epochs_are_over_before_and_reached_says_so():
    trained = fit_ensemble(network, SEEDS, TRAIN, VALIDATION, epochs=14, until=TrainAccuracy(0.75), **ONE_BY_ONE)
    ends = [plain_loop(seed, 14, lambda model: accuracy(model, TRAIN) >= 0.75) for seed in SEEDS]
    reached = [accuracy(member, TRAIN) >= 0.75 for member in trained.models]
    assert trained.history.reached.tolist() == reached and set(reached) == {True, False}
    assert trained.history.best_epoch.tolist() == [epoch for _, epoch in ends]
    for member, (expected, _) in zip(trained.models, ends, strict=True):
        close(member.state_dict(), expected)


@pytest.mark.parametrize("until", [TrainAccuracy(0.9), Settled(2, 0.001)])
def test_side_by_side_is_the_same_as_one_by_one(until):
    together = fit_ensemble(network, SEEDS, TRAIN, VALIDATION, epochs=60, until=until, **ONE_BY_ONE)
    for i, seed in enumerate(SEEDS):
        alone = seeded(seed)
        history = fit(alone, TRAIN, VALIDATION, epochs=60, seed=seed, until=until, **ONE_BY_ONE)
        close(together.models[i].state_dict(), alone.state_dict())
        took = int(history.best_epoch)
        assert history.reached.shape == () and history.reached
        assert took == together.history.best_epoch[i] == len(history.measured) == len(history.loss)
        torch.testing.assert_close(history.measured, together.history.measured[i, :took])
        torch.testing.assert_close(history.loss, together.history.loss[i, :took])
    assert together.history.best_epoch.unique().numel() > 1


def test_a_settled_network_is_that_of_a_plain_loop_over_the_validation_loss():
    losses = []

    def enough(model):
        with torch.no_grad():
            model.eval()
            losses.append(mse(model(as_input(VALIDATION.images, torch.float64)), VALIDATION.labels).mean().item())
        return len(losses) > 3 and min(losses[:-3]) - min(losses[-3:]) <= 0.001

    expected, epoch = plain_loop(0, 60, enough)
    model = seeded(0)
    history = fit(model, TRAIN, VALIDATION, epochs=60, until=Settled(3, 0.001), **ONE_BY_ONE)
    close(model.state_dict(), expected)
    assert 4 < epoch < 60 and history.best_epoch == epoch
    torch.testing.assert_close(history.measured, torch.tensor(losses, dtype=torch.float64))


@pytest.mark.parametrize(
    "course, patience, tolerance, reached",
    [
        ([3, 2, 1], 3, 0, False),  # no epoch yet before the last three
        ([3, 2, 1, 0.9], 3, 0, False),
        ([1, 2, 3, 4], 3, 0, True),
        ([1, 1, 1], 2, 0, True),
        ([2, 1.5, 1.6, 1.25], 2, 0.25, True),
        ([2, 1.5, 1.6, 1.24], 2, 0.25, False),
        ([2, 1.5, 1.24, 9], 2, 0.25, False),  # a fall within the patience counts, though the loss rose again
    ],
)
def test_a_loss_has_settled_where_the_last_epochs_brought_no_more_than_the_tolerance(
    course, patience, tolerance, reached
):
    course = torch.tensor([course, [9.0 - i for i in range(len(course))]], dtype=torch.float64)
    assert Settled(patience, tolerance).reached(course).tolist() == [reached, False]


def test_an_accuracy_on_the_threshold_reaches_it():
    for right, samples, share in [(999, 1000, 0.999), (7, 10, 0.7), (54945, 55000, 0.999), (29, 100, 0.29)]:
        labels = torch.zeros(samples, dtype=torch.int64)
        labels[right:] = 1
        always = nn.Sequential(nn.Flatten(), nn.Linear(1, 2))
        with torch.no_grad():
            always[1].weight.zero_()
            always[1].bias.copy_(torch.tensor([1.0, 0.0]))
        data = Split(torch.zeros(samples, 1, 1, 1, dtype=torch.uint8), labels)
        rule = TrainAccuracy(share)
        measured = rule.measure(Single(always), data, None, mse)
        assert measured.item() == share and rule.reached(measured[:, None]).tolist() == [True]


@pytest.mark.parametrize("until", [TrainAccuracy(1.0), Settled(5)])
def test_looking_changes_nothing_in_the_training(until):
    settings = {"epochs": 12, "noise": 0.1, "loss": cross_entropy, "snapshots": [0, 7]} | ONE_BY_ONE
    plain, watched = (seeded(0, batch_norm=True).append(nn.Dropout(0.1)) for _ in range(2))
    expected = fit(plain, TRAIN, **settings)
    history = fit(watched, TRAIN, VALIDATION, until=until, **settings)
    took = int(history.best_epoch)
    assert torch.equal(history.loss, expected.loss[:took]) and history.validation_error.numel() == 0
    close(history.snapshots[7], expected.snapshots[7], 0)
    if not history.reached:
        close(watched.state_dict(), plain.state_dict(), 0)
    assert expected.reached is None and expected.measured is None


class Stopping:
    """A callback that breaks a training off."""

    def __init__(self, at=None):
        self.at, self.steps = at, []

    def __call__(self, step, model):
        if step == self.at:
            raise KeyboardInterrupt
        self.steps.append(step)

    def __repr__(self):
        return "Stopping()"

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


@pytest.mark.parametrize("until", [TrainAccuracy(0.9), Settled(2, 0.001)])
def test_an_interrupted_training_goes_on_to_the_same_epoch(tmp_path, monkeypatch, until):
    monkeypatch.setattr(trainer, "SAVE_EVERY", 0.0)
    settings = {"epochs": 60, "until": until} | ONE_BY_ONE
    whole = fit_ensemble(network, SEEDS, TRAIN, VALIDATION, **settings)
    first, last = sorted(whole.history.best_epoch.tolist())[::2]
    assert first < last
    between = 5 * (last - 1) + 2  # within the last epoch, when some networks have their weights already
    with pytest.raises(KeyboardInterrupt):
        fit_ensemble(network, SEEDS, TRAIN, VALIDATION, callbacks=[Stopping(between)], store=tmp_path, **settings)
    assert [path.name.split(".", 1)[1] for path in tmp_path.iterdir()] == ["unfinished.pt"]
    for steps in (list(range(5 * (last - 1) + 1, 5 * last + 1)), []):  # resumed, then read back
        watched = Stopping()
        again = fit_ensemble(network, SEEDS, TRAIN, VALIDATION, callbacks=[watched], store=tmp_path, **settings)
        assert watched.steps == steps
        for ours, theirs in zip(again.models, whole.models, strict=True):
            close(ours.state_dict(), theirs.state_dict(), 0)
        for name in ("loss", "measured", "reached", "best_epoch"):
            assert torch.equal(getattr(again.history, name), getattr(whole.history, name))
    assert [path.name.count(".") for path in tmp_path.iterdir()] == [1]


@dataclass(frozen=True)
class Short(Until):
    """A reader's own rule: until the mean size of the weights is above a length."""

    length: float

    def measure(self, network, train, validation, loss):
        return network.stacked_state()["linear2.weight"].norm(dim=(1, 2)).double()

    def reached(self, course):
        return course[:, -1] > self.length


def test_every_rule_and_every_number_of_it_is_another_file_and_none_is_the_old_one(tmp_path):
    base = {"epochs": 1, "store": tmp_path} | ONE_BY_ONE
    rules = [None, TrainAccuracy(0.9), TrainAccuracy(0.91), Settled(), Settled(4), Settled(5, 0.1), Short(1), Short(2)]
    for number, rule in enumerate(rules, start=1):
        for _ in range(2):
            history = fit(seeded(0), TRAIN, VALIDATION, until=rule, **base)
        assert len(list(tmp_path.iterdir())) == number and (history.reached is None) == (rule is None)
    fit(seeded(0), TRAIN, VALIDATION, **base)
    assert len(list(tmp_path.iterdir())) == len(rules)


def test_a_rule_of_ones_own_ends_a_training():
    history = fit(seeded(0), TRAIN, epochs=50, until=Short(3.2), **ONE_BY_ONE)
    assert history.reached and 1 < history.best_epoch < 50
    assert (history.measured[:-1] <= 3.2).all() and history.measured[-1] > 3.2


def test_the_mean_loss_is_that_of_all_samples_at_once_for_any_outputs():
    members = [seeded(seed, batch_norm=True).train() for seed in SEEDS]
    found = mean_loss(Stacked(members), VALIDATION, cross_entropy, batch_size=7)
    for model, value in zip(members, found, strict=True):
        model.eval()
        logits = model(as_input(VALIDATION.images, torch.float64))
        assert value.item() == pytest.approx(cross_entropy(logits, VALIDATION.labels).mean().item(), abs=1e-12)


def test_a_network_with_two_outputs_settles_by_its_joint_loss():
    labels = (torch.rand(60, 3, generator=torch.Generator().manual_seed(0)) < 0.4).float()
    several = Split(VALIDATION.images, labels)
    both = WithClassifier(seeded(0), "linear2", 3, several.images[:1], auxiliary=True)
    history = fit(
        both, several[:40], several[40:], epochs=200, loss=joint_cross_entropy, until=Settled(3, 1e-3), **ONE_BY_ONE
    )
    assert history.reached and history.best_epoch < 200
    with torch.no_grad():
        expected = joint_cross_entropy(both.eval()(as_input(several.images[40:], torch.float64)), labels[40:]).mean()
    assert history.measured[-1].item() == pytest.approx(expected.item(), abs=1e-12)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: TrainAccuracy(0), "share: expected a number above 0, at most 1, got 0"),
        (lambda: TrainAccuracy(99.9), "share: expected a number above 0, at most 1, got 99.9"),
        (lambda: TrainAccuracy(math.nan), "share: expected a number above 0, at most 1, got nan"),
        (lambda: Settled(0), "patience: expected a whole number from 1 up, got 0"),
        (lambda: Settled(2.5), "patience: expected a whole number from 1 up, got 2.5"),
        (lambda: Settled(2, -1), "tolerance: expected a number from 0 up, got -1"),
        (
            lambda: fit(seeded(0), TRAIN, epochs=1, until=Settled(), device="cpu"),
            "until: Settled looks at the loss on a validation split, and there is none",
        ),
        (
            lambda: fit(seeded(0), TRAIN, epochs=1, until=0.999, device="cpu"),
            r"until: expected a rule such as TrainAccuracy\(0.999\), got 0.999",
        ),
        (
            lambda: fit(seeded(0), TRAIN, until=TrainAccuracy(0.9), device="cpu"),
            "epochs, steps: expected one of the two",
        ),
    ],
)
def test_what_is_no_rule_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
