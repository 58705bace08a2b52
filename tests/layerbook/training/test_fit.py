"""Training: the same networks as a plain loop gives, alone, side by side, and read back from the store."""

import copy
import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from layerbook.training import _trainer as trainer
from layerbook.training import fit as training
from layerbook.training.fit import (
    ADAM,
    OneCycle,
    Settings,
    as_input,
    binary_cross_entropy,
    cross_entropy,
    error_rate,
    fit,
    fit_ensemble,
    modes_kept,
    mse,
    steps_per_epoch,
)
from layerlib.data.splits import Split
from layerlib.models import MLP

SGD = partial(torch.optim.SGD, lr=0.1, momentum=0.9)


def split(samples, seed):
    """Labels that follow from the pixels, with some noise, so that there is something to learn and to overfit."""
    random = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (samples, 1, 5, 5), dtype=torch.uint8, generator=random)
    sums = images.flatten(1).double() @ torch.linspace(-1, 1, 25).double()
    labels = (sums / 250).round().long().clamp(-1, 1) + 1
    noisy = torch.rand(samples, generator=random) < 0.2
    return Split(images, torch.where(noisy, torch.randint(3, (samples,), generator=random), labels))


TRAIN, VALIDATION = split(150, 0), split(60, 1)


def network(**options):
    return MLP((25, 12, 9, 3), **options).double()


def seeded(make, seed):
    torch.manual_seed(seed)
    return make()


def close(ours, theirs, tolerance=1e-12):
    assert ours.keys() == theirs.keys()
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=tolerance, atol=tolerance)


def plain_loop(model, train, validation, epochs, seed, optimizer, loss, batch_size=128, noise=0.0):
    """What one would write without layerlib: shuffle, batch, step, keep the best."""
    random, best = torch.Generator().manual_seed(seed), None
    losses, errors = [], []
    for _ in range(epochs):
        model.train()
        order, total = torch.randperm(len(train.labels), generator=random).tolist(), 0.0
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            x = torch.stack([train.images[i] for i in rows]).double() / 255
            y = torch.stack([train.labels[i] for i in rows])
            if noise:
                x = x + noise * torch.randn(x.shape, generator=random, dtype=torch.float64)
            value = loss(model(x), y)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            total += value.item() * len(rows)
        losses.append(total / len(order))
        model.eval()
        with torch.no_grad():
            wrong = (model(validation.images.double() / 255).argmax(1) != validation.labels).double().mean().item()
        if not errors or wrong < min(errors):
            best = copy.deepcopy(model.state_dict()), len(errors) + 1
        errors.append(wrong)
    return losses, errors, *best


@pytest.mark.parametrize(
    "options, settings, loss, optimizer",
    [
        ({}, {}, lambda z, y: F.mse_loss(z, F.one_hot(y, 3).double()), partial(torch.optim.Adam, lr=1e-3)),
        (
            {"activation": "sigmoid"},
            {"loss": cross_entropy, "batch_size": 32},
            F.cross_entropy,
            partial(torch.optim.Adam, lr=1e-3),
        ),
        (
            {"batch_norm": True},
            {"noise": 0.3, "batch_size": 40},
            lambda z, y: F.mse_loss(z, F.one_hot(y, 3).double()),
            partial(torch.optim.Adam, lr=1e-3),
        ),
        ({}, {"optimizer": SGD, "batch_size": 25}, lambda z, y: F.mse_loss(z, F.one_hot(y, 3).double()), SGD),
    ],
)
def test_fit_equals_a_plain_loop(options, settings, loss, optimizer):
    ours = seeded(partial(network, **options), 5)
    theirs = copy.deepcopy(ours)
    history = fit(ours, TRAIN, VALIDATION, epochs=6, seed=7, device="cpu", **settings)
    losses, errors, state, best = plain_loop(
        theirs,
        TRAIN,
        VALIDATION,
        6,
        7,
        optimizer(theirs.parameters()),
        loss,
        settings.get("batch_size", 128),
        settings.get("noise", 0.0),
    )
    close(ours.state_dict(), state)
    torch.testing.assert_close(history.loss, torch.tensor(losses, dtype=torch.float64), rtol=1e-12, atol=0)
    assert torch.equal(history.validation_error, torch.tensor(errors, dtype=torch.float64))
    assert history.best_epoch.item() == best


@pytest.mark.parametrize(
    "options, settings",
    [
        ({}, {}),
        ({"bias": "all"}, {"batch_size": 7}),
        ({"activation": "sigmoid"}, {"loss": cross_entropy, "optimizer": SGD}),
        ({"activation": "tanh", "bias": "none"}, {"noise": 0.2}),
        # a bias before batch norm has no gradient but rounding, which Adam scales up: none here
        ({"batch_norm": True, "bias": "none"}, {"loss": cross_entropy, "batch_size": 30}),
        ({"batch_norm": True, "activation": "sigmoid"}, {"noise": 0.2, "batch_size": 50, "optimizer": SGD}),
    ],
)
@pytest.mark.parametrize("validation", [None, VALIDATION], ids=["last epoch", "best epoch"])
def test_networks_trained_side_by_side_equal_those_trained_one_by_one(options, settings, validation):
    make, seeds = partial(network, **options), [3, 11, 4]
    together = fit_ensemble(make, seeds, TRAIN, validation, epochs=5, snapshots=[0, 3], device="cpu", **settings)
    for i, seed in enumerate(seeds):
        alone = seeded(make, seed)
        history = fit(alone, TRAIN, validation, epochs=5, seed=seed, snapshots=[0, 3], device="cpu", **settings)
        close(together.models[i].state_dict(), alone.state_dict())
        torch.testing.assert_close(together.history.loss[i], history.loss, rtol=1e-12, atol=0)
        assert torch.equal(together.history.validation_error[i], history.validation_error)
        assert together.history.best_epoch[i] == history.best_epoch
        for step in (0, 3):
            close(together.at(step)[i].state_dict(), history.snapshots[step])


