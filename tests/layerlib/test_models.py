"""Networks: their start, their names, and the weight update as a sum over paths (Davel et al. 2020, eqs. 9-10)."""

import itertools
import math
import warnings
from fractions import Fraction

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F
from torchvision import models as torchvision_models
from torchvision.models import VisionTransformer

from layerlib.layers.capture import capture
from layerlib.models import CNN, MLP, ViT, build, dnn6, taps


def linears(model):
    return [layer for layer in model if isinstance(layer, nn.Linear)]


@pytest.mark.parametrize("fan_in", [20, 100, 784])
def test_weights_start_uniform_in_root_three_over_fan_in(fan_in):
    torch.manual_seed(0)
    weight = linears(MLP((fan_in, 500, 10)))[0].weight.detach().flatten()
    bound = math.sqrt(3 / fan_in)
    assert weight.abs().max() <= bound
    assert scipy.stats.kstest(weight.numpy(), scipy.stats.uniform(-bound, 2 * bound).cdf).pvalue > 0.01
    # the variance of an estimate of the variance of a uniform is 4/5 of the variance squared, over n
    assert abs(weight.double().var().item() * fan_in - 1) < 4 * math.sqrt(0.8 / len(weight))


@pytest.mark.parametrize(
    "bias, expected", [("first", [True, False, False]), ("all", [True, True, True]), ("none", [False, False, False])]
)
def test_biases_stand_where_asked_and_start_at_zero(bias, expected):
    biases = [layer.bias for layer in linears(MLP((4, 5, 6, 3), bias=bias))]
    assert [b is not None for b in biases] == expected
    assert all(b.count_nonzero() == 0 for b in biases if b is not None)


def test_the_paper_s_network_has_a_bias_in_the_first_layer_only():
    names = dict(MLP((784, *[100] * 10, 10)).named_parameters())
    assert [name for name in names if "bias" in name] == ["linear1.bias"]
    assert len(names) == 12


@pytest.mark.parametrize("activation, module", [("relu", nn.ReLU), ("sigmoid", nn.Sigmoid), ("tanh", nn.Tanh)])
def test_layers_are_named_by_kind_and_number_and_the_output_is_linear(activation, module):
    model = MLP((4, 5, 6, 3), activation=activation)
    assert [name for name, _ in model.named_children()] == [
        "flatten",
        "linear1",
        f"{activation}1",
        "linear2",
        f"{activation}2",
        "linear3",
    ]
    assert isinstance(model.get_submodule(f"{activation}2"), module)


def test_batch_norm_stands_between_the_weights_and_the_activation():
    model = MLP((4, 5, 3), batch_norm=True)
    assert [name for name, _ in model.named_children()] == ["flatten", "linear1", "norm1", "relu1", "linear2"]
    assert model.norm1.num_features == 5


def test_the_repr_is_that_of_a_sequential_of_the_named_layers():
    assert repr(MLP((4, 3, 2))) == (
        "MLP(\n  (flatten): Flatten(start_dim=1, end_dim=-1)\n"
        "  (linear1): Linear(in_features=4, out_features=3, bias=True)\n  (relu1): ReLU()\n"
        "  (linear2): Linear(in_features=3, out_features=2, bias=False)\n)"
    )


def test_the_same_seed_gives_the_same_network_and_another_one_another():
    def drawn(seed):
        torch.manual_seed(seed)
        return MLP((4, 3, 2)).linear2.weight

    assert torch.equal(drawn(1), drawn(1)) and not torch.equal(drawn(1), drawn(2))


@given(st.lists(st.integers(1, 9), min_size=2, max_size=5), st.integers(1, 4))
def test_the_forward_pass_is_that_of_the_formula(widths, samples):
    model, x = MLP(widths).double(), torch.rand(samples, 1, 1, widths[0], dtype=torch.float64)
    a = x.flatten(1)
    for i, layer in enumerate(linears(model), start=1):
        z = a @ layer.weight.T + (layer.bias if i == 1 else 0)
        a = z.clamp(min=0)
    torch.testing.assert_close(model(x), z, rtol=1e-12, atol=1e-12)


