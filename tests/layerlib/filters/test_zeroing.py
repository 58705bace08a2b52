"""Filters set to zero: of every kind of layer, and everything afterwards as before."""

import copy

import numpy as np
import pytest
import torch
from networks import patches, small_network
from sklearn.metrics import top_k_accuracy_score
from torch import nn

from layerlib._forward import as_input
from layerlib.data.splits import Split
from layerlib.filters.zeroing import accuracy_without, zeroed


def bits(model) -> list[bytes]:
    return [t.detach().numpy().tobytes() for t in model.state_dict().values()]


@pytest.mark.parametrize(
    "filters", [[1, 3], torch.tensor([3, 1, 1]), np.array([1, 3]), torch.tensor([False, True, False, True])]
)
def test_zeroed_filters_put_out_nothing_and_come_back_to_the_bit(filters):
    model, x = small_network(), torch.rand(2, 3, 12, 12)
    with torch.no_grad():
        model[0].weight[1, 0, 0, 0] = -0.0
    before, plain = bits(model), model[0](x)
    with zeroed(model, "0", filters):
        inside = model[0](x)
        assert (inside[:, [1, 3]] == 0).all() and (model[0].bias[[1, 3]] == 0).all()
        assert torch.equal(inside[:, [0, 2]], plain[:, [0, 2]])
    assert bits(model) == before


def test_zeroed_restores_after_an_exception_and_within_inference():
    model = small_network()
    before = bits(model)
    with pytest.raises(KeyError), torch.inference_mode(), zeroed(model, "2", [0, 5]):
        raise KeyError
    assert bits(model) == before
    assert model[2].weight.requires_grad


def test_a_batch_norm_still_shifts_a_zeroed_channel_unless_it_is_zeroed_along():
    model, x = small_network().eval(), torch.rand(2, 3, 12, 12)
    with torch.no_grad():
        model[3].running_mean.fill_(-1)
        model[3].bias.fill_(0.5)
    before = bits(model)
    with zeroed(model, "2", [4]):
        shifted = model[:4](x)[:, 4]
    with zeroed(model, "2", [4], also=["3"]):
        silent = model[:4](x)
    torch.testing.assert_close(shifted, torch.full_like(shifted, 1.5), rtol=1e-4, atol=0)
    assert (silent[:, 4] == 0).all() and (silent[:, 3] != 0).any()
    assert bits(model) == before


def test_no_filters_change_nothing():
    model = small_network()
    before = bits(model)
    with zeroed(model, "0", []):
        assert bits(model) == before


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("0", [4]), r"filters: expected whole numbers from 0 to 3, or bool of shape \(4,\), got \[4\]"),
        (("0", [-1]), "filters: expected whole numbers from 0 to 3"),
        (("0", [0.5]), "filters: expected whole numbers"),
        (("0", torch.tensor([True, False])), "filters: expected whole numbers"),
        (("1", [0]), "expected a layer with a weight of its own, got '1', a ReLU"),
        (("8", [0]), "has no layer '8'"),
        (("0", [0], ["3"]), "also: expected 4 channels, as '0' has filters, got '3' with 6"),
        (("2", [0], "9"), "has no layer '9'"),
    ],
)
def test_bad_zeroing_raises_and_changes_nothing(arguments, message):
    model = small_network()
    before = bits(model)
    with pytest.raises(ValueError, match=message), zeroed(model, *arguments):
        pass
    assert bits(model) == before


def test_accuracy_without_filters_equals_scikit_learns_of_a_network_that_never_had_them():
    model, split = small_network(3), patches()
    choices, before = [[], [1], torch.tensor([True, False, True, True])], bits(model)
    found = accuracy_without(model, "0", choices, split, best=(1, 2, 4), batch_size=15)
    for filters, row in zip(choices, found, strict=True):
        other = copy.deepcopy(model).eval()
        with torch.no_grad():
            other[0].weight[filters], other[0].bias[filters] = 0, 0
            logits = other(as_input(split.images))
        expected = [top_k_accuracy_score(split.labels, logits, k=k) for k in (1, 2, 4)]
        np.testing.assert_allclose(row, expected, rtol=0, atol=1e-12)
    assert bits(model) == before and model.training


def test_accuracy_that_has_no_meaning_raises():
    model, split = small_network(), patches()
    with pytest.raises(ValueError, match="best: expected 1 to 5, the number of classes, got"):
        accuracy_without(model, "0", [[]], split, best=(1, 6))
    with pytest.raises(ValueError, match=r"split: expected class numbers as labels, got multi-hot \(40, 2\)"):
        accuracy_without(model, "0", [[]], Split(split.images, torch.zeros(40, 2)))


def test_a_filter_of_a_transposed_convolution_is_a_channel_that_it_puts_out():
    torch.manual_seed(0)
    wide, narrow = nn.Sequential(nn.ConvTranspose2d(2, 3, 2)), nn.Sequential(nn.ConvTranspose2d(3, 2, 2))
    for model, count in ((wide, 3), (narrow, 2)):
        images = torch.rand(4, 5 - count, 6, 6)
        plain, before = model(images), bits(model)
        for i in range(count):
            with zeroed(model, "0", [i]):
                inside = model(images)
            others = [j for j in range(count) if j != i]
            assert not inside[:, i].any() and torch.equal(inside[:, others], plain[:, others])
        assert bits(model) == before
    with pytest.raises(ValueError, match="filters: expected whole numbers from 0 to 1"), zeroed(narrow, "0", [2]):
        pass


def test_a_network_brought_to_another_precision_meanwhile_has_its_weights_again():
    model = small_network()
    expected = {name: value.double() for name, value in copy.deepcopy(model.state_dict()).items()}
    with zeroed(model, "2", [1, 4], also=["3"]):
        model.double()
        assert not model[2].weight[[1, 4]].any()
    assert all(torch.equal(value.double(), expected[name]) for name, value in model.state_dict().items())
    assert model[2].weight.dtype == torch.float64
