"""Where a record comes from, in words."""

import json

import pytest
from records import ORIGIN, record

from layerbook import recorded
from layerbook.recorded import keep_verified, read_verified, recorded_by


@pytest.mark.parametrize(
    ("changed", "kept", "told"),
    [
        (False, record(), "2025-01-02, H200, commit 0123456 with local changes, at a smaller size (8,000 pictures)"),
        (None, record(), "2025-01-02, H200, commit 0123456 with local changes, at a smaller size (8,000 pictures)"),
        (
            True,
            record(size="paper", size_says=""),
            "2025-01-02, H200, commit 0123456 with local changes, other code than today's, at the paper's size",
        ),
    ],
)
def test_a_record_is_dated_and_marked_where_the_code_has_changed(monkeypatch, tmp_path, changed, kept, told):
    monkeypatch.setattr(recorded, "changed_since", lambda *_: changed)
    assert recorded_by(kept, tmp_path) == told


def test_a_record_from_outside_git_says_so(tmp_path):
    kept = record()
    kept["provenance"] |= {"commit": None, "dirty": None}
    assert recorded_by(kept, tmp_path) == "2025-01-02, H200, outside git, at a smaller size (8,000 pictures)"


SEEN = {"record": ORIGIN["commit"], "commit": "a" * 40, "date": "2025-02-03T00:00:00+00:00", "numbers": 3, "curves": 1}


@pytest.mark.parametrize(
    ("entry", "changed_after", "told"),
    [
        ({}, False, "code changed since, same numbers at small size (commit aaaaaaa, 2025-02-03)"),
        ({}, True, "other code than today's"),
        ({}, None, "other code than today's"),
        ({"record": "b" * 40}, False, "other code than today's"),
    ],
)
def test_a_verified_record_says_so_while_the_code_stays(monkeypatch, tmp_path, entry, changed_after, told):
    keep_verified(tmp_path, "toy", SEEN | entry)
    changes = {ORIGIN["commit"]: True, "a" * 40: changed_after}
    monkeypatch.setattr(recorded, "changed_since", lambda commit, *_: changes[commit])
    assert recorded_by(record(), tmp_path) == (
        f"2025-01-02, H200, commit 0123456 with local changes, {told}, at a smaller size (8,000 pictures)"
    )


def test_what_was_verified_is_kept_by_name(tmp_path):
    assert read_verified(tmp_path) == {}
    for chapter in ("b", "a", "b"):
        keep_verified(tmp_path, chapter, SEEN)
    assert list(read_verified(tmp_path)) == ["a", "b"]


@pytest.mark.parametrize("text", ["{", "[]", '{"toy": 3}', '{"toy": {}}', json.dumps({"toy": SEEN | {"numbers": "3"}})])
def test_a_damaged_file_of_what_was_verified_is_named(tmp_path, text):
    (tmp_path / "verified.json").write_text(text)
    with pytest.raises(ValueError, match=f"^{tmp_path}/verified.json: expected what was verified, by chapter"):
        read_verified(tmp_path)
