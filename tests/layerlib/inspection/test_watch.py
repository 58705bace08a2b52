"""A watch sees what inspect sees, when it should, and leaves the training as it was."""

import copy
import io

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import layerlib as ll
from layerlib.inspection._lenses import QUANTITIES


def data(samples=60, seed=0):
    random = torch.Generator().manual_seed(seed)
    y = torch.arange(samples) % 3
    return torch.randn(samples, 6, generator=random) + torch.eye(3, 6)[y], y


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Dropout(0.3), nn.Linear(12, 3))


def train(model, steps, watch=None, seed=1):
    torch.manual_seed(seed)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x, y = data(seed=5)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model.train()(x), y).backward()
        optimizer.step()
        if watch is not None:
            watch.step()


def test_a_watch_inspects_at_first_and_every_so_many_steps():
    model, moments = network(), {}
    watch = ll.Watch(model, data(), every=3, seed=2)
    start = copy.deepcopy(model)
    for step in range(8):
        if step in (0, 3, 6):
            moments[step] = copy.deepcopy(model)
        train(model, 1, watch, seed=step)
    assert list(watch.inspections) == [0, 3, 6]
    for step, found in watch.inspections.items():
        expected = ll.inspect(moments[step], data(), before=start, seed=2, instruments=tuple(QUANTITIES))
        if step:
            assert found == expected
    frame = watch.to_frame()
    assert frame.columns[0] == "step" and sorted(set(frame["step"])) == [0, 3, 6]
    changed = frame.query("quantity == 'relative_change'").pivot(index="step", columns="layer", values="value")
    assert (changed.loc[6] > changed.loc[3]).all()


def test_training_goes_the_same_way_with_a_watch():
    alone, watched = network(), network()
    watch = ll.Watch(watched, data(), every=2)
    train(alone, 7)
    train(watched, 7, watch)
    for name, value in alone.state_dict().items():
        assert torch.equal(watched.state_dict()[name], value)
    assert watched.training and 0 < watch.share < 1 and watch.seconds > 0


def test_random_numbers_of_the_training_are_those_without_a_watch():
    model, loader = network(), DataLoader(TensorDataset(*data()), batch_size=20, shuffle=True)
    torch.manual_seed(3)
    state = torch.get_rng_state()
    watch = ll.Watch(model, loader, every=1, instruments="rank")
    watch.step()
    assert torch.equal(torch.get_rng_state(), state)


def test_a_network_whose_weights_are_no_numbers_any_more_is_watched_to_the_end():
    model = network()
    watch = ll.Watch(model, data(), every=1)
    nn.init.constant_(model[0].weight, torch.nan)
    watch.step()
    found = watch.inspections[1]
    assert found.values["distance"].isnan().all()
    assert "not finite" in found.reasons["0", "rank"]


def test_a_source_is_gone_through_once():
    times = []

    class Source:
        def __iter__(self):
            times.append(1)
            yield data()

    watch = ll.Watch(network(), Source(), every=1, instruments="rank", input=lambda batch: batch[0])
    for _ in range(3):
        watch.step()
    assert len(times) == 1 and len(watch.inspections) == 4


def test_numbers_are_logged_by_step_also_those_made_before():
    logged = {}
    watch = ll.Watch(network(), data(), every=2)
    assert watch.log_to(lambda numbers, step: logged.update({step: numbers})) is watch
    watch.step()
    watch.step()
    assert list(logged) == [0, 2]
    assert logged[2]["0/distance"] == watch.inspections[2].values["distance"][0].item()
    assert logged[2]["accuracy"] == watch.inspections[2].accuracy
    assert all(np.isfinite(value) for numbers in logged.values() for value in numbers.values())


def test_a_resumed_watch_goes_on_where_it_was():
    model = network()
    watch = ll.Watch(model, data(), every=2)
    train(model, 5, watch)
    kept = io.BytesIO()
    torch.save({"model": model.state_dict(), "watch": watch.state_dict()}, kept)
    kept.seek(0)
    state = torch.load(kept, weights_only=True)
    again = network()
    again.load_state_dict(state["model"])
    resumed = ll.Watch(again, data(), every=2)
    resumed.load_state_dict(state["watch"])
    train(model, 3, watch, seed=9)
    train(again, 3, resumed, seed=9)
    assert watch.inspections == resumed.inspections and list(resumed.inspections) == [0, 2, 4, 6, 8]
    with pytest.raises(ValueError, match="state: expected every 3, got 2"):
        ll.Watch(again, data(), every=3).load_state_dict(state["watch"])


def test_the_figure_has_a_map_of_layers_and_steps_for_each_instrument():
    model = network()
    watch = ll.Watch(model, data(), every=2)
    train(model, 4, watch)
    maps = {ax.get_title(): ax.collections[0].get_array() for ax in watch.figure().axes if ax.get_title()}
    assert len(maps) == 9 and all(values.shape == (2, 3) for values in maps.values())
    np.testing.assert_allclose(maps["distance to the target"][:, 2], watch.inspections[4].values["distance"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "every: expected a whole number from 1 up, got 0"),
        ({"every": 2.5}, "every: expected a whole"),
        ({"instrument": "nodes"}, r"options: expected some of .*, got 'instrument': did you mean instruments\?"),
        ({"read": "all"}, "read: expected one of"),
    ],
)
def test_bad_options_are_refused_before_training(options, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        ll.Watch(network(), data(), **options)


@pytest.mark.slow
def test_ten_inspections_of_a_thousand_samples_cost_a_tenth_of_a_training_at_most(capsys):
    from benchmarks import watch

    assert watch.main()["share_of_training"] < 0.1
