"""Readings against plain hooks, layer by layer, and what a network may do in between."""

import copy
import dataclasses
import weakref
from contextlib import nullcontext

import pytest
import torch
from networks import NETWORKS, Encoder, Plain, Windowed, flat, picture_split
from torch import nn
from torch.nn import functional as F

from layerlib._forward import as_input
from layerlib.backward.targets import targets
from layerlib.data._source import gather
from layerlib.inspection import _passes
from layerlib.inspection._passes import Reader
from layerlib.inspection._pooling import Pooling
from layerlib.inspection._reading import read
from layerlib.layers._survey import survey
from layerlib.models import ViT, taps


def readings_of(model, split, batch_size, pooling=None, errors=None, **options):
    """All samples of a split, read in one pass forward and back."""
    samples, like = gather(split, model, **options), next(model.parameters())
    places = survey(model, samples.blocks[0][:2].ready(like))[0]
    reader = Reader(model, places, like, pooling or Pooling(), batch_size=batch_size)
    return read(reader, samples, torch.ones(len(samples), dtype=torch.bool), samples.labels, errors)


def test_outputs_and_targets_are_those_of_plain_hooks_averaged_and_largest_over_places():
    torch.manual_seed(0)
    model, split = Plain().double(), picture_split(30)
    readings = readings_of(model, split, 8)
    assert list(readings.outputs) == ["conv1", "conv2", "conv2#2", "hidden", "head"]
    x = as_input(split.images, torch.float64)
    seen = {name: [] for name in ("conv1", "conv2", "hidden", "head")}
    handles = [
        model.get_submodule(name).register_forward_hook(lambda m, i, z, name=name: seen[name].append(z.clone()))
        for name in seen
    ]
    logits = model.eval()(x)
    for handle in handles:
        handle.remove()
    flatly = {
        "conv1": seen["conv1"][0],
        "conv2": seen["conv2"][0],
        "conv2#2": seen["conv2"][1],
        "hidden": seen["hidden"][0],
        "head": seen["head"][0],
    }
    told = targets(model, x, split.labels)
    for name, z in flatly.items():
        torch.testing.assert_close(readings.outputs[name], z.flatten(2).mean(2).detach() if z.ndim == 4 else z.detach())
        torch.testing.assert_close(readings.peaks[name], z.flatten(2).amax(2).detach() if z.ndim == 4 else z.detach())
        expected = told[name]
        torch.testing.assert_close(readings.targets[name], expected.flatten(2).mean(2) if z.ndim == 4 else expected)
    torch.testing.assert_close(readings.logits, logits.detach())
    assert readings.untold is None


def test_a_target_is_the_derivative_in_a_number_added_to_the_channel_everywhere():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(3600, 10)).double().eval()
    split = picture_split(6)
    told = readings_of(model, split, 6).targets["0"] * 900
    x, step = as_input(split.images, torch.float64), 1e-5
    losses = []
    for sign in (1, -1):
        moved = copy.deepcopy(model)
        moved[0].bias.data[2] += sign * step
        losses.append(F.cross_entropy(moved(x), split.labels, reduction="none").detach())
    torch.testing.assert_close(told[:, 2], (losses[0] - losses[1]) / (2 * step), rtol=1e-5, atol=1e-8)


def test_a_step_in_place_behind_a_layer_does_not_change_what_is_read():
    torch.manual_seed(0)
    split = picture_split(6)
    model = flat(nn.Sequential(nn.Linear(3072, 20), nn.ReLU(inplace=True), nn.Linear(20, 10)))
    readings = readings_of(model, split, 6)
    torch.testing.assert_close(readings.outputs["1.0"], model[1][0](as_input(split.images).flatten(1)).detach())
    assert (readings.outputs["1.0"] < 0).any()


def test_attention_and_recurrent_layers_are_read_by_the_first_of_what_they_put_out():
    torch.manual_seed(0)
    model, split = Encoder(True).double(), picture_split(6)
    name = "encoder.layers.0.self_attn"
    readings = readings_of(model, split, 3)
    layer = model.eval().encoder.layers[0]
    tokens = model.embed(F.unfold(as_input(split.images, torch.float64), 8, stride=8).mT)
    z = layer.self_attn(tokens, tokens, tokens, need_weights=False)[0]
    torch.testing.assert_close(readings.outputs[name], z.mean(1).detach())
    torch.testing.assert_close(readings.outputs["embed"], tokens.mean(1).detach())
    model, split, _ = NETWORKS["recurrent"]()
    z = model.lstm(as_input(split.images).permute(0, 2, 1, 3).flatten(2))[0]
    readings = readings_of(model, split, 7)
    torch.testing.assert_close(readings.outputs["lstm"], z.mean(1).detach())
    assert readings.targets["lstm"].shape == (40, 16)