def test_in_single_precision_the_first_steps_and_the_final_statistics_agree():
    def make():
        return MLP((25, 12, 9, 3))

    seeds, settings = [0, 1, 2], {"epochs": 40, "snapshots": [0, 1, 2, 3], "device": "cpu"}
    together = fit_ensemble(make, seeds, TRAIN, VALIDATION, **settings)
    for i, seed in enumerate(seeds):
        alone = seeded(make, seed)
        history = fit(alone, TRAIN, VALIDATION, seed=seed, **settings)
        for step, tolerance in [(0, 0), (1, 1e-6), (2, 1e-6), (3, 1e-6)]:
            close(together.at(step)[i].state_dict(), history.snapshots[step], tolerance)
        assert together.history.loss[i, -1].item() == pytest.approx(history.loss[-1].item(), rel=0.01)
        assert abs(together.history.validation_error[i].min() - history.validation_error.min()) <= 0.05


def test_a_network_does_not_depend_on_who_is_trained_beside_it():
    both = fit_ensemble(network, [1, 2], TRAIN, VALIDATION, epochs=3, device="cpu")
    other = fit_ensemble(network, [2, 9, 8], TRAIN, VALIDATION, epochs=3, device="cpu")
    close(both.models[1].state_dict(), other.models[0].state_dict())
    different = both.models[0].linear1.weight - both.models[1].linear1.weight
    assert different.abs().max() > 0.1


def test_the_kept_weights_are_those_of_the_epoch_with_the_smallest_validation_error():
    per_epoch = steps_per_epoch(TRAIN)
    ends = [per_epoch * epoch for epoch in range(1, 31)]
    settings = {"optimizer": partial(torch.optim.Adam, lr=0.03), "epochs": 30, "snapshots": ends, "device": "cpu"}
    trained = fit_ensemble(network, [0, 1, 2], TRAIN, VALIDATION, **settings)
    errors = trained.history.validation_error
    assert errors.shape == (3, 30)
    # the smallest error comes before the end, else nothing is tested
    assert (trained.history.best_epoch < 30).all() and len(set(trained.history.best_epoch.tolist())) > 1
    for i, model in enumerate(trained.models):
        best = trained.history.best_epoch[i].item()
        assert errors[i, best - 1] == errors[i].min() and (errors[i, : best - 1] > errors[i].min()).all()
        close(model.state_dict(), trained.at(ends[best - 1])[i].state_dict(), 0)
        assert error_rate(model, VALIDATION) == errors[i].min()
        for epoch, end in enumerate(ends):
            assert error_rate(trained.at(end)[i], VALIDATION) == errors[i, epoch]


def test_without_validation_the_last_epoch_is_kept():
    model = seeded(network, 0)
    history = fit(model, TRAIN, epochs=3, snapshots=[6], device="cpu")
    close(model.state_dict(), history.snapshots[6], 0)
    assert history.best_epoch == 3 and history.validation_error.shape == (0,) and history.loss.shape == (3,)


def test_snapshots_are_the_weights_a_callback_sees_after_the_same_steps():
    seen = {}

    def keep(step, model):
        seen[step] = copy.deepcopy(model.state_dict())

    model = seeded(partial(network, batch_norm=True), 0)
    start = copy.deepcopy(model.state_dict())
    history = fit(
        model, TRAIN, epochs=2, batch_size=40, snapshots=(step for step in [0, 5, 1]), callbacks=[keep], device="cpu"
    )
    assert list(seen) == list(range(9)) and steps_per_epoch(TRAIN, 40) == 4
    assert sorted(history.snapshots) == [0, 1, 5]
    for step, state in history.snapshots.items():
        close(state, seen[step], 0)
    close(history.snapshots[0], start, 0)
    assert not torch.equal(seen[0]["linear1.weight"], seen[1]["linear1.weight"])


def test_callbacks_of_an_ensemble_see_the_batched_networks():
    seen = {}
    trained = fit_ensemble(
        network,
        [0, 1],
        TRAIN,
        epochs=1,
        snapshots=[1],
        device="cpu",
        callbacks=[lambda step, networks: seen.update({step: networks.stacked_state()})],
    )
    assert list(seen) == [0, 1, 2] and seen[1]["linear1.weight"].shape == (2, 12, 25)
    close(seen[1], trained.history.snapshots[1], 0)
    with pytest.raises(KeyError):
        trained.at(0)


