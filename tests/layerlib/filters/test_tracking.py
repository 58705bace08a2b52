"""Filters followed in training against copies of the network compared afterwards."""

import copy
import io

import numpy as np
import pytest
import torch
from networks import patches, small_network
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune

from layerbook.training.fit import cross_entropy, fit
from layerlib.filters.change import filter_change
from layerlib.filters.tracking import FilterTracker

LAYERS = ["0", "2", "7"]


def train_step(model, optimizer, seed: int, autocast: bool = False) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.rand(8, 3, 12, 12, generator=generator), torch.randint(5, (8,), generator=generator)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        loss = F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def by_checkpoints(model, steps: int, every: int, thresholds, **how):
    """The same from copies of the model kept every so many steps: per snapshot and layer the metrics of the tracker."""
    copies = {0: copy.deepcopy(model)}
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for step in range(1, steps + 1):
        train_step(model, optimizer, step, **how)
        if step % every == 0:
            copies[step] = copy.deepcopy(model)
    rows, changes = [], {name: [] for name in LAYERS}
    for step in range(every, steps + 1, every):
        for name in LAYERS:
            before, after = (copies[s].get_submodule(name).weight.detach() for s in (step - every, step))
            found = [filter_change(before, after, each(step)) for each in thresholds]
            rows.append(
                [
                    step,
                    found[0].distance,
                    found[0].per_weight,
                    *[value for each in found for value in (each.significant, each.still)],
                ]
            )
            changes[name].append(found[0].per_filter)
    return np.array(rows, dtype=float), {name: torch.stack(each).mean(0) for name, each in changes.items()}


@pytest.mark.parametrize("compiled, autocast", [(False, False), (False, True), (True, False)])
def test_tracking_equals_comparing_checkpoints(compiled, autocast):
    thresholds = {"fixed": 1e-2, "falling": lambda step: 1e-2 * 0.9**step}
    reference, means = by_checkpoints(
        small_network(), 23, 5, [lambda step: 1e-2, thresholds["falling"]], autocast=autocast
    )
    model = small_network()
    running = torch.compile(model, backend="eager") if compiled else model
    tracker = FilterTracker(running, LAYERS, every=5, threshold=thresholds)
    optimizer = torch.optim.Adam(running.parameters(), 1e-2)
    tracker(0, running)
    for step in range(1, 24):
        train_step(running, optimizer, step, autocast)
        tracker(step, running)
    frame = tracker.to_frame()
    assert list(frame.columns) == [
        "step",
        "layer",
        "distance",
        "per_weight",
        "significant_fixed",
        "still_fixed",
        "significant_falling",
        "still_falling",
    ]
    assert frame.layer.tolist() == LAYERS * 4
    np.testing.assert_allclose(frame.drop(columns="layer").to_numpy(dtype=float), reference, rtol=1e-6)
    for name in LAYERS:
        torch.testing.assert_close(tracker.mean_distance(name), means[name])


def test_a_plain_loop_gives_what_the_callback_gives():
    frames = []
    for plain in (False, True):
        model = small_network()
        tracker = FilterTracker(model, LAYERS, every=3)
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        for step in range(1, 10):
            train_step(model, optimizer, step)
            tracker.step() if plain else tracker(step, model)
        frames.append(tracker.to_frame())
    assert len(frames[0]) == 9 and frames[0].equals(frames[1])


def test_fit_takes_a_tracker_and_trains_the_same_network():
    split = patches()
    with_it, without = small_network(), small_network()
    tracker = FilterTracker(with_it, LAYERS, every=2)
    how = dict(epochs=3, batch_size=8, loss=cross_entropy, device="cpu")
    fit(with_it, split, callbacks=[tracker], **how)
    fit(without, split, **how)
    assert tracker.to_frame().step.unique().tolist() == [2, 4, 6, 8, 10, 12, 14]
    assert all(torch.equal(a, b) for a, b in zip(with_it.parameters(), without.parameters(), strict=True))


def falling(step: int) -> float:
    return 1e-3 / step


