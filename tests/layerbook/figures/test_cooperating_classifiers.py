"""Figures of the chapter about node classifiers: each draws every side of what its report holds."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from layerbook.curves import stacked
from layerbook.figures import cooperating_classifiers as figures
from layerbook.figures import counting, sides
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
    untrained = {"data": ["easy", "hard"], "seed": SEEDS, "layer": [1, 2, 3]}
    report.curve("perplexity_untrained", 1 + random(2, 2, 3), **untrained)
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
        accuracies = random(2, 2, 3, 2, 3) / 2 + (0.5 if label == "easy" else 0)
        report.curve(f"systems_width_{label}", accuracies, width=[4, 8], part=["train", "test"], **inner)
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
    report.number("depth", 3)
    for name in ("bandwidth_one_before", "bandwidth_one_trained", "accuracy_sigmoid"):
        report.number(name, 0.5)


@pytest.fixture(scope="module", params=["this run alone", "beside a record"])
def report(request):
    made = Report("cooperating_classifiers", "smaller", record=None)
    fill(made)
    # a report reads its record from where it runs; here it is what it holds itself
    made.record = None
    if request.param == "beside a record":
        made.record = {"size": "smaller", "numbers": dict(made.numbers), "curves": dict(made._curves)}
    return made


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are drawn, which stay open, each with its alternative text."""
    found = []
    monkeypatch.setattr(sides, "svg", lambda figure, alt: found.append((figure, alt)) or f"<svg>{alt}</svg>")
    monkeypatch.setattr(systems, "svg", sides.svg)
    yield found
    plt.close("all")


ONE_A_SIDE = {  # figures of one side, axes of each
    "active_shares": (lambda report: figures.active_shares(report, 4, ["a", "b", "c"]), 1, 2),
    "errors": (figures.errors, 1, 2),
    "perplexities": (lambda report: figures.perplexities(report, "depth"), 2, 2),
    "untrained": (figures.untrained, 1, 2),
    "settled": (figures.settled, 1, 3),
    "variants": (figures.variants, 1, 1),
    "noises": (figures.noises, 1, 1),
    "in_short": (counting.in_short, 1, 2),
    "systems_epochs": (systems.systems_epochs, 2, 2),
    "systems_batches": (systems.systems_batches, 2, 2),
    "bandwidths": (systems.bandwidths, 1, 2),
    "systems_depth": (systems.systems_depth, 2, 1),
    "systems_width": (systems.systems_width, 2, 2),
    "first_layer": (systems.first_layer, 1, 1),
    "anomaly": (systems.anomaly, 1, 1),
    "systems_sigmoid": (systems.systems_sigmoid, 1, 2),
}


@pytest.mark.parametrize("name", ONE_A_SIDE)
def test_each_side_is_drawn_the_record_first_and_named(report, drawn, kept, name):
    draw, pictures, axes = ONE_A_SIDE[name]
    page = draw(report).data
    assert kept(page)
    names = list(report.sides("error_depth"))[::-1]
    assert len(drawn) == pictures * len(names)
    assert all(len(figure.axes) == axes for figure, _ in drawn)
    assert all(side in alt for side, (_, alt) in zip(np.repeat(names, pictures), drawn, strict=True))
    assert page.count("data-side=") == len(names) and page.count('type="range"') == len(names) * (pictures > 1)


def last(drawn):
    """The figure drawn last: this run, at the end of the slider."""
    return drawn[-1][0]


def test_a_line_is_the_mean_of_the_seeds_of_its_own_set(report, drawn):
    figures.errors(report)
    for over, ax in zip(("depth", "width"), last(drawn).axes, strict=True):
        curve = report.curves[f"error_{over}"]
        for line, label in zip(ax.lines, ("easy", "hard"), strict=True):
            np.testing.assert_allclose(line.get_ydata(), 100 * curve.sel(data=label).mean("seed"))
            np.testing.assert_array_equal(line.get_xdata(), curve[over])
    assert [text.get_text() for text in last(drawn).axes[0].get_legend().get_texts()] == ["MNIST", "Fashion-MNIST"]


def test_the_network_at_the_slider_has_a_band_and_all_end_with_their_layers_below_the_cap(report, drawn):
    figures.perplexities(report, "depth")
    ax = last(drawn).axes[0]
    assert [np.isfinite(line.get_ydata()).sum() for line in ax.lines] == [2, 3, 2]
    assert ax.lines[2].get_ydata()[0] == 10
    [drop] = ax.patches
    np.testing.assert_allclose(drop.get_bbox().intervaly, [10**0.1, 10**0.9])
    assert len(ax.collections) == 1 and ax.lines[1].get_color() != ax.lines[0].get_color()


