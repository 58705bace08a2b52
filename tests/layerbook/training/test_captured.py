"""A training on a GPU whose steps are replays of a graph, against the same one with its steps as written."""

import warnings
from functools import partial

import pytest
import torch
from torch import nn

from layerbook.training import _captured as captured
from layerbook.training import _trainer as trainer
from layerbook.training._captured import Captured
from layerbook.training.fit import OneCycle, TrainAccuracy, cross_entropy, fit, fit_ensemble
from layerlib import Split

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

random = torch.Generator().manual_seed(0)
TRAIN = Split(torch.randint(256, (75, 1, 6, 6), dtype=torch.uint8, generator=random), torch.arange(75) % 3)
FIFTY = {"loss": cross_entropy, "steps": 50, "batch_size": 15}
SGD = partial(torch.optim.SGD, lr=0.1, momentum=0.9)

SETTINGS = {
    "Adam": {},
    "momentum": {"optimizer": SGD},
    "a rate that changes": {"schedule": OneCycle(50)},
    "momentum and a rate that changes": {"optimizer": SGD, "schedule": OneCycle(50)},
    "AdamW, not fused": {"optimizer": partial(torch.optim.AdamW, lr=1e-3), "schedule": OneCycle(50)},
    "Adagrad, which keeps numbers on the CPU": {"optimizer": partial(torch.optim.Adagrad, lr=0.1)},
    "noise": {"noise": 0.1},
    "a last batch that is smaller": {"batch_size": 20},
    "batches as large as the samples": {"batch_size": 100},
    "until": {"until": TrainAccuracy(1.0)},
}


def layers():
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.ReLU(), nn.Linear(8, 3))


def normalised():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))


def dropping():
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))


def alone(make, **options):
    torch.manual_seed(0)
    model = make()
    return [model], fit(model, TRAIN, TRAIN, **FIFTY | options)


def side_by_side(make, **options):
    trained = fit_ensemble(make, [0, 1, 2], TRAIN, TRAIN, **FIFTY | options)
    return trained.models, trained.history


@pytest.fixture(autouse=True)
def _one_answer(monkeypatch):
    """Convolutions add up in one order, so that equal steps give equal weights."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)


@pytest.fixture
def graphs(monkeypatch):
    """Every training that was begun, to see how often its steps were captured."""
    made = []
    begin, capture = Captured.__init__, Captured._capture

    def noted(self, *given):
        begin(self, *given)
        self.captures = 0
        made.append(self)

    def counted(self, *given):
        done = capture(self, *given)
        self.captures += done
        return done

    monkeypatch.setattr(Captured, "__init__", noted)
    monkeypatch.setattr(Captured, "_capture", counted)
    return made


def as_written(monkeypatch, run, *given, **options):
    """The same training, never captured."""
    with monkeypatch.context() as patch:
        patch.setattr(captured, "WARM_UP", 10**9)
        return run(*given, **options)


def was_captured(steps, times=1):
    """On a pretended GPU there are no graphs, and each step runs as written."""
    return steps.captures == (times if steps.device.type == "cuda" else 0)


def same(ours, theirs):
    for one, other in zip(ours[0], theirs[0], strict=True):
        for name, value in one.state_dict().items():
            assert value.is_cuda and torch.equal(value, other.state_dict()[name]), name
    assert torch.equal(ours[1].loss, theirs[1].loss)
    assert torch.equal(ours[1].validation_error, theirs[1].validation_error)


@pytest.mark.parametrize("run", [alone, side_by_side])
@pytest.mark.parametrize("make", [layers, normalised])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_graph_and_steps_as_written_give_equal_weights_after_fifty_steps(run, make, settings, graphs, monkeypatch):
    with warnings.catch_warnings(action="error", category=RuntimeWarning):
        found = run(make, **settings)
    assert was_captured(graphs[-1])
    same(found, as_written(monkeypatch, run, make, **settings))
    assert graphs[-1].graph is None


def test_dropout_draws_in_a_graph_what_it_draws_in_steps_as_written(graphs, monkeypatch):
    found = alone(dropping)
    assert was_captured(graphs[-1])
    same(found, as_written(monkeypatch, alone, dropping))


def test_under_autocast_each_step_sees_the_weights_of_the_step_before(graphs, monkeypatch):
    if torch.empty(0, device="cuda").device.type != "cuda":
        pytest.skip("a pretended GPU has no autocast")
    with torch.autocast("cuda", dtype=torch.bfloat16):
        found = alone(layers, optimizer=SGD)
        assert was_captured(graphs[-1])
        same(found, as_written(monkeypatch, alone, layers, optimizer=SGD))
    exact = alone(layers, optimizer=SGD)[1]
    assert (found[1].loss - exact.loss).abs().max() < 0.05 < exact.loss[0] - exact.loss[-1]


class Seen:
    """Keeps the gradients of every step."""

    def __init__(self):
        self.gradients = []

    def __call__(self, step, model):
        self.gradients.append([p.grad.clone() for p in model.parameters() if step and p.grad is not None])


@pytest.mark.parametrize("batch_size", [15, 20])
def test_after_each_step_a_callback_sees_the_gradients_of_that_step(batch_size, monkeypatch):
    seen, expected = Seen(), Seen()
    alone(layers, callbacks=[seen], batch_size=batch_size)
    as_written(monkeypatch, alone, layers, callbacks=[expected], batch_size=batch_size)
    for ours, theirs in zip(seen.gradients, expected.gradients, strict=True):
        assert len(ours) == len(theirs) and all(map(torch.equal, ours, theirs))


def freezing(step, model):
    model[1].weight.requires_grad_(step < 20)


def moving(step, model):
    if step == 20:
        model[1].weight.data = model[1].weight.data.clone()


@pytest.mark.parametrize("change", [freezing, moving])
def test_a_callback_that_changes_what_a_graph_takes_for_granted_has_it_captured_anew(change, graphs, monkeypatch):
    found = alone(layers, callbacks=[change])
    assert was_captured(graphs[-1], times=2)
    same(found, as_written(monkeypatch, alone, layers, callbacks=[change]))


def waiting_loss(logits, labels):
    each = cross_entropy(logits, labels)
    return each * (1.0 if each.sum().item() > 0 else 2.0)


@pytest.mark.parametrize("make", [layers, dropping])
def test_what_cannot_be_captured_runs_as_written_and_says_so(make, graphs, monkeypatch):
    with warnings.catch_warnings(record=True, action="always") as said:
        found = alone(make, loss=waiting_loss)
    if graphs[-1].device.type == "cuda":
        assert graphs[-1].captures == 0
        assert ["run as written" in str(each.message) for each in said if each.category is RuntimeWarning] == [True]
    same(found, as_written(monkeypatch, alone, make, loss=waiting_loss))


def test_an_interrupted_training_ends_as_one_that_was_not(tmp_path, graphs, monkeypatch):
    options = {"noise": 0.1, "schedule": OneCycle(50)}
    whole = alone(layers, **options)
    monkeypatch.setattr(trainer, "SAVE_EVERY", 0.0)
    epoch = trainer._epoch

    def interrupted(training, *rest):
        if training.epoch == 5:
            raise KeyboardInterrupt
        epoch(training, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "_epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            alone(layers, store=tmp_path, **options)
    same(alone(layers, store=tmp_path, **options), whole)
    assert was_captured(graphs[-1])
