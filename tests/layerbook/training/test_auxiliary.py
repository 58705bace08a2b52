"""A network watched while it trains, and an internal classifier beside it: against plain passes and gradients."""

import copy
import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from layerbook.training import _trainer as trainer
from layerbook.training.auxiliary import OutputWatch, WithClassifier, joint_cross_entropy, joint_squared_error
from layerbook.training.fit import Settled, binary_cross_entropy, fit
from layerlib.data.splits import Split
from layerlib.distributions.probes import LayerProbes
from layerlib.models import build, taps

CLASSES = 3
SGD = partial(torch.optim.SGD, lr=0.05, momentum=0.9)


def pictures(samples, seed=0):
    random = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (samples, 1, 8, 8), dtype=torch.uint8, generator=random)
    return Split(images, (torch.rand(samples, CLASSES, generator=random) < 0.4).float())


TRAIN, WATCHED = pictures(40), pictures(15, seed=1)


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 5, 3),
        nn.ReLU(inplace=True),
        nn.Dropout(0.3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, CLASSES),
    ).double()


def with_classifier(auxiliary, name="2"):
    model = network()
    torch.manual_seed(1)
    return WithClassifier(model, name, CLASSES, TRAIN.images[:1], auxiliary)


def pixels(images):
    return images.double() / 255


def same(ours, reference, tolerance=1e-12):
    torch.testing.assert_close(ours, reference, rtol=tolerance, atol=tolerance)


def test_a_watch_sees_what_the_network_answers_in_evaluation_mode():
    model, watch = network(), OutputWatch(WATCHED.images, every=3, batch_size=4)
    history = fit(
        model,
        TRAIN,
        steps=8,
        batch_size=10,
        loss=binary_cross_entropy,
        optimizer=SGD,
        snapshots=[0, 3, 6],
        callbacks=[watch],
        device="cpu",
    )
    assert watch.steps == [0, 3, 6] and len(watch.logits) == 3
    for step, logits in zip(watch.steps, watch.logits, strict=True):
        then = network().eval()
        then.load_state_dict(history.snapshots[step])
        same(logits, then(pixels(WATCHED.images)).detach())
        assert not logits.requires_grad


def test_watching_does_not_disturb_the_training():
    watched, alone = network(), network()
    settings = {"epochs": 2, "batch_size": 10, "loss": binary_cross_entropy, "optimizer": SGD, "device": "cpu"}
    fit(watched, TRAIN, callbacks=[OutputWatch(WATCHED.images, every=1)], **settings)
    fit(alone, TRAIN, **settings)
    for ours, theirs in zip(watched.state_dict().values(), alone.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


def test_modes_are_kept_also_when_the_network_fails():
    model = network().train()
    model[1].eval()
    before = [module.training for module in model.modules()]
    OutputWatch(WATCHED.images, every=1)(0, model)
    with pytest.raises(RuntimeError):
        OutputWatch(WATCHED.images[:, :, :2, :2], every=1)(0, model)
    assert [module.training for module in model.modules()] == before


def test_watches_are_told_apart_by_what_they_watch():
    names = {repr(OutputWatch(images, every)) for images in (WATCHED.images, TRAIN.images) for every in (1, 2)}
    assert len(names) == 4
    assert repr(OutputWatch(WATCHED.images.clone(), 1, batch_size=3)) == repr(OutputWatch(WATCHED.images, 1))


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(every=0), "every: expected a whole number from 1 up, got 0"),
        (dict(images=WATCHED.images / 255), "images: expected uint8 pixels, 0 to 255, got torch.float32"),
    ],
)
def test_a_bad_watch_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        OutputWatch(**{"images": WATCHED.images, "every": 1} | options)


class Stop:
    """Callback that ends a run, as someone at the keyboard would."""

    def __init__(self, at=None):
        self.at = at

    def __call__(self, step, model):
        if step == self.at:
            raise KeyboardInterrupt

    def __repr__(self):
        return "Stop()"

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


