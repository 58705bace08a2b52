"""Each number against the instrument called by hand; what is not read, and why; networks of all kinds."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import NETWORKS, Plain, picture_split
from torch import nn

import layerlib
from layerbook.training.fit import error_rate
from layerlib import inspect
from layerlib._forward import as_input
from layerlib.backward.guided import guided_bp_image
from layerlib.backward.separation import separation
from layerlib.backward.targets import targets
from layerlib.data.load import load
from layerlib.data.splits import Split
from layerlib.distributions.distances import label_cost, label_distribution, wasserstein
from layerlib.distributions.linear import LinearProbes
from layerlib.filters.change import filter_change
from layerlib.inspection._lenses import QUANTITIES
from layerlib.inspection._probing import EPOCHS
from layerlib.layers.capture import outputs
from layerlib.models import MLP
from layerlib.nodes.classifiers import SYSTEMS, NodeClassifiers
from layerlib.patterns import active, hamming, layer_perplexity
from layerlib.similarity import cka, effective_rank

CLASSES = 10


def moved(model, by=0.02):
    model = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(by * torch.randn_like(parameter))
    return model


@pytest.fixture(scope="module")
def read():
    """A multilayer perceptron before and after a step, digits, and what came of inspecting it."""
    torch.manual_seed(0)
    before = MLP((784, 40, 30, CLASSES), bias="all")
    model = moved(before)
    split = load("mnist-mini").test[:240]
    return model, before, split, inspect(model, split, before=before, seed=3)


def by_hand(z, fitted, judged, peaks=None):
    """Probe, patterns, nodes and outputs of one layer; z are its readings of both halves, peaks the largest."""
    peaks = z if peaks is None else peaks
    centre, spread = z[0].mean(0), z[0].std(0, correction=0) * z[0].shape[1] ** 0.5
    seen, new = ((each - centre) / spread for each in z)
    probes = LinearProbes(CLASSES)
    probes.train(seen, fitted.labels, epochs=EPOCHS, rate=100.0, weight_decay=1e-6)
    scores = probes.predict(new)
    target = torch.eye(CLASSES)[judged.labels]
    perplexity = layer_perplexity(active(peaks[1]), judged.labels)
    within, between = hamming(active(peaks[1]), judged.labels)
    nodes = NodeClassifiers.fit(peaks[0], fitted.labels)
    accuracy, silhouette = separation(z[1], judged.labels)
    return {
        "distance": wasserstein(label_distribution(scores), target, label_cost(CLASSES)).mean().item(),
        "probe_accuracy": (scores.argmax(1) == judged.labels).double().mean().item(),
        "perplexity": perplexity.mean().item(),
        "entropy": (perplexity.log() / judged.labels.bincount().log()).mean().item(),
        "hamming": within.item() / between.item() if between else 1.0,
        "feature_accuracy": accuracy,
        "feature_silhouette": silhouette,
        **{s: (nodes.predict(peaks[1], s) == judged.labels).double().mean().item() for s in SYSTEMS},
    }


def test_every_number_of_a_perceptron_is_that_of_the_instrument_by_hand(read):
    model, before, split, inspection = read
    fitted, judged = split.holdout(120, 3)
    names = ["linear1", "linear2", "linear3"]
    assert inspection.layers == inspection.read_at == tuple(names) and not inspection.reasons
    told = targets(model, as_input(judged.images), judged.labels)
    z = [outputs(model, names, part.images) for part in (fitted, judged)]
    for i, name in enumerate(names):
        expected = by_hand([each[name] for each in z], fitted, judged)
        expected["target_accuracy"], expected["target_silhouette"] = separation(told[name], judged.labels)
        old, new = (m.get_submodule(name).weight.detach() for m in (before, model))
        expected["change"] = filter_change(old, new, 1.0).per_weight.item()
        expected["relative_change"] = ((new - old).norm() / old.norm()).item()
        for quantity, value in expected.items():
            assert inspection.values[quantity][i].item() == pytest.approx(value, rel=1e-4, abs=1e-6), (name, quantity)
        before_, now = ({name: outputs(m, [name], judged.images)[name] for name in names} for m in (before, model))
        expected["effective_rank"], expected["cka"] = effective_rank(now[name]), cka(now[name], before_[name])
        for quantity in ("effective_rank", "cka"):
            assert inspection.values[quantity][i].item() == pytest.approx(expected[quantity], rel=1e-4)
    assert set(expected) == {q for quantities in QUANTITIES.values() for q in quantities}
    assert inspection.accuracy == pytest.approx(1 - error_rate(model, judged))


def test_shuffled_labels_are_the_control_of_the_entropy(read):
    model, _, split, inspection = read
    _, judged = split.holdout(120, 3)
    cap = judged.labels.bincount().log()
    on = active(outputs(model, ["linear3"], judged.images)["linear3"])
    random = torch.Generator().manual_seed(7)
    some = [
        (layer_perplexity(on, judged.labels[torch.randperm(120, generator=random)]).log() / cap).mean().item()
        for _ in range(30)
    ]
    assert min(some) <= inspection.nulls["entropy"][2].item() <= max(some)


def test_baseline_always_predicts_the_frequencies_of_the_fitted_half(read):
    _, _, split, inspection = read
    fitted, judged = split.holdout(120, 3)
    frequency = fitted.labels.bincount(minlength=CLASSES) / 120
    assert inspection.baseline["distance"] == pytest.approx((1 - frequency[judged.labels]).mean().item(), rel=1e-5)
    right = (judged.labels == frequency.argmax()).double().mean().item()
    assert inspection.baseline["accuracy"] == pytest.approx(right)


def test_pictures_are_guided_and_of_the_first_image_of_each_class(read):
    model, _, split, inspection = read
    _, judged = split.holdout(120, 3)
    first = [int((judged.labels == each).nonzero()[0, 0]) for each in range(8)]
    assert torch.equal(inspection.images, judged.images[first])
    assert torch.equal(inspection.pictures, guided_bp_image(model, as_input(judged.images[first]), torch.arange(8)))


def test_convolutions_are_read_behind_their_norm_as_means_and_largest_over_places():
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3),
        nn.BatchNorm2d(6),
        nn.ReLU(True),
        nn.Conv2d(6, 5, 3),
        nn.ReLU(True),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(20, CLASSES),
    )
    model[1].running_mean.uniform_(-0.5, 0.5)
    split = picture_split(120)
    inspection = inspect(model, split)
    assert inspection.layers == ("0", "3", "7") and inspection.read_at == ("1", "3", "7")
    fitted, judged = split.holdout(60)
    names = list(inspection.read_at)
    z = [outputs(model, names, part.images) for part in (fitted, judged)]
    told = targets(model.eval(), as_input(judged.images), judged.labels, names)
    for i, name in enumerate(names[:2]):
        means, peaks = ([pool(each[name], (2, 3)) for each in z] for pool in (torch.mean, torch.amax))
        expected = by_hand(means, fitted, judged, peaks)
        expected["target_accuracy"], expected["target_silhouette"] = separation(told[name].mean((2, 3)), judged.labels)
        for quantity, value in expected.items():
            assert inspection.values[quantity][i].item() == pytest.approx(value, rel=1e-4, abs=1e-6), (name, quantity)


def test_a_channel_that_is_on_somewhere_for_every_image_is_read_as_one_pattern():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4096, CLASSES))
    model[0].weight.data[:] = -1.0  # below 0 in the picture, and 0 beside it
    model[0].bias.data[:] = 0.5
    split = picture_split(60)
    split.images[:, :, :8] = 0
    inspection = inspect(model, split)
    assert inspection.values["perplexity"][0] == 1 and inspection.values["entropy"][0] == 0
    assert ("0", "patterns") not in inspection.reasons
    z = outputs(model, ["0"], split.images)["0"]
    assert (z.mean((2, 3)) < 0).all() and (z.relu().amax((2, 3)) > 0).all()


def test_each_image_goes_through_the_network_once_but_for_the_survey_and_the_pictures():
    model, split, seen = Plain(), picture_split(50), []
    model.register_forward_pre_hook(lambda module, args: seen.append(args[0].detach().clone()))
    inspection = inspect(model, split, batch_size=7)
    assert [len(x) for x in seen] == [2, 7, 7, 7, 4, 7, 7, 7, 4, 2, 2, 2, 2] and len(inspection.images) == 8
    passed = torch.cat(seen[1:-4]).flatten(1)
    expected = as_input(split.images).flatten(1)
    assert sorted(map(tuple, passed.tolist())) == sorted(map(tuple, expected.tolist()))


@settings(max_examples=4)
@given(batch_size=st.integers(1, 60))
def test_numbers_do_not_depend_on_the_size_of_batches(batch_size):
    torch.manual_seed(0)
    model, split = Plain().double(), picture_split(60)
    some, other = inspect(model, split), inspect(model, split, batch_size=batch_size)
    for quantity, values in some.values.items():
        torch.testing.assert_close(other.values[quantity], values, rtol=1e-6, atol=1e-9, equal_nan=True)


def test_pictures_do_not_depend_on_the_size_of_batches():
    model, split, _ = NETWORKS["vit"]()
    some, other = inspect(model, split, batch_size=200), inspect(model, split, batch_size=2)
    torch.testing.assert_close(other.pictures, some.pictures)
    assert other.about["unguided"] == some.about["unguided"] != []


def test_numbers_do_not_depend_on_how_classes_are_numbered():
    torch.manual_seed(0)
    model, split = Plain(), picture_split(60, classes=4)
    some, other = inspect(model, split), inspect(model, Split(split.images, 2 * split.labels + 1))
    for quantity in ("distance", "perplexity", "discrete", "feature_silhouette"):
        torch.testing.assert_close(other.values[quantity], some.values[quantity])


def state(model):
    modules = list(model.modules())
    return (
        [m.training for m in modules],
        [getattr(m, "inplace", None) for m in modules],
        [len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in modules],
        [(p.requires_grad, p.grad) for p in model.parameters()],
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_any_network_is_read_left_as_it_was_and_nothing_is_missing_without_a_reason(name):
    torch.manual_seed(0)
    model, split, unread = NETWORKS[name]()
    model.train()
    before = state(model), copy.deepcopy(model.state_dict()), torch.get_rng_state()
    inspection = inspect(model, split)
    assert state(model) == before[0] and torch.equal(torch.get_rng_state(), before[2])
    for key, value in model.state_dict().items():
        assert torch.equal(value.nan_to_num(), before[1][key].nan_to_num()), key
    frame = inspection.to_frame()
    assert (frame["value"].isna() == (frame["reason"] != "")).all()
    told = {instrument: set() for instrument in QUANTITIES}
    for row in frame[frame["value"].isna()].itertuples():
        told[row.instrument].add(row.reason)
    assert "no earlier weights were given as before" in told.pop("filters") and told.pop("cka")
    if inspection.pictures is None:
        told["pictures"] = {inspection.reasons["input", "pictures"]}
    told["unguided"] = set(inspection.about.get("unguided", []))
    found = {instrument: " | ".join(sorted(reasons)) for instrument, reasons in told.items() if reasons}
    assert set(found) == set(unread), found
    for instrument, phrase in unread.items():
        assert phrase in found[instrument]
    assert repr(inspection).count("\n") == 2 and "<table" in inspection._repr_html_()


@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode])
def test_gradients_switched_off_around_the_call_change_nothing(around):
    torch.manual_seed(0)
    model, split = Plain(), picture_split(40)
    free = inspect(model, split)
    with around():
        bound = inspect(model, split)
        assert not torch.is_grad_enabled()
    assert all(torch.equal(free.values[q].nan_to_num(), bound.values[q].nan_to_num()) for q in free.values)
    assert torch.equal(free.pictures, bound.pictures)


def test_beside_each_number_stands_that_of_the_network_before(read):
    _, before, split, inspection = read
    alone = inspect(before, split, seed=3)
    frame = inspection.to_frame().set_index(["layer", "quantity"])
    for quantity, values in inspection.twin.values.items():
        torch.testing.assert_close(values, alone.values[quantity], rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(inspection.twin.draws[quantity], alone.draws[quantity], rtol=1e-4, atol=1e-4)
        told = frame.xs(quantity, level="quantity")["twin"].tolist()
        assert told == pytest.approx(values.tolist()) and told != pytest.approx(inspection.values[quantity].tolist())
    assert set(alone.values) - set(inspection.twin.values) == {"cka", "change", "relative_change"}
    assert inspection.twin.accuracy == alone.accuracy != inspection.accuracy and inspection.twin.twin is None
    assert f"before: accuracy {alone.accuracy:.3g}" in repr(inspection) and "before" not in repr(inspection.twin)


def test_there_is_no_twin_where_it_is_not_asked_for_or_cannot_run():
    model, split = Plain(), picture_split(24)
    assert inspect(model, split).twin is None
    assert inspect(model, split, before=moved(model), instruments=("rank", "filters")).twin is None
    old = {name: value for name, value in moved(model).state_dict().items() if "conv1" not in name}
    lost = inspect(model, split, before=old)
    assert lost.twin is None and "before cannot be run: it has no conv1" in lost.reasons["before", "twin"]
    assert "<li>twin not read: before cannot be run" in lost._repr_html_() and "twin" in repr(lost)


def test_likeness_between_layers_is_the_cka_of_their_outputs():
    torch.manual_seed(0)
    model, split = MLP((784, 40, 30, CLASSES)), load("mnist-mini").test[:240]
    inspection = inspect(model, split, instruments=("cka",))
    judged = torch.randperm(240, generator=torch.Generator().manual_seed(0))[:120].sort().values
    seen = outputs(model, inspection.layers, split.images[judged])
    assert inspection.between.shape == (3, 3)
    for i, one in enumerate(inspection.layers):
        for j, other in enumerate(inspection.layers):
            assert inspection.between[i, j].item() == pytest.approx(cka(seen[one], seen[other]), abs=1e-5)
    assert inspect(model, split, instruments=("rank",)).between is None


def test_a_layer_whose_outputs_are_all_alike_is_like_no_other():
    model, split = Plain(), picture_split(24)
    with torch.no_grad():
        model.conv1.weight.zero_()
    between = inspect(model, split, layers=["conv1", "conv2"]).between
    assert between.isnan().all()
    few = inspect(Plain(), picture_split(6, classes=2)).between
    assert few.isnan().all()


def test_what_is_not_read_is_listed_by_layer_with_its_reason():
    model, split, _ = NETWORKS["detach"]()
    frame = inspect(model, split).to_frame().set_index(["layer", "quantity"])
    assert frame["reason"]["1.first", "target_silhouette"] == "the loss does not reach it by back-propagation"
    assert frame["reason"]["1.first", "feature_silhouette"] == ""
    assert frame["reason"]["1.second", "target_silhouette"] == ""


def test_notes_are_a_sentence_for_each_reason():
    model, split, _ = NETWORKS["softmax"]()
    inspection = inspect(model, split)
    text = inspection._repr_html_()
    assert "<li>targets not read at any layer: model: expected logits, got probabilities" in text
    assert "<li>pictures not drawn: model: expected logits" in text
    assert "filters not read at any layer: no earlier weights were given as before" in text
    model, split, _ = NETWORKS["unused layer"]()
    assert "targets, rank and cka not read at spare: it did not run" in inspect(model, split)._repr_html_()


def test_frame_keeps_the_order_of_layers_and_quantities(read):
    frame = read[3].to_frame()
    assert frame.columns.tolist() == [
        "layer",
        "read_at",
        "instrument",
        "quantity",
        "value",
        "low",
        "high",
        "null",
        "twin",
        "reason",
    ]
    table = frame.pivot(index="layer", columns="quantity", values="value")
    assert table.index.tolist() == list(read[3].layers)
    assert table.columns.tolist() == list(read[3].values) == [q for each in QUANTITIES.values() for q in each]
    torch.testing.assert_close(torch.tensor(table["distance"].to_numpy()), read[3].values["distance"])


def test_layers_that_run_again_are_listed_again_and_share_their_weights():
    torch.manual_seed(0)
    model, split = Plain(), picture_split(40)
    inspection = inspect(model, split, layers="conv2", before=moved(model))
    assert inspection.layers == ("conv2", "conv2#2")
    assert inspection.values["relative_change"][0] == inspection.values["relative_change"][1] > 0
    assert inspection.values["distance"][0] != inspection.values["distance"][1]


@pytest.mark.parametrize("layers", [["relu", "layer1"], ["layer1.0.bn1"], "avgpool"])
def test_any_named_module_is_read_where_it_puts_out(layers):
    model, split, _ = NETWORKS["resnet18"]()
    inspection = inspect(model, split, layers=layers)
    names = {layers} if isinstance(layers, str) else set(layers)
    assert inspection.read_at == inspection.layers and set(inspection.layers) == names
    assert inspection.values["distance"].isfinite().all()


def no_cka(inspection, name="conv1", shape=(6, 3, 3, 3)):
    why = f"before cannot be run: it has no {name}.weight of shape {shape}"
    return {(layer, "cka"): why for layer in inspection.layers} | {("before", "twin"): why}


def test_a_partial_or_wrong_before_is_told_layer_by_layer():
    torch.manual_seed(0)
    model, split = Plain(), picture_split(40)
    old = moved(model).state_dict()
    whole = inspect(model, split, before=old)
    assert whole.values["change"].isfinite().all()
    partial = inspect(model, split, before={k: v for k, v in old.items() if "conv1" not in k})
    assert partial.reasons == {("conv1", "filters"): "before has no weights under its name"} | no_cka(whole)
    other = inspect(model, split, before=old | {"head.weight": torch.ones(3, 20)})
    assert other.reasons == {("head", "filters"): "before has weights of shape (3, 20), expected (10, 20)"} | no_cka(
        whole, "head", (10, 20)
    )
    same = inspect(model, split, before=model)
    assert set(same.reasons.values()) == {
        "before holds the very weights of the network; make the copy, by copy.deepcopy, in time"
    }
    assert same.values["cka"].tolist() == pytest.approx([1] * 5)
    zero = inspect(model, split, before=old | {"head.weight": torch.zeros(10, 20)})
    assert zero.values["change"][-1] > 0 and zero.values["relative_change"][-1].isnan()
    assert zero.reasons == {
        ("head", "filters"): "its weights were all 0 before: no change is relative to them",
        ("head", "cka"): "it puts out, or put out before, the same for every sample",
    }


def test_multi_hot_labels_are_judged_by_their_distribution():
    torch.manual_seed(0)
    split = picture_split(60, classes=5)
    hot = torch.eye(5)[split.labels]
    hot[::3, 0] = 1
    inspection = inspect(Plain(classes=5), Split(split.images, hot))
    assert inspection.values["distance"].isfinite().all() and (inspection.values["distance"] < 1).all()
    assert {
        reason for (_, which), reason in inspection.reasons.items() if which in ("nodes", "patterns", "targets")
    } == {"labels are multi-hot, where it needs class numbers"}
    assert inspection.pictures is not None and 0 <= inspection.accuracy <= 1


@pytest.mark.parametrize(
    ("labels", "instrument", "phrase"),
    [
        (
            torch.arange(40) % 20,
            "targets",
            "expected class numbers below 10, the number of the network's outputs, got 19",
        ),
        (torch.arange(40), "patterns", "no two of the samples judged are of one class"),
        (torch.tensor([0] * 39 + [1]), None, ""),
        (torch.arange(40) % 2 * 100, "targets", "got 100"),
    ],
    ids=["beyond the outputs", "one sample a class", "one sample of a class", "far numbers"],
)
def test_labels_of_all_kinds(labels, instrument, phrase):
    inspection = inspect(Plain(), Split(picture_split(40).images, labels))
    assert inspection.values["distance"].isfinite().all()
    told = {reason for (_, which), reason in inspection.reasons.items() if which == instrument}
    assert (
        (len(told) == 1 and phrase in told.pop())
        if instrument
        else {which for _, which in inspection.reasons} <= {"filters", "cka", "targets", "patterns"}
    )


def test_four_images_are_enough_for_what_needs_no_neighbours():
    split = picture_split(4, classes=2)
    inspection = inspect(Plain(), split)
    assert inspection.values["distance"].isfinite().all()
    assert "too few for 5 neighbours" in inspection.reasons["conv1", "targets"]


class Reluctant(Plain):
    def forward(self, x):
        if len(x) != 2:
            raise RuntimeError("no")
        return super().forward(x)


def refuse(model, images=(40, 3, 32), labels=None, **options):
    count, channels, side = images
    split = picture_split(count, channels=channels, side=side)
    return model, split if labels is None else Split(split.images, labels), options


BAD = {
    "grey": (lambda: refuse(Plain(), (40, 1, 32)), r"data: .*network runs on, got float32 of shape \(1, 32, 32\)"),
    "small": (lambda: refuse(Plain(), (40, 3, 16)), r"data: .*of shape \(3, 16, 16\) and from it RuntimeError"),
    "one sample": (lambda: refuse(Plain(), (1, 3, 32)), "data: expected at least 4 samples.*got 1"),
    "one class": (lambda: refuse(Plain(), labels=torch.zeros(40, dtype=torch.int64)), "data: .*two classes"),
    "no labels": (lambda: refuse(Plain(), labels=torch.zeros(40, 5)), "data: expected labelled samples, got none"),
    "tuple": (lambda: (Plain(), (1, 2), {}), "data: expected batches"),
    "function": (lambda: refuse(torch.relu), "model: expected an nn.Module, got builtin"),
    "class": (lambda: refuse(Plain), "model: expected an nn.Module, got Plain"),
    "no weights": (lambda: refuse(nn.Sequential(nn.Flatten())), "model: expected a network with weights"),
    "only a norm": (lambda: refuse(nn.Sequential(nn.BatchNorm2d(3))), "model: expected linear or convolution layers"),
    "lazy": (lambda: refuse(nn.Sequential(nn.Flatten(), nn.LazyLinear(5))), "model: expected weights with values"),
    "meta": (lambda: refuse(Plain().to("meta")), "model: expected weights with values"),
    "by the batch": (
        lambda: refuse(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False))),
        "model: '1' normalises by the batch",
    ),
    "unknown": (lambda: refuse(Plain(), layers=["conv3"]), r"layers: Plain has no layer 'conv3'; closest are \['conv"),
    "none": (lambda: refuse(Plain(), layers=[]), "layers: expected at least one layer, got none"),
    "number": (lambda: refuse(Plain(), layers=5), r"layers: expected names of layers, got \[5\]"),
    "empty name": (lambda: refuse(Plain(), layers=""), r"layers: expected names of layers, got \[''\]"),
    "batch": (lambda: refuse(Plain(), batch_size=0), "batch_size: expected a whole number from 1 up, got 0"),
    "path": (lambda: refuse(Plain(), before="old.pt"), "before: expected the network at an earlier moment.*got str"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gives_one_sentence_that_names_the_argument(name):
    make, sentence = BAD[name]
    model, split, options = make()
    with pytest.raises(ValueError, match=f"^{sentence}") as caught:
        inspect(model, split, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:.*deprecated")
@pytest.mark.parametrize("make", [torch.jit.script, lambda m: torch.jit.trace(m, torch.zeros(2, 3, 32, 32))])
def test_scripts_are_refused(make):
    with pytest.raises(ValueError, match="^model: expected an nn.Module, got a TorchScript"):
        inspect(make(Plain()), picture_split(40))


def test_an_error_in_the_network_leaves_it_as_it_was():
    model = Reluctant().train()
    before = state(model)
    with pytest.raises(RuntimeError, match="^no$"):
        inspect(model, picture_split(40))
    assert state(model) == before


def test_inspect_is_imported_on_demand():
    assert layerlib.inspect is inspect and "inspect" in layerlib.__all__
