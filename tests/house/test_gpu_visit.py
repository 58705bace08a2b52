"""The visit to a borrowed GPU: what it plans, what it stops, what it keeps; on the pretend device in tests/device."""

import json
import os
import re
import sys
import time
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch

from layerbook.chapters import chapters
from layerlib import load
from tools import gpu_visit
from tools.gpu_visit import PLAN, Visit, look, main, record
from tools.gpu_visit_data import RAW, first, pack, unpack
from tools.gpu_visit_plan import largest, not_now, packed, read_plan, size

ROOT = Path(__file__).parents[2]
LADDER = {
    "first_takes": 1,
    "grows_with": ["images", "epochs"],
    "pictures": ["images"],
    "size": {"images": 1, "width": 2},
    "values": {"data": "cifar10", "width": 1.0},
    "rungs": [{"images": n, "epochs": 2} for n in (100, 200, 800)],
}
STEPS = {name: {"share": 0.1, "at_least": 20, "names": []} for name in ("tests", "bench")}
PACKED = int(re.search(r"\$\{2:-(\d+)\}", (PLAN.parent / "gpu_visit.sh").read_text(encoding="utf-8"))[1])


def took(*seconds):
    return {"provenance": {"trainings": [{"seconds": each} for each in seconds]}}


@pytest.fixture
def visit(tmp_path):
    return Visit(0.5, tmp_path / "out")


@pytest.mark.parametrize(
    ("left", "rung"),
    [(1000.0, 2), (400.0, 2), (399.0, 1), (100.0, 1), (99.0, 0), (-3.0, 0)],
)
def test_the_largest_rung_that_fits_is_chosen(left, rung, monkeypatch):
    monkeypatch.setattr("tools.gpu_visit_plan.MARGIN", 1.0)
    # 60 s, 40 of them training: 20 + 80 for twice the pictures is 100, 20 + 320 for eight times is 340
    found, needs = largest(LADDER, took(30.0, 10.0), 60.0, left + (-60 if left >= 399 else 0))
    assert needs == [60.0, 100.0, 340.0]
    assert found == rung


def test_trainings_too_short_to_be_told_grow_nevertheless():
    long = LADDER | {"rungs": [*LADDER["rungs"], {"images": 100, "epochs": 10**9}]}
    assert largest(long, took(0.0), 10.0, 10**6)[0] == 2


def test_a_rung_that_is_left_out_is_not_chosen_though_it_fits():
    assert largest(LADDER, took(30.0, 10.0), 60.0, 10**6, {2: "why"})[0] == 1
    assert largest(LADDER, took(30.0, 10.0), 60.0, 10**6, {1: "why", 2: "why"})[0] == 0


def few(folder, pictures):
    path = folder / "few.npz"
    first(ROOT / "layerlib" / "datasets" / "cifar10-mini.npz", path, pictures, 20)
    return str(path)


def test_rungs_that_ask_for_more_pictures_than_were_packed_are_left_out(tmp_path):
    data = few(tmp_path, 200)
    assert packed(data) == 200 and packed(str(tmp_path / "none.npz")) == 0
    assert not_now(LADDER | {"values": {"data": data, "width": 1.0}}, []) == {
        2: "it asks for 800 pictures, and 200 were packed"
    }
    assert list(not_now(LADDER | {"values": {"data": str(tmp_path / "none.npz")}}, [])) == [0, 1, 2]
    assert not_now(LADDER, []) == {}


def test_rungs_no_larger_than_a_record_that_there_is_are_left_out():
    wide, narrow, old = (
        {"parameters": each} for each in ({"images": 200, "width": 1}, {"images": 800, "width": 0.25}, {})
    )
    assert not_now(LADDER, [wide]).keys() == {0, 1}
    assert not_now(LADDER, [narrow, old]) == {}  # 50 pictures at full width
    assert not_now(LADDER, [narrow, wide]).keys() == {0, 1}


def test_a_chapter_without_its_data_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERLIB_DATA", str(tmp_path))
    (tmp_path / "here").mkdir()
    assert not_now(LADDER | {"folders": ["here"]}, []) == {}
    assert set(not_now(LADDER | {"folders": ["here", "there"]}, []).values()) == {"there: not packed"}


