from functools import partial

import pytest
import torch
from torch.nn import functional as F

from layerbook.training.fit import cross_entropy, fit
from layerbook.training.learning import Learning, mean_loss
from layerlib.data.splits import Split
from layerlib.filters.tracking import FilterTracker
from layerlib.models import MLP

PER_EPOCH = 4


@pytest.fixture(scope="module")
def split():
    generator = torch.Generator().manual_seed(0)
    return Split(torch.randint(256, (40, 1, 4, 4), dtype=torch.uint8, generator=generator), torch.arange(40) % 3)


def train(split, known, store=None, watched=True):
    torch.manual_seed(0)
    model = MLP((16, 50, 3), bias="all")
    tracker = FilterTracker(model, ["linear1"], every=2, threshold=1e-3)
    learning = Learning(model, split, PER_EPOCH, tracker, known)
    history = fit(
        model,
        split,
        epochs=30,
        loss=cross_entropy,
        optimizer=partial(torch.optim.Adam, lr=0.03),
        batch_size=10,
        snapshots=range(0, 121, PER_EPOCH),
        callbacks=[tracker, learning] if watched else [tracker],
        store=store,
    )
    return model, history, tracker, learning


def test_learning_ends_with_the_first_epoch_after_which_the_loss_is_small_enough(split):
    model, history, tracker, learning = train(split, known=0.3)
    losses = []
    for step in range(PER_EPOCH, 121, PER_EPOCH):
        twin = MLP((16, 50, 3), bias="all")
        twin.load_state_dict(history.snapshots[step])
        losses.append(F.cross_entropy(twin(split.images / 255), split.labels).item())
    first = next(i for i, loss in enumerate(losses, start=1) if loss <= 0.3)
    assert 1 < first < 30
    assert learning.losses == pytest.approx(losses[:first], rel=1e-5)
    assert learning.kept["step"] == first * PER_EPOCH
    for name, weight in learning.kept["weights"].items():
        assert torch.equal(weight, history.snapshots[first * PER_EPOCH][name])
    assert learning.kept["tracker"]["step"] == first * PER_EPOCH
    # the training went on
    assert tracker.to_frame().step.max() == 120
    assert not torch.equal(model.linear1.weight, learning.kept["weights"]["linear1.weight"])


def test_looking_changes_nothing(split):
    models = [train(split, 0.3, watched=watched)[0].state_dict() for watched in (True, False)]
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])


def test_a_network_that_never_knows_its_samples_keeps_nothing(split):
    assert train(split, known=1e-9)[3].kept is None


def test_what_was_kept_is_read_back_with_a_stored_training(split, tmp_path):
    first, again = (train(split, 0.3, store=tmp_path)[3] for _ in range(2))
    assert len(list(tmp_path.glob("*.pt"))) == 1
    assert again.losses == first.losses and again.kept["step"] == first.kept["step"]
    assert all(torch.equal(each, again.kept["weights"][name]) for name, each in first.kept["weights"].items())


def test_another_end_of_learning_is_another_training(split, tmp_path):
    for known in (0.3, 0.2):
        train(split, known, store=tmp_path)
    assert len(list(tmp_path.glob("*.pt"))) == 2


def test_the_mean_loss_is_that_of_all_samples_in_evaluation_mode(split):
    model = torch.nn.Sequential(MLP((16, 5, 3)), torch.nn.Dropout(0.5)).train()
    expected = F.cross_entropy(model[0](split.images / 255), split.labels).item()
    assert mean_loss(model, split, batch_size=7) == pytest.approx(expected, rel=1e-6)
    assert model[1].training
