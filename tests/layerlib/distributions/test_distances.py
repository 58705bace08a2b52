"""Distances between label distributions against POT, SciPy and the linear programme itself."""

import itertools
import math
from fractions import Fraction

import numpy as np
import ot
import pytest
import scipy.optimize
import scipy.spatial.distance
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from layerlib.distributions import _ascent as ascent
from layerlib.distributions import _simplex as simplex
from layerlib.distributions import _transport as transport
from layerlib.distributions.distances import (
    chebyshev,
    js,
    kl,
    label_cost,
    label_distribution,
    sigmoid_distribution,
    sinkhorn,
    total_variation,
    wasserstein,
)

DISTANCES = [
    chebyshev,
    kl,
    js,
    total_variation,
    lambda p, q: wasserstein(p, q, label_cost(4)),
    lambda p, q: sinkhorn(p, q, label_cost(4)),
]


def same(ours, reference, atol=1e-9):
    torch.testing.assert_close(ours, torch.as_tensor(np.asarray(reference)), rtol=0, atol=atol, check_dtype=False)


def rows(random, n, classes, most=None, equal=False):
    """Distributions with 1 .. ``most`` labels of random mass each; with ``equal``, of equal mass."""
    support = torch.rand(n, classes, generator=random).argsort(-1) < torch.randint(
        1, (most or classes) + 1, (n, 1), generator=random
    )
    mass = torch.rand(n, classes, generator=random, dtype=torch.float64) + 0.01
    return label_distribution(support.double() if equal else support * mass)


def metric(random, classes, dimensions=3):
    """Euclidean distances: unlike their squares, a metric."""
    return label_cost(torch.randn(classes, dimensions, generator=random, dtype=torch.float64)).sqrt()


@st.composite
def problems(draw, most=None, count=2):
    """Distributions and a cost without any symmetry, its entries often equal to one another."""
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    classes = draw(st.integers(1, 12))
    cost = torch.rand(classes, classes, generator=random, dtype=torch.float64)
    cost = (cost * 3).round() if draw(st.booleans()) else cost
    limit = classes if most is None else min(most, classes)
    return *(rows(random, 15, classes, limit, draw(st.booleans())) for _ in range(count)), cost, random


def emd(p, q, cost):
    return [ot.emd2(a, b, cost.numpy()) for a, b in zip(p.numpy(), q.numpy(), strict=True)]


def programme(p, q, cost):
    """Equations 1-2 read aloud: least ⟨T, C⟩ with T 1 = p, Tᵀ 1 = q, T ≥ 0."""
    classes = len(p)
    row_sums, column_sums = np.kron(np.eye(classes), np.ones(classes)), np.kron(np.ones(classes), np.eye(classes))
    return scipy.optimize.linprog(
        cost.flatten(),
        np.zeros((0, classes**2)),
        np.zeros(0),
        np.vstack([row_sums, column_sums]),
        np.concatenate([p, q]),
    ).fun


@given(problems())
def test_exact_transport_equals_pots_for_any_masses_and_any_cost(problem):
    p, q, cost, _ = problem
    same(wasserstein(p, q, cost), emd(p, q, cost))


@given(problems(most=2))
def test_exact_transport_to_one_and_two_labels_equals_pots(problem):
    p, q, cost, _ = problem
    same(wasserstein(p, q, cost), emd(p, q, cost))


def many_rows(kind, labels, classes):
    """300 rows and more of ``labels`` labels each: of masses and costs as they come, or with many ties and zeros."""
    random = torch.Generator().manual_seed(labels * classes)
    p, cost = rows(random, ascent.FEWEST, classes), torch.rand(classes, classes, generator=random, dtype=torch.float64)
    hot = torch.rand(len(p), classes, generator=random).argsort(-1) < labels
    if kind == "ties":
        return rows(random, len(p), classes, 4, equal=True), label_distribution(hot.double()), (3 * cost).round()
    q = label_distribution(hot * (torch.rand(hot.shape, generator=random, dtype=torch.float64) + 0.01))
    return (label_distribution(q + 1e-6 * p) if kind == "near" else p), q, cost + 0.01