def test_losses_are_one_number_per_sample():
    random = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(6, 4, generator=random, dtype=torch.float64), torch.tensor([0, 1, 2, 3, 3, 0])
    for i, y in enumerate(labels.tolist()):
        z = logits[i].tolist()
        squared = sum((z[k] - (k == y)) ** 2 for k in range(4)) / 4
        surprise = -logits[i].softmax(0)[y].log().item()
        assert mse(logits, labels)[i].item() == pytest.approx(squared, rel=1e-12)
        assert cross_entropy(logits, labels)[i].item() == pytest.approx(surprise, rel=1e-12)


def test_error_rate_is_the_share_of_wrong_samples_at_any_batch_size():
    model = seeded(partial(network, batch_norm=True), 0)
    model.linear1.eval()
    with modes_kept(model):
        expected = (model.eval()(VALIDATION.images.double() / 255).argmax(1) != VALIDATION.labels).double().mean()
    for batch_size in (1, 7, 2000):
        assert error_rate(model, VALIDATION, batch_size) == pytest.approx(expected.item(), abs=1e-15)
    assert model.training and model.norm1.training and not model.linear1.training


@pytest.mark.parametrize("fails", [False, True])
def test_every_module_s_mode_is_as_before(fails):
    model = seeded(partial(network, batch_norm=True), 0).eval()
    model.norm2.train()
    before = [m.training for m in model.modules()]
    callbacks = [lambda step, model: 1 / (2 - step)] if fails else []
    with pytest.raises(ZeroDivisionError) if fails else modes_kept(model):
        fit(model, TRAIN, VALIDATION, epochs=2, callbacks=callbacks, device="cpu")
    assert [m.training for m in model.modules()] == before


def test_torch_s_random_state_is_not_touched():
    torch.manual_seed(123)
    before = torch.get_rng_state()
    model = seeded(network, 0)
    torch.set_rng_state(before)
    fit(model, TRAIN, VALIDATION, epochs=1, noise=0.1, device="cpu")
    fit_ensemble(network, [0, 1], TRAIN, VALIDATION, epochs=1, noise=0.1, device="cpu")
    assert torch.equal(torch.get_rng_state(), before)


def test_the_data_are_not_changed():
    images, labels = TRAIN.images.clone(), TRAIN.labels.clone()
    fit(seeded(network, 0), TRAIN, epochs=1, noise=0.5, device="cpu")
    assert torch.equal(TRAIN.images, images) and torch.equal(TRAIN.labels, labels)


def test_the_number_of_threads_does_not_matter():
    threads, states = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            model = seeded(lambda: MLP((25, 300, 300, 3)).double(), 0)
            fit(model, TRAIN, VALIDATION, epochs=2, device="cpu")
            states.append(model.state_dict())
    finally:
        torch.set_num_threads(threads)
    close(*states)


