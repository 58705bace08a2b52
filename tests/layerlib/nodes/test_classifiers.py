import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from scipy.stats import gaussian_kde, norm
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from layerlib._asking import answered
from layerlib.nodes._in_parts import log_posteriors
from layerlib.nodes.classifiers import SYSTEMS, NodeClassifiers

# Near the floor, 30 nats below a node's highest density, rounding in the FFT (36 nats below) shows.
FFT_NOISE = 0.01


@pytest.fixture(scope="module")
def activations():
    """Pre-activations of a small trained network on scikit-learn's digits: per layer (train, test), and labels."""
    images, labels = load_digits(return_X_y=True)
    images, labels = torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels, dtype=torch.int64)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [
            nn.Linear(64, 50),
            nn.Linear(50, 50, bias=False),
            nn.Linear(50, 50, bias=False),
            nn.Linear(50, 10, bias=False),
        ]
        network = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2], nn.ReLU(), layers[3])
        optimizer = torch.optim.Adam(network.parameters(), 3e-3)
        for _ in range(150):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(images[:1200]), labels[:1200]).backward()
            optimizer.step()
    seen = []
    with torch.no_grad():
        z = images
        for number, layer in enumerate(layers[:3]):
            z = layer(z if number == 0 else z.relu())
            seen.append((z[:1200], z[1200:]))
    return seen, labels[:1200], labels[1200:]


def literal_log_likelihoods(z, labels, query, classes, rule="scott"):
    """The paper's formulas, node by node and class by class: the three systems' per-node log P(z | class)."""
    result = {system: np.empty((*query.shape, classes)) for system in SYSTEMS}
    z, labels, query = z.double().numpy(), labels.numpy(), query.double().numpy()
    for number in range(classes):
        own = z[labels == number]
        for node in range(z.shape[1]):
            share = np.clip((own[:, node] > 0).mean(), 0.5 / len(own), 1 - 0.5 / len(own))
            on = query[:, node] > 0
            discrete = np.where(on, np.log(share), np.log(1 - share))
            continuous = gaussian_kde(own[:, node], rule).logpdf(query[:, node])
            result["discrete"][:, node, number] = discrete
            result["continuous"][:, node, number] = continuous
            result["combined"][:, node, number] = np.where(on, continuous, discrete)
    return {system: torch.from_numpy(values) for system, values in result.items()}


def clouds(seed, samples=400, nodes=5, classes=3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (samples,), generator=generator)
    labels[: 2 * classes] = torch.arange(classes).repeat(2)
    centre = torch.randn(classes, nodes, generator=generator, dtype=dtype)
    return centre[labels] + 0.6 * torch.randn(samples, nodes, generator=generator, dtype=dtype), labels


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_decisions_and_densities_equal_scipys_on_real_activations(activations, layer):
    seen, labels, _ = activations
    z, query = seen[layer]
    classifiers = NodeClassifiers.fit(z, labels)
    reference = literal_log_likelihoods(z, labels, query, 10)
    prior = torch.bincount(labels).double().div(len(labels)).log()
    for system in SYSTEMS:
        expected = (reference[system].sum(1) + prior).argmax(1)
        assert (classifiers.predict(query, system) == expected).double().mean() >= 0.999, system
    exact = reference["continuous"]
    below = exact.amax((0, 2), keepdim=True) - exact
    error = (classifiers.log_density(query) - exact).abs()
    assert error[below < 5].max() < 0.02
    assert error[below < 10].max() < 0.08
    assert error[below < 20].max() < 0.25
    assert error[below < 20].mean() < 1e-3


def test_discrete_log_posterior_equals_the_formula(activations):
    seen, labels, _ = activations
    z, query = seen[0]
    reference = literal_log_likelihoods(z, labels, query[:50], 10)["discrete"].sum(1)
    expected = (reference + torch.bincount(labels).double().log()).log_softmax(1)
    torch.testing.assert_close(
        NodeClassifiers.fit(z, labels).log_posterior(query[:50], "discrete"), expected, rtol=1e-10, atol=1e-10
    )


@pytest.mark.parametrize("system", SYSTEMS)
def test_log_posteriors_are_normalised_and_agree_with_the_single_system(activations, system):
    seen, labels, _ = activations
    classifiers = NodeClassifiers.fit(seen[1][0], labels)
    together = classifiers.log_posteriors(seen[1][1])
    single = classifiers.log_posterior(seen[1][1], system)
    assert together.shape == (3, len(single), 10)
    torch.testing.assert_close(together[SYSTEMS.index(system)], single, rtol=0, atol=0)
    torch.testing.assert_close(single.exp().sum(1), torch.ones(len(single), dtype=torch.float64))
    assert torch.equal(classifiers.predict(seen[1][1], system), single.argmax(1))


