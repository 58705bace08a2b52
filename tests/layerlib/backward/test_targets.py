import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from layerlib._forward import label_error
from layerlib.backward.direct_losses import alignment
from layerlib.backward.targets import propagate, targets
from layerlib.models import MLP


def dnn6(bias="all", activation="relu", seed=0):
    torch.manual_seed(seed)
    return MLP((784, *[100] * 5, 10), activation=activation, bias=bias)


def cnn():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, padding=1, groups=2),
        nn.ELU(),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(216, 10),
    )


def batch(n=12, shape=(1, 28, 28), dtype=torch.float64):
    torch.manual_seed(1)
    return torch.rand(n, *shape, dtype=dtype), torch.randint(0, 10, (n,))


class Functional(nn.Module):
    """Activations as functions, two of them in place, and a step in place on a pre-activation."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two, self.three = nn.Linear(8, 7), nn.Linear(7, 6), nn.Linear(6, 5)

    def forward(self, x):
        z = F.relu_(self.one(x))
        z = self.two(z)
        z += 1
        return self.three(torch.tanh_(z))


def literal(model, x, y):
    """z_l and ∂ℓ/∂z_l of every layer, one sample at a time, by autograd through a chain of copies of z_l."""
    layers = [m for m in model.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    found = [[] for _ in layers]
    for i in range(len(x)):
        zs = []
        handles = [m.register_forward_hook(lambda m, a, z, zs=zs: (zs.append(z), z * 1)[1]) for m in layers]
        loss = F.cross_entropy(model(x[i : i + 1]), y[i : i + 1])
        for each, z, g in zip(found, zs, torch.autograd.grad(loss, zs), strict=True):
            each.append((z.detach(), g))
        for handle in handles:
            handle.remove()
    return [(torch.cat([z for z, _ in each]), torch.cat([g for _, g in each])) for each in found]


@pytest.mark.parametrize("model", [dnn6(), dnn6(activation="sigmoid"), cnn()], ids=["dnn6", "sigmoid", "cnn"])
def test_targets_are_each_samples_gradient_whatever_the_batch(model):
    model = model.double().eval()
    x, y = batch()
    passes = propagate(model, x, y)
    for (z, g), each in zip(literal(model, x, y), passes.values(), strict=True):
        torch.testing.assert_close(each.preactivation, z, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(each.target, g, rtol=1e-10, atol=1e-14)
        torch.testing.assert_close(each.layer(each.input), z, rtol=1e-12, atol=1e-14)


def test_targets_with_functional_activations_and_steps_in_place():
    model = Functional().double()
    x, y = torch.rand(6, 8, dtype=torch.float64), torch.arange(6) % 5
    for (z, g), each in zip(literal(model, x, y), propagate(model, x, y).values(), strict=True):
        torch.testing.assert_close(each.preactivation, z)
        torch.testing.assert_close(each.target, g)


def test_targets_agree_with_finite_differences_of_the_loss():
    model = dnn6(activation="tanh").double()
    x, y = batch(3)
    got = targets(model, x, y)["linear3"]
    step = 1e-6
    for unit in (0, 50, 99):
        losses = []
        for sign in (1, -1):
            handle = model.linear3.register_forward_hook(
                lambda m, a, z, s=sign, u=unit: z + s * step * F.one_hot(torch.tensor(u), 100)
            )
            losses.append(F.cross_entropy(model(x), y, reduction="none"))
            handle.remove()
        torch.testing.assert_close(got[:, unit], ((losses[0] - losses[1]) / (2 * step)).detach(), rtol=1e-6, atol=1e-9)


def test_targets_are_named_first_to_last_and_the_last_is_p_minus_y():
    model, (x, y) = dnn6().double(), batch()
    found = targets(model, x, y)
    assert list(found) == [f"linear{i}" for i in range(1, 7)]
    torch.testing.assert_close(found["linear6"], model(x).softmax(1).detach() - F.one_hot(y, 10))
    assert not any(t.requires_grad for t in found.values())


def test_in_networks_of_relu_without_biases_all_layers_share_one_dot_product():
    model, (x, y) = dnn6(bias="none").double(), batch()
    dots = [alignment(each.target, each.preactivation)[0] for each in propagate(model, x, y).values()]
    for dot in dots[:-1]:
        torch.testing.assert_close(dot, dots[-1], rtol=1e-10, atol=1e-14)


def test_the_error_of_a_certain_sample_does_not_cancel_in_float32():
    logits = torch.tensor([[20.0, 0.0, -3.0], [1.0, 2.0, 3.0]])
    y = torch.tensor([0, 1])
    exact = label_error(logits.double(), y)
    torch.testing.assert_close(label_error(logits, y).double(), exact, rtol=1e-6, atol=0)
    torch.testing.assert_close(exact, logits.double().softmax(1) - F.one_hot(y, 3), rtol=1e-6, atol=1e-15)
    assert (logits.softmax(1) - F.one_hot(y, 3))[0, 0] == 0  # what the plain difference gives


def test_nothing_of_the_model_is_changed_and_training_mode_counts_as_evaluation():
    model, (x, y) = cnn().double(), batch()
    expected = targets(copy.deepcopy(model).eval(), x, y)
    model.train()
    model[1].eval()
    model[0].weight.requires_grad_(False)
    model[-1].bias.grad = torch.ones_like(model[-1].bias)
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    found = targets(model, x.requires_grad_(), y)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name])
    assert [m.training for m in model.children()] == [True, False] + [True] * 7
    assert all(torch.equal(t, before[k]) for k, t in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert x.grad is None and model[0].weight.grad is None and model[-1].bias.grad.eq(1).all()
    assert not model[0].weight.requires_grad and model[4].weight.requires_grad
    assert model[2].inplace and not any(m._forward_hooks for m in model.modules())


def test_all_is_restored_after_an_exception_within_the_model():
    class Fails(nn.Module):
        def forward(self, x):
            raise RuntimeError("stop")

    model = nn.Sequential(nn.Linear(4, 4), Fails()).train()
    with pytest.raises(ValueError, match="x: expected samples that the network runs on, .*stop"):
        targets(model, torch.rand(2, 4), torch.zeros(2, dtype=torch.int64))
    assert all(m.training and not m._forward_hooks for m in model.modules())


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_gradients_are_on_whatever_the_caller_has(context):
    model = dnn6().requires_grad_(False)
    with context():
        x, y = batch(dtype=torch.float32)
        found = targets(model, x, y)
    assert found["linear1"].abs().sum() > 0


def test_a_layer_used_twice_is_listed_twice_and_one_that_does_not_run_is_not():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.unused, self.inner, self.out = nn.Linear(3, 3), nn.Linear(4, 4), nn.Linear(4, 3)

        def forward(self, x):
            return self.out(self.inner(F.gelu(self.inner(x))))

    model, x = Shared().double(), torch.rand(5, 4, dtype=torch.float64)
    passes = propagate(model, x, torch.arange(5) % 3)
    assert list(passes) == ["inner", "inner#2", "out"]
    z, g = passes["inner"].preactivation, passes["inner#2"].target
    slope = torch.func.vmap(torch.func.vmap(torch.func.grad(F.gelu)))(z)
    torch.testing.assert_close(passes["inner"].target, (g @ model.inner.weight * slope).detach())


def test_logits_of_weights_of_zero_are_logits():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 3))
    nn.init.zeros_(model[1].weight)
    nn.init.constant_(model[1].bias, 0.5)
    found = targets(model, torch.rand(2, 4), torch.tensor([0, 2]))
    torch.testing.assert_close(found["1"], torch.tensor([[-2, 1, 1], [1, 1, -2]]) / 3)
    assert not found["0"].any()


def test_the_callers_x_stays_where_a_network_works_in_place_on_it():
    class Shifts(nn.Sequential):
        def forward(self, x):
            return super().forward(x.sub_(0.5))

    x = torch.rand(3, 4)
    kept = x.clone()
    targets(Shifts(nn.Linear(4, 3)), x, torch.arange(3))
    assert torch.equal(x, kept)


def test_any_module_can_be_named():
    model, (x, y) = cnn().double(), batch()
    passes = propagate(model, x, y, names=["2", "8"])
    assert list(passes) == ["2", "8"] and passes["2"].target.shape == (12, 4, 13, 13)
    assert list(targets(model, x, y, names="4")) == ["4"]
    assert list(targets(model, x, y, names=iter(["4", "0"]))) == ["0", "4"]


def refused(model, x, y, match, names=None):
    with pytest.raises(ValueError, match=match):
        targets(model, x, y, names)


def test_bad_batches_are_refused():
    model, (x, y) = dnn6(), batch(dtype=torch.float32)
    refused(model, x, y[:3], r"^y: expected int64 class numbers of shape \(12,\)")
    refused(model, x, y.float(), "^y: expected int64")
    refused(model, x, y.clamp(min=9) + 1, "^y: expected class numbers 0 to 9, the model has 10 outputs, got 10 to 10")
    refused(model, x, y * 0 - 1, "^y: expected class numbers 0 to 9")
    refused(model, x.double(), y, "^x: expected torch.float32 like the model, got torch.float64")
    refused(model, x[:0], y[:0], "^x: expected shape")
    refused(model, x / 0, y, "^x: 9408 of 9408 values are not finite")
    refused(model, x.to("meta"), y, "^x: expected a dense tensor with values, got torch.strided on meta")


def test_bad_models_are_refused():
    x, y = torch.rand(4, 6), torch.arange(4)
    linear = nn.Linear(6, 5)
    refused(nn.Sequential(linear, nn.BatchNorm1d(5, track_running_stats=False)), x, y, "'1' normalises by the batch")
    refused(nn.Sequential(linear, nn.Softmax(1)), x, y, "leave out the last softmax")
    refused(nn.Sequential(linear, nn.LogSoftmax(1)), x, y, "leave out the last softmax")
    refused(nn.Sequential(linear, nn.Sigmoid()), x, y, "leave out the last sigmoid")
    refused(nn.Sequential(linear, nn.Sigmoid()), x, y, "leave out the last sigmoid", names=["0"])
    refused(nn.Sequential(linear, nn.Unflatten(1, (5, 1))), x, y, r"expected logits of shape \(4, K\), got \(4, 5, 1\)")
    refused(nn.Sequential(linear, nn.Bilinear(2, 2, 2)), x, y, r"'1' \(Bilinear\) holds weights \['weight'\]")
    refused(nn.ReLU(), x, y, "ReLU has no parameters")
    refused(linear, x, y, "has no layer 'linear'; closest", names=["linear"])

    class Cut(nn.Sequential):
        def forward(self, x):
            return self[1](self[0](x).detach())

    class Overwrites(nn.Sequential):
        def forward(self, x):
            x = self[0](x)
            z = self[1](x)
            x += 1
            return z

    refused(Overwrites(nn.Linear(6, 6), linear), x, y, "the input of layer '1' was overwritten in place")
    refused(Cut(nn.Linear(6, 6), linear), x, y, r"the loss does not reach \['0'\]")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_targets_stay_on_the_device_of_the_model():
    model, (x, y) = dnn6(), batch(dtype=torch.float32)
    expected = targets(model, x, y)
    found = targets(model.cuda(), x.cuda(), y)
    for name in expected:
        torch.testing.assert_close(found[name].cpu(), expected[name], rtol=1e-3, atol=1e-6)


def test_an_order_sends_each_error_back_through_another_sample():
    torch.manual_seed(0)
    model = MLP((6, 5, 4, 3)).double()
    x, y, order = torch.randn(7, 6).double(), torch.arange(7) % 3, torch.randperm(7)
    passes = propagate(model, x, y, order=order)
    error = propagate(model, x, y)["linear3"].target
    for i in range(7):
        h1 = model.linear1(x[i])
        h2 = model.linear2(h1.relu())
        expected = model.linear3.weight.T @ error[order[i]] * (h2 > 0)
        assert torch.allclose(passes["linear2"].target[i], expected)
        assert torch.allclose(passes["linear1"].target[i], model.linear2.weight.T @ expected * (h1 > 0))


@pytest.mark.parametrize("order", [torch.zeros(7, dtype=torch.int64), torch.arange(6), torch.arange(7.0) + 0.5])
def test_an_order_that_is_no_permutation_is_refused(order):
    with pytest.raises(ValueError, match="^order: expected a permutation of 0 to 6"):
        propagate(MLP((6, 5, 3)), torch.randn(7, 6), torch.arange(7) % 3, order=order)