def test_widths_may_come_from_an_iterator_or_numpy():
    assert MLP(iter((4, 3, 2)))(torch.zeros(5, 4)).shape == (5, 2)
    assert MLP(np.array([4, 3, 2]))(torch.zeros(5, 4)).shape == (5, 2)


@pytest.mark.parametrize("widths", [(), (784,), (784, 0, 10), (784, -5, 10), (784, 10.0), (784, "10"), (784, True)])
def test_bad_widths_are_refused(widths):
    with pytest.raises(ValueError, match="widths: expected at least two whole numbers from 1 up, got "):
        MLP(widths)


def test_unknown_options_are_refused():
    with pytest.raises(ValueError, match=r"activation: expected one of \['relu', 'sigmoid', 'tanh'\], got 'gelu'"):
        MLP((4, 3), activation="gelu")
    with pytest.raises(ValueError, match="bias: expected one of 'first', 'all', 'none', got True"):
        MLP((4, 3), bias=True)


def test_a_slice_is_a_network_of_the_first_layers():
    model, x = MLP((4, 3, 2)), torch.rand(5, 4)
    assert torch.equal(model[-1](model[:-1](x)), model(x))
    assert [name for name, _ in model[:2].named_children()] == ["flatten", "linear1"]


def test_taps_are_the_pre_activations_and_the_output():
    assert taps(MLP((4, 5, 6, 3))) == ["linear1", "linear2", "linear3"]
    assert taps(MLP((4, 5, 6, 3), batch_norm=True)) == ["norm1", "norm2", "linear3"]
    assert taps(MLP((4, 3))) == ["linear1"]
    assert taps(MLP((4, *[3] * 11))) == [f"linear{i}" for i in range(1, 12)]


def test_taps_of_another_network_are_not_guessed():
    with pytest.raises(ValueError, match="taps are fixed for MLP, CNN, ViT, ResNet and VGG, got Sequential; give"):
        taps(nn.Sequential(nn.Linear(2, 2)))


def test_a_vit_is_torchvisions_read_behind_every_block():
    torch.manual_seed(0)
    model = ViT(12, patch=4, depth=2, width=8, heads=2, classes=3, channels=1).eval()
    names = taps(model)
    assert names == ["encoder.layers.encoder_layer_0", "encoder.layers.encoder_layer_1", "heads.head"]
    theirs = VisionTransformer(12, 4, 2, 2, 8, 32, num_classes=3).eval()
    theirs.conv_proj = nn.Conv2d(1, 8, 4, 4)
    theirs.load_state_dict(model.state_dict())
    x = torch.rand(5, 1, 12, 12)
    with torch.no_grad(), capture(model, names) as seen:
        assert torch.allclose(model(x), theirs(x), atol=1e-6)
    assert [tuple(z.shape) for z in seen.values()] == [(5, 10, 8), (5, 10, 8), (5, 3)]


