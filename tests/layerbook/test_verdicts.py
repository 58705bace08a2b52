"""Parts of a claim and what follows from them."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from layerbook.verdicts import FAILS, HOLDS, IN_PART, OUTCOMES, UNDECIDED, Part, above, below, decided, shown, within
from layerbook.verdicts import undecided as not_made

NUMBERS = st.integers(-3, 3).map(float)


def settled(outcomes):
    """The outcome where nothing is undecided: holds, at least half, or fewer."""
    share = outcomes.count(HOLDS) / len(outcomes)
    return HOLDS if share == 1 else IN_PART if share >= 0.5 else FAILS


@pytest.mark.parametrize("count", range(1, 8))
def test_a_claim_is_decided_where_every_completion_of_its_open_parts_says_the_same(count):
    for outcomes in itertools.product((HOLDS, FAILS, UNDECIDED), repeat=count):
        choices = [(HOLDS, FAILS) if outcome == UNDECIDED else (outcome,) for outcome in outcomes]
        possible = {settled(completion) for completion in itertools.product(*choices)}
        expected = possible.pop() if len(possible) == 1 else UNDECIDED
        assert decided(list(outcomes)) == expected, outcomes


def test_a_claim_without_parts_is_refused():
    with pytest.raises(ValueError, match="outcomes: expected at least one of holds, fails, undecided, got"):
        decided([])


@pytest.mark.parametrize(
    ("part", "outcome"),
    [
        (above("x", 0.5, 0.5), HOLDS),
        (above("x", 0.5, 0.5, strict=True), FAILS),
        (above("x", 0.4, 0.5), FAILS),
        (below("x", 0.5, 0.5), HOLDS),
        (below("x", 0.5, 0.5, strict=True), FAILS),
        (above("x", np.float64(0.9), 0.5, (0.6, 1.0)), HOLDS),
        (above("x", torch.tensor(0.9), 0.5, torch.tensor([0.4, 1.0])), UNDECIDED),
        (above("x", 0.1, 0.5, np.array([0.0, 0.4])), FAILS),
        (above("x", 0.6, 0.5, (0.5, 0.7)), UNDECIDED),
        (below("x", -0.7, -0.5, (-0.8, -0.6)), HOLDS),
        (below("x", -0.2, -0.5, (-math.inf, 0.1)), UNDECIDED),
        (below("x", -0.9, -0.5, (-math.inf, -0.6)), HOLDS),
        (above("x", -0.9, -0.5, (-math.inf, -0.6)), FAILS),
        (above("x", 0.9, 0.5, (0.6, math.inf)), HOLDS),
        (above("x", 0.9, 0.5, (-math.inf, math.inf)), UNDECIDED),
        (within("x", 1, 0, 2), HOLDS),
        (within("x", 2.5, 0, 2), FAILS),
        (within("x", 1, 0, 2, (0.5, 1.5)), HOLDS),
        (within("x", 1, 0, 2, (-0.5, 1.5)), UNDECIDED),
        (within("x", 1, 0, 2, (-0.5, 2.5)), UNDECIDED),
        (within("x", 3, 0, 2, (2.5, 3.5)), FAILS),
        (within("x", -3, 0, 2, (-3.5, -2.5)), FAILS),
        (shown("x", True), HOLDS),
        (shown("x", np.bool_(False)), FAILS),
        (shown("x", torch.tensor(True)), HOLDS),
    ],
)
def test_a_part_follows_from_its_interval_or_else_from_its_value(part, outcome):
    assert part.outcome == outcome


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (above("x", 0.6, 0.5, (0.4, 0.7)), "the interval contains the threshold"),
        (above("x", math.nan, 0.5), "nothing was measured"),
        (above("x", torch.tensor(math.nan), 0.5, (0.6, 0.7)), "nothing was measured"),
        (below("x", 0.1, 0.5, (0.0, math.nan)), "nothing was measured"),
        (below("x", -math.inf, 0.5), "the measured value is infinite"),
        (above("x", 45, 0, strict=True, empty="the nodes are dead"), "the nodes are dead"),
        (shown("x", True, empty="nothing moved"), "nothing moved"),
        (not_made("x", "none reached 99 %"), "none reached 99 %"),
    ],
)
def test_a_part_that_says_nothing_is_undecided_with_its_reason(part, reason):
    assert (part.outcome, part.reason) == (UNDECIDED, reason)


@given(
    kind=st.sampled_from((above, below)),
    value=NUMBERS,
    threshold=NUMBERS,
    ends=st.none() | st.tuples(NUMBERS, NUMBERS).map(sorted),
)
def test_the_opposite_test_has_the_opposite_outcome(kind, value, threshold, ends):
    other = {above: below, below: above}[kind]
    one, two = kind("x", value, threshold, ends), other("x", value, threshold, ends, strict=True)
    assert {one.outcome, two.outcome} in ({HOLDS, FAILS}, {UNDECIDED})
    mirrored = other("x", -value, -threshold, ends and [-ends[1], -ends[0]])
    assert one.outcome == mirrored.outcome


@given(
    value=NUMBERS,
    thresholds=st.tuples(NUMBERS, NUMBERS).map(sorted),
    ends=st.none() | st.tuples(NUMBERS, NUMBERS).map(sorted),
)
def test_between_two_thresholds_is_above_the_one_and_below_the_other(value, thresholds, ends):
    low, high = thresholds
    found = within("x", value, low, high, ends).outcome
    sides = {above("x", value, low, ends).outcome, below("x", value, high, ends).outcome}
    assert found == (UNDECIDED if UNDECIDED in sides else FAILS if FAILS in sides else HOLDS)


@given(
    part=st.builds(
        above,
        st.just("x"),
        NUMBERS | st.just(math.nan),
        NUMBERS,
        st.none() | st.tuples(NUMBERS, NUMBERS).map(sorted),
        strict=st.booleans(),
        empty=st.sampled_from(("", "dead")),
    )
)
def test_a_part_survives_a_record(part):
    assert Part.from_json(part.to_json()) == part
    assert set(part.to_json()) >= {"text", "value", "low", "high", "threshold", "outcome"}


def test_two_thresholds_survive_a_record():
    part = within("x", 1, 0, 2, (0.5, 1.5))
    assert part.to_json()["threshold"] == [0, 2] and Part.from_json(part.to_json()) == part


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outcome": "holds"}, "outcome: expected fails, which follows from the numbers, got holds"),
        ({"value": 0.9}, "outcome: expected holds, which follows from the numbers, got fails"),
        ({"low": 0.3, "high": 0.6}, "outcome: expected undecided, which follows from the numbers, got fails"),
        ({"low": 0.3, "high": 0.6, "relation": ""}, "outcome: expected undecided"),
        ({"outcome": "undecided"}, "reason: expected why it is undecided, got none"),
        ({"outcome": "holds in part"}, "outcome: expected holds, fails or undecided, got 'holds in part'"),
        ({"text": " "}, "text: expected what was measured in words, got ' '"),
    ],
)
def test_a_recorded_part_whose_outcome_does_not_follow_is_refused(change, message):
    kept = above("x", 0.4, 0.5).to_json()
    with pytest.raises(ValueError, match=message):
        Part.from_json(kept | change)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: above("P", "1", 2), "value: expected a number, got '1' \\(P\\)"),
        (lambda: above("P", True, 2), "value: expected a number, got True"),
        (lambda: above("P", torch.tensor([1.0, 2.0]), 2), "value: expected a number"),
        (lambda: below("P", 1, math.nan), "threshold: expected a finite number"),
        (lambda: below("P", 1, 2, (3, 1)), "interval: expected \\(low, high\\), got \\(3, 1\\)"),
        (lambda: below("P", 1, 2, (1, 2, 3)), "interval: expected \\(low, high\\)"),
        (lambda: within("P", 1, 2, 0), "low_threshold: expected at most high_threshold, 0, got 2"),
        (lambda: shown("P", 1), "passed: expected True or False, got 1"),
        (lambda: not_made("P", ""), "reason: expected why it is undecided"),
        (lambda: shown("", True), "text: expected what was measured"),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_part_tells_its_number_and_interval():
    assert str(above("share", 0.925, 0.9, (0.9, 0.951), form=".0%")) == "share: 92% [90%, 95%]"
    assert str(below("rho", -0.7123, 0, (-math.inf, -0.2))) == "rho: -0.712 […, -0.2]"
    assert str(above("P", 2, 1)) == "P: 2"
    assert str(shown("gradients equal", True)) == "gradients equal"


def test_the_outcomes_are_those_of_the_registration():
    assert OUTCOMES == ("holds", "holds in part", "fails", "undecided")
