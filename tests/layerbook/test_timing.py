import time

import torch
from torch import nn

from layerbook.timing import forward_milliseconds, milliseconds


def test_the_median_of_several_calls_in_milliseconds():
    waits = iter([0.0, 0.02, 0.5, 0.02, 0.02])
    assert 15 < milliseconds(lambda: time.sleep(next(waits)), times=5) < 200


def test_it_is_called_as_often_as_asked():
    calls = []
    milliseconds(lambda: calls.append(1), times=3)
    assert len(calls) == 3


def test_a_model_is_timed_on_its_batch_without_gradients():
    seen = []
    model = nn.Sequential(nn.Linear(2, 3))
    model.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0], output.requires_grad)))
    batch = torch.ones(4, 2)
    assert forward_milliseconds(model, batch) > 0
    assert seen and all(given is batch and not learns for given, learns in seen)