@pytest.mark.parametrize("auxiliary", [False, True])
def test_a_stored_run_keeps_what_was_seen_also_after_an_interruption(tmp_path, monkeypatch, auxiliary):
    monkeypatch.setattr(trainer, "SAVE_EVERY", 0.0)
    settings = {"epochs": 3, "batch_size": 10, "loss": joint_cross_entropy, "optimizer": SGD, "device": "cpu"}

    def run(store, stop=None):
        model, watch = with_classifier(auxiliary), OutputWatch(WATCHED.images, every=2)
        fit(model, TRAIN, callbacks=[watch, Stop(stop)], store=store, **settings)
        return model, watch

    whole, straight = run(None)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stop=7)
    assert [path.name.split(".", 1)[1] for path in tmp_path.iterdir()] == ["unfinished.pt"]
    for model, watch in (run(tmp_path), run(tmp_path)):  # goes on; is read back
        assert watch.steps == straight.steps == [0, 2, 4, 6, 8, 10, 12]
        for ours, theirs in zip(watch.logits, straight.logits, strict=True):
            assert torch.equal(ours, theirs) and ours.shape == (15, 2, CLASSES)
        for ours, theirs in zip(model.state_dict().values(), whole.state_dict().values(), strict=True):
            assert torch.equal(ours, theirs)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_store_tells_where_the_classifier_reads_and_whether_it_trains_the_network(tmp_path):
    settings = {"epochs": 1, "loss": joint_cross_entropy, "optimizer": SGD, "store": tmp_path, "device": "cpu"}
    # layers 1 and 2 have the same features, so that only the names can tell them apart
    models = [with_classifier(auxiliary, name) for auxiliary in (False, True) for name in ("1", "2")]
    for number, model in enumerate(models, start=1):
        fit(model, TRAIN, **settings)
        assert len(list(tmp_path.iterdir())) == number
    first = [model.model[0].weight for model in models]
    assert torch.equal(first[0], first[1]) and not torch.equal(first[1], first[2])
    assert not torch.equal(first[2], first[3])


@pytest.mark.parametrize("name", ["0", "2", "7"])
@pytest.mark.parametrize("training", [False, True])
def test_logits_are_those_of_the_classifier_and_of_the_network(name, training):
    both = with_classifier(True, name).train(training)
    alone = copy.deepcopy(both.model)
    x = pixels(WATCHED.images)
    torch.manual_seed(5)
    found = both(x)
    torch.manual_seed(5)
    read = alone[: int(name) + 1](x)
    expected = F.linear(
        read.flatten(2).mean(2) if read.ndim == 4 else read, both.classifier.weight, both.classifier.bias
    )
    torch.manual_seed(5)
    same(found, torch.stack([expected, copy.deepcopy(both.model)(x)], 1))


def gradients(loss, model):
    model.zero_grad()
    loss.backward()
    return [parameter.grad.clone() for parameter in model.parameters()]


def test_without_auxiliary_the_network_learns_as_if_alone_and_with_it_the_two_gradients_add():
    x, labels = pixels(TRAIN.images), TRAIN.labels
    beside, joined = with_classifier(False).eval(), with_classifier(True).eval()
    network_alone = network().eval()
    alone = gradients(binary_cross_entropy(network_alone(x), labels).mean(), network_alone)
    head = gradients(F.binary_cross_entropy_with_logits(joined(x)[:, 0], labels.double()), joined.classifier)
    joined.zero_grad()
    F.binary_cross_entropy_with_logits(joined(x)[:, 0], labels.double()).backward()
    auxiliary = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in joined.model.parameters()]
    assert auxiliary[0].abs().max() > 1e-6
    found = gradients(joint_cross_entropy(beside(x), labels).mean(), beside)
    same(found, [*alone, *head])
    reaching = gradients(F.binary_cross_entropy_with_logits(beside(x)[:, 0], labels.double()), beside)
    assert all((gradient == 0).all() for gradient in reaching[:-2])
    both = gradients(joint_cross_entropy(joined(x), labels).mean(), joined)
    same(both[:-2], [a + b for a, b in zip(alone, auxiliary, strict=True)])
    same(both[-2:], head)


def test_a_whole_training_without_auxiliary_leaves_the_network_that_trains_alone():
    settings = {"epochs": 3, "batch_size": 10, "optimizer": SGD, "device": "cpu"}
    alone, trained = network(), [with_classifier(auxiliary) for auxiliary in (False, True)]
    fit(alone, TRAIN, loss=binary_cross_entropy, **settings)
    for both in trained:
        before = both.classifier.weight.clone()
        fit(both, TRAIN, loss=joint_cross_entropy, **settings)
        assert not torch.equal(both.classifier.weight, before)
    for name, expected in alone.state_dict().items():
        same(trained[0].model.state_dict()[name], expected)
    assert not torch.equal(trained[1].model[0].weight, alone[0].weight)


