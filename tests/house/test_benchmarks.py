"""The benchmarks measure what they say, and every task of theirs runs."""

import json
import os
from functools import partial
from importlib import import_module

import numpy as np
import pytest
import torch

from benchmarks import Task, compiled, measure, one
from benchmarks import __main__ as main
from benchmarks.__main__ import INSTRUMENTS, RESULTS, line, on_a_gpu
from benchmarks.backward import back
from benchmarks.early_exit import of_those_left
from benchmarks.measure import alone, beside_others, least, measured, on_gpu
from benchmarks.moved import moved
from layerlib import Split
from layerlib.models import build


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


def test_a_row_keeps_what_has_to_be_moved_and_computed(clock):
    """Said, or else the bytes of what is given, and what PyTorch counts in what must be done."""
    a, b = torch.ones(4, 8), torch.ones(8, 16)
    row = measured(Task("given", clock.passes(1), (a, b), must=torch.mm))
    assert row["bytes"] == 4 * (4 * 8 + 8 * 16) and row["operations"] == 2 * 4 * 8 * 16
    row = measured(Task("said", clock.passes(1), (a,), nbytes=2_500_000, operations=3e9))
    assert (row["bytes"], row["operations"]) == (2_500_000, 3e9)
    shown = line(row | {"mb": 1.0, "times_peer": {"median": 3.0}}).split()
    assert shown[2:5] == ["3.0", "2.5M", "3.0G"]
    model, split = torch.nn.Linear(3, 2), Split(torch.zeros(5, 1, 2, 2).byte(), torch.zeros(5).long())
    assert least(Task("both", clock.passes(1), (model, split, 7)))[0] == 4 * 8 + 20 + 40


def test_a_pass_back_stops_at_the_first_layer_unless_it_must_reach_the_pixels():
    model, x, y = (
        torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 2)),
        torch.ones(5, 3),
        torch.zeros(5).long(),
    )
    counted = [least(Task("back", back, (model, x, y), must=partial(back, pixels=to)))[1] for to in (False, True)]
    assert counted[1] - counted[0] == 2 * 5 * 2 * 3
    assert all(each.requires_grad and each.grad is None for each in model.parameters())
    assert not model[0]._forward_hooks


def test_the_pass_of_those_left_computes_less_after_every_tap():
    model = build("resnet18", 3, width=0.125, channels=1).eval()
    seen = []
    model.fc.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    of_those_left(model, torch.zeros(100, 1, 16, 16).byte())
    assert seen == [4] and not any(each._forward_hooks for each in model.modules())


def test_what_a_visit_measured_is_kept_in_a_file_of_its_own(tmp_path, monkeypatch):
    kept = tmp_path / "results.json"
    kept.write_text('{"instruments": {}}')
    monkeypatch.setattr(main, "RESULTS", kept)
    monkeypatch.setattr(main, "VISIT", tmp_path / "gpu.json")
    monkeypatch.setattr(main.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(main, "surroundings", lambda: {"date": "now"})
    asked = []
    monkeypatch.setattr(main, "on_a_gpu", lambda modules, keep: asked.append(modules) or keep([{"name": "one"}]))
    for words in (["gpu", "nodes"], ["gpu", "--keep"]):
        monkeypatch.setattr("sys.argv", ["benchmarks", *words])
        main.main()
    assert asked == [["nodes"], INSTRUMENTS]
    visited = {"gpu": {"date": "now", "rows": [{"name": "one"}]}}
    assert json.loads((tmp_path / "gpu.json").read_text()) == visited
    assert json.loads(kept.read_text()) == {"instruments": {}}


def test_rows_of_another_run_are_not_put_between_those_that_are_kept(monkeypatch, capsys):
    monkeypatch.setattr(main, "against_peers", lambda modules: pytest.fail("it must not measure for nothing"))
    for words in (["nodes", "--keep"], ["gpu", "nodes", "--keep"], ["growth", "compiled", "--keep"]):
        monkeypatch.setattr("sys.argv", ["benchmarks", *words])
        with pytest.raises(SystemExit):
            main.main()
        assert "--keep takes over all instruments or none" in capsys.readouterr().err


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


def test_a_row_says_why_its_peer_is_missing_or_computed_elsewhere(clock, monkeypatch):
    def refuses(given):
        if given.place == "cuda":
            raise RuntimeError("no kernel. More of it")

    row = on_gpu(Task("two", lambda given: None, (Lying(),), "peer", refuses, says=lambda: {"first_s": 3.0}))
    assert row["peer_on"] == "cpu" and row["peer_refused"] == "RuntimeError: no kernel" and row["first_s"] == 3.0

    def cannot(function):
        raise OSError("no compiler here")

    monkeypatch.setattr(compiled.torch, "compile", cannot)
    task = next(compiled.tasks())
    assert task.other is None and task.says() == {"left_out": "torch.compile: OSError: no compiler here"}


def test_steps_of_a_training_are_those_of_its_peer_from_the_same_start():
    task = compiled.against("steps as written", lambda training: training.step)
    for call in (task.run, task.other):
        call(*task.given)
    assert task.says()["weights_apart"] == 0
    task.run(*task.given)  # goes on from there
    start, first = compiled.begin(torch.device("cpu")).run.network.parameters, task.run.weights
    assert not any(map(torch.equal, start, first)) and task.says()["weights_apart"] == 0


def test_on_a_gpu_what_was_measured_is_kept_row_by_row(clock, monkeypatch):
    tasks = [Task("one", clock.passes(1)), Task("two", clock.passes(2))]
    monkeypatch.setattr("benchmarks.__main__.import_module", lambda _: type("Any", (), {"tasks": lambda: tasks}))
    kept = []
    on_a_gpu(["any"], lambda rows: kept.append([(row["module"], row["name"]) for row in rows]))
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
