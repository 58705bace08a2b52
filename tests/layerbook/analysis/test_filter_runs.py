from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from layerbook.analysis import filter_seeds
from layerbook.analysis.filter_runs import READINGS, FilterRun
from layerbook.analysis.turning import TurningTracker
from layerbook.training.fit import cross_entropy, fit
from layerbook.training.learning import Learning
from layerlib.data.splits import Split
from layerlib.filters.gradients import gradient_sizes

NAMES = ["0", "2", "4"]


def network():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.ReLU(), nn.Conv2d(5, 6, 1), nn.Flatten(), nn.Linear(96, 3)
    )


@pytest.fixture(scope="module")
def runs():
    """Two trainings with their snapshots, one until long after it has learned."""
    made = []
    for seed, known in ((1, 0.5), (2, 1e-9)):
        torch.manual_seed(seed)
        model, start = network(), network()
        start.load_state_dict(model.state_dict())
        generator = torch.Generator().manual_seed(0)
        split = Split(torch.randint(256, (30, 1, 8, 8), dtype=torch.uint8, generator=generator), torch.arange(30) % 3)
        tracker = TurningTracker(model, NAMES, every=2, threshold={"fixed": 0.002, "falling": 0.001})
        learning = Learning(model, split, 3, tracker, known)
        history = fit(model, split, seed=seed, epochs=60, loss=cross_entropy, batch_size=10,
                      optimizer=partial(torch.optim.Adam, lr=0.005), snapshots=range(0, 181, 2),
                      callbacks=[tracker, learning])  # fmt: skip
        made.append(FilterRun(start, model, tracker, history, learning.kept))
    return made


def moved(run, name):
    """Squared differences of the weights between snapshots, from the copies of the training."""
    copies = [run.history.snapshots[step][f"{name}.weight"].double() for step in range(0, 181, 2)]
    return torch.stack(copies).diff(dim=0).square()


def test_changes_are_those_of_the_copies(runs):
    run = runs[0]
    assert run.steps.tolist() == list(range(2, 181, 2)) and run.weights == [9, 36, 5]
    found = run.changes()
    for i, name in enumerate(NAMES):
        squares = moved(run, name)
        np.testing.assert_allclose(found["as printed"][:, i], squares.sum((2, 3, 4)).mean(1), rtol=1e-4)
        np.testing.assert_allclose(found["per weight"][:, i], squares.mean((1, 2, 3, 4)), rtol=1e-4)
        start = run.start.get_submodule(name).weight.square().mean().item()
        np.testing.assert_allclose(found["relative"][:, i], squares.mean((1, 2, 3, 4)) / start, rtol=1e-4)
        alone = (1 - (squares > 0.002**2).double().mean((1, 2, 3, 4))) ** squares[0, 0, 0].numel()
        np.testing.assert_allclose(run.null("fixed")[:, i], alone, rtol=1e-4)


def test_the_filters_of_a_layer_are_its_weights_after_training(runs):
    found = runs[0].filters("2")
    assert torch.equal(found, runs[0].model[2].weight) and not found.requires_grad
    with pytest.raises(ValueError, match="name: expected one of .* got 'conv9'"):
        runs[0].filters("conv9")


def test_the_phase_of_learning_is_the_first_part_of_the_run(runs):
    run, never = runs
    assert never.learned is never and 0 < run.kept["step"] < 180
    learned = run.learned
    assert learned.steps.tolist() == [step for step in run.steps if step <= run.kept["step"]]
    assert (learned.series("distance") == run.series("distance")[: len(learned.steps)]).all()
    part = moved(run, "2")[: len(learned.steps)]
    np.testing.assert_allclose(learned.tracker.mean_distance("2"), part.sum((2, 3, 4)).mean(0), rtol=1e-4)
    kept = run.history.snapshots.get(run.kept["step"])
    assert kept is None or torch.equal(learned.model[2].weight, kept["2.weight"])
    assert not torch.equal(learned.model[2].weight, run.model[2].weight)
    assert run.steps[-1] == 180  # the run itself stays whole


def test_orders_are_scipys_apart_by_phase(runs):
    run = runs[0]
    for reading in READINGS:
        rows = [spearmanr(range(3), row).statistic for row in run.changes()[reading]]
        cut = len(run.learned.steps)
        found = filter_seeds.phase_orders([run], reading)
        assert [found[phase].value for phase in filter_seeds.PHASES] == pytest.approx(
            [np.mean(rows[:cut]), np.mean(rows[cut:])]
        )
        both = filter_seeds.phase_orders(runs, reading)
        assert np.isnan(both["memorised"].value)  # one has none
        assert both["learning"].low <= both["learning"].value <= both["learning"].high


