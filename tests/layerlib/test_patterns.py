"""Perplexity against a literal count of patterns and SciPy's entropy."""

from collections import Counter

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from layerlib import _bits
from layerlib._asking import answered
from layerlib._hamming import hamming_of_each
from layerlib.patterns import (
    PatternCounts,
    activation_share,
    active,
    crossing,
    hamming,
    layer_perplexity,
    perplexity_and_surprisals,
)

AROUND_WORDS = [1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 127, 128, 129, 191, 192, 193, 200]
nodes_counts = st.one_of(st.sampled_from(AROUND_WORDS), st.integers(1, 200))


def literal(patterns, labels, classes):
    """Equations 1-2 read aloud: count each class's patterns, exponentiate the entropy of the counts."""
    counts = [Counter() for _ in range(classes)]
    for pattern, label in zip(patterns.numpy(), labels.tolist(), strict=True):
        counts[label][pattern.tobytes()] += 1
    return torch.tensor(
        [np.exp(scipy.stats.entropy(list(c.values()))) if c else np.nan for c in counts], dtype=torch.float64
    )


@st.composite
def layers(draw, stack=()):
    """Few distinct patterns, many of them one node apart, in random order with random labels."""
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    n, nodes, classes = draw(st.integers(1, 80)), draw(nodes_counts), draw(st.integers(1, 5))
    bases = torch.rand(draw(st.integers(1, 6)), nodes, generator=random) < draw(st.sampled_from([0.02, 0.5, 0.98]))
    patterns = bases[torch.randint(len(bases), (*stack, n), generator=random)]
    flipped = torch.randint(nodes, (*stack, n, 1), generator=random)
    one_apart = torch.zeros_like(patterns).scatter_(-1, flipped, torch.rand(*stack, n, 1, generator=random) < 0.3)
    return patterns ^ one_apart, torch.randint(classes, (n,), generator=random), classes


def same(ours, reference, rtol=1e-12):
    torch.testing.assert_close(ours, reference, rtol=rtol, atol=0, equal_nan=True)


@given(layers())
def test_perplexity_equals_exp_of_scipys_entropy_of_a_literal_count(layer):
    patterns, labels, classes = layer
    same(layer_perplexity(patterns, labels, classes), literal(patterns, labels, classes))


@pytest.mark.parametrize("nodes", AROUND_WORDS)
def test_patterns_that_differ_in_any_one_node_are_distinct(nodes):
    patterns = torch.cat([torch.zeros(1, nodes, dtype=torch.bool), torch.eye(nodes, dtype=torch.bool)])
    labels = torch.zeros(nodes + 1, dtype=torch.int64)
    same(layer_perplexity(patterns, labels), torch.tensor([nodes + 1.0]).double())
    same(layer_perplexity(~patterns, labels), torch.tensor([nodes + 1.0]).double())


@given(layers(stack=(2, 3)))
def test_stacked_layers_equal_the_layers_one_by_one(layer):
    patterns, labels, classes = layer
    stacked = layer_perplexity(patterns, labels, classes)
    assert stacked.shape == (2, 3, classes)
    for i in range(2):
        for j in range(3):
            same(stacked[i, j], literal(patterns[i, j], labels, classes))


@given(layers(stack=(2,)), st.data())
def test_a_stream_of_batches_equals_one_call_however_it_is_cut(layer, data):
    patterns, labels, classes = layer
    cuts = sorted(data.draw(st.lists(st.integers(1, len(labels)), max_size=8, unique=True)))
    counts = PatternCounts(classes)
    for start, stop in zip([0, *cuts], [*cuts, len(labels)], strict=True):
        if start < stop:
            counts.add(patterns[:, start:stop], labels[start:stop])
            counts.perplexity()  # reading half-way must not disturb the count
    same(counts.perplexity(), layer_perplexity(patterns, labels, classes))


