"""The map of verdicts: what is kept of a sweep's runs, and in what share of them a claim holds."""

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from records import kept_claim, record

from layerbook import cli
from layerbook.asked import given
from layerbook.chapters import chapters
from layerbook.provenance import files_of
from layerbook.record import MIME
from layerbook.robustness import BUILT, RECORD, VARIED, Robustness, _beyond
from layerbook.stored_verdicts import keep_verdicts, read_stored
from layerbook.sweep import plan
from layerbook.swept import SCHEMA
from layerbook.syntax import digest
from layerbook.verdicts import above, shown, undecided, within

BOOK = Path(__file__).parents[2] / "book"
CHAPTER = "forward_backward"


def claim(item, value):
    """A claim that holds from 0.5 on, after a part without a number."""
    part = above("reading", value, 0.5)
    return kept_claim(item, (shown("seen", True), part), "holds" if value >= 0.5 else "holds in part")


def outcome(folder, name, claims, state="finished", **parameters):
    """A run of a sweep, as its folder keeps it."""
    usual = {"iterations": 100, "seeds": [0], "learning_rate": 0.01, "hard": "fashion-mini"}
    kept = {"schema": SCHEMA, "chapter": CHAPTER, "parameters": usual | parameters, "state": state, "error": ""}
    kept |= {"duration_s": 1.0, "date": "2026-01-02", "host": "me", "commit": "0" * 40, "dirty": False, "code": "c"}
    report = {"claims": claims, "numbers": {}, "curves": {}} if state == "finished" else None
    (folder / f"{name}.json").write_text(json.dumps(kept | {"report": report}))


@pytest.fixture
def records(tmp_path):
    """Three runs of two seeds and sizes, a failed one, and a record."""
    runs, records = tmp_path / "runs", tmp_path / "book" / "records"
    runs.mkdir()
    records.mkdir(parents=True)
    outcome(runs, "a", [claim("20", 0.4), claim("27", 0.9)])
    outcome(runs, "b", [claim("20", 0.61234567), claim("27", 0.8)], iterations=1000)
    outcome(runs, "c", [claim("20", 0.7)], seeds=[1], iterations=1000)
    outcome(runs, "d", [], state="failed")
    seen = kept_claim("20", (shown("seen", True), shown("followed", False)))  # no part with a number
    open_one = kept_claim("27", (undecided("reading", "dead"),), "undecided")
    kept = record(seen, open_one, chapter=CHAPTER, size="paper", size_says="", parameters={"iterations": 10_000})
    (records / f"{CHAPTER}.json").write_text(json.dumps(kept))
    assert keep_verdicts(runs, records) == [records / "sweeps" / f"{CHAPTER}.json"]
    return records


def test_verdicts_come_back_with_a_number_of_each_claim_in_a_readers_order(records):
    table = Robustness(CHAPTER, records).verdicts()
    assert list(table.claim) == ["2.3"] * 4 + ["2.10"] * 3
    assert list(table.run) == [0, 1, 2, RECORD, 0, 1, RECORD]
    assert list(table.outcome) == ["holds in part", "holds", "holds", "holds in part", "holds", "holds", "undecided"]
    assert list(table["at"]) == [100, 1000, 1000, 10_000, 100, 1000, 10_000]
    assert list(table.value[:3]) == [0.4, 0.612346, 0.7] and table.value[3:4].isna().all()
    assert set(table.relation[:3]) == {"≥"} and set(table.threshold[:3]) == {0.5} and set(table.text[:3]) == {"reading"}


def test_conditions_are_the_values_of_what_differs_but_those_that_most_runs_have(records):
    assert Robustness(CHAPTER, records).conditions() == {
        "stored runs": [0, 1, 2],
        "iterations 100": [0],
        "seeds [1]": [2],
        RECORD: [RECORD],
    }


