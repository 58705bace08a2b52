import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gaussian_kde

from layerlib._asking import answered
from layerlib.nodes._densities import LogDensities
from layerlib.nodes._histograms import BINS_PER_BANDWIDTH, Histograms
from layerlib.nodes._moments import Moments


def moments_of(z, labels, classes, batch=10**9):
    moments = Moments(z.shape[1], classes)
    for z_batch, label_batch in zip(z.split(batch), labels.split(batch), strict=True):
        moments.update(z_batch, label_batch)
    return moments


def histograms_of(z, labels, classes, bandwidth="scott"):
    moments = moments_of(z, labels, classes)
    grids = moments.low, moments.high, moments.bandwidth(bandwidth, z.dtype)
    histograms = Histograms(*grids, z.dtype, float(Histograms.widest(*grids)))
    histograms.update(z, labels)
    return histograms


def mixture(seed, samples=300, nodes=4, classes=3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (samples,), generator=generator)
    labels[: classes * 2] = torch.arange(classes).repeat(2)
    centre = 2 * torch.randn(classes, nodes, generator=generator, dtype=dtype)
    z = centre[labels] + torch.randn(samples, nodes, generator=generator, dtype=dtype).mul(0.7)
    return z, labels


@pytest.mark.parametrize("dtype, rtol", [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("batch", [7, 300])
def test_moments_equal_torchs_own(dtype, rtol, batch):
    z, labels = mixture(0, dtype=dtype)
    z = z * torch.tensor([1, 1e-3, 1e3, 1], dtype=dtype) + torch.tensor([0, 0, 0, 10], dtype=dtype)
    moments = moments_of(z, labels, 3, batch)
    for number in range(3):
        own = z[labels == number].double()
        torch.testing.assert_close(moments.std[:, number], own.std(0), rtol=rtol, atol=0)
        assert torch.equal(moments.low[:, number], own.amin(0))
        assert torch.equal(moments.high[:, number], own.amax(0))
        assert torch.equal(moments.on[:, number], (own > 0).sum(0).double())
    assert torch.equal(moments.count, torch.bincount(labels).double())


@pytest.mark.parametrize("rule", ["scott", "silverman"])
def test_bandwidth_rules_equal_scipys(rule):
    z, labels = mixture(1)
    bandwidth = moments_of(z, labels, 3).bandwidth(rule, z.dtype)
    for node in range(4):
        for number in range(3):
            reference = gaussian_kde(z[labels == number, node].numpy(), rule).covariance.item() ** 0.5
            assert bandwidth[node, number].item() == pytest.approx(reference, rel=1e-12)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6), bandwidth=st.floats(0.05, 3))
def test_densities_integrate_to_one(seed, bandwidth):
    histograms = histograms_of(*mixture(seed), 3, bandwidth)
    integral = histograms.density().sum(2) * histograms.spacing
    torch.testing.assert_close(integral, torch.ones_like(integral), rtol=0, atol=1e-10)


def test_density_equals_scipys_on_the_grid():
    z, labels = mixture(2)
    histograms = histograms_of(z, labels, 3)
    density = histograms.density()
    for node in range(4):
        for number in range(3):
            grid = histograms.origin[node, number] + histograms.spacing[node, number] * torch.arange(density.shape[2])
            reference = torch.from_numpy(gaussian_kde(z[labels == number, node].numpy())(grid.numpy()))
            assert (density[node, number] - reference).abs().max() < 1e-3 * reference.max()


def test_bins_follow_the_narrowest_bandwidth():
    z, labels = mixture(3)
    for bandwidth in (1.0, 0.02, 0.004):
        histograms = histograms_of(z, labels, 3, bandwidth)
        assert (histograms.bandwidth / histograms.spacing).min() >= BINS_PER_BANDWIDTH
        assert histograms.counts.sum().item() == pytest.approx(z.numel())


def test_the_floor_is_one_per_node():
    z, labels = mixture(6)
    densities = answered(LogDensities.of(histograms_of(z, labels, 3), z.dtype))
    far = densities.at(torch.tensor([[1e6, -1e6, 1e6, -1e6]], dtype=z.dtype))
    highest = densities.at(z).amax((0, 2))
    assert (far - far[..., :1]).abs().max() < 1e-12
    assert ((highest - far[0, :, 0]) - 30).abs().max() < 0.1


def test_rows_stay_few_beside_an_outlier():
    z, labels = mixture(7, samples=6000)
    z[0, 0] = 1e4
    densities = answered(LogDensities.of(histograms_of(z, labels, 3), z.dtype))
    assert len(densities.table) < 25_000
    value = torch.zeros(1, 4, dtype=z.dtype)
    for number in range(3):
        reference = gaussian_kde(z[labels == number, 0].numpy()).logpdf([0.0]).item()
        assert densities.at(value)[0, 0, number].item() == pytest.approx(reference, abs=0.03)
    assert math.isfinite(densities.at(value + 1e5).sum().item())
