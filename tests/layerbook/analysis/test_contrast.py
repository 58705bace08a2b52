import numpy as np
import pytest
import torch
from scipy import stats

from layerbook.analysis.contrast import adjusted, bootstrap_mean, contrast, contrasts, near_marks, standardized
from layerbook.analysis.strokes import find_strokes
from layerlib.data.load import load


@pytest.fixture(scope="module")
def digits():
    images = load("mnist-mini").test.images[:400]
    return images, find_strokes(images)


def noise(images, seed=0):
    return torch.randn(len(images), 28, 28, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_brightness_is_standardized_on_the_ink_of_each_image(digits):
    images, strokes = digits
    pictures = noise(images) * 5 + 3
    found = standardized(pictures[:, None], strokes.ink)
    for i in range(20):
        on_ink = pictures[i][strokes.ink[i]].numpy()
        np.testing.assert_allclose(found[i][strokes.ink[i]], stats.zscore(on_ink), atol=1e-12)
        assert found[i][~strokes.ink[i]].isnan().all()


def test_contrast_is_the_difference_of_means_literally(digits):
    images, strokes = digits
    brightness = standardized(noise(images), strokes.ink)
    found = contrast(brightness, strokes.crossings, strokes.rest)
    for i in range(50):
        there, rest = (brightness[i][mask[i]] for mask in (strokes.crossings, strokes.rest))
        if len(there) and len(rest):
            assert found[i] == pytest.approx((there.mean() - rest.mean()).item(), abs=1e-12)
        else:
            assert found[i].isnan()


def test_contrasts_are_raw_and_adjusted_at_both_marks(digits):
    images, strokes = digits
    found = contrasts(noise(images), strokes)
    raw = standardized(noise(images), strokes.ink)
    turns = contrast(adjusted(raw, strokes), strokes.turns, strokes.rest)
    assert len(found) == 4
    torch.testing.assert_close(found["adjusted", "turns"], turns, equal_nan=True, rtol=0, atol=0)
    crossings = contrast(raw, strokes.crossings, strokes.rest)
    torch.testing.assert_close(found["raw", "crossings"], crossings, equal_nan=True, rtol=0, atol=0)


def test_a_picture_of_density_and_place_alone_has_no_adjusted_contrast(digits):
    _, strokes = digits
    rows = torch.arange(28) - 13.5
    distance = (rows[:, None] ** 2 + rows**2).sqrt().double()
    pictures = 2 * strokes.density.double() + 0.05 * distance + strokes.density.double() ** 2
    raw = standardized(pictures, strokes.ink)
    # scaled image by image, the pooled fit is no longer exact: hence not zero but near
    before, after = (contrast(b, strokes.crossings, strokes.rest).nanmean() for b in (raw, adjusted(raw, strokes)))
    assert before > 0.3 and abs(after) < 0.15 * before


def test_adjusted_brightness_is_what_least_squares_leaves(digits):
    images, strokes = digits
    raw = standardized(noise(images) + strokes.density + 0.5 * strokes.crossings, strokes.ink)
    found = adjusted(raw, strokes)
    rows = torch.arange(28) - 13.5
    distance = ((rows[:, None] ** 2 + rows**2).sqrt() / 28).double().expand_as(raw)
    design, wanted = [], []
    for i in range(len(raw)):
        ink = strokes.ink[i]
        d, r = strokes.density[i][ink].double(), distance[i][ink]
        columns = torch.stack([d, r, d**2, r**2, d * r, strokes.crossings[i][ink], strokes.turns[i][ink]], 1)
        design.append(columns - columns.mean(0))
        wanted.append(raw[i][ink])
    x, b = torch.cat(design).numpy(), torch.cat(wanted).numpy()
    weights = np.linalg.lstsq(x, b, rcond=None)[0]
    np.testing.assert_allclose(found[strokes.ink], b - x[:, :5] @ weights[:5], atol=1e-8)
    assert found[~strokes.ink].isnan().all()


def test_what_belongs_to_the_marks_is_not_handed_to_the_ink(digits):
    images, strokes = digits
    crossings, turns = [], []
    for seed in range(6):
        pictures = noise(images, seed) + 1.0 * strokes.density + 0.5 * strokes.crossings
        brightness = adjusted(standardized(pictures, strokes.ink), strokes)
        crossings.append(contrast(brightness, strokes.crossings, strokes.rest).nanmean())
        turns.append(contrast(brightness, strokes.turns, strokes.rest).nanmean())
    assert torch.stack(crossings).mean() == pytest.approx(0.487, abs=0.03)  # 0.5 over the spread on the ink
    assert torch.stack(turns).mean() == pytest.approx(0, abs=0.03)


def test_images_without_marks_are_left_out_not_counted_as_zero():
    strokes = find_strokes(torch.zeros(2, 28, 28).index_fill(1, torch.tensor([13, 14, 15]), 1.0))
    brightness = adjusted(standardized(noise(range(2)), strokes.ink), strokes)
    assert contrast(brightness, strokes.crossings, strokes.rest).isnan().all()
    flat = standardized(torch.ones(2, 28, 28), strokes.ink)
    assert flat.isnan().all()


def test_bootstrap_interval_is_scipys_and_leaves_out_nan():
    values = torch.randn(300, generator=torch.Generator().manual_seed(0)).double()
    found = bootstrap_mean(torch.cat([values, torch.full((7,), torch.nan)]), samples=5000)
    expected = stats.bootstrap(
        (values.numpy(),), np.mean, method="percentile", n_resamples=5000, rng=np.random.default_rng(0)
    ).confidence_interval
    assert found.images == 300 and found.mean == pytest.approx(values.mean().item())
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=0.01)
    assert found == bootstrap_mean(values, samples=5000) != bootstrap_mean(values, samples=5000, seed=1)


def test_bad_input_is_refused(digits):
    images, strokes = digits
    with pytest.raises(ValueError, match=r"^pictures: expected the shape of ink, bool .*, got pictures \(400, 784\)"):
        standardized(noise(images).flatten(1), strokes.ink)
    with pytest.raises(ValueError, match="^pictures: brightness on the ink is not finite"):
        standardized(noise(images) / 0, strokes.ink)
    with pytest.raises(ValueError, match="^marked, rest: expected the shape"):
        contrast(noise(images), strokes.crossings[:5], strokes.rest)
    with pytest.raises(ValueError, match=r"^values: expected shape \(N,\) with .* got \(3,\) of which 3 are NaN"):
        bootstrap_mean(torch.full((3,), torch.nan))


def test_the_brightest_ink_near_marks_is_that_of_a_literal_count():
    images = load("mnist-mini").test.images[:12]
    strokes = find_strokes(images)
    torch.manual_seed(0)
    pictures = torch.randn(12, 1, 28, 28)
    found = near_marks(pictures, strokes)
    for n in range(12):
        marks = (strokes.crossings | strokes.turns)[n].nonzero().tolist()
        ink = strokes.ink[n].nonzero().tolist()
        near = {(i, j) for i, j in ink if any(max(abs(i - a), abs(j - b)) <= 1 for a, b in marks)}
        top = sorted(ink, key=lambda at: -pictures[n, 0, at[0], at[1]].item())[: max(1, round(0.1 * len(ink)))]
        assert found[0, n].item() == pytest.approx(sum(tuple(at) in near for at in top) / len(top))
        assert found[1, n].item() == pytest.approx(len(near) / len(ink))