def test_training_learns():
    model = seeded(network, 0)
    before = error_rate(model, TRAIN)
    fit(model, TRAIN, epochs=40, optimizer=partial(torch.optim.Adam, lr=0.01), device="cpu")
    assert error_rate(model, TRAIN) < 0.5 * before


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"epochs": 0}, "epochs: expected a whole number from 1 up, got 0"),
        ({"epochs": 1, "batch_size": 0}, "batch_size: expected a whole number from 1 up, got 0"),
        (
            {"epochs": 5, "optimizer": partial(torch.optim.SGD, lr=1e200)},
            "loss: not finite in epoch 1 .*lower the learn",
        ),
        ({"epochs": 1, "loss": F.cross_entropy}, r"loss: expected one number per sample, shape \(128,\), got \(\)"),
        ({"epochs": 1, "loss": lambda z, y: z}, r"loss: expected one number per sample, .* got \(128, 3\)"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    model = seeded(partial(network, activation="tanh"), 0)
    with pytest.raises(ValueError, match=message):
        fit(model, TRAIN, device="cpu", **settings)
    with pytest.raises(ValueError, match=message):
        fit_ensemble(partial(network, activation="tanh"), [0], TRAIN, device="cpu", **settings)


@pytest.mark.parametrize("loss", [mse, cross_entropy])
def test_a_label_without_an_output_is_refused_before_any_step(loss):
    wrong = Split(TRAIN.images, TRAIN.labels + 1)
    for parts in [(wrong, None), (TRAIN, wrong)]:
        model = seeded(network, 0)
        start = copy.deepcopy(model.state_dict())
        with pytest.raises(ValueError, match="labels: expected class numbers below 3, the number of outputs, got 3"):
            fit(model, *parts, epochs=1, loss=loss, device="cpu")
        close(model.state_dict(), start, 0)


@pytest.fixture
def trainings(monkeypatch):
    """The number of runs that really trained."""
    calls = []

    def counted(*args, **kwargs):
        calls.append(args)
        return real(*args, **kwargs)

    real = training.train_network
    monkeypatch.setattr(training, "train_network", counted)
    return calls


def test_a_finished_run_is_read_back_and_not_trained_again(tmp_path, trainings):
    settings = {"epochs": 3, "snapshots": [0, 2], "store": tmp_path / "new" / "folder", "device": "cpu"}
    first = fit_ensemble(network, [0, 1], TRAIN, VALIDATION, **settings)
    second = fit_ensemble(network, [0, 1], TRAIN, VALIDATION, **settings)
    assert len(trainings) == 1 and len(list((tmp_path / "new" / "folder").iterdir())) == 1
    for ours, theirs in zip(first.models + first.at(2), second.models + second.at(2), strict=True):
        close(ours.state_dict(), theirs.state_dict(), 0)
        assert not theirs.training
    for name in ("loss", "validation_error", "best_epoch"):
        assert torch.equal(getattr(first.history, name), getattr(second.history, name))


def test_a_stored_run_is_the_run_without_a_store(tmp_path):
    stored = fit_ensemble(network, [0, 1], TRAIN, VALIDATION, epochs=2, store=tmp_path, device="cpu")
    direct = fit_ensemble(network, [0, 1], TRAIN, VALIDATION, epochs=2, device="cpu")
    for ours, theirs in zip(stored.models, direct.models, strict=True):
        close(ours.state_dict(), theirs.state_dict(), 0)


def test_what_does_not_change_the_outcome_finds_the_same_file(tmp_path, trainings):
    base = {"epochs": 2, "snapshots": [0, 1], "store": tmp_path, "device": "cpu"}
    for change in [
        {},
        {"snapshots": (1, 0)},
        {"snapshots": iter([0, 1])},
        {"progress": "again"},
        {"loss": mse},
        {"batch_size": 128},
        {"noise": 0.0},
    ]:
        trained = fit_ensemble(network, [0, 1], TRAIN, VALIDATION, **base | change)
        assert sorted(trained.history.snapshots) == [0, 1]
    assert len(trainings) == 1


def test_snapshots_may_come_from_an_iterator(tmp_path):
    trained = fit_ensemble(network, [0], TRAIN, epochs=1, snapshots=iter([0, 1]), store=tmp_path, device="cpu")
    assert sorted(trained.history.snapshots) == [0, 1]


def test_anything_that_changes_the_outcome_gives_another_file(tmp_path, trainings):
    brighter = Split(TRAIN.images.clone(), TRAIN.labels)
    brighter.images[-1, 0, -1, -1] += 1
    relabelled = Split(TRAIN.images, TRAIN.labels.clone())
    relabelled.labels[-1] = (relabelled.labels[-1] + 1) % 3

    def moved():
        model = network()
        with torch.no_grad():
            model.linear2.weight[-1, -1] += 1e-12
        return model

    base = {"make_model": network, "seeds": [0, 1], "train": TRAIN, "validation": VALIDATION, "epochs": 1}
    changes = [
        {},
        {"epochs": 2},
        {"seeds": [1, 0]},
        {"seeds": [0]},
        {"batch_size": 127},
        {"noise": 0.1},
        {"snapshots": [0]},
        {"loss": cross_entropy},
        {"optimizer": SGD},
        {"optimizer": partial(torch.optim.SGD, lr=0.2, momentum=0.9)},
        {"validation": None},
        {"validation": TRAIN},
        {"train": brighter},
        {"train": relabelled},
        {"make_model": moved},
        {"make_model": partial(network, activation="tanh")},
        {"make_model": partial(network, batch_norm=True)},
        {"train": TRAIN[:-1]},
        {"validation": VALIDATION[1:]},
    ]
    for number, change in enumerate(changes, start=1):
        fit_ensemble(**base | change, store=tmp_path, device="cpu")
        assert len(list(tmp_path.iterdir())) == number, change
    assert len(trainings) == len(changes)


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_no_file_is_left_when_storing_stops_half_way(tmp_path, monkeypatch, trainings, error):
    def half(kept, file):
        file.write(b"half")
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", half)
        with pytest.raises(error):
            fit_ensemble(network, [0], TRAIN, epochs=1, store=tmp_path, device="cpu")
    assert list(tmp_path.iterdir()) == []
    fit_ensemble(network, [0], TRAIN, epochs=1, store=tmp_path, device="cpu")
    assert len(trainings) == 2 and [path.suffix for path in tmp_path.iterdir()] == [".pt"]


def test_a_run_that_fails_stores_nothing(tmp_path):
    with pytest.raises(ValueError, match="not finite"):
        fit_ensemble(
            partial(network, activation="tanh"),
            [0],
            TRAIN,
            epochs=5,
            store=tmp_path,
            device="cpu",
            optimizer=partial(torch.optim.SGD, lr=1e200),
        )
    assert list(tmp_path.iterdir()) == []


class Scaled(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, logits, labels):
        return self.scale * mse(logits, labels)


def test_a_store_refuses_what_its_name_does_not_describe(tmp_path):
    def local(logits, labels):
        return 2 * mse(logits, labels)

    for setting in [
        {"loss": lambda z, y: mse(z, y)},
        {"loss": local},
        {"loss": Scaled(2)},
        {"optimizer": lambda p: torch.optim.SGD(p, lr=0.1)},
        {"loss": partial(local)},
    ]:
        with pytest.raises(ValueError, match="optimizer, loss: expected named functions or partial.* with store, got"):
            fit_ensemble(network, [0], TRAIN, epochs=1, store=tmp_path, device="cpu", **setting)
        fit_ensemble(network, [0], TRAIN, epochs=1, device="cpu", **setting)  # fine without a store
    with pytest.raises(ValueError, match="callbacks: expected state_dict.* together with store, .* print has them not"):
        fit_ensemble(network, [0], TRAIN, epochs=1, store=tmp_path, device="cpu", callbacks=[print])
    assert list(tmp_path.iterdir()) == []


def halving(step):
    return 0.5**step


class Norms:
    """A callback that keeps something: the norm of one layer's weights after every step."""

    def __init__(self, stop=None):
        self.seen, self.stop = [], stop

    def __call__(self, step, model):
        if step == self.stop:
            raise KeyboardInterrupt
        self.seen.append(model.linear1.weight.norm().item())

    def __repr__(self):
        return "Norms()"

    def state_dict(self):
        return {"seen": list(self.seen)}

    def load_state_dict(self, state):
        self.seen = list(state["seen"])


def dropping():
    torch.manual_seed(0)
    model = network()
    model.add_module("dropout", nn.Dropout(0.2))
    return model


@pytest.mark.parametrize(
    "settings, validation", [({"epochs": 4}, VALIDATION), ({"steps": 13, "schedule": halving, "noise": 0.1}, None)]
)
def test_an_interrupted_run_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch, trainings, settings, validation):
    monkeypatch.setattr(trainer, "SAVE_EVERY", 0.0)
    settings = settings | {"snapshots": [0, 5], "batch_size": 32, "optimizer": ADAM, "device": "cpu"}
    whole, straight = dropping(), Norms()
    history = fit(whole, TRAIN, validation, callbacks=[straight], **settings)
    with pytest.raises(KeyboardInterrupt):
        fit(dropping(), TRAIN, validation, callbacks=[Norms(stop=len(TRAIN) // 32 + 4)], store=tmp_path, **settings)
    assert [path.name.split(".", 1)[1] for path in tmp_path.iterdir()] == ["unfinished.pt"]
    resumed, watched = dropping(), Norms()
    again = fit(resumed, TRAIN, validation, callbacks=[watched], store=tmp_path, **settings)
    close(resumed.state_dict(), whole.state_dict(), 0)
    assert watched.seen == straight.seen and torch.equal(again.loss, history.loss)
    assert again.best_epoch == history.best_epoch and sorted(again.snapshots) == [0, 5]
    assert [path.name.count(".") for path in tmp_path.iterdir()] == [1]
    back, kept = dropping(), Norms()
    fit(back, TRAIN, validation, callbacks=[kept], store=tmp_path, **settings)
    assert len(trainings) == 3 and kept.seen == straight.seen
    close(back.state_dict(), whole.state_dict(), 0)


def test_the_time_of_training_is_reported_and_stored(tmp_path):
    for model in (network(), network()):
        torch.manual_seed(0)
        history = fit(model, TRAIN, epochs=2, store=tmp_path, device="cpu")
        assert 0 < history.seconds < 60


def part(epoch):
    return TRAIN[(epoch - 1) * 40 : epoch * 40]


def test_a_function_gives_every_epoch_its_own_samples(tmp_path):
    ours, theirs = network(), network()
    theirs.load_state_dict(ours.state_dict())
    plain = partial(torch.optim.SGD, lr=0.1)
    fit(ours, part, epochs=2, batch_size=40, optimizer=plain, device="cpu", store=tmp_path)
    for epoch in (1, 2):
        fit(theirs, part(epoch), epochs=1, batch_size=40, optimizer=plain, device="cpu")
    # the order within a batch differs, and so the order of the sums
    close(ours.state_dict(), theirs.state_dict(), 1e-10)


def test_several_labels_are_right_only_together_and_their_loss_is_the_mean_over_classes():
    labels = (torch.rand(len(TRAIN), 3, generator=torch.Generator().manual_seed(0)) < 0.4).float()
    split, model = Split(TRAIN.images, labels), network()
    first = error_rate(model, split)
    with torch.no_grad():
        logits = model(as_input(split.images, torch.float64))
    assert first == ((logits.sigmoid() > 0.5) != labels.bool()).any(1).double().mean()
    expected = nn.BCEWithLogitsLoss()(logits, labels.double())
    assert binary_cross_entropy(logits, labels).mean().item() == pytest.approx(expected.item(), abs=1e-12)
    history = fit(model, split, split, epochs=30, loss=binary_cross_entropy, device="cpu")
    assert error_rate(model, split) == history.validation_error.min() < first
    with pytest.raises(ValueError, match="labels: expected 3 columns, one per output, got 2"):
        fit(model, Split(TRAIN.images, labels[:, :2]), epochs=1, loss=binary_cross_entropy, device="cpu")


def test_networks_whose_layers_share_weights_are_not_trained_side_by_side():
    def tied():
        model = MLP((25, 9, 9, 9, 3))
        model.linear3.weight = model.linear2.weight
        return model

    with pytest.raises(ValueError, match="^make_model: expected layers with weights of their own, got shared ones"):
        fit_ensemble(tied, [0, 1], TRAIN, epochs=1, device="cpu")
    fit(tied(), TRAIN, epochs=1, device="cpu")


def test_a_network_learns_within_an_autocast():
    def loss():
        return fit(
            seeded(network, 0).float(), TRAIN, epochs=20, optimizer=partial(torch.optim.SGD, lr=0.1), device="cpu"
        ).loss

    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = loss()
    assert (rounded - (exact := loss())).abs().max() < 0.1 * (exact[0] - exact[-1])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_trains_the_networks_that_the_cpu_trains(tmp_path):
    cpu = fit_ensemble(network, [0, 1], TRAIN, VALIDATION, epochs=3, device="cpu")
    torch.manual_seed(5)
    state = torch.cuda.get_rng_state()
    gpu = fit_ensemble(network, [0, 1], TRAIN, VALIDATION, epochs=3, store=tmp_path)
    again = fit_ensemble(network, [0, 1], TRAIN, VALIDATION, epochs=3, store=tmp_path)
    assert torch.equal(torch.cuda.get_rng_state(), state)
    for ours, theirs, stored in zip(cpu.models, gpu.models, again.models, strict=True):
        assert next(theirs.parameters()).is_cuda and next(stored.parameters()).is_cuda
        close(ours.state_dict(), theirs.cpu().state_dict(), 1e-10)
        close(theirs.state_dict(), stored.cpu().state_dict(), 0)


def growing(step):
    return 1 + step


@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_so_many_steps_are_the_first_of_whole_epochs(steps):
    # 150 samples in batches of 64 are 3 steps an epoch
    settings = {"batch_size": 64, "optimizer": SGD, "device": "cpu"}
    whole, part = (seeded(network, 0) for _ in range(2))
    history = fit(whole, TRAIN, epochs=3, snapshots=[steps], **settings)
    short = fit(part, TRAIN, steps=steps, **settings)
    close(part.state_dict(), history.snapshots[steps], 0)
    full = steps // 3
    torch.testing.assert_close(short.loss[:full], history.loss[:full])
    assert len(short.loss) == -(-steps // 3) and short.best_epoch == -(-steps // 3)
    assert short.loss.isfinite().all()


def test_the_loss_of_a_part_of_an_epoch_is_the_mean_over_the_samples_seen():
    model = seeded(network, 0)
    order = torch.randperm(150, generator=torch.Generator().manual_seed(0))[:64]
    with torch.no_grad():
        expected = mse(model(TRAIN.images[order].double() / 255), TRAIN.labels[order]).mean()
    history = fit(model, TRAIN, steps=1, batch_size=64, device="cpu")
    torch.testing.assert_close(history.loss, expected[None])


def test_a_schedule_multiplies_the_learning_rate_step_by_step():
    ours, theirs = (seeded(network, 0) for _ in range(2))
    fit(ours, TRAIN, steps=5, batch_size=64, optimizer=partial(torch.optim.SGD, lr=0.1), schedule=halving, device="cpu")
    rates = iter(0.1 * 0.5**step for step in range(5))
    random = torch.Generator().manual_seed(0)
    for _ in range(2):
        for rows in torch.randperm(150, generator=random).split(64):
            if (rate := next(rates, None)) is None:
                break
            theirs.zero_grad()
            mse(theirs(TRAIN.images[rows].double() / 255), TRAIN.labels[rows]).mean().backward()
            with torch.no_grad():
                for parameter in theirs.parameters():
                    parameter -= rate * parameter.grad
    close(ours.state_dict(), theirs.state_dict())


def test_side_by_side_a_schedule_is_the_same_as_one_by_one():
    settings = {"steps": 4, "batch_size": 64, "optimizer": SGD, "schedule": growing, "device": "cpu"}
    for seed, member in enumerate(fit_ensemble(network, [0, 1], TRAIN, **settings).models):
        alone = seeded(network, seed)
        fit(alone, TRAIN, seed=seed, **settings)
        close(member.state_dict(), alone.state_dict())


@pytest.mark.parametrize(
    "settings, message",
    [
        ({}, "epochs, steps: expected one of the two, got None and None"),
        ({"epochs": 1, "steps": 1}, "epochs, steps: expected one of the two, got 1 and 1"),
        ({"steps": 0}, "steps: expected a whole number from 1 up, got 0"),
        ({"steps": 5, "batch_size": 0}, "batch_size: expected a whole number from 1 up, got 0"),
    ],
)
def test_a_bad_length_of_training_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        fit(seeded(network, 0), TRAIN, device="cpu", **settings)
    with pytest.raises(ValueError, match=message):
        fit_ensemble(network, [0], TRAIN, device="cpu", **settings)


def test_steps_and_schedule_count_in_the_store_and_a_nameless_schedule_is_refused(tmp_path, trainings):
    base = {"steps": 2, "store": tmp_path, "device": "cpu"}
    for change in [{}, {"steps": 3}, {"schedule": halving}, {"schedule": growing}]:
        for _ in range(2):
            fit_ensemble(network, [0], TRAIN, **base | change)
    assert len(trainings) == len(list(tmp_path.iterdir())) == 4
    with pytest.raises(ValueError, match="expected named functions"):
        fit_ensemble(network, [0], TRAIN, schedule=lambda step: 1.0, **base)


@pytest.mark.parametrize("steps, rise", [(1, 0.2), (2, 0.2), (10, 0.2), (10, 0.5), (97, 0.3), (1000, 0.0)])
def test_one_cycle_rises_in_a_line_and_falls_as_half_a_cosine(steps, rise):
    factors = torch.tensor([OneCycle(steps, rise)(step) for step in range(steps)], dtype=torch.float64)
    peak = rise * steps
    up, down = factors[: math.ceil(peak)], factors[math.ceil(peak) :]
    torch.testing.assert_close(up, torch.arange(1, len(up) + 1) / torch.tensor(peak + 1).double())
    angle = torch.pi * (torch.arange(len(up), steps).double() - peak) / (steps - peak)
    torch.testing.assert_close(down, (0.5 + 0.5 * angle.cos()))
    assert ((factors > 0) & (factors <= 1)).all()
    assert (up.diff() > 0).all() and (down.diff() < 0).all()


def test_one_cycle_peaks_at_one_and_ends_near_zero():
    schedule = OneCycle(1000, rise=0.3)
    assert schedule(300) == 1 and schedule(0) == pytest.approx(1 / 301)
    assert 0 < schedule(999) < 1e-5 and schedule(1000) == schedule(1500) == pytest.approx(0, abs=1e-15)


def test_one_cycle_sets_the_rate_of_every_step():
    rates, made = [], []

    def sgd(parameters):
        made.append(torch.optim.SGD(parameters, lr=0.1))
        return made[0]

    fit(
        network(),
        TRAIN,
        steps=6,
        batch_size=64,
        optimizer=sgd,
        schedule=OneCycle(6, rise=0.5),
        device="cpu",
        callbacks=[lambda step, model: rates.append(made[0].param_groups[0]["lr"])],
    )
    # a callback comes after the rate of the next step has been set
    assert rates == pytest.approx([0.1 * factor for factor in [1 / 4, 2 / 4, 3 / 4, 1, 0.75, 0.25, 0]])


def test_a_store_takes_one_cycle_and_another_number_of_steps_or_rise_is_another_file(tmp_path, trainings):
    base = {"steps": 2, "store": tmp_path, "device": "cpu"}
    for schedule in [OneCycle(2), OneCycle(3), OneCycle(2, rise=0.5), OneCycle(2, rise=0.2), OneCycle(steps=2)]:
        fit(seeded(network, 0), TRAIN, schedule=schedule, **base)
    assert len(trainings) == len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"steps": 5, "rise": 1.0}, {"steps": 5, "rise": -0.1}])
def test_a_cycle_without_steps_or_without_a_fall_is_refused(wrong):
    with pytest.raises(ValueError, match="^(steps: expected a whole number|rise: expected a share)"):
        OneCycle(**wrong)


def multi_hot(samples, value=1.0):
    return Split(TRAIN.images[:samples], torch.full((samples, 3), value))


NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"epochs": 2.5}, "epochs: expected a whole number from 1 up, got 2.5"),
        ({"epochs": INFINITE}, "epochs: expected a whole number from 1 up, got inf"),
        ({"epochs": NAN}, "epochs: expected a whole number from 1 up, got nan"),
        ({"epochs": True}, "epochs: expected a whole number from 1 up, got True"),
        ({"steps": 2.0}, "steps: expected a whole number from 1 up, got 2.0"),
        ({"epochs": 1, "batch_size": 7.5}, "batch_size: expected a whole number from 1 up, got 7.5"),
        ({"epochs": 1, "noise": NAN}, "noise: expected a number from 0 up, got nan"),
        ({"epochs": 1, "noise": -0.1}, "noise: expected a number from 0 up, got -0.1"),
        ({"epochs": 1, "noise": True}, "noise: expected a number from 0 up, got True"),
        ({"epochs": 1, "snapshots": [0.5]}, "snapshots: expected a whole number from 0 up, got 0.5"),
        ({"epochs": 1, "snapshots": [-1]}, "snapshots: expected a whole number from 0 up, got -1"),
        ({"epochs": 2, "snapshots": [4, 5]}, "snapshots: expected steps from 0 to 4, the last of the training, got 5"),
        ({"steps": 3, "snapshots": [4]}, "snapshots: expected steps from 0 to 3, the last of the training, got 4"),
    ],
)
def test_a_setting_that_means_nothing_is_refused_before_any_step(monkeypatch, settings, message):
    monkeypatch.setattr(trainer, "one_epoch", None)
    with pytest.raises(ValueError, match=f"^{message}"):
        fit(network(), TRAIN, device="cpu", **settings)
    with pytest.raises(ValueError, match=f"^{message}"):
        fit_ensemble(network, [0], TRAIN, device="cpu", **settings)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"batchsize": 5, "learning_rate": 99.0, "seed": 7}, "batchsize: did you mean batch_size?"),
        ({"learning_rate": 99.0}, "learning_rate: did you mean optimizer?"),
        ({"lr": 1}, "lr: did you mean optimizer?"),
        ({"callback": []}, "callback: did you mean callbacks?"),
        ({"zzz": 1}, "zzz: the settings of a training are ep"),
    ],
)
def test_a_misspelt_setting_is_refused_with_the_closest(settings, message):
    with pytest.raises(TypeError, match=message):
        fit_ensemble(network, [0], TRAIN, epochs=1, **settings)
    with pytest.raises(TypeError, match=message):
        fit(network(), TRAIN, epochs=1, **settings)


