import pytest
import torch
from torch import nn
from torch.nn import functional as F

from layerlib._forward import as_input
from layerlib.data.load import Split
from layerlib.filters.gradients import gradient_sizes


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(4, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(inplace=True),
            nn.Flatten(),
            nn.Dropout(),
            nn.Linear(6 * 64, 5),
        ).double()


def batch(samples: int = 7) -> Split:
    generator = torch.Generator().manual_seed(0)
    return Split(
        torch.randint(256, (samples, 3, 8, 8), generator=generator, dtype=torch.uint8),
        torch.randint(5, (samples,), generator=generator),
    )


def rms(tensor) -> float:
    return tensor.detach().double().pow(2).mean().sqrt().item()


def test_sizes_equal_those_of_a_pass_by_hand():
    model, split = network(), batch()
    found = gradient_sizes(model, ["0", "2"], split, seed=3)
    x = as_input(split.images, torch.float64)
    first = model[0](x)
    middle = first.relu()
    second = model[2](middle)
    for output in (first, second):
        output.retain_grad()
    torch.manual_seed(3)
    logits = model[7](model[6](model[3](second).relu().flatten(1)))
    (F.cross_entropy(logits, split.labels, reduction="sum")).backward()
    torch.testing.assert_close(found.input.tolist(), [rms(x), rms(middle)])
    torch.testing.assert_close(found.error.tolist(), [rms(first.grad), rms(second.grad)])
    torch.testing.assert_close(found.gradient.tolist(), [rms(model[i].weight.grad) / 7 for i in (0, 2)])


def test_the_gradient_is_the_input_correlated_with_the_error_as_in_equation_5():
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(5, 3, 9, 9, generator=generator, dtype=torch.float64)
    weight = torch.randn(4, 3, 3, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    z = F.conv2d(a, weight, padding=1)
    delta = torch.randn(z.shape, generator=generator, dtype=torch.float64)
    [expected] = torch.autograd.grad(z, weight, delta)
    found = F.conv2d(a.transpose(0, 1), delta.transpose(0, 1), padding=1).transpose(0, 1)
    torch.testing.assert_close(found, expected)


def test_the_model_stays_as_it_is():
    model = network()
    before = {name: t.clone() for name, t in model.state_dict().items()}
    state = torch.get_rng_state()
    model[6].eval()
    gradient_sizes(model, ["0", "7"], batch())
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training and not model[6].training and model[1].inplace
    assert all(p.grad is None for p in model.parameters()) and not model[0]._forward_pre_hooks


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_frozen_networks_are_read_like_others_and_whatever_the_callers_mode(mode):
    expected = gradient_sizes(network(), ["0", "2"], batch())
    model = network().requires_grad_(False)
    with mode():
        found = gradient_sizes(model, ["0", "2"], batch())
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_bad_layers_raise():
    with pytest.raises(ValueError, match="has no layer '9'"):
        gradient_sizes(network(), ["9"], batch())
    with pytest.raises(ValueError, match="expected a layer with a weight of its own, got '1', a ReLU"):
        gradient_sizes(network(), ["1"], batch())
