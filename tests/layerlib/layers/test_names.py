"""What cannot be read is refused by one sentence wherever one begins; what is compiled is read as it was written."""

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from layerbook.training.fit import error_rate
from layerlib import inspect
from layerlib.backward.direct_losses import gradient_gaps
from layerlib.backward.guided import bp_image, guided_bp_image
from layerlib.backward.targets import targets
from layerlib.data.splits import Split
from layerlib.distributions.probes import LayerProbes
from layerlib.filters.gradients import gradient_sizes
from layerlib.filters.tracking import FilterTracker
from layerlib.filters.zeroing import accuracy_without, zeroed
from layerlib.layers._names import bare, named_layers, weighted_layers
from layerlib.layers.capture import capture, outputs

pytestmark = [pytest.mark.filterwarnings("ignore:.*deprecated"), pytest.mark.filterwarnings("ignore::FutureWarning")]
LABELS = torch.arange(24) % 3
IMAGES = torch.randint(256, (24, 3, 2, 2), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
SPLIT, X = Split(IMAGES, LABELS), IMAGES / 255


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 3))


def captured(model):
    with torch.no_grad(), capture(model, ["1", "2"]) as seen:
        model(X)
    return dict(seen)


def without(model):
    with zeroed(model, "1", [0, 2]):
        return error_rate(model, SPLIT), model[1].weight.detach().clone() if isinstance(model, nn.Sequential) else None


def probed(model):
    return LayerProbes(model, ["1", "2"], 3).features(SPLIT).pooled


def tracked(model):
    tracker = FilterTracker(model, ["1", "3"], every=1)
    tracker.step()
    return tracker.mean_distance("1")


CALLS = {
    "inspect": lambda model: {k: v.nan_to_num(-9) for k, v in inspect(model, SPLIT).values.items()},
    "targets": lambda model: targets(model, X, LABELS),
    "bp_image": lambda model: bp_image(model, X, LABELS),
    "guided_bp_image": lambda model: guided_bp_image(model, X, LABELS),
    "gradient_gaps": lambda model: gradient_gaps(model, X, LABELS),
    "capture": captured,
    "outputs": lambda model: outputs(model, ["1", "2"], IMAGES),
    "probes": probed,
    "tracker": tracked,
    "zeroed": lambda model: without(model)[0],
    "accuracy_without": lambda model: accuracy_without(model, "1", [[], [1]], SPLIT, best=(1, 2)),
    "gradient_sizes": lambda model: gradient_sizes(model, ["1", "3"], SPLIT),
}


def quietly(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


def exported():
    return torch.export.export(network().eval(), (X,))


CLOSED = {
    "script": (lambda: torch.jit.script(network()), "got a TorchScript, whose layers cannot be read one by one"),
    "trace": (lambda: torch.jit.trace(network(), X), "got a TorchScript, whose layers cannot be read one by one"),
    "exported": (exported, "got a program of torch.export, whose layers cannot be read one by one; give the module"),
    "exported, as a module": (lambda: exported().module(), "got a program of torch.export"),
    "exported within": (lambda: nn.Sequential(nn.Identity(), exported().module()), "got a program of torch.export"),
    "quantised": (
        lambda: torch.ao.quantization.quantize_dynamic(network(), {nn.Linear}),
        "expected layers in floating point, got '1' quantised; give the network as it was before",
    ),
    "function": (lambda: torch.relu, "expected an nn.Module, got builtin"),
    "class": (lambda: nn.Linear, "expected an nn.Module, got Linear"),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", CLOSED)
def test_networks_whose_layers_are_closed_are_refused_by_one_sentence(call, kind):
    make, sentence = CLOSED[kind]
    model = quietly(make)
    with pytest.raises(ValueError, match="^model: .*" + sentence) as caught:
        CALLS[call](model)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "call", [*sorted({*CALLS} - {"tracker", "capture", "zeroed", "accuracy_without", "gradient_sizes"}), "error_rate"]
)
def test_networks_without_parameters_are_refused_by_one_sentence(call):
    model = nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Tanh())
    calls = CALLS | {"error_rate": lambda model: error_rate(model, SPLIT)}
    with pytest.raises(ValueError, match="^model: .*Sequential has no parameters$"):
        calls[call](model)


@pytest.mark.parametrize("call", sorted({*CALLS} - {"tracker", "capture", "zeroed"}))
def test_weights_without_values_are_refused_by_one_sentence(call):
    lazy = nn.Sequential(nn.Flatten(), nn.LazyLinear(5), nn.ReLU(), nn.LazyLinear(3))
    for model in (network().to("meta"), lazy):
        with pytest.raises(ValueError, match="^model: expected weights with values, got some without"):
            CALLS[call](model)


def run(model):
    with torch.no_grad():
        model(X)
    return model


def compiled_in_place(model):
    model.compile(backend="eager")
    return model


WRAPPED = {
    "compiled": lambda: run(torch.compile(network(), backend="eager")),
    "compiled in place": lambda: run(compiled_in_place(network())),
    "a part compiled": lambda: run(compiled_part()),
    "data parallel": lambda: nn.DataParallel(network()),
}