@pytest.mark.parametrize("bandwidth", ["silverman", 0.3, 1.0])
def test_other_bandwidths_equal_scipys(activations, bandwidth):
    seen, labels, _ = activations
    z, query = seen[0][0][:, :6], seen[0][1][:, :6]
    density = NodeClassifiers.fit(z, labels, bandwidth).log_density(query)
    for number in range(10):
        own = z[labels == number].double().numpy()
        for node in range(6):
            rule = bandwidth if bandwidth == "silverman" else bandwidth / own[:, node].std(ddof=1)
            exact = torch.from_numpy(gaussian_kde(own[:, node], rule).logpdf(query[:, node].double().numpy()))
            near = exact > exact.max() - 8
            assert (density[:, node, number] - exact).abs()[near].max() < 0.06


@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 2e-2), (torch.float64, FFT_NOISE)])
def test_batches_give_the_result_of_one_fit(dtype, tolerance):
    z, labels = clouds(0, samples=1000, dtype=dtype)
    whole = NodeClassifiers.fit(z, labels)
    loader = DataLoader(TensorDataset(z, labels), batch_size=37, shuffle=True)
    for batches in (loader, list(zip(z.split(1), labels.split(1), strict=True))):
        streamed = NodeClassifiers.fit_batches(batches, classes=3)
        assert (streamed.log_posteriors(z) - whole.log_posteriors(z)).abs().max() < tolerance
        torch.testing.assert_close(streamed.bandwidth, whole.bandwidth, rtol=1e-4, atol=0)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10**6), shift=st.floats(-100, 100), scale=st.floats(1e-3, 1e3))
def test_shift_and_scale_move_the_densities_along(seed, shift, scale):
    z, labels = clouds(seed)
    density = NodeClassifiers.fit(z, labels).log_density(z)
    moved = NodeClassifiers.fit(scale * z + shift, labels).log_density(scale * z + shift)
    torch.testing.assert_close(moved + np.log(scale), density, rtol=0, atol=FFT_NOISE)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10**6))
def test_order_of_samples_and_nodes_does_not_matter(seed):
    z, labels = clouds(seed)
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.randperm(len(z), generator=generator), torch.randperm(5, generator=generator)
    classifiers = NodeClassifiers.fit(z, labels)
    shuffled = NodeClassifiers.fit(z[rows][:, columns], labels[rows])
    torch.testing.assert_close(
        shuffled.log_posteriors(z[:, columns]), classifiers.log_posteriors(z), rtol=0, atol=FFT_NOISE
    )


def test_constant_and_dead_nodes_speak_for_no_class():
    z, labels = clouds(1, dtype=torch.float32)
    spoiled = z.clone()
    spoiled[:, 1], spoiled[:, 3] = 0.7, 0.0
    with_them, without = NodeClassifiers.fit(spoiled, labels), NodeClassifiers.fit(z[:, [0, 2, 4]], labels)
    difference = with_them.log_posteriors(spoiled) - without.log_posteriors(z[:, [0, 2, 4]])
    assert difference[1].abs().max() < 1e-3
    # The discrete shares differ by their clamp alone, which depends on the samples of the class.
    assert difference.abs().max() < 0.1


def test_a_class_with_one_value_is_found_by_it():
    z, labels = clouds(2)
    z[labels == 1] = 0.25
    classifiers = NodeClassifiers.fit(z, labels)
    assert (classifiers.predict(z[labels == 1], "continuous") == 1).all()
    assert (classifiers.predict(z[labels != 1], "continuous") != 1).all()


def test_class_without_samples_is_never_predicted():
    z, labels = clouds(3)
    labels[labels == 1] = 0
    posteriors = NodeClassifiers.fit(z, labels, classes=5).log_posteriors(z)
    assert posteriors.shape == (3, 400, 5)
    assert (posteriors[..., [1, 3, 4]] == -torch.inf).all()
    assert posteriors[..., [0, 2]].isfinite().all()


def test_class_with_one_sample_has_the_nodes_spread():
    z, labels = clouds(4)
    labels[labels == 1] = 0
    labels[0] = 1
    classifiers = NodeClassifiers.fit(z, labels)
    torch.testing.assert_close(classifiers.bandwidth[:, 1], z.std(0))
    assert classifiers.log_posteriors(z).isfinite().all()


def test_an_outlier_does_not_spoil_the_other_classes():
    z, labels = clouds(5, samples=3000, dtype=torch.float32)
    z[0, 0] = 1e4
    query, _ = clouds(6, samples=500, dtype=torch.float32)
    density = NodeClassifiers.fit(z, labels).log_density(query)
    exact = literal_log_likelihoods(z, labels, query, 3)["continuous"]
    near = exact > exact.amax((0, 2), keepdim=True) - 10
    assert (density - exact).abs()[near].max() < 0.08


