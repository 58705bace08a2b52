"""Figures of the chapter about node classifiers: each draws every side of what its report holds."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from layerbook.curves import stacked
from layerbook.figures import cooperating_classifiers as figures
from layerbook.figures import node_systems as systems
from layerbook.report import Report

SYSTEMS, SEEDS = ["discrete", "continuous", "combined"], [0, 1]
RANDOM = np.random.default_rng(0)


def fill(report):
    """Curves of two depths (2, 3) and widths (4, 8), two seeds, two sets."""

    def random(*shape):
        return RANDOM.random(shape)

    both = [(label, value) for label in ("easy", "hard") for value in (2, 3)]
    report.curve("active_shares", random(2, 3, 11), state=["after initialisation", "trained"])
    for over, values in (("depth", (2, 3)), ("width", (4, 8))):
        keys = [(label, value) for label in ("easy", "hard") for value in values]
        report.curve(f"error_{over}", **stacked({key: random(2) for key in keys}, over, seed=SEEDS))
        found = {key: 1 + random(2, key[1] if over == "depth" else 3) for key in keys}
        report.curve(f"perplexity_{over}", **stacked(found, over, seed=SEEDS))
    report.curve("perplexity_settled", **stacked({key: 1 + random(2, key[1]) for key in both}, "depth", seed=SEEDS))
    report.curve("midpoint_settled", **stacked({key: random(2) for key in both}, "depth", seed=SEEDS))
    report.curve("continuous_layer_1", **stacked({key: random(2) for key in both}, "width", seed=SEEDS))
    report.curve("height_noise", **stacked({key: random(2) for key in both}, "noise", seed=SEEDS))
    report.curve("histogram", np.concatenate([random(3, 6), np.linspace(0, 5, 6)[None]]))
    inner = {"system": SYSTEMS, "seed": SEEDS, "layer": [1, 2, 3]}
    report.curve("systems_epochs", random(2, 2, 3, 2, 3), epoch=[1, 5], part=["train", "test"], **inner)
    report.curve("network_epochs", random(2, 2), epoch=[1, 5], part=["train", "test"])
    report.curve("systems_batches", random(2, 2, 3, 2, 3), batch=[0, 9], bandwidth=["Scott", "1.0"], **inner)
    report.curve("network_batches", random(2), batch=[0, 9])
    report.curve("systems_depth", random(2, 3, 2, 3), depth=[2, 3], **inner)
    for label in ("easy", "hard"):
        report.curve(f"systems_width_{label}", random(2, 2, 3, 2, 3), width=[4, 8], part=["train", "test"], **inner)
        report.number(f"samples_{label}", 10)
    report.curve("systems_sigmoid", random(2, 3, 2, 3), part=["train", "test"], **inner)
    report.curve(
        "perplexity_variants",
        1 + random(1, 2, 2, 3),
        data=["easy"],
        variant=["as before", "SGD"],
        seed=SEEDS,
        layer=[1, 2, 3],
    )
    report.curve(
        "bandwidth",
        random(2, 3, 2),
        state=["before training", "trained"],
        bandwidth=["0.5", "1", "1.0 for all"],
        what=["log-likelihood", "accuracy"],
    )
    for name in ("bandwidth_one_before", "bandwidth_one_trained", "accuracy_sigmoid"):
        report.number(name, 0.5)


@pytest.fixture(scope="module", params=["this run alone", "beside a record"])
def report(request, tmp_path_factory):
    made = Report("cooperating_classifiers", "smaller", record=None)
    fill(made)
    # a report reads its record from where it runs; here it is what it holds itself
    made.record = None
    if request.param == "beside a record":
        made.record = {"size": "smaller", "numbers": dict(made.numbers), "curves": dict(made._curves)}
    return made


ONE_A_SIDE = {  # axes of each figure, of one side
    figures.errors: 2,
    figures.perplexities: 4,
    figures.settled: 3,
    systems.systems_epochs: 10,
    systems.systems_batches: 10,
    systems.systems_width: 4,
    systems.first_layer: 1,
    systems.anomaly: 1,
    systems.systems_sigmoid: 2,
    figures.variants: 1,
    figures.noises: 1,
}


@pytest.mark.parametrize("draw", ONE_A_SIDE, ids=lambda each: each.__name__)
def test_each_side_is_drawn_and_named(report, draw):
    figure = draw(report)
    figure.canvas.draw()
    sides = report.sides("error_depth")
    assert len(figure.axes) == ONE_A_SIDE[draw] * len(sides)
    told = " ".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))
    assert all(side in told for side in sides)
    plt.close(figure)


def test_a_line_is_the_mean_of_the_seeds_of_its_own_set(report):
    figure = figures.errors(report)
    for over, ax in zip(("depth", "width"), figure.axes[:2], strict=True):
        curve = report.curves[f"error_{over}"]
        for line, label in zip(ax.lines, ("easy", "hard"), strict=True):
            np.testing.assert_allclose(line.get_ydata(), 100 * curve.sel(data=label).mean("seed"))
            np.testing.assert_array_equal(line.get_xdata(), curve[over])
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["MNIST", "Fashion-MNIST"]
    plt.close(figure)


def test_perplexities_end_with_their_network_and_below_the_cap(report):
    figure = figures.perplexities(report)
    lines = figure.axes[0].lines
    assert [len(line.get_xdata()) for line in lines] == [2, 3, 2] and lines[2].get_ydata()[0] == 10
    plt.close(figure)


def test_moments_show_the_system_at_its_moment_with_the_network_dotted(report):
    figure = systems.systems_batches(report)
    second = figure.axes[6]  # bandwidth 1.0, batch 9
    curve = report.curves["systems_batches"].sel(bandwidth="1.0", batch=9, system="continuous")
    np.testing.assert_allclose(second.lines[1].get_ydata(), 100 * curve.mean("seed"))
    assert second.get_title() == "batch 9" and second.lines[3].get_linestyle() == ":"
    plt.close(figure)


def test_every_single_network_of_the_narrowest_width_has_a_line(report):
    figure = systems.anomaly(report)
    narrow = report.curves["systems_width_easy"].sel(width=4, part="test", system="discrete")
    for line, values in zip(figure.axes[0].lines, narrow, strict=True):
        np.testing.assert_allclose(line.get_ydata(), 100 * values)
    assert figure.axes[0].get_title().startswith("width 4")
    plt.close(figure)


def test_shares_bandwidths_depths_and_a_histogram(report):
    sides = len(report.sides("error_depth"))
    shares, swept = figures.active_shares(report, 4, ["a", "b", "c"]), systems.bandwidths(report)
    assert len(shares.axes) == 2 * sides and shares.axes[1].get_title() == "trained · this run"
    assert [line.get_linestyle() for line in swept.axes[0].lines].count("--") == 2 * (sides - 1)
    assert len(systems.systems_depth(report).axes) == 2 * sides
    bins = systems.histogram(report, ["a", "b", "c"]).axes[0].patches
    np.testing.assert_allclose(bins[0].get_data().edges, range(7))
    plt.close("all")


def test_shares_of_a_readers_own_classes_stand_beside_those_of_the_record(as_recorded):
    report = as_recorded("cooperating_classifiers")
    report.curve("active_shares", RANDOM.random((2, 3, 203)), state=["after initialisation", "trained"])
    figure = figures.active_shares(report, 100, ["cat", "dog", "cow"])
    own, recorded = figure.axes[0], figure.axes[2]
    assert [text.get_text() for text in own.get_xticklabels()] == ["1", "2", "out"]
    assert recorded.get_xticklabels()[-1].get_text() == "out" and len(recorded.get_xticklabels()) == 11
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["cat", "dog", "cow"]


def test_where_no_drop_has_a_middle_the_panel_says_so():
    report = Report("cooperating_classifiers", "smaller")
    report.record = None
    fill(report)
    report.curve("midpoint_settled", np.full((2, 2, 2), np.nan), data=["easy", "hard"], depth=[2, 3], seed=SEEDS)
    assert [text.get_text() for text in figures.settled(report).axes[2].texts] == ["no network\ngets below half"]
    plt.close("all")


def test_stacked_fills_up_with_nan_and_counts_layers_from_one():
    found = {("easy", 3): [[1, 2, 3]], ("easy", 2): [[4, 5]], ("hard", 2): [[6, 7]], ("hard", 3): [[8, 9, 10]]}
    curve = stacked(found, "depth", seed=[5])
    assert curve["data"] == ["easy", "hard"] and curve["depth"] == [2, 3] and list(curve["layer"]) == [1, 2, 3]
    np.testing.assert_array_equal(curve["values"], [[[[4, 5, np.nan]], [[1, 2, 3]]], [[[6, 7, np.nan]], [[8, 9, 10]]]])
    assert "layer" not in stacked({("easy", 2): [0.5, 0.6]}, "depth", seed=[0, 1])
