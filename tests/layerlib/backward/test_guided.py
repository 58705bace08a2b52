import copy
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from layerlib.backward.guided import bp_image, guided_bp_image, targets
from layerlib.models import MLP

SIGMOID = (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2)
LITERAL = {
    "sigmoid": SIGMOID,
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": (lambda z: z * (z > 0), lambda z: (z > 0) * 1.0),
    "leaky_relu": (lambda z: np.where(z > 0, z, 0.01 * z), lambda z: np.where(z > 0, 1, 0.01)),
    "elu": (lambda z: np.where(z > 0, z, np.expm1(z)), lambda z: np.where(z > 0, 1, np.exp(z))),
}
MODULES = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
    "selu": nn.SELU,
    "relu6": nn.ReLU6,
    "hardtanh": nn.Hardtanh,
}


class Step(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class ReluByHand(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


def network(*steps, seed=0):
    """20-15-12-4 with the given activations (one for all, or one for each of the two hidden layers)."""
    torch.manual_seed(seed)
    first, second = steps * 2 if len(steps) == 1 else steps
    return nn.Sequential(nn.Linear(20, 15), first, nn.Linear(15, 12), second, nn.Linear(12, 4)).double()


def batch(n=9, features=20):
    torch.manual_seed(1)
    return torch.randn(n, features, dtype=torch.float64), torch.arange(n) % 4


def literal_guided(model, x, y, activation, derivative, mask_input):
    """Eq. 11, one sample and one layer at a time."""
    weights = [(m.weight.detach().numpy(), m.bias.detach().numpy()) for m in model if isinstance(m, nn.Linear)]
    pictures = []
    for sample, label in zip(x.numpy(), y.tolist(), strict=True):
        zs, o = [sample], sample
        for w, b in weights:
            zs.append(w @ o + b)
            o = activation(zs[-1])
        decoded = np.eye(len(zs[-1]))[label]
        for layer in range(len(weights), 0, -1):
            decoded = weights[layer - 1][0].T @ decoded
            if layer > 1 or mask_input:
                z = zs[layer - 1]
                decoded = decoded * ((z > 0) & (decoded > 0) | (z < 0) & (decoded < 0))
            if layer > 1:
                decoded = decoded * derivative(zs[layer - 1])
        pictures.append(decoded)
    return torch.from_numpy(np.stack(pictures))


@pytest.mark.parametrize("mask_input", [True, False])
@pytest.mark.parametrize("name", LITERAL)
def test_guided_picture_is_equation_11_literally(name, mask_input):
    model, (x, y) = network(MODULES[name]()), batch()
    expected = literal_guided(model, x, y, *LITERAL[name], mask_input)
    torch.testing.assert_close(guided_bp_image(model, x, y, mask_input), expected, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("name", ["gelu", "silu", "softplus", "softsign", "selu", "relu6", "hardtanh"])
def test_guided_picture_with_any_activation_is_equation_11_with_its_derivative(name):
    model, (x, y) = network(MODULES[name]()), batch()
    function = MODULES[name]()
    slope = torch.vmap(torch.func.grad(lambda z: function(z)))
    expected = literal_guided(
        model, x, y, lambda z: function(torch.from_numpy(z)).numpy(), lambda z: slope(torch.from_numpy(z)).numpy(), True
    )
    torch.testing.assert_close(guided_bp_image(model, x, y), expected, rtol=1e-10, atol=1e-15)


FUNCTIONAL = {
    "relu": [
        F.relu,
        torch.relu,
        lambda t: t.relu(),
        F.relu_,
        torch.relu_,
        lambda t: t.relu_(),
        nn.ReLU(inplace=True),
        lambda t: F.relu(t, inplace=True),
        lambda t: F.relu(input=t),
        lambda t: t[None].select(0, 0).relu_(),
    ],
    "leaky_relu": [F.leaky_relu, F.leaky_relu_, nn.LeakyReLU(inplace=True)],
    "elu": [F.elu, F.elu_, nn.ELU(inplace=True)],
    "gelu": [F.gelu],
    "sigmoid": [torch.sigmoid, F.sigmoid, lambda t: t.sigmoid(), lambda t: t.sigmoid_(), torch.special.expit],
    "tanh": [torch.tanh, F.tanh, lambda t: t.tanh(), torch.tanh_, lambda t: t.tanh_()],
}


@pytest.mark.parametrize(("name", "call"), [(name, call) for name, calls in FUNCTIONAL.items() for call in calls])
def test_functional_activations_give_the_picture_of_the_module(name, call):
    x, y = batch()
    expected = guided_bp_image(network(MODULES[name]()), x, y)
    step = call if isinstance(call, nn.Module) else Step(call)
    torch.testing.assert_close(guided_bp_image(network(step), x, y), expected, rtol=1e-12, atol=1e-16)
    assert (expected - bp_image(network(MODULES[name]()), x, y, "label")).abs().max() > 1e-3


def conv_net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 5, stride=2),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(150, 32),
        nn.ReLU(),
        nn.Linear(32, 10),
    ).eval()


def deep():
    torch.manual_seed(0)
    return MLP((784, *[100] * 5, 10), bias="all")


@pytest.mark.parametrize("model", [deep(), conv_net()], ids=["dnn6", "cnn"])
def test_with_relu_the_guided_picture_is_captums_guided_backpropagation(model):
    captum = pytest.importorskip("captum.attr")
    torch.manual_seed(1)
    x, y = torch.rand(20, 1, 28, 28), torch.randint(0, 10, (20,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = captum.GuidedBackprop(model).attribute(x.clone(), target=y)
    torch.testing.assert_close(guided_bp_image(model, x, y, mask_input=False), expected, rtol=0, atol=1e-6)
    masked = guided_bp_image(model, x, y)
    torch.testing.assert_close(masked, expected.clamp(min=0) * (x > 0), rtol=0, atol=1e-6)


def test_bp_pictures_ascend_the_labels_evidence():
    model, (x, y) = network(nn.Tanh()), batch()
    chosen = torch.arange(len(y))
    for seed, evidence in (("error", lambda x: model(x).log_softmax(1)), ("label", model)):
        picture = bp_image(model, x, y, seed)
        step = 1e-6 * torch.randn_like(x)
        rise = (evidence(x + step) - evidence(x - step))[chosen, y].detach() / 2
        torch.testing.assert_close((picture * step).sum(1), rise, rtol=1e-5, atol=1e-11)


def test_the_error_picture_is_the_first_layers_decoded_target():
    model, (x, y) = network(nn.ReLU()), batch()
    torch.testing.assert_close(bp_image(model, x, y), -targets(model, x, y)["0"] @ model[0].weight.detach())


BENT = {
    "clamp": lambda t: t.clamp(min=0),
    "where": lambda t: torch.where(t > 0, t, 0 * t),
    "mul": lambda t: t * (t > 0),
    "reluby": ReluByHand.apply,
    "maximum": lambda t: torch.maximum(t, torch.zeros_like(t)),
    "abs": lambda t: (t + t.abs()) / 2,
    "pow": lambda t: t**2,
    "exp": torch.exp,
    "sqrt": lambda t: (t + 100).sqrt(),
    "maskedfill": lambda t: t.masked_fill(t < 0, 0),
    "hardshrink": F.hardshrink,
    "softmax": lambda t: t.softmax(1),
}


@pytest.mark.parametrize("step", BENT)
def test_what_cannot_be_guided_is_refused_with_the_module_to_change(step):
    inner = nn.Sequential(nn.Identity(), Step(BENT[step]))
    model, (x, y) = network(nn.ReLU(), inner), batch()
    with pytest.raises(ValueError, match=rf"^model: '3\.1' \(Step\) uses {step}\w*, which cannot be guided; change"):
        guided_bp_image(model, x, y)
    assert not any(m._forward_hooks for m in model.modules())


@pytest.mark.parametrize("kernel", [SDPBackend.MATH, SDPBackend.FLASH_ATTENTION])
def test_attention_is_refused_whichever_way_it_is_computed(kernel):
    class Attending(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention, self.out = nn.MultiheadAttention(4, 2, batch_first=True), nn.Linear(20, 4)

        def forward(self, x):
            tokens = x.unflatten(1, (5, 4))
            return self.out(self.attention(tokens, tokens, tokens, need_weights=False)[0].flatten(1))

    x, y = batch()
    with sdpa_kernel(kernel), pytest.raises(ValueError, match=r"^model: 'attention' \(MultiheadAttention\) uses \w+, "):
        guided_bp_image(Attending(), x.float(), y)


def test_where_it_may_pass_the_rest_is_guided_as_ever():
    """Attention as a linear map of the tokens, of weights that do not depend on the input, against itself."""
    x, y = batch()
    gain = torch.rand(12, dtype=torch.float64) + 0.5
    with torch.no_grad():
        plain = network(nn.ReLU(), Step(lambda t: t * gain))
        bent = copy.deepcopy(plain)
        bent[3] = Step(lambda t: torch.where(t > -1e9, t * gain, t))
    assert isinstance(plain[3], Step)
    with pytest.raises(ValueError, match="or let it pass with unguided='pass'"):
        guided_bp_image(bent, x, y)
    assert torch.equal(guided_bp_image(bent, x, y, unguided="pass"), guided_bp_image(plain, x, y))
    assert torch.equal(guided_bp_image(plain, x, y, unguided="pass"), guided_bp_image(plain, x, y))
    with pytest.raises(ValueError, match="^unguided: expected one of 'refuse', 'pass', got 'no'"):
        guided_bp_image(plain, x, y, unguided="no")


def test_a_step_between_modules_is_that_of_the_module_around_them():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.mix, self.drop, self.out = nn.Linear(12, 12), nn.Dropout(), nn.Linear(12, 12)

        def forward(self, x):
            return self.out(self.drop(self.mix(x).softmax(1)))

    x, y = batch()
    with pytest.raises(ValueError, match=r"^model: '3' \(Attention\) uses softmax"):
        guided_bp_image(network(nn.ReLU(), Attention().double()), x, y)


def test_gates_and_scripts_are_refused():
    x, y = batch()
    gate = Step(lambda t: t * torch.sigmoid(t))
    with pytest.raises(ValueError, match=r"'1' \(Step\) uses mul, which cannot be guided"):
        guided_bp_image(network(gate, nn.ReLU()), x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script = torch.jit.script(nn.ReLU())
    with pytest.raises(ValueError, match="which cannot be guided"):
        guided_bp_image(nn.Sequential(network(script, nn.ReLU())), x, y)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell"])
def test_recurrent_layers_are_refused(kind):
    class Rows(nn.Module):
        def __init__(self):
            super().__init__()
            self.rows, self.out = getattr(nn, kind)(5, 6), nn.Linear(6, 4)

        def forward(self, x):
            x = x.unflatten(1, (4, 5))
            z = (
                self.rows(x[:, 0])[0]
                if kind == "LSTMCell"
                else self.rows(x[:, 0])
                if "Cell" in kind
                else (self.rows(x.transpose(0, 1))[0][-1])
            )
            return self.out(z)

    x, y = batch()
    with pytest.raises(ValueError, match=rf"^model: 'rows' \({kind}\) uses \w+, which cannot be guided"):
        guided_bp_image(Rows(), x.float(), y)  # in single precision an LSTM is one step for autograd


def test_functions_that_are_already_done_when_gradients_are_off_are_let_through():
    class Frozen(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.out = nn.Linear(20, 20), nn.Linear(20, 4)

        def forward(self, x):
            x = x.sub_(0.5)  # in place on the input: the caller's x stays as it was
            with torch.no_grad():
                gain = F.relu(self.inner(x)).mean()
            return self.out(torch.tanh(x)) * gain

    x, y = batch()
    before = x.clone()
    assert guided_bp_image(Frozen().double(), x, y).shape == x.shape and torch.equal(x, before)


def test_steps_that_bend_nothing_are_let_through():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(20, 12), nn.Linear(12, 12)
            self.out, self.scale = nn.Linear(24, 4), nn.Parameter(torch.rand(12))

        def forward(self, x):
            x = F.relu((x - 0.1) / 0.3 @ self.one.weight.T)
            x = (self.scale.exp() * x + F.dropout(x, training=self.training)) * 0.5
            x = F.layer_norm(x + F.relu(self.two(x)), (12,))
            return self.out(torch.cat([x, x.flip(1)], 1))

    x, y = batch()
    assert guided_bp_image(Net().double(), x, y).abs().sum() > 0


def test_models_are_as_before_and_training_mode_counts_as_evaluation():
    model, x, y = conv_net(), torch.rand(6, 1, 28, 28, requires_grad=True), torch.arange(6)
    expected = [bp_image(model, x, y), guided_bp_image(model, x, y)]
    model.train()
    model[1].eval()
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    with torch.no_grad():
        found = [bp_image(model, x, y), guided_bp_image(model, x, y)]
    torch.testing.assert_close(found, expected)
    assert [m.training for m in model.children()] == [True, False] + [True] * 8
    assert all(torch.equal(t, before[k]) for k, t in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert x.grad is None and all(p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks or m._backward_hooks for m in model.modules())
    assert not any(picture.requires_grad for picture in found) and found[0].shape == x.shape
    F.relu(torch.ones(1, requires_grad=True)).backward(-torch.ones(1))  # no longer guided, nothing is in the way


def test_an_activations_input_overwritten_later_is_refused_not_misread():
    def overwrites(z):
        output = torch.sigmoid(z)
        z += 1
        return output

    with pytest.raises(ValueError, match="the input of an activation was overwritten in place"):
        guided_bp_image(network(Step(overwrites), nn.ReLU()), *batch())


def test_a_certain_sample_has_a_picture_in_float32():
    model = nn.Sequential(nn.Linear(20, 4))
    with torch.no_grad():
        model[0].weight.mul_(40)
    x = batch()[0].float()
    y = model(x).argmax(1)
    torch.testing.assert_close(
        bp_image(model, x, y).double(), bp_image(model.double(), x.double(), y), rtol=1e-3, atol=0
    )


def test_bad_input_is_refused():
    model, (x, y) = network(nn.ReLU()), batch()
    with pytest.raises(ValueError, match="seed: expected one of 'error', 'label', got 'logit'"):
        bp_image(model, x, y, "logit")
    for picture in (bp_image, guided_bp_image):
        with pytest.raises(ValueError, match=r"y: expected class numbers 0 to 3, .* got 0 to 4"):
            picture(model, x, y + (y == 3))
        with pytest.raises(ValueError, match="x: expected torch.float64 like the model, got torch.float32"):
            picture(model, x.float(), y)
        with pytest.raises(ValueError, match="x: expected a dense tensor with values, got torch.strided on meta"):
            picture(model, x.to("meta"), y)
        with pytest.raises(ValueError, match="leave out the last softmax"):
            picture(nn.Sequential(model, nn.Softmax(1)), x, y)
        with pytest.raises(ValueError, match="do not depend on x"):
            picture(nn.Sequential(Step(torch.detach), model), x, y)
