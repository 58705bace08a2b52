import json
import os
import re
import subprocess

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from layerbook.provenance import changed_since, git_state, provenance
from layerbook.record import MIME, read_record, write_record
from layerbook.report import VERDICTS, Claim, Report, verdict

CLAIM = Claim("3", "Late layers are ordered", "P <= 1.5", "P = 1.2 < 1.5", "holds")

CURVE = {"dims": ["seed"], "axes": {"seed": [0, 1]}, "values": [[9.5, None], [1.0, 1.5]]}


@pytest.fixture
def record() -> dict:
    return {
        "schema": 1,
        "chapter": "toy",
        "paper_size": True,
        "parameters": {"depth": 20, "widths": [100, 100]},
        "numbers": {"error": 0.0123456, "count": 60000},
        "curves": {"perplexity": CURVE},
        "claims": [
            {
                "item": "3", "says": "s", "paper": "p", "here": "P = 1.1", "holds": "holds in part",
                "test": "P <= 1.5", "figure": "toy-f1",
            },
        ],
        "provenance": {
            "device": "H200",
            "versions": {"python": "3.11"},
            "duration_s": 12.5,
            "date": "2025-01-02T03:04:05+00:00",
            "commit": "0123456789" * 4,
            "dirty": True,
        },
    }


@pytest.fixture
def in_book(tmp_path, monkeypatch, record):
    """A book folder with a record of ``toy``, as the current folder."""
    write_record(record, tmp_path / "records" / "toy.json")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("parts", "paper_size", "expected"),
    [
        ([True, True], True, "holds"),
        ([True], False, "holds"),
        ([True, False], True, "holds in part"),
        ([False, False], True, "fails"),
        ([True, False], False, "not at this size"),
        ([False], False, "not at this size"),
        ({"early": np.bool_(True), "late": torch.tensor(False)}, True, "holds in part"),
    ],
)
def test_verdict_follows_from_its_parts_and_the_size(parts, paper_size, expected):
    assert verdict(parts, paper_size) == expected
    assert expected in VERDICTS


@pytest.mark.parametrize("parts", [[], {}, [0.3], {"late": "yes"}, [1]])
def test_verdict_refuses_no_parts_and_parts_that_are_not_boolean(parts):
    with pytest.raises(ValueError, match="^parts: expected"):
        verdict(parts, True)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("holds", "maybe", "holds: expected one of holds, holds in part, .*, got 'maybe'"),
        ("here", 1.2, "here: expected text, got 1.2"),
        ("item", 3, "item: expected text, got 3"),
        ("says", " ", "says: expected text, got ' '"),
        ("test", None, "test: expected text, got None"),
    ],
)
def test_claim_refuses_other_verdicts_and_empty_fields(field, value, message):
    fields = {"item": "3", "says": "s", "paper": "p", "here": "h", "holds": "holds"} | {field: value}
    with pytest.raises(ValueError, match=message):
        Claim(**fields)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(3, 3), (0.5, 0.5), (torch.tensor(7), 7), (np.float64(0.25), 0.25), (np.array(2), 2)],
)
def test_number_converts_scalars(value, expected):
    report = Report("toy", False)
    returned = report.number("n", value)
    assert (returned, type(returned)) == (expected, type(expected))
    assert report.payload()["numbers"] == {"n": expected}


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), torch.tensor(float("nan")), True, "3", None, torch.tensor([3.0])]
)
def test_number_refuses_what_is_no_finite_number_and_names_it(value):
    with pytest.raises(ValueError, match="^late_error: expected a finite number, got"):
        Report("toy", False).number("late_error", value)


@pytest.mark.parametrize("name", ["full_error", "claim_3", "a:b", "two words", ""])
def test_number_refuses_names_that_prose_could_not_use(name):
    with pytest.raises(ValueError, match="name: expected an identifier"):
        Report("toy", False).number(name, 1)


