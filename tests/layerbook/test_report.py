"""The report of a chapter: what it keeps, shows, glues and carries."""

import json
import re

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from records import kept_claim, record

from layerbook.claims import judged
from layerbook.record import MIME, write_record
from layerbook.report import Report, above, below, shown

WORDS = ("3", "Late layers are ordered", "P <= 1.5", "P = 1.2 < 1.5")
PASSED = below("P", 1.2, 1.5)


@pytest.fixture
def in_book(tmp_path, monkeypatch):
    """A book folder with a record of ``toy``, as the current folder."""
    write_record(record(), tmp_path / "records" / "toy.json")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def report(tmp_path, monkeypatch):
    """A report without a record."""
    monkeypatch.chdir(tmp_path)
    return Report("toy", "smaller", "20 pictures")


@pytest.mark.parametrize(
    ("value", "expected"), [(3, 3), (0.5, 0.5), (torch.tensor(7), 7), (np.float64(0.25), 0.25), (np.array(2), 2)]
)
def test_number_converts_scalars(report, value, expected):
    returned = report.number("n", value)
    assert (returned, type(returned)) == (expected, type(expected))
    assert report.payload()["numbers"] == {"n": expected}


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), torch.tensor(float("nan")), True, "3", None, torch.tensor([3.0])]
)
def test_number_refuses_what_is_no_finite_number_and_names_it(report, value):
    with pytest.raises(ValueError, match="^value: late_error: expected a finite number, got"):
        report.number("late_error", value)


@pytest.mark.parametrize("name", ["full_error", "claim_3", "verdict_3", "says_3", "a:b", "two words", "", 3])
def test_names_that_prose_could_not_use_are_refused(report, name):
    with pytest.raises(ValueError, match="name: expected an identifier"):
        report.number(name, 1)
    with pytest.raises(ValueError, match="name: expected an identifier"):
        report.curve(name, [1])


def test_a_number_and_a_curve_cannot_share_a_name(report):
    report.number("error", 1)
    report.number("error", 2)
    with pytest.raises(ValueError, match="'error' is taken"):
        report.curve("error", [1.0])
    report.curve("loss", [1.0])
    with pytest.raises(ValueError, match="'loss' is taken"):
        report.number("loss", 1.0)


def test_a_curve_is_an_array_here_and_json_in_the_payload(report):
    report.curve("ρ", [[1.0, float("nan")]], seed=[0], layer=["first", "last"])
    assert report.curves["ρ"].sel(layer="first").item() == 1.0
    assert report.payload()["curves"] == {
        "ρ": {"dims": ["seed", "layer"], "axes": {"seed": [0], "layer": ["first", "last"]}, "values": [[1.0, None]]}
    }
    with pytest.raises(ValueError, match="layer: expected 1 values, one for each of c's, got 2"):
        report.curve("c", [1.0], layer=[1, 2])


def test_a_claim_reported_twice_raises(report):
    report.claim(*WORDS, PASSED)
    with pytest.raises(ValueError, match="claim 3 was reported before"):
        report.claim(*WORDS, PASSED)


def test_a_report_of_no_size_is_refused(report):
    with pytest.raises(ValueError, match="size: expected one of paper, smaller, own, got 'full'"):
        Report("toy", "full")


def test_without_a_record_there_is_nothing_recorded(report):
    report.claim(*WORDS, PASSED)
    report.curve("perplexity", [1.0])
    assert report.recorded("error") is None
    assert report.recorded_curve("perplexity") is None
    assert list(report.sides("perplexity")) == ["this run"]
    assert report.table()["record"].tolist() == ["not yet recorded"]
    assert repr(report).endswith("This run: at a smaller size (20 pictures). Record: not yet recorded.")


def test_the_record_stands_beside_the_run(in_book):
    report = Report("toy")
    report.claim(*WORDS, PASSED, test="P <= 1.5")
    report.curve("perplexity", [[1.0], [2.0]], seed=[3, 4])
    report.number("error", 0.5)
    assert report.recorded("error") == 0.0123456
    np.testing.assert_array_equal(report.recorded_curve("perplexity"), [[9.5, np.nan], [1.0, 1.5]])
    assert report.recorded("perplexity") is None and report.recorded_curve("other") is None
    assert report.table().iloc[0].tolist() == [
        "3", "Late layers are ordered", "P <= 1.5", "P <= 1.5", "holds in part, at a smaller size: P = 1.1",
        "holds, at a smaller size: P = 1.2 < 1.5", "the record says holds in part",
    ]  # fmt: skip
    sides = report.sides("perplexity")
    assert list(sides) == ["this run", "largest record"]
    assert sides["this run"].sel(seed=4).item() == 2.0
    assert [report.side_number("error", side) for side in sides] == [0.5, 0.0123456]


def test_a_line_says_why_the_record_is_undecided(in_book):
    unsure = judged("3", "Late layers are ordered", "P <= 1.5", "", [above("Q", 1, 2, (0, 3))], "smaller")
    write_record(record(claims=[unsure.to_json()]), in_book / "records" / "toy.json")
    report = Report("toy")
    report.claim(*WORDS, PASSED)
    page = report._repr_mimebundle_()[0]["text/html"]
    assert "<dt>Record undecided because</dt><dd>Q: the interval contains the threshold</dd>" in page
    assert "This run undecided" not in page


@pytest.mark.parametrize(
    ("kept", "side"),
    [
        (record(size="paper"), "the paper's size"),
        (record(size="own"), None),
        (record(), None),
    ],
)
def test_only_a_record_of_the_papers_size_is_called_so(in_book, kept, side):
    write_record(kept, in_book / "records" / "toy.json")
    report = Report("toy")
    report.curve("perplexity", [[1.0], [2.0]], seed=[3, 4])
    assert list(report.sides("perplexity"))[1] == (side or "largest record")
    assert "full" not in repr(report) and "full" not in report._repr_mimebundle_()[0]["text/html"]


