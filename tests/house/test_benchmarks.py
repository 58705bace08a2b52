"""The benchmarks measure what they say, and every task of theirs runs."""

import json
import os
from importlib import import_module

import numpy as np
import pytest

from benchmarks import Task, measure, one
from benchmarks.__main__ import INSTRUMENTS, RESULTS, line, on_a_gpu
from benchmarks.measure import alone, beside_others, measured, on_gpu
from benchmarks.moved import moved


class Clock:
    """Time that passes only where a call says so, and a microsecond whenever somebody looks."""

    now = 0.0

    def perf_counter(self) -> float:
        self.now += 1e-6
        return self.now

    def passes(self, seconds: float):
        def call(*_: object) -> None:
            self.now += seconds

        return call


@pytest.fixture
def clock(monkeypatch):
    fake = Clock()
    monkeypatch.setattr(measure, "time", fake)
    return fake


def test_a_task_is_held_against_its_peer_and_what_must_be_done(clock):
    task = Task("two", clock.passes(2), (), "six", clock.passes(6), share=0.5, must=clock.passes(1), turns=3)
    row = measured(task)
    assert row["ms"]["median"] == pytest.approx(2000, rel=1e-4)
    assert row["times_peer"]["median"] == pytest.approx(6, rel=1e-4)
    assert row["times_limit"]["median"] == pytest.approx(2, rel=1e-4)


def test_bytes_and_operations_are_a_limit_of_this_machine(clock):
    """A copy takes a microsecond by this clock, and so does a product."""
    row = measured(Task("moves", clock.passes(1e-3), nbytes=8 * measure.COPIED))
    assert row["limit_ms"]["median"] == pytest.approx(1e-3)
    row = measured(Task("computes", clock.passes(1e-3), nbytes=8 * measure.COPIED, operations=6 * measure.SIDE**3))
    assert row["limit_ms"]["median"] == pytest.approx(3e-3)


class Lying:
    """Something that goes to a device."""

    place = "cpu"

    def to(self, place):
        self.place = place
        return self


def test_on_a_gpu_a_peer_that_knows_none_is_timed_on_the_processor(clock):
    data, seen = Lying(), []

    def knows_none(given):
        if given.place == "cuda":
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        clock.now += 6

    def instrument(given):
        seen.append(given.place)
        clock.now += 2

    row = on_gpu(Task("two", instrument, (data,), "six", knows_none, share=0.5, turns=3))
    assert set(seen) == {"cuda"} and data.place == "cpu"
    assert row["gpu_ms"]["median"] == pytest.approx(2000, rel=1e-4)
    assert row["peer_on"] == "cpu" and row["peer_ms"]["median"] == pytest.approx(12000, rel=1e-4)
    row = on_gpu(Task("two", instrument, (data,), "three", clock.passes(3), turns=3))
    assert row["peer_on"] == "gpu" and row["peer_ms"]["median"] == pytest.approx(3000, rel=1e-4)
    assert set(on_gpu(Task("alone", instrument, (data,)))) == {"name", "gpu_ms"}


def test_on_a_gpu_what_was_measured_is_kept_row_by_row(clock, monkeypatch):
    tasks = [Task("one", clock.passes(1)), Task("two", clock.passes(2))]
    monkeypatch.setattr("benchmarks.__main__.INSTRUMENTS", ("any",))
    monkeypatch.setattr("benchmarks.__main__.import_module", lambda _: type("Any", (), {"tasks": lambda: tasks}))
    kept = []
    on_a_gpu(lambda rows: kept.append([(row["module"], row["name"]) for row in rows]))
    assert kept == [[("any", "one")], [("any", "one"), ("any", "two")]]


def test_other_programs_are_gone_after_a_busy_measurement(monkeypatch):
    started = []
    popen = measure.subprocess.Popen
    monkeypatch.setattr(measure.subprocess, "Popen", lambda *args: started.append(popen(*args)) or started[-1])
    found = beside_others(Task("nothing", lambda: None, peer="nothing", other=lambda: None), turns=1)
    assert found["median"] > 0
    assert len(started) == os.cpu_count() and all(each.poll() is not None for each in started)


def test_memory_is_what_a_call_holds_at_its_peak():
    held = alone(lambda: np.ones(25_000_000, dtype=np.float32).sum())
    assert 90 < held["mb"] < 120
    assert alone(lambda: None)["mb"] < 5


def test_a_ratio_has_moved_where_no_turn_of_one_run_lies_among_those_of_the_other():
    def row(low, high):
        return [{"name": "task", "times_peer": {"median": (low + high) / 2, "low": low, "high": high}}]

    assert moved(row(1, 2), row(1.9, 3)) == "0 of 1 ratios moved by more than the noise of both runs"
    assert "task: 1.5 [1, 2] became 2.5 [2.1, 2.9]" in moved(row(1, 2), row(2.1, 2.9))
    assert "1 of 1" in moved(row(2.1, 2.9), row(1, 2))
    assert "0 of 0" in moved([], row(1, 2))


def test_what_is_kept_has_every_task_that_there_is_and_says_where_it_was_measured():
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert {row["module"] for row in kept["instruments"]["rows"]} == set(INSTRUMENTS)
    for part in ("instruments", "growth", "networks"):
        assert kept[part]["code"]["commit"] and kept[part]["date"] and kept[part]["machine"]["cores"]
        assert os.sep not in json.dumps(kept[part]["machine"])
    assert all(line(row) for row in kept["instruments"]["rows"])


@pytest.mark.slow
@pytest.mark.parametrize("module", INSTRUMENTS)
def test_every_task_runs_and_finds_what_its_peer_finds(module):
    kept = {row["name"] for row in json.loads(RESULTS.read_text(encoding="utf-8"))["instruments"]["rows"]}
    for task in import_module(f"benchmarks.{module}").tasks():
        assert task.name in kept, "measure it: python -m benchmarks --keep"
        for call in (task.run, task.must):
            if call:
                call(*task.given)
        if task.apart:
            assert task.apart() < 1e-5


@pytest.mark.slow
def test_a_point_of_growth_is_measured_in_a_process_of_its_own():
    found = one.apart("growth", "perplexity, samples, 10000")
    assert found["seconds"] > 0 and found["mb"] > 0
