"""Which layers can be read, and which dimension is the channels."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import NETWORKS, flat, picture_split
from torch import nn

from layerlib.data._source import gather
from layerlib.layers._channels import channels, widths_of
from layerlib.layers._survey import NOT_RUN, OUTER, survey


def places_of(model, split, names=None):
    few = gather(split, model).blocks[0][:2].ready(next(model.parameters()))
    return survey(model, few, names)


def test_norms_are_read_only_where_they_take_a_layers_output():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(True), nn.Conv2d(4, 4, 3), nn.ReLU(True),
                          nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(3136, 10), nn.Dropout(0.5), nn.LayerNorm(10))
    assert places_of(model, picture_split(4))[0] == {"0": "1", "3": "3", "7": "9"}
    assert places_of(model, picture_split(4), ["0", "1"])[0] == {"0": "0", "1": "1"}


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


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_a_script_within_a_network_is_listed_and_the_rest_is_read():
    model = nn.Sequential(torch.jit.script(flat(nn.Linear(3072, 20))), nn.ReLU(), nn.Linear(20, 10))
    places, reasons = places_of(model, picture_split(4))
    assert places == {"2": "2"} and list(reasons) == ["0.1"] and "TorchScript" in reasons["0.1"]


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