def test_a_chapter_that_trains_nothing_takes_as_long_on_every_rung():
    assert len(set(largest(LADDER, {"provenance": {}}, 10.0, 100.0)[1])) == 1


def test_what_was_done_is_kept_step_by_step(visit):
    assert visit.run("right", [sys.executable, "-c", "print('all is well')"], limit=20)
    assert not visit.run("wrong", [sys.executable, "-c", "raise SystemExit(3)"], limit=20)
    kept = json.loads((visit.out / "visit.json").read_text(encoding="utf-8"))
    assert [each["step"] for each in kept] == ["right", "wrong"] and [each["code"] for each in kept] == [0, 3]
    assert "all is well" in (visit.out / "log.txt").read_text(encoding="utf-8")


LONG = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open(sys.argv[1], "w").write(str(child.pid))
import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)
child.wait()
"""


def test_a_step_that_outruns_its_time_is_stopped_with_all_that_it_started(visit, tmp_path):
    began = time.monotonic()
    assert not visit.run("long", [sys.executable, "-c", LONG, str(tmp_path / "pid")], limit=2)
    assert time.monotonic() - began < 15
    assert visit.done[-1]["code"] == "out of time"
    child = int((tmp_path / "pid").read_text())
    for _ in range(100):
        if not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2]:
            break
        time.sleep(0.05)
    else:
        os.kill(child, 9)
        pytest.fail("what the step started lives on")


def test_the_plan_asks_for_parameters_that_there_are_from_small_to_large():
    found, _ = chapters(ROOT / "book")
    for chapter, ladder in read_plan(PLAN)["chapters"].items():
        for rung in ladder["rungs"]:
            assert set(ladder["values"]) | set(rung) <= set(found[chapter].parameters)
        assert {name for share in ladder.get("shares", []) for name in share} <= set(found[chapter].parameters)
        work = [prod(rung[name] for name in ladder["grows_with"]) for rung in ladder["rungs"]]
        assert work == sorted(work) and work[0] < work[1] / 20
        sizes = [size(ladder, ladder["values"] | rung) for rung in ladder["rungs"]]
        assert sizes == sorted(sizes) and sizes[0] > 0
        assert {ladder["values"][name] for name in found[chapter].parameters if "width" in name} == {1.0}
        assert max((rung[name] for rung in ladder["rungs"] for name in ladder["pictures"]), default=0) <= PACKED
        record = json.loads((ROOT / "book" / "records" / f"{chapter}.json").read_text(encoding="utf-8"))
        assert not_now(ladder | {"values": ladder["values"] | {"data": ""}, "folders": []}, [record]).keys() <= {0}


SPOILT = {
    "no object": (lambda plan: [], "plan: expected an object, got []"),
    "a missing part": (lambda plan: {"steps": STEPS}, "plan: chapters is missing: expected chapters, steps, got steps"),
    "a third step": (
        lambda plan: plan | {"steps": STEPS | {"more": {}}},
        "steps: more is unknown: expected bench, tests, got bench, more, tests",
    ),
    "a share that is text": (
        lambda plan: plan | {"steps": STEPS | {"bench": STEPS["bench"] | {"share": "half"}}},
        "steps.bench.share: expected a number from 0 up, got 'half'",
    ),
    "names that are one": (
        lambda plan: plan | {"steps": STEPS | {"tests": STEPS["tests"] | {"names": "tests"}}},
        "steps.tests.names: expected a list of texts, got 'tests'",
    ),
    "a chapter with a key misspelt": (
        lambda plan: plan | {"chapters": {"any": LADDER | {"folder": ["MNIST"]}}},
        "chapters.any: folder is unknown: expected first_takes, folders, grows_with",
    ),
    "a rung without what its time grows with": (
        lambda plan: plan | {"chapters": {"any": LADDER | {"rungs": [{"images": 1, "epochs": 2}, {"images": 2}]}}},
        "chapters.any.rungs[1]: epochs is missing: expected epochs, images, got images",
    ),
    "no rungs": (
        lambda plan: plan | {"chapters": {"any": LADDER | {"rungs": []}}},
        "chapters.any.rungs: expected at least one, got none",
    ),
}


@pytest.mark.parametrize(("spoil", "says"), SPOILT.values(), ids=SPOILT)
def test_a_plan_that_cannot_be_followed_is_refused_before_anything_is_started(
    tmp_path, monkeypatch, capsys, spoil, says
):
    plan, out = {"steps": STEPS, "chapters": {"any": LADDER}}, tmp_path / "out"
    (tmp_path / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    assert read_plan(tmp_path / "plan.json") == plan
    (tmp_path / "plan.json").write_text(json.dumps(spoil(plan)), encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["gpu_visit", "--plan", str(tmp_path / "plan.json"), "--out", str(out)])
    with pytest.raises(SystemExit) as refused:
        main()
    assert refused.value.code == 2 and says in capsys.readouterr().err and not out.exists()


@pytest.mark.parametrize("text", [None, "{"])
def test_a_plan_that_cannot_be_read_is_told_by_its_name(tmp_path, text):
    if text:
        (tmp_path / "plan.json").write_text(text, encoding="utf-8")
    with pytest.raises((OSError, ValueError), match=r"plan\.json"):
        read_plan(tmp_path / "plan.json")


def test_what_is_packed_by_default_can_be_carried_in_one_call():
    whole = Path(os.environ.get("LAYERLIB_DATA", ""), "cifar10_jpeg.npz")
    if not whole.is_file():
        pytest.skip("without whole CIFAR-10")
    with np.load(whole) as kept:
        bytes_of = {n: int(kept["train_offsets"][n] + kept["test_offsets"][-1]) for n in (PACKED, 50_000)}
    beside = (10 + 12) * 2**20  # the repository and the wheels
    assert bytes_of[PACKED] + beside < gpu_visit.ALL_FILES < bytes_of[50_000] + beside


def test_the_pictures_that_travel_are_the_first_of_the_whole_set(tmp_path):
    whole = ROOT / "layerlib" / "datasets" / "cifar10-mini.npz"
    first(whole, tmp_path / "few.npz", 40, 20)
    few, all_of_it = load(str(tmp_path / "few.npz")), load("cifar10-mini")
    assert len(few.train) == 40 and len(few.test) == 20 and few.classes == all_of_it.classes
    np.testing.assert_array_equal(few.train.images, all_of_it.train.images[:40])
    np.testing.assert_array_equal(few.test.labels, all_of_it.test.labels[:20])


def test_what_travels_arrives_as_it_was(tmp_path):
    for number, name in enumerate(RAW):
        (tmp_path / "whole" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "whole" / name).write_bytes(bytes(range(number, 200)) * 50)
    (tmp_path / "packed").mkdir()
    pack(tmp_path / "whole", tmp_path / "packed", pictures=0)
    unpack(tmp_path / "packed", tmp_path / "there")
    for name in RAW:
        assert (tmp_path / "there" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
        (tmp_path / "packed" / f"{name.replace('/', '-')}.xz").unlink()
    unpack(tmp_path / "packed", tmp_path / "elsewhere")  # what was not packed is not there
    assert not (tmp_path / "elsewhere").exists()
    assert not (tmp_path / "there" / "cifar10.npz").exists()


@pytest.fixture
def runs(monkeypatch, tmp_path):
    """A visit's commands as they would be run: their step, and their words; the record of a rung is its words."""
    done = []

    def run(self, step, *commands, limit):
        done.append((step, *(command[3:] for command in commands)))
        self.note(step, seconds=1.0, code=0)
        (tmp_path / "book" / "records").mkdir(parents=True, exist_ok=True)
        (tmp_path / "book" / "records" / "any.json").write_text(step, encoding="utf-8")
        (tmp_path / "any.ipynb").write_text(step, encoding="utf-8")
        return True

    monkeypatch.setattr(Visit, "run", run)
    monkeypatch.setattr("tools.gpu_visit.read_record", lambda _: took(0.5))
    return done


