"""Readings against plain hooks, layer by layer; which dimension is the channels; what a network may do in between."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import NETWORKS, Encoder, Plain, flat, picture_split
from torch import nn
from torch.nn import functional as F

from layerlib._forward import as_input
from layerlib.backward.targets import targets
from layerlib.layers._channels import channels, widths_of
from layerlib.layers._survey import NOT_RUN, OUTER, read, survey


def places_of(model, split, names=None):
    return survey(model, as_input(split.images[:2], next(model.parameters()).dtype), names)


def test_outputs_and_targets_are_those_of_plain_hooks_averaged_and_largest_over_places():
    torch.manual_seed(0)
    model, split = Plain().double(), picture_split(30)
    places, reasons = places_of(model, split)
    assert not reasons and places == {n: n for n in ("conv1", "conv2", "conv2#2", "hidden", "head")}
    readings = read(model, split.images, split.labels, places, 8)
    x = as_input(split.images, torch.float64)
    seen = {name: [] for name in ("conv1", "conv2", "hidden", "head")}
    handles = [model.get_submodule(name).register_forward_hook(lambda m, i, z, name=name: seen[name].append(z.clone()))
               for name in seen]
    logits = model.eval()(x)
    for handle in handles:
        handle.remove()
    flatly = {"conv1": seen["conv1"][0], "conv2": seen["conv2"][0], "conv2#2": seen["conv2"][1],
              "hidden": seen["hidden"][0], "head": seen["head"][0]}
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
    told = read(model, split.images, split.labels, places_of(model, split)[0], 6).targets["0"] * 900
    x, step = as_input(split.images, torch.float64), 1e-5
    losses = []
    for sign in (1, -1):
        moved = copy.deepcopy(model)
        moved[0].bias.data[2] += sign * step
        losses.append(F.cross_entropy(moved(x), split.labels, reduction="none").detach())
    torch.testing.assert_close(told[:, 2], (losses[0] - losses[1]) / (2 * step), rtol=1e-5, atol=1e-8)


def test_norms_are_read_only_where_they_take_a_layers_output():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(True), nn.Conv2d(4, 4, 3), nn.ReLU(True),
                          nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(3136, 10), nn.Dropout(0.5), nn.LayerNorm(10))
    assert places_of(model, picture_split(4))[0] == {"0": "1", "3": "3", "7": "9"}
    assert places_of(model, picture_split(4), ["0", "1"])[0] == {"0": "0", "1": "1"}


def test_a_step_in_place_behind_a_layer_does_not_change_what_is_read():
    torch.manual_seed(0)
    split = picture_split(6)
    model = flat(nn.Sequential(nn.Linear(3072, 20), nn.ReLU(inplace=True), nn.Linear(20, 10)))
    readings = read(model, split.images, split.labels, places_of(model, split)[0], 6)
    torch.testing.assert_close(readings.outputs["1.0"], model[1][0](as_input(split.images).flatten(1)).detach())
    assert (readings.outputs["1.0"] < 0).any()


@pytest.mark.parametrize(("name", "layer", "reason"), [
    ("unused layer", "spare", NOT_RUN), ("borrowed weights", "head", NOT_RUN),
    ("vit", "encoder", OUTER), ("vit", "encoder.layers.encoder_layer_0.self_attention.out_proj", NOT_RUN),
    ("encoder, samples second", "encoder.layers.0.linear1",
     "it puts out float32 of shape (16, 2, 64) for 2 samples, not floats with the samples first"),
])
def test_layers_that_cannot_be_read_say_why(name, layer, reason):
    model, split, _ = NETWORKS[name]()
    places, reasons = places_of(model, split)
    assert reasons[layer] == reason and layer not in places


def test_attention_and_recurrent_layers_are_read_by_the_first_of_what_they_put_out():
    torch.manual_seed(0)
    model, split = Encoder(True).double(), picture_split(6)
    name = "encoder.layers.0.self_attn"
    places, _ = places_of(model, split)
    assert places[name] == name
    readings = read(model, split.images, split.labels, places, 3)
    layer = model.eval().encoder.layers[0]
    tokens = model.embed(F.unfold(as_input(split.images, torch.float64), 8, stride=8).mT)
    z = layer.self_attn(tokens, tokens, tokens, need_weights=False)[0]
    torch.testing.assert_close(readings.outputs[name], z.mean(1).detach())
    torch.testing.assert_close(readings.outputs["embed"], tokens.mean(1).detach())
    model, split, _ = NETWORKS["recurrent"]()
    z = model.lstm(as_input(split.images).permute(0, 2, 1, 3).flatten(2))[0]
    readings = read(model, split.images, split.labels, places_of(model, split)[0], 7)
    torch.testing.assert_close(readings.outputs["lstm"], z.mean(1).detach())
    assert readings.targets["lstm"].shape == (40, 16)


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_a_script_within_a_network_is_listed_and_the_rest_is_read():
    model = nn.Sequential(torch.jit.script(flat(nn.Linear(3072, 20))), nn.ReLU(), nn.Linear(20, 10))
    places, reasons = places_of(model, picture_split(4))
    assert places == {"2": "2"} and list(reasons) == ["0.1"] and "TorchScript" in reasons["0.1"]


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


@pytest.mark.parametrize(("how", "sentence"), [
    ("leaves out", "model: layer 'extra' ran for the first samples and not for others"),
    ("puts out more", r"model: expected layer 'extra' to put out \(6, …\) for 6 samples, got torch.Size\(\[7, 10\]\)"),
])
def test_networks_that_run_otherwise_for_other_samples_are_refused(how, sentence):
    model, split = Fickle(how), picture_split(6)
    with pytest.raises(ValueError, match=sentence):
        read(model, split.images, split.labels, places_of(model, split)[0], 6)


CASES = {
    "linear on tokens": (nn.Linear(5, 7), (4, 3, 7), 7, 2),
    "linear on maps, channels last": (nn.Linear(5, 7), (4, 3, 3, 7), 7, 3),
    "convolution": (nn.Conv2d(3, 7, 1), (4, 7, 3, 3), 7, 1),
    "convolution in a row": (nn.Conv1d(3, 7, 1), (4, 7, 3), 7, 1),
    "layer norm of tokens": (nn.LayerNorm(7), (4, 3, 7), 7, 2),
    "layer norm of maps": (nn.LayerNorm((7, 3, 3)), (4, 7, 3, 3), 7, 1),
    "group norm": (nn.GroupNorm(1, 7), (4, 7, 3, 3), 7, 1),
    "activation of tokens": (nn.GELU(), (4, 3, 7), 7, 2),
    "activation of maps": (nn.ReLU(), (4, 9, 3, 3), 9, 1),
    "activation of maps, channels last": (nn.ReLU(), (4, 3, 3, 11), 11, 3),
    "activation of rows": (nn.ReLU(), (4, 9, 3), 9, 1),
    "activation of unknown tokens": (nn.ReLU(), (4, 3, 5), 5, 2),
    "activation of unknown maps": (nn.ReLU(), (4, 5, 3, 3), 5, 1),
    "vectors": (nn.ReLU(), (4, 6), 6, 1),
}


@pytest.mark.parametrize("case", CASES)
def test_channels_are_where_the_kind_of_module_or_the_rest_of_the_network_says(case):
    module, shape, count, axis = CASES[case]
    widths = widths_of(nn.ModuleList([nn.Linear(2, 11), nn.Linear(2, 7), nn.Conv2d(2, 9, 1)]))
    assert widths == ({7, 11}, {9})
    z = torch.randn(shape)
    found = channels(z, module, widths)
    assert found.shape[:2] == (4, count) and found.numel() == z.numel()
    others = [i for i in range(1, z.ndim) if i != axis]
    torch.testing.assert_close(found.mean(2), z.mean(others) if others else z)
    torch.testing.assert_close(found.amax(2), z.amax(others) if others else z)


@settings(max_examples=20)
@given(st.integers(1, 5), st.integers(1, 4), st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_a_constant_map_has_its_constants_as_channels(samples, count, places):
    constants = torch.randn(samples, count)
    z = constants.view(samples, count, *[1] * len(places)).expand(samples, count, *places)
    module = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[len(places)](1, count, 1)
    found = channels(z, module, (set(), set()))
    torch.testing.assert_close(found, constants[..., None].expand_as(found))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_readings_are_single_precision_at_least(dtype):
    split = picture_split(6)
    model = flat(nn.Linear(3072, 10)).to(dtype)
    readings = read(model, split.images, split.labels, places_of(model, split)[0], 6)
    expected = torch.float64 if dtype == torch.float64 else torch.float32
    assert readings.outputs["1"].dtype == readings.targets["1"].dtype == expected