def test_a_number_and_a_curve_cannot_share_a_name():
    report = Report("toy", False)
    report.number("error", 1)
    report.number("error", 2)
    with pytest.raises(ValueError, match="'error' is taken"):
        report.curve("error", [1.0])


def test_curve_keeps_six_digits_gaps_and_axes():
    report = Report("toy", False)
    values = torch.tensor([[1 / 3, float("nan")], [2.0, 1e-9 / 3]], dtype=torch.float64)
    report.curve("c", values, seed=np.arange(2), layer=("first", "last"))
    assert report.payload()["curves"]["c"] == {
        "dims": ["seed", "layer"],
        "axes": {"seed": [0, 1], "layer": ["first", "last"]},
        "values": [[0.333333, None], [2.0, 3.33333e-10]],
    }


def test_curve_takes_networks_of_several_depths():
    report = Report("toy", False)
    report.curve("c", [np.array([1, 2]), [3.5]], depth=[2, 1])
    assert report.curves["c"]["values"] == [[1, 2], [3.5]]


@pytest.mark.parametrize(
    ("values", "axes", "message"),
    [
        ([1.0, float("inf")], {}, "c: expected finite numbers or NaN, got inf"),
        ([1.0, "two"], {}, "c: expected finite numbers or NaN, got 'two'"),
        (3.0, {}, "c: expected at least one dimension"),
        ([1.0, 2.0], {"layer": [1]}, "layer: expected 2 values, one for each of c's, got 1"),
        ([[1.0], [1.0, 2.0]], {"seed": [0, 1], "layer": [1, 2]}, "layer: expected 1 values"),
        ([1.0], {"seed": [0], "layer": [1]}, "layer: expected 0 values"),
    ],
)
def test_curve_refuses_bad_values_and_axes(values, axes, message):
    with pytest.raises(ValueError, match=message):
        Report("toy", False).curve("c", values, **axes)


def test_a_claim_reported_twice_raises():
    report = Report("toy", False)
    report.claim(CLAIM)
    with pytest.raises(ValueError, match="claim 3 was reported before"):
        report.claim(CLAIM)


def test_without_a_record_there_is_nothing_recorded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report = Report("toy", False)
    report.claim(CLAIM)
    assert report.recorded("error") is None
    assert report.recorded("error", 0.5) == 0.5
    assert report.table()["full-size record"].tolist() == ["not yet recorded"]
    assert "Full-size record: not yet recorded." in repr(report)


def test_the_record_stands_beside_the_run(in_book):
    report = Report("toy", False)
    report.claim(CLAIM)
    assert report.recorded("error") == 0.0123456
    assert report.recorded("perplexity")["values"] == [[9.5, None], [1.0, 1.5]]
    assert report.recorded("other") is None
    row = report.table().iloc[0]
    assert row.tolist() == [
        "3", "Late layers are ordered", "P <= 1.5", "", "holds in part: P = 1.1", "holds: P = 1.2 < 1.5",
    ]  # fmt: skip
    assert "2025-01-02, H200, commit 0123456 with local changes." in repr(report)


def test_the_record_is_found_beside_the_book_and_at_a_given_path(in_book, tmp_path, monkeypatch):
    (tmp_path / "reader" / "book").mkdir(parents=True)
    (tmp_path / "records").rename(tmp_path / "reader" / "book" / "records")
    monkeypatch.chdir(tmp_path / "reader")
    assert Report("toy", False).recorded("count") == 60000
    monkeypatch.chdir(tmp_path)
    assert Report("toy", False).recorded("count") is None
    assert Report("toy", False, record="reader/book/records/toy.json").recorded("count") == 60000
    with pytest.raises(ValueError, match="expected a record of other, got one of toy"):
        Report("other", False, record="reader/book/records/toy.json")
    with pytest.raises(FileNotFoundError):
        Report("toy", False, record="nowhere.json")


