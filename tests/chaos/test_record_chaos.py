"""Runs and records that are killed, frozen, out of room or two at once: a rerun records the same numbers."""

import os
import signal

import pytest
from disturbing import Place, finished, killed, moments, read_only, refused

from layerbook.record import read_record

pytestmark = pytest.mark.chaos


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("undisturbed"))
    finished(place.record())
    return place.recorded()


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_killed_at_any_moment(place, undisturbed):
    for moment in moments(0, 2, 3.0):
        process = place.record()
        place.at_work(moment)
        killed(process)
    finished(place.record())
    assert place.recorded() == undisturbed
    assert {path.name for path in (place.folder / "_build" / "runs").iterdir()} == {"toy.full.ipynb"}


def test_frozen_while_another_does_the_same(place, undisturbed):
    frozen = place.record()
    place.at_work(0.2)
    os.kill(frozen.pid, signal.SIGSTOP)
    finished(place.record())
    assert place.recorded() == undisturbed
    os.kill(frozen.pid, signal.SIGCONT)
    finished(frozen)
    assert place.recorded() == undisturbed and not place.parts


def test_out_of_room(place, undisturbed):
    finished(place.record())
    before = (place.book / "records" / "toy.json").read_bytes()
    assert refused(place.record(largest=3000)).startswith("layerlib: ")
    assert (place.book / "records" / "toy.json").read_bytes() == before and not place.parts
    finished(place.record())
    assert place.recorded() == undisturbed


def test_read_only(place, undisturbed):
    records = place.book / "records"
    said = refused(place.record(within=read_only(records)))
    assert said == f"layerlib: records: expected a folder to write to, got '{records}': Read-only file system"
    assert not (place.folder / "started").exists()
    finished(place.record())
    assert place.recorded() == undisturbed


def test_two_at_once(place, undisturbed):
    for each in [place.record() for _ in range(2)]:
        finished(each)
    assert place.recorded() == undisturbed and read_record(place.book / "records" / "toy.json")
