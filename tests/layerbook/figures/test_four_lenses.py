"""The figures of the chapter on four lenses: each draws every side of what its report holds."""

import re
from unittest.mock import Mock

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from records import record
from xarray import DataArray

from layerbook.analysis.agreement import LENSES, READ_OUTS, agreement, made_up
from layerbook.figures import four_lenses as figures
from layerbook.figures import lens_panels, lens_times, looking
from layerbook.figures.lens_tables import SHORT
from layerbook.record import write_record
from layerbook.report import THIS_RUN, Report
from layerlib.inspection.result import Inspection

SEEDS, STEPS = [0, 1], [0, 10, 100]
LAYERS = {"mlp": 4, "plain": 5, "residual": 5, "vit": 3}  # the output among them


def keep(report):
    """Curves of networks of different depth."""
    rng = np.random.default_rng(0)

    def kept(name, **axes):
        report.curve(name, rng.random([len(each) for each in axes.values()]), **axes)

    for key, layers in LAYERS.items():
        there, hidden = range(1, layers + 1), range(1, layers)
        kept(f"readings_{key}", seed=SEEDS, lens=LENSES, step=STEPS, layer=there)
        kept(f"told_{key}", what=["targets", "permuted errors"], seed=SEEDS, step=STEPS, layer=hidden)
        kept(f"by_heart_{key}", what=["distance", "entropy"], seed=SEEDS, layer=hidden)
        kept(f"obeyed_{key}", what=["reading", "moved", "shuffled"], seed=SEEDS, step=STEPS, layer=hidden)
    kept("drawn_alike", network=list(SHORT), step=STEPS)


@pytest.fixture
def report(tmp_path):
    first = Report("toy", "own", record=write_record(record(), tmp_path / "none.json") or tmp_path / "none.json")
    keep(first)
    write_record(record() | {"curves": first.payload()["curves"]}, tmp_path / "toy.json")
    made = Report("toy", "own", record=tmp_path / "toy.json")
    keep(made)
    return made


# Figures of the report, with the pictures of each side: one, or one a step of the slider.
FROM_REPORT = {
    "readings": (3, ()),
    "told": (3, ()),
    "by_heart": (1, ()),
    "obedience": (3, (0.5,)),
    "agreements": (1, ()),
    "in_short": (1, (0.5,)),
}


@pytest.mark.parametrize("name", FROM_REPORT)
def test_a_figure_shows_the_record_first_then_this_run(name, report):
    pictures, more = FROM_REPORT[name]
    page = getattr(figures, name)(report, *more).data
    first, second = page.split('data-side="')[1:]
    assert not first.startswith(THIS_RUN) and second.startswith(f'{THIS_RUN}" hidden')
    for side in (first, second):
        assert side.count('role="img"') == pictures
        assert side.count("data:text/csv;base64,") == 1 + (name == "in_short")
        assert ('type="range"' in side) == (pictures > 1)
        assert len(set(re.findall(r'id="\w+-(axes_\d+)"', side))) <= 6
    assert plt.get_fignums() == []


@pytest.mark.parametrize(("name", "panels"), [("first_edition", 3), ("read_outs", 4), ("lenses", 4)])
def test_the_steps_of_each_side_are_shown_for_every_mark(name, panels, report):
    page = getattr(lens_times, name)(report).data
    first, second = page.split('data-side="')[1:]
    assert not first.startswith(THIS_RUN) and second.startswith(f'{THIS_RUN}" hidden')
    for side in (first, second):
        assert side.count('role="img"') == len(lens_times.SHARES) and 'aria-valuetext="mark: 50% of the end"' in side
        assert len(set(re.findall(r'id="\w+-(axes_\d+)"', side))) == panels


def test_the_times_drawn_are_those_of_the_mark(report, monkeypatch):
    seen = []
    monkeypatch.setattr("layerbook.figures.sides.svg", lambda figure, alt: seen.append(figure) or f"<svg>{alt}</svg>")
    lens_times.read_outs(report)
    curve = report.recorded_curve("readings_vit")
    when = made_up(curve.to_numpy(), STEPS, lens_times.SHARES[1])[:, : len(READ_OUTS)]
    expected = np.where(np.isnan(when).any(0), np.nan, np.expm1(np.log1p(when).mean(0)))
    drawn = [line.get_xdata() for line in seen[1].axes[3].lines]
    np.testing.assert_allclose(drawn, expected)
    plt.close("all")


def test_the_first_edition_shows_its_own_record_where_there_is_no_later_one(tmp_path, monkeypatch):
    old = {
        "dims": ["network", "seed", "lens", "step", "layer"],
        "axes": {
            "network": list(SHORT)[:3],
            "seed": [0],
            "lens": ["distance", "nodes"],
            "step": [0, 3],
            "layer": [1, 2],
        },
        "values": [[[[[0.1, 0.0], [0.7, 0.8]], [[0.5, 0.5], [0.5, 0.5]]]]] * 3,
    }
    write_record(record() | {"curves": {"readings": old}}, tmp_path / "toy.json")
    report, seen = Report("toy", "own", record=tmp_path / "toy.json"), []
    keep(report)
    page = lens_times.first_edition(report).data
    assert re.findall(r'data-side="([^"]+)"', page) == [lens_times.FIRST_EDITION.replace("'", "&#x27;"), THIS_RUN]
    monkeypatch.setattr("layerbook.figures.sides.svg", lambda figure, alt: seen.append(figure) or f"<svg>{alt}</svg>")
    lens_times.first_edition(report)
    means, nodes = seen[2].axes[0].lines  # at half of the end, 0.4: halfway, in the logarithm
    assert means.get_xdata() == pytest.approx([4**0.5 - 1, 1]) and nodes.get_xdata() == pytest.approx([0, 0])
    plt.close("all")


