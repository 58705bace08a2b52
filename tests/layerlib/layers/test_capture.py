"""Reading layers: what is seen is what the layers put out, and the model is afterwards as it was."""

import copy
import gc
import threading
import weakref

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from layerlib.layers.capture import capture, outputs
from layerlib.models import MLP


def convolutional(inplace):
    """Two blocks with batch norm, as in torchvision's networks."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace)),
        nn.Sequential(nn.Conv2d(4, 4, 3), nn.Hardswish(inplace), nn.Dropout(0.5, inplace)),
        nn.Flatten(),
        nn.Linear(4 * 4 * 4, 3),
    )


class Functional(nn.Module):
    """Activations as functions, which no hook sees."""

    def __init__(self, activation):
        super().__init__()
        self.first, self.second, self.activation = nn.Linear(4, 5), nn.Linear(5, 3), activation

    def forward(self, x):
        return self.second(self.activation(self.first(x)))


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.unused = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        return self.layer(self.layer(x))


def hooks(model):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def modes(model):
    return [m.training for m in model.modules()]


def test_what_is_seen_is_what_each_layer_puts_out():
    model, x = MLP((4, 5, 6, 3), activation="sigmoid"), torch.rand(7, 4)
    with capture(model, ["linear1", "sigmoid1", "linear3"]) as seen:
        logits = model(x)
    assert torch.equal(seen["linear1"], model.linear1(x))
    assert torch.equal(seen["sigmoid1"], model.linear1(x).sigmoid())
    assert seen["linear3"] is logits
    assert list(seen) == ["linear1", "sigmoid1", "linear3"] and len(seen) == 3


def test_gradients_reach_what_is_seen():
    model, x = MLP((4, 5, 3)), torch.rand(7, 4)
    with capture(model, ["linear1"]) as seen:
        loss = model(x).square().sum()
    (gradient,) = torch.autograd.grad(loss, seen["linear1"])
    assert torch.equal(gradient != 0, seen["linear1"] > 0)


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_pre_activations_are_true_where_the_activation_works_in_place(mode):
    x = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    names = ["0.0", "0.1", "0.2", "1.0", "1.1", "3"]
    in_place, plain = convolutional(True).eval(), convolutional(False).eval()
    with mode(), capture(in_place, names) as seen, capture(plain, names) as expected:
        assert torch.equal(in_place(x), plain(x))
    for name in names:
        assert torch.equal(seen[name], expected[name])
    assert (seen["0.1"] < 0).any()
    assert in_place[0][2].inplace and in_place[1][1].inplace and not plain[0][2].inplace


def test_nested_layers_are_named_with_dots():
    model = nn.ModuleDict({"body": MLP((4, 5, 3))})
    model.forward = lambda x: model.body(x)
    with capture(model, ["body.linear1", "body"]) as seen:
        out = model(torch.rand(2, 4))
    assert seen["body"] is out and seen["body.linear1"].shape == (2, 5)


def test_one_name_may_be_given_as_a_string():
    model = MLP((4, 5, 3))
    with capture(model, "linear1") as seen:
        model(torch.rand(2, 4))
    assert list(seen) == ["linear1"]


def test_an_unknown_layer_is_refused_with_the_closest_names():
    model = MLP((4, 5, 6, 3))
    with (
        pytest.raises(ValueError, match=r"names: MLP has no layer 'liner2'; closest are \['linear2'"),
        capture(model, ["linear1", "liner2"]),
    ):
        pass
    with pytest.raises(ValueError, match=r"has no layer 'zzz'; closest are \['flatten'"), capture(model, ["zzz"]):
        pass
    with pytest.raises(ValueError, match="has no layer ''"), capture(model, [""]):
        pass
    with pytest.raises(ValueError, match="names: expected at least one layer, got none"), capture(model, []):
        pass
    assert hooks(model) == 0


def test_a_layer_that_was_not_asked_for_is_not_given():
    model = MLP((4, 5, 3))
    with capture(model, ["linear1"]) as seen, pytest.raises(KeyError, match="'linear2' is not captured; captured are"):
        seen["linear2"]


def test_a_layer_that_did_not_run_is_an_error_and_no_older_output():
    model = Twice()
    with capture(model, ["layer", "unused"]) as seen:
        with pytest.raises(RuntimeError, match="'layer' did not run in the last forward pass"):
            seen["layer"]
        model(torch.rand(2, 4))
        with pytest.raises(RuntimeError, match="'unused' did not run in the last forward pass"):
            seen["unused"]
        model.layer.register_forward_pre_hook(lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            model(torch.rand(2, 4))
        with pytest.raises(RuntimeError, match="'layer' did not run in the last forward pass"):
            seen["layer"]
    assert list(seen) == []


def test_of_a_layer_that_runs_twice_the_last_output_is_seen():
    model, x = Twice(), torch.rand(2, 4)
    with capture(model, ["layer"]) as seen:
        model(x)
    assert torch.equal(seen["layer"], model.layer(model.layer(x)))


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize(
    "activation", [F.relu_, lambda z: F.relu(z, inplace=True), lambda z: z.mul_(2), lambda z: F.relu_(z.view(-1, 5))]
)
def test_an_output_is_seen_as_it_was_before_it_was_overwritten(activation, mode):
    model, x = Functional(activation), torch.randn(8, 4)
    expected = model(x).detach()
    with mode(), capture(model, ["first", "second"]) as seen:
        assert torch.equal(model(x), expected)
        assert torch.equal(seen["first"], model.first(x)) and (seen["first"] < 0).any()
        assert seen["second"].shape == (8, 3)


def test_every_layer_of_a_network_that_works_in_place_is_seen_as_it_was():
    torch.manual_seed(0)
    model = torchvision.models.resnet18(num_classes=5).eval()
    leaves = [name for name, module in model.named_modules() if not list(module.children())]
    expected = {}
    # relu runs twice in a block: the last call counts
    handles = [
        model.get_submodule(name).register_forward_hook(lambda m, i, z, name=name: expected.update({name: z.clone()}))
        for name in leaves
    ]
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        plain = model(x)
    for handle in handles:
        handle.remove()
    with torch.no_grad(), capture(model, leaves) as seen:
        assert torch.equal(model(x), plain)
    assert list(seen) == leaves and (seen["layer1.0.bn2"] < 0).any()
    assert all(torch.equal(seen[name], expected[name]) for name in leaves)


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_a_step_in_place_after_the_last_layer_changes_what_comes_out_and_not_what_is_seen(mode):
    model, x = nn.Sequential(nn.Linear(4, 5), nn.ReLU(inplace=True)), torch.randn(8, 4)
    with mode(), capture(model, ["0"]) as seen:
        out = model(x)
        assert torch.equal(seen["0"], model[0](x)) and torch.equal(out, seen["0"].relu()) and (seen["0"] < 0).any()


def test_a_functional_activation_out_of_place_is_no_error():
    model, x = Functional(F.relu), torch.randn(8, 4)
    with capture(model, ["first"]) as seen:
        model(x)
    assert torch.equal(seen["first"], model.first(x))


def test_of_a_tuple_the_first_tensor_is_seen_and_the_network_gets_all():
    model, x = nn.LSTM(3, 4), torch.rand(2, 3)
    outer = nn.Sequential(model)
    with capture(outer, ["0"]) as seen:
        z, (hidden, cell) = outer(x)
    expected, (last, memory) = model(x)
    assert torch.equal(seen["0"], expected) and torch.equal(z, expected)
    assert torch.equal(hidden, last) and torch.equal(cell, memory)


def test_a_layer_that_puts_out_no_tensor_is_refused_by_name():
    model = nn.Sequential(nn.Linear(3, 4))
    model[0].forward = lambda x: {"logits": x}
    with (
        capture(model, ["0"]),
        pytest.raises(TypeError, match="names: expected layers that put out a tensor, got dict of '0'"),
    ):
        model(torch.rand(2, 3))
    assert hooks(model) == 0


def test_the_model_is_as_before_also_after_an_exception():
    model = convolutional(True)
    before, state = modes(model), copy.deepcopy(model.state_dict())
    with pytest.raises(ZeroDivisionError), capture(model.eval(), ["0.0", "1.1"]):
        model(torch.rand(2, 1, 8, 8))
        raise ZeroDivisionError
    model.train()
    assert hooks(model) == 0 and modes(model) == before
    assert all(m.inplace for m in model.modules() if hasattr(m, "inplace"))
    assert all(torch.equal(t, state[name]) for name, t in model.state_dict().items())


def test_captures_may_be_open_inside_one_another():
    model, x = convolutional(True).eval(), torch.rand(2, 1, 8, 8)
    with capture(model, ["0.0"]) as outer:
        with capture(model, ["0.0", "1.0"]) as inner:
            model(x)
        assert torch.equal(outer["0.0"], inner["0.0"])
        model(2 * x)
        assert torch.equal(outer["0.0"], model[0][0](2 * x))
        assert torch.equal(inner["0.0"], model[0][0](x))
    assert hooks(model) == 0 and model[0][2].inplace


def test_only_the_last_pass_is_held_and_nothing_once_seen_is_gone():
    model = MLP((4, 5, 3))
    with capture(model, ["linear1"]) as seen:
        model(torch.rand(2, 4))
        first = weakref.ref(seen["linear1"])
        model(torch.rand(2, 4))
        gc.collect()
        assert first() is None
        second = weakref.ref(seen["linear1"])
    assert second() is seen["linear1"]
    del seen
    gc.collect()
    assert second() is None


@pytest.mark.parametrize("batch_size", [1, 7, 20, 2000])
def test_outputs_are_those_of_one_direct_pass_in_evaluation_mode(batch_size):
    model = convolutional(True).double()
    model(torch.rand(9, 1, 8, 8).double())  # running statistics that differ from those of a batch
    model[1].eval()
    before, state, random = modes(model), copy.deepcopy(model.state_dict()), torch.get_rng_state()
    images = torch.randint(256, (20, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    read = outputs(model, ["0.1", "3"], images, batch_size)
    assert modes(model) == before and hooks(model) == 0 and torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(t, state[name]) for name, t in model.state_dict().items())
    plain = convolutional(False).double().eval()
    plain.load_state_dict(state)
    exact = images.double() / 255
    torch.testing.assert_close(read["0.1"], plain[0][:2](exact).detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(read["3"], plain(exact).detach(), rtol=1e-12, atol=1e-12)
    assert not read["3"].requires_grad


def test_modes_come_back_when_reading_outputs_fails():
    model = convolutional(False).train()
    model[0].eval()
    before = modes(model)
    with pytest.raises(ValueError, match="has no layer '9'"):
        outputs(model, ["9"], torch.zeros(2, 1, 8, 8, dtype=torch.uint8))
    with pytest.raises(ValueError, match="^images: expected samples that the network runs on"):
        outputs(model, ["3"], torch.zeros(2, 3, 8, 8, dtype=torch.uint8))
    assert modes(model) == before and hooks(model) == 0


def test_numbers_that_are_no_pixels_go_in_as_they_are_and_the_callers_stay():
    model, x = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 3)), torch.randn(7, 4)
    kept = x.clone()
    read = outputs(model, "1", x, batch_size=3)
    assert torch.equal(x, kept) and list(read) == ["1"]
    torch.testing.assert_close(read["1"], model[1](kept.relu()).detach())
    tokens = torch.tensor([[1, 2], [3, 0]])
    assert outputs(nn.Sequential(nn.Embedding(4, 5)), ["0"], tokens)["0"].shape == (2, 2, 5)


@pytest.mark.parametrize(
    "array",
    [
        np.linspace(-1, 1, 12).reshape(3, 4),
        np.linspace(-1, 1, 12, dtype=">f4").reshape(3, 4),
        np.linspace(-1, 1, 24, dtype="f4").reshape(3, 8)[:, ::2],
        np.arange(12, dtype=np.uint8).reshape(3, 4),
    ],
)
def test_arrays_are_taken_in_the_models_precision(array):
    array.flags.writeable = False
    model = MLP((4, 3))
    expected = torch.tensor(np.ascontiguousarray(array.astype("f4"))) / (255 if array.dtype == np.uint8 else 1)
    torch.testing.assert_close(outputs(model, "linear1", array)["linear1"], model(expected).detach())


def test_what_is_neither_tensor_nor_array_is_refused():
    with pytest.raises(ValueError, match="images: expected a Split, .x, y., a Dataset, .*, got list"):
        outputs(MLP((4, 3)), "linear1", [[1.0, 2.0, 3.0, 4.0]])
    with pytest.raises(ValueError, match="images: expected uint8 pixels, .* or torch.float32 like the model, got"):
        outputs(MLP((4, 3)), "linear1", torch.rand(2, 4).double())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_outputs_stay_on_the_device_of_the_model():
    assert outputs(MLP((4, 3)).cuda(), ["linear1"], torch.zeros(2, 1, 2, 2, dtype=torch.uint8))["linear1"].is_cuda


def test_the_passes_of_other_threads_are_not_seen():
    model, x, y = MLP((4, 5, 3)), torch.rand(2, 4), torch.rand(7, 4)
    with capture(model, ["linear1"]) as seen:
        model(x)
        other = threading.Thread(target=lambda: model(y))
        other.start()
        other.join()
        assert torch.equal(seen["linear1"], model.linear1(x))
