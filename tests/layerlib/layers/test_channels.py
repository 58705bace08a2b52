"""Which dimension is the channels: as the kind of module says, or else the rest of the network."""

from collections import Counter

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Columns, swin, vit
from torch import nn

from layerlib.layers._channels import channels_second, in_a_row, widths_of
from layerlib.layers.capture import capture


def by_places(z, module, widths):
    """(N, channels, places)"""
    return channels_second(z, module, widths)[..., None].flatten(2)


CASES = {
    "linear on tokens": (nn.Linear(5, 7), (4, 3, 7), 7, 2),
    "linear on maps, channels last": (nn.Linear(5, 7), (4, 3, 3, 7), 7, 3),
    "convolution": (nn.Conv2d(3, 7, 1), (4, 7, 3, 3), 7, 1),
    "convolution in a row": (nn.Conv1d(3, 7, 1), (4, 7, 3), 7, 1),
    "layer norm of tokens": (nn.LayerNorm(7), (4, 3, 7), 7, 2),
    "layer norm of maps": (nn.LayerNorm((7, 3, 3)), (4, 7, 3, 3), 7, 1),
    "group norm": (nn.GroupNorm(1, 7), (4, 7, 3, 3), 7, 1),
    "recurrent, as long as a convolution is wide": (nn.LSTM(5, 6), (4, 16, 6), 6, 2),
    "embedding, as long as a convolution is wide": (nn.Embedding(3, 5), (4, 8, 5), 5, 2),
    "embedding of squares": (nn.Embedding(3, 5), (4, 8, 8, 5), 5, 3),
    "attention": (nn.MultiheadAttention(6, 1), (4, 8, 6), 6, 2),
    "encoder of tokens": (nn.TransformerEncoderLayer(6, 1), (4, 9, 6), 6, 2),
    "decoder of tokens": (nn.TransformerDecoderLayer(6, 1), (4, 9, 6), 6, 2),
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
    widths = widths_of(nn.ModuleList([nn.Linear(7, 11), nn.LayerNorm((2, 7)), nn.Conv2d(9, 16, 1), nn.GroupNorm(1, 8)]))
    assert widths == ({7: 2, 11: 1}, {8: 1, 9: 1, 16: 1})
    z = torch.randn(shape)
    found = by_places(z, module, widths)
    assert in_a_row(z, module, widths) == (axis == 2)
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
    found = by_places(z, module, (Counter(), Counter()))
    torch.testing.assert_close(found, constants[..., None].expand_as(found))


def test_windows_are_more_places_of_their_sample():
    z = torch.randn(12, 5, 7)  # three windows of five tokens for each of four samples
    found = channels_second(z, nn.Linear(3, 7), (Counter(), Counter()), samples=4)
    assert found.shape == (4, 7, 15)
    torch.testing.assert_close(found.mean(2), z.unflatten(0, (4, 3)).mean((1, 2)))
    rows = channels_second(torch.arange(12.0).view(6, 2), nn.Linear(3, 2), (Counter(), Counter()), samples=2)
    assert rows.tolist() == [[[0, 2, 4], [1, 3, 5]], [[6, 8, 10], [7, 9, 11]]]


REAL = {
    "resnet18": (lambda: torchvision.models.resnet18(num_classes=16), lambda z: 1),
    "densenet": (lambda: torchvision.models.DenseNet(8, (2, 2), 16, num_classes=16), lambda z: 1),
    "googlenet": (
        lambda: torchvision.models.googlenet(num_classes=16, init_weights=False, aux_logits=False),
        lambda z: 1,
    ),
    "swin": (lambda: swin().eval(), lambda z: z.ndim - 1),
    "vit": (lambda: vit().eval(), lambda z: z.ndim - 1),
    "columns": (Columns, lambda z: 1),
}


@pytest.mark.parametrize("name", REAL)
def test_every_module_of_real_networks_is_read_along_its_channels(name):
    torch.manual_seed(0)
    make, axis = REAL[name]
    model = make().eval()
    # of what these put out, channels are the second dimension in the one and the last in the other
    other = ("features.0.0", "features.0.1", "conv_proj", "permute", "avgpool")
    names = [name for name, _ in model.named_modules() if name and name not in other]
    with torch.no_grad(), capture(model, names) as seen:
        side = 32 if name in ("vit", "columns") else 64
        model(torch.rand(2, 3, side, side))
    widths, modules, looked = widths_of(model), dict(model.named_modules()), 0
    for layer, z in seen.items():
        if z.ndim > 2:
            expected = z.movedim(axis(z), 1)
            assert channels_second(z, modules[layer], widths).shape == expected.shape, (layer, z.shape)
            assert torch.equal(channels_second(z, modules[layer], widths), expected), (layer, z.shape)
            looked += 1
    assert looked > 1