def test_values_far_outside_the_training_range_leave_the_prior():
    z, labels = clouds(7)
    classifiers = NodeClassifiers.fit(z, labels)
    far = torch.full((1, 5), 1e30, dtype=z.dtype)
    torch.testing.assert_close(classifiers.log_posterior(-far, "continuous")[0], classifiers.log_prior)
    torch.testing.assert_close(classifiers.log_posterior(far, "combined")[0], classifiers.log_prior)


def test_no_query_gives_no_answer():
    classifiers = NodeClassifiers.fit(*clouds(8))
    assert classifiers.predict(torch.empty(0, 5)).shape == (0,)


def test_half_precision_is_read():
    z, labels = clouds(9, dtype=torch.float32)
    assert NodeClassifiers.fit(z.bfloat16(), labels).predict(z.bfloat16()).shape == (400,)


def test_log_likelihood_is_the_mean_log_density_of_the_own_class():
    z, labels = clouds(11)
    classifiers = NodeClassifiers.fit(z[:200], labels[:200])
    own = classifiers.log_density(z[200:])[torch.arange(200), :, labels[200:]]
    torch.testing.assert_close(classifiers.log_likelihood(z[200:], labels[200:]), own.mean(0))


def test_held_out_likelihood_prefers_a_sensible_bandwidth():
    z, labels = clouds(12, samples=3000)
    scores = [
        NodeClassifiers.fit(z[:1500], labels[:1500], bandwidth).log_likelihood(z[1500:], labels[1500:]).mean()
        for bandwidth in (0.005, 0.15, 2.0)
    ]
    assert scores[1] > max(scores[0], scores[2])


def test_bandwidth_tensor_is_used_per_node_and_class():
    z, labels = clouds(13)
    wanted = torch.rand(5, 3, dtype=torch.float64) + 0.2
    torch.testing.assert_close(NodeClassifiers.fit(z, labels, wanted).bandwidth, wanted)
    assert NodeClassifiers.fit(z, labels, wanted[:, :1]).bandwidth.shape == (5, 3)


SPREADS = {
    "normal": (lambda random: random.normal(size=600), "scott", (0.005, 0.01)),
    "two peaks": (
        lambda random: np.concatenate([random.normal(size=300), random.normal(6, 0.3, 300)]),
        "scott",
        (0.01, 0.02),
    ),
    "one point": (lambda random: np.zeros(1), 1.0, (0.005, 0.01)),
    "lone samples": (lambda random: np.array([0, 0.1, 1]), 0.01, (0.03, 0.2)),
    "heavy tails": (lambda random: random.standard_cauchy(500), 0.3, (0.1, 0.2)),
}


@pytest.mark.parametrize("name", SPREADS)
def test_densities_are_as_exact_as_promised_and_finer_ones_more_so(name):
    draw, bandwidth, promised = SPREADS[name]
    x = draw(np.random.default_rng(0))
    labels = torch.zeros(len(x), dtype=torch.int64)
    errors = []
    for resolution in (1, 8):
        classifiers = NodeClassifiers.fit(torch.from_numpy(x)[:, None], labels, bandwidth, resolution=resolution)
        width = classifiers.bandwidth.item()
        at = np.linspace(x.min() - 6 * width, x.max() + 6 * width, 5001)
        exact = logsumexp(norm.logpdf(at[:, None], x, width), axis=1) - np.log(len(x))
        error = np.abs(classifiers.log_density(torch.from_numpy(at)[:, None])[:, 0, 0].numpy() - exact)
        errors.append([error[exact > exact.max() - nats].max() for nats in (10, 25)])
    assert errors[0] < list(promised) and errors[1][0] < errors[0][0] / 20


@pytest.mark.parametrize("scale", [1e-20, 1e-38, 1e-40])
def test_values_too_small_for_float32_are_told_apart_all_the_same(scale):
    z, labels = clouds(14, dtype=torch.float32)
    small = z * scale
    classifiers = NodeClassifiers.fit(small, labels)
    expected = NodeClassifiers.fit(small.double() / scale, labels).predict(small.double() / scale)
    assert (classifiers.predict(small) == expected).double().mean() > 0.99
    in_parts = NodeClassifiers.fit_batches([(small[:70], labels[:70]), (small[70:], labels[70:])], 3)
    assert torch.equal(in_parts.predict(small), classifiers.predict(small))