@pytest.mark.parametrize("kind", ["any", "ties", "near"])
@pytest.mark.parametrize("labels, classes", [(3, 3), (3, 20), (4, 7), (4, 80)])
def test_many_rows_of_three_and_four_labels_equal_pots(kind, labels, classes):
    p, q, cost = many_rows(kind, labels, classes)
    assert ascent.ascended(p, q, cost).isfinite().float().mean() > 0.99
    expected = torch.tensor(emd(p, q, cost), dtype=torch.float64)
    torch.testing.assert_close(wasserstein(p, q, cost), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_rows_that_have_not_climbed_all_the_way_go_to_the_simplex(monkeypatch, steps):
    p, q, cost = many_rows("any", 4, 20)
    expected = wasserstein(p, q, cost)
    monkeypatch.setattr(ascent, "STEPS", steps)
    assert ascent.ascended(p, q, cost).isnan().any()
    same(wasserstein(p, q, cost), expected, atol=1e-14)


def test_few_rows_and_costs_far_apart_are_left_to_the_simplex():
    p, q, cost = many_rows("any", 3, 20)
    assert ascent.ascended(p[1:], q[1:], cost).isnan().all()
    cost[0, 1] = 1e3 * ascent.WIDEST * cost.min()
    assert ascent.ascended(p, q, cost).isnan().all()


@pytest.mark.parametrize("classes", [2, 5])
def test_exact_transport_equals_the_linear_programme(classes):
    random = torch.Generator().manual_seed(classes)
    p, q = rows(random, 12, classes), rows(random, 12, classes)
    cost = torch.rand(classes, classes, generator=random, dtype=torch.float64)
    same(wasserstein(p, q, cost), [programme(*row, cost.numpy()) for row in zip(p.numpy(), q.numpy(), strict=True)])


def test_float32_answers_in_float32_within_a_millionth():
    random = torch.Generator().manual_seed(0)
    p, q, cost = rows(random, 200, 80), rows(random, 200, 80, 5, equal=True), metric(random, 80)
    ours = wasserstein(p.float(), q.float(), cost.float())
    assert ours.dtype == torch.float32
    same(ours, emd(p, q, cost), atol=1e-6)


def test_a_simplex_that_does_not_finish_is_told(monkeypatch):
    random = torch.Generator().manual_seed(11)
    monkeypatch.setattr(simplex, "PIVOTS", 1)
    with pytest.raises(RuntimeError, match="did not finish within 1 pivots"):
        wasserstein(rows(random, 5, 20), torch.full((5, 20), 0.05), metric(random, 20))


def entropic(p, q, cost, epsilon=0.1):
    return sinkhorn(p, q, cost, epsilon).cost


@pytest.mark.parametrize("distance", [wasserstein, entropic])
def test_dtypes_and_gradients_may_differ(distance):
    random = torch.Generator().manual_seed(12)
    p, q, cost = rows(random, 9, 6), rows(random, 9, 6), metric(random, 6)
    found = distance(p.float().requires_grad_(), q, cost.float())
    assert found.dtype == torch.float64 and not found.requires_grad
    same(found, distance(p, q, cost), atol=1e-6)


@given(problems())
def test_uniform_cost_gives_the_total_variation(problem):
    p, q, _, _ = problem
    uniform = label_cost(p.shape[-1])
    same(wasserstein(p, q, uniform), total_variation(p, q), atol=1e-12)
    # a cost off the diagonal by nothing that matters is solved the general way
    uniform[0, 0] = 1e-15
    same(wasserstein(p, q, uniform), total_variation(p, q), atol=1e-12)
    same(wasserstein(p, q, 3 * label_cost(p.shape[-1])), 3 * total_variation(p, q), atol=1e-12)


@given(problems(count=3))
def test_exact_transport_is_a_metric_where_the_cost_is(problem):
    p, q, r, _, random = problem
    cost = metric(random, p.shape[-1]) if p.shape[-1] > 1 else label_cost(1)
    there = wasserstein(p, q, cost)
    same(there, wasserstein(q, p, cost), atol=1e-12)
    same(wasserstein(p, p, cost), torch.zeros(len(p)), atol=1e-12)
    assert (there <= wasserstein(p, r, cost) + wasserstein(r, q, cost) + 1e-12).all()
    assert (there >= 0).all() and (there <= 1 + 1e-12).all()


@given(problems(), st.floats(1e-3, 1e3), st.floats(0, 10))
def test_exact_transport_scales_with_the_cost_and_turns_with_it(problem, factor, added):
    p, q, cost, random = problem
    found = wasserstein(p, q, cost)
    same(wasserstein(p, q, factor * cost + added), factor * found + added, atol=1e-9 * (factor + added))
    same(wasserstein(q, p, cost.T), found)
    order = torch.randperm(p.shape[-1], generator=random)
    same(wasserstein(p[:, order], q[:, order], cost[order][:, order]), found)


@pytest.mark.parametrize("distance", [wasserstein, entropic])
def test_layers_against_one_target_equal_the_layers_one_by_one(distance):
    random = torch.Generator().manual_seed(1)
    layers, target, cost = rows(random, 24, 6).view(2, 3, 4, 6), rows(random, 4, 6), metric(random, 6)
    together = distance(layers, target, cost)
    assert together.shape == (2, 3, 4)
    for i in range(2):
        for j in range(3):
            same(together[i, j], distance(layers[i, j], target, cost), atol=1e-12)


@pytest.mark.parametrize("distance", [wasserstein, entropic])
def test_no_samples_have_no_distances(distance):
    assert distance(torch.zeros(3, 0, 4), torch.zeros(0, 4), label_cost(4)).shape == (3, 0)


def brute_force(cost):
    """Least cost between uniform distributions, in fractions: the best of all assignments (Birkhoff)."""
    exact = [[Fraction(each) for each in row] for row in cost.tolist()]
    return min(sum(exact[i][j] for i, j in enumerate(order)) for order in itertools.permutations(range(len(exact))))


@pytest.mark.parametrize("b", [7, 1e9, 1e16, 1e20, 1e300])
def test_huge_costs_beside_small_ones_leave_the_small_ones_their_digits(b):
    p, third = torch.tensor([[0.5, 0.5, 0]], dtype=torch.float64), torch.full((1, 3), 1 / 3, dtype=torch.float64)
    cost = torch.tensor([[b, 3, 1], [7, b, 1], [1, 1, 1]], dtype=torch.float64)
    same(wasserstein(p, p, cost), [5.0], atol=1e-12)
    same(wasserstein(third, third, cost), [float(brute_force(cost) / 3)], atol=1e-12)


@given(st.integers(0, 2**31), st.integers(2, 5), st.integers(0, 250))
def test_costs_of_any_size_side_by_side_are_added_to_all_digits(seed, classes, decades):
    random = torch.Generator().manual_seed(seed)
    cost = 10 ** (decades * (torch.rand(classes, classes, generator=random, dtype=torch.float64) - 0.5))
    uniform = torch.full((1, classes), 1 / classes, dtype=torch.float64)
    expected = brute_force(cost) / classes
    assert wasserstein(uniform, uniform, cost).item() == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("scale", [1e-300, 1e-20, 1e20, 1e300])
@pytest.mark.parametrize("labels", [1, 2, 5])
def test_the_unit_of_the_cost_does_not_matter(scale, labels):
    random = torch.Generator().manual_seed(13)
    p, q, cost = rows(random, 20, 8), rows(random, 20, 8, labels), metric(random, 8)
    same(wasserstein(p, q, scale * cost) / scale, wasserstein(p, q, cost), atol=1e-12)


def test_costs_beyond_what_the_answer_can_hold_are_refused():
    p = label_distribution(torch.rand(3, 4))
    with pytest.raises(ValueError, match=r"cost: expected costs whose distances torch.float32 can hold, .* 1e\+200"):
        wasserstein(p, p.roll(1, 0), 1e200 * label_cost(4))


def test_sinkhorn_begins_on_the_labels_that_hold_something():
    x = torch.arange(20, dtype=torch.float64)
    q = torch.zeros(20, dtype=torch.float64)
    q[::2] = 0.1
    far = (x[:, None] - x).square()
    right = pots_sinkhorn(q[::2], q[::2], far[::2, ::2], 1.0)
    assert right == pytest.approx(0.12747, abs=1e-5)
    for place in (x, torch.cat([x[::2], -x[1::2]]), torch.cat([x[::2], x[10:] + 90])):  # of the empty labels
        mass = q if place is x else torch.cat([q[::2], q[1::2]])
        cost, error = sinkhorn(mass, mass, (place[:, None] - place).square(), epsilon=1.0)
        assert error <= 1e-6 and cost.item() == pytest.approx(right, abs=1e-4)


def test_iterations_that_ran_out_are_told_by_the_error():
    random = torch.Generator().manual_seed(14)
    p, q, cost = rows(random, 10, 6), rows(random, 10, 6), metric(random, 6)
    found = sinkhorn(p, q, cost, 0.01, max_iterations=3)
    assert (found.error > 1e-6).any() and torch.equal(found.cost, found[0])


@pytest.mark.parametrize("epsilon", [1e-320, 1e-12])
def test_an_epsilon_too_small_for_the_exponents_is_refused(epsilon):
    with pytest.raises(ValueError, match="epsilon: expected at least 1e-09, the largest cost divided by 1e\\+09, got "):
        sinkhorn(GOOD, GOOD, label_cost(4), epsilon)
    assert sinkhorn(GOOD, GOOD, label_cost(4), 2e-9).cost.isfinite().all()


def pots_sinkhorn(p, q, cost, epsilon):
    plan = ot.bregman.sinkhorn(
        p.numpy(), q.numpy(), cost.numpy(), epsilon, method="sinkhorn_log", numItermax=100_000, stopThr=1e-12, warn=True
    )
    return (plan * cost.numpy()).sum()


@pytest.mark.filterwarnings("error", "ignore:divide by zero")
@pytest.mark.parametrize("classes, labels", [(7, 7), (13, 3)])
@pytest.mark.parametrize("epsilon", [1.0, 0.1, 0.03])
def test_sinkhorn_equals_pots_at_convergence(epsilon, classes, labels):
    random = torch.Generator().manual_seed(2)
    p, q = rows(random, 8, classes), rows(random, 8, classes, labels)
    cost = torch.rand(classes, classes, generator=random, dtype=torch.float64)
    found, error = sinkhorn(p, q, cost, epsilon, max_iterations=100_000, tolerance=1e-11)
    assert (error <= 1e-11).all()
    same(found, [pots_sinkhorn(a, b, cost, epsilon) for a, b in zip(p, q, strict=True)])


def regimes(monkeypatch, *arguments):
    """The same problems by scalings and by their logarithms."""
    both = []
    for limit in (math.inf, -math.inf):
        with monkeypatch.context() as patch:
            patch.setattr(transport, "LARGEST_EXPONENT", limit)
            both.append(sinkhorn(*arguments))
    return both


@pytest.mark.parametrize("iterations", [1, 2, 7, 300])
@pytest.mark.parametrize("epsilon", [0.3, 0.004])
@pytest.mark.parametrize("classes, labels", [(9, 9), (13, 3)])
def test_scalings_and_logarithms_agree_before_and_after_convergence(monkeypatch, classes, labels, epsilon, iterations):
    random = torch.Generator().manual_seed(3)
    p, q = rows(random, 30, classes), rows(random, 30, classes, labels)
    cost = torch.rand(classes, classes, generator=random, dtype=torch.float64)
    (cost_a, error_a), (cost_b, error_b) = regimes(monkeypatch, p, q, cost, epsilon, iterations)
    same(cost_a, cost_b, atol=1e-10)
    same(error_a, error_b, atol=1e-10)


def test_sinkhorn_comes_down_to_the_exact_distance_as_epsilon_does():
    random = torch.Generator().manual_seed(4)
    p, q, cost = rows(random, 10, 6), rows(random, 10, 6, 3), metric(random, 6)
    exact = wasserstein(p, q, cost)
    above = [(sinkhorn(p, q, cost, epsilon, 3000)[0] - exact).max().item() for epsilon in (1, 0.1, 0.01, 0.001)]
    assert above[0] > above[1] > above[2] > above[3] > -1e-12
    assert above[0] > 0.05 and above[3] < 1e-4


@given(problems(), st.sampled_from([1.0, 0.05, 0.003, 0.0005]), st.integers(1, 30))
def test_rounded_cost_is_that_of_a_coupling_however_early_iterations_end(problem, epsilon, iterations):
    p, q, cost, _ = problem
    found, error = sinkhorn(p, q, cost, epsilon, iterations)
    # under a ⊕ b all couplings cost the same, and so a plan off its marginals would show
    a, b = cost[0], cost[:, 0]
    largest = max((a.max() + b.max()).item(), cost.max().item())
    # the exponents, as large as largest / ε, are rounded where they add: that much of the mass is uncertain
    uncertain = 1e-14 + 4 * torch.finfo(torch.float64).eps * largest * (1 + largest / epsilon)
    same(sinkhorn(p, q, b[:, None] + a, epsilon, iterations)[0], p @ b + q @ a, atol=uncertain)
    assert (found >= wasserstein(p, q, cost) - uncertain).all()
    assert error.isfinite().all() and (error >= 0).all() and (error <= 2 + 1e-12).all()


def test_error_is_the_one_of_the_plan_before_rounding():
    random = torch.Generator().manual_seed(5)
    p, q, cost = rows(random, 5, 6), rows(random, 5, 6), metric(random, 6)
    u, v, kernel = torch.ones_like(p), (q > 0).double(), torch.exp(-cost / 0.05)
    for _ in range(7):
        u = p / (v @ kernel.T)
        v = q / (u @ kernel)
    plan = u[:, :, None] * kernel * v[:, None]
    same(sinkhorn(p, q, cost, 0.05, 7, 0.0)[1], (plan.sum(2) - p).abs().sum(1) + (plan.sum(1) - q).abs().sum(1))


def test_rounding_equals_altschulers_algorithm_on_the_plan_itself():
    random = torch.Generator().manual_seed(10)
    p, q, cost = rows(random, 1, 6)[0], rows(random, 1, 6, 4)[0], metric(random, 6)
    assert (q > 0).sum() > 1  # else the first step has all marginals right
    kernel = torch.exp(-cost / 0.05)
    u = p / (kernel @ (q > 0).double())
    plan = u[:, None] * kernel * (q / (u @ kernel))
    plan = plan * torch.where(plan.sum(1) > 0, p / plan.sum(1), 0).clamp(max=1)[:, None]
    plan = plan * torch.where(plan.sum(0) > 0, q / plan.sum(0), 0).clamp(max=1)
    left_p, left_q = p - plan.sum(1), q - plan.sum(0)
    plan = plan + left_p[:, None] * left_q / left_p.sum()
    torch.testing.assert_close(plan.sum(1), p)
    torch.testing.assert_close(plan.sum(0), q)
    same(sinkhorn(p, q, cost, 0.05, 1)[0], (plan * cost).sum(), atol=1e-12)


@pytest.mark.parametrize("epsilon", [0.05, 0.002])
def test_a_rows_answer_does_not_depend_on_the_rows_beside_it(monkeypatch, epsilon):
    random = torch.Generator().manual_seed(7)
    p, q, cost = rows(random, 40, 6), rows(random, 40, 6), metric(random, 6)
    together = sinkhorn(p, q, cost, epsilon)
    alone = [sinkhorn(a, b, cost, epsilon) for a, b in zip(p, q, strict=True)]
    monkeypatch.setattr(transport, "CHUNK", 7 * 36)
    for one, part, whole in zip(zip(*alone, strict=True), sinkhorn(p, q, cost, epsilon), together, strict=True):
        same(whole, torch.stack(one), atol=1e-11)
        same(whole, part, atol=1e-11)


def test_temporaries_do_not_grow_with_the_number_of_rows(monkeypatch):
    monkeypatch.setattr(transport, "CHUNK", 1000)
    largest, to_p = [], transport._Logarithms.to_p

    def watched(self, v, labels, matrix):
        largest.append(v.numel() * len(matrix))
        return to_p(self, v, labels, matrix)

    monkeypatch.setattr(transport._Logarithms, "to_p", watched)
    random = torch.Generator().manual_seed(8)
    sinkhorn(rows(random, 100, 8), rows(random, 100, 8), metric(random, 8), 1e-4, 3)
    assert largest and max(largest) <= 1000


@given(problems())
def test_divergences_equal_scipys(problem):
    p, q, _, _ = problem
    same(kl(p, q), scipy.stats.entropy(p.numpy(), q.numpy(), axis=1))
    same(js(p, q), scipy.spatial.distance.jensenshannon(p.numpy(), q.numpy(), axis=1) ** 2)
    same(chebyshev(p, q), [scipy.spatial.distance.chebyshev(*row) for row in zip(p.numpy(), q.numpy(), strict=True)])
    same(total_variation(p, q), scipy.spatial.distance.cdist(p, q, "cityblock").diagonal() / 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_floor_makes_kl_finite_at_23_nats_times_the_mass_off_the_labels(dtype):
    output, target = torch.tensor([[0.25, 0.25, 0.5, 0.0]], dtype=dtype), torch.tensor([[0, 0, 1, 0]], dtype=dtype)
    assert kl(output, target).isposinf().all()
    floored = kl(output, target, floor=1e-10)
    assert floored.dtype == dtype
    same(floored, [0.5 * (math.log(0.25) - math.log(1e-10)) + 0.5 * (math.log(0.5) - math.log(1 + 1e-10))], 1e-6)
    same(kl(target, output), [math.log(2)], atol=1e-7)


def test_distances_between_equals_are_zero_and_between_strangers_largest():
    p = torch.eye(4, dtype=torch.float64)
    for distance, largest in ((chebyshev, 1), (total_variation, 1), (js, math.log(2)), (kl, math.inf)):
        same(distance(p, p), torch.zeros(4), atol=0)
        same(distance(p, p.roll(1, 0)), [largest] * 4, atol=1e-15)


@given(problems())
def test_label_distributions_sum_to_one_and_keep_the_ratios(problem):
    p, _, _, random = problem
    scores = p * torch.rand(len(p), 1, generator=random, dtype=torch.float64).mul(100).exp()
    same(label_distribution(scores), p, atol=1e-14)


def test_shares_of_sigmoids_are_those_of_their_logits_also_where_no_float_holds_a_sigmoid():
    logits = 5 * torch.randn(3, 7, 4, dtype=torch.float64)
    same(sigmoid_distribution(logits), label_distribution(logits.sigmoid()), atol=1e-14)
    none = torch.tensor([[-200.0, -201.0]])
    assert (none.sigmoid() == 0).all()  # label_distribution refuses these
    same(sigmoid_distribution(none), [[1 / (1 + math.exp(-1)), 1 / (1 + math.e)]], atol=1e-7)
    assert sigmoid_distribution(none).dtype == torch.float32


@pytest.mark.parametrize("scale", [1e-320, 1e-300, 1e300, 1e308])
def test_scores_of_any_size_become_label_distributions(scale):
    scores = torch.tensor([[1.0, 0.5, 0.25], [1.0, 1.0, 1.0]], dtype=torch.float64)
    same(label_distribution(scale * scores), label_distribution(scores), atol=1e-3 if scale == 1e-320 else 1e-15)


@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e200, 1e307])
def test_label_vectors_of_any_size_give_the_same_cost(scale):
    vectors = torch.randn(5, 3, generator=torch.Generator().manual_seed(15), dtype=torch.float64)
    same(label_cost(scale * vectors), label_cost(vectors), atol=1e-12)
    assert torch.equal(label_cost(vectors * 2.0**700), label_cost(vectors))


