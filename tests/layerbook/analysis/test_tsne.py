"""t-SNE: seeded, without a random number from outside, and no picture where there is none to draw."""

import numpy as np
import pytest
import torch
from sklearn.metrics import silhouette_score

from layerbook.analysis.tsne import in_the_record, planes_curve, tsne, tsne_panels, tsne_series


def cloud(n=120, classes=4, width=10, spread=0.5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % classes
    centres = torch.randn(classes, width, generator=generator)
    return centres[labels] + spread * torch.randn(n, width, generator=generator), labels


def test_zero_rows_are_shown_as_nan():
    features = cloud()[0]
    points = tsne(torch.cat([features, torch.zeros(5, 10)]), perplexity=10)
    assert points[120:].isnan().all() and torch.equal(points[:120], tsne(features, perplexity=10))


def test_tsne_is_seeded_keeps_clusters_apart_and_draws_no_random_numbers_from_outside():
    features, labels = cloud(200, spread=0.2)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    points = tsne(features, perplexity=15)
    assert points.shape == (200, 2) and points.dtype == torch.float32
    assert torch.equal(points, tsne(features, perplexity=15))
    assert torch.equal(torch.get_rng_state(), states[0]) and (np.random.get_state()[1] == states[1]).all()
    silhouette = silhouette_score(points.numpy(), labels.numpy())
    assert silhouette > 0.6
    later = tsne(features + 0.02, perplexity=15, start=points)
    assert silhouette_score(later.numpy(), labels.numpy()) > 0.6
    centres, moved = (torch.stack([p[labels == c].mean(0) for c in range(4)]) for p in (points, later))
    assert torch.corrcoef(torch.stack([centres.flatten(), moved.flatten()]))[0, 1] > 0.9


def test_panels_side_by_side_are_the_pictures_one_by_one():
    clouds = {"one": cloud(100)[0], "two": cloud(100, seed=1)[0]}
    found = tsne_panels(clouds, perplexity=10)
    assert list(found) == ["one", "two"]
    assert all(torch.equal(found[name], tsne(clouds[name], perplexity=10)) for name in clouds)


def test_a_series_starts_each_picture_from_the_one_before():
    early, late = cloud(100)[0], cloud(100, seed=1)[0]
    found = tsne_series({0: early, 7: late}, perplexity=10)
    assert torch.equal(found[0], tsne(early, perplexity=10))
    assert torch.equal(found[7], tsne(late, perplexity=10, start=found[0]))


def test_planes_are_kept_in_the_order_of_the_axes():
    planes = [torch.rand(450, 2, generator=torch.Generator().manual_seed(seed)) for seed in range(6)]
    kept = planes_curve(planes, iteration=[0, 100], layer=[1, 2, 3])
    assert list(kept) == ["values", "iteration", "layer", "point", "xy"]
    assert kept["values"].shape == (2, 3, 400, 2) and len(kept["point"]) == 400
    assert torch.equal(kept["values"][1, 0], in_the_record(planes[3]))


def test_a_single_column_has_two_directions():
    x = torch.rand(30, 1, generator=torch.Generator().manual_seed(0)) + 1
    points = tsne(torch.cat([x, -x]), 5)
    assert points.isfinite().all() and silhouette_score(points.numpy(), np.repeat(range(2), 30)) > 0.5


@pytest.mark.parametrize("flat", [0, 1])
def test_a_start_along_a_line_is_a_start(flat):
    features, labels = cloud(spread=0.2)
    start = tsne(features, perplexity=10)
    start[:, flat] = 0.5
    points = tsne(features, perplexity=10, start=start)
    assert points.isfinite().all() and silhouette_score(points.numpy(), labels.numpy()) > 0.6


def test_a_row_left_out_of_the_earlier_picture_starts_in_the_middle():
    features, _ = cloud(spread=0.2)
    holes = features.index_fill(0, torch.arange(3), 0)
    start = tsne(holes, perplexity=10)
    assert start[:3].isnan().all() and tsne(features, perplexity=10, start=start).isfinite().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(perplexity=100), r"^features: expected at least 3 x perplexity \+ 1 = 301 samples .* got 120"),
        (
            dict(features=torch.ones(40, 4)),
            "^features: expected rows of different directions, got 40 all alike",
        ),
        (dict(features=torch.arange(1.0, 121)[:, None] * torch.rand(4)), "^features: .* directions, got 120 all alike"),
        (
            dict(features=cloud()[0].index_put((torch.tensor(0), torch.tensor(0)), torch.tensor(torch.nan))),
            "^features: 1 of 1200 values are not finite",
        ),
        (dict(start=torch.zeros(119, 2)), r"^start: expected shape \(120, 2\), one point per row, got \(119, 2\)"),
        (dict(start=torch.ones(120, 2)), "^start: expected finite points that differ"),
        (dict(start=torch.full((120, 2), torch.nan)), "^start: expected finite points that differ"),
        (
            dict(start=torch.randn(120, 2).index_put((torch.tensor(3), torch.tensor(1)), torch.tensor(torch.inf))),
            "^start: expected finite points that differ",
        ),
    ],
)
def test_what_has_no_picture_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        tsne(**{"features": cloud()[0], "perplexity": 10, **change})
