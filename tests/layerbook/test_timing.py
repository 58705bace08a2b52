import time

from layerbook.timing import milliseconds


def test_the_median_of_several_calls_in_milliseconds():
    waits = iter([0.0, 0.02, 0.5, 0.02, 0.02])
    assert 15 < milliseconds(lambda: time.sleep(next(waits)), times=5) < 200


def test_it_is_called_as_often_as_asked():
    calls = []
    milliseconds(lambda: calls.append(1), times=3)
    assert len(calls) == 3