def test_a_share_is_of_the_runs_that_judge_the_claim(records):
    table = Robustness(CHAPTER, records).shares().set_index(["claim", "condition"])
    counts = table[["runs", "holds", "in_part", "fails", "undecided"]]
    assert list(counts.loc["2.3", "stored runs"]) == [3, 2, 1, 0, 0] and table.share["2.3", "stored runs"] == 2 / 3
    assert list(counts.loc["2.3", "iterations 100"]) == [1, 0, 1, 0, 0]
    assert list(counts.loc["2.10", "stored runs"]) == [2, 2, 0, 0, 0]
    assert list(counts.loc["2.10", RECORD]) == [1, 0, 0, 0, 1]
    assert ("2.10", "seeds [1]") not in table.index


def test_what_stands_behind_it_is_said_and_how_far_claims_carry(records):
    assert str(Robustness(CHAPTER, records)).splitlines() == [
        "3 stored runs, of 100 or 1,000 iterations, by the code of 0000000",
        "the record: 10,000 iterations, at the paper's size",
        "holds in every run: no claim",
        "in some: 2.3, 2.10",
        "in none: no claim",
    ]


def test_the_number_is_the_first_that_does_not_hold_in_the_largest_run(tmp_path):
    for name, size, second in (("a", 100, 0.9), ("b", 1000, 0.2)):
        parts = above("first", 0.6, 0.5), above("second", second, 0.5), above("third", 0.1, 0.5)
        outcome(tmp_path, name, [kept_claim("20", parts, "holds in part" if size == 100 else "fails")], iterations=size)
    keep_verdicts(tmp_path, tmp_path)
    table = Robustness(CHAPTER, tmp_path).verdicts()
    assert list(table.text) == ["second", "second"] and list(table.value) == [0.9, 0.2]


def test_a_test_is_known_in_each_run_whatever_numbers_its_text_has(tmp_path):
    for name, size, told in (("a", 100, "+0.10 [+0.00, +0.20]"), ("b", 1000, "−0.40 [−0.50, −0.30]")):
        parts = above(f"layer 1, gain {told}; p", size, 0.5), above(f"layer 2, gain {told}; p", 0.1, 0.5)
        outcome(tmp_path, name, [kept_claim("20", parts, "holds in part")], iterations=size)
    keep_verdicts(tmp_path, tmp_path)
    table = Robustness(CHAPTER, tmp_path).verdicts()
    assert list(table.text) == ["", "layer 2, gain −0.40 [−0.50, −0.30]; p"], "which of two it is cannot be told"
    for name, size, told in (("a", 100, "+0.10 [0, 1]"), ("b", 1000, "−0.40 [2, 3]")):
        part = above(f"layer 1, gain {told}; p", size / 1000, 0.05)
        outcome(tmp_path, name, [kept_claim("20", (part,), "holds")], iterations=size)
    keep_verdicts(tmp_path, tmp_path)
    table = Robustness(CHAPTER, tmp_path).verdicts()
    assert list(table.text) == ["layer 1, gain … p"] * 2 and list(table.value) == [0.1, 1.0]


@pytest.mark.parametrize(
    ("smallest", "largest", "move"),
    [
        (0.65, 0.5, "passes throughout"),
        (0.4, 0.5, "comes to pass"),
        (0.55, 0.5, "comes to pass"),
        (0.65, 0.49, "no longer passes"),
        (0.55, 0.49, "leaves its side"),
        (0.3, 0.4, "towards the threshold"),
        (0.4, 0.3, "away from it"),
        (0.4, 0.401, "stays"),
    ],
)
def test_a_number_moves_towards_its_threshold_or_away(tmp_path, smallest, largest, move):
    outcome(tmp_path, "a", [claim("20", smallest - 0.1)])
    outcome(tmp_path, "b", [claim("20", smallest + 0.1)], seeds=[1])
    outcome(tmp_path, "c", [claim("20", largest)], iterations=1000)
    keep_verdicts(tmp_path, tmp_path)
    [row] = Robustness(CHAPTER, tmp_path).moves().itertuples()
    assert (row.text, row.largest, row.move) == ("reading", largest, move)
    assert row.smallest == pytest.approx(smallest)