def test_a_run_of_the_papers_size_stands_alone(in_book):
    report = Report("toy", "paper")
    report.curve("perplexity", [[1.0], [2.0]], seed=[3, 4])
    assert list(report.sides("perplexity")) == ["this run"]


def test_the_record_is_found_beside_the_book_and_at_a_given_path(in_book, tmp_path, monkeypatch):
    (tmp_path / "reader" / "book").mkdir(parents=True)
    (tmp_path / "records").rename(tmp_path / "reader" / "book" / "records")
    monkeypatch.chdir(tmp_path / "reader")
    assert Report("toy").recorded("count") == 60000
    monkeypatch.chdir(tmp_path)
    assert Report("toy").recorded("count") is None
    assert Report("toy", record="reader/book/records/toy.json").recorded("count") == 60000
    with pytest.raises(ValueError, match="chapter: expected .toy., whose record .* is, got .other."):
        Report("other", record="reader/book/records/toy.json")
    with pytest.raises(FileNotFoundError):
        Report("toy", record="nowhere.json")


def test_the_display_carries_the_table_and_the_payload(report):
    report.number("error", 0.5)
    report.claim(*WORDS, PASSED)
    report.claim("4", "a <b>", "p", "h", above("Q", 1, 2))
    report.claim("5", "costs $1 to $2", "p", "", above("Q", 1, 2, (0, 3)), figure="toy-f1", test="Q < 2")
    data, metadata = report._repr_mimebundle_()
    assert set(data) == {"text/html", "text/plain"}
    assert metadata[MIME] == json.loads(json.dumps(report.payload()))
    assert metadata[MIME]["claims"][2]["figure"] == "toy-f1"
    page = data["text/html"]
    assert "P = 1.2 &lt; 1.5" in page and "a &lt;b&gt;" in page and "<dt>Test</dt><dd>Q &lt; 2</dd>" in page
    assert '<table class="dataframe mathjax_ignore tex2jax_ignore layerlib-report layer-claims">' in page
    assert re.findall(r"<strong [^>]*>([^<]+)</strong>", page) == ["holds", "fails", "undecided"]
    assert "<dt>This run</dt><dd>Q: 1 [0, 3]</dd>" in page
    assert "<dt>This run undecided because</dt><dd>Q: the interval contains the threshold</dd>" in page
    assert page.count("<details><summary>") == 3
    assert "this run: holds, at a smaller size: P = 1.2 < 1.5" in data["text/plain"]
    assert max(map(len, data["text/plain"].splitlines()[:-1])) <= 100


def test_each_claim_is_marked_by_its_round(in_book):
    (in_book / "registration.md").write_text(
        "## First round\n| 3 | a | 3c |\n| 4 | b |  |\n## Second round\n| 3c | c |\n"
    )
    report = Report("toy")
    for item in ("3", "3b", "3c", "4"):
        report.claim(item, *WORDS[1:], PASSED)
    marks = re.findall(r">(\d\w?)<br><small>([^<]+)</small><", report._repr_mimebundle_()[0]["text/html"])
    assert marks == [("3b", "added beside"), ("3c", "second round"), ("3", "superseded by 3c"), ("4", "first round")]


def test_a_superseded_claim_is_second_to_the_one_above_it_and_first_where_that_is_not_there(in_book):
    (in_book / "registration.md").write_text("## First round\n| 3 | a | 3c |\n## Second round\n| 3c | c |\n")
    alone, both = Report("toy"), Report("toy")
    for report, items in ((alone, ["3"]), (both, ["3", "3c"])):
        for item in items:
            report.claim(item, *WORDS[1:], PASSED)
    pages = [report._repr_mimebundle_()[0]["text/html"] for report in (alone, both)]
    assert [page.count("layer-superseded") for page in pages] == [0, 4], "each cell of its row"


@pytest.fixture
def shell(tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def test_numbers_and_verdicts_are_glued_for_the_text(in_book, shell):
    with capture_output() as captured:
        report = Report("toy", "smaller", "20 pictures")
        report.number("error", 0.031)
        report.number("count", 6000)
        report.number("margin", 0.5)
        report.claim(*WORDS, PASSED)
    glued = {
        output.metadata["scrapbook"]["name"]: output.data["application/papermill.record/text/plain"]
        for output in captured.outputs
    }
    assert "holds in part if at least half do" in glued.pop("how_judged") and "two rounds" in glued.pop("how_rounds")
    assert glued == {
        "run_size": "'at a smaller size (20 pictures)'",
        "full_size": "'at a smaller size (8,000 pictures)'",
        "error": "0.031",
        "full_error": "'0.0123'",
        "count": "6000",
        "full_count": "'60000'",
        "margin": "0.5",
        "full_margin": "'not yet recorded'",
        "claim_3": "'holds'",
        "full_claim_3": "'holds in part'",
        "verdict_3": "'holds, at a smaller size; the record says holds in part'",
        "says_3": "'In the largest record it holds in part; in this run it holds.'",
    }


def test_a_claim_is_kept_with_its_parts(report):
    report.claim(*WORDS, PASSED, shown("gradients equal", False), test="t", figure="f")
    [kept] = report.payload()["claims"]
    assert set(kept) == set(kept_claim())
    assert (kept["outcome"], [part["outcome"] for part in kept["parts"]]) == ("holds in part", ["holds", "fails"])
