"""The figures of the second round on filters, from a report made up for them."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from layerbook.figures import filter_controls as figures
from layerbook.figures.filter_panels import WAYS
from layerbook.report import Report

SEEDS, LAYERS = [11, 12], ["conv1", "conv2", "conv3"]
RUNS = ["VGG-16", "VGG-16, batch norm", "ResNet-50, pre-activation"]


@pytest.fixture
def report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where there is no record
    made, random = Report("filter_evolution", size_says="made up"), np.random.default_rng(0)
    mean = random.uniform(-0.5, 0.5, (len(RUNS), 2, 2, 1))
    axes = {
        "phase": ["learning", "memorised"],
        "reading": ["as printed", "per weight"],
        "value": ["mean", "low", "high"],
    }
    made.curve("order_again", np.concatenate([mean, mean - 0.2, mean + 0.3], -1), run=RUNS, **axes)
    made.curve("learned_at", [[30, 40], [30, np.nan], [np.nan, np.nan]], run=RUNS, seed=SEEDS)
    for key in ("vgg", "vgg_bn", "resnet"):
        values = random.uniform(0.1, 3, (2, 5, 3))
        made.curve(f"pace_{key}", values, quantity=["rates", "degrees"], step=range(10, 60, 10), layer=LAYERS)
    for key, layers in (("vgg", 13), ("resnet", 17)):
        values = random.uniform(0, 1, (2, 2, layers))
        made.curve(f"rank_{key}", values, moment=["untrained", "has learned"], seed=SEEDS, layer=range(1, layers + 1))
    choices = [*WAYS, *(f"random {i}" for i in range(1, 5))]
    made.curve("cost_again", random.normal(size=(2, 3, 7)), seed=SEEDS, layer=LAYERS, choice=choices)
    return made


@pytest.fixture
def drawn(report, monkeypatch):
    """A figure's pictures, still open, one or one a step of the slider; the report has no record."""

    def figures_of(name):
        seen = []
        monkeypatch.setattr("layerbook.figures.sides.svg", lambda figure, alt: seen.append(figure) or "<svg></svg>")
        page = getattr(figures, name)(report).data
        assert page.count("data-side=") == 1 and "data:text/csv;base64," in page
        return seen

    yield figures_of
    plt.close("all")


PANELS = {"seed_orders": [2], "paces": [3, 3], "ranks": [2], "zeroing_again": [2]}  # of each picture


@pytest.mark.parametrize("name, panels", PANELS.items())
def test_a_figure_shows_this_run_alone_where_there_is_no_record(name, panels, drawn):
    pictures = drawn(name)
    assert [len(figure.axes) for figure in pictures] == panels
    assert all(ax.has_data() for figure in pictures for ax in figure.axes)


def test_marks_of_the_orders_are_means_and_bars_their_intervals(report, drawn):
    [figure] = drawn("seed_orders")
    curve = report.curves["order_again"].sel(phase="memorised", reading="per weight")
    marks, _, [bars] = figure.axes[1].containers[1].lines
    assert marks.get_xdata() == pytest.approx(curve.sel(value="mean").values)
    ends = np.array([segment[:, 0] for segment in bars.get_segments()])
    assert ends == pytest.approx(curve.sel(value=["low", "high"]).values)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == RUNS


def test_a_phase_that_no_training_has_got_to_is_not_drawn(report, drawn):
    curve = report.curves["order_again"].copy()
    curve[:, 1] = np.nan
    report.curve("order_again", curve.values, **{name: each.values.tolist() for name, each in curve.coords.items()})
    [figure] = drawn("seed_orders")
    assert [ax.get_title() for ax in figure.axes] == ["learning"]


def test_the_end_of_learning_is_marked_for_every_training_that_got_there(report, drawn):
    rates, degrees = drawn("paces")
    marked = [[line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == "--"] for ax in rates.axes]
    assert marked == [[30, 40], [30], []]
    lines = [line for line in degrees.axes[1].lines if line.get_linestyle() == "-"]
    expected = report.curves["pace_vgg_bn"].sel(quantity="degrees")
    np.testing.assert_allclose(np.stack([line.get_ydata() for line in lines], 1), expected.values)


def test_thick_lines_of_the_ranks_are_means_over_seeds(report, drawn):
    [figure] = drawn("ranks")
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
    for moment in ("untrained", "has learned"):
        assert lines[moment] == pytest.approx(report.curves["rank_vgg"].sel(moment=moment).mean("seed").values)


def test_each_seed_has_its_panel_of_zeroed_filters(report, drawn):
    [figure] = drawn("zeroing_again")
    for ax, seed in zip(figure.axes, SEEDS, strict=True):
        picked = next(line for line in ax.lines if line.get_label() == "Z")
        expected = report.curves["cost_again"].sel(seed=seed, choice="Z")
        assert picked.get_ydata() == pytest.approx(expected.values)
        assert str(seed) in ax.get_title()