class Fickle(Plain):
    """Leaves out a layer, or puts out a row more, unless it gets two samples."""

    def __init__(self, how):
        super().__init__()
        self.how, self.extra = how, nn.Linear(10, 10)

    def forward(self, x):
        z = super().forward(x)
        if len(x) == 2:
            return self.extra(z)
        return z if self.how == "leaves out" else self.extra(torch.cat([z, z[:1]]))[: len(x)]


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("leaves out", "model: layer 'extra' ran for the first samples and not for others"),
        (
            "puts out more",
            r"model: expected layer 'extra' to put out \(6, …\) for 6 samples, got torch.Size\(\[7, 10\]\)",
        ),
    ],
)
def test_networks_that_run_otherwise_for_other_samples_are_refused(how, sentence):
    model, split = Fickle(how), picture_split(6)
    with pytest.raises(ValueError, match=sentence):
        readings_of(model, split, 6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_readings_are_single_precision_at_least(dtype):
    split = picture_split(6)
    model = flat(nn.Linear(3072, 10)).to(dtype)
    readings = readings_of(model, split, 6)
    expected = torch.float64 if dtype == torch.float64 else torch.float32
    assert readings.outputs["1"].dtype == readings.targets["1"].dtype == expected


def test_windows_of_a_sample_are_read_together_outputs_and_targets():
    torch.manual_seed(0)
    model, split = Windowed(True).double(), picture_split(7)
    readings = readings_of(model, split, 3)
    tokens = model.embed(F.unfold(as_input(split.images, torch.float64), 8, stride=8).mT)
    z = model.norm(model.inner(tokens))
    torch.testing.assert_close(readings.outputs["inner"], z.mean(1).detach())
    torch.testing.assert_close(readings.peaks["inner"], z.amax(1).detach())
    logits = model.head(z.relu().mean(1))
    (told,) = torch.autograd.grad(F.cross_entropy(logits, split.labels, reduction="sum"), z)
    torch.testing.assert_close(readings.targets["inner"], told.mean(1))


class Regrouped(Windowed):
    """Leaves its windows out for more than two samples."""

    def forward(self, x):
        if len(x) < 3:
            return super().forward(x)
        return self.head(self.norm(self.inner(self.embed(F.unfold(x, 8, stride=8).mT))).relu().mean(1))


def test_windows_that_come_and_go_are_refused():
    with pytest.raises(ValueError, match=r"expected layer 'norm' to put out \(2, …\) .*torch.Size\(\[8, 4, 8\]\)"):
        readings_of(Regrouped(True), picture_split(5), 3)


def test_what_layers_put_out_is_let_go_as_soon_as_it_was_read(monkeypatch):
    held, check = [], _passes._check

    def counted(place, call, samples, windows):
        if place == "conv1":
            assert not [each for each in held if each() is not None]  # of the last batch
            held.clear()
        held.append(weakref.ref(call.output))
        check(place, call, samples, windows)

    monkeypatch.setattr(_passes, "_check", counted)
    readings = readings_of(Plain(), picture_split(30), 8)
    assert len(held) == 5 and readings.targets["conv1"].abs().sum() > 0


class Overwriting(nn.Module):
    """Overwrites a layer's output, from which the way back through the sigmoid would be taken."""

    def __init__(self):
        super().__init__()
        self.inner, self.head = nn.Linear(3072, 8), nn.Linear(8, 10)
        self.gate = nn.Sequential(nn.Linear(8, 8), nn.Sigmoid())

    def forward(self, x):
        z = self.gate(self.inner(x.flatten(1)))
        return self.head(z.add_(1))


class OfItsWeights(nn.Module):
    """Needs gradients in its own weights to put anything out."""

    def __init__(self):
        super().__init__()
        self.inner, self.head = nn.Linear(3072, 8), nn.Linear(8, 10)

    def forward(self, x):
        z = self.inner(x.flatten(1)).tanh()
        with torch.enable_grad():
            slope = torch.autograd.grad(self.inner.weight.square().sum(), self.inner.weight)[0]
        return self.head(z * slope.norm())


@pytest.mark.parametrize("network", [Overwriting, OfItsWeights])
def test_networks_that_need_copies_or_their_weights_are_read_and_told_all_the_same(network):
    torch.manual_seed(0)
    model, split = network().double(), picture_split(6)
    split = dataclasses.replace(split, labels=torch.arange(6))
    asked = [name for name, _ in model.named_modules() if name in ("inner", "gate", "head")]
    samples, like = gather(split, model), next(model.parameters())
    places = survey(model, samples.blocks[0][:2].ready(like), asked)[0]
    reader = Reader(model, places, like, batch_size=4)
    readings = read(reader, samples, torch.ones(6, dtype=torch.bool), samples.labels)
    assert readings.untold is None and readings.targets.keys() == set(asked)
    x = as_input(split.images, torch.float64)
    if network is Overwriting:
        z = model.inner(x.flatten(1))
        torch.testing.assert_close(readings.outputs["gate"], model.gate(z).detach())
        logits = model.head(model.gate(z) + 1)
    else:
        z = model.inner(x.flatten(1))
        logits = model.head(z.tanh() * (2 * model.inner.weight).norm())
    expected = torch.autograd.grad(F.cross_entropy(logits, split.labels, reduction="sum"), z)[0]
    torch.testing.assert_close(readings.targets["inner"], expected)


def test_attention_gives_the_same_numbers_whether_or_not_its_weights_ask_for_gradients(monkeypatch):
    torch.manual_seed(0)
    model, split = ViT(32, 8, 2, 16, heads=2, classes=10, channels=3), picture_split(40)
    samples, like = gather(split, model), next(model.parameters())
    places = survey(model, samples.blocks[0][:2].ready(like), taps(model))[0]  # blocks alone, no layer in front
    reader = Reader(model, places, like)

    def told():
        return read(reader, samples, torch.ones(40, dtype=torch.bool), samples.labels)

    found = told()
    monkeypatch.setattr(_passes, "frozen", lambda model: nullcontext())
    expected = told()
    for name in places:
        assert torch.equal(found.outputs[name], expected.outputs[name])
        assert torch.equal(found.targets[name], expected.targets[name])


@pytest.mark.parametrize("fails", [False, True])
def test_weights_ask_for_gradients_afterwards_as_before(fails):
    model = Fickle("leaves out") if fails else Plain()
    model.head.bias.requires_grad_(False)
    asking = {name: each.requires_grad for name, each in model.named_parameters()}
    with pytest.raises(ValueError) if fails else nullcontext():
        readings_of(model, picture_split(30), 8)
    assert {name: each.requires_grad for name, each in model.named_parameters()} == asking
    assert all(each.grad is None for each in model.parameters())
