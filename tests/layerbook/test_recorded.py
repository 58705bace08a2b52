"""Where a record comes from, in words."""

import pytest
from records import old_record, record

from layerbook import recorded
from layerbook.recorded import recorded_by


@pytest.mark.parametrize(
    ("changed", "kept", "told"),
    [
        (False, record(), "2025-01-02, H200, commit 0123456 with local changes, at a smaller size (8,000 pictures)"),
        (None, record(), "2025-01-02, H200, commit 0123456 with local changes, at a smaller size (8,000 pictures)"),
        (True, old_record(),
         "2025-01-02, H200, commit 0123456 with local changes, other code than today's, at the paper's size"),
    ],
)
def test_a_record_is_dated_and_marked_where_the_code_has_changed(monkeypatch, tmp_path, changed, kept, told):
    monkeypatch.setattr(recorded, "changed_since", lambda *_: changed)
    assert recorded_by(kept, tmp_path) == told


def test_a_record_from_outside_git_says_so(tmp_path):
    kept = record()
    kept["provenance"] |= {"commit": None, "dirty": None}
    assert recorded_by(kept, tmp_path) == "2025-01-02, H200, outside git, at a smaller size (8,000 pictures)"