def test_several_vits_run_as_one():
    models = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        models.append(ViT(8, patch=4, depth=1, width=8, heads=2, classes=3, channels=1))
    values, buffers = stack_module_state(models)
    x = torch.rand(2, 4, 1, 8, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of attention that is run network by network
        both = vmap(lambda v, b, each: functional_call(models[0], (v, b), (each,)))(values, buffers, x)
    assert torch.allclose(both, torch.stack([model(each) for model, each in zip(models, x, strict=True)]), atol=1e-6)


@pytest.mark.parametrize(("argument", "value"), [("patch", 5), ("heads", 3), ("depth", 0), ("width", 2.5)])
def test_a_vit_names_the_number_that_it_refuses(argument, value):
    fitting = {"size": 8, "patch": 4, "depth": 1, "width": 8, "heads": 2, "classes": 3}
    with pytest.raises(ValueError, match=f"^{argument}: expected"):
        ViT(**fitting | {argument: value})


def path_gradient(weights, switches, gaps, i, j):
    """β of node j in layer i (from 1): the sum over all paths b of eq. 9, each found by the index I(r, b) of eq. 6.

    weights[r - 1] is layer r's matrix, switches[r - 1] the T(z) of its nodes, gaps the λ of the outputs.
    """
    last = len(weights)
    sizes = [len(w) for w in weights]
    below = [math.prod(sizes[r:]) for r in range(1, last + 1)]  # B_1 .. B_N
    beta = Fraction(0)
    for b in range(below[i - 1]):
        index = {r: j if r == i else b // below[r - 1] % sizes[r - 1] for r in range(i, last + 1)}
        switched = math.prod(switches[g - 1][index[g]] for g in range(i, last))
        product = math.prod(weights[r - 1][index[r]][index[r - 1]] for r in range(i + 1, last + 1))
        beta += gaps[index[last]] * switched * product
    return beta


def active_path_gradient(weights, switches, gaps, i, j):
    """The same sum over the active paths only, as in eq. 10."""
    if i < len(weights) and not switches[i - 1][j]:
        return Fraction(0)
    on = [[n for n, s in enumerate(layer) if s] for layer in switches[i:-1]] + [range(len(gaps))]
    beta = Fraction(0)
    for path in itertools.product(*on) if i < len(weights) else [()]:
        steps = itertools.pairwise([j, *path])
        beta += math.prod(weights[i + g][to][start] for g, (start, to) in enumerate(steps)) * gaps[[j, *path][-1]]
    return beta


@pytest.mark.parametrize("seed", [1, 3, 4, 5, 6])
def test_the_weight_update_is_a_sum_over_active_paths(seed):
    torch.manual_seed(seed)
    model = MLP((3, 4, 3, 4, 2)).double()
    nn.init.normal_(model.linear1.bias, std=0.1)
    x, y = torch.randn(6, 3, dtype=torch.float64), torch.rand(6, 2, dtype=torch.float64)
    error = (model(x) - y).square().sum() / 2
    layers = linears(model)
    autograd = torch.autograd.grad(error, [layer.weight for layer in layers] + [model.linear1.bias])

    exact = [[[Fraction(w) for w in row] for row in layer.weight.tolist()] for layer in layers]
    sums = [torch.zeros_like(layer.weight) for layer in layers] + [torch.zeros_like(model.linear1.bias)]
    for sample, target in zip(x, y, strict=True):
        activations, zs = [sample], []
        for layer in layers:
            zs.append(layer(activations[-1]))
            activations.append(zs[-1].relu())
        gaps = [Fraction(g) for g in (zs[-1] - target).tolist()]
        switches = [[int(value > 0) for value in z.tolist()] for z in zs]
        for i, gradient in enumerate(sums[:-1], start=1):
            for j in range(len(gradient)):
                beta = path_gradient(exact, switches, gaps, i, j)
                assert beta == active_path_gradient(exact, switches, gaps, i, j)
                gradient[j] += float(beta) * activations[i - 1].detach()
                if i == 1:
                    sums[-1][j] += float(beta)
    for ours, theirs in zip(sums, autograd, strict=True):
        assert theirs.count_nonzero() > 0
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-13)


def test_dnn6_is_the_network_of_the_paper():
    model = dnn6()
    assert [tuple(layer.weight.shape) for layer in linears(model)] == [(100, 784), *[(100, 100)] * 4, (10, 100)]
    assert all(layer.bias is not None and layer.bias.count_nonzero() == 0 for layer in linears(model))
    assert taps(model) == [f"linear{i}" for i in range(1, 7)]
    assert model(torch.zeros(5, 1, 28, 28)).shape == (5, 10)
    assert isinstance(dnn6("sigmoid").sigmoid5, nn.Sigmoid)


@pytest.mark.parametrize("layer", [1, 3, 6])
def test_the_weights_of_dnn6_start_uniform_by_glorot_and_bengio(layer):
    torch.manual_seed(0)
    weight = dnn6().get_submodule(f"linear{layer}").weight.detach()
    bound = math.sqrt(6 / sum(weight.shape))
    assert scipy.stats.kstest(weight.flatten().numpy(), scipy.stats.uniform(-bound, 2 * bound).cdf).pvalue > 0.01


def test_an_unknown_activation_of_dnn6_is_refused():
    with pytest.raises(ValueError, match="activation: expected one of .*, got 'step'"):
        dnn6("step")


# Convolutional networks


NETWORKS = {"resnet18": 10, "resnet50": 18, "vgg16": 14, "vgg16_bn": 14}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_full_width_is_torchvision_s(name):
    with torch.device("meta"):
        ours, theirs = build(name, 1000), torchvision_models.get_model(name)
    shapes = [{key: t.shape for key, t in model.state_dict().items()} for model in (ours, theirs)]
    differing = {key for key in shapes[0].keys() | shapes[1].keys() if shapes[0].get(key) != shapes[1].get(key)}
    # VGG's hidden layers see one place of the picture, not 49
    assert differing == ({"classifier.0.weight"} if name.startswith("vgg") else set())


@pytest.mark.parametrize("name", ["resnet18", "vgg16_bn"])
def test_with_weights_a_network_answers_as_torchvision_s_on_normalised_pictures(name, monkeypatch):
    theirs = torchvision_models.get_model(name).eval()
    monkeypatch.setattr(torchvision_models.WeightsEnum, "get_state_dict", lambda self, **options: theirs.state_dict())
    ours = build(name, 7, weights="IMAGENET1K_V1").eval()
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    mean, spread = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    before = {"resnet18": "avgpool", "vgg16_bn": "classifier.5"}[name]
    with torch.no_grad(), capture(ours, [before]) as seen, capture(theirs, [before]) as expected:
        assert ours(x).shape == (2, 7)
        theirs((x - mean.view(3, 1, 1)) / spread.view(3, 1, 1))
        torch.testing.assert_close(seen[before], expected[before])


@pytest.mark.parametrize("name, count", NETWORKS.items())
def test_taps_are_in_the_order_they_run_and_end_with_the_output(name, count):
    model = build(name, 5, width=0.1, channels=1).eval()
    names, order = taps(model), []
    for tap in names:
        model.get_submodule(tap).register_forward_hook(lambda *_, tap=tap: order.append(tap))
    x = torch.rand(3, 1, 40, 40)
    with torch.no_grad(), capture(model, names) as seen:
        logits = model(x)
        assert order == names and len(names) == count
        assert torch.equal(seen[names[-1]], logits) and logits.shape == (3, 5)
        # after an activation (and a pooling, where one follows) nothing is negative
        assert all(seen[tap].min() >= 0 for tap in names[:-1])


def test_vgg_is_read_after_its_poolings():
    model = build("vgg16", 5, width=0.1)
    kinds = [type(model.get_submodule(tap)) for tap in taps(model)[:-1]]
    assert [i for i, kind in enumerate(kinds) if kind is nn.MaxPool2d] == [1, 3, 6, 9, 12]


@pytest.mark.parametrize("name", NETWORKS)
def test_width_multiplies_every_number_of_channels(name):
    narrow, whole = build(name, 5, width=0.25), build(name, 5)
    convolutions = [[m for m in model.modules() if isinstance(m, nn.Conv2d)] for model in (narrow, whole)]
    assert [4 * n.out_channels for n in convolutions[0]] == [w.out_channels for w in convolutions[1]]


def test_convolutions_start_with_he_s_variance():
    torch.manual_seed(0)
    for name in ("resnet18", "vgg16"):
        weight = [m for m in build(name, 5, width=0.5).modules() if isinstance(m, nn.Conv2d)][-1].weight
        assert weight.var().item() == pytest.approx(2 / (weight.shape[0] * weight[0, 0].numel()), rel=0.02)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"name": "resnet19"}, r"name: expected one of \['resnet18', .*got 'resnet19'"),
        ({"classes": 0}, "classes: expected a whole number from 1 up, got 0"),
        ({"channels": True}, "channels: expected a whole number from 1 up, got True"),
        ({"width": 0}, "width: expected a finite number above 0, got 0"),
        ({"width": float("nan")}, "width: expected a finite number above 0, got nan"),
        ({"width": float("inf")}, "width: expected a finite number above 0, got inf"),
        (
            {"width": 0.5, "weights": "IMAGENET1K_V1"},
            "weights: IMAGENET1K_V1 .* width 1, 3 channels, .* got resnet18, 0.5, 3, 7",
        ),
        ({"stem": 5}, "stem: expected 3 or 7, got 5"),
        ({"stem": 3, "weights": "IMAGENET1K_V1"}, "weights: .* stem 7, got resnet18, 1.0, 3, 3"),
        ({"name": "preresnet50", "weights": "IMAGENET1K_V1"}, "weights: .* stem 7, got preresnet50"),
        ({"weights": "IMAGENET9K"}, "weights: expected one of .*IMAGENET1K_V1.* got 'IMAGENET9K'"),
    ],
)
def test_a_network_that_cannot_be_built_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        build(**{"name": "resnet18", "classes": 5} | change)