def test_moments_show_the_system_at_its_moment_with_the_network_dotted(report, drawn):
    systems.systems_batches(report)
    ax = last(drawn).axes[1]  # bandwidth 1.0, batch 9
    curve = report.curves["systems_batches"].sel(bandwidth="1.0", batch=9, system="continuous")
    np.testing.assert_allclose(ax.lines[1].get_ydata(), 100 * curve.mean("seed"))
    assert ax.get_title() == "bandwidth 1.0" and ax.lines[3].get_linestyle() == ":"
    assert drawn[-1][1].endswith("after batch 9)")


def test_both_sets_are_in_view_in_networks_of_every_width(report, drawn):
    easy, hard = (report.curves[f"systems_width_{label}"] for label in ("easy", "hard"))
    systems.systems_width(report)
    for figure, _ in drawn[-2:]:
        for ax in figure.axes:
            low, high = ax.get_ylim()
            assert low < 100 * hard.sel(part="test").min() and 100 * easy.sel(part="test").max() < high


def test_every_single_network_of_the_narrowest_width_has_a_line(report, drawn):
    systems.anomaly(report)
    narrow = report.curves["systems_width_easy"].sel(width=4, part="test", system="discrete")
    lines = last(drawn).axes[0].lines
    for line, values in zip(lines, narrow, strict=True):
        np.testing.assert_allclose(line.get_ydata(), 100 * values)
    assert len({line.get_color() for line in lines}) == len(lines)


def test_a_histogram_has_the_bins_of_its_curve_and_a_line_a_class(report, drawn):
    page = systems.histogram(report, ["a", "b", "c"]).data
    steps = last(drawn).axes[0].patches
    assert len(steps) == 3 and 'data-side="this run"' in page
    np.testing.assert_allclose(steps[0].get_data().edges, range(7))


def test_shares_of_a_readers_own_classes_stand_beside_those_of_the_record(as_recorded, drawn):
    report = as_recorded("cooperating_classifiers")
    report.curve("active_shares", RANDOM.random((2, 3, 203)), state=["after initialisation", "trained"])
    figures.active_shares(report, 100, ["cat", "dog", "cow"])
    (recorded, _), (own, _) = drawn
    assert [text.get_text() for text in own.axes[1].get_xticklabels()] == ["1", "2", "out"]
    assert len(recorded.axes[1].get_xticklabels()) == 11
    assert {text.get_text() for text in own.legends[0].get_texts()} == {"cat", "dog", "cow"}


def test_where_no_drop_has_a_middle_there_is_no_panel_of_it(drawn):
    report = Report("cooperating_classifiers", "smaller")
    report.record = None
    fill(report)
    report.curve("midpoint_settled", np.full((2, 2, 2), np.nan), data=["easy", "hard"], depth=[2, 3], seed=SEEDS)
    figures.settled(report)
    assert [ax.get_title() for ax in last(drawn).axes] == ["MNIST", "Fashion-MNIST"]


def test_untrained_networks_are_the_control_of_those_of_their_depth(report, drawn):
    figures.untrained(report)
    for ax, label in zip(last(drawn).axes, ("easy", "hard"), strict=True):
        before, after, cap = ax.lines
        np.testing.assert_allclose(
            before.get_ydata(), report.curves["perplexity_untrained"].sel(data=label).mean("seed")
        )
        trained = report.curves["perplexity_depth"].sel(data=label, depth=3).mean("seed")
        np.testing.assert_allclose(after.get_ydata(), trained)
        assert before.get_color() == figures.CONTROL_COLOUR and set(cap.get_ydata()) == {10}


def test_drawings_say_what_they_show_and_count_what_they_are_given():
    on = np.array([[1, 0, 1]] * 4 + [[0, 1, 1]], dtype=bool)
    assert "5 samples at 3 nodes show 2 patterns; their shares give a perplexity of 1.65" in counting.counting(on).data
    for draw in (counting.idea, counting.densities):
        assert 'role="img" aria-label="' in draw().data
    assert plt.get_fignums() == []


def test_stacked_fills_up_with_nan_and_counts_layers_from_one():
    found = {("easy", 3): [[1, 2, 3]], ("easy", 2): [[4, 5]], ("hard", 2): [[6, 7]], ("hard", 3): [[8, 9, 10]]}
    curve = stacked(found, "depth", seed=[5])
    assert curve["data"] == ["easy", "hard"] and curve["depth"] == [2, 3] and list(curve["layer"]) == [1, 2, 3]
    np.testing.assert_array_equal(curve["values"], [[[[4, 5, np.nan]], [[1, 2, 3]]], [[[6, 7, np.nan]], [[8, 9, 10]]]])
    assert "layer" not in stacked({("easy", 2): [0.5, 0.6]}, "depth", seed=[0, 1])