def test_shares_train_side_by_side_what_the_record_reads_back(visit, runs, tmp_path):
    shares = [{"seed": 1}, {"seed": 2}]
    ladder = {"values": {}, "grows_with": ["n"], "rungs": [{"n": 1}, {"n": 4}], "shares": shares}
    record(visit, "any", ladder, tmp_path, {})
    (first, small), (second, *apart), (third, large) = runs
    assert (first, second, third) == ("any: rung 0", "any: shares of rung 1", "any: rung 1")
    assert small[:3] == ["record", "any", "-pn=1"] and large[:3] == ["record", "any", "-pn=4"]
    assert [each[:2] for each in apart] == [["run", "any"]] * 2
    for share, seed in zip(apart, (1, 2), strict=True):
        assert {"-pn=4", f"-pseed={seed}", "full"} <= set(share)
    stores = {word for each in (large, *apart) for word in each if word.startswith("-pstore=")}
    assert len(stores) == 1  # one for all


@pytest.mark.parametrize(
    ("without", "ran", "taken"),
    [
        ({}, 1, "any: rung 1"),
        ({0: "small"}, 1, "any: rung 1"),
        ({1: "many pictures"}, 0, "any: rung 0"),
    ],
)
def test_a_rung_run_for_its_speed_alone_replaces_no_larger_record(visit, runs, tmp_path, without, ran, taken):
    ladder = {"values": {}, "grows_with": ["n"], "rungs": [{"n": 1}, {"n": 4}]}
    kept = []
    visit.take = lambda *files: kept.append([each.read_text(encoding="utf-8") for each in files])
    record(visit, "any", ladder, tmp_path, without)
    assert runs[-1][0] == f"any: rung {ran}"
    assert kept[-1] == [taken] * 2 and len(kept) == 2 - len(without)