def test_with_a_stem_of_3_a_resnet_halves_the_picture_once_before_its_blocks():
    model = build("resnet18", 5, width=0.1, stem=3).eval()
    with torch.no_grad(), capture(model, ["conv1", "layer1.1", "layer4.1"]) as seen:
        model(torch.rand(2, 3, 32, 32))
    assert [seen[name].shape[-1] for name in seen] == [16, 16, 2]
    assert model.conv1.kernel_size == (3, 3)


def preactivated(state, x):
    """He et al. 2016b, eqs. 1-2 and fig. 4e, from the numbers of a network with a stem of 3, in training mode."""

    def ready(name, z):
        return F.batch_norm(z, None, None, state[f"{name}.weight"], state[f"{name}.bias"], training=True).relu()

    z = F.conv2d(x, state["conv1.weight"], stride=2, padding=1)
    for i, blocks in enumerate((3, 4, 6, 3), start=1):
        for k in range(blocks):
            name, stride = f"layer{i}.{k}", 2 if i > 1 and k == 0 else 1
            a = ready(f"{name}.bn1", z)
            inside = F.conv2d(a, state[f"{name}.conv1.weight"])
            inside = F.conv2d(ready(f"{name}.bn2", inside), state[f"{name}.conv2.weight"], stride=stride, padding=1)
            inside = F.conv2d(ready(f"{name}.bn3", inside), state[f"{name}.conv3.weight"])
            kept = f"{name}.downsample.weight"
            z = inside + (F.conv2d(a, state[kept], stride=stride) if kept in state else z)
    return F.linear(ready("avgpool.0", z).mean((2, 3)), state["fc.weight"], state["fc.bias"])