def test_a_stream_holds_the_distinct_patterns_and_not_the_samples():
    random = torch.Generator().manual_seed(0)
    kinds = torch.rand(5, 70, generator=random) < 0.5
    counts = PatternCounts(2)
    for _ in range(200):
        counts.add(kinds[torch.randint(5, (50,), generator=random)], torch.randint(2, (50,), generator=random))
        assert sum(words.shape[1] for words in counts._patterns) <= 2 * 50 + 2 * 10
    counts.perplexity()
    assert counts._patterns[0].shape[1] == 10


@pytest.mark.parametrize("different_hashes", [1, 2, 3])
@given(layer=layers(stack=(2,)))
def test_hash_collisions_do_not_change_the_count(different_hashes, layer):
    patterns, labels, classes = layer
    honest = _bits._mix
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_bits, "_mix", lambda *words: (honest(*words) % different_hashes) << 32)
        ours = layer_perplexity(patterns, labels, classes)
        counts = PatternCounts(classes)
        for i in range(0, len(labels), 7):
            counts.add(patterns[:, i : i + 7], labels[i : i + 7])
    same(ours, torch.stack([literal(p, labels, classes) for p in patterns]))
    same(counts.perplexity(), ours)


def test_words_are_hashed_the_same_in_parts(monkeypatch):
    words = torch.randint(-(2**62), 2**62, (9, 50), generator=torch.Generator().manual_seed(0))
    order, _ = _bits._by_hash(words)
    for few in (1, 100, 250):
        monkeypatch.setattr(_bits, "CACHED", few)
        assert torch.equal(_bits._by_hash(words)[0], order)


def test_structured_patterns_do_not_take_the_slow_way_of_colliding_hashes(monkeypatch):
    def collided(*args, **kwargs):
        raise AssertionError("hashes collided")

    monkeypatch.setattr(torch.Tensor, "unique", collided)
    single = torch.eye(200, dtype=torch.bool)
    pairs = (single[:, None] | single[None])[torch.ones(200, 200).triu(1).bool()]
    patterns = torch.cat([single, ~single, pairs, ~pairs])
    perplexities = layer_perplexity(patterns, torch.arange(len(patterns)) % 10)
    same(perplexities, torch.full((10,), len(patterns) / 10).double())


@given(layers(), st.integers(0, 2**31))
def test_order_of_samples_and_of_nodes_does_not_matter(layer, seed):
    patterns, labels, classes = layer
    random = torch.Generator().manual_seed(seed)
    samples = torch.randperm(len(labels), generator=random)
    nodes = torch.randperm(patterns.shape[1], generator=random)
    same(
        layer_perplexity(patterns[samples][:, nodes], labels[samples], classes),
        layer_perplexity(patterns, labels, classes),
    )


@given(layers())
def test_perplexity_lies_between_one_and_the_number_of_samples(layer):
    patterns, labels, classes = layer
    ours, sizes = layer_perplexity(patterns, labels, classes), labels.bincount(minlength=classes).double()
    there = sizes > 0
    assert (ours[there] >= 1 - 1e-12).all() and (ours[there] <= sizes[there] * (1 + 1e-12)).all()


