"""Sweeps that are killed, frozen, out of room or two at once: the same again gives the same numbers in every run.

What a cluster makes of workers and schedulers that are killed is in ``tests/foreign/test_dask.py``.
"""

import json
import os
import signal
import time

import pytest
from disturbing import Drawn, finished, killed, moments, numbered_one, read_only, refused

pytestmark = pytest.mark.chaos


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    place = Drawn(tmp_path_factory.mktemp("undisturbed"))
    assert finished(place.sweep()) == f"3 of 3 runs have finished: {place.runs}\n"
    said = place.said()
    assert len({numbers["sum"] for numbers, _ in said.values()}) == 3
    return said


@pytest.fixture
def place(tmp_path):
    return Drawn(tmp_path)


def holder(place):
    """A run that goes on, as the process that holds its lock, and this lock."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        for lock in place.runs.glob("*.lock"):
            if text := lock.read_text():
                return json.loads(text)["pid"], lock
        time.sleep(0.02)
    raise AssertionError("no run began")


def test_killed_at_any_moment(place, undisturbed):
    for moment in moments(0, 2, 3.0):
        process = place.sweep()
        place.at_work(moment)
        killed(process)
    assert finished(place.sweep()).startswith("3 of 3 runs have finished")
    assert place.said() == undisturbed and not place.parts and not list(place.runs.glob("*.lock"))


def test_frozen_while_another_does_the_same(place, undisturbed):
    frozen = place.sweep()
    place.at_work(0.2)
    os.kill(frozen.pid, signal.SIGSTOP)
    finished(place.sweep())
    assert place.said() == undisturbed
    os.kill(frozen.pid, signal.SIGCONT)
    finished(frozen)
    assert place.said() == undisturbed and not place.parts


def test_one_of_its_runs_is_frozen_for_a_minute_and_made_elsewhere(place, undisturbed):
    sweep = place.sweep()
    place.at_work(0.2)
    run, lock = holder(place)
    os.kill(run, signal.SIGSTOP)
    past = time.time() - 100  # nobody touches the lock any more: a minute has gone by, and more
    os.utime(lock, (past, past))
    finished(place.sweep(within=numbered_one()))
    assert place.said() == undisturbed
    os.kill(run, signal.SIGCONT)
    finished(sweep)
    assert place.said() == undisturbed and not place.parts and not list(place.runs.glob("*.lock"))


def test_out_of_room(place, undisturbed):
    assert "File too large" in refused(place.sweep(largest=3000))
    assert not place.said() and not place.parts
    finished(place.sweep())
    assert place.said() == undisturbed


def test_read_only(place, undisturbed):
    place.runs.mkdir()
    said = refused(place.sweep(within=read_only(place.runs)))
    assert said == f"layerlib: --out: expected a folder to write to, got '{place.runs}': Read-only file system"
    assert not (place.folder / "started").exists()
    finished(place.sweep())
    assert place.said() == undisturbed


@pytest.mark.parametrize("apart", [False, True], ids=["two processes", "two containers with equal numbers"])
def test_two_at_once(place, undisturbed, apart):
    within = numbered_one() if apart else ()
    for each in [place.sweep(within=within) for _ in range(2)]:
        assert finished(each).startswith("3 of 3 runs have finished")
    assert place.said() == undisturbed and not place.parts and not list(place.runs.glob("*.lock"))