def moved(folder, *parts):
    """How the number of a claim of one part moves over runs that grow."""
    for place, part in enumerate(parts):
        outcome(folder, str(place), [kept_claim("20", (part,), part.outcome)], iterations=100 * (place + 1))
    keep_verdicts(folder, folder)
    return Robustness(CHAPTER, folder).moves().move[0]


ACROSS = above("reading", 0.6, 0.5, (0.4, 0.8))


@pytest.mark.parametrize(
    ("parts", "move"),
    [
        ((above("n", 0.013, 0, strict=True), above("n", 0.0, 0, strict=True)), "no longer passes"),
        ((above("n", 0.013, 0, empty="too few"), above("n", 0.0, 0, strict=True)), "leaves its side"),
        ((ACROSS, ACROSS), "on its side, undecided"),
        ((above("reading", 0.4, 0.5), above("reading", 0.6, 0.5, empty="none is right")), "on its side, undecided"),
        ((above("reading", 0.6, 0.5), ACROSS), "no longer passes"),
        ((above("reading", 0.6, 0.5), ACROSS, above("reading", 0.7, 0.5)), "passes at both ends"),
    ],
)
def test_a_number_passes_only_where_its_part_of_the_claim_holds(tmp_path, parts, move):
    assert moved(tmp_path, *parts) == move


def test_a_number_that_passes_in_some_of_the_largest_runs_is_on_its_side_there(tmp_path):
    outcome(tmp_path, "a", [claim("20", 0.4)])
    outcome(tmp_path, "b", [claim("20", 0.4)], iterations=1000)
    outcome(tmp_path, "c", [claim("20", 0.9)], iterations=1000, seeds=[1])
    keep_verdicts(tmp_path, tmp_path)
    assert list(Robustness(CHAPTER, tmp_path).moves().move) == ["on its side, not in every run"]


def test_a_number_between_two_thresholds_moves_too(tmp_path):
    for name, value, size in (("a", 90, 100), ("b", 98, 1000)):
        part = within("accuracy", value, 97.5, 98.5)
        held = "holds" if value == 98 else "fails"
        outcome(tmp_path, name, [kept_claim("27", (part,), held)], iterations=size)
    keep_verdicts(tmp_path, tmp_path)
    [row] = Robustness(CHAPTER, tmp_path).moves().itertuples()
    assert (row.smallest, row.largest, row.threshold, row.move) == (90, 98, [97.5, 98.5], "comes to pass")


@pytest.mark.parametrize(
    ("value", "relation", "threshold", "beyond"),
    [
        (0.7, "≥", 0.5, 0.2),
        (0.7, "<", 0.5, -0.2),
        (97, "from … to", [97.5, 98.5], -0.5),
        (98, "from … to", [97.5, 98.5], 0.5),
    ],
)
def test_a_distance_is_counted_from_where_the_test_passes(value, relation, threshold, beyond):
    assert _beyond(value, relation, threshold) == pytest.approx(beyond)


def executed(folder, exception=None):
    """An executed chapter that took one parameter from outside."""
    parameters = new_code_cell("iterations: int = 500\nseeds: list[int] = [0, 1]", metadata={"tags": ["parameters"]})
    report = {"size": "smaller", "size_says": "", "claims": [claim("20", 0.2)], "numbers": {}, "curves": {}}
    shown = new_output("display_data", {}, metadata={MIME: report})
    notebook = new_notebook(cells=[parameters, new_code_cell("report", outputs=[shown])])
    notebook.metadata["papermill"] = {"parameters": {"iterations": 700}, "exception": exception}
    nbformat.write(notebook, folder / f"{CHAPTER}.ipynb")