def test_a_class_alone_costs_nothing():
    assert label_cost(torch.rand(1, 3)).tolist() == label_cost(1).tolist() == [[0.0]]


def test_arrays_and_lists_count_as_tensors():
    random = torch.Generator().manual_seed(16)
    p, q, cost = rows(random, 4, 5), rows(random, 4, 5), metric(random, 5)
    for distance in (wasserstein, lambda *rows: sinkhorn(*rows, 0.1).cost):
        assert torch.equal(distance(p.numpy(), q.numpy(), cost.numpy()), distance(p, q, cost))
    reversed_, locked = p.numpy()[::-1], q.numpy()
    locked.setflags(write=False)
    assert torch.equal(kl(reversed_, locked, floor=0.1), kl(p.flip(0), q, floor=0.1))
    assert torch.equal(label_distribution([[1, 0, 1]]), label_distribution(torch.tensor([[1, 0, 1]])))
    assert torch.equal(label_cost(p.numpy()), label_cost(p)) and torch.equal(label_cost(np.int64(3)), label_cost(3))


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float16, torch.bfloat16, torch.float32])
def test_multi_hot_targets_share_the_mass_between_their_labels(dtype):
    scores = torch.tensor([[[1, 0, 1, 0], [0, 1, 0, 0]]]).to(dtype)
    same(label_distribution(scores), [[[0.5, 0, 0.5, 0], [0, 1, 0, 0]]], atol=0)
    assert label_distribution(scores).dtype == torch.float32


