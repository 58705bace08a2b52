"""Probes against linear layers of torch, trained one after the other with its own optimizer and losses."""

import copy
import tempfile
from collections import namedtuple
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional as F
from torchvision.models import swin_t

from layerlib import _room
from layerlib.data.load import Split
from layerlib.distributions import linear
from layerlib.distributions._descent import Descent
from layerlib.distributions._features import Features, pooled_features
from layerlib.distributions.linear import squared_error
from layerlib.distributions.probes import LayerProbes
from layerlib.inspection.inspect import inspect
from layerlib.layers._channels import widths_of
from layerlib.layers.capture import capture
from layerlib.models import MLP, build, taps

CLASSES = 3
NAMES = ["stem", "narrow", "wide", "head"]
CPU = torch.device("cpu")


class Network(nn.Module):
    """Taps of 4, 2 and 7 channels, and everything that a careless reading would disturb."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.narrow = nn.Conv2d(4, 2, 3)
        self.relu = nn.ReLU(inplace=True)
        self.wide = nn.Conv2d(2, 7, 3)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(7, CLASSES)

    def forward(self, x):
        x = self.wide(self.relu(self.narrow(self.stem(x))))
        return self.head(self.dropout(x.mean((2, 3))))


def pictures(samples, seed=0, side=12):
    random = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (samples, 1, side, side), dtype=torch.uint8, generator=random)
    return Split(images, (torch.rand(samples, CLASSES, generator=random) < 0.4).float())


def network(seed=0):
    torch.manual_seed(seed)
    model = Network().double()
    model.stem[1].running_mean.uniform_(-0.5, 0.5)
    return model


def prepared(pool=1, names=NAMES, samples=50, classes=CLASSES):
    model = network()
    return model, pictures(samples), LayerProbes(model, names, classes, pool)


def same(ours, reference, tolerance=1e-10):
    torch.testing.assert_close(ours, reference, rtol=tolerance, atol=tolerance)


def plain_features(model, names, images, pool):
    """Hooks, evaluation mode, and one layer after the other; the network's output beside it."""
    seen = {}
    layers = dict(model.named_modules())
    handles = [layers[n].register_forward_hook(lambda m, i, out, n=n: seen.update({n: out.clone()})) for n in names]
    model = model.eval()
    with torch.no_grad():
        output = model(images.to(next(model.parameters()).dtype) / 255)
    for handle in handles:
        handle.remove()
    return [nn.AdaptiveAvgPool2d(pool)(seen[n]).flatten(1) if seen[n].ndim == 4 else seen[n] for n in names], output


Settings = namedtuple("Settings", "epochs batch_size seed", defaults=(10, 16, 3))