@given(layers())
def test_more_nodes_never_lower_the_perplexity(layer):
    patterns, labels, classes = layer
    part = patterns[:, : (patterns.shape[1] + 1) // 2]
    there = labels.bincount(minlength=classes) > 0
    assert (
        layer_perplexity(patterns, labels, classes)[there]
        >= layer_perplexity(part, labels, classes)[there] * (1 - 1e-12)
    ).all()


@pytest.mark.parametrize("nodes", [63, 64, 65, 128])
def test_one_sample_of_some_of_the_nodes_has_the_perplexity_one(nodes):
    wide = torch.rand(1, 2 * nodes - 1, generator=torch.Generator().manual_seed(0)) < 0.5
    some, label = wide[:, :nodes], torch.tensor([0])  # its one row starts anew after another number of entries
    assert layer_perplexity(some, label).tolist() == layer_perplexity(some.clone(), label).tolist() == [1]


@pytest.mark.parametrize("n", [1, 2, 3, 1000])
def test_identical_patterns_give_one_and_distinct_patterns_the_number_of_samples(n):
    labels = torch.zeros(n, dtype=torch.int64)
    same(layer_perplexity(torch.ones(n, 70, dtype=torch.bool), labels), torch.ones(1).double())
    numbers = torch.arange(n)[:, None] >> torch.arange(10) & 1
    same(layer_perplexity(numbers.bool(), labels), torch.tensor([n]).double())


def test_a_class_without_samples_is_nan_and_leaves_the_others_alone():
    patterns = torch.tensor([[True], [False], [True]])
    ours = layer_perplexity(patterns, torch.tensor([0, 0, 2]), classes=4)
    same(ours, torch.tensor([2, torch.nan, 1, torch.nan]).double())


def test_classes_share_no_patterns_and_layers_share_none():
    patterns = torch.ones(2, 6, 5, dtype=torch.bool)
    same(layer_perplexity(patterns, torch.tensor([0, 1, 2, 0, 1, 2])), torch.ones(2, 3).double())


def test_patterns_may_be_views_of_other_tensors():
    random = torch.Generator().manual_seed(1)
    wide = torch.rand(40, 131, generator=random) < 0.1
    labels = torch.randint(3, (40,), generator=random)
    same(layer_perplexity(wide[:, 1:129], labels, 3), literal(wide[:, 1:129].contiguous(), labels, 3))
    tall = wide.flatten()[3 : 3 + 40 * 64].view(40, 64)
    same(layer_perplexity(tall, labels, 3), literal(tall.clone(), labels, 3))
    same(
        layer_perplexity(tall.T, torch.zeros(64, dtype=torch.int64)),
        literal(tall.T.contiguous(), torch.zeros(64, dtype=torch.int64), 1),
    )


@pytest.mark.parametrize("count", [layer_perplexity, activation_share])
def test_bad_patterns_and_labels_are_refused(count):
    good, labels = torch.ones(4, 3, dtype=torch.bool), torch.zeros(4, dtype=torch.int64)
    for patterns, wrong, message in [
        (good.float(), labels, "active: expected boolean patterns.*got torch.float32"),
        (good.int(), labels, "active: expected boolean patterns.*got torch.int32"),
        (good[0], labels, r"active: expected shape \(N, nodes\).*got \(3,\)"),
        (good[:0], labels[:0], r"active: .*not empty, got \(0, 3\)"),
        (good[:, :0], labels, r"active: .*not empty, got \(4, 0\)"),
        (good, labels[:3], r"labels: expected int64 of shape \(4,\), one label per row of active, got .* \(3,\)"),
        (good, labels[:, None], r"labels: expected int64 of shape \(4,\).*got torch.int64 \(4, 1\)"),
        (good, labels.int(), r"labels: expected int64.*got torch.int32"),
        (good, labels - 1, "labels: expected classes 0 to .*got -1 to -1"),
    ]:
        with pytest.raises(ValueError, match=message):
            count(patterns, wrong)
    with pytest.raises(ValueError, match="labels: expected classes 0 to 1, got 0 to 2"):
        count(good, torch.tensor([0, 1, 2, 0]), classes=2)


def test_a_stream_refuses_another_number_of_nodes_and_an_empty_reading():
    with pytest.raises(ValueError, match="no patterns were added"):
        PatternCounts(3).perplexity()
    counts = PatternCounts(3).add(torch.ones(2, 5, dtype=torch.bool), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match=r"active: expected .*\(5,\) as in earlier batches, got \(6,\)"):
        counts.add(torch.ones(2, 6, dtype=torch.bool), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="labels: expected classes 0 to 2, got 0 to 3"):
        counts.add(torch.ones(2, 5, dtype=torch.bool), torch.tensor([0, 3]))
    same(counts.perplexity(), torch.tensor([1, 1, torch.nan]).double())


def test_on_means_above_zero():
    z = torch.tensor([[-1.0, -0.0, 0.0, 1e-30], [torch.inf, -torch.inf, 5, -1e-30]])
    assert active(z).tolist() == [[False, False, False, True], [True, False, True, False]]


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=50))
def test_on_is_what_relu_lets_through_and_sigmoid_puts_above_one_half(values):
    z = torch.tensor(values, dtype=torch.float64)
    z = z[(z == 0) | (z.abs() > 1e-12)]  # nearer to zero the sigmoid rounds to 0.5
    assert torch.equal(active(z), torch.relu(z) > 0)
    assert torch.equal(active(z), torch.sigmoid(z) > 0.5)


