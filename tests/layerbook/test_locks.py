"""Locks: one holder at a time, whoever dies."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from layerbook import locks
from layerbook.locks import Busy, held, lives

HOLDING = "import sys, time; from pathlib import Path; from layerbook.locks import held\n"
HOLDING += "with held(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"


@pytest.fixture
def holder(tmp_path):
    """Another process that holds ``a.lock``."""
    command = [sys.executable, "-c", HOLDING, str(tmp_path / "a.lock")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_lock_is_there_while_it_is_held_and_refuses_others(tmp_path):
    lock = tmp_path / "folder" / "a.lock"
    with held(lock):
        assert lives(lock)
        with pytest.raises(Busy, match=f"held by process {os.getpid()} on .*a.lock"), held(lock):
            pass
        assert lives(lock)
    assert list(lock.parent.iterdir()) == [] and not lives(lock)


def test_a_lock_of_a_process_that_lives_is_respected_and_of_a_killed_one_taken_at_once(tmp_path, holder):
    lock = tmp_path / "a.lock"
    with pytest.raises(Busy, match=f"held by process {holder.pid} "), held(lock):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert lock.exists() and not lives(lock)
    with held(lock):
        assert json.loads(lock.read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_that_nobody_has_waited_for_is_gone_too(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while lives(tmp_path / "a.lock"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_process_of_the_same_number_that_began_at_another_time_is_another(tmp_path):
    lock = tmp_path / "a.lock"
    lock.write_text(json.dumps(locks._owner() | {"started": "1"}))
    assert not lives(lock)


@pytest.mark.parametrize("text", [json.dumps({"machine": ["elsewhere"], "pid": 1, "started": "1"}), "", "[]"])
def test_a_holder_elsewhere_lives_as_long_as_its_lock_is_touched(tmp_path, text):
    lock = tmp_path / "a.lock"
    lock.write_text(text)
    assert lives(lock)
    before = time.time() - locks.LAPSED - 1
    os.utime(lock, (before, before))
    assert not lives(lock)
    with held(lock):
        pass


def test_a_holder_touches_its_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "BEAT", 0.01)
    lock = tmp_path / "a.lock"
    with held(lock):
        os.utime(lock, (0, 0))
        deadline = time.monotonic() + 20
        while lock.stat().st_mtime == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_holder_that_lost_its_lock_leaves_that_of_the_next(tmp_path):
    lock = tmp_path / "a.lock"
    with held(lock):
        lock.write_text(json.dumps(locks._owner()))
    assert lives(lock)


def _enter(path, inside, most, rounds):
    for _ in range(rounds):
        try:
            with held(path):
                with inside.get_lock():
                    inside.value += 1
                    most.value = max(most.value, inside.value)
                time.sleep(0.001)
                with inside.get_lock():
                    inside.value -= 1
        except Busy:
            time.sleep(0.001)


def test_of_many_processes_one_is_inside(tmp_path):
    spawn = multiprocessing.get_context("fork")
    inside, most = spawn.Value("i", 0), spawn.Value("i", 0)
    several = [spawn.Process(target=_enter, args=(tmp_path / "a.lock", inside, most, 60)) for _ in range(4)]
    for each in several:
        each.start()
    for each in several:
        each.join()
    assert (inside.value, most.value) == (0, 1)
    assert list(tmp_path.iterdir()) == []
