"""The training step on the device: how many operators it starts, and that it trains what it is said to train."""

from functools import partial

import pytest
import torch
from pretend_device import counted
from torch import nn

from layerbook.training import _captured as captured
from layerbook.training._captured import Captured
from layerbook.training._ensemble import Stacked
from layerbook.training._loop import Run
from layerbook.training._trainer import train_network
from layerbook.training.fit import OneCycle, Store, cross_entropy, fit, fit_ensemble
from layerbook.training.settings import Settings
from layerlib import Split
from layerlib.models import MLP

random = torch.Generator().manual_seed(0)
TRAIN = Split(torch.randint(256, (60, 1, 5, 5), dtype=torch.uint8, generator=random), torch.arange(60) % 3)
BLACK = Split(torch.zeros(60, 1, 5, 5, dtype=torch.uint8), torch.arange(60) % 3)
INSIDE, OUTSIDE = 60, 12
INTO_THE_GRAPH = 2  # where a step is captured, samples and labels are copied to where the graph reads them


def deep():
    return MLP((25, *[8] * 9, 3))


def shallow():
    return MLP((25, 8, 3), bias="all").double()


@pytest.fixture
def steps(monkeypatch):
    """Batches that were trained on, and what was counted within each step: ``[(x, labels, counts), …]``."""
    seen = []
    step = Captured.step

    def counting(self, x, labels):
        with counted() as counts:
            each = step(self, x, labels)
        seen.append((x.clone(), labels.clone(), counts))
        return each

    monkeypatch.setattr(Captured, "step", counting)
    return seen


def launches(steps, settings):
    """Operators that compute something in one step, inside of it and outside; what an epoch takes is left out."""
    found = []
    for number in (4, 8):
        steps.clear()
        with counted() as counts:
            fit_ensemble(deep, [0, 1, 2], TRAIN, steps=number, batch_size=6, **settings)
        cloned = 2 * len(steps)  # by the fixture
        inside = sum(counts.launches for _, _, counts in steps)
        found.append((inside, counts.launches - inside - cloned, counts.syncs))
    (inside, outside, waits), (more, farther, longer) = found
    assert waits == longer
    return (more - inside) / 4, (farther - outside) / 4


def test_a_step_of_three_networks_of_ten_layers_starts_sixty_operators_and_twelve_around_it(steps):
    inside, outside = launches(steps, {"noise": 0.1, "schedule": OneCycle(8)})
    assert inside <= INSIDE and outside + INTO_THE_GRAPH <= OUTSIDE, f"{inside} inside, {outside} outside"
    plain, around = launches(steps, {})
    assert plain <= inside and around < outside


def test_steps_round_to_tf32_and_what_measures_beside_them_does_not(tmp_path):
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    seen = {"training": [], "measuring": []}

    class Looking(nn.Module):
        def forward(self, x):
            seen["training" if self.training else "measuring"].append(now())
            return x

    class Watching:
        def __call__(self, step, model):
            seen["measuring"].append(now())

        def __repr__(self):
            return "Watching()"

        state_dict, load_state_dict = dict, print

    def now():
        return products.fp32_precision, convolutions.fp32_precision

    before, store = now(), Store(tmp_path)
    products.fp32_precision = convolutions.fp32_precision = "ieee"
    try:
        watched = nn.Sequential(shallow(), Looking())
        fit(watched, TRAIN, TRAIN, epochs=1, batch_size=20, callbacks=[Watching()], store=store)
        assert now() == ("ieee", "ieee")
    finally:
        products.fp32_precision, convolutions.fp32_precision = before
    assert seen["training"] == [("tf32", "tf32")] * 3
    assert set(seen["measuring"]) == {("ieee", "ieee")} and len(seen["measuring"]) == 5
    [origin] = store.used.values()
    assert origin["precision"] == "matrix products and convolutions in TF32"


def noise_of(steps, run):
    steps.clear()
    run(loss=cross_entropy, epochs=2, batch_size=20, noise=0.1)
    return torch.stack([x for x, _, _ in steps], 1).cpu()  # (networks, steps, …)


