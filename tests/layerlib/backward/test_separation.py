import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import silhouette_score
from sklearn.neighbors import KNeighborsClassifier

from layerlib.backward.separation import directions, separation
from layerlib.data.load import load


def cloud(n=120, classes=4, width=10, spread=0.5, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % classes
    centres = torch.randn(classes, width, generator=generator)
    return (centres[labels] + spread * torch.randn(n, width, generator=generator)).to(dtype), labels


def literal_accuracy(features, labels, k):
    right = 0
    for i in range(len(features)):
        others = np.arange(len(features)) != i
        knn = KNeighborsClassifier(k, metric="cosine", algorithm="brute").fit(features[others], labels[others])
        right += knn.predict(features[i : i + 1])[0] == labels[i]
    return right / len(features)


@pytest.mark.parametrize("neighbours", [1, 5, 8])
@pytest.mark.parametrize("spread", [0.1, 0.8, 3.0])
def test_separation_is_scikit_learns_leave_one_out_and_silhouette(neighbours, spread):
    features, labels = cloud(spread=spread, dtype=torch.float64)
    accuracy, silhouette = separation(features, labels, neighbours)
    assert accuracy == literal_accuracy(features.numpy(), labels.numpy(), neighbours)
    assert silhouette == pytest.approx(silhouette_score(features.numpy(), labels.numpy(), metric="cosine"), abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 30), st.integers(2, 6), st.integers(1, 5), st.integers(0, 10**6))
def test_silhouette_is_scikit_learns_for_classes_of_any_size(n, classes, width, seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (n,), generator=generator)
    labels[0], labels[1], labels[2] = 0, 1, 1
    features = torch.randn(n, width + 1, generator=generator, dtype=torch.float64)
    expected = silhouette_score(features.numpy(), labels.numpy(), metric="cosine")
    assert separation(features, labels, 2)[1] == pytest.approx(expected, abs=1e-9)


def test_separation_does_not_depend_on_scale_order_or_the_classes_numbers():
    features, labels = cloud(spread=1.0, dtype=torch.float64)
    expected = separation(features, labels)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))
    scales = torch.rand(len(labels), 1, dtype=torch.float64) + 0.1
    assert separation((features * scales * 1e-9)[order], labels[order]) == pytest.approx(expected, abs=1e-9)
    assert separation(features, labels * 3 + 7)[1] == pytest.approx(expected[1], abs=1e-9)


def test_separated_and_mixed_clouds_are_told_apart():
    features, labels = cloud(400, spread=0.05)
    assert separation(features, labels)[0] == 1 and separation(features, labels)[1] > 0.9
    mixed = labels[torch.randperm(400, generator=torch.Generator().manual_seed(0))]
    assert separation(features, mixed)[0] < 0.4 and abs(separation(features, mixed)[1]) < 0.05


def test_zero_rows_are_left_out():
    features, labels = cloud()
    holes = torch.cat([features, torch.zeros(5, 10)])
    units, kept = directions(holes)
    assert kept.sum() == 120 and not kept[120:].any() and units[120:].eq(0).all()
    torch.testing.assert_close(units[:120].norm(dim=1), torch.ones(120, dtype=torch.float64))
    assert separation(holes, torch.cat([labels, labels[:5]])) == separation(features, labels)


def test_directions_of_tiny_rows_survive():
    features = torch.tensor([[3e-25, 4e-25], [0.6, 0.8]])
    units, kept = directions(features)
    assert kept.all()
    torch.testing.assert_close(units[0], units[1], rtol=1e-6, atol=0)


def test_raw_pixels_of_digits_are_separated_already():
    test = load("mnist-mini").test
    accuracy, silhouette = separation(test.images.float(), test.labels)
    assert 0.88 < accuracy < 0.96 and 0.05 < silhouette < 0.15


def test_bad_input_is_refused():
    features, labels = cloud()
    cases = [
        ((features, labels[:5]), r"^labels: expected int64 of shape \(120,\), one label per row .*, got .*\(5,\)"),
        ((features, labels.float()), "^labels: expected int64"),
        ((features, labels * 0), "^labels: expected 2 to 119 classes among 120 samples, got 1"),
        ((features, torch.arange(120)), "^labels: expected 2 to 119 classes among 120 samples, got 120"),
        (
            (features, labels, 120),
            "^neighbours: expected fewer than the 120 samples with a direction in features, got 120",
        ),
        ((features * 0, labels), "^neighbours: expected fewer than the 0 samples with a direction"),
        ((features / 0, labels), "^features: 1200 of 1200 values are not finite"),
        ((labels, labels), "^features: expected a float tensor"),
    ]
    for arguments, match in cases:
        with pytest.raises(ValueError, match=match):
            separation(*arguments)