def test_nan_has_no_on_or_off():
    with pytest.raises(ValueError, match="preactivations: 2 of 6 are NaN"):
        active(torch.tensor([[1, torch.nan, 0], [torch.nan, 2, 3]]))


@given(layers(stack=(2,)))
def test_activation_share_equals_a_double_loop(layer):
    patterns, labels, classes = layer
    ours = activation_share(patterns, labels, classes)
    assert ours.shape == (2, classes, patterns.shape[-1]) and ours.dtype == torch.float64
    for i in range(2):
        for c in range(classes):
            own = patterns[i][labels == c].double()
            # the mean of no rows is NaN, as documented
            torch.testing.assert_close(ours[i, c], own.mean(0), rtol=1e-14, atol=0, equal_nan=True)


def heights(values, samples=(1000,)):
    """Perplexity of shape (layers, C) whose ln P / ln N_c is ``values`` in every class."""
    samples = torch.tensor(samples)
    return samples.double() ** torch.tensor(values, dtype=torch.float64)[:, None], samples


@pytest.mark.parametrize(
    "values, at",
    [
        ([1, 0.8, 0.6, 0.4, 0.2, 0.0], {0.9: 1.5, 0.5: 3.5, 0.1: 5.5}),
        ([1, 1, 1, 0, 0], {0.9: 3.1, 0.5: 3.5, 0.1: 3.9}),
        ([1, 0], {0.9: 1.1, 0.5: 1.5, 0.1: 1.9}),
        ([1, 0.5, 0.5, 0], {0.9: 1.2, 0.5: 3.0, 0.1: 3.8}),
        ([0.95, 0.4, 0.95, 0.4], {0.9: 3 + 0.05 / 0.55, 0.5: 3 + 0.45 / 0.55, 0.1: torch.inf}),
        ([0.6, 0.4], {0.9: 1, 0.5: 1.5, 0.1: torch.inf}),
        ([0.4, 0.3], {0.9: 1, 0.5: 1, 0.1: torch.inf}),
        ([0.05, 0.2], {0.9: 1, 0.1: torch.inf}),
        ([0.7, 0.7, 0.7], {0.9: 1, 0.5: torch.inf, 0.1: torch.inf}),
        ([0.95], {0.9: torch.inf}),
        ([0.05], {0.1: 1}),
    ],
)
def test_crossings_of_curves_drawn_by_hand(values, at):
    for samples in [(1000,), (892, 1135, 200)]:
        perplexities, sizes = heights(values, samples)
        for level, layer in at.items():
            assert crossing(perplexities, sizes, level).item() == pytest.approx(layer, rel=1e-12)


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=12), st.floats(0.05, 0.95))
def test_crossing_equals_a_walk_along_the_interpolated_curve(values, level):
    perplexities, samples = heights(values)
    ours = crossing(perplexities, samples, level).item()
    values = (perplexities.log() / samples.double().log())[:, 0].numpy()  # after rounding
    if values[-1] >= level:
        assert ours == np.inf
    elif (values < level).all():
        assert ours == 1
    else:
        numbers = np.arange(1, len(values) + 1)
        assert np.interp(ours, numbers, values) == pytest.approx(level, abs=1e-9)
        behind = np.concatenate([numbers[numbers > ours], np.linspace(ours + 1e-6, len(values), 50)])
        assert (np.interp(behind, numbers, values) < level).all()


