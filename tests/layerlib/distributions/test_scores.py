"""Multi-label scores against scikit-learn and a literal count; the bootstrap against a literal loop."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, precision_score, recall_score

from layerlib.distributions import bootstrap
from layerlib.distributions.bootstrap import difference_draws, paired_bootstrap
from layerlib.distributions.scores import SCORES, average_precision, exact_match, f1_scores, scores, top_labels


def prediction(seed, samples=60, classes=5, share=0.4, steps=None, dtype=torch.float64):
    """Labels and probabilities that know something of them; ``steps`` makes many probabilities equal."""
    generator = torch.Generator().manual_seed(seed)
    labels = (torch.rand(samples, classes, generator=generator) < share).float()
    labels[0, 0] = 1
    noise = torch.randn(samples, classes, generator=generator, dtype=dtype)
    probabilities = (2 * labels - 1 + 1.5 * noise).sigmoid()
    return probabilities if steps is None else (probabilities * steps).round() / steps, labels


@st.composite
def predictions(draw):
    return prediction(
        draw(st.integers(0, 2**31)),
        draw(st.integers(1, 40)),
        draw(st.integers(2, 6)),
        draw(st.sampled_from([0.05, 0.4, 1.0])),
        draw(st.sampled_from([None, 1, 4])),
    )


def literal_f1(predicted, labels):
    """The formulas read aloud, label by label."""
    predicted, labels = predicted.tolist(), labels.bool().tolist()
    samples, classes = range(len(labels)), range(len(labels[0]))
    hit = [sum(predicted[i][k] and labels[i][k] for i in samples) for k in classes]
    chosen = [sum(predicted[i][k] for i in samples) for k in classes]
    truth = [sum(labels[i][k] for i in samples) for k in classes]
    precision = [h / c if c else 0 for h, c in zip(hit, chosen, strict=True)]
    recall = [h / t if t else 0 for h, t in zip(hit, truth, strict=True)]
    cp, cr = sum(precision) / len(hit), sum(recall) / len(hit)
    op, o_r = (sum(hit) / sum(chosen) if sum(chosen) else 0), (sum(hit) / sum(truth) if sum(truth) else 0)
    f1 = [2 * p * r / (p + r) if p + r else 0 for p, r in zip(precision, recall, strict=True)]
    return {
        "cf1": 2 * cp * cr / (cp + cr) if cp + cr else 0,
        "of1": 2 * op * o_r / (op + o_r) if op + o_r else 0,
        "class_f1": sum(f1) / len(f1),
    }


def literal_scores(probabilities, labels):
    """Every score from scikit-learn's own, on numpy arrays."""
    p, y = np.asarray(probabilities), np.asarray(labels).astype(int)
    found = {"accuracy": accuracy_score(y, (p > 0.5).astype(int))}
    three = np.zeros_like(y)
    np.put_along_axis(three, np.argsort(-p, 1, kind="stable")[:, :3], 1, 1)
    for ending, chosen in (("_top3", three), ("", (p > 0.5).astype(int))):
        cp = precision_score(y, chosen, average="macro", zero_division=0)
        cr = recall_score(y, chosen, average="macro", zero_division=0)
        found["cf1" + ending] = 2 * cp * cr / (cp + cr) if cp + cr else 0.0
        found["of1" + ending] = f1_score(y, chosen, average="micro", zero_division=0)
        found["class_f1" + ending] = f1_score(y, chosen, average="macro", zero_division=0)
    precisions = [average_precision_score(y[:, k], p[:, k]) for k in range(y.shape[1]) if y[:, k].any()]
    found["map"] = np.mean(precisions) if precisions else np.nan
    return found


@given(predictions())
def test_scores_equal_those_composed_from_scikit_learn(case):
    probabilities, labels = case
    ours, reference = scores(probabilities, labels), literal_scores(probabilities, labels)
    assert tuple(ours) == SCORES and set(reference) == set(SCORES)
    assert ours == pytest.approx(reference, abs=1e-12)


@given(predictions())
def test_f1_scores_equal_the_formulas_counted_label_by_label(case):
    probabilities, labels = case
    for predicted in (probabilities > 0.5, top_labels(probabilities, 2)):
        assert f1_scores(predicted, labels) == pytest.approx(literal_f1(predicted, labels), abs=1e-12)


@given(predictions())
def test_counts_of_unresampled_rows_give_the_scores(case):
    probabilities, labels = case
    found = bootstrap._Counts(probabilities, labels).scores(torch.ones(1, len(labels)))[0].tolist()
    assert found == pytest.approx(list(scores(probabilities, labels).values()), abs=1e-12)


