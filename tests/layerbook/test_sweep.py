"""Sweeps: every combination checked before one runs, each runs once, and what fails or dies takes no other along."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from layerbook import cli, sweep
from layerbook.asked import given
from layerbook.chapters import CellFailed
from layerbook.locks import Busy
from layerbook.record import MIME
from layerbook.swept import Combination, perform, read_outcome
from layerlib.__main__ import main as command_line

pytestmark = pytest.mark.lengthy
PARAMETERS = """\
depth: int = 6  # layers
seeds: list[int] = [0]
data: str = "mnist-mini"
rate: float = 0.1
store: str = ""
"""
# A chapter that notes beside it when it begins, and may stand still or fail.
TOY = """\
import pathlib, time
from layerbook.report import Report, below
with open("began.txt", "a") as file: file.write(f"{depth}\\n")
while depth >= 90 and not pathlib.Path("go.txt").exists(): time.sleep(0.02)
assert depth != 13, "an unlucky depth"
report = Report("toy", "smaller", f"{depth} layers")
report.number("error", 1 / depth)
report.curve("widths", [[depth, depth]], seed=[0], layer=[1, 2])
report.claim("3", "Deep is right", "right", "", below("error", 1 / depth, 0.2), test="≤ 0.2")
"""
# A program started in the background ignores SIGINT, and its children with it.
PROGRAM = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from layerbook.cli import main; sys.exit(main(sys.argv[1:]))"
)


def write_chapter(book: Path, code: str = TOY, parameters: str = PARAMETERS) -> None:
    cells = [new_code_cell(parameters, metadata={"tags": ["parameters"]}), new_code_cell(code), new_code_cell("report")]
    book.mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=cells), book / "toy.ipynb")


@pytest.fixture
def book(tmp_path):
    write_chapter(tmp_path / "book")
    return tmp_path / "book"


def stub(chapter, values, out: Path):
    """Instead of papermill: an executed notebook with a report, or a failing cell."""
    depth = values.get("depth", 6)
    out.write_text("{}")
    if depth == 13:
        raise CellFailed("cell 2 failed: AssertionError: an unlucky depth")
    report = {"numbers": {"error": 1 / depth}, "curves": {}, "claims": []}
    output = nbformat.from_dict({"metadata": {MIME: report}})
    return nbformat.from_dict({"cells": [{"outputs": [output]}]})


class Stubbed:
    """A runner without processes, which notes the values of what it runs."""

    def __init__(self):
        self.ran: list[dict] = []

    def __call__(self, run: Combination) -> dict:
        self.ran.append(run.values)
        return perform(run, stub)


def swept_by(stubbed, book, depths=(2, 4), out=None, **options):
    return sweep.sweep(
        "toy", {"depth": list(depths)}, out=out or book.parent / "out", book=book, runner=stubbed, **options
    )


def until(condition, seconds: float = 300):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)
    return found


@pytest.mark.parametrize(
    ("over", "values", "message"),
    [
        ({"dept": [2]}, {}, "no parameter of toy 'dept': did you mean depth?"),
        ({"depth": [2, 4, "deep"]}, {}, "depth: expected int, got str 'deep'"),
        ({"depth": [2], "seeds": [[0], 1]}, {}, "seeds: expected list[int], got int 1"),
        ({"depth": [2]}, {"rate": "fast"}, "rate: expected float, got str 'fast'"),
        ({"depth": [2, 2]}, {}, "the combination {'depth': 2} is there twice"),
        ({"store": ["a", "b"]}, {}, "the combination {'store': 'b'} is there twice"),
        ({"depth": [2]}, {"depth": 4}, "depth: either one value or several, got both"),
        ({"depth": []}, {}, "over: expected names with at least one value each"),
        ({"data": "mnist-mini"}, {}, "over: expected names with at least one value each"),
        ({}, {}, "over: expected names with at least one value each"),
    ],
)
def test_whatever_is_wrong_with_one_combination_is_said_before_any_runs(book, over, values, message):
    stubbed = Stubbed()
    with pytest.raises(ValueError) as error:
        sweep.sweep("toy", over, values, book=book, runner=stubbed)
    assert message in str(error.value)
    assert stubbed.ran == [] and not (book.parent / "_build").exists()


@pytest.mark.parametrize("jobs", [0, -1, 1.5, None])
def test_fewer_than_one_job_is_refused(book, jobs):
    with pytest.raises(ValueError, match="jobs: expected a whole number of at least 1"):
        swept_by(Stubbed(), book, jobs=jobs)


def test_the_folder_of_the_chapters_takes_no_runs(book):
    with pytest.raises(ValueError, match="in the folder of the chapters' sources"):
        sweep.plan("toy", {"depth": [2]}, out=book, book=book)


def test_every_combination_is_planned_once_with_the_last_name_fastest(book):
    runs = sweep.plan("toy", {"depth": [2, 4], "seeds": [[0], [1]]}, {"rate": 1}, book=book)
    asked = [(run.values["depth"], run.values["seeds"], run.values["rate"]) for run in runs]
    assert asked == [(2, [0], 1.0), (2, [1], 1.0), (4, [0], 1.0), (4, [1], 1.0)]
    assert {run.folder for run in runs} == {str(book.parent.resolve() / "_build" / "sweeps" / "toy")}
    assert {run.values["store"] for run in runs} == {f"{runs[0].folder}/networks"}
    assert len({run.name for run in runs}) == 4


def test_a_store_of_ones_own_is_kept_and_tells_no_runs_apart(book):
    [here] = sweep.plan("toy", {"depth": [2]}, {"store": "mine"}, book=book)
    [other] = sweep.plan("toy", {"depth": [2]}, book=book)
    assert here.values["store"] == "mine" and here.name == other.name


def test_a_run_is_known_by_its_parameters_however_they_were_asked_for(book):
    [asked] = sweep.plan("toy", {"depth": [6]}, {"rate": 1}, book=book)
    [other] = sweep.plan("toy", {"rate": [1.0]}, book=book)
    assert asked.name == other.name and asked.name.startswith("toy.rate=1.0.")


def test_the_full_size_is_what_no_other_value_replaces(book):
    (book / "parameters").mkdir()
    (book / "parameters" / "toy.yaml").write_text("depth: 20\nrate: 0.5\n")
    runs = sweep.plan("toy", {"depth": [2, 4]}, size="full", book=book)
    assert [(run.values["depth"], run.values["rate"]) for run in runs] == [(2, 0.5), (4, 0.5)]


def test_what_has_finished_does_not_run_again_and_what_is_missing_does(book):
    stubbed = Stubbed()
    first = swept_by(stubbed, book)
    assert (first.runs, first.before, first.failed) == (2, 0, {})
    again = swept_by(stubbed, book, (2, 4, 8))
    assert (again.runs, again.before) == (3, 2)
    assert [values["depth"] for values in stubbed.ran] == [2, 4, 8]


def test_other_code_in_the_chapter_makes_runs_stale_and_other_prose_does_not(book):
    stubbed = Stubbed()
    swept_by(stubbed, book)
    write_chapter(book, TOY + "# a comment\n")
    assert swept_by(stubbed, book).before == 2
    write_chapter(book, TOY + "more = 1\n")
    assert swept_by(stubbed, book).before == 0
    assert len(stubbed.ran) == 4 and len(list((book.parent / "out").glob("*.json"))) == 2


def test_another_file_of_data_makes_runs_stale(book):
    (book / "mine.npz").write_bytes(b"1")
    over = {"data": ["mine.npz", "mnist-mini"]}
    for text, before in ((b"1", 0), (None, 2), (b"12", 1)):
        if text:
            (book / "mine.npz").write_bytes(text)
        assert sweep.sweep("toy", over, out=book.parent / "out", book=book, runner=Stubbed()).before == before


@pytest.mark.parametrize("damage", ["{", "[]", '{"schema": "other"}', None])
def test_a_damaged_or_missing_outcome_runs_again(book, damage):
    swept_by(Stubbed(), book)
    [run, _] = sweep.plan("toy", {"depth": [2, 4]}, out=book.parent / "out", book=book)
    run.outcome.unlink() if damage is None else run.outcome.write_text(damage)
    assert swept_by(Stubbed(), book).before == 1


def test_a_failing_run_is_told_and_tried_again_and_the_others_go_on(book):
    stubbed = Stubbed()
    for _ in range(2):
        done = swept_by(stubbed, book, (2, 13, 4), jobs=2)
        [(name, error)] = done.failed.items()
        assert name.startswith("toy.depth=13.") and error == "cell 2 failed: AssertionError: an unlucky depth"
    assert sorted(values["depth"] for values in stubbed.ran) == [2, 4, 13, 13]
    kept = read_outcome(done.folder / f"{name}.json")
    assert (kept["state"], kept["report"]) == ("failed", None) and (done.folder / f"{name}.ipynb").exists()


def test_a_runner_that_breaks_takes_no_other_run_along(book):
    def runner(run):
        if run.values["depth"] == 2:
            raise OSError("no space left")
        return perform(run, stub)

    done = swept_by(runner, book)
    assert list(done.failed.values()) == ["OSError: no space left"]


def test_what_another_sweep_runs_is_waited_for_and_not_run_again(book):
    [run] = sweep.plan("toy", {"depth": [2]}, out=book.parent / "out", book=book)
    refused, executed = threading.Event(), []

    def slow(*arguments):
        executed.append(1)
        assert refused.wait(60)
        return stub(*arguments)

    def runner(each):
        try:
            return perform(each, slow)
        except Busy:
            refused.set()
            raise

    with ThreadPoolExecutor(1) as other:
        future = other.submit(runner, run)
        until(run.lock.exists)
        done = swept_by(runner, book, (2,))
        assert future.result()["state"] == "finished"
    assert (done.failed, executed) == ({}, [1])


def test_a_run_that_finished_while_it_waited_is_not_run(book):
    [run] = sweep.plan("toy", {"depth": [2]}, out=book.parent / "out", book=book)
    kept = perform(run, stub)
    assert perform(run, lambda *_: pytest.fail("ran again")) == kept


def test_a_thousand_runs_are_planned_and_kept_in_a_minute(book):
    stubbed = Stubbed()
    began = time.process_time()  # other programs may want the processors, too
    over = {"depth": list(range(20, 120)), "seeds": [[seed] for seed in range(10)]}
    done = sweep.sweep("toy", over, out=book.parent / "out", book=book, runner=stubbed, jobs=2)
    assert (done.runs, done.failed, len(stubbed.ran)) == (1000, {}, 1000)
    assert time.process_time() - began <= 45  # which leaves 15 s to collect: test_collected.py


def test_files_of_the_reader_are_found_from_the_book_and_brackets_hold_lists(book, monkeypatch):
    (book.parent / "mine.npz").touch()
    monkeypatch.chdir(book.parent)
    values = given(["data=mine.npz,mnist-mini", "seeds=[0],[1, 2]"], book, "--over", several=True)
    assert values == {"data": [os.path.join("..", "mine.npz"), "mnist-mini"], "seeds": [[0], [1, 2]]}


@pytest.mark.parametrize(("kernel", "env", "seen"), [(None, "", False), (object(), "", True), (object(), "1", False)])
def test_a_bar_is_shown_in_a_notebook_unless_it_is_unwanted(monkeypatch, kernel, env, seen):
    monkeypatch.setenv("CI", "")
    monkeypatch.setenv("TQDM_DISABLE", env)
    monkeypatch.setattr(sweep, "get_ipython", lambda: kernel)
    with sweep._bar(sweep.Swept(Path(), 3)) as bar:
        assert bar.disable != seen


def test_a_cluster_needs_an_extra_which_is_named_before_anything_runs(book, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    out = str(book.parent / "out")
    words = ["sweep", "toy", "--over", "depth=2", "--dask", "tcp://a:1", "--book", str(book), "--out", out]
    assert command_line(words) == 2
    assert capsys.readouterr().err.endswith("pip install 'layerlib[sweep]'\n")
    assert not os.path.exists(out)


# With real processes from here on.


def command(book: Path, *options: str) -> subprocess.Popen:
    """``layerlib sweep toy`` in a process of its own."""
    line = [sys.executable, "-c", PROGRAM, "sweep", "toy", "--out", str(book.parent / "out"), *options]
    return subprocess.Popen(line, cwd=book.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def began(book: Path) -> list[str]:
    """The depths that have begun to run, in their order."""
    return (book / "began.txt").read_text().split() if (book / "began.txt").exists() else []


def pids(book: Path) -> list[int]:
    """The processes that hold a run."""
    found = [path.read_text() for path in (book.parent / "out").glob("*.lock")]
    return [json.loads(text)["pid"] for text in found if text]


def test_a_sweep_on_the_command_line_says_what_failed_and_keeps_its_notebook(book):
    process = command(book, "--over", "depth=2,13", "-p", "seeds=[1]", "--jobs", "2")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 1, err
    assert out == f"1 of 2 runs have finished: {book.parent / 'out'}\n"
    assert err.count("\n") == 1 and err.startswith("layerlib: toy.depth=13,_seeds=_1.")
    assert err.endswith("failed: AssertionError: an unlucky depth\n")
    [notebook] = (book.parent / "out").glob("toy.depth=13*.ipynb")
    assert nbformat.read(notebook, as_version=4).metadata.papermill.exception is True
    [outcome] = (book.parent / "out").glob("toy.depth=2*.json")
    assert read_outcome(outcome)["report"]["numbers"] == {"error": 0.5}
    assert {path.suffix for path in (book.parent / "out").iterdir()} == {".ipynb", ".json"}


def test_a_killed_run_has_failed_and_the_others_go_on(book):
    process = command(book, "--over", "depth=90,2")
    os.kill(until(lambda: began(book) and pids(book))[0], signal.SIGKILL)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "its process was killed by SIGKILL (out of memory?)" in err and out.startswith("1 of 2 runs have finished: ")
    [notebook] = (book.parent / "out").glob("toy.depth=90*.ipynb")
    assert nbformat.read(notebook, as_version=4).cells[2].metadata.papermill.status == "running"
    (book / "go.txt").touch()
    process = command(book, "--over", "depth=90,2")
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "") and out.startswith("2 of 2 runs have finished, 1 of them before: ")
    assert began(book) == ["90", "2", "90"]


def test_a_killed_sweep_ends_its_runs_and_goes_on_when_called_again(book):
    process = command(book, "--over", "depth=2,90,4")
    [child] = until(lambda: began(book) == ["2", "90"] and pids(book))
    process.kill()
    process.communicate()
    until(lambda: not Path(f"/proc/{child}").exists())
    (book / "go.txt").touch()
    process = command(book, "--over", "depth=2,90,4")
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "") and out.startswith("3 of 3 runs have finished, 1 of them before: ")
    assert began(book) == ["2", "90", "90", "4"]


def test_an_interrupted_sweep_says_one_line_and_leaves_nobody_running(book):
    process = command(book, "--over", "depth=2,90,91,4", "--jobs", "2")
    children = until(lambda: {"90", "91"} <= set(began(book)) and pids(book))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err == f"layerlib: 1 of 4 runs have ended: {book.parent / 'out'}; the same again goes on\n"
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert len(list((book.parent / "out").glob("*.interrupted.ipynb"))) == 2


def test_two_sweeps_in_one_folder_share_the_work(book):
    first = command(book, "--over", "depth=90,2")
    until(lambda: began(book) == ["90"])
    second = command(book, "--over", "depth=90,4")
    until(lambda: "4" in began(book))
    (book / "go.txt").touch()
    for process in (first, second):
        out, err = process.communicate(timeout=300)
        assert (process.returncode, err) == (0, "") and out.startswith("2 of 2 runs have finished")
    assert sorted(began(book)) == ["2", "4", "90"]


TRAINS = """\
import pathlib, torch
from layerbook.report import Report
from layerbook.training.fit import Store, cross_entropy, fit
from layerlib.data.splits import Split
torch.manual_seed(0)
pictures = Split(torch.zeros(4, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 1, 0, 1]))
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
report = Report("toy", "smaller")
report.number("found", len(list(pathlib.Path(store).glob("*.pt"))))
fit(model, pictures, epochs=1, loss=cross_entropy, store=Store(store))
"""


def test_a_network_that_one_run_has_trained_serves_the_next(book):
    write_chapter(book, TRAINS)
    process = command(book, "--over", "depth=2,4")
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    found = [read_outcome(path)["report"]["numbers"]["found"] for path in (book.parent / "out").glob("*.json")]
    assert sorted(found) == [0, 1]
    assert len(list((book.parent / "out" / "networks").glob("*.pt"))) == 1


def test_bad_usage_is_one_line_of_the_command(book, capsys):
    for options, message in (
        (["--over", "depth"], "--over: expected NAME=VALUE,VALUE, got 'depth'"),
        (["--over", "depth=[1"], "depth: not YAML: "),
        (["--over", "depth=1,", "--over", "depth=2"], "--over: depth is named twice"),
        (["--over", "depth=x,2"], "depth: expected int, got str 'x'"),
        (["--over", "depth=1", "--jobs", "2", "--dask", "tcp://a:1"], "not allowed with argument --jobs"),
        ([], "the following arguments are required: --over"),
    ):
        assert cli.main(["sweep", "toy", "--book", str(book), *options]) == 2
        out, err = capsys.readouterr()
        assert out == "" and message in err and err.count("\n") == 1
    assert began(book) == []