def test_a_preactivated_resnet_is_the_sum_of_its_paper():
    torch.manual_seed(0)
    model = build("preresnet50", 5, width=0.1, stem=3).double()
    for each in model.parameters():
        if each.ndim == 1:  # norms that do something
            nn.init.uniform_(each, 0.5, 1.5)
    x = torch.rand(4, 3, 32, 32, dtype=torch.float64)
    state = dict(model.named_parameters())
    torch.testing.assert_close(model.train()(x), preactivated(state, x))
    assert len(taps(model)) == 18


@pytest.mark.parametrize("residual", [False, True])
def test_a_cnn_is_the_sum_it_says_it_is(residual):
    torch.manual_seed(0)
    model = CNN(6, depth=3, classes=4, channels=2, residual=residual)
    names = taps(model)
    assert names == ["conv1", "conv2", "conv3", "linear4"]
    x = torch.rand(5, 2, 8, 12)
    with capture(model, names) as seen:
        logits = model(x)
    z = model.conv1(x)
    assert z.shape == (5, 6, 2, 3)
    for name in names[1:3]:
        layer = model.get_submodule(name)
        z = nn.functional.conv2d(z.relu(), layer.weight, layer.bias, padding=1) + (z if residual else 0)
        torch.testing.assert_close(seen[name], z)
    torch.testing.assert_close(logits, model.linear4(z.relu().mean((2, 3))))


def test_a_cnn_starts_with_he_weights_by_depth_where_it_adds_up():
    torch.manual_seed(0)
    plain, residual = (CNN(64, depth=4, classes=2, channels=3, residual=kind) for kind in (False, True))
    for model, factor in ((plain, 1), (residual, 4)):
        assert model.conv2.weight.var().item() * 64 * 9 / 2 * factor == pytest.approx(1, abs=0.05)
        assert model.conv1.weight.var().item() * 3 * 16 / 2 == pytest.approx(1, abs=0.1)
        assert model.conv2.bias.count_nonzero() == 0


@pytest.mark.parametrize("argument", ["width", "depth", "classes", "channels"])
def test_a_cnn_refuses_numbers_that_are_none(argument):
    for bad in (0, 1.5, True):
        with pytest.raises(ValueError, match=f"{argument}: expected a whole number from 1 up, got {bad!r}"):
            CNN(**({"width": 4, "depth": 2, "classes": 3} | {argument: bad}))