def test_what_an_earlier_visit_brought_is_not_done_again(tmp_path, monkeypatch):
    out, plan = tmp_path / "out", {"steps": STEPS, "chapters": {"filter_evolution": LADDER}}
    (tmp_path / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    out.mkdir()
    (out / "filter_evolution.json").write_text("{}", encoding="utf-8")
    given = ["--plan", str(tmp_path / "plan.json"), "--out", str(out), "--work", str(tmp_path / "work")]
    monkeypatch.setattr("tools.gpu_visit.look", dict)
    monkeypatch.setattr("sys.argv", ["gpu_visit", "--only", "records", "--minutes", "5", *given])
    called = []
    monkeypatch.setattr("tools.gpu_visit.record", lambda *given: called.append(given[-1]))
    for images, expected in ((800, []), (200, [{0, 1}])):
        parameters = {"images": images, "width": 1.0}
        monkeypatch.setattr("tools.gpu_visit.read_record", lambda _, now=parameters: {"parameters": now})
        assert main() == 0
        assert [set(each) for each in called] == expected
    assert json.loads((out / "visit.json").read_text(encoding="utf-8"))[1]["step"] == "filter_evolution: rungs"


def test_files_too_large_to_be_taken_home_are_told(visit, monkeypatch):
    monkeypatch.setattr("tools.gpu_visit.A_FILE", 1000)
    monkeypatch.setattr("tools.gpu_visit.ALL_FILES", 2200)
    visit.end()
    assert not {"too_large", "too_large_together"} & set(visit.done[-1])
    for name, length in (("a.ipynb", 1001), ("b.json", 1000)):
        (visit.out / name).write_bytes(bytes(length))
    visit.end()
    assert visit.done[-1]["too_large"] == {"a.ipynb": 1001} and visit.done[-1]["bytes"] > 2001
    (visit.out / "c.json").write_bytes(bytes(1000))
    visit.end()
    assert visit.done[-1]["too_large_together"]["c.json"] == 1000 and (visit.out / "a.ipynb").is_file()


def test_what_there_is_no_time_for_is_not_started(tmp_path, monkeypatch):
    monkeypatch.setattr("tools.gpu_visit.look", dict)
    monkeypatch.setattr("sys.argv", ["gpu_visit", "--minutes", "1", "--out", str(tmp_path), "--work", str(tmp_path)])
    monkeypatch.setattr(Visit, "run", lambda *_, **__: pytest.fail("it was started"))
    assert main() == 0
    kept = json.loads((tmp_path / "visit.json").read_text(encoding="utf-8"))
    chapters = read_plan(PLAN)["chapters"]
    steps = [each["step"] for each in kept if ": rungs" not in each["step"]]
    assert (steps[:3], steps[-1]) == (["look", "tests", "bench"], "end")
    assert {each["step"].split(":")[0] for each in kept[1:-1]} == {"tests", "bench", *chapters}
    assert all("left_out" in each for each in kept[1:-1])


def test_without_a_device_nothing_is_begun(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(RuntimeError, match="no CUDA device"):
        look()