def test_scores_at_the_ends_of_float32_are_normalised():
    same(label_distribution(torch.tensor([[3e38, 3e38], [1e-44, 0]])), [[0.5, 0.5], [1, 0]], atol=0)


def test_label_cost_is_the_squared_distance_over_its_largest():
    vectors = torch.tensor([[0.0, 0], [3, 4], [0, 1]])
    same(label_cost(vectors), [[0, 1, 1 / 25], [1, 0, 18 / 25], [1 / 25, 18 / 25, 0]], atol=1e-15)
    same(label_cost(torch.eye(5)), label_cost(5), atol=0)
    same(label_cost(2), [[0, 1], [1, 0]], atol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize(
    "distance",
    [
        # a GPU looks less often whether a row is done: equal are equally many iterations
        wasserstein,
        *(
            lambda *rows, epsilon=epsilon: sinkhorn(*rows, epsilon, max_iterations=50, tolerance=0).cost
            for epsilon in (0.05, 0.001)
        ),
    ],
    ids=["exact", "scalings", "logarithms"],
)
def test_cuda_equals_cpu(distance):
    random = torch.Generator().manual_seed(10)
    p, q, cost = rows(random, 500, 20), rows(random, 500, 20, 5), metric(random, 20)
    found = distance(p.cuda(), q, cost)
    assert found.is_cuda
    same(found.cpu(), distance(p, q, cost))


GOOD = torch.full((3, 4), 0.25)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize(
    "change, message",
    [
        (dict(p=GOOD * 1.01), "p: expected rows of sum 1, got 3 of 3 off by up to 0.01"),
        (dict(q=GOOD.double() * (1 + 1e-5)), "q: expected rows of sum 1, got 3 of 3"),
        (dict(q=GOOD * 0), "q: expected rows of sum 1"),
        (dict(p=torch.tensor([[1.5, -0.5, 0, 0]])), "p: expected finite numbers of at least 0, got -0.5"),
        (dict(q=GOOD.log() / 0), "q: expected finite numbers"),
        (dict(q=GOOD * torch.nan), "q: expected finite numbers of at least 0, got nan and 11 more"),
        (dict(p=GOOD.long()), r"p: expected a float32 or float64 tensor .*, got torch.int64 \(3, 4\)"),
        (dict(p="0.5, 0.5"), "p: expected a tensor or an array of numbers, got str"),
        (dict(p=GOOD.numpy().astype(object)), "p: expected a tensor or an array of numbers, got an array of object"),
        (dict(p=[[0.5, 0.5], [1.0]]), "p: expected a tensor or an array of numbers, got list"),
        (dict(q=GOOD[:, :0]), r"q: expected a float32 or float64 tensor of shape \(..., K\)"),
        (dict(q=torch.full((3, 5), 0.2)), r"q: expected a shape that broadcasts with \(3, 4\) of p, got \(3, 5\)"),
        (dict(q=GOOD[:2]), r"q: expected a shape that broadcasts with \(3, 4\) of p, got \(2, 4\)"),
    ],
)
def test_bad_distributions_raise(distance, change, message):
    with pytest.raises(ValueError, match=message):
        distance(**{"p": GOOD, "q": GOOD, **change})


@pytest.mark.parametrize("distance", [wasserstein, sinkhorn])
@pytest.mark.parametrize(
    "change, message",
    [
        (dict(cost=label_cost(5)), r"cost: expected real numbers of shape \(4, 4\).*, got \(5, 5\)"),
        (dict(cost=label_cost(4)[0]), r"cost: expected real numbers of shape \(4, 4\)"),
        (dict(cost=-label_cost(4)), "cost: expected finite numbers of at least 0, got -1"),
        (dict(cost=label_cost(4) / 0), "cost: expected finite numbers"),
        (dict(cost=label_cost(4).log() * 0), "cost: expected finite numbers"),
    ],
)
def test_bad_costs_raise(distance, change, message):
    with pytest.raises(ValueError, match=message):
        distance(**{"p": GOOD, "q": GOOD, "cost": label_cost(4), **change})


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(epsilon=0.0), "epsilon: expected a finite number above 0, got 0.0"),
        (dict(epsilon=math.inf), "epsilon: expected a finite number above 0, got inf"),
        (dict(tolerance=-1.0), "tolerance: expected a finite number of at least 0, got -1.0"),
        (dict(epsilon="0.1"), "epsilon: expected a finite number above 0, got '0.1'"),
        (dict(max_iterations=2.5), "max_iterations: expected a whole number from 1 up, got 2.5"),
        (dict(max_iterations=0), "max_iterations: expected a whole number from 1 up, got 0"),
    ],
)
def test_bad_options_raise(change, message):
    with pytest.raises(ValueError, match=message):
        sinkhorn(**{"p": GOOD, "q": GOOD, "cost": label_cost(4), **change})