def test_this_books_run_is_a_condition_of_its_own(records, tmp_path):
    executed(tmp_path)
    found = Robustness(CHAPTER, records, tmp_path)
    assert list(found.conditions().items())[-2:] == [(BUILT, [BUILT]), (RECORD, [RECORD])]
    table = found.verdicts()
    [own] = table[table.run == BUILT].itertuples()
    assert (own.claim, own.outcome, own.value, own.at) == ("2.3", "holds in part", 0.2, 700)
    assert "this book's run: 700 iterations, at a smaller size" in str(found)


def test_a_claim_is_told_in_the_words_of_this_books_run(records, tmp_path):
    executed(tmp_path)
    path = tmp_path / f"{CHAPTER}.ipynb"
    path.write_text(path.read_text().replace('"says": "', '"says": "Newly: '))
    says = Robustness(CHAPTER, records, tmp_path).shares().set_index("claim").says
    assert says["2.3"].str.startswith("Newly: ").all() and not says["2.10"].str.startswith("Newly").any()


def test_a_failed_run_of_this_book_does_not_count(records, tmp_path):
    executed(tmp_path, exception=True)
    assert BUILT not in Robustness(CHAPTER, records, tmp_path).conditions()
    assert BUILT not in Robustness(CHAPTER, records, tmp_path / "none").conditions()


def test_a_chapter_without_runs_has_its_record_alone(tmp_path):
    kept = record(chapter="four_lenses", parameters={"looked_at": [0, 16]})
    (tmp_path / "four_lenses.json").write_text(json.dumps(kept))
    assert Robustness("four_lenses", tmp_path).conditions() == {RECORD: [RECORD]}
    assert list(Robustness("four_lenses", tmp_path).verdicts()["at"]) == [16]
    nothing = Robustness(CHAPTER, tmp_path)
    assert nothing.verdicts().empty and nothing.shares().empty and nothing.conditions() == {}
    assert str(nothing).startswith("no stored runs\nholds in every run: no claim")


@pytest.mark.parametrize("text", ["{", '{"runs": []}', '{"schema": "else", "runs": []}', '{"schema": 1, "runs": [{}]}'])
def test_a_damaged_file_is_named(records, text):
    path = records / "sweeps" / f"{CHAPTER}.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"{CHAPTER}.json: expected "):
        Robustness(CHAPTER, records)


def test_runs_without_a_verdict_are_not_kept(tmp_path):
    outcome(tmp_path, "d", [], state="failed")
    with pytest.raises(ValueError, match="no run with claims has finished there"):
        keep_verdicts(tmp_path, tmp_path)


def test_the_command_that_collects_keeps_verdicts_when_it_is_asked_to(records, capsys):
    path = records / "sweeps" / f"{CHAPTER}.json"
    path.unlink()
    runs, book = str(records.parents[1] / "runs"), str(records.parent)
    assert cli.main(["collect", runs, "--book", book]) == 0 and not path.exists()
    assert cli.main(["collect", runs, "--book", book, "--keep"]) == 0 and path.is_file()
    assert f"verdicts: {path}" in capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(VARIED))
def test_runs_are_told_apart_by_what_a_chapter_has(name):
    assert set(VARIED[name]) <= set(chapters(BOOK)[0][name].parameters)


def test_a_file_of_data_is_told_by_its_name(tmp_path):
    outcome(tmp_path, "a", [claim("20", 0.4)])
    outcome(tmp_path, "b", [claim("20", 0.6)], hard="../_build/mine.npz")
    keep_verdicts(tmp_path, tmp_path)
    assert list(Robustness(CHAPTER, tmp_path).conditions()) == ["stored runs", "hard mine", "hard fashion-mini"]


def test_an_underscore_of_a_name_is_a_space_to_readers(tmp_path):
    outcome(tmp_path, "a", [claim("20", 0.4)])
    outcome(tmp_path, "b", [claim("20", 0.6)], learning_rate=0.1)
    keep_verdicts(tmp_path, tmp_path)
    assert list(Robustness(CHAPTER, tmp_path).conditions()) == [
        "stored runs",
        "learning rate 0.01",
        "learning rate 0.1",
    ]