def compiled_part():
    model = network()
    model[3].compile(backend="eager")
    return model


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("how", WRAPPED)
def test_what_is_compiled_or_spread_is_read_as_the_network_itself(call, how):
    expected, found = CALLS[call](network()), CALLS[call](WRAPPED[how]())
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_names_within_what_compiles_are_taken_too():
    model = run(torch.compile(network(), backend="eager"))
    assert named_layers(model, ["1", "_orig_mod.1"]) == {"1": model._orig_mod[1], "_orig_mod.1": model._orig_mod[1]}
    assert list(outputs(model, ["_orig_mod.1"], IMAGES)) == ["_orig_mod.1"]
    with pytest.raises(ValueError, match="names: Sequential has no layer '4'; closest are"):
        named_layers(model, ["4"])
    assert bare(nn.DataParallel(model)) is model._orig_mod


@pytest.mark.parametrize("names", [lambda: "3", lambda: iter(["3"]), lambda: ("3",)])
def test_one_name_may_be_a_string_and_several_an_iterator(names):
    model = network()
    assert list(outputs(model, names(), IMAGES)) == list(targets(model, X, LABELS, names())) == ["3"]
    assert gradient_sizes(model, names(), SPLIT).input.shape == (1,)
    assert LayerProbes(model, names(), 3).names == FilterTracker(model, names()).names == ("3",)
    with zeroed(model, "3", [2], also=names()):
        assert not model[3].weight[2].any()


MADE = {
    "weight norm": parametrizations.weight_norm,
    "spectral norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "weight norm of old": nn.utils.weight_norm,
    "pruned": lambda layer: prune.l1_unstructured(layer, "weight", amount=0.4),
}


def plain_twin(model):
    """The same network whose weights are parameters."""
    twin = network()
    with torch.no_grad():
        for ours, theirs in ((twin[i], model.eval()[i]) for i in (1, 3)):
            ours.bias.copy_(theirs.bias)
            model(X)  # what a pass makes of the parameters
            ours.weight.copy_(theirs.weight)
    return twin


@pytest.mark.parametrize(
    "call",
    [
        "inspect",
        "targets",
        "bp_image",
        "guided_bp_image",
        "outputs",
        "probes",
        "zeroed",
        "accuracy_without",
        "gradient_sizes",
        "tracker",
    ],
)
@pytest.mark.parametrize("how", MADE)
def test_parametrised_and_pruned_networks_are_read_as_those_of_the_weights_that_they_make(how, call):
    model = network()
    quietly(lambda: MADE[how](model[1]))
    if how == "spectral norm":
        model[1].parametrizations.weight[0].n_power_iterations = 0  # else training makes other weights
    twin = plain_twin(model)
    torch.testing.assert_close(CALLS[call](model.train()), CALLS[call](twin.train()), rtol=1e-5, atol=1e-6)


def test_layers_are_listed_without_what_makes_their_weights():
    model = network()
    parametrizations.weight_norm(model[1])
    model.extra = nn.Bilinear(3, 3, 2)
    assert [(name, loose) for name, _, loose in weighted_layers(model)] == [("1", []), ("3", []), ("extra", ["weight"])]
    parametrizations.weight_norm(model.extra)
    assert [name for name, _, _ in weighted_layers(model)] == ["1", "3", "extra"]
    with pytest.raises(ValueError, match=r"'extra' \(ParametrizedBilinear\) holds weights \['weight'\] outside linear"):
        targets(model, X, LABELS)


def test_an_earlier_moment_of_parametrised_and_pruned_layers_is_compared_with():
    model = network()
    parametrizations.weight_norm(model[1])
    prune.l1_unstructured(model[3], "weight", amount=0.3)
    before = copy.deepcopy(model.state_dict())
    weights = [model[1].weight.detach().clone(), model[3].weight.detach().clone()]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 1.5
    model(X)
    change = inspect(model, SPLIT, before=before).values["change"]
    expected = [(layer.weight - old).square().mean() for layer, old in zip((model[1], model[3]), weights, strict=True)]
    torch.testing.assert_close(change, torch.stack(expected).detach().double())
    aliased = inspect(model, SPLIT, before=model.state_dict())
    assert {reason for (_, which), reason in aliased.reasons.items() if which == "filters"} == {
        "before holds the very weights of the network; make the copy, by copy.deepcopy, in time"
    }


def test_pruned_weights_are_those_of_the_network_after_it_ran_with_earlier_ones():
    model = network()
    prune.l1_unstructured(model[3], "weight", amount=0.3)
    before = copy.deepcopy(model.state_dict())
    with torch.no_grad():
        model[3].weight_orig *= 1.5
    model(X)
    weight = model[3].weight.detach().clone()
    for instrument in ("cka", "twin"):
        inspect(model, SPLIT, before=before, instruments=("rank", instrument))
        assert torch.equal(model[3].weight, weight)
