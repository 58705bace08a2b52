"""Weights filter by filter: of every kind of convolution, as a parameter, parametrised or pruned."""

import copy
import io

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from layerlib.layers._weights import effective, filters_first, rows_zeroed, twin_of, weight_in, weight_of

PLAIN = {
    "linear": (lambda: nn.Linear(5, 4), (3, 5)),
    "conv1d": (lambda: nn.Conv1d(2, 4, 3), (3, 2, 7)),
    "conv2d": (lambda: nn.Conv2d(2, 4, 3), (3, 2, 7, 7)),
    "conv2d, groups": (lambda: nn.Conv2d(4, 4, 3, groups=2), (3, 4, 7, 7)),
    "conv3d": (lambda: nn.Conv3d(2, 4, 3), (3, 2, 5, 5, 5)),
    "transposed 1d": (lambda: nn.ConvTranspose1d(3, 4, 2), (3, 3, 5)),
    "transposed 2d": (lambda: nn.ConvTranspose2d(3, 4, 2), (3, 3, 5, 5)),
    "transposed 2d, groups": (lambda: nn.ConvTranspose2d(6, 4, 2, groups=2), (3, 6, 5, 5)),
    "transposed 3d": (lambda: nn.ConvTranspose3d(3, 4, 2), (3, 3, 4, 4, 4)),
    "without bias": (lambda: nn.Conv2d(2, 4, 3, bias=False), (3, 2, 7, 7)),
}


def pruned(layer):
    prune.l1_unstructured(layer, "weight", amount=0.4)
    prune.random_unstructured(layer, "weight", amount=0.2)
    prune.random_unstructured(layer, "bias", amount=0.3)
    return layer


MADE = {
    "weight norm": parametrizations.weight_norm,
    "spectral norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "pruned": pruned,
    "weight norm of old": nn.utils.weight_norm,
    "spectral norm of old": nn.utils.spectral_norm,
}
KINDS = {name: PLAIN[name] for name in PLAIN} | {
    f"{kind}, {how}": (lambda make=make, change=change: change(make()), shape)
    for how, change in MADE.items()
    for kind, (make, shape) in PLAIN.items()
    if kind in ("linear", "conv2d", "transposed 2d, groups")
}
pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated")


def layer_of(kind):
    torch.manual_seed(0)
    make, shape = KINDS[kind]
    return make().double(), torch.randn(shape, dtype=torch.float64)


def saved(layer):
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    return file.getvalue()


@pytest.mark.parametrize("kind", PLAIN)
def test_filters_are_the_numbers_of_what_the_layer_puts_out(kind):
    layer, x = layer_of(kind)
    layer.bias = None
    weight = layer.weight.detach().clone()
    filters = filters_first(weight, layer)
    assert len(filters) == 4 and filters.shape[1:].numel() * 4 == weight.numel()
    for i in range(4):
        # only the weights that are filter i reach channel i, and they reach no other
        mark = torch.zeros_like(weight, requires_grad=True)
        with torch.no_grad():
            layer.weight.copy_(weight)
        z = torch.func.functional_call(layer, {"weight": weight + mark}, (x,))
        (reached,) = torch.autograd.grad(z[:, i].square().sum(), mark)
        assert torch.equal((filters_first(reached, layer) != 0).flatten(1).any(1), torch.arange(4) == i)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("training", [False, True])
def test_rows_are_zero_in_what_the_layer_puts_out_and_then_as_they_were_to_the_bit(kind, training):
    layer, x = layer_of(kind)
    layer.train(training)
    with torch.no_grad():
        layer.eval()
        before, state = layer(x), saved(layer)
        layer.train(training)
        with rows_zeroed(layer, "weight", torch.tensor([1, 3])), rows_zeroed(layer, "bias", torch.tensor([1, 3])):
            assert not filters_first(effective(layer), layer)[[1, 3]].any()
            layer.eval()
            inside = layer(x)
            layer.train(training)
        assert not inside[:, [1, 3]].any() and torch.equal(inside[:, [0, 2]], before[:, [0, 2]])
        assert saved(layer) == state and layer.training == training
        layer.eval()
        assert torch.equal(layer(x), before)
    assert len(layer._forward_pre_hooks) == (2 if "pruned" in kind else 1 if "of old" in kind else 0)