def test_a_run_that_knows_all_before_it_is_measured_has_no_phase_of_learning(runs):
    nothing = {reading: np.empty((0, 3)) for reading in READINGS}
    at_once = SimpleNamespace(learned=SimpleNamespace(steps=[], changes=lambda: nothing), changes=runs[0].changes)
    found = filter_seeds.phase_orders([at_once], READINGS[0])
    assert np.isnan(found["learning"].value) and np.isfinite(found["memorised"].value)


def test_mirroring_is_scipys_and_zero_without_a_change(runs):
    moves, still = (runs[0].series(f"{each}_fixed").ravel() for each in ("significant", "still"))
    assert filter_seeds.mirroring(runs[0]) == pytest.approx(spearmanr(moves, still).statistic)


def test_a_ratio_of_spreads_is_that_of_their_means(runs):
    spreads = [np.mean([np.var(np.log(row)) for row in run.changes()["per weight"]]) for run in runs]
    found = filter_seeds.ratio(runs[:1], runs, "per weight")
    assert found.value == pytest.approx(spreads[0] / np.mean(spreads))
    assert found.low <= found.value <= found.high


def test_a_number_that_rises_with_depth_in_every_seed_has_a_correlation_of_one():
    gained = torch.arange(7.0) + 0.1 * torch.rand(3, 7, generator=torch.Generator().manual_seed(0))
    assert filter_seeds.rises(gained) == pytest.approx((1, 1, 1))
    assert filter_seeds.rises(-gained).value == pytest.approx(-1)


def test_paces_are_in_learning_rates_and_degrees(runs):
    pace = filter_seeds.paces(runs[:1], lambda step: 0.002 if step <= 90 else 0.001)
    rates = np.where(runs[0].steps <= 90, 0.002, 0.001)
    expected = moved(runs[0], "0").mean((1, 2, 3, 4)).sqrt().numpy() / rates
    np.testing.assert_allclose(pace[0, :, 0], expected, rtol=1e-4)
    np.testing.assert_allclose(pace[1], runs[0].series("angle"))


def test_the_rest_is_that_of_the_top_layer_in_the_last_snapshots(runs):
    still = runs[0].series("still_falling")[:, 2]
    assert filter_seeds.resting(runs[0], 5) == pytest.approx(still[-5:].mean())
    assert filter_seeds.resting(runs[0], 0) == still[-1]


def test_a_layer_is_cheap_where_the_pick_costs_less_than_the_5th_percentile_of_its_draws():
    draws = np.arange(21.0)  # of which the 5th percentile is 1
    lost = np.stack([[[0.9, 50, *draws], [1.0, 0, *draws]], [[1.1, 0, *draws], [-3, 0, *draws]]])
    assert filter_seeds.cheap_layers(lost, picks=2).tolist() == [1, 1]


def test_a_difference_is_that_of_means_with_the_samples_drawn_together():
    values = torch.rand(3, 400, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = filter_seeds.difference(values.mean(0) + torch.tensor([[0.1], [0.1]]), values.mean(0, keepdim=True))
    assert found == pytest.approx((0.1, 0.1, 0.1))


def test_sizes_of_input_error_and_gradient_are_those_before_and_after(runs):
    batch = Split(torch.randint(256, (9, 1, 8, 8), dtype=torch.uint8), torch.arange(9) % 3)
    found = runs[0].gradient_sizes(batch)
    assert found.shape == (2, 3, 3)
    for model, each in zip((runs[0].start, runs[0].model), found, strict=True):
        torch.testing.assert_close(torch.stack(gradient_sizes(model, NAMES, batch)), each)
    assert not torch.equal(found[0], found[1])


def test_changes_of_filters_are_filled_up_with_nan(runs):
    found = runs[0].filter_changes()
    assert found.shape == (3, 6)
    np.testing.assert_array_equal(np.isnan(found).sum(1), [2, 1, 0])
    by_filter = moved(runs[0], "2").sum((2, 3, 4)).mean(0)
    np.testing.assert_allclose(found[1, :5], by_filter, rtol=1e-4)


def test_the_first_layer_moves_by_its_length_and_by_what_grey_makes_of_it(runs):
    old, new = (model[0].weight.detach() for model in (runs[0].start, runs[0].model))
    length, grey = runs[0].first_layer_moves()
    assert length == pytest.approx(((new - old).square().sum() / old.square().sum()).sqrt().item())
    picture = torch.ones(1, 1, 3, 3)
    answers = [nn.functional.conv2d(picture, weight).flatten() for weight in (new - old, old)]
    assert grey == pytest.approx((answers[0].norm() / answers[1].norm()).item())


def test_features_of_the_first_layer_are_rectified_before_and_after(runs):
    images = torch.randint(256, (4, 1, 8, 8), dtype=torch.uint8)
    for model, found in zip((runs[0].start, runs[0].model), runs[0].first_features(images), strict=True):
        by_hand = nn.functional.conv2d(images / 255, model[0].weight, model[0].bias).clamp(min=0)
        torch.testing.assert_close(found, by_hand.detach())