def test_a_stored_run_is_read_back_with_what_was_tracked(tmp_path):
    frames = []
    for _ in range(2):
        model = small_network()
        tracker = FilterTracker(model, LAYERS, every=2, threshold={"fixed": 1e-3, "falling": falling})
        fit(model, patches(), epochs=2, batch_size=8, loss=cross_entropy, callbacks=[tracker], store=tmp_path)
        frames.append(tracker.to_frame())
    assert len(list(tmp_path.iterdir())) == 1
    assert len(frames[0]) == 15 and frames[0].equals(frames[1])
    assert repr(tracker) == "FilterTracker(['0', '2', '7'], every=2, threshold={'fixed': 0.001, 'falling': 'falling'})"
    assert repr(FilterTracker(model, ["0"])) == "FilterTracker(['0'], every=10, threshold=0.0002)"


@pytest.mark.parametrize("stop", [6, 8])
def test_a_resumed_run_gives_what_an_uninterrupted_one_gives(stop):
    def run(model, optimizer, tracker, steps):
        for step in steps:
            train_step(model, optimizer, step)
            tracker(step, model)

    model = small_network()
    optimizer, tracker = torch.optim.Adam(model.parameters(), 1e-2), FilterTracker(model, LAYERS, every=3)
    run(model, optimizer, tracker, range(1, stop + 1))
    file = io.BytesIO()
    torch.save([each.state_dict() for each in (model, optimizer, tracker)], file)
    run(model, optimizer, tracker, range(stop + 1, 16))
    file.seek(0)
    again = small_network(seed=1)
    optimizer, resumed = torch.optim.Adam(again.parameters(), 1e-2), FilterTracker(again, LAYERS, every=3)
    for each, state in zip((again, optimizer, resumed), torch.load(file, weights_only=True), strict=True):
        each.load_state_dict(state)
    run(again, optimizer, resumed, range(stop + 1, 16))
    assert len(resumed.to_frame()) == 15 and resumed.to_frame().equals(tracker.to_frame())
    for name in LAYERS:
        assert torch.equal(resumed.mean_still(name), tracker.mean_still(name))


def test_a_gap_is_not_measured():
    model = small_network()
    tracker = FilterTracker(model, ["0"], every=3)
    for step in (1, 2, 3, 7, 8, 9, 10, 11, 12):
        tracker(step, model)
    assert tracker.to_frame().step.tolist() == [3, 12]


def test_step_0_begins_anew_from_the_weights_as_they_are():
    model = small_network()
    tracker = FilterTracker(model, ["0"], every=1)
    with torch.no_grad():
        model[0].weight += 1
    tracker(0, model)
    tracker(1, model)
    assert tracker.to_frame().distance.tolist() == [0]


def test_means_are_over_all_measurements():
    model = small_network()
    tracker = FilterTracker(model, ["0"], every=1, threshold={"low": 0.1, "high": 0.3})
    assert tracker.mean_distance("0").isnan().all() and len(tracker.to_frame()) == 0
    for size in (0.2, 0.4):
        with torch.no_grad():
            model[0].weight[1] += size
        tracker.step()
    torch.testing.assert_close(tracker.mean_distance("0"), torch.tensor([0, 27 * 0.1, 0, 0], dtype=torch.float64))
    assert tracker.mean_still("0").tolist() == [1, 0, 1, 1]
    assert tracker.mean_still("0", "high").tolist() == [1, 0.5, 1, 1]


def test_only_one_copy_of_the_tracked_weights_is_held():
    model = small_network()
    tracker = FilterTracker(model, LAYERS, every=1)
    for _ in range(50):
        tracker.step()
    held = sum(t.numel() for t in tracker.state_dict()["copy"].values())
    assert held == sum(model.get_submodule(name).weight.numel() for name in LAYERS)
    assert tracker.state_dict()["rows"].shape == (50, 3, 4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_measuring_never_waits_for_the_device():
    model = small_network().cuda()
    tracker = FilterTracker(model, LAYERS, every=2)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(6):
            tracker.step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(tracker.to_frame()) == 9


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(names=["0", "1"]), "expected a layer with a weight of its own, got '1', a ReLU"),
        (dict(names=["3"]), r"names: expected weights \(filters, .* got \(6,\) of '3'"),
        (dict(names=["00"]), "has no layer '00'; closest are .*'0'"),
        (dict(names=["0", "0"]), "names: expected at least one layer, each once"),
        (dict(names=[]), "names: expected at least one layer"),
        (dict(every=0), "every: expected a whole number from 1 up, got 0"),
        (dict(every=2.5), "every: expected a whole number from 1 up, got 2.5"),
        (dict(threshold=0.0), "threshold: expected a finite number above 0"),
        (dict(threshold={}), "threshold: expected at least one, got none"),
    ],
)
def test_bad_trackers_raise(change, message):
    with pytest.raises(ValueError, match=message):
        FilterTracker(**{"model": small_network(), "names": ["0"], **change})