@given(predictions())
def test_scores_do_not_depend_on_the_order_of_samples_or_classes(case):
    probabilities, labels = case
    samples, classes = torch.randperm(len(labels)), torch.randperm(labels.shape[1])
    again = scores(probabilities[samples][:, classes], labels[samples][:, classes])
    expected = scores(probabilities, labels)
    unique = probabilities.unique().numel() == probabilities.numel()
    for name in SCORES:  # among equal probabilities the first three classes are taken, so their order matters
        if unique or not name.endswith("top3"):
            assert again[name] == pytest.approx(expected[name], abs=1e-12)


@pytest.mark.parametrize("steps, share", [(None, 0.4), (3, 0.4), (None, 0.02)])
def test_bootstrap_equals_a_literal_loop_with_scikit_learn(steps, share, monkeypatch):
    monkeypatch.setattr(bootstrap, "ELEMENTS_AT_ONCE", 7 * 60 * 5)  # several chunks
    first, labels = prediction(1, steps=steps, share=share)
    second = (first + 0.3 * prediction(2)[0]).clamp(max=1)
    ours = paired_bootstrap(first, second, labels, resamples=30, seed=5)
    draws = torch.randint(60, (30, 60), generator=torch.Generator().manual_seed(5))
    assert share > 0.1 or any(not labels[rows].any() for rows in draws)  # the third case has a draw of no positives
    differences = []
    for rows in draws:
        one, other = literal_scores(first[rows], labels[rows]), literal_scores(second[rows], labels[rows])
        differences.append([one[name] - other[name] for name in SCORES])
    low, high = np.nanpercentile(differences, [2.5, 97.5], axis=0)
    one, other = literal_scores(first, labels), literal_scores(second, labels)
    for i, name in enumerate(SCORES):
        assert ours[name] == pytest.approx((one[name] - other[name], low[i], high[i]), abs=1e-12), name


def test_draws_are_differences_of_scores_on_the_rows_drawn():
    (first, labels), second = prediction(3), prediction(4)[0]
    rows = torch.randint(60, (4, 60), generator=torch.Generator().manual_seed(7))
    found = difference_draws(first, second, labels, resamples=4, seed=7)
    for draw, each in zip(found, rows, strict=True):
        one, other = literal_scores(first[each], labels[each]), literal_scores(second[each], labels[each])
        assert draw.tolist() == pytest.approx([one[name] - other[name] for name in SCORES], abs=1e-12)


def test_bootstrap_of_equal_predictions_finds_no_difference_and_swapping_turns_the_sign():
    first, labels = prediction(3)
    second = prediction(4)[0]
    assert all(found == (0, 0, 0) for found in paired_bootstrap(first, first, labels, 20).values())
    ahead, behind = paired_bootstrap(first, second, labels, 50), paired_bootstrap(second, first, labels, 50)
    for name in SCORES:
        assert ahead[name] == pytest.approx([-behind[name].difference, -behind[name].high, -behind[name].low])
        assert ahead[name].low <= ahead[name].high
    assert ahead["accuracy"] != paired_bootstrap(first, second, labels, 50, seed=1)["accuracy"]


def test_interval_narrows_like_one_over_the_root_of_the_samples():
    few, many = prediction(5, samples=200), prediction(5, samples=3200)
    width = {}
    for probabilities, labels in (few, many):
        found = paired_bootstrap(probabilities, prediction(6, len(labels))[0], labels, 400)["of1"]
        width[len(labels)] = found.high - found.low
    assert 3 < width[200] / width[3200] < 5.5


def test_class_without_positives_has_no_average_precision_and_is_left_out():
    probabilities, labels = prediction(7)
    labels[:, 2] = 0
    found = average_precision(probabilities, labels)
    assert found.isnan().tolist() == [False, False, True, False, False]
    assert scores(probabilities, labels)["map"] == pytest.approx(float(found[[0, 1, 3, 4]].mean()))
    assert average_precision(probabilities, torch.zeros_like(labels)).isnan().all()


def test_exact_match_takes_layers_at_once_and_needs_every_label():
    probabilities = torch.tensor([[[0.9, 0.2], [0.9, 0.5]], [[0.9, 0.6], [0.1, 0.1]]])
    labels = torch.tensor([[1, 0], [1, 0]])
    assert exact_match(probabilities, labels).tolist() == [[True, True], [False, False]]
    assert exact_match(probabilities, labels, threshold=0.1).tolist() == [[False, False], [False, False]]


