"""A store whose writers are killed, frozen, out of room or several: a rerun gives the same weights, bit for bit."""

import os
import signal

import pytest
from disturbing import Place, finished, killed, moments, numbered_one, read_only, refused

pytestmark = pytest.mark.chaos


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return finished(Place(tmp_path_factory.mktemp("undisturbed")).train())


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


@pytest.mark.parametrize("moment", moments(0, 3, 1.0))
def test_killed_at_any_moment(place, undisturbed, moment):
    process = place.train()
    place.at_work(moment)
    killed(process)
    assert finished(place.train()) == undisturbed
    assert finished(place.train()) == undisturbed


def test_frozen_while_another_does_the_same(place, undisturbed):
    frozen = place.train()
    place.at_work(0.2)
    os.kill(frozen.pid, signal.SIGSTOP)
    assert finished(place.train()) == undisturbed
    os.kill(frozen.pid, signal.SIGCONT)
    assert finished(frozen) == undisturbed
    assert finished(place.train()) == undisturbed and not place.parts


@pytest.mark.parametrize("largest", [1, 3000])
def test_out_of_room(place, undisturbed, largest):
    assert refused(place.train(largest=largest)).startswith(f"OSError: store: {place.store}")
    assert not place.parts
    assert finished(place.train()) == undisturbed


def test_read_only(place, undisturbed):
    within = read_only(place.store)
    said = refused(place.train(within=within))
    assert said.startswith(f"ValueError: store: expected a folder to write to, got '{place.store}': Read-only")
    assert finished(place.train()) == undisturbed
    assert finished(place.train(within=within)) == undisturbed


@pytest.mark.parametrize("apart", [False, True], ids=["two processes", "two containers with equal numbers"])
def test_two_at_once(place, undisturbed, apart):
    within = numbered_one() if apart else ()
    assert [finished(each) for each in [place.train(within=within) for _ in range(2)]] == [undisturbed] * 2
    assert finished(place.train()) == undisturbed and not place.parts