def test_replaced_parameters_raise():
    model = small_network()
    tracker = FilterTracker(model, ["2"], every=1)
    model[2].weight = nn.Parameter(model[2].weight.detach().clone())
    with pytest.raises(ValueError, match="the weight of '2' was replaced"):
        tracker.step()


def test_another_model_raises():
    tracker = FilterTracker(small_network(), ["2"], every=1)
    with pytest.raises(ValueError, match="expected the one whose layers are tracked, got another Sequential"):
        tracker(1, small_network())


@pytest.mark.parametrize(
    ("layer", "move", "expected"),
    [
        (lambda: nn.ConvTranspose2d(3, 2, 2), lambda w: w[:, 1], [0, 12]),
        (lambda: nn.ConvTranspose1d(4, 6, 3, groups=2), lambda w: w[2:, 1], [0, 0, 0, 0, 6, 0]),
        (lambda: nn.Conv1d(3, 2, 5), lambda w: w[1], [0, 15]),
        (lambda: nn.Conv3d(2, 3, 2), lambda w: w[2, 0], [0, 0, 8]),
    ],
)
def test_filters_are_followed_along_what_the_layer_puts_out(layer, move, expected):
    model = nn.Sequential(layer())
    tracker = FilterTracker(model, "0", every=1, threshold=0.5)
    with torch.no_grad():
        move(model[0].weight).add_(1)
    tracker.step()
    torch.testing.assert_close(tracker.mean_distance("0"), torch.tensor(expected, dtype=torch.float64))
    still = tracker.mean_still("0")
    assert torch.equal(still < 1, torch.tensor(expected) > 0)


@pytest.mark.parametrize(
    "how",
    [
        nn.utils.parametrizations.weight_norm,
        nn.utils.parametrizations.spectral_norm,
        lambda layer: prune.l1_unstructured(layer, "weight", amount=0.5),
    ],
)
def test_the_weights_that_a_layer_makes_are_followed_and_stay_as_they_are(how):
    model = small_network()
    how(model[0])
    tracker = FilterTracker(model, "0", every=1)
    x = torch.rand(4, 3, 12, 12)
    for seed in range(3):
        model.eval()(x)
        before = model[0].weight.detach().clone()
        with torch.no_grad():
            for parameter in model[0].parameters():
                parameter += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed))
        model.train()
        state = copy.deepcopy(model[0].state_dict())
        tracker.step()
        assert all(torch.equal(value, state[key]) for key, value in model[0].state_dict().items())
        model.eval()(x)
        found = tracker.to_frame().distance.iloc[-1]
        assert found == pytest.approx(filter_change(before, model[0].weight, 2e-4).distance.item(), rel=1e-5) and found


def test_a_threshold_that_falls_to_zero_raises():
    tracker = FilterTracker(small_network(), ["2"], every=1, threshold=lambda step: 1 - step)
    with pytest.raises(ValueError, match="threshold: expected a number above 0, got 0"):
        tracker.step()


def test_anothers_state_raises():
    state = FilterTracker(small_network(), ["0"]).state_dict()
    with pytest.raises(ValueError, match="state: expected every 5, got 10"):
        FilterTracker(small_network(), ["0"], every=5).load_state_dict(state)
    with pytest.raises(ValueError, match=r"state: expected names \['2'\], got \['0'\]"):
        FilterTracker(small_network(), ["2"]).load_state_dict(state)
    other = nn.Sequential(nn.Conv2d(3, 5, 3))
    with pytest.raises(ValueError, match=r"state: expected '0' of shape \(5, 3, 3, 3\), got \(4, 3, 3, 3\)"):
        FilterTracker(other, ["0"]).load_state_dict(state)


def test_unknown_means_raise():
    tracker = FilterTracker(small_network(), ["0"], threshold={"fixed": 0.1})
    with pytest.raises(ValueError, match=r"name: expected one of the layers tracked, \['0'\], got '2'"):
        tracker.mean_distance("2")
    with pytest.raises(ValueError, match=r"threshold: expected one of \['fixed'\], got 'low'"):
        tracker.mean_still("0", "low")