def test_the_display_carries_the_table_and_the_payload():
    report = Report("toy", True)
    report.number("error", 0.5)
    report.claim(CLAIM)
    report.claim(Claim("4", "a <b>", "p", "h", "fails"))
    data, metadata = report._repr_mimebundle_()
    assert set(data) == {"text/html", "text/plain"}
    assert metadata[MIME] == json.loads(json.dumps(report.payload()))
    assert "P = 1.2 &lt; 1.5" in data["text/html"] and "a &lt;b&gt;" in data["text/html"]
    words = re.findall(r"<strong [^>]*>([^<]+)</strong>", data["text/html"])
    assert words == ["holds", "fails"]
    assert "this run: holds: P = 1.2 < 1.5" in data["text/plain"]
    assert max(map(len, data["text/plain"].splitlines())) <= 100


def test_the_test_that_decided_a_claim_is_shown():
    report = Report("toy", True)
    report.claim(Claim("3", "s", "p", "h", "holds", test="P < 2", figure="toy-f1"))
    data, _ = report._repr_mimebundle_()
    assert "<small>Test: P &lt; 2</small>" in data["text/html"]
    assert "   test: P < 2\n" in data["text/plain"]
    assert report.table()["test"].tolist() == ["P < 2"]
    assert report.payload()["claims"][0]["figure"] == "toy-f1"


@pytest.fixture
def shell(tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def test_numbers_and_verdicts_are_glued_for_the_text(in_book, shell):
    with capture_output() as captured:
        report = Report("toy", False)
        report.number("error", 0.031)
        report.number("count", 6000)
        report.number("margin", 0.5)
        report.claim(CLAIM)
    glued = {
        output.metadata["scrapbook"]["name"]: output.data["application/papermill.record/text/plain"]
        for output in captured.outputs
    }
    assert glued == {
        "error": "0.031",
        "full_error": "'0.0123'",
        "count": "6000",
        "full_count": "'60000'",
        "margin": "0.5",
        "full_margin": "'not yet recorded'",
        "claim_3": "'holds'",
        "full_claim_3": "'holds in part'",
    }


def test_a_record_survives_writing_and_reading(tmp_path, record):
    path = tmp_path / "records" / "toy.json"
    write_record(record, path)
    assert read_record(path) == record
    assert [entry.name for entry in path.parent.iterdir()] == ["toy.json"]


def test_a_record_reads_well_and_always_in_the_same_order(tmp_path, record):
    write_record(record, tmp_path / "a.json")
    shuffled = dict(reversed(record.items())) | {
        "numbers": dict(reversed(record["numbers"].items())),
        "claims": [dict(sorted(claim.items())) for claim in record["claims"]],
    }
    write_record(shuffled, tmp_path / "b.json")
    text = (tmp_path / "a.json").read_text()
    assert text == (tmp_path / "b.json").read_text()
    curve = '{"dims": ["seed"], "axes": {"seed": [0, 1]}, "values": [[9.5, null], [1.0, 1.5]]}'
    assert f'\n  "perplexity": {curve}\n' in text
    assert text.endswith("}\n")


def test_a_record_that_cannot_be_written_leaves_the_old_one(tmp_path, record, monkeypatch):
    path = tmp_path / "toy.json"
    write_record(record, path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="numbers: error: expected a finite number, got nan"):
        write_record(record | {"numbers": {"error": float("nan")}}, path)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_record(record | {"numbers": {}}, path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["toy.json"]


def test_a_record_from_before_claims_had_a_test_and_a_figure_is_read(tmp_path, record):
    for field in ("test", "figure"):
        del record["claims"][0][field]
    path = tmp_path / "toy.json"
    path.write_text(json.dumps(record))
    assert read_record(path) == record
    write_record(record, path)
    assert read_record(path)["claims"][0] == record["claims"][0] | {"test": "", "figure": ""}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"commit": "0123456"}, "commit: expected 40 hexadecimal digits or null, got '0123456'"),
        ({"date": "yesterday"}, "date: expected year-month-day and time, got 'yesterday'"),
        ({"versions": {}}, "versions: expected at least Python's, got none"),
        ({"duration_s": float("nan")}, "duration_s: expected seconds, got nan"),
        ({"duration_s": -1}, "duration_s: expected seconds, got -1"),
        ({"dirty": 1}, "dirty: expected bool or null, got int 1"),
    ],
)
def test_a_record_without_a_whole_provenance_is_not_written(tmp_path, record, change, message):
    record["provenance"] |= change
    with pytest.raises(ValueError, match=f"toy.json: provenance: {message}"):
        write_record(record, tmp_path / "toy.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "schema: expected 1, got 2"),
        ({"schema": True}, "schema: expected int, got bool True"),
        ({"numbers": []}, "numbers: expected dict, got list"),
        ({"numbers": {"e": "0.3"}}, "numbers: e: expected a finite number, got '0.3'"),
        ({"curves": {"c": {"values": [1]}}}, "curves: c: dims is missing"),
        ({"curves": {"c": CURVE | {"dims": []}}}, "curves: c: axes: expected none, got seed"),
        ({"curves": {"c": CURVE | {"values": [1]}}}, "curves: c: seed: expected 1 values, one for each of c's, got 2"),
        ({"claims": ["3"]}, r"claims\[0\]: expected an object, got str"),
        ({"provenance": {}}, "provenance: device is missing"),
    ],
)
def test_a_damaged_record_says_which_file_and_field(tmp_path, record, change, message):
    path = tmp_path / "toy.json"
    path.write_text(json.dumps(record | change))
    with pytest.raises(ValueError, match=f"toy.json: {message}"):
        read_record(path)