def test_stacked_curves_cross_as_they_do_one_by_one():
    values = torch.rand(2, 3, 7, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 99 + 1
    samples = torch.tensor([100, 120, 150, 200])
    stacked = crossing(values, samples, 0.6)
    assert stacked.shape == (2, 3)
    for i in range(2):
        for j in range(3):
            assert stacked[i, j] == crossing(values[i, j], samples, 0.6)


@pytest.mark.parametrize(
    ("level", "samples", "message"),
    [
        (1.1, [10, 10], r"level: expected a number in \(0, 1\), got 1.1"),
        (0.0, [10, 10], "level"),
        (float("nan"), [10, 10], "level"),
        (0.5, [10], r"samples: expected shape \(2,\).*got \(1,\)"),
        (0.5, [10, 10, 10], r"samples: .*\(3,\)"),
    ],
)
def test_a_crossing_of_nothing_sensible_is_refused(level, samples, message):
    with pytest.raises(ValueError, match=message):
        crossing(torch.tensor([[5.0, 5.0], [1.0, 1.0]]), torch.tensor(samples), level)


def test_a_class_without_a_perplexity_has_no_crossing():
    perplexities = torch.tensor([[5.0, torch.nan], [1.0, torch.nan]])
    assert crossing(perplexities, torch.tensor([10, 0]), 0.5).isnan()
    assert crossing(torch.tensor([[5.0, 1.0], [1.0, 1.0]]), torch.tensor([10, 1]), 0.5).isnan()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_counts_as_the_cpu_does():
    random = torch.Generator().manual_seed(0)
    patterns, labels = torch.rand(3, 5000, 100, generator=random) < 0.02, torch.randint(10, (5000,), generator=random)
    same(layer_perplexity(patterns.cuda(), labels.cuda()).cpu(), layer_perplexity(patterns, labels))
    assert torch.equal(activation_share(patterns.cuda(), labels.cuda()).cpu(), activation_share(patterns, labels))


def test_any_byte_that_is_not_zero_is_on():
    flags = torch.tensor([[1, 0], [2, 0]] * 25, dtype=torch.uint8).view(torch.bool)
    labels = torch.zeros(50, dtype=torch.int64)
    assert layer_perplexity(flags, labels).item() == 1
    assert activation_share(flags, labels).tolist() == [[1, 0]] and hamming(flags, labels)[0] == 0


@given(layers())
def test_hamming_is_the_mean_over_all_pairs_of_samples(layer):
    patterns, labels, classes = layer
    pairs = [(i, j) for i in range(len(labels)) for j in range(i)]
    apart = [
        [(patterns[i] ^ patterns[j]).sum().item() for i, j in pairs if (labels[i] == labels[j]) == same_class]
        for same_class in (True, False)
    ]
    expected = torch.tensor([np.mean(each) if each else np.nan for each in apart], dtype=torch.float64)
    same(hamming(patterns, labels, classes), expected)


@given(layers())
def test_parts_of_samples_make_up_hamming_and_perplexity(layer):
    patterns, labels, classes = layer
    parts = torch.stack([above.sum() / below.sum() for above, below in hamming_of_each(patterns, labels, classes)])
    same(parts, hamming(patterns, labels, classes))
    perplexity, found = answered(perplexity_and_surprisals(patterns, labels, classes))
    assert torch.equal(perplexity.nan_to_num(-1), layer_perplexity(patterns, labels, classes).nan_to_num(-1))
    means = torch.stack([found[labels == each].mean() for each in range(classes)])
    same(means.exp(), perplexity)


def test_colliding_hashes_do_not_change_surprisals(monkeypatch):
    patterns, labels = torch.rand(60, 5) < 0.5, torch.arange(60) % 3
    expected = answered(perplexity_and_surprisals(patterns, labels, 3))
    monkeypatch.setattr(_bits, "_mix", lambda words, *odd: (words.sum(0) % 2) << 32)
    for one, other in zip(answered(perplexity_and_surprisals(patterns, labels, 3)), expected, strict=True):
        same(one, other)


def test_hamming_of_stacked_layers_is_that_of_each():
    patterns, labels = torch.rand(2, 3, 40, 70) < 0.4, torch.arange(40) % 4
    stacked = hamming(patterns, labels)
    assert stacked.shape == (2, 3, 2)
    same(stacked[1, 2], hamming(patterns[1, 2], labels))