def test_top_labels_takes_the_first_of_equal_ones():
    assert top_labels(torch.tensor([[1.0, 1.0, 1.0, 1.0, 0.0]])).tolist() == [[True, True, True, False, False]]
    assert top_labels(torch.tensor([[0.1, 0.3]])).all()


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float32])
def test_labels_of_any_type_and_half_precision_are_read(dtype):
    probabilities, labels = prediction(8)
    assert scores(probabilities, labels.to(dtype)) == scores(probabilities, labels)
    coarse = probabilities.bfloat16()
    assert scores(coarse, labels) == scores(coarse.double(), labels)
    assert paired_bootstrap(coarse, coarse.flip(0), labels, 5)["map"].difference != 0


GOOD, LABELS = prediction(9)


@pytest.mark.parametrize(
    "probabilities, labels, message",
    [
        (GOOD * 2, LABELS, r"probabilities: expected values in \[0, 1\]"),
        (GOOD - 1, LABELS, r"probabilities: expected values in \[0, 1\]"),
        (GOOD.where(GOOD < 0.9, torch.nan), LABELS, "got nan to nan"),
        (GOOD.long(), LABELS, "probabilities: expected a float tensor, got torch.int64"),
        (str(GOOD), LABELS, "probabilities: expected a tensor or an array of numbers, got str"),
        (GOOD, LABELS[:10], r"labels: expected the shape \(N, K\) of predictions \(60, 5\), got \(10, 5\)"),
        (GOOD, LABELS[:, 0], "labels: expected the shape"),
        (GOOD, LABELS * 2, "labels: expected multi-hot labels, each 0 or 1"),
        (GOOD, LABELS * torch.nan, "labels: expected multi-hot"),
        (GOOD, LABELS * 0, "labels: expected at least one positive"),
        (GOOD[:, :1], LABELS[:, :1], "at least two classes"),
        (GOOD[:0], LABELS[:0], r"expected shape \(N, K\) with samples"),
        (GOOD[None], LABELS, r"expected shape \(N, K\).*got \(1, 60, 5\)"),
    ],
)
def test_bad_input_raises(probabilities, labels, message):
    with pytest.raises(ValueError, match=message):
        scores(probabilities, labels)
    with pytest.raises(ValueError, match=message.replace("probabilities", "first")):
        paired_bootstrap(probabilities, GOOD, labels)


def test_bad_bootstrap_and_predictions_raise():
    with pytest.raises(ValueError, match="resamples: expected at least 2, got 1"):
        paired_bootstrap(GOOD, GOOD, LABELS, 1)
    with pytest.raises(ValueError, match="resamples: expected a whole number from 1 up, got 2.5"):
        paired_bootstrap(GOOD, GOOD, LABELS, 2.5)
    with pytest.raises(ValueError, match="second: expected values"):
        paired_bootstrap(GOOD, GOOD * 3, LABELS)
    with pytest.raises(ValueError, match="labels: expected the shape"):
        paired_bootstrap(GOOD, GOOD[:9], LABELS)
    with pytest.raises(ValueError, match="predicted: expected a boolean tensor, got torch.float64"):
        f1_scores(GOOD, LABELS)
    with pytest.raises(ValueError, match=r"predicted: expected shape \(N, K\) with .* two classes, got \(60, 1\)"):
        f1_scores(GOOD[:, :1] > 0.5, LABELS[:, :1])


@pytest.mark.parametrize("threshold", [float("nan"), 1.5, -0.1, True, None])
def test_a_threshold_that_is_no_share_is_refused(threshold):
    with pytest.raises(ValueError, match=r"threshold: expected a number in \[0, 1\], got "):
        exact_match(GOOD, LABELS, threshold)


@pytest.mark.parametrize("count", [0, -1, 2.0, True])
def test_a_count_of_labels_that_is_none_is_refused(count):
    with pytest.raises(ValueError, match="count: expected a whole number from 1 up, got "):
        top_labels(GOOD, count)
    assert top_labels(GOOD, 10).all()


def test_arrays_count_as_tensors():
    assert scores(GOOD.numpy(), LABELS.numpy()) == scores(GOOD, LABELS)
    assert torch.equal(exact_match(GOOD.tolist(), LABELS.tolist()), exact_match(GOOD, LABELS))
    other = GOOD.flip(0)
    assert paired_bootstrap(GOOD.numpy(), other.numpy(), LABELS.numpy(), 5) == paired_bootstrap(GOOD, other, LABELS, 5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_equals_cpu():
    probabilities, labels = prediction(10, samples=500, classes=20)
    other = prediction(11, samples=500, classes=20)[0]
    expected = paired_bootstrap(probabilities, other, labels, 50)
    found = paired_bootstrap(probabilities.cuda(), other.cuda(), labels.cuda(), 50)
    for name in SCORES:
        assert found[name] == pytest.approx(expected[name], abs=1e-6)
    assert exact_match(probabilities.cuda(), labels.cuda()).is_cuda
