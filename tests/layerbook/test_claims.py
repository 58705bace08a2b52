"""A claim, its verdict of two halves, and whether run and record agree."""

import json
import re
from pathlib import Path

import pytest
from records import kept_claim

from layerbook.claims import Claim, agreement, item_order, judged, numbered, sentence, size_told
from layerbook.recorded import VERIFIED
from layerbook.verdicts import above, below, shown, undecided

WORDS = ("3", "Late layers are ordered", "P <= 1.5")


def told(*parts, here="", size="smaller"):
    return judged(*WORDS, here, parts, size)


def test_a_small_run_can_say_fails_as_plainly_as_holds():
    for size, word in (("paper", "at the paper's size"), ("smaller", "at a smaller size"), ("own", "our own study")):
        assert told(below("P", 1.2, 1.5), size=size).verdict == f"holds, {word}"
        assert told(below("P", 1.7, 1.5), size=size).verdict == f"fails, {word}"
        assert told(below("P", 1.2, 1.5), above("Q", 0, 1), size=size).verdict == f"holds in part, {word}"


def test_an_undecided_claim_says_why():
    claim = told(below("P", 1.2, 1.5, (1.1, 1.6)), undecided("Q", "no network reached 99 %"), shown("R", True))
    assert claim.outcome == "undecided"
    assert claim.reason == "P: the interval contains the threshold; Q: no network reached 99 %"
    assert claim.verdict == f"undecided ({claim.reason}), at a smaller size"


def test_parts_of_one_reason_are_named_together_or_counted():
    parts = [undecided(name, "it never moved") for name in "PQRS"]
    assert told(*parts[:2], undecided("T", "dead")).reason == "P, Q: it never moved; T: dead"
    assert told(*parts).reason == "P and 3 others: it never moved"


def test_what_is_decided_gives_no_reason_for_a_part_that_is_not():
    claim = told(shown("a", True), shown("b", False), undecided("c", "dead"), shown("d", True))
    assert (claim.outcome, claim.reason) == ("holds in part", "")


def test_what_was_measured_is_put_together_from_the_parts():
    parts = above("early", 0.97, 0.95, (0.96, 0.98)), below("late", 1.7, 1.5), undecided("last", "dead")
    assert told(*parts).here == "early: 0.97 [0.96, 0.98]; late: 1.7 (fails); last (undecided)"
    assert told(parts[1]).here == "late: 1.7"
    assert told(*parts, here="P = 1").here == "P = 1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"item": 3}, "item: expected text, got 3"),
        ({"says": " "}, "says: expected text, got ' '"),
        ({"here": 1.2}, "here: expected text, got 1.2"),
        ({"test": None}, "test: expected text, got None"),
        ({"size": "full"}, "size: expected one of paper, smaller, own, got 'full'"),
        ({"parts": ()}, "parts: expected at least one test, got none"),
        ({"parts": (True,)}, "parts: expected tests made by above, below, .* got True \\(claim 3\\)"),
    ],
)
def test_wrong_fields_are_named(change, message):
    fields = dict(zip(("item", "says", "paper", "here"), (*WORDS, "h"), strict=True))
    fields |= {"parts": (shown("P", True),), "size": "paper"}
    with pytest.raises(ValueError, match=message):
        judged(**fields | change)


def test_a_claim_survives_a_record():
    claim = told(below("P", 1.2, 1.5, (1.1, 1.6)), undecided("Q", "dead"))
    assert Claim.from_json(claim.to_json()) == claim
    assert list(claim.to_json()) == [
        "item",
        "says",
        "paper",
        "test",
        "here",
        "figure",
        "outcome",
        "reason",
        "size",
        "parts",
    ]


def test_an_outcome_that_does_not_follow_from_the_parts_is_refused():
    with pytest.raises(ValueError, match="outcome: expected holds in part, which follows from the parts, got 'holds'"):
        Claim.from_json(kept_claim(outcome="holds"))


def test_run_and_record_agree_or_the_record_says_something_else():
    here = told(below("P", 1.2, 1.5))
    assert agreement(here, None) == "not yet recorded"
    assert agreement(here, told(below("P", 1.3, 1.5), size="paper")) == "agrees with the record"
    assert agreement(here, told(below("P", 1.7, 1.5))) == "the record says fails"
    unsure = told(above("P", 1, 2, (0, 3)))
    assert agreement(unsure, unsure) == "undecided, as in the record"


@pytest.mark.parametrize(
    ("size", "where"),
    [("paper", "At the paper's size"), ("smaller", "In the largest record"), ("own", "In the largest record")],
)
def test_a_sentence_tells_the_record_first_and_calls_only_one_of_the_papers_size_so(size, where):
    here, recorded = told(below("P", 1.2, 1.5)), told(below("P", 1.2, 1.5), size=size)
    assert sentence(here, recorded) == f"{where} it holds, and in this run too."


def test_a_size_is_told_in_words():
    assert size_told("smaller", "8,000 pictures, width ¼") == "at a smaller size (8,000 pictures, width ¼)"
    assert size_told("paper", "") == "at the paper's size"
    assert size_told("own", "") == "our own study"


def test_items_sort_as_a_reader_counts():
    assert sorted(["10b", "2", "E11b", "10", "F9b", "1"], key=item_order) == ["1", "2", "10", "10b", "F9b", "E11b"]


@pytest.mark.parametrize(
    ("item", "chapter", "told"),
    [
        ("5c", "cooperating_classifiers", "1.5c"),
        ("18", "forward_backward", "2.1"),
        ("20b", "forward_backward", "2.3b"),
        ("F9b", "layer_distributions", "3.9b"),
        ("E11b", "cooperating_classifiers", "1.18b"),
        ("43c", "filter_evolution", "4.8c"),
        ("44", "four_lenses", "5.1"),
        ("3", "toy", "3"),
    ],
)
def test_readers_count_claims_by_chapter_and_keep_the_letter(item, chapter, told):
    assert numbered(item, chapter) == told


def test_no_two_registered_claims_of_a_chapter_have_one_number():
    book = Path(__file__).parents[2] / "book"
    records = [path for path in (book / "records").glob("*.json") if path.name != VERIFIED]
    assert len(records) >= 5
    for path in records:
        items = [claim["item"] for claim in json.loads(path.read_text(encoding="utf-8"))["claims"]]
        told = [numbered(item, path.stem) for item in items]
        assert len(set(told)) == len(items)
        assert all(re.fullmatch(r"\d\.[1-9]\d*[a-z]?", each) for each in told), told
