"""The visit to a borrowed GPU: what it plans, what it stops, what it keeps; on the pretend device in tests/device."""

import json
import os
import sys
import time
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch

from layerbook.chapters import chapters
from layerlib import load
from tools.gpu_visit import PLAN, Visit, largest, look, main, record
from tools.gpu_visit_data import RAW, first, pack, unpack

ROOT = Path(__file__).parents[2]
LADDER = {"grows_with": ["images", "epochs"], "rungs": [{"images": n, "epochs": 2} for n in (100, 200, 800)]}


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
    monkeypatch.setattr("tools.gpu_visit.MARGIN", 1.0)
    # 60 s, 40 of them training: 20 + 80 for twice the pictures is 100, 20 + 320 for eight times is 340
    found, needs = largest(LADDER, took(30.0, 10.0), 60.0, left + (-60 if left >= 399 else 0))
    assert needs == [60.0, 100.0, 340.0]
    assert found == rung


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
    for chapter, ladder in json.loads(PLAN.read_text(encoding="utf-8")).items():
        for rung in ladder["rungs"]:
            assert set(ladder["values"]) | set(rung) <= set(found[chapter].parameters)
        assert {name for share in ladder.get("shares", []) for name in share} <= set(found[chapter].parameters)
        work = [prod(rung[name] for name in ladder["grows_with"]) for rung in ladder["rungs"]]
        assert work == sorted(work) and work[0] < work[1] / 20


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
    assert not (tmp_path / "there" / "cifar10.npz").exists()


def test_shares_train_side_by_side_what_the_record_reads_back(visit, tmp_path, monkeypatch):
    done = []

    def run(self, step, *commands, limit):
        done.append((step, *(command[3:] for command in commands)))
        self.note(step, seconds=1.0, code=0)
        return True

    monkeypatch.setattr(Visit, "run", run)
    monkeypatch.setattr("tools.gpu_visit.read_record", lambda _: took(0.5))
    (tmp_path / "book" / "records").mkdir(parents=True)
    (tmp_path / "book" / "records" / "any.json").write_text("{}", encoding="utf-8")
    shares = [{"seed": 1}, {"seed": 2}]
    record(visit, "any", {"values": {}, "grows_with": ["n"], "rungs": [{"n": 1}, {"n": 4}], "shares": shares}, tmp_path)
    (first, small), (second, *apart), (third, large) = done
    assert (first, second, third) == ("any: rung 0", "any: shares of rung 1", "any: rung 1")
    assert small[:3] == ["record", "any", "-pn=1"] and large[:3] == ["record", "any", "-pn=4"]
    assert [each[:2] for each in apart] == [["run", "any"]] * 2
    for share, seed in zip(apart, (1, 2), strict=True):
        assert {"-pn=4", f"-pseed={seed}", "full"} <= set(share)
    stores = {word for each in (large, *apart) for word in each if word.startswith("-pstore=")}
    assert len(stores) == 1  # one for all


def test_what_there_is_no_time_for_is_not_started(tmp_path, monkeypatch):
    monkeypatch.setattr("tools.gpu_visit.look", dict)
    monkeypatch.setattr("sys.argv", ["gpu_visit", "--minutes", "1", "--out", str(tmp_path), "--work", str(tmp_path)])
    monkeypatch.setattr(Visit, "run", lambda *_, **__: pytest.fail("it was started"))
    assert main() == 0
    kept = json.loads((tmp_path / "visit.json").read_text(encoding="utf-8"))
    assert [each["step"] for each in kept] == ["look", "tests", "bench", *json.loads(PLAN.read_text(encoding="utf-8"))]
    assert all("left_out" in each for each in kept[1:])


def test_without_a_device_nothing_is_begun(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(RuntimeError, match="no CUDA device"):
        look()