@pytest.mark.parametrize("kind", ["conv2d", "transposed 2d, groups, weight norm", "linear, pruned"])
def test_contexts_may_be_open_inside_one_another_and_end_with_an_exception(kind):
    layer, x = layer_of(kind)
    before, state = layer(x).detach(), saved(layer)
    with pytest.raises(ZeroDivisionError), rows_zeroed(layer, "weight", torch.tensor([0, 1])):
        with rows_zeroed(layer, "weight", torch.tensor([1, 2])):
            assert not weight_of(layer, "layer")[:3].any()
        assert not weight_of(layer, "layer")[:2].any() and weight_of(layer, "layer")[2].any()
        raise ZeroDivisionError
    assert saved(layer) == state and torch.equal(layer(x), before)


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_brought_to_another_dtype_meanwhile_has_its_weights_again_in_that(kind):
    layer, _ = layer_of(kind)
    layer.float()
    expected = copy.deepcopy(layer.state_dict())
    with rows_zeroed(layer, "weight", torch.tensor([1])), rows_zeroed(layer, "bias", torch.tensor([1])):
        layer.double()
    found = layer.state_dict()
    assert found.keys() == expected.keys()
    assert all(found[key].dtype == torch.float64 and torch.equal(found[key], expected[key].double()) for key in found)


@pytest.mark.parametrize("kind", KINDS)
def test_the_weight_of_an_earlier_moment_is_the_one_that_the_layer_worked_with_then(kind):
    layer, x = layer_of(kind)
    with torch.no_grad():
        layer.eval()(x)
        state = {f"body.{key}": value.clone() for key, value in layer.state_dict().items()}
        expected = weight_of(layer, "body").clone()
        if not kind.endswith("orthogonal"):
            torch.testing.assert_close(filters_first(layer.weight, layer), expected, rtol=0, atol=0)
        for parameter in layer.parameters():
            parameter += torch.randn_like(parameter)
        now = weight_of(layer, "body").clone()
        assert torch.equal(weight_in(state, "body", layer), expected) and not torch.equal(now, expected)
        assert torch.equal(weight_of(layer, "body"), now)
    assert weight_in({"other.weight": expected}, "body", layer) is None


def test_a_layer_that_was_pruned_since_or_before_is_found_too():
    torch.manual_seed(0)
    layer = nn.Linear(5, 4)
    plain = {f"l.{key}": value.clone() for key, value in layer.state_dict().items()}
    weight = layer.weight.detach().clone()
    prune.l1_unstructured(layer, "weight", amount=0.5)
    assert torch.equal(weight_in(plain, "l", layer), weight)
    state = {f"l.{key}": value.clone() for key, value in layer.state_dict().items()}
    assert torch.equal(weight_in(state, "l", nn.Linear(5, 4)), weight * layer.weight_mask)


@pytest.mark.parametrize("kind", KINDS)
def test_asking_for_the_weight_changes_nothing(kind):
    layer, _ = layer_of(kind)
    layer.train()
    state, random = saved(layer), torch.get_rng_state()
    with torch.no_grad():
        first, second = (weight_of(layer, "layer") for _ in range(2))
    assert torch.equal(first, second) and saved(layer) == state and torch.equal(torch.get_rng_state(), random)
    assert all(module.training for module in layer.modules())


def test_pruned_networks_have_twins():
    network = nn.Sequential(pruned(nn.Linear(5, 4)), nn.ReLU())
    x = torch.rand(3, 5)
    expected = network(x)
    twin = twin_of(network)
    assert torch.equal(twin(x), expected)
    with torch.no_grad():
        twin[0].weight_orig.zero_()
    assert torch.equal(network(x), expected) and not torch.equal(twin(x), expected)


def test_layers_without_weights_have_none():
    assert effective(nn.ReLU()) is None and effective(nn.LSTM(3, 4)) is None
    with pytest.raises(ValueError, match="expected a layer with a weight of its own, got 'act', a ReLU"):
        weight_of(nn.ReLU(), "act")
    norm = nn.BatchNorm2d(3, affine=False)
    with rows_zeroed(norm, "weight", torch.tensor([0])):
        pass
    assert not parametrize.is_parametrized(norm)
