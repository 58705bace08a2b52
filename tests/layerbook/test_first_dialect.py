"""The first round's dialect, until the last chapter has left it."""

import numpy as np
import pytest
from records import old_record

from layerbook.record import write_record
from layerbook.report import VERDICTS, Claim, Report, verdict


def test_a_chapter_in_the_old_dialect_reports_what_the_new_one_would(tmp_path, monkeypatch):
    write_record(old_record(), tmp_path / "records" / "toy.json")
    monkeypatch.chdir(tmp_path)
    report = Report("toy", paper_size=False)
    report.claim(Claim("3", "s", "p", "h", verdict([True, np.bool_(False)], False), "t", "f"))
    assert report.claims["3"].holds == "holds in part" == VERDICTS[1]
    assert report.payload()["claims"][0] | {"parts": []} == {
        "item": "3", "says": "s", "paper": "p", "test": "t", "here": "h", "figure": "f", "outcome": "holds in part",
        "reason": "", "size": "smaller", "parts": []}
    report.curve("perplexity", [1.0], seed=[0])
    assert report.sides("perplexity")["this run"]["values"] == [1.0] == report.curves["perplexity"]["values"]
    assert report.sides("perplexity")["full size"] == report.recorded("perplexity")
    assert report.recorded("error") == 0.0123456 and report.recorded("nothing") is None


@pytest.mark.parametrize("paper_size", [True, False])
def test_the_size_is_the_papers_or_a_smaller_one(paper_size):
    assert Report("nothing", paper_size).size == Report("nothing", paper_size=paper_size).size
    assert Report("nothing", paper_size).size == ("paper" if paper_size else "smaller")
