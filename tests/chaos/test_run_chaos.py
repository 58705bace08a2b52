"""Runs that are killed, frozen, out of room or two at once: a rerun says the same numbers."""

import os
import signal

import pytest
from disturbing import Drawn, finished, killed, moments, numbered_one, read_only, refused

pytestmark = pytest.mark.chaos


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    place = Drawn(tmp_path_factory.mktemp("undisturbed"))
    finished(place.run())
    said = place.said()
    assert said["toy.ipynb"][0]["sum"]
    return said


@pytest.fixture
def place(tmp_path):
    return Drawn(tmp_path)


def test_killed_at_any_moment(place, undisturbed):
    for moment in moments(0, 2, 1.5):
        process = place.run()
        place.at_work(moment)
        killed(process)
    finished(place.run())
    assert place.said() == undisturbed and not place.parts


def test_frozen_while_another_does_the_same(place, undisturbed):
    frozen = place.run()
    place.at_work(0.2)
    os.kill(frozen.pid, signal.SIGSTOP)
    finished(place.run())
    assert place.said() == undisturbed
    os.kill(frozen.pid, signal.SIGCONT)
    finished(frozen)
    assert place.said() == undisturbed and not place.parts


def test_out_of_room(place, undisturbed):
    finished(place.run())
    assert refused(place.run(largest=3000)).startswith("layerlib: ")
    assert place.said() == undisturbed and not place.parts
    finished(place.run())
    assert place.said() == undisturbed


def test_read_only(place, undisturbed):
    place.runs.mkdir()
    said = refused(place.run(within=read_only(place.runs)))
    assert said == f"layerlib: --out: expected a folder to write to, got '{place.runs}': Read-only file system"
    assert not (place.folder / "started").exists()
    finished(place.run())
    assert place.said() == undisturbed


@pytest.mark.parametrize("apart", [False, True], ids=["two processes", "two containers with equal numbers"])
def test_two_at_once(place, undisturbed, apart):
    within = numbered_one() if apart else ()
    for each in [place.run(within=within) for _ in range(2)]:
        finished(each)
    assert place.said() == undisturbed and not place.parts
