"""Which layers can be read, and why others cannot."""

import pytest
import torch
from networks import NETWORKS, Windowed, flat, picture_split
from torch import nn

from layerlib.data._source import gather
from layerlib.layers._survey import NOT_RUN, OUTER, survey


def places_of(model, split, names=None):
    few = gather(split, model).blocks[0][:2].ready(next(model.parameters()))
    return survey(model, few, names)


def test_norms_are_read_only_where_they_take_a_layers_output():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(True),
        nn.Conv2d(4, 4, 3),
        nn.ReLU(True),
        nn.BatchNorm2d(4),
        nn.Flatten(),
        nn.Linear(3136, 10),
        nn.Dropout(0.5),
        nn.LayerNorm(10),
    )
    assert places_of(model, picture_split(4))[0] == {"0": "1", "3": "3", "7": "9"}
    assert places_of(model, picture_split(4), ["0", "1"])[0] == {"0": "0", "1": "1"}


@pytest.mark.parametrize(
    ("name", "layer", "reason"),
    [
        ("unused layer", "spare", NOT_RUN),
        ("borrowed weights", "head", NOT_RUN),
        ("vit", "encoder", OUTER),
        ("vit", "encoder.layers.encoder_layer_0.self_attention.out_proj", NOT_RUN),
        (
            "encoder, samples second",
            "encoder.layers.0.linear1",
            "it puts out float32 of shape (16, 2, 64) for 2 samples, not floats with the samples first",
        ),
    ],
)
def test_layers_that_cannot_be_read_say_why(name, layer, reason):
    model, split, _ = NETWORKS[name]()
    places, reasons = places_of(model, split)
    assert reasons[layer] == reason and layer not in places


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_a_script_within_a_network_is_listed_and_the_rest_is_read():
    model = nn.Sequential(torch.jit.script(flat(nn.Linear(3072, 20))), nn.ReLU(), nn.Linear(20, 10))
    places, reasons = places_of(model, picture_split(4))
    assert places == {"2": "2"} and list(reasons) == ["0.1"] and "TorchScript" in reasons["0.1"]


def test_windows_are_read_where_they_come_one_sample_after_the_other():
    assert places_of(Windowed(True), picture_split(4)) == ({"embed": "embed", "inner": "norm", "head": "head"}, {})
    places, reasons = places_of(Windowed(False), picture_split(4))
    assert list(places) == ["embed", "head"] and reasons == {
        "inner": "it puts out float32 of shape (8, 4, 8) for 2 samples, not floats with the samples first"
    }