def test_settings_have_their_defaults_in_one_place():
    settings = Settings(epochs=3, snapshots=iter([2, 0, 2]))
    assert settings.snapshots == (0, 2) and settings.loss is mse and settings.optimizer is ADAM
    with pytest.raises(AttributeError):
        settings.epochs = 4


@pytest.mark.parametrize(
    "seeds, message",
    [
        ([], "seeds: expected at least one"),
        ([0.5], "seeds: expected a whole number, got 0.5"),
        ([True], "seeds: expected a whole number, got True"),
    ],
)
def test_seeds_are_whole_numbers(seeds, message):
    with pytest.raises(ValueError, match=message):
        fit_ensemble(network, seeds, TRAIN, epochs=1, device="cpu")


@pytest.mark.parametrize(
    "train, validation, loss, message",
    [
        (multi_hot(9), None, mse, "loss: mse, the default, .* take binary_cross_entropy for multi-hot labels"),
        (
            TRAIN,
            None,
            binary_cross_entropy,
            "loss: binary_cross_entropy expects multi-hot labels, .* take cross_entropy",
        ),
        (TRAIN, multi_hot(9), cross_entropy, "validation: expected class numbers, as of train, got multi-hot labels"),
        (multi_hot(9), TRAIN, binary_cross_entropy, "validation: expected multi-hot labels, as of train, got class"),
        (multi_hot(9, 5.0), None, binary_cross_entropy, "labels: expected multi-hot, zeros and ones, got other values"),
        (multi_hot(9, NAN), None, binary_cross_entropy, "labels: expected multi-hot, zeros and ones, got other values"),
        (
            multi_hot(9),
            multi_hot(9, 0.5),
            binary_cross_entropy,
            "labels: expected multi-hot, zeros and ones, got other",
        ),
    ],
)
def test_labels_that_the_loss_or_the_other_split_does_not_fit_are_refused(train, validation, loss, message):
    with pytest.raises(ValueError, match=message):
        fit(network(), train, validation, epochs=1, loss=loss, device="cpu")


