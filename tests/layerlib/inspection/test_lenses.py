"""Each lens against the instrument that it calls, layer by layer, and what it refuses."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import silhouette_score
from torch import nn

from layerlib._asking import answered
from layerlib.inspection import _lenses as lenses
from layerlib.inspection import _probing as probing
from layerlib.inspection._lenses import QUANTITIES
from layerlib.inspection._sampled import Sampled


def clouds(samples=120, classes=3, widths=(4, 20, 7), seed=0, distance=2.0):
    """Readings of several layers, in which classes lie apart, and labels."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(samples) % classes
    return [
        torch.randn(samples, width, generator=random) + distance * torch.randn(classes, width, generator=random)[labels]
        for width in widths
    ], labels


def test_probes_trained_side_by_side_are_those_trained_one_by_one():
    readings, labels = clouds(widths=(4, 20, 7, 20, 300))
    fitted, judged = [x[:60] for x in readings], [x[60:] for x in readings]
    together = answered(probing.distribution(fitted, labels[:60], judged, labels[60:], 3))
    for z, new, row in zip(fitted, judged, together, strict=True):
        (alone,) = answered(probing.distribution([z], labels[:60], [new], labels[60:], 3))
        assert alone == pytest.approx(row, rel=1e-4, abs=1e-5)


def test_probes_are_about_as_good_as_logistic_regression():
    readings, labels = clouds(400, distance=1.0)
    for x in readings:
        (row,) = answered(probing.distribution([x[:200]], labels[:200], [x[200:]], labels[200:], 3))
        reference = LogisticRegression(max_iter=1000).fit(x[:200], labels[:200]).score(x[200:], labels[200:])
        assert row["probe_accuracy"] == pytest.approx(reference, abs=0.06)
        assert 0 < row["distance"] < answered(probing.guess(labels[:200], labels[200:], 3))["distance"]


def test_labels_that_have_nothing_to_do_with_the_layer_are_not_found():
    readings, labels = clouds(400, distance=0.0)
    for row in answered(
        probing.distribution([x[:200] for x in readings], labels[:200], [x[200:] for x in readings], labels[200:], 3)
    ):
        assert row["probe_accuracy"] == pytest.approx(1 / 3, abs=0.15) and row["distance"] > 0.5


@settings(max_examples=10)
@given(scale=st.floats(1e-3, 1e3), shift=st.floats(-10, 10))
def test_probes_do_not_depend_on_the_units_of_a_layer(scale, shift):
    (x,), labels = clouds(80, widths=(6,))
    x = x.double()
    some, other = (
        answered(probing.distribution([z[:40]], labels[:40], [z[40:]], labels[40:], 3))[0]
        for z in (x, scale * x + shift)
    )
    assert some == pytest.approx(other, rel=1e-5, abs=1e-6)


def test_a_channel_that_is_constant_does_no_harm():
    (x,), labels = clouds(80, widths=(6,))
    flat = torch.cat([x, torch.full((80, 2), 3.0)], 1)
    (row,) = answered(probing.distribution([flat[:40]], labels[:40], [flat[40:]], labels[40:], 3))
    assert all(0 <= value <= 1 for value in row.values())


def test_multi_hot_labels_without_a_label_have_no_distance():
    (x,), labels = clouds(80, widths=(6,))
    hot = torch.eye(3)[labels]
    known = hot.clone()
    known[40::2] = 0
    (row,) = answered(probing.distribution([x[:40]], hot[:40], [x[40:]], known[40:], 3))
    (rest,) = answered(probing.distribution([x[:40]], hot[:40], [x[41::2]], hot[41::2], 3))
    assert row["distance"] == pytest.approx(rest["distance"], rel=1e-5)


def test_guess_of_equal_classes_is_right_for_one_in_k():
    labels = torch.arange(40) % 4
    assert answered(probing.guess(labels, labels, 4)) == pytest.approx({"distance": 0.75, "accuracy": 0.25})


def test_patterns_of_classes_with_one_pattern_each():
    labels = torch.arange(40) % 2
    z = torch.where(labels[:, None] > 0, 1.0, -1.0) * torch.tensor([1.0, -1.0, 2.0])
    found = answered(lenses.patterns(z, labels, 2))
    assert found["perplexity"] == pytest.approx(1) and found["entropy"] == pytest.approx(0, abs=1e-12)
    assert found["hamming"] == 0
    null = answered(lenses.patterns(z, lenses.shuffled(labels), 2))
    assert null["entropy"] > 0.1 and null["hamming"] == pytest.approx(1, abs=0.2)
    alone = answered(lenses.patterns(torch.randn(40, 64), labels, 3))
    assert alone["perplexity"] == pytest.approx(20) and alone["entropy"] == pytest.approx(1)
    assert alone["hamming"] == pytest.approx(1, abs=0.05)
    assert answered(lenses.patterns(-torch.ones(40, 3), labels, 2))["hamming"] == 1


