"""The figures of the chapter on forward and backward, from its record."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from layerbook.analysis.strokes import find_strokes
from layerbook.analysis.tsne import in_the_record
from layerbook.claims import numbered
from layerbook.figures import clouds, flowing, sides, trials
from layerbook.figures import forward_backward as figures
from layerbook.registration import read_registration
from layerlib import load

REGISTRATION = Path(__file__).parents[3] / "book" / "registration.md"
CLASSES = [str(i) for i in range(10)]
FROM_REPORT = {  # figures, pictures a side, axes of each
    "alignments": (figures.alignments, 1, 2),
    "target_clouds": (lambda report: clouds.target_clouds(report, CLASSES), 5, 4),
    "separations": (lambda report: figures.separations(report, (0.9, 0.1)), 1, 6),
    "first_layer": (lambda report: clouds.first_layer(report, CLASSES), 6, 2),
    "feature_clouds": (lambda report: clouds.feature_clouds(report, CLASSES), 5, 2),
    "decoder_pictures": (figures.decoder_pictures, 1, 2),
    "decoder_likeness": (figures.decoder_likeness, 1, 2),
    "contrasts": (figures.contrasts, 1, 2),
    "other_networks": (figures.other_networks, 3, 3),
    "trials": (trials.trials, 1, 1),
    "in_short": (flowing.in_short, 1, 2),
}


@pytest.fixture
def report(as_recorded):
    made = as_recorded("forward_backward")
    made.size = "smaller"  # so that the record has a side of its own
    return made


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are drawn, which stay open, each with its alternative text."""
    found = []
    monkeypatch.setattr(sides, "svg", lambda figure, alt: found.append((figure, alt)) or f"<svg>{alt}</svg>")
    yield found
    plt.close("all")


@pytest.mark.parametrize("name", FROM_REPORT)
def test_each_side_is_drawn_the_record_first_and_named(name, report, drawn, kept):
    draw, pictures, axes = FROM_REPORT[name]
    page = draw(report).data
    assert kept(page)
    names = [report.record_side, "this run"]
    assert len(drawn) == pictures * len(names)
    assert all(len(figure.axes) == axes and all(ax.has_data() for ax in figure.axes) for figure, _ in drawn)
    assert all(side in alt for side, (_, alt) in zip(np.repeat(names, pictures), drawn, strict=True))
    assert page.count('type="range"') == len(names) * (pictures > 1)


def test_pictures_are_named_row_by_row_and_each_has_its_own_scale(report, drawn):
    figures.decoder_pictures(report)
    image, drawings = drawn[0][0].axes
    named = [text.get_text() for ax in (image, drawings) for text in ax.get_yticklabels()]
    assert named == list(figures.STRIPS.values())
    shown = drawings.images[0].get_array().filled(0)
    assert shown.shape == (6 * 30, 5 * 30)
    largest = np.abs(shown).reshape(6, 30, 5, 30).max((1, 3))
    np.testing.assert_allclose(largest, 1)


def test_the_lines_of_an_alignment_are_those_of_the_record(report, drawn):
    figures.alignments(report)
    expected = report.curves["alignment"].sel(layer=1, number="dot").mean("seed")
    assert drawn[0][0].axes[0].lines[0].get_ydata() == pytest.approx(expected.values)


def test_a_cloud_is_titled_with_the_numbers_of_the_first_seed(report, drawn):
    knn, silhouette = report.curves["separation_mnist"].sel(iteration=0, layer=2, cloud="targets").isel(seed=0).values
    clouds.target_clouds(report, CLASSES)
    title = drawn[1][0].axes[0].get_title()
    assert title.startswith("true labels, iteration 0") and drawn[1][1].endswith("layer 2)")
    assert title.endswith(f"k-NN {knn:.2f}, silhouette {silhouette:.2f}")


def test_a_record_of_more_classes_than_this_run_has_is_named_by_numbers(report, drawn):
    report.curve("tsne_classes", np.zeros((2, 400)), cloud=clouds.CLOUDS[:2], point=range(400))
    clouds.feature_clouds(report, ["cat"])
    recorded, here = ([text.get_text() for text in drawn[at][0].legends[0].get_texts()] for at in (0, -1))
    assert recorded == CLASSES and here == ["cat"]


