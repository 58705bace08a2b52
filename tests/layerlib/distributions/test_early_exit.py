"""Early exit against the algorithm read aloud, sample by sample; the module that stops against all layers' outputs."""

import copy
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from predictions import cases, levels, ratios, some_probabilities
from sklearn.linear_model import LogisticRegression
from torch import nn

from layerlib._forward import as_input
from layerlib.data.load import Split
from layerlib.distributions.early_exit import (
    Confident,
    ConfidentRatio,
    EarlyExit,
    at_exit,
    calibrated,
    confidence,
    confident_ratio,
    exit_layers,
    first_exit,
    mean_at_exit,
    temperatures,
)
from layerlib.distributions.probes import LayerProbes
from layerlib.distributions.scores import exact_match
from layerlib.layers.capture import capture
from layerlib.models import CNN, build, taps


def literal_exits(probabilities, s2, rho, s1=0.5, strict=True):
    """Algorithm 3 as printed, with the choices of what it leaves open: no label predicted, and the last layer."""
    s1, s2 = torch.tensor([s1, s2], dtype=probabilities.dtype).tolist()
    rows = probabilities.tolist()
    layers = []
    for i in range(len(rows[0])):
        for layer in range(len(rows)):
            n = sum(p > s1 for p in rows[layer][i])
            m = sum((p > s2 if strict else p >= s2) and p > s1 for p in rows[layer][i])
            if layer == len(rows) - 1 or (n > 0 and m / n >= rho):
                layers.append(layer)
                break
    return torch.tensor(layers)


@given(cases(), levels, ratios, st.booleans())
def test_exit_layers_equal_the_algorithm_read_aloud(case, s2, rho, strict):
    probabilities, _ = case
    expected = literal_exits(probabilities, s2, rho, strict=strict)
    found = exit_layers(probabilities, s2, rho, strict=strict)
    assert found.dtype == torch.int64
    assert torch.equal(found, expected)
    assert torch.equal(first_exit(ConfidentRatio(s2, rho, strict=strict)(probabilities)), expected)


@given(cases(), st.lists(levels, min_size=1, max_size=4), st.lists(ratios, min_size=1, max_size=4), st.booleans())
def test_rows_of_thresholds_equal_the_pairs_one_by_one(case, s2, rho, strict):
    probabilities, labels = case
    rows, columns = torch.tensor(s2, dtype=torch.float64), torch.tensor(rho, dtype=torch.float64)
    right = exact_match(probabilities, labels)
    scores = confident_ratio(probabilities, rows, strict=strict)
    accuracy = mean_at_exit(scores, columns, right)
    cost = torch.arange(1.0, len(probabilities) + 1)[:, None]
    costs = mean_at_exit(scores, columns, cost)
    for i, level in enumerate(s2):
        for j, ratio in enumerate(rho):
            layers = exit_layers(probabilities, level, ratio, strict=strict)
            assert accuracy[i, j].item() == pytest.approx(at_exit(right, layers).double().mean().item(), abs=1e-12)
            assert costs[i, j].item() == pytest.approx((layers + 1.0).double().mean().item(), abs=1e-12)


def test_shapes_follow_the_thresholds():
    probabilities, labels = some_probabilities(0)
    row, column = torch.tensor([0.5, 0.7, 0.9]), torch.tensor([0.5, 1.0])
    assert exit_layers(probabilities, 0.7, 0.5).shape == (30,)
    assert exit_layers(probabilities[:, :0], 0.7, 0.5).shape == (0,)
    right = exact_match(probabilities, labels)
    assert confident_ratio(probabilities, row).shape == (3, 4, 30)
    assert mean_at_exit(confident_ratio(probabilities, 0.7), column, right).shape == (2,)
    assert mean_at_exit(confident_ratio(probabilities, row), column, right).shape == (3, 2)
    assert mean_at_exit(confidence(probabilities), row, right).shape == (3,)


