"""Records: complete, readable, in one order, and checked when they are read."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import CURVE, kept_claim, record

from layerbook.record import check_record, read_record, recorded_claims, write_record

RECORDS = sorted(path for path in Path(__file__).parents[2].glob("book/records/*.json") if path.stem != "verified")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_the_books_records_are_read_and_would_be_written_as_they_are(path, tmp_path):
    found = read_record(path)
    write_record(found, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()
    assert recorded_claims(found)


def test_a_record_survives_writing_and_reading(tmp_path):
    made, path = record(), tmp_path / "records" / "toy.json"
    write_record(made, path)
    assert read_record(path) == made
    assert [entry.name for entry in path.parent.iterdir()] == ["toy.json"]


@given(name=TEXTS, word=TEXTS, values=st.lists(st.integers() | st.none(), min_size=1))
def test_names_and_words_of_any_script_survive(tmp_path_factory, name, word, values):
    made = record(
        curves={name: {"dims": [word], "axes": {word: list(range(len(values)))}, "values": values}},
        parameters={word: name},
        numbers={"ρ": 1.5},
    )
    path = tmp_path_factory.mktemp("records") / "toy.json"
    write_record(made, path)
    assert read_record(path) == made


def test_a_record_reads_well_and_always_in_the_same_order(tmp_path):
    made = record(curves={"perplexity": CURVE, "ρ": CURVE})
    write_record(made, tmp_path / "a.json")
    shuffled = dict(reversed(made.items())) | {
        "numbers": dict(reversed(made["numbers"].items())),
        "curves": dict(reversed(made["curves"].items())),
        "claims": [dict(sorted(claim.items())) for claim in made["claims"]],
    }
    write_record(shuffled, tmp_path / "b.json")
    text = (tmp_path / "a.json").read_text()
    assert text == (tmp_path / "b.json").read_text()
    assert (
        text
        == json.dumps(json.loads(text), indent=1, ensure_ascii=False).replace(
            json.dumps(CURVE, indent=1).replace("\n", "\n  "), json.dumps(CURVE)
        )
        + "\n"
    )
    assert '\n  "ρ": {"dims": ["seed"], "axes": {"seed": [0, 1]}, "values": [[9.5, null], [1.0, 1.5]]}\n' in text


def test_a_record_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "toy.json"
    write_record(record(), path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="numbers: error: expected a finite number, got nan"):
        write_record(record(numbers={"error": float("nan")}), path)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_record(record(numbers={}), path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["toy.json"]


def test_a_record_tells_its_claims():
    assert recorded_claims(record())["3"].verdict == "holds in part, at a smaller size"
    assert recorded_claims(record(kept_claim(size="paper")))["3"].verdict == "holds in part, at the paper's size"
    assert recorded_claims(None) == {}


def test_what_later_versions_add_is_no_error():
    more = record(more=1)
    more["provenance"] |= {"more": 1}
    more["claims"][0]["parts"][0]["more"] = 1
    assert check_record(more) == more


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"commit": "0123456"}, "commit: expected 40 hexadecimal digits or null, got '0123456'"),
        ({"date": "yesterday"}, "date: expected year-month-day and time, got 'yesterday'"),
        ({"versions": {}}, "versions: expected at least 1, got {}"),
        ({"duration_s": float("nan")}, "duration_s: expected a finite number, got nan"),
        ({"duration_s": -1}, "duration_s: expected 0 or more, got -1"),
        ({"dirty": 1}, "dirty: expected boolean or null, got integer 1"),
        ({"trainings": [{"device": "x"}]}, r"trainings\[0\]: commit is missing"),
    ],
)
def test_a_record_without_a_whole_provenance_is_not_written(tmp_path, change, message):
    made = record()
    made["provenance"] |= change
    with pytest.raises(ValueError, match=f"toy.json: provenance: {message}"):
        write_record(made, tmp_path / "toy.json")
    assert list(tmp_path.iterdir()) == []


def part(**change):
    return kept_claim() | {"parts": [kept_claim()["parts"][0] | change, kept_claim()["parts"][1]]}


def without(field):
    return {name: value for name, value in kept_claim().items() if name != field}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 3}, "schema: expected 2, got 3: written by other code"),
        ({"schema": 1}, "schema: expected 2, got 1: written by other code"),
        ({"schema": True}, "schema: expected 2, got True"),
        ({"schema": [2]}, r"schema: expected 2, got \[2\]"),
        ({"size": "full"}, "size: expected one of paper, smaller, own, got 'full'"),
        ({"numbers": []}, r"numbers: expected object, got array \[\]"),
        ({"numbers": {"e": "0.3"}}, "numbers: e: expected number, got string '0.3'"),
        ({"numbers": {"e": True}}, "numbers: e: expected number, got boolean True"),
        ({"curves": {"c": {"values": [1]}}}, "curves: c: dims is missing"),
        ({"curves": {"c": CURVE | {"dims": []}}}, "curves: c: axes: expected none, got seed"),
        ({"curves": {"c": CURVE | {"values": [1]}}}, "curves: c: seed: expected 1 values, one for each of c's, got 2"),
        ({"curves": {"c": CURVE | {"values": [[1], "x"]}}}, r"curves: c: values\[1\]: expected numbers .*, got 'x'"),
        ({"claims": ["3"]}, r"claims\[0\]: expected object, got string '3'"),
        ({"claims": [kept_claim(outcome="holds")]}, r"claims\[0\]: outcome: expected holds in part, which follows"),
        ({"claims": [kept_claim(outcome="not at this size")]}, r"claims\[0\]: outcome: expected one of .*decided"),
        ({"claims": [kept_claim() | {"parts": []}]}, r"claims\[0\]: parts: expected at least 1, got \[\]"),
        ({"claims": [part(outcome="fails")]}, r"claims\[0\]: outcome: expected holds, which follows from the numbers"),
        ({"claims": [part(low=0.9)]}, r"claims\[0\]: outcome: expected undecided, which follows from the numbers"),
        ({"claims": [part(threshold="x")]}, r"claims\[0\]: parts\[0\]: threshold: expected"),
        ({"claims": [without("test")]}, r"claims\[0\]: test is missing"),
        ({"claims": [without("outcome")]}, r"claims\[0\]: outcome is missing"),
        ({"provenance": {}}, "provenance: device is missing"),
    ],
)
def test_a_damaged_record_says_which_file_and_field(tmp_path, change, message):
    path = tmp_path / "toy.json"
    path.write_text(json.dumps(record() | change))
    with pytest.raises(ValueError, match=f"^{path}: {message}"):
        read_record(path)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 100_000, b"1" * 10_000, b"[]", b"{}"])
def test_what_is_no_record_is_named(tmp_path, content):
    path = tmp_path / "toy.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{path}: ") as raised:
        read_record(path)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 300


def test_an_error_does_not_repeat_megabytes(tmp_path):
    path = tmp_path / "toy.json"
    path.write_text(json.dumps(record(curves=[[0.5] * 100_000])))
    with pytest.raises(ValueError, match="curves: expected object, got array") as raised:
        read_record(path)
    assert len(str(raised.value)) < 300