def test_noise_is_drawn_on_the_device_for_each_seed_alone(steps):
    together = noise_of(steps, lambda **options: fit_ensemble(shallow, [3, 4], BLACK, **options))
    for seed, expected in zip([3, 4], together, strict=True):
        [alone] = noise_of(steps, lambda **options: fit(shallow(), BLACK, seed=seed, **options))  # noqa: B023
        assert torch.equal(alone, expected)
    assert together.mean().abs() < 0.01 and (together.std() - 0.1).abs() < 0.01
    drawn = together.flatten(0, 1).flatten(1)
    assert (torch.corrcoef(drawn) - torch.eye(len(drawn))).abs().max() < 0.25


def test_networks_side_by_side_are_those_that_are_trained_one_by_one():
    options = {"loss": cross_entropy, "epochs": 3, "batch_size": 16, "noise": 0.1, "schedule": OneCycle(12)}
    together = fit_ensemble(shallow, [0, 1], TRAIN, TRAIN, **options)
    for seed, theirs in zip([0, 1], together.models, strict=True):
        torch.manual_seed(seed)
        ours = shallow()
        fit(ours, TRAIN, TRAIN, seed=seed, **options)
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


def test_with_the_noise_of_the_cpu_it_trains_what_the_cpu_trains(monkeypatch):
    def of_the_cpu(self, x):
        drawn = [torch.randn(x.shape[1:], generator=g, dtype=x.dtype) for g in self.run.orders]
        return x.add_(torch.stack(drawn).to(x.device), alpha=self.run.settings.noise)

    monkeypatch.setattr(Captured, "with_noise", of_the_cpu)
    monkeypatch.setattr(Captured, "seed_noise", lambda self: None)
    options = {"loss": cross_entropy, "epochs": 3, "batch_size": 16, "noise": 0.1}
    expected = fit_ensemble(shallow, [0, 1], TRAIN, TRAIN, device="cpu", **options)
    found = fit_ensemble(shallow, [0, 1], TRAIN, TRAIN, **options)
    torch.testing.assert_close(found.history.loss, expected.history.loss, rtol=0, atol=1e-9)
    for ours, theirs in zip(expected.models, found.models, strict=True):
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(other.cpu(), one, rtol=0, atol=1e-9)


def test_every_sample_is_seen_once_an_epoch_and_the_last_batch_is_smaller(steps):
    fit_ensemble(shallow, [0, 1], TRAIN, epochs=2, batch_size=16)
    assert [x.shape[1] for x, _, _ in steps] == [16, 16, 16, 12] * 2
    pixels = TRAIN.images.double().flatten(1) / 255
    for epoch in (steps[:4], steps[4:]):
        seen = torch.cat([x for x, _, _ in epoch], 1).cpu().flatten(2)
        labels = torch.cat([y.view(2, -1) for _, y, _ in epoch], 1).cpu()
        for samples, classes in zip(seen, labels, strict=True):
            order = torch.cdist(samples, pixels).argmin(1)
            assert order.unique().numel() == 60 and torch.equal(samples, pixels[order])
            assert torch.equal(classes, TRAIN.labels[order])


def test_what_a_step_has_to_do_never_makes_the_host_wait(steps):
    fit_ensemble(deep, [0, 1], TRAIN, TRAIN, epochs=2, batch_size=16, schedule=OneCycle(8), noise=0.1)
    assert [counts.syncs for _, _, counts in steps[1:]] == [0] * 7  # the first sees whether there are outputs enough


class Reading(nn.Sequential):
    """Of the layers of an MLP, with a forward pass of its own."""

    def forward(self, x):
        return 2 * super().forward(x)


def hooked():
    model = shallow()
    model.linear1.register_forward_hook(lambda module, inputs, output: 2 * output)
    return model


def shared_activation():
    relu = nn.ReLU()
    return nn.Sequential(nn.Flatten(), nn.Linear(25, 8), relu, nn.Linear(8, 6, bias=False), relu, nn.Linear(6, 3))


def tied():
    model = nn.Sequential(nn.Flatten(), nn.Linear(25, 8), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 8), nn.Linear(8, 3))
    model[4].weight = model[2].weight
    return model


NETWORKS = {
    "plain": (shallow, True),
    "tanh, no bias": (lambda: MLP((25, 8, 8, 3), "tanh", bias="none"), True),
    "sigmoid": (lambda: MLP((25, 8, 3), "sigmoid"), True),
    "one activation for all": (shared_activation, True),
    "tied": (tied, False),
    "hooked": (hooked, False),
    "another forward": (lambda: Reading(nn.Flatten(), nn.Linear(25, 3)), False),
    "batch norm": (lambda: MLP((25, 8, 3), batch_norm=True), False),
    "not flattened": (lambda: nn.Sequential(nn.Linear(5, 3), nn.Flatten()), False),
    "convolution": (lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(18, 3)), False),
}


