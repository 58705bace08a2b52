"""The step schedule against torch's own, and in a training that is stored."""

from functools import partial

import pytest
import torch

from layerbook.training.fit import cross_entropy, fit
from layerbook.training.schedules import Decay
from layerlib.data.splits import Split


def test_rates_are_those_of_torchs_step_schedule():
    update = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    steps = torch.optim.lr_scheduler.StepLR(update, step_size=3, gamma=0.1)
    for step in range(10):
        assert Decay(3)(step) == pytest.approx(update.param_groups[0]["lr"])
        update.step()
        steps.step()


def test_a_training_takes_it_and_is_kept_under_another_name_for_another_schedule(tmp_path):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (40, 1, 4, 4), generator=generator).byte()
    split = Split(images, torch.arange(40) % 2)
    for every in (1, 1, 5):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2))
        sgd = partial(torch.optim.SGD, lr=0.1)
        fit(
            model,
            split,
            epochs=2,
            batch_size=10,
            loss=cross_entropy,
            optimizer=sgd,
            schedule=Decay(every),
            store=tmp_path,
        )
    assert len(list(tmp_path.glob("*.pt"))) == 2


@pytest.mark.parametrize("every", [0, 1.5, True])
def test_a_number_of_steps_is_a_whole_one(every):
    with pytest.raises(ValueError, match="every"):
        Decay(every)
