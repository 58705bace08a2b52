"""The figures of the chapter on filters: each draws every side of what its report holds."""

import base64
import re

import matplotlib.pyplot as plt
import pytest
import torch

from layerbook.figures import changing
from layerbook.figures import filter_evolution as figures
from layerbook.report import THIS_RUN

# Figures of the record, with the pictures of each side: one, or one a step of the slider.
FROM_REPORT = {
    "metrics": 6,
    "depth_orders": 1,
    "sizes": 1,
    "gradients": 1,
    "stillness": 2,
    "idle_filters": 1,
    "zeroing": 1,
    "in_short": 1,
}


@pytest.mark.parametrize("name", FROM_REPORT)
def test_a_figure_shows_the_record_first_then_this_run(name, as_recorded, kept):
    page = getattr(figures, name)(as_recorded("filter_evolution")).data
    first, second = page.split('data-side="')[1:]
    assert not first.startswith(THIS_RUN) and second.startswith(f'{THIS_RUN}" hidden')
    for side in (first, second):
        assert side.count('role="img"') == FROM_REPORT[name]
        assert kept(side)
        assert ('type="range"' in side) == (FROM_REPORT[name] > 1)
    assert plt.get_fignums() == []


def test_the_slider_of_the_measures_names_them_in_words(as_recorded):
    page = figures.metrics(as_recorded("filter_evolution")).data
    assert 'aria-label="metric"' in page and 'aria-valuetext="D, as printed"' in page
    for raw, words in figures.MEASURES.items():
        assert page.count(f'data-label="{words}"') == 2 and f'data-label="{raw}"' not in page


def test_the_lines_of_a_metric_are_those_of_the_record(as_recorded, monkeypatch):
    seen, report = [], as_recorded("filter_evolution")
    monkeypatch.setattr("layerbook.figures.sides.svg", lambda figure, alt: seen.append(figure) or f"<svg>{alt}</svg>")
    figures.metrics(report)
    lines = seen[0].axes[0].lines[:5]
    expected = report.curves["metrics_vgg"].sel(metric="distance")
    assert [line.get_label() for line in lines] == expected.layer.values.tolist()
    assert lines[4].get_ydata() == pytest.approx(expected[:, 4].values)
    plt.close("all")


def test_bars_in_short_are_means_of_the_record(as_recorded, monkeypatch):
    seen, report = [], as_recorded("filter_evolution")
    monkeypatch.setattr("layerbook.figures.sides.svg", lambda figure, alt: seen.append(figure) or f"<svg>{alt}</svg>")
    figures.in_short(report)
    (ax,) = seen[0].axes
    for bar, run in zip(ax.patches, ("VGG-16", "VGG-16, SGD"), strict=True):
        expected = report.curves["order"].sel(run=run, reading="as printed", value="mean")
        assert bar.get_width() == pytest.approx(expected.item())
    plt.close("all")


def test_figures_of_filters_and_maps_come_with_numbers():
    torch.manual_seed(0)
    page = figures.first_filters(torch.rand(3, 8, 3, 4, 4), torch.rand(8), [0, 10, "end"]).data
    assert page.count("data:image/png;base64") == 2 and "data:text/csv" in page
    maps = [torch.rand(2, 7, 5, 5) for _ in range(2)]
    picture = torch.randint(256, (3, 8, 8), dtype=torch.uint8)
    page = figures.feature_maps(picture, {"VGG-16": maps, "ResNet-50": maps}, seed=0).data
    assert page.count('role="img"') == 1 and "data:text/csv" in page
    assert plt.get_fignums() == []


def test_six_filters_are_shown_from_the_least_moved_to_the_most(monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "filters_over_steps", lambda strip, steps, ax: shown.append(strip[0, :, 0, 0, 0]))
    monkeypatch.setattr(figures, "moves_over_steps", lambda strip, steps, ax: None)
    moved = torch.tensor([3.0, 0, 2, 1, 5, 4, 7, 6, 9, 8, 10])
    figures.first_filters(moved.reshape(1, 11, 1, 1, 1).expand(2, 11, 3, 2, 2), moved, [0, "end"])
    assert shown[0].tolist() == [0, 2, 4, 6, 8, 10]


def test_drawings_say_in_words_what_they_show():
    before = torch.zeros(2, 2, 2)
    after = before.clone()
    after[0, 1, 1], after[1, 0, 0] = 0.3, 0.05
    page = changing.change(before, after, 0.1).data
    assert "1 of 8 moved by more than 0.1" in page
    assert page.count("1 of 4 moved") == 1 and page.count(">still<") == 1
    assert "three have moved" in changing.idea().data
    assert "9 weights a channel" in changing.chance(9).data and "steps of Adam" in changing.steps().data
    assert plt.get_fignums() == []


def test_a_narrow_network_shows_the_feature_maps_that_it_has():
    picture, maps = torch.zeros(3, 8, 8, dtype=torch.uint8), {"narrow": 4, "wide": 16}
    page = figures.feature_maps(picture, {k: [torch.rand(2, n, 8, 8)] * 2 for k, n in maps.items()}, 0).data
    coded = re.search(r'href="data:text/csv;base64,([^"]+)"', page)[1]
    first, *_, last = base64.b64decode(coded).decode().splitlines()[1:]
    assert first.endswith(",") and not last.endswith(",")  # the fifth map, which the narrow one lacks