IN_A_ROW = {name: make for name, (make, in_a_row) in NETWORKS.items() if in_a_row}


@pytest.mark.parametrize(("make", "in_a_row"), NETWORKS.values(), ids=NETWORKS)
def test_every_network_but_layers_in_a_row_is_left_to_vmap(make, in_a_row):
    network = Stacked([make().cuda() for _ in range(3)])
    assert (captured.side_by_side(network) is network) != in_a_row


@pytest.mark.parametrize("make", IN_A_ROW.values(), ids=IN_A_ROW)
def test_layers_in_a_row_give_what_vmap_gives(make):
    torch.manual_seed(0)
    network = Stacked([make().double().cuda() for _ in range(3)])
    forward = captured.side_by_side(network)
    x = torch.randn(3, 7, 1, 5, 5, dtype=torch.float64).cuda().requires_grad_()
    found, expected = forward(x), network(x)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        torch.autograd.grad(found.square().sum(), (x, *network.parameters)),
        torch.autograd.grad(expected.square().sum(), (x, *network.parameters)),
    )


def test_the_rate_of_the_optimizer_stays_a_number_that_can_be_saved():
    network = Stacked([shallow().cuda()])
    run = Run(network, [0], Settings(epochs=1, schedule=OneCycle(4)), network.parameters[0].device)
    steps = Captured(run, cross_entropy)
    steps.epoch(TRAIN.to("cuda"), None)
    [group] = run.update.param_groups
    assert isinstance(group["lr"], float) and group["lr"] == run.rate.get_last_lr()[0]


def test_what_trains_on_the_device_is_told_by_the_name_there_and_only_there(monkeypatch):
    from layerbook.training import _key

    def names():
        torch.manual_seed(0)
        model = shallow()
        given = [0], TRAIN, None, Settings(epochs=1)
        return _key.fingerprint([model], *given), _key.fingerprint([model.cuda()], *given)

    cpu, device = names()
    monkeypatch.setattr(Captured, "with_noise", lambda self, x: x)
    other_cpu, other_device = names()
    assert cpu == other_cpu and len({cpu, device, other_device}) == 3


OPTIMIZERS = {
    "Adam": (torch.optim.Adam, True, True),
    "AdamW": (torch.optim.AdamW, True, True),
    "SGD": (partial(torch.optim.SGD, momentum=0.9), True, False),
    "RMSprop": (torch.optim.RMSprop, False, False),
    "Adagrad": (torch.optim.Adagrad, False, False),
    "a reader's own": (type("Own", (torch.optim.Adam,), {}), False, False),
}


@pytest.mark.parametrize(("optimizer", "whole", "with_rate"), OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_an_update_is_part_of_a_graph_only_where_all_of_it_is_on_the_device_and_never_waits(
    optimizer, whole, with_rate
):
    network, train = Stacked([shallow().cuda()]), TRAIN.to("cuda")
    for schedule, expected in [(None, whole), (OneCycle(8), with_rate)]:
        settings = Settings(epochs=1, batch_size=16, schedule=schedule, optimizer=partial(optimizer, lr=0.01))
        steps = Captured(Run(network, [0], settings, network.parameters[0].device), cross_entropy)
        assert steps.whole == expected
        steps.epoch(train, None)
        with counted() as counts:
            steps.epoch(train, None)
        assert counts.syncs == 0, str(counts)


def test_gradients_of_the_last_step_are_given_back_at_the_end():
    network = shallow()
    fit(network, TRAIN, epochs=1)
    assert all(p.grad is None for p in network.parameters())


def test_the_trainer_takes_these_steps_on_the_device_alone(monkeypatch):
    taken = []
    epoch = Captured.epoch
    monkeypatch.setattr(Captured, "epoch", lambda self, *given: taken.append(1) or epoch(self, *given))
    assert train_network.__globals__["Captured"] is Captured
    fit(shallow(), TRAIN, epochs=2, device="cpu")
    assert not taken
    fit(shallow(), TRAIN, epochs=2)
    assert len(taken) == 2