def plain_probe(features, targets, weight, bias, loss, settings, rate=0.01):
    """One ``nn.Linear`` with torch's own losses, optimizer and schedule; the losses of its epochs."""
    probe = nn.Linear(*weight.shape[::-1]).to(weight)
    probe.load_state_dict({"weight": weight, "bias": bias})
    update = torch.optim.SGD(probe.parameters(), lr=rate, momentum=0.9, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.MultiStepLR(update, [settings.epochs * 2 // 5, settings.epochs * 4 // 5])
    order, losses = torch.Generator().manual_seed(settings.seed), []
    for _ in range(settings.epochs):
        total = 0.0
        for rows in torch.randperm(len(features), generator=order).split(settings.batch_size):
            update.zero_grad()
            value = loss(probe(features[rows]), targets[rows])
            value.backward()
            update.step()
            total += value.item() * len(rows)
        losses.append(total / len(features))
        schedule.step()
    return probe, torch.tensor(losses, dtype=torch.float64)


class Start:
    """Callback: the first weights, as ``nn.Linear`` holds them."""

    def __call__(self, epoch, fitted):
        if epoch == 0:
            self.weight, self.bias = fitted.weight.clone(), fitted.bias.clone()


def compare_with_plain_probes(model, names, split, pool, settings, inner):
    ours, start = LayerProbes(model, names, split.labels.shape[1], pool), Start()
    losses = ours.train(split, **settings._asdict(), rate=0.5, callbacks=[start])
    features, output = plain_features(model, names, split.images, pool)
    probabilities = ours.predict(split.images)
    assert probabilities.shape == (len(names), len(split), split.labels.shape[1])
    assert losses.shape == (settings.epochs, inner) and len({f.shape[1] for f in features}) > 1
    for i in range(inner):
        count = features[i].shape[1]
        probe, expected = plain_probe(
            features[i],
            split.labels.double(),
            start.weight[i, :, :count],
            start.bias[i],
            nn.BCEWithLogitsLoss(),
            settings,
            rate=0.5,
        )
        same(probabilities[i], probe(features[i]).sigmoid().detach())
        same(losses[:, i], expected)
        same(ours.weight[i, :, :count], probe.weight.detach())
        assert (ours.weight[i, :, count:] == 0).all()
    for own in probabilities[inner:]:
        same(own, output.sigmoid())


@pytest.mark.parametrize("pool", [1, 4])
def test_the_probes_of_a_resnet_equal_linear_layers_trained_one_by_one(pool):
    torch.manual_seed(0)
    model = build("resnet18", 5, width=0.05, channels=1).double()
    random = torch.Generator().manual_seed(0)
    images = torch.randint(256, (48, 1, 64, 64), dtype=torch.uint8, generator=random)
    split = Split(images, (torch.rand(48, 5, generator=random) < 0.4).float())
    compare_with_plain_probes(model, taps(model), split, pool, Settings(epochs=10), inner=9)


@pytest.mark.parametrize("names, inner", [(["narrow", "wide"], 2), (["wide", "narrow", "head"], 2)])
def test_any_choice_of_layers_equals_linear_layers_trained_one_by_one(names, inner):
    compare_with_plain_probes(network(), names, pictures(30), 2, Settings(epochs=5, batch_size=7), inner)


@settings(max_examples=15)
@given(
    epochs=st.sampled_from([5, 10]), batch_size=st.integers(1, 60), pool=st.integers(1, 5), seed=st.integers(0, 10**6)
)
def test_a_probe_equals_a_linear_layer_at_any_size(epochs, batch_size, pool, seed):
    model, split, ours = prepared(pool, ["narrow"], samples=20)
    start, expected = Start(), plain_features(model, ["narrow"], split.images, pool)[0][0]
    ours.train(split, epochs=epochs, batch_size=batch_size, seed=seed, callbacks=[start])
    probe, _ = plain_probe(
        expected,
        split.labels.double(),
        start.weight[0],
        start.bias[0],
        nn.BCEWithLogitsLoss(),
        Settings(epochs, batch_size, seed),
    )
    same(ours.weight[0], probe.weight.detach())
    same(ours.predict(split.images)[0], probe(expected).sigmoid().detach())


@pytest.mark.parametrize("epochs", [*range(1, 12), 35, 45, 55, 100])
def test_the_rate_falls_after_two_and_after_four_fifths_of_the_epochs(monkeypatch, epochs):
    rates = []
    monkeypatch.setattr(Descent, "step", lambda descent, slopes, rate: rates.append(rate))
    ready = Features(torch.rand(1, 2, 2), None, torch.ones(2, CLASSES), (2,), CPU)
    LayerProbes(network().float(), ["narrow"], CLASSES).train(ready, epochs=epochs, rate=3.0)
    assert rates == pytest.approx(
        [3.0 * 0.1 ** ((5 * passed >= 2 * epochs) + (5 * passed >= 4 * epochs)) for passed in range(epochs)]
    )


def test_first_weights_are_uniform_as_those_of_a_linear_layer():
    _, split, ours = prepared(pool=6, classes=400, names=NAMES[:3])
    start = Start()
    ours.train(split, torch.zeros(50, 400), epochs=1, callbacks=[start])
    for i, size in enumerate([4 * 36, 2 * 36, 7 * 36]):
        bound = size**-0.5
        for drawn in (start.weight[i, :, :size], start.bias[i]):
            assert 0.98 * bound < drawn.abs().max() <= bound
            assert drawn.std() == pytest.approx(bound / 3**0.5, rel=0.05) and abs(drawn.mean()) < 0.1 * bound


def test_a_probe_does_not_depend_on_the_taps_beside_it():
    model, split, together = prepared(pool=2)
    together.train(split, epochs=4, batch_size=16)
    probabilities = together.predict(split.images)
    for i, name in enumerate(NAMES[:3]):
        alone = LayerProbes(model, [name], CLASSES, 2)
        alone.train(split, epochs=4, batch_size=16)
        same(alone.predict(split.images)[0], probabilities[i], 1e-12)


def test_after_long_training_a_probe_is_a_logistic_regression():
    model, split, ours = prepared(names=["wide"])
    decay = 1e-2
    features = plain_features(model, ["wide"], split.images, 1)[0][0]
    scaled = (features - features.mean(0)) / features.std(0)
    ready = Features(scaled[None], None, split.labels, (7,), CPU)
    ours.train(ready, epochs=2000, batch_size=50, rate=0.5, weight_decay=decay)
    for k in range(CLASSES):
        # the loss is averaged over classes, and the decay holds for the bias too: a column of ones instead
        reference = LogisticRegression(C=1 / (decay * CLASSES * 50), fit_intercept=False, tol=1e-12, max_iter=10_000)
        columns = torch.cat([scaled, torch.ones(50, 1)], 1).numpy()
        found = reference.fit(columns, split.labels[:, k].numpy()).predict_proba(columns)[:, 1]
        same(ours.predict(ready)[0, :, k], torch.from_numpy(found), 1e-6)


def test_features_are_those_of_plain_hooks_and_padding_is_zero():
    model, split, ours = prepared(pool=2)
    features = ours.features(split, batch_size=7)
    expected, output = plain_features(model, NAMES, split.images, 2)
    assert features.sizes == (16, 8, 28) and features.pooled.shape == (3, 50, 28) and len(features) == 50
    for row, one in zip(features.pooled, expected, strict=False):
        same(row[:, : one.shape[1]], one, 1e-12)
        assert (row[:, one.shape[1] :] == 0).all()
    same(features.own, output[None], 1e-12)
    assert torch.equal(features.labels, split.labels)


def test_samples_of_features_are_taken_together():
    _, split, ours = prepared()
    features = ours.features(split)
    chosen = torch.arange(50) % 3 == 1
    for index in (slice(10, 30), chosen, chosen.nonzero()[:, 0]):
        part = features[index]
        assert len(part) == len(split.labels[index]) and part.sizes == features.sizes
        same(part.pooled, features.pooled[:, index], 0)
        same(part.own, features.own[:, index], 0)
        assert torch.equal(part.labels, split.labels[index])
    ours.train(features, epochs=2)
    same(ours.predict(features[chosen]), ours.predict(split.images[chosen]), 1e-12)


@pytest.mark.parametrize(
    "shape, module, expected",
    [
        ((5, 3, 4, 4), nn.Conv2d(1, 3, 1), lambda x: F.avg_pool2d(x, 2).flatten(1)),
        ((5, 4, 4, 3), nn.Linear(1, 3), lambda x: F.avg_pool2d(x.permute(0, 3, 1, 2), 2).flatten(1)),
        ((5, 4, 4, 3), nn.LayerNorm(3), lambda x: F.avg_pool2d(x.permute(0, 3, 1, 2), 2).flatten(1)),
        (
            (5, 3, 6),
            nn.Conv1d(1, 3, 1),
            lambda x: torch.stack([x[:, :, :3].mean(2), x[:, :, 3:].mean(2)], 2).flatten(1),
        ),
        ((5, 2, 4, 4, 4), nn.Conv3d(1, 2, 1), lambda x: F.avg_pool3d(x, 2).flatten(1)),
        ((5, 6, 8), nn.Linear(1, 8), lambda x: x.mean(1)),
        ((5, 8), nn.Linear(1, 8), lambda x: x),
        ((5, 2, 3, 4, 2, 2), nn.Identity(), lambda x: x.flatten(1)),
    ],
)
def test_channels_are_pooled_over_a_grid_and_tokens_over_all(shape, module, expected):
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    same(pooled_features(x, 2, module, widths_of(module)), expected(x), 1e-14)


class Places(nn.Module):
    """One layer on pixels, which brings them into the order that the layer takes, and their means as the output."""

    def __init__(self, into, layer, back):
        super().__init__()
        self.into, self.layer, self.back = into, layer, back
        with torch.no_grad():
            layer.weight.zero_().flatten(1)[:] = torch.eye(CLASSES)
            layer.bias.zero_()

    def forward(self, x):
        return self.back(self.layer(self.into(x)))


@pytest.mark.parametrize(
    "model",
    [
        Places(lambda x: x.movedim(1, -1), nn.Linear(3, 3), lambda z: z.mean((1, 2))),
        Places(lambda x: x.flatten(2).mT, nn.Linear(3, 3), lambda z: z.mean(1)),
        Places(lambda x: x.flatten(2), nn.Conv1d(3, 3, 1), lambda z: z.mean(2)),
        Places(lambda x: x[..., None], nn.Conv3d(3, 3, 1), lambda z: z.mean((2, 3, 4))),
    ],
    ids=["channels last", "tokens", "Conv1d", "Conv3d"],
)
def test_channels_are_found_wherever_they_lie(model):
    labels = torch.arange(90) % CLASSES
    random = torch.Generator().manual_seed(0)
    images = torch.randint(100, (90, 3, 5, 5), dtype=torch.uint8, generator=random)
    images[torch.arange(90), labels] += 100  # the class is the bright channel
    ours = LayerProbes(model, ["layer"], CLASSES)
    ours.fit(Split(images, labels))
    assert ours.features(Split(images, labels)).sizes == (CLASSES,)
    assert torch.equal(ours.predict(images)[0].argmax(1), labels)
    read = inspect(model, Split(images, labels), layers=["layer"])
    assert read.values["probe_accuracy"].item() == 1


def test_stages_of_a_swin_transformer_have_as_many_features_as_channels():
    torch.manual_seed(0)
    model = swin_t()
    images = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8)
    features = LayerProbes(model, ["features.1", "features.3"], CLASSES).features(Split(images, torch.arange(2)))
    assert features.sizes == (96, 192)


class Aside(nn.Module):
    """A layer beside the way to the output."""

    def __init__(self, layer):
        super().__init__()
        self.layer, self.head = layer, nn.Linear(144, CLASSES)

    def forward(self, x):
        self.layer(x)
        return self.head(x.flatten(1))


class Signs(nn.Module):
    def forward(self, x):
        return x.sign().long()


@pytest.mark.parametrize(
    "layer, got",
    [
        (nn.Flatten(0), r"torch.float32 \(1440,\)"),
        (Signs(), "torch.int64"),
        (nn.Flatten(0, 2), r"torch.float32 \(120, 12\)"),
    ],
)
def test_layers_without_a_row_of_floats_for_each_image_are_refused(layer, got):
    ours = LayerProbes(Aside(layer), ["layer"], CLASSES)
    with pytest.raises(ValueError, match=f"names: expected .* a row for each of 10 images, got {got}.* from 'layer'"):
        ours.fit(pictures(10))


def test_probability_and_features_give_what_predict_gives():
    model, split, ours = prepared(pool=2)
    ours.train(split, epochs=3)
    whole = ours.predict(split.images)
    same(ours.predict(split.images, batch_size=7), whole, 1e-12)
    same(ours.predict(ours.features(split)), whole, 1e-12)
    same(ours.logits(ours.features(split)).sigmoid(), whole, 1e-12)
    seen, layers = {}, dict(model.named_modules())
    for name in NAMES:
        layers[name].register_forward_hook(lambda m, i, out, name=name: seen.update({name: out.clone()}))
    with torch.no_grad():
        model.eval()(split.images.double() / 255)
    for i, name in enumerate(NAMES):
        same(ours.probability(name, seen[name]), whole[i], 1e-12)
    assert ours.predict(split.images[:0]).shape == (4, 0, 3)


def test_pieces_of_features_give_what_all_give(monkeypatch):
    _, split, ours = prepared()
    ours.train(split, epochs=1)
    features = ours.features(split)
    whole = ours.logits(features)
    monkeypatch.setattr(linear, "PIECE", 7)
    same(ours.logits(features), whole, 1e-13)


def test_features_beyond_the_memory_go_to_a_file_that_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    _, split, ours = prepared(pool=2)
    inside = ours.features(split, memory=3 * 50 * 28 * 8)
    made = []
    real = torch.from_file
    monkeypatch.setattr(torch, "from_file", lambda *args, **options: made.append(args) or real(*args, **options))
    ours.features(split, memory=3 * 50 * 28 * 8)
    assert made == []
    outside = ours.features(split, memory=3 * 50 * 28 * 8 - 1)
    assert len(made) == 1 and made[0][0].startswith(str(tmp_path)) and list(tmp_path.iterdir()) == []
    assert torch.equal(inside.pooled, outside.pooled) and torch.equal(inside.own, outside.own)
    losses = [ours.train(features, epochs=2) for features in (inside, outside)]
    assert torch.equal(*losses) and torch.equal(ours.predict(inside), ours.predict(outside))


def test_a_full_disk_is_refused_before_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(_room.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    _, split, ours = prepared(pool=2)
    with pytest.raises(ValueError, match="memory: expected features of up to 5e.02 bytes, or 1e.03, .* got 3.4e.04"):
        ours.features(split, memory=500)
    assert list(tmp_path.iterdir()) == []


class Ends(nn.Module):
    """The last tap is not the output, but has its shape, and its values where they are positive."""

    def __init__(self, end):
        super().__init__()
        self.body, self.end = network(), end

    def forward(self, x):
        return self.end(self.body(x))


def test_only_the_output_of_the_network_needs_no_probe():
    split = pictures(20)
    positive = network()
    with torch.no_grad():
        positive.head.bias += 100
    for model, names, inner in [
        (positive, ["wide", "head"], 1),
        (positive, ["head", "wide"], 2),
        (Ends(nn.ReLU()), ["body.wide", "body.head"], 2),
        (Ends(nn.ReLU(inplace=True)), ["body.wide", "body.head"], 2),
        (Ends(nn.Identity()), ["body.wide", "body.head"], 1),
    ]:
        if isinstance(model, Ends):
            model.body.load_state_dict(positive.state_dict())
        ours = LayerProbes(model, names, CLASSES)
        assert ours.train(split, epochs=1).shape == (1, inner)
        assert ours.predict(split.images).shape == (2, 20, CLASSES)
        assert (ours.features(split).own is None) == (inner == 2)


def test_the_output_alone_is_its_sigmoid_and_nothing_is_trained():
    model, split, ours = prepared(names=["head"])
    assert ours.train(split, epochs=2).shape == (2, 0)
    expected = plain_features(model, ["head"], split.images, 1)[1].sigmoid()
    for found in (ours.predict(split.images), ours.predict(ours.features(split, memory=0))):
        same(found, expected[None], 1e-12)
    same(ours.probability("head", expected.logit()), expected, 1e-12)


@pytest.mark.parametrize("pool", [1, 2])
def test_a_tap_may_answer_with_the_networks_own_last_layer(pool):
    model, split, _ = prepared()
    ours = LayerProbes(model, NAMES, CLASSES, pool, heads={"wide": "head"})
    plain = LayerProbes(model, NAMES, CLASSES, pool)
    assert ours.train(split, epochs=3).shape == (3, 2) and plain.train(split, epochs=3).shape == (3, 3)
    found = ours.predict(split.images)
    assert torch.equal(found[2], found[3]) and torch.equal(found[[0, 1, 3]], plain.predict(split.images)[[0, 1, 3]])
    same(ours.predict(ours.features(split)), found, 1e-12)
    seen = plain_features(model, NAMES, split.images, 1)[0]
    with capture(model, ["wide"]) as kept:
        model.eval()(split.images.double() / 255)
    same(ours.probability("wide", kept["wide"]), model.head(seen[2]).sigmoid(), 1e-12)
    same(ours.probability("head", found[3].logit()), found[3], 1e-12)
    same(
        ours.probability("narrow", nn.AdaptiveAvgPool2d(5)(torch.ones(2, 2, 10, 10).double())),
        plain.probability("narrow", torch.ones(2, 2, 10, 10).double()),
        1e-12,
    )


def test_heads_alone_need_no_training():
    model, split, _ = prepared()
    ours = LayerProbes(model, ["wide", "head"], CLASSES, heads={"wide": "head", "head": "head"})
    with pytest.raises(ValueError, match="heads: expected .* got 'head' for 'head'"):  # it does not read itself
        ours.fit(split)
    ours = LayerProbes(model, ["wide"], CLASSES, heads={"wide": "head"})
    assert ours.fit(split).shape == (0,)
    same(ours.predict(split.images)[0], plain_features(model, ["wide"], split.images, 1)[1].sigmoid(), 1e-12)


@pytest.mark.parametrize(
    "heads, message",
    [
        ({"relu": "head"}, r"heads: expected some of the taps, \['stem', 'narrow', 'wide', 'head'\], got 'relu'"),
        ({"wide": "haed"}, r"heads: Network has no layer 'haed'; closest are \['head'"),
        ({"wide": "dropout"}, r"classes: expected \(7,\), what the network puts out at 'wide', got 3"),
        (
            {"stem": "head"},
            "heads: expected .* that read the means of their taps, got .head. for .stem., of 4 channels",
        ),
    ],
)
def test_heads_that_do_not_fit_are_refused(heads, message):
    model, split, _ = prepared()
    with pytest.raises(ValueError, match=message):
        LayerProbes(model, NAMES, CLASSES, heads=heads).fit(split)


def test_one_name_may_be_given_as_it_is():
    _, split, ours = prepared(names="wide")
    assert ours.names == ("wide",) and ours.train(split, epochs=1).shape == (1, 1)


def test_in_inference_mode_the_same_is_predicted():
    _, split, ours = prepared()
    ours.train(split, epochs=2)
    with torch.inference_mode():
        inside = ours.predict(split.images)
    same(ours.predict(split.images), inside, 0)


def everything(model):
    """All of a network that reading it could disturb."""
    return (
        {name: t.clone() for name, t in model.state_dict().items()},
        [
            (m.training, getattr(m, "inplace", None), len(m._forward_hooks), len(m._forward_pre_hooks))
            for m in model.modules()
        ],
        [(p.requires_grad, p.grad) for p in model.parameters()],
        torch.get_rng_state(),
    )


def assert_unchanged(model, before):
    state, modules, gradients, random = everything(model)
    assert modules == before[1] and gradients == before[2] and torch.equal(random, before[3])
    for name, t in state.items():
        assert torch.equal(t, before[0][name]), name


def failing(*args):
    raise ZeroDivisionError


def test_the_network_is_not_changed_not_even_by_what_fails():
    model, split, ours = prepared()
    model.train()
    model.narrow.eval()
    model.narrow.weight.requires_grad_(False)
    before = everything(model)
    ours.train(split, epochs=2, batch_size=16)
    ours.predict(split.images)
    assert_unchanged(model, before)
    for wrong in ({"loss": failing}, {"callbacks": [failing]}):
        with pytest.raises(ZeroDivisionError):
            ours.train(split, epochs=1, **wrong)
        assert_unchanged(model, before)
    with pytest.raises(ValueError, match=r"classes: expected \(3,\), what the network puts out, got 4"):
        LayerProbes(model, NAMES, 4).train(split, torch.zeros(50, 4))
    assert_unchanged(model, before)
    with pytest.raises(ValueError, match="^images: expected samples that the network runs on"):
        ours.features(pictures(10, side=4))
    assert_unchanged(model, before)


def test_a_teacher_is_matched_by_the_squared_error_of_the_sigmoids():
    model, split, ours = prepared(names=["wide"])
    teacher = torch.rand(50, CLASSES, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    start, settings = Start(), Settings()
    losses = ours.train(split, teacher, loss=squared_error, callbacks=[start], rate=0.5, **settings._asdict())
    features = plain_features(model, ["wide"], split.images, 1)[0][0]
    probe, expected = plain_probe(
        features, teacher, start.weight[0], start.bias[0], lambda z, y: F.mse_loss(z.sigmoid(), y), settings, rate=0.5
    )
    same(ours.weight[0], probe.weight.detach())
    same(losses[:, 0], expected)
    assert losses[-1] < losses[0]


def test_class_numbers_count_as_one_hot():
    _, split, ours = prepared()
    numbers = torch.randint(CLASSES, (50,), generator=torch.Generator().manual_seed(1))
    expected = ours.train(Split(split.images, F.one_hot(numbers, CLASSES).float()), epochs=3)
    assert torch.equal(ours.train(Split(split.images, numbers), epochs=3), expected)
    assert torch.equal(ours.train(split, numbers, epochs=3), expected)
    assert not torch.equal(ours.train(split, epochs=3), expected)


def test_precision_is_that_of_the_network():
    _, split, exact = prepared()
    exact.train(split, epochs=3)
    single = LayerProbes(network().float(), NAMES, CLASSES)
    losses = single.train(split, epochs=3)
    probabilities = single.predict(split.images)
    assert single.weight.dtype == probabilities.dtype == torch.float32 and losses.dtype == torch.float64
    torch.testing.assert_close(probabilities.double(), exact.predict(split.images), rtol=0, atol=1e-4)


def test_callbacks_see_the_probes_of_every_epoch():
    _, split, ours = prepared()
    features = ours.features(split)
    seen = []
    ours.train(features, epochs=4, callbacks=(c for c in [lambda epoch, p: seen.append((epoch, p.predict(features)))]))
    assert [epoch for epoch, _ in seen] == [0, 1, 2, 3, 4]
    for (_, earlier), (_, later) in pairwise(seen):
        assert not torch.equal(earlier[:3], later[:3]) and torch.equal(earlier[3], later[3])
    assert torch.equal(seen[-1][1], ours.predict(features)) and not ours.predict(features).requires_grad


def test_a_seed_decides_the_outcome_and_a_new_training_starts_anew():
    _, split, ours = prepared()
    first, again, other = (ours.train(split, epochs=2, batch_size=20, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_the_network_may_be_an_mlp():
    torch.manual_seed(0)
    model, split = MLP((144, 9, 6, CLASSES)), pictures(30)
    ours = LayerProbes(model, taps(model), CLASSES)
    assert ours.train(split, epochs=2).shape == (2, 2) and ours.predict(split.images).shape == (3, 30, CLASSES)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(names=["hed"]), r"names: Network has no layer 'hed'; closest are \['head'"),
        (dict(names=[]), "names: expected at least one layer, got none"),
        (dict(classes=0), "classes: expected a whole number from 1 up, got 0"),
        (dict(classes=2.0), "classes: expected a whole number from 1 up, got 2.0"),
        (dict(pool=True), "pool: expected a whole number from 1 up, got True"),
        (dict(pool=0), "pool: expected a whole number from 1 up, got 0"),
    ],
)
def test_bad_probes_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        LayerProbes(network(), **{"names": NAMES, "classes": CLASSES} | options)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(epochs=0), "epochs: expected a whole number from 1 up, got 0"),
        (dict(epochs=2.5), "epochs: expected a whole number from 1 up, got 2.5"),
        (dict(epochs=float("inf")), "epochs: expected a whole number from 1 up, got inf"),
        (dict(rate=float("nan")), "rate: expected a finite number above 0, got nan"),
        (dict(momentum=-1), "momentum: expected a finite number of at least 0, got -1"),
        (dict(weight_decay="small"), "weight_decay: expected a finite number of at least 0, got 'small'"),
        (dict(batch_size=0), "batch_size: expected a whole number from 1 up, got 0"),
        (
            dict(targets=torch.zeros(50, 2)),
            r"targets: expected shape \(50, 3\), or class numbers, int64 \(50,\), "
            r"got torch.float32 \(50, 2\)",
        ),
        (dict(targets=torch.zeros(50)), r"targets: expected shape \(50, 3\), .*, got torch.float32 \(50,\)"),
        (dict(targets=torch.full((50, 3), 1.5)), r"targets: expected numbers in \[0, 1\], got 1.5 to 1.5"),
        (dict(targets=torch.full((50, 3), -0.5)), r"targets: expected numbers in \[0, 1\], got -0.5 to -0.5"),
        (dict(targets=torch.full((50, 3), torch.nan)), r"targets: expected numbers in \[0, 1\], got nan"),
        (dict(targets=torch.arange(50)), "targets: expected class numbers 0 to 2, got 0 to 49"),
        (dict(targets=torch.full((50,), -1)), "targets: expected class numbers 0 to 2, got -1 to -1"),
        (dict(rate=1e300, epochs=3), r"loss: not finite in epoch [123] .*lower rate from 1e\+300"),
    ],
)
def test_a_bad_training_is_refused(options, message):
    _, split, ours = prepared()
    with pytest.raises(ValueError, match=message):
        ours.train(split, **options)