@given(cases(), levels, ratios, levels, ratios)
def test_higher_thresholds_never_let_a_sample_leave_earlier(case, s2, rho, other_s2, other_rho):
    probabilities, _ = case
    low = exit_layers(probabilities, min(s2, other_s2), min(rho, other_rho))
    high = exit_layers(probabilities, max(s2, other_s2), max(rho, other_rho))
    assert (low <= high).all()
    assert (exit_layers(probabilities, s2, rho, strict=False) <= exit_layers(probabilities, s2, rho)).all()


@given(cases(), ratios, ratios, st.booleans())
def test_at_the_lowest_s2_the_ratio_does_not_matter(case, rho, other, strict):
    probabilities, _ = case
    found = exit_layers(probabilities, 0.5, rho, strict=strict)
    assert torch.equal(found, exit_layers(probabilities, 0.5, other, strict=strict))
    assert torch.equal(found, first_exit((probabilities > 0.5).any(-1)))


@given(cases(), levels, ratios)
def test_the_exit_does_not_look_at_later_layers(case, s2, rho):
    probabilities, _ = case
    spoiled = torch.cat([probabilities, 1 - probabilities])
    found, more = exit_layers(probabilities, s2, rho), exit_layers(spoiled, s2, rho)
    left = found < len(probabilities) - 1
    assert torch.equal(found[left], more[left])
    assert (more[~left] >= len(probabilities) - 1).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_ratio_of_counts_reaches_itself_and_not_the_next(dtype):
    for n in (3, 7, 20, 80):
        counts = torch.arange(1, n + 1)
        probabilities = torch.full((1, n, n), 0.6, dtype=dtype)
        probabilities[0][torch.arange(n) < counts[:, None]] = 0.9
        probabilities = torch.cat([probabilities, probabilities])  # leaving at 0, or at the last
        found = torch.stack([exit_layers(probabilities, 0.8, ratio) for ratio in (counts.to(dtype) / n).tolist()])
        assert torch.equal(found == 0, counts[None] >= counts[:, None])


def test_a_ratio_that_rounding_moved_is_still_reached():
    seven_of_ten = torch.tensor([[0.9] * 7 + [0.6] * 3])
    moved = torch.tensor(0.7).nextafter(torch.tensor(1.0)).item()
    assert moved > 0.7 and not ConfidentRatio(0.8, 0.70001)(seven_of_ten)
    assert ConfidentRatio(0.8, moved)(seven_of_ten)
    assert exit_layers(seven_of_ten[None].repeat(2, 1, 1), 0.8, moved).item() == 0


def test_a_score_of_nought_reaches_a_threshold_of_nought():
    scores, values = torch.tensor([[0.0, torch.nan], [1.0, 1.0]]), torch.tensor([[4.0, 4.0], [8.0, 8.0]])
    assert mean_at_exit(scores, torch.tensor([0.5, 0.0]), values).tolist() == [8, 6]


def test_an_infinite_threshold_lets_nobody_leave_early_or_all_at_once_and_changes_no_other():
    scores = torch.tensor([[0.9, 0.2, torch.nan, torch.inf], [0.5, 0.5, 0.5, 0.5]])
    values = torch.tensor([[0.0], [1.0]])
    for thresholds, means in (([torch.inf], [1]), ([-torch.inf], [0]), ([0.5, torch.inf, -torch.inf], [0.5, 1, 0])):
        assert mean_at_exit(scores, torch.tensor(thresholds), values).tolist() == means


def test_where_no_label_is_predicted_nobody_leaves_before_the_last_layer():
    probabilities = torch.full((3, 5, 4), 0.5)
    assert (exit_layers(probabilities, 0.5, 0.1) == 2).all()
    assert confident_ratio(probabilities, 0.5).isnan().all()
    probabilities[1, 0, 0] = 0.51
    assert exit_layers(probabilities, 0.5, 1).tolist() == [1, 2, 2, 2, 2]
    assert (exit_layers(probabilities[:1], 0.5, 0.1) == 0).all()


