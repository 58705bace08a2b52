"""The figures of the chapter on filters, from its record."""

import pytest
import torch

from layerbook.figures import filter_evolution as figures

FROM_REPORT = {
    "metrics": 12,
    "depth_orders": 2,
    "sizes": 2,
    "gradients": 4,
    "stillness": 8,
    "idle_filters": 4,
    "zeroing": 6,
}


@pytest.mark.parametrize("name", FROM_REPORT)
def test_a_figure_shows_this_run_beside_the_record(name, as_recorded):
    figure = getattr(figures, name)(as_recorded("filter_evolution"))
    assert len(figure.axes) == FROM_REPORT[name] and all(ax.has_data() for ax in figure.axes)


def test_the_lines_of_a_metric_are_those_of_the_record(as_recorded):
    report = as_recorded("filter_evolution")
    lines = figures.metrics(report).axes[0].lines[:5]
    expected = report.curves["metrics_vgg"].sel(metric="distance")
    assert [line.get_label() for line in lines] == expected.layer.values.tolist()
    assert lines[4].get_ydata() == pytest.approx(expected[:, 4].values)


def test_the_table_of_zeroed_filters_has_means_and_picks_of_the_record(as_recorded):
    report = as_recorded("filter_evolution")
    table = figures.zeroing_table(report)
    lost = report.recorded_curve("cost_vgg").sel(layer="conv1", best="top-1")
    row = table.loc[("VGG-16", "conv1")].droplevel(0)
    assert row["random, top-1"].startswith(f"{lost[3:].mean().item():.2f} ±")
    assert row["Z, top-1 / top-5"].startswith(f"{lost[0].item():.2f} /")


def test_figures_of_filters_and_maps_have_a_panel_for_each_thing_shown():
    torch.manual_seed(0)
    assert len(figures.first_filters(torch.rand(3, 8, 3, 4, 4), torch.rand(8), [0, 10, "end"]).axes) == 2
    maps = [torch.rand(2, 7, 5, 5) for _ in range(2)]
    picture = torch.randint(256, (3, 8, 8), dtype=torch.uint8)
    assert len(figures.feature_maps(picture, {"VGG-16": maps, "ResNet-50": maps}, seed=0).axes) == 6


def test_six_filters_are_shown_from_the_least_moved_to_the_most(monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "filters_over_steps", lambda strip, steps, ax: shown.append(strip[0, :, 0, 0, 0]))
    monkeypatch.setattr(figures, "moves_over_steps", lambda strip, steps, ax: None)
    moved = torch.tensor([3.0, 0, 2, 1, 5, 4, 7, 6, 9, 8, 10])
    figures.first_filters(moved.reshape(1, 11, 1, 1, 1).expand(2, 11, 3, 2, 2), moved, [0, "end"])
    assert shown[0].tolist() == [0, 2, 4, 6, 8, 10]