def test_patterns_that_tell_nothing_are_refused():
    with pytest.raises(ValueError, match="every node is on for every sample, as behind an activation"):
        answered(lenses.patterns(torch.ones(10, 3), torch.arange(10) % 2, 2))
    with pytest.raises(ValueError, match="no two of the samples judged are of one class"):
        answered(lenses.patterns(torch.randn(10, 3), torch.arange(10), 10))


def test_separation_is_the_silhouette_of_scikit_learn():
    (x,), labels = clouds(2100, widths=(5,))
    found = answered(lenses.separated(x, labels, "feature"))
    assert list(found) == ["feature_silhouette", "feature_accuracy"]
    assert found["feature_silhouette"] == pytest.approx(silhouette_score(x, labels, metric="cosine"), rel=1e-5)


def test_a_sample_of_rows_is_of_all_of_them_the_same_again_and_all_where_they_are_few():
    x = torch.arange(3000)
    some = Sampled(3000, 2000, seed=3)
    assert len(some) == 2000 == len(some(x).unique()) and 900 < (some(x) < 1500).sum() < 1100
    assert torch.equal(some(x), Sampled(3000, 2000, seed=3)(x)) and torch.equal(some(2 * x), 2 * some(x))
    assert not torch.equal(some(x), Sampled(3000, 2000, seed=4)(x))
    every = Sampled(2000, 2000, seed=3)
    assert len(every) == 2000 and every(x[:2000]).data_ptr() == x.data_ptr()


@pytest.mark.parametrize(
    ("values", "labels", "sentence"),
    [
        (
            torch.cat([torch.randn(5, 3), torch.zeros(7, 3)]),
            torch.arange(12) % 2,
            "its targets are other than 0 for only 5 of 12 samples, too few for 5 neighbours",
        ),
        (torch.randn(12, 3), torch.zeros(12, dtype=torch.int64), "its targets other than 0 are of 1 classes"),
        (torch.randn(12, 3), torch.arange(12), "its targets other than 0 are of 12 classes for 12 samples"),
        (torch.full((12, 3), torch.inf), torch.arange(12) % 2, "not finite"),
    ],
)
def test_separation_says_what_is_missing(values, labels, sentence):
    with pytest.raises(ValueError, match=sentence):
        answered(lenses.separated(values, labels, "target"))


@settings(max_examples=20)
@given(st.floats(0.5, 4.0))
def test_relative_change_of_weights_made_larger(factor):
    layer = nn.Conv2d(3, 5, 3).double()
    old = {"a.weight": layer.weight.detach() / factor}
    found = answered(lenses.filters(old, layer, "a"))
    assert found["relative_change"] == pytest.approx(abs(factor - 1), abs=1e-12)
    assert found["change"] == pytest.approx((layer.weight - old["a.weight"]).square().mean().item())


@pytest.mark.parametrize(
    ("old", "layer", "sentence"),
    [
        ({}, nn.Linear(3, 2), "before has no weights under its name"),
        ({"a.weight": "x"}, nn.Linear(3, 2), "before has no weights under its name"),
        ({"a.weight": torch.ones(3, 2)}, nn.Linear(3, 2), r"before has weights of shape \(3, 2\), expected \(2, 3\)"),
        ({"a.weight": torch.full((2, 3), torch.nan)}, nn.Linear(3, 2), "not finite"),
        ({"a.weight": torch.ones(3)}, nn.LayerNorm(3), "it has no filters"),
        ({}, nn.ReLU(), "it has no filters"),
    ],
)
def test_filters_that_cannot_be_compared_say_why(old, layer, sentence):
    with pytest.raises(ValueError, match=sentence):
        answered(lenses.filters(old, layer, "a"))


def test_every_lens_gives_the_quantities_of_its_instrument():
    (x,), labels = clouds(80, widths=(6,))
    layer = nn.Linear(3, 2)
    given = {
        "distribution": [*answered(probing.distribution([x[:40]], labels[:40], [x[40:]], labels[40:], 3))[0]],
        "patterns": [*answered(lenses.patterns(x, labels, 3))],
        "nodes": [*answered(lenses.nodes(x[:40], labels[:40], x[40:], labels[40:], 3))],
        "targets": [
            *answered(lenses.separated(x, labels, "target")),
            *answered(lenses.separated(x, labels, "feature")),
        ],
        "filters": [*answered(lenses.filters({"a.weight": torch.ones(2, 3)}, layer, "a"))],
    }
    of_alone = {name: list(quantities) for name, quantities in QUANTITIES.items() if name not in ("rank", "cka")}
    assert of_alone == given
