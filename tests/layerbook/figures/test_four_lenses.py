"""Figures that lay several instruments side by side."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from records import record
from xarray import DataArray

from layerbook.analysis.agreement import LENSES, agreement
from layerbook.figures import four_lenses as lens_plots
from layerbook.record import write_record
from layerbook.report import Report


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_the_map_shows_the_first_layer_at_the_bottom(ax):
    values = np.arange(6.0).reshape(2, 3)  # two moments, three layers
    lens_plots.reading_map(values, [0, 4000], ax, top=5)
    [image] = ax.images
    assert image.get_array().tolist() == values.T.tolist() and image.origin == "lower"
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["1", "2", "out"]


def test_times_draw_only_layers_that_all_seeds_have_made_up(ax):
    lens_plots.times({LENSES[0]: np.array([[0, 4, 20], [0, np.nan, 30]])}, 100, ax)
    line = ax.lines[0]
    assert line.get_label() == LENSES[0]
    shown = line.get_xdata()
    assert shown[0] == 0 and np.isnan(shown[1]) and 20 < shown[2] < 30
    assert ax.get_xlim()[1] > 100


def test_agreements_put_each_pair_in_its_row_with_every_seed(ax):
    readings = np.random.default_rng(0).random((2, len(LENSES), 4, 6))
    found = agreement(readings)
    lens_plots.pairs({"MLP": found, "plain CNN": found}, "rest", ax)
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    assert len(names) == 10 and names[0] == "distance – patterns" and names[-1] == "targets – filters"
    means = next(line for line in ax.lines if line.get_label() == "MLP")
    assert means.get_xdata()[0] == pytest.approx(found["rest"][:, 2, 3].mean())


def readings(networks: list[str]) -> dict[str, DataArray]:
    """Of networks of different depth."""
    made, rng = {}, np.random.default_rng(0)
    for number, name in enumerate(networks):
        axes = {"seed": [0, 1], "lens": list(LENSES), "step": [0, 10, 100], "layer": range(1, 4 + number)}
        made[name] = DataArray(rng.random([len(each) for each in axes.values()]), axes, list(axes))
    return made


NETWORKS = list(lens_plots.NETWORK_LOOKS)


@pytest.mark.parametrize(
    ("draw", "panels"),
    [
        (lambda each: lens_plots.maps(each), len(LENSES) * len(NETWORKS)),
        (lambda each: lens_plots.agreements({"run": each}), 3),
        (lambda each: lens_plots.decided({"run": each, "record": each}, 0.5), 2 * len(NETWORKS)),
        (lambda each: lens_plots.decided({"run": each}, 0.5, ("means", "grid", "flat")), len(NETWORKS)),
    ],
)
def test_a_figure_has_a_panel_for_each_network_or_way(draw, panels):
    figure = draw(readings(NETWORKS))
    assert len(figure.axes) == panels and all(ax.has_data() for ax in figure.axes)
    plt.close(figure)


def test_obedience_lays_what_was_moved_over_its_control():
    networks = {
        name: each.isel(lens=slice(3)).rename(lens="what").assign_coords(what=["reading", "moved", "shuffled"])
        for name, each in readings(NETWORKS).items()
    }
    figure = lens_plots.obedience(networks, 0.5)
    first, each = figure.axes[0], networks["MLP"]
    assert first.lines[1].get_xdata() == pytest.approx(each.sel(what="reading").to_numpy().ravel())
    assert first.lines[1].get_ydata() == pytest.approx(each.sel(what="moved").to_numpy().ravel())
    plt.close(figure)


def test_readings_of_a_side_are_those_of_the_networks_that_it_has(tmp_path):
    kept = {"dims": ["seed"], "axes": {"seed": [0]}, "values": [0.5]}
    write_record(record() | {"curves": {"readings_mlp": kept}}, tmp_path / "toy.json")
    report = Report("toy", "own", record=tmp_path / "toy.json")
    for name in ("mlp", "vit"):
        report.curve(f"readings_{name}", [0.25], seed=[0])
    found = lens_plots.sides_of(report, {"MLP": "mlp", "ViT": "vit"})
    assert {side: list(networks) for side, networks in found.items()} == {
        "this run": ["MLP", "ViT"],
        report.record_side: ["MLP"],
    }
    assert found["this run"]["ViT"].item() == 0.25 and found[report.record_side]["MLP"].item() == 0.5