def test_making_it_does_not_change_the_network_nor_leave_hooks_behind():
    model = network().train()
    before = copy.deepcopy(model.state_dict())
    both = WithClassifier(model, "2", CLASSES, TRAIN.images, True)
    for ours, theirs in zip(model.state_dict().values(), before.values(), strict=True):
        assert torch.equal(ours, theirs)
    both(pixels(TRAIN.images))
    assert model.training and both.classifier.weight.dtype == torch.float64
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in model.modules())
    assert model[2].inplace and model[4].inplace


def test_probes_read_the_network_within():
    both = with_classifier(True)
    fit(both, TRAIN, epochs=1, loss=joint_cross_entropy, device="cpu")
    probes, alone = LayerProbes(both, ["model.2"], CLASSES), LayerProbes(both.model, ["2"], CLASSES)
    assert torch.equal(probes.train(TRAIN, epochs=2), alone.train(TRAIN, epochs=2))


def test_the_networks_of_the_chapter_can_be_watched_with_a_classifier():
    torch.manual_seed(0)
    random = torch.Generator().manual_seed(0)
    images = torch.randint(256, (8, 1, 32, 32), dtype=torch.uint8, generator=random)
    for name in ("resnet18", "vgg16"):
        model = build(name, CLASSES, width=0.05, channels=1)
        both = WithClassifier(model, taps(model)[1], CLASSES, images, auxiliary=True)
        fit(both, Split(images, torch.ones(8, CLASSES)), epochs=1, loss=joint_cross_entropy, device="cpu")
        assert both(images / 255).shape == (8, 2, CLASSES)


def test_joint_loss_is_the_sum_of_two_means():
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 2, CLASSES, generator=random, dtype=torch.float64)
    labels = TRAIN.labels[:6]
    expected = sum(nn.BCEWithLogitsLoss(reduction="none")(logits[:, i], labels.double()).mean(1) for i in (0, 1))
    same(joint_cross_entropy(logits, labels), expected)
    for wrong in (labels[:, :2], labels[:5], torch.zeros(6, dtype=torch.int64)):
        with pytest.raises(ValueError, match=r"labels: expected multi-hot \(6, 3\), got "):
            joint_cross_entropy(logits, wrong)


def literal_equation_6(logits, labels):
    """Sample by sample: the squared length of f(x) - f'(x), and the network's mean cross-entropy beside it."""
    losses = []
    for row, truth in zip(logits.tolist(), labels.tolist(), strict=True):
        f, own, teacher = ([1 / (1 + math.exp(-z)) for z in each] for each in (row[0], row[1], row[-1]))
        copied = sum((a - b) ** 2 for a, b in zip(f, teacher, strict=True))
        entropy = [-math.log(p if y else 1 - p) for p, y in zip(own, truth, strict=True)]
        losses.append(copied + sum(entropy) / len(entropy))
    return torch.tensor(losses, dtype=torch.float64)


@pytest.mark.parametrize("answers", [2, 3])
def test_the_auxiliary_loss_of_the_paper_is_its_equation_6_read_aloud(answers):
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(6, answers, CLASSES, generator=random, dtype=torch.float64).requires_grad_()
    labels = TRAIN.labels[:6]
    found = joint_squared_error(logits, labels)
    same(found, literal_equation_6(logits, labels))
    found.sum().backward()
    student, own = (logits[:, i].detach().sigmoid() for i in (0, 1))
    teacher = logits[:, -1].detach().sigmoid()
    same(logits.grad[:, 0], 2 * (student - teacher) * student * (1 - student))
    same(logits.grad[:, 1], (own - labels) / CLASSES)  # a teacher learns nothing from its student
    assert answers == 2 or (logits.grad[:, 2] == 0).all()


def test_a_teacher_runs_along_frozen_and_in_evaluation_mode():
    torch.manual_seed(3)
    teacher = network().train()
    torch.manual_seed(1)
    both = WithClassifier(network(), "2", CLASSES, TRAIN.images[:1], True, teacher=teacher)
    x = pixels(WATCHED.images)
    expected = copy.deepcopy(teacher).eval()(x)
    assert both.train()(x).shape == (15, 3, CLASSES)
    same(both(x)[:, 2], expected)
    fit(both, TRAIN, epochs=2, batch_size=10, loss=joint_squared_error, optimizer=SGD, device="cpu")
    same(both.train()(x)[:, 2], expected)
    assert teacher.training and all(p.requires_grad for p in teacher.parameters())
    assert not torch.equal(both.model[0].weight, network()[0].weight)