def test_only_a_saturated_sigmoid_passes_at_one_and_only_without_strict():
    probabilities = torch.tensor([20.0, 3.0]).sigmoid().view(1, 2, 1).repeat(2, 1, 1)
    assert probabilities[0, 0] == 1
    assert exit_layers(probabilities, 1.0, 1.0).tolist() == [1, 1]
    assert exit_layers(probabilities, 1.0, 1.0, strict=False).tolist() == [0, 1]


@given(cases())
def test_confidence_is_the_highest_probability_of_any_label_set(case):
    probabilities, _ = case
    classes = probabilities.shape[-1]
    sets = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * classes).view(-1, classes).to(probabilities.dtype)
    each = (sets * probabilities[..., None, :] + (1 - sets) * (1 - probabilities[..., None, :])).prod(-1)
    torch.testing.assert_close(confidence(probabilities), each.amax(-1))
    torch.testing.assert_close(each.sum(-1), torch.ones_like(each.sum(-1)))


@given(cases(), st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_accuracy_curve_of_the_confidence_rule_equals_its_exits(case, thresholds):
    probabilities, labels = case
    right = exact_match(probabilities, labels)
    curve = mean_at_exit(confidence(probabilities), torch.tensor(thresholds, dtype=torch.float64), right)
    for found, threshold in zip(curve.tolist(), thresholds, strict=True):
        layers = first_exit(Confident(threshold)(probabilities))
        assert found == pytest.approx(at_exit(right, layers).double().mean().item(), abs=1e-12)


def test_temperature_is_the_one_of_logistic_regression_without_intercept():
    generator = torch.Generator().manual_seed(0)
    true = torch.randn(500, 8, generator=generator, dtype=torch.float64)
    labels = (torch.rand(500, 8, generator=generator) < true.sigmoid()).float()
    noise = torch.randn(3, 500, 8, generator=generator, dtype=torch.float64)
    logits = torch.tensor([1.0, 3.0, 0.4]).view(3, 1, 1) * (true + 0.3 * noise)
    found = temperatures(logits.sigmoid(), labels)
    for temperature, layer in zip(found.tolist(), logits, strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of how scikit-learn wants "no penalty" said, which has changed
            fitted = LogisticRegression(C=1e12, fit_intercept=False, tol=1e-10)
            fitted.fit(layer.reshape(-1, 1).numpy(), labels.flatten().numpy())
        assert temperature == pytest.approx(1 / fitted.coef_[0, 0], rel=1e-5)
    again = temperatures(calibrated(logits.sigmoid(), found), labels)
    torch.testing.assert_close(again, torch.ones(3, dtype=torch.float64), rtol=1e-9, atol=0)
    assert temperatures(logits.float().sigmoid(), labels).tolist() == pytest.approx(found.tolist(), rel=1e-4)


def test_temperature_ends_where_labels_are_separated_or_opposed():
    probabilities, labels = torch.tensor([[[0.9, 0.2]], [[0.2, 0.9]]]), torch.tensor([[1, 0]])
    assert temperatures(probabilities, labels).tolist() == pytest.approx([0.01, 100])
    saturated = torch.tensor([[[1.0, 0.0]]])
    assert temperatures(saturated, torch.tensor([[0, 1]])).isfinite().all()
    assert calibrated(saturated, torch.tensor([2.0])).isfinite().all()


class Probes:
    """Stand-in for internal classifiers: pooled features, one fully connected layer and a sigmoid at each tap."""

    def __init__(self, model, names, images, classes=5, own=()):
        self.names, self.own = tuple(names), own
        with torch.no_grad(), capture(model.eval(), names) as seen:
            model(images)
            features = [self.pooled(seen[name]) for name in names]
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.heads = {name: self.head(found, classes) for name, found in zip(names, features, strict=True)}

    def probability(self, name, output):
        if name in self.own:
            return output.sigmoid()
        return self.heads[name](self.pooled(output)).sigmoid()

    @staticmethod
    def pooled(output):
        return output.flatten(2).mean(2) if output.ndim > 2 else output

    @staticmethod
    def head(features, classes):
        linear = nn.Linear(features.shape[1], classes, dtype=features.dtype)
        with torch.no_grad():  # logits of these features about as large as those of a fitted classifier
            linear.bias.zero_().sub_(linear(features).mean(0))
            linear.weight /= linear(features).std() / 3
            linear.bias.zero_().sub_(linear(features).mean(0))
        return linear

    def all(self, model, images):
        """Probabilities at every tap without early exit, (L, N, K)."""
        with torch.no_grad(), capture(model.eval(), self.names) as seen:
            model(images)
            return torch.stack([self.probability(name, seen[name]) for name in self.names])


class Small(nn.Module):
    """A network like VGG: features, pooling, flattening in the forward, a classifier; and a scale of its own."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(16, 16, 3, padding=1),
            nn.ReLU(inplace=True),
        )
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(16, 5))
        self.register_buffer("scale", torch.tensor(2.0))

    def forward(self, x):
        x = nn.functional.adaptive_avg_pool2d(self.features(x) * self.scale, 1)
        return self.classifier(torch.flatten(x, 1))


TAPS = ["features.2", "features.5", "features.7", "classifier"]


@pytest.fixture
def small():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model, images = Small().double(), torch.rand(40, 1, 8, 8, dtype=torch.float64)
    return model, images, Probes(model, TAPS, images, own=("classifier",))


@pytest.mark.parametrize(
    "s2, rho, strict", [(0.5, 0.5, True), (0.7, 2 / 3, True), (0.8, 1, True), (1.0, 1, True), (1.0, 0.3, False)]
)
def test_module_leaves_where_the_algorithm_on_all_outputs_does(small, s2, rho, strict):
    model, images, probes = small
    full = probes.all(model, images)
    expected = exit_layers(full, s2, rho, strict=strict)
    early = EarlyExit(model, probes, ConfidentRatio(s2, rho, strict=strict))
    probabilities, layers = early.exit(images)
    assert torch.equal(layers, expected)
    torch.testing.assert_close(probabilities, at_exit(full, expected), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(early(images), probabilities, rtol=0, atol=0)


def test_the_pairs_tested_let_samples_leave_at_every_layer(small):
    model, images, probes = small
    assert exit_layers(probes.all(model, images), 0.8, 1).unique().tolist() == [0, 1, 2, 3]


def test_any_rule_is_taken(small):
    model, images, probes = small
    full = probes.all(model, images)
    threshold = confidence(full).median().item()
    probabilities, layers = EarlyExit(model, probes, Confident(threshold)).exit(images)
    expected = first_exit(Confident(threshold)(full))
    assert torch.equal(layers, expected) and len(layers.unique()) > 2
    torch.testing.assert_close(probabilities, at_exit(full, expected))
    everyone = EarlyExit(model, probes, lambda p: torch.ones(len(p), dtype=torch.bool))
    assert (everyone.exit(images)[1] == 0).all()
    nobody = EarlyExit(model, probes, lambda p: torch.zeros(len(p), dtype=torch.bool))
    torch.testing.assert_close(nobody(images), model(images).sigmoid())


def test_layers_after_the_exit_do_not_see_the_samples_that_left(small):
    model, images, probes = small
    sizes = {}
    for name in ("features.0", "features.4", "features.6", "classifier"):
        model.get_submodule(name).register_forward_hook(
            lambda module, inputs, output, name=name: sizes.update({name: len(output)})
        )
    layers = EarlyExit(model, probes, ConfidentRatio(0.8, 1)).exit(images)[1]
    assert list(sizes.values()) == [int((layers >= i).sum()) for i in range(4)]
    sizes.clear()
    EarlyExit(model, probes, Confident(0)).exit(images)
    assert sizes == {"features.0": 40}


def test_model_is_as_it_was_and_may_move_and_change_afterwards(small):
    model, images, probes = small
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    model.classifier.eval()
    modes = [module.training for module in model.modules()]
    early = EarlyExit(model, probes, ConfidentRatio(0.8, 1))
    early.exit(images)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())

    def broken(probabilities):
        raise RuntimeError("broken rule")

    with pytest.raises(RuntimeError, match="broken rule"):
        EarlyExit(model, probes, broken)(images)
    assert [module.training for module in model.modules()] == modes
    model.scale.zero_()
    model.float()  # makes new buffers
    probes.heads = {name: head.float() for name, head in probes.heads.items()}
    nobody = EarlyExit(model, probes, lambda p: torch.zeros(len(p), dtype=torch.bool))
    for module in (early, nobody):
        full = probes.all(model, images.float())
        torch.testing.assert_close(module(images.float()), at_exit(full, module.exit(images.float())[1]))


def test_gradients_flow_to_the_layers_before_the_exit(small):
    model, images, probes = small
    early = EarlyExit(model, probes, ConfidentRatio(0.8, 1))
    probabilities, layers = early.exit(images)
    probabilities[layers == 0].sum().backward()
    assert model.features[0].weight.grad.abs().sum() > 0
    assert model.features[4].weight.grad is None or not model.features[4].weight.grad.any()
    with torch.no_grad():
        assert not early(images).requires_grad


@pytest.mark.parametrize("rule", [lambda p: p > 0.5, lambda p: p[:, 0], lambda p: p[1:, 0] > 0.5])
def test_rule_that_gives_no_answer_per_sample_is_refused(small, rule):
    model, images, probes = small
    with pytest.raises(ValueError, match=r"rule: expected it to give bool, shape \(40,\), got"):
        EarlyExit(model, probes, rule)(images)


@pytest.mark.parametrize("rule", [ConfidentRatio(0.9, 0.8), lambda p: confidence(p) > 0.5])
@pytest.mark.parametrize(
    "made, message",
    [
        (torch.inf, "x: expected numbers that come out finite, got larger ones at 'features.2'"),
        (torch.nan, "x: expected numbers that come out finite, got larger ones at 'features.2'"),
        (1.5, r"probabilities: expected values in \[0, 1\], got 1.5 to 1.5"),
    ],
)
def test_what_is_no_probability_is_refused_whatever_the_rule(small, monkeypatch, rule, made, message):
    model, images, probes = small
    monkeypatch.setattr(probes, "probability", lambda name, output: torch.full((len(output), 5), made))
    with pytest.raises(ValueError, match=message):
        EarlyExit(model, probes, rule)(images)


def test_outputs_that_are_not_finite_are_refused_though_their_sigmoid_is():
    torch.manual_seed(0)
    model, images = CNN(4, 2, 3, 1), torch.randint(0, 256, (12, 1, 8, 8), dtype=torch.uint8)
    probes = LayerProbes(model, ["conv1", "conv2"], 3)
    probes.fit(Split(images, torch.arange(12) % 3))
    with torch.no_grad():
        model.conv1.bias[0] = torch.inf
    with pytest.raises(ValueError, match="x: expected numbers that come out finite, got larger ones at 'conv1'"):
        EarlyExit(model, probes, Confident(0.9))(images / 255)


def test_a_copy_is_a_network_of_its_own(small):
    model, images, probes = small
    early = EarlyExit(model, probes, ConfidentRatio(0.8, 1))
    copied = copy.deepcopy(early)
    before = early(images)
    with torch.no_grad():
        copied.model.features[0].weight.zero_()
    assert torch.equal(early(images), before) and not torch.equal(copied(images), before)


def test_one_tap_one_sample_and_no_sample(small):
    model, images, probes = small
    probes.names = ("classifier",)
    early = EarlyExit(model, probes, ConfidentRatio(0.8, 1))
    torch.testing.assert_close(early(images), model.eval()(images).sigmoid())
    assert early.exit(images[:1])[1].tolist() == [0]
    assert early(images[:0]).shape == (0, 5)


def test_last_tap_inside_the_network_ends_the_forward_there(small):
    model, images, probes = small
    probes.names = ("features.2", "features.5")
    probabilities, layers = EarlyExit(model, probes, ConfidentRatio(0.8, 1)).exit(images)
    torch.testing.assert_close(probabilities, at_exit(probes.all(model, images), layers))
    assert layers.max() == 1


@pytest.mark.parametrize("name", ["resnet18", "vgg16_bn"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_networks_of_the_chapters_leave_at_their_taps_with_fitted_probes(name, dtype):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build(name, classes=5, width=0.06, channels=1).to(dtype)
        labels = (torch.rand(48, 5) < 0.4).float()
        images = (labels.repeat_interleave(7, 1)[:, :32, None] * 150 + 100 * torch.rand(48, 32, 32)).byte()[:, None]
        with torch.no_grad():
            for _ in range(20):  # batch norm gets to know the pictures
                model(as_input(images, dtype))
    probes = LayerProbes(model, taps(model), classes=5)
    probes.train(Split(images, labels), epochs=20, batch_size=16, rate=0.3)
    full = probes.predict(images)
    threshold = confidence(full[:-1]).amax(0).median().item() - 1e-3
    with torch.no_grad():
        probabilities, layers = EarlyExit(model, probes, Confident(threshold)).exit(as_input(images, dtype))
    expected = first_exit(Confident(threshold)(full))
    assert len(expected.unique()) > 2
    assert torch.equal(layers, expected)
    torch.testing.assert_close(probabilities, at_exit(full, expected))


def test_a_tap_inside_a_residual_block_is_refused():
    model = build("resnet18", classes=5, width=0.06)
    with pytest.raises(ValueError, match=r"tap 'layer1.0.bn1' the network needs more than its output \(maxpool\)"):
        EarlyExit(model, Named("layer1.0.bn1", "fc"), Confident(1))


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.again, self.last = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 5)

    def forward(self, x):
        return self.last(self.again(self.again(self.first(x))))


class Branching(Twice):
    def forward(self, x):
        x = self.first(x)
        return self.last(self.again(x) if x.sum() > 0 else x)


class Sized(Twice):
    def forward(self, x):
        size = x.shape[0]
        return self.last(self.first(x).reshape(size, 4))


class TwoInputs(Twice):
    def forward(self, x, y):
        return self.last(self.first(x) + y)


class Optional(Twice):
    def forward(self, x, y=None):
        return self.last(self.first(x) if y is None else y)


class Named:
    def __init__(self, *names):
        self.names = names

    def probability(self, name, output):
        return nn.functional.pad(output, (0, 5 - output.shape[1])).sigmoid()


@pytest.mark.parametrize(
    "model, names, message",
    [
        (Twice(), ("first", "lst"), r"names: Twice has no layer 'lst'; closest are \['last'"),
        (Twice(), ("first", ""), "names: Twice has no layer ''"),
        (Twice(), (), "names: expected at least one layer, got none"),
        (Twice(), ("first", "again", "last"), "expected layer 'again' to run once in a forward pass, got 2 runs"),
        (nn.Sequential(Twice()), ("0", "0.last"), "expected taps beside one another, got '0.last' inside '0'"),
        (Sized(), ("first", "again"), "expected layer 'again' to run once in a forward pass, got 0 runs"),
        (Twice(), ("last", "first"), "expected the taps in the order in which they run"),
        (Twice(), ("first", "first"), "expected the taps in the order in which they run"),
        (Branching(), ("first", "last"), "model: torch.fx cannot follow the forward of Branching"),
        (Sized(), ("first", "last"), r"after tap 'first' the network needs more than its output \(getitem\)"),
        (TwoInputs(), ("first", "last"), r"expected a forward of one input without a default, got \['x', 'y'\]"),
    ],
)
def test_networks_that_cannot_be_cut_are_refused(model, names, message):
    with pytest.raises(ValueError, match=message):
        EarlyExit(model, Named(*names), Confident(1))


@pytest.mark.parametrize("kind", ["register_forward_pre_hook", "register_forward_hook"])
@pytest.mark.parametrize("where", ["", "features"])
def test_hooks_that_would_not_run_are_refused_and_those_of_layers_run(small, kind, where):
    model, images, probes = small
    early = EarlyExit(model, probes, ConfidentRatio(0.8, 1))
    before = early(images)
    # as some normalise what comes in
    handle = getattr(model.get_submodule(where), kind)(lambda module, x, *output: None)
    message = f"model: expected no forward hooks on modules that contain a tap, .* '{where or 'Small'}'"
    for call in (lambda: EarlyExit(model, probes, ConfidentRatio(0.8, 1)), lambda: early(images)):
        with pytest.raises(ValueError, match=message):
            call()
    handle.remove()
    assert torch.equal(early(images), before)
    model.features[0].register_forward_pre_hook(lambda module, x: (x[0] * 2,))
    torch.testing.assert_close(early(images), at_exit(probes.all(model, images), early.exit(images)[1]))
    assert not torch.equal(early(images), before)


def test_pictures_may_be_an_array(small):
    model, images, probes = small
    early = EarlyExit(model, probes, ConfidentRatio(0.8, 1))
    assert torch.equal(early(images.numpy()), early(images))


def test_branches_inside_a_tap_and_inputs_with_defaults_are_fine():
    for model in (nn.Sequential(Branching(), nn.ReLU(), nn.Linear(5, 5)), Optional()):
        names = ("0", "2") if isinstance(model, nn.Sequential) else ("first", "last")
        nobody = EarlyExit(model, Named(*names), lambda p: torch.zeros(len(p), dtype=torch.bool))
        x = torch.rand(3, 4)
        torch.testing.assert_close(nobody(x), model(x).sigmoid())


GOOD, LABELS = some_probabilities(1)


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(probabilities=GOOD * 2), r"probabilities: expected values in \[0, 1\]"),
        (dict(probabilities=GOOD.log().sqrt()), r"probabilities: expected values in \[0, 1\], got nan"),
        (dict(probabilities=GOOD.long()), "probabilities: expected a float tensor"),
        (dict(probabilities=GOOD[0]), r"probabilities: expected shape \(L, N, K\)"),
        (dict(probabilities=GOOD[:0]), r"probabilities: expected shape \(L, N, K\) with at least one layer"),
        (dict(probabilities=GOOD[..., :0]), "with at least one class"),
        (dict(s2=0.4), "s2: expected a number from s1 = 0.5 to 1, got 0.4"),
        (dict(s2=1.1), "s2: expected"),
        (dict(s2=float("nan")), "s2: expected"),
        (dict(s2=torch.tensor([0.6, 0.7])), "s2: expected a number from s1 = 0.5 to 1, got tensor"),
        (dict(s1=1.0), r"s1: expected a number in \[0, 1\), got 1.0"),
        (dict(s1=0.95), "s2: expected"),
        (dict(rho=0), "rho: expected a number above 0 and at most 1, got 0"),
        (dict(rho=1.5), "rho: expected"),
        (dict(rho=float("nan")), "rho: expected"),
        (dict(rho=torch.tensor([0.5, 1])), "rho: expected a number above 0 and at most 1, got tensor"),
    ],
)
def test_bad_input_of_the_algorithm_raises(change, message):
    with pytest.raises(ValueError, match=message):
        exit_layers(**{"probabilities": GOOD, "s2": 0.9, "rho": 0.8, **change})


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: ConfidentRatio(0.4, 0.5), "s2: expected"),
        (lambda: ConfidentRatio(0.9, 0), "rho: expected"),
        (
            lambda: confident_ratio(GOOD, torch.tensor([0.6, 0.3])),
            "s2: expected a number or a row of them, each from s1",
        ),
        (lambda: confident_ratio(GOOD, torch.ones(2, 2)), "s2: expected"),
        (lambda: EarlyExit(Twice(), Named("first", "last"), 0.8), r"rule: expected a callable .*, got 0.8"),
        (lambda: ConfidentRatio("0.9", 0.5), "s2: expected a number from s1 = 0.5 to 1, got '0.9'"),
        (lambda: confident_ratio(GOOD, "0.9"), "s2: expected a tensor or an array of numbers, got str"),
        (lambda: Confident(1.5), "threshold: expected"),
        (lambda: Confident(float("nan")), "threshold: expected"),
        (lambda: confidence(GOOD * 2), "probabilities: expected values"),
        (lambda: first_exit(GOOD[..., 0]), "leaves: expected bool"),
        (lambda: first_exit(GOOD[:0, :, 0] > 0), r"leaves: expected bool, shape \(..., L, N\)"),
        (lambda: at_exit(GOOD, torch.zeros(3).long()), r"layers: expected int64 of shape \(30,\), .*, got torch.int64"),
        (lambda: at_exit(GOOD, torch.full((30,), -1)), "layers: expected numbers 0 to 3, got -1 to -1"),
        (lambda: at_exit(GOOD, torch.full((30,), 4)), "layers: expected numbers 0 to 3, got 4 to 4"),
        (lambda: at_exit(GOOD, torch.ones(30)), r"layers: expected int64 .*, got torch.float32 \(30,\)"),
        (lambda: at_exit(GOOD[0, 0, 0], torch.ones(30)), r"values: expected shape \(L, N, ...\), got \(\)"),
        (lambda: mean_at_exit(GOOD[..., 0] > 0, torch.ones(1), GOOD[..., 0]), "scores: expected floats"),
        (lambda: mean_at_exit(GOOD[0, 0], torch.ones(1), GOOD[0]), "scores: expected floats of shape"),
        (lambda: mean_at_exit(GOOD[:, :0, 0], torch.ones(1), GOOD[:, :0, 0]), "scores: expected floats of shape"),
        (lambda: mean_at_exit(GOOD[..., 0], torch.ones(()), GOOD[..., 0]), "thresholds: expected shape"),
        (lambda: mean_at_exit(GOOD[..., 0], torch.ones(1), GOOD[0]), r"values: expected shape \(4, 30\) or \(4, 1\)"),
        (lambda: temperatures(GOOD, LABELS[:3]), "labels: expected the shape"),
        (lambda: calibrated(GOOD, torch.ones(3)), r"temperature: expected finite values > 0, shape \(4,\)"),
        (lambda: calibrated(GOOD, torch.zeros(4)), "temperature: expected finite values > 0"),
    ],
)
def test_bad_input_elsewhere_raises(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_arrays_count_as_tensors():
    layers = exit_layers(GOOD.numpy(), 0.7, 0.6)
    assert torch.equal(layers, exit_layers(GOOD, 0.7, 0.6))
    assert torch.equal(at_exit(GOOD.numpy(), layers.numpy()), at_exit(GOOD, layers))
    assert torch.equal(
        calibrated(GOOD.numpy(), temperatures(GOOD.numpy(), LABELS.numpy()).numpy()),
        calibrated(GOOD, temperatures(GOOD, LABELS)),
    )
    right, scores = exact_match(GOOD, LABELS), confidence(GOOD)
    assert torch.equal(
        mean_at_exit(scores.numpy(), [0.1, 0.7], right.numpy()),
        mean_at_exit(scores, torch.tensor([0.1, 0.7], dtype=torch.float64), right),
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_equals_cpu(small):
    probabilities, labels = some_probabilities(2, samples=300)
    row = torch.linspace(0.5, 1, 6)
    found = exit_layers(probabilities.cuda(), 0.7, 0.6)
    assert found.is_cuda and torch.equal(found.cpu(), exit_layers(probabilities, 0.7, 0.6))
    right = exact_match(probabilities, labels)
    ours = mean_at_exit(confident_ratio(probabilities.cuda(), row), row, right.cuda())
    torch.testing.assert_close(ours.cpu(), mean_at_exit(confident_ratio(probabilities, row), row, right))
    torch.testing.assert_close(
        temperatures(probabilities.cuda(), labels.cuda()).cpu(), temperatures(probabilities, labels)
    )
    model, images, probes = small
    expected = EarlyExit(model, probes, ConfidentRatio(0.8, 1)).exit(images)[1]
    early = EarlyExit(model, probes, ConfidentRatio(0.8, 1)).cuda()
    probes.heads = {name: head.cuda() for name, head in probes.heads.items()}
    assert torch.equal(early.exit(images.cuda())[1].cpu(), expected)