def test_a_record_with_an_unknown_verdict_or_no_json_is_refused(tmp_path, record):
    path = tmp_path / "toy.json"
    record["claims"][0]["holds"] = "sure"
    path.write_text(json.dumps(record))
    with pytest.raises(ValueError, match=r"toy.json: claims\[0\]: holds: expected one of .* got 'sure'"):
        read_record(path)
    path.write_text("{")
    with pytest.raises(ValueError, match="toy.json: not JSON"):
        read_record(path)
    del record["numbers"]
    path.write_text(json.dumps(record))
    with pytest.raises(ValueError, match="toy.json: numbers is missing"):
        read_record(path)


@pytest.fixture
def git(tmp_path):
    """A git repository in ``tmp_path``, and a function that runs git there."""

    def run(*arguments):
        command = ["git", "-C", tmp_path, "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
        env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        subprocess.run(command, check=True, capture_output=True, env=env)

    run("init")
    return run


def test_git_state_sees_changes_everywhere_but_in_the_records(tmp_path_factory, tmp_path, git):
    assert git_state(tmp_path_factory.mktemp("outside")) == {"commit": None, "dirty": None}
    book = tmp_path / "book"
    (book / "records").mkdir(parents=True)
    assert git_state(book) == {"commit": None, "dirty": None}
    (tmp_path / "code.py").write_text("a = 1")
    git("add", ".")
    git("commit", "-m", "first")
    (book / "records" / "toy.json").write_text("{}")
    state = git_state(book)
    assert re.fullmatch("[0-9a-f]{40}", state["commit"]) and state["dirty"] is False
    (tmp_path / "new.py").write_text("b = 1")
    assert git_state(book)["dirty"] is True
    (tmp_path / "new.py").unlink()
    (tmp_path / "code.py").write_text("a = 2")
    assert git_state(book)["dirty"] is True


def cells(code, prose=""):
    """A notebook's file, with one cell of each kind."""
    return json.dumps({"cells": [{"cell_type": "markdown", "source": [prose]},
                                 {"cell_type": "code", "source": code.splitlines(True)}]})


FILES = {
    "book/toy.ipynb": cells("import numpy\nfrom layerlib.code import f\nf(1)"),
    "book/other.ipynb": cells("1"),
    "book/parameters/toy.yaml": "a: 1",
    "layerlib/__init__.py": "",
    "layerlib/code.py": '"""Code."""\nfrom layerlib import deep\n\ndef f(x):\n    """Do."""\n'
                        '    return deep.g(x)  # so',
    "layerlib/deep.py": "def g(x):\n    return x",
    "layerlib/unused.py": "a = 1",
    "README.md": "1",
}


@pytest.fixture
def committed(tmp_path, git):
    """A repository with a chapter, another, and the package, committed: its folder and the commit."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git("add", ".")
    git("commit", "-m", "first")
    return tmp_path, git_state(tmp_path)["commit"]


@pytest.mark.parametrize(
    ("name", "text", "changed"),
    [
        ("book/toy.ipynb", cells("import numpy\nfrom layerlib.code import f\nf(2)"), True),
        ("book/toy.ipynb", cells("import numpy\nfrom layerlib.code import f\nf(1)  # why", "more prose"), False),
        ("book/toy.ipynb", "no notebook", True),
        ("book/parameters/toy.yaml", "a: 2", True),
        ("layerlib/code.py", FILES["layerlib/code.py"].replace("g(x)", "g(2)"), True),
        ("layerlib/code.py", FILES["layerlib/code.py"].replace("Do.", "Do it.").replace("so", "so it is"), False),
        ("layerlib/deep.py", "def g(x):\n    return 2 * x", True),
        ("layerlib/unused.py", "a = 2", False),
        ("layerlib/new.py", "a = 1", False),
        ("book/other.ipynb", cells("2"), False),
        ("README.md", "2", False),
    ],
)
def test_code_has_changed_where_what_the_chapter_runs_did(committed, git, name, text, changed):
    folder, commit = committed
    assert changed_since(commit, "toy", folder / "book" / "records") is False
    (folder / name).write_text(text)
    assert changed_since(commit, "toy", folder / "book" / "records") is changed
    git("add", ".")
    git("commit", "-m", "second")
    assert changed_since(commit, "toy", folder / "book" / "records") is changed


def test_code_has_changed_where_a_module_is_gone(committed):
    folder, commit = committed
    (folder / "layerlib" / "deep.py").unlink()
    (folder / "layerlib" / "code.py").write_text("def f(x):\n    return x")
    assert changed_since(commit, "toy", folder / "book" / "records") is True


def test_whether_code_has_changed_is_unknown_without_that_commit(committed, tmp_path_factory):
    folder, commit = committed
    assert changed_since(None, "toy", folder / "book" / "records") is None
    assert changed_since("0" * 40, "toy", folder / "book" / "records") is None
    assert changed_since(commit, "toy", tmp_path_factory.mktemp("outside") / "records") is None


def test_a_record_made_by_other_code_is_marked_with_its_commit(committed, record, monkeypatch):
    folder, commit = committed
    record["provenance"] |= {"commit": commit, "dirty": False}
    write_record(record, folder / "book" / "records" / "toy.json")
    monkeypatch.chdir(folder / "book")
    assert repr(Report("toy", False)).endswith(f"H200, commit {commit[:7]}.")
    (folder / "layerlib" / "code.py").write_text("2 + 2")
    assert repr(Report("toy", False)).endswith(f"H200, commit {commit[:7]}, other code than today's.")


def test_provenance_names_device_versions_date_and_commit():
    found = provenance({"commit": "abc", "dirty": False}, {"device": "cpu"}, 1.26)
    assert found["device"].startswith("CPU (") and found["duration_s"] == 1.3
    assert {"python", "torch", "numpy", "layerlib"} <= set(found["versions"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", found["date"])
    assert (found["commit"], found["dirty"]) == ("abc", False)
