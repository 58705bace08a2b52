"""Passes in evaluation mode: batch by batch, one thread at a time, with everything as it was between two of them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from networks import Plain, picture_split
from torch import nn

from layerlib import inspect
from layerlib._batches import check_logits
from layerlib._forward import alone, as_input, batches, evaluated, evaluating
from layerlib.backward.guided import bp_image, guided_bp_image
from layerlib.backward.targets import targets
from layerlib.distributions.probes import LayerProbes
from layerlib.filters.zeroing import accuracy_without
from layerlib.layers.capture import outputs
from layerlib.models import MLP


def modes(model):
    return [module.training for module in model.modules()]


def test_batches_are_evaluated_without_gradients_and_the_network_is_as_it_was_in_between():
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)).train()
    model[2].eval()
    before, images = modes(model), torch.randint(256, (7, 3, 2, 2), dtype=torch.uint8)
    seen = []
    for output in evaluated(model, images, 3):
        assert torch.is_grad_enabled() and modes(model) == before
        seen.append(output)
    assert [len(each) for each in seen] == [3, 3, 1] and not any(each.requires_grad for each in seen)
    with evaluating(model):
        torch.testing.assert_close(torch.cat(seen), model(images / 255).detach())
    with torch.inference_mode():
        assert not next(evaluated(model, images, 3)).is_inference()


def test_a_pass_that_fails_leaves_the_modes_as_they_were():
    model = MLP((4, 3)).train()
    with pytest.raises(RuntimeError):
        next(evaluated(model, torch.zeros(2, 5), 2))
    assert all(modes(model))
    with pytest.raises(ValueError, match="Sequential has no parameters"):
        next(evaluated(nn.Sequential(), torch.zeros(2, 5), 2))


def test_pixels_become_numbers_in_the_unit_interval_and_other_numbers_stay():
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8)
    assert as_input(pixels, torch.float64).tolist() == [0, 0.2, 1]
    for other in (torch.tensor([0.5, 300]), torch.tensor([3, 4])):
        assert as_input(other, torch.float64) is other
    x = torch.rand(4, 2)
    first, second = batches(x, 2, torch.zeros(1))
    assert first.dtype == torch.float32 and torch.equal(torch.cat([first, second]), x)
    first.zero_()
    assert (x != 0).all()


def test_threads_wait_for_one_another_on_modules_that_they_share_and_on_no_others():
    shared, other = nn.Linear(2, 2), nn.Linear(2, 2)
    held, order = threading.Event(), []

    def second():
        held.wait(10)
        with alone(other):
            order.append("other")
        with alone(nn.Sequential(shared, nn.ReLU())), alone(shared):
            order.append("shared")

    thread = threading.Thread(target=second)
    thread.start()
    with alone(shared), alone(nn.Sequential(shared)):
        held.set()
        thread.join(0.3)
        assert thread.is_alive() and order == ["other"]
    thread.join(10)
    assert order == ["other", "shared"]
    with pytest.raises(ZeroDivisionError), alone(shared):
        raise ZeroDivisionError
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: alone(shared).__enter__()).exception(10) is None


def test_four_threads_on_one_network_get_what_one_gets():
    torch.manual_seed(0)
    model, split = Plain(), picture_split(24)
    x, y = as_input(split.images), split.labels
    calls = {
        "outputs": lambda: outputs(model, ["conv1", "conv2", "head"], split.images, 5),
        "targets": lambda: targets(model, x, y),
        "bp": lambda: bp_image(model, x, y),
        "guided": lambda: guided_bp_image(model, x, y),
        "without": lambda: accuracy_without(model, "conv1", [[], [1, 2]], split, batch_size=7),
        "probes": lambda: LayerProbes(model, ["conv1", "head"], 10).features(split, batch_size=9).pooled,
        "inspect": lambda: inspect(model, split, batch_size=10).values,
    }
    expected = {name: call() for name, call in calls.items()}
    state = {name: value.clone() for name, value in model.state_dict().items()}
    with ThreadPoolExecutor(4) as pool:
        found = [(name, pool.submit(call)) for _ in range(3) for name, call in calls.items()]
        for name, future in found:
            torch.testing.assert_close(future.result(), expected[name], rtol=0, atol=0, equal_nan=True)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(modes(model)) and not any(module._forward_hooks for module in model.modules())


SMALL = torch.tensor([[0.2, 0.7], [0.9, 0.1], [0.5, 0.6]])
HEADS = {
    "sigmoid": (torch.sigmoid, False),
    "hard sigmoid": (torch.nn.functional.hardsigmoid, False),
    "by hand": (lambda z: 1 / (1 + (-z).exp()), False),
    "clamp": (lambda z: z.clamp(0, 1), False),
    "sigmoid, seen from another side": (lambda z: z.sigmoid()[:, None].expand(-1, 2, -1).mean(1), False),
    "logits": (lambda z: z, True),
    "logits, moved about": (lambda z: z.view(3, 2, 1).squeeze(2).clone(), True),
    "mean of maps": (lambda z: z[..., None, None].expand(-1, -1, 2, 2).mean((2, 3)), True),
    "sum of two": (lambda z: z + 0, True),
}


@pytest.mark.parametrize("head", HEADS)
def test_outputs_that_are_all_in_the_unit_interval_are_logits_only_where_weights_made_them(head):
    function, fine = HEADS[head]
    layer = nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(2))
        layer.bias.zero_()
    logits, y = function(layer(SMALL)), torch.tensor([0, 1, 1])
    if fine:
        assert torch.equal(check_logits(logits, y), y)
    else:
        with pytest.raises(ValueError, match=r"model: expected logits, got numbers that are all in \[0, 1\]; leave"):
            check_logits(logits, y)