@pytest.mark.parametrize("bandwidth", [1e14, 1e20, 1e90])
def test_a_bandwidth_beyond_all_values_leaves_the_frequencies(bandwidth):
    z, labels = clouds(15)
    labels[:100] = 1
    classifiers = NodeClassifiers.fit(z.float(), labels, bandwidth)
    assert (classifiers.predict(z.float(), "continuous") == labels.bincount().argmax()).all()


def test_beyond_what_numbers_hold_bandwidths_are_refused():
    z, labels = clouds(16)
    with pytest.raises(ValueError, match="bandwidth: expected at most 1e100, .* got 1e\\+200"):
        NodeClassifiers.fit(z, labels, 1e200)
    with pytest.raises(ValueError, match="bandwidth: .*of values not all below 1e-100"):
        NodeClassifiers.fit(z * 1e-120, labels)


def test_nodes_in_parts_are_the_nodes_together():
    z, labels = clouds(17)
    labels = labels.where(labels > 0, 3)  # a class without samples
    whole = NodeClassifiers.fit(z, labels, classes=5).log_posteriors(z)
    each = 5 * 512 * 16  # bytes of the histograms of a node
    for memory in (1e9, 3 * each, 1):
        torch.testing.assert_close(answered(log_posteriors(z, labels, z, 5, memory)), whole, rtol=1e-9, atol=1e-9)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_equals_cpu():
    z, labels = clouds(14, samples=5000, nodes=40, classes=10)
    expected = NodeClassifiers.fit(z, labels).log_posteriors(z)
    found = NodeClassifiers.fit(z.cuda(), labels.cuda()).log_posteriors(z.cuda())
    assert found.is_cuda
    torch.testing.assert_close(found.cpu(), expected, rtol=0, atol=FFT_NOISE)


GOOD_Z, GOOD_LABELS = clouds(15)


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(z=GOOD_Z.log()), "z: expected finite"),
        (dict(z=GOOD_Z / 0), "z: expected finite"),
        (dict(z=GOOD_Z.long()), "z: expected a float tensor, got torch.int64"),
        (dict(z=GOOD_Z.numpy().astype(str)), "z: expected a tensor or an array of numbers, got an array of <U32"),
        (dict(z=GOOD_Z[0]), r"z: expected shape \(N, nodes\), got \(5,\)"),
        (dict(z=GOOD_Z[:, :0]), r"z: expected shape \(N, nodes\), got \(400, 0\)"),
        (dict(labels=GOOD_LABELS[:64]), r"labels: expected shape \(400,\), got \(64,\)"),
        (dict(labels=GOOD_LABELS.int()), "labels: expected an int64 tensor, got torch.int32"),
        (dict(labels=GOOD_LABELS - 1), r"labels: expected classes 0 .. 1, got -1 .. 1"),
        (dict(classes=2), r"labels: expected classes 0 .. 1, got 0 .. 2"),
        (dict(classes=0), "classes: expected a whole number from 1 up"),
        (dict(z=GOOD_Z[:0], labels=GOOD_LABELS[:0]), "z: expected at least one sample"),
        (dict(bandwidth="scot"), 'bandwidth: expected "scott"'),
        (dict(bandwidth=0), "bandwidth: expected finite values > 0"),
        (dict(bandwidth=float("nan")), "bandwidth: expected finite values > 0"),
        (dict(bandwidth=torch.ones(3, 5)), r"bandwidth: expected a shape .* \(5, 3\), got \(3, 5\)"),
    ],
)
def test_bad_training_input_raises(change, message):
    with pytest.raises(ValueError, match=message):
        NodeClassifiers.fit(**{"z": GOOD_Z, "labels": GOOD_LABELS, **change})


def test_bad_queries_raise():
    classifiers = NodeClassifiers.fit(GOOD_Z, GOOD_LABELS)
    with pytest.raises(ValueError, match=r"z: expected shape \(N, 5\), got \(400, 4\)"):
        classifiers.predict(GOOD_Z[:, :4])
    with pytest.raises(ValueError, match="z: expected finite"):
        classifiers.predict(GOOD_Z.log())
    with pytest.raises(ValueError, match="system: expected one of"):
        classifiers.predict(GOOD_Z, "both")


def test_bad_batches_raise():
    with pytest.raises(ValueError, match="twice, got an iterator"):
        NodeClassifiers.fit_batches(((z, y) for z, y in [(GOOD_Z, GOOD_LABELS)]), 3)
    with pytest.raises(ValueError, match="at least one sample"):
        NodeClassifiers.fit_batches([], 3)

    class Forgetful:
        passes = 0

        def __iter__(self):
            self.passes += 1
            yield GOOD_Z[: 400 // self.passes], GOOD_LABELS[: 400 // self.passes]

    with pytest.raises(ValueError, match="same samples in both passes"):
        NodeClassifiers.fit_batches(Forgetful(), 3)
