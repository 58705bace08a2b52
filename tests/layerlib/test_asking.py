"""What is asked is answered, alone or in step with others."""

import pytest
import torch

from layerlib._asking import answered, in_step


def halved(x, found):
    """Halve ``x`` as long as the largest is above 1, and keep each answer."""
    while True:
        numbers = yield x
        found.append(numbers)
        if max(numbers) <= 1:
            return len(found)
        x = x / 2


def test_answers_are_the_numbers_of_the_questions():
    found = []
    assert answered(halved(torch.tensor([[4.0, 2.0]]), found)) == 3
    assert found == [[4, 2], [2, 1], [1, 0.5]]


def test_what_asks_nothing_has_its_answer():
    def silent():
        yield from ()
        return 7

    assert answered(silent()) == 7
    in_step([silent()])


@pytest.mark.parametrize("count", [0, 1, 4])
def test_in_step_each_hears_what_it_would_hear_alone(count):
    starts = [torch.tensor(3.0 ** (i + 1)) if i % 2 else torch.rand(2, i + 1).double() for i in range(count)]
    alone, together = ([[] for _ in starts] for _ in range(2))
    for x, found in zip(starts, alone, strict=True):
        answered(halved(x, found))
    in_step(halved(x, found) for x, found in zip(starts, together, strict=True))
    assert alone == together and all(alone)


def test_whole_numbers_and_flags_come_as_they_are():
    def asking(found):
        found += yield torch.tensor([2**40 + 1, -3])
        found += yield torch.tensor(True)

    found = []
    in_step([asking(found)])
    assert found == [2**40 + 1, -3, 1]


def test_in_step_all_ask_before_one_is_answered():
    said = []

    def asking(name):
        said.append(f"{name} asks")
        yield torch.zeros(1)
        said.append(f"{name} knows")

    in_step(map(asking, "ab"))
    assert said == ["a asks", "b asks", "a knows", "b knows"]