@pytest.mark.parametrize("way", ["fit", "train"])
def test_labels_that_are_neither_0_nor_1_are_refused_and_a_teachers_are_not(way):
    _, split, ours = prepared(names=["wide"])
    soft = torch.full((50, CLASSES), 0.3)
    with pytest.raises(ValueError, match="labels: expected multi-hot labels, each 0 or 1; a teacher's"):
        getattr(ours, way)(Split(split.images, soft))
    getattr(ours, way)(split, soft)


@pytest.mark.parametrize("way", ["fit", "train"])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_probes_of_a_network_train_within_no_grad_too(way, mode):
    _, split, outside = prepared()
    _, _, inside = prepared()
    getattr(outside, way)(split)
    with mode():
        getattr(inside, way)(split)
    same(inside.predict(split.images), outside.predict(split.images), 0)


def test_by_default_the_probes_of_a_network_reach_logistic_regression():
    model, split, ours = prepared(pool=2)
    losses = ours.fit(split)
    features, output = plain_features(model, NAMES, split.images, 2)
    for i, x in enumerate(features[:3]):
        for k in range(CLASSES):
            scaled = StandardScaler().fit_transform(x.numpy())
            found = LogisticRegression(tol=1e-10, max_iter=10_000).fit(scaled, split.labels[:, k].numpy())
            same(ours.predict(split.images)[i, :, k], torch.from_numpy(found.predict_proba(scaled)[:, 1]), 1e-5)
    same(ours.predict(split.images)[3], output.sigmoid(), 1e-12)
    assert losses.shape == (3,) and (losses < 0.7).all()