@pytest.mark.parametrize("within", [torch.no_grad, torch.inference_mode])
def test_a_training_where_gradients_are_off_is_the_same_training(within):
    ours, theirs = (seeded(network, 0) for _ in range(2))
    fit(theirs, TRAIN, VALIDATION, epochs=2, device="cpu")
    with within():
        fit(ours, TRAIN, VALIDATION, epochs=2, device="cpu")
        trained = fit_ensemble(network, [0, 1], TRAIN, VALIDATION, epochs=2, device="cpu")
    close(ours.state_dict(), theirs.state_dict(), 0)
    close(trained.models[0].state_dict(), theirs.state_dict())


def test_a_last_batch_of_one_sample_under_batch_norm_names_the_batch_size():
    make = partial(network, batch_norm=True)
    message = "batch_size: batch normalisation needs at least two samples a batch, and 150 in batches of 149 leave one"
    with pytest.raises(ValueError, match=message):
        fit(make(), TRAIN, epochs=1, batch_size=149, device="cpu")
    with pytest.raises(ValueError, match=message):
        fit_ensemble(make, [0, 1], TRAIN, epochs=1, batch_size=149, device="cpu")


class Dropping(nn.Module):
    """Drops without a module for it."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(25, 3)

    def forward(self, x):
        return self.linear(F.dropout(x.flatten(1), 0.2, self.training))


@pytest.mark.parametrize("make", [dropping, Dropping])
def test_networks_with_chance_of_their_own_are_refused_side_by_side(make):
    with pytest.raises(ValueError, match="make_model: expected networks without dropout .* train each with fit"):
        fit_ensemble(make, [0, 1], TRAIN, epochs=1, device="cpu")
    fit(make(), TRAIN, epochs=1, device="cpu")


def test_dropout_of_nothing_is_no_chance():
    def make():
        return nn.Sequential(nn.Flatten(), nn.Linear(25, 3), nn.Dropout(0.0)).double()

    alone = seeded(make, 0)
    fit(alone, TRAIN, epochs=1, device="cpu")
    close(fit_ensemble(make, [0, 1], TRAIN, epochs=1, device="cpu").models[0].state_dict(), alone.state_dict())


@pytest.mark.parametrize(
    "device",
    ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))],
)
def test_snapshots_lie_on_the_cpu_fresh_and_read_back(tmp_path, device):
    for _ in range(2):
        trained = fit_ensemble(network, [0, 1], TRAIN, epochs=1, snapshots=[0, 1], store=tmp_path, device=device)
        alone = fit(seeded(network, 0), TRAIN, epochs=1, snapshots=[1], store=tmp_path, device=device)
        for state in (*trained.history.snapshots.values(), alone.snapshots[1]):
            assert {t.device.type for t in state.values()} == {"cpu"}
        assert all(p.is_cuda == (device == "cuda") for model in trained.at(1) for p in model.parameters())


def test_a_network_made_under_inference_mode_is_refused():
    with torch.inference_mode():
        model = MLP((4, 5, 3))
    with pytest.raises(ValueError, match="^model: made under torch.inference_mode, which keeps it from learning"):
        fit(model, Split(torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.arange(3)), epochs=1)