def test_in_short_has_readings_by_the_trained_output_and_what_follows(report, monkeypatch):
    seen = []
    monkeypatch.setattr("layerbook.figures.sides.svg", lambda figure, alt: seen.append(figure) or f"<svg>{alt}</svg>")
    figures.in_short(report, 0.5)
    read, moved = report.recorded_curve("readings_plain"), report.recorded_curve("obeyed_plain")
    flat = read.sel(lens="flat").values
    means, full, follow = seen[0].axes[1].lines[:3]
    assert full.get_ydata() == pytest.approx((flat[:, -1, :-1] / flat[:, -1, -1:]).mean(0))
    assert means.get_label() == "distance, means"
    assert follow.get_ydata() == pytest.approx(moved.sel(what="moved").values[:, -1].mean(0))
    plt.close("all")


def test_obedience_lays_what_was_moved_over_its_control(report, monkeypatch):
    seen = []
    monkeypatch.setattr("layerbook.figures.sides.svg", lambda figure, alt: seen.append(figure) or f"<svg>{alt}</svg>")
    figures.obedience(report, 0.4)
    each = report.recorded_curve("obeyed_mlp").sel(step=0)
    control, moved, mark = seen[0].axes[0].lines
    assert moved.get_xdata() == pytest.approx(each.sel(what="reading").values.ravel())
    assert moved.get_ydata() == pytest.approx(each.sel(what="moved").values.ravel())
    assert control.get_ydata() == pytest.approx(each.sel(what="shuffled").values.ravel())
    assert list(mark.get_xdata()) == [0.4, 0.4]
    plt.close("all")


def test_pictures_are_drawn_for_each_network_and_moment(report):
    images = torch.zeros(8, 1, 6, 6, dtype=torch.uint8)
    look = Mock(spec=Inspection, images=images, pictures=torch.rand(8, 1, 6, 6))
    page = figures.drawings(report, dict.fromkeys(SHORT, [look] * 3)).data
    assert page.count('role="img"') == 3 and page.count("data:text/csv;base64,") == 1
    assert len(set(re.findall(r'id="\w+-(axes_\d+)"', page))) == 5


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_times_draw_only_layers_that_all_seeds_have_made_up(ax):
    lens_panels.times({LENSES[0]: np.array([[0, 4, 20], [0, np.nan, 30]])}, 100, ax)
    line = ax.lines[0]
    assert line.get_label() == "distance, means"
    shown = line.get_xdata()
    assert shown[0] == 0 and np.isnan(shown[1]) and 20 < shown[2] < 30
    assert ax.get_xlim()[1] > 100


def test_agreements_put_each_pair_in_its_row_with_every_seed(ax):
    found = agreement(np.random.default_rng(0).random((2, len(LENSES), 4, 6)))["rest"]
    values = [found[:, LENSES.index(a), LENSES.index(b)] for a, b in lens_panels.PAIRS]
    names = [" – ".join(pair) for pair in lens_panels.PAIRS]
    axes = {"network": ["MLP", "plain CNN"], "pair": names, "seed": [0, 1]}
    lens_panels.pairs_of_lenses(DataArray(np.array([values, values]), axes, list(axes)), ax)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == names
    means = next(line for line in ax.lines if line.get_label() == "MLP")
    assert means.get_xdata()[0] == pytest.approx(found[:, 2, 3].mean())


def test_a_lens_is_drawn_over_the_layers_with_its_seeds(ax):
    values = DataArray([[0.0, 0.5], [0.5, 1.0]], {"layer": [1, 2], "seed": [0, 1]}, ["layer", "seed"])
    lens_panels.over_layers(values, "flat", ax)
    assert ax.lines[0].get_ydata().tolist() == [0.25, 0.75] and ax.lines[0].get_label() == "distance, flat"


def test_drawings_say_what_they_show():
    pictures = np.zeros((3, 8, 8))
    pictures[0, 0, :4] = pictures[1, 6, 4:] = pictures[2, 1, :4] = 1
    page = looking.places(pictures).data
    assert page.count("mean 1/16") == 3 and 'role="img"' in page
    assert "step 4.7" in looking.mark([0, 3, 15], np.array([0.1, 0.3, 0.7]), np.array([0, 0.2, 0.8]), 0.5, 4.66).data
    assert "what is the layer" in looking.idea().data and "does not" in looking.move().data
    ranks = np.array([[1, 2, 3], [4, 5, 9], [7, 8, 6.0]])
    left = np.array([[0, 0, 0], [-1, -1, 2], [1, 1, -2.0]])
    assert (
        "A table of 9 ranks" in looking.left_over(ranks, left).data
        and "at most 2" in looking.left_over(ranks, left).data
    )
    assert plt.get_fignums() == []