def test_a_negative_floor_raises():
    with pytest.raises(ValueError, match="floor: expected a finite number of at least 0, got -1.0"):
        kl(GOOD, GOOD, floor=-1.0)


@pytest.mark.parametrize(
    "scores, message",
    [
        (torch.tensor([[1.0, 0], [0, 0], [0, 0]]), "scores: 2 of 3 rows hold no score above 0"),
        (torch.tensor([[1.0, -1e-3]]), "scores: expected finite numbers of at least 0, got -0.001"),
        (torch.tensor([[1.0, torch.inf]]), "scores: expected finite numbers of at least 0, got inf"),
        (torch.tensor([[1.0, torch.nan]]), "scores: expected finite numbers of at least 0, got nan"),
        (torch.tensor(1.0), r"scores: expected shape \(..., K\)"),
    ],
)
def test_bad_scores_raise(scores, message):
    with pytest.raises(ValueError, match=message):
        label_distribution(scores)


@pytest.mark.parametrize(
    "labels, message",
    [
        (0, "labels: expected a number of classes"),
        (True, "labels: expected a number of classes"),
        (2.0, "labels: expected a number of classes"),
        (torch.ones(3), r"labels: expected finite float vectors of shape \(K, D\), got torch.float32 \(3,\)"),
        (torch.ones(3, 2).log() / 0, "labels: expected finite float vectors .* 6 not finite"),
        (torch.eye(3).long(), "labels: expected finite float vectors"),
        (torch.ones(3, 2), "labels: expected vectors that differ, got 3 times the same"),
    ],
)
def test_bad_labels_of_a_cost_raise(labels, message):
    with pytest.raises(ValueError, match=message):
        label_cost(labels)