def test_arrays_count_as_tensors():
    _, split, ours = prepared()
    arrays = Split(split.images.numpy(), split.labels.numpy())
    assert torch.equal(ours.train(arrays, split.labels.numpy(), epochs=2), ours.train(split, epochs=2))
    assert torch.equal(ours.predict(split.images.numpy()), ours.predict(split.images))
    numbers = np.arange(50, dtype=np.int32) % CLASSES
    assert torch.equal(ours.train(split, numbers, epochs=2), ours.train(split, torch.arange(50) % CLASSES, epochs=2))


def test_a_network_without_parameters_is_refused():
    ours = LayerProbes(nn.Sequential(nn.Flatten()), ["0"], 144)
    with pytest.raises(ValueError, match="model: Sequential has no parameters"):
        ours.fit(Split(pictures(10).images, torch.arange(10)))


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(batch_size=0), "batch_size: expected a whole number from 1 up, got 0"),
        (dict(memory=float("nan")), "memory: expected a number of bytes from 0 up, got nan"),
        (dict(memory="2GB"), "memory: expected a number of bytes from 0 up, got '2GB'"),
    ],
)
def test_bad_options_of_reading_are_refused(options, message):
    _, split, ours = prepared()
    with pytest.raises(ValueError, match=message):
        ours.features(split, **options)