STORED = {path.stem: read_stored(path) for path in sorted(BOOK.glob("records/sweeps/*.json"))}
DIGESTS = """\
import json, pathlib, sys
from layerbook.provenance import code_digest
print(json.dumps({name: code_digest(pathlib.Path("book", f"{name}.ipynb")) for name in sys.argv[1:]}))
"""


@pytest.mark.parametrize("commit", sorted({run["commit"] for runs in STORED.values() for run in runs}))
def test_a_stored_run_was_made_by_the_code_of_the_commit_that_it_names(commit, tmp_path):
    try:
        packed = files_of(BOOK.parent, commit)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this copy's history does not reach so far back")
    with tarfile.open(fileobj=io.BytesIO(packed)) as files:
        files.extractall(tmp_path, filter="data")
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    line = [sys.executable, "-c", DIGESTS, *STORED]
    told = subprocess.run(line, cwd=tmp_path, env=env, check=True, capture_output=True, text=True).stdout
    of_the_commit = {name: digest(code, json.dumps([])) for name, code in json.loads(told).items()}  # they name no file
    made_by = {
        (name, run["code"])
        for name, runs in STORED.items()
        for run in runs
        if run["commit"] == commit and ".npz" not in str(run["parameters"])
    }
    assert made_by and made_by <= set(of_the_commit.items())


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """The runs that the commands for the map make: chapter -> the parameters that are named there."""
    top = tmp_path_factory.mktemp("top")
    (top / "book").mkdir()
    for name in VARIED:
        (top / "book" / f"{name}.ipynb").symlink_to(BOOK / f"{name}.ipynb")
    stubs = {
        "layerlib": "import json, sys; print(json.dumps(sys.argv[1:]))",
        "python": "import sys; open(sys.argv[2], 'w').close()",
    }
    for name, code in stubs.items():
        (top / name).write_text(f"#!{sys.executable}\n{code}\n")
        (top / name).chmod(0o755)
    env = os.environ | {"PATH": f"{top}{os.pathsep}{os.environ['PATH']}"}
    script = BOOK / "records" / "sweeps" / "runs.sh"
    done = subprocess.run(["sh", script], cwd=top, env=env, check=True, capture_output=True, text=True)
    *sweeps, last = (json.loads(line) for line in done.stdout.splitlines())
    assert last == ["collect", "_build/sweeps/map", "--keep"]
    found: dict[str, list[dict]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(top)
        for words in sweeps:
            asked = cli._parser().parse_args(words)
            over, values = given(asked.over, None, "--over", several=True), given(asked.pairs, None)
            runs = plan(asked.chapter, over, values, out=asked.out, book=top / "book")
            named = [{name: run.parameters[name] for name in (*over, *values)} for run in runs]
            found.setdefault(asked.chapter, []).extend(named)
    return found


@pytest.mark.parametrize("name", sorted(VARIED))
def test_the_stored_runs_are_those_of_the_commands(planned, name):
    found = [{key: run["parameters"][key] for key in planned[name][0]} for run in STORED[name]]
    assert len(found) == len(planned[name]) and all(each in planned[name] for each in found)


@pytest.mark.parametrize("name", sorted(VARIED))
def test_the_runs_of_the_map_differ_from_the_first_in_one_condition_and_fill_each_column(planned, name):
    first, *others = planned[name]
    changed = [{key for key in VARIED[name] if run[key] != first[key]} for run in others]
    assert all(len(each) == 1 for each in changed)
    assert set.union(*changed) == set(VARIED[name])


@pytest.mark.parametrize("path", sorted(BOOK.glob("records/sweeps/*.json")), ids=lambda path: path.stem)
def test_the_books_own_stored_runs_are_read_and_name_no_machine(path):
    assert Robustness(path.stem, path.parents[1]).conditions()["stored runs"]
    assert '"host"' not in path.read_text(encoding="utf-8")