def test_the_networks_stand_side_by_side_with_the_control_in_its_colour(report, drawn):
    figures.other_networks(report)
    titles = [ax.get_title() for ax in drawn[0][0].axes]
    assert titles == list(figures.NETWORKS)
    line = drawn[0][0].axes[2].lines[1]
    curve = report.curves["separation_sigmoid"].sel(iteration=0, number="silhouette", cloud="targets of random labels")
    np.testing.assert_allclose(line.get_ydata(), curve.mean("seed"))
    assert line.get_color() == figures.common.CONTROL_COLOUR


def test_trials_are_those_of_the_record_again(report):
    before = report.recorded_curve("trials")
    of = {item: before.sel(claim=item, value="control").item() for item in ("20", "21", "22")}
    trials.keep_trials(report, of)
    again = report.curves["trials"]
    both = [item for item in again.claim.values if item in before.claim.values]
    assert len(both) >= 10
    np.testing.assert_allclose(again.sel(claim=both), before.sel(claim=both), atol=2e-3)


def test_trials_show_no_superseded_claim_and_a_dot_right_of_the_bar_where_a_claim_holds(report, drawn):
    superseded = {item for item, each in read_registration(REGISTRATION).items() if each.superseded_by}
    trials.trials(report)
    figure, alt = drawn[0]
    ax = figure.axes[0]
    claims = [text.get_text().split()[0] for text in ax.get_yticklabels()]
    named = {numbered(item, report.chapter): item for item in report.claims}
    assert alt.startswith("Measured value") and not superseded & {named[each] for each in claims}
    dots = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    held = [report.outcome(named[each], report.record_side) == "holds" for each in claims]
    assert any(held) and all(dot > 0 for dot, holds in zip(dots, held, strict=True) if holds)
    assert not all(dot > 0 for dot in dots)


def test_marked_digits_show_each_digit_and_its_guided_picture(monkeypatch):
    images = load("mnist-mini").test.images[:20]
    found = []
    monkeypatch.setattr(figures, "drawing", lambda figure, alt: found.append(figure) or alt)
    rows, strokes = torch.tensor([3, 7]), find_strokes(images)
    figures.marked_digits(images, torch.rand(2, 28, 28), strokes, rows)
    above, below, *rest = found[0].axes
    assert len(rest) == 2, "two lines, so that a digit is large enough to see"
    assert above.get_ylabel() == "digit" and above.images[0].get_array().shape == (28, 28)
    boxes = sum(len(figures.boxes(mask[row])) for mask in (strokes.crossings, strokes.turns) for row in (3, 7))
    assert len(above.patches) == len(below.patches)
    assert len(above.patches) + len(rest[0].patches) == boxes
    plt.close("all")


def test_drawings_say_what_they_show_and_count_what_they_are_given():
    z, back = torch.tensor([0.5, 0.3, -0.1, -0.2]), torch.tensor([0.5, -0.3, -0.1, 0.2])
    assert "of z̃ the 2 with the sign of z are kept" in flowing.guiding(z, back).data
    weights = [torch.tensor([[1.0, 0], [1, -1]]), torch.tensor([[0.0, 1], [1.1, -1]])]
    passes = [torch.tensor([pair]) for pair in ([1.0, -1], [0, 1.1], [0.82, 0], [-0.75, 0.75])]
    page = flowing.toy(weights, torch.tensor([[1.0, 2]]), passes).data
    assert page.count("õ = ") == 4 and "õ = −0.75" in page
    for draw in (flowing.idea, flowing.controls):
        assert 'role="img" aria-label="' in draw().data


def test_points_are_kept_as_whole_numbers_on_one_scale():
    points = torch.tensor([[0.0, 1.0], [2.0, 2.0], [float("nan"), float("nan")], [4.0, 1.0]])
    assert in_the_record(points[:2]).tolist() == [[0, 0], [999, 500]]
    assert in_the_record(points, most=2).tolist() == [[0, 0], [500, 250]]