def test_labels_of_another_number_of_classes_are_refused_before_the_network_runs():
    model, split, _ = prepared()
    model.register_forward_hook(failing)
    ours = LayerProbes(model, ["wide"], 4)
    with pytest.raises(ValueError, match=r"labels: expected shape \(50, 4\), .*, got torch.float32 \(50, 3\)"):
        ours.train(split)
    with pytest.raises(ValueError, match="labels: expected class numbers 0 to 3, got 4 to 4"):
        ours.train(Split(split.images, torch.full((50,), 4)))


def test_what_does_not_fit_the_trained_probes_is_refused():
    model, split, ours = prepared()
    for call in (
        lambda: ours.predict(split.images),
        lambda: ours.logits(ours.features(split)),
        lambda: ours.probability("wide", torch.zeros(2, 7)),
    ):
        with pytest.raises(RuntimeError, match="not been trained yet"):
            call()
    ours.train(split, epochs=1)
    with pytest.raises(ValueError, match="name: expected one of the taps, .*, got 'relu'"):
        ours.probability("relu", torch.zeros(2, 7))
    with pytest.raises(ValueError, match="images: expected uint8 pixels, .*, got torch.float32"):
        ours.predict(split.images / 255)
    for other in (LayerProbes(model, NAMES, CLASSES, pool=2), LayerProbes(model, NAMES[1:], CLASSES)):
        with pytest.raises(ValueError, match="features: expected 3 probes with up to 7 features, as in training, got "):
            ours.predict(other.features(split))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("memory", [2e9, 0])
def test_a_gpu_trains_the_probes_that_the_cpu_trains(memory):
    model, split, ours = prepared(pool=2)
    losses = ours.train(split, epochs=5, batch_size=16)
    expected = ours.predict(split.images)
    theirs = LayerProbes(copy.deepcopy(model).cuda(), NAMES, CLASSES, 2)
    features = theirs.features(split, memory=memory)
    assert features.pooled.is_cuda == features.labels.is_cuda == features.own.is_cuda == (memory > 0)
    same(theirs.train(features, epochs=5, batch_size=16), losses)
    assert theirs.weight.is_cuda
    for found in (theirs.predict(split.images), theirs.predict(split.images.cuda()), theirs.predict(features)):
        assert found.is_cuda
        same(found.cpu(), expected)
    chosen = features.labels[:, 0] > 0
    same(theirs.predict(features[chosen]).cpu(), expected[:, chosen.cpu()])