def test_the_classifier_comes_near_a_teacher_that_it_copies():
    torch.manual_seed(3)
    both = WithClassifier(network(), "2", CLASSES, TRAIN.images[:1], True, teacher=network())
    distances = []
    for epochs in (0, 30):
        if epochs:
            fit(both, TRAIN, epochs=epochs, loss=joint_squared_error, optimizer=SGD, device="cpu")
        student, _, teacher = both.eval()(pixels(TRAIN.images)).sigmoid().unbind(1)
        distances.append((student - teacher).square().sum(1).mean().item())
    assert distances[1] < distances[0] / 2


def test_the_classifier_may_read_a_grid_of_places():
    torch.manual_seed(1)
    both = WithClassifier(network(), "2", CLASSES, TRAIN.images[:1], True, pool=4)
    assert both.classifier.in_features == 4 * 16
    x = pixels(WATCHED.images)
    same(both.eval()(x)[:, 0], both.classifier(F.adaptive_avg_pool2d(both.model[:3](x), 4).flatten(1)))


@pytest.mark.parametrize("loss", [joint_cross_entropy, joint_squared_error])
def test_such_a_training_may_end_when_its_validation_loss_has_settled(loss):
    both = with_classifier(True)
    history = fit(both, TRAIN, WATCHED, epochs=60, loss=loss, optimizer=SGD, until=Settled(patience=3), device="cpu")
    assert history.reached and 3 < history.best_epoch < 60
    again = with_classifier(True)
    fit(again, TRAIN, epochs=int(history.best_epoch), loss=loss, optimizer=SGD, device="cpu")
    logits = again.eval()(pixels(WATCHED.images))
    assert history.measured[history.best_epoch - 1].item() == pytest.approx(loss(logits, WATCHED.labels).mean().item())


def test_losses_refuse_other_logits():
    for loss in (joint_cross_entropy, joint_squared_error):
        for logits in (torch.zeros(6, 3), torch.zeros(6, 1, 3), torch.zeros(6, 4, 3)):
            with pytest.raises(ValueError, match=r"logits: expected shape \(N, 2, K\), or \(N, 3, K\) with a teacher"):
                loss(logits, torch.zeros(6, 3))
        with pytest.raises(ValueError, match=r"labels: expected multi-hot \(6, 3\), got \(6,\)"):
            loss(torch.zeros(6, 2, 3), torch.zeros(6))


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(pool=0), "pool: expected a whole number from 1 up, got 0"),
        (
            dict(teacher=nn.Sequential(nn.Flatten(), nn.Linear(64, 4))),
            r"classes: expected \(4,\), what the teacher puts",
        ),
        (dict(name="layer9"), "names: Sequential has no layer 'layer9'"),
        (dict(classes=4), r"classes: expected \(3,\), what the network puts out, got 4"),
        (dict(example=TRAIN.images / 255), "images: expected uint8 pixels, 0 to 255, or torch.float64 like the model"),
    ],
)
def test_a_bad_classifier_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        WithClassifier(
            **{"model": network(), "name": "2", "classes": CLASSES, "example": TRAIN.images, "auxiliary": True}
            | options
        )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_watches_what_the_cpu_watches(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "SAVE_EVERY", 0.0)
    settings = {"epochs": 2, "batch_size": 10, "loss": joint_cross_entropy, "optimizer": SGD}

    def run(device, stop=None, **store):
        model = network()
        model[5].p = 0.0  # dropout draws other numbers on another device
        torch.manual_seed(1)
        both = WithClassifier(model.to(device), "2", CLASSES, TRAIN.images[:1], True)
        both.classifier.load_state_dict(start)
        watch = OutputWatch(WATCHED.images, every=2)
        fit(both, TRAIN, callbacks=[watch, Stop(stop)], device=device, **settings, **store)
        return watch

    start = copy.deepcopy(with_classifier(True).classifier.state_dict())
    expected = run("cpu")
    with pytest.raises(KeyboardInterrupt):
        run("cuda", stop=6, store=tmp_path)
    found = run("cuda", store=tmp_path)
    assert found.steps == expected.steps and not any(logits.is_cuda for logits in found.logits)
    same(found.logits, expected.logits, 1e-9)
