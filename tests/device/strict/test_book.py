"""What the book makes of tensors of the device: statistics, figures and times. What a figure draws is on the CPU."""

import matplotlib.pyplot as plt
import pytest
import torch
from pretend_device import counted

from layerbook.analysis import contrast, intervals, strokes, tsne
from layerbook.figures import clouds, common, cooperating_classifiers, distribution_panels, filter_panels, node_systems
from layerbook.report import Report
from layerbook.timing import milliseconds
from layerlib.data.load import load

drawn = torch.rand(6, 4, generator=torch.Generator().manual_seed(0))
digits = load("mnist-mini").test[:12]
names = list("abcd")

FIGURES = {
    "spread": lambda x, ax: common.spread(range(4), x, ax),
    "activation_shares": lambda x, ax: cooperating_classifiers.activation_shares(x[:4], [2, 2], names, ax),
    "systems": lambda x, ax: node_systems.systems(x.reshape(3, 2, 4), 0.5, ax),
    "class_histograms": lambda x, ax: node_systems.class_histograms(x[:4], torch.arange(5.0).to(x), names, ax),
    "cloud": lambda x, ax: clouds.plane(x[:, :2], (4 * x[:, 2]).long(), ax),
    "over_training": lambda x, ax: common.over_training([0, 10], x.reshape(2, 3, 4), ax),
    "pictures": lambda x, ax: common.pictures(x.reshape(2, 3, 4), ax, "digits"),
    "marked": lambda x, ax: common.marked(x, [(0, 0, 2, 2)], [], ax),
    "label_bars": lambda x, ax: distribution_panels.label_bars(x[0], x[1], ax, names),
    "scene": lambda x, ax: distribution_panels.scene((255 * x[None]).byte(), ax),
    "label_costs": lambda x, ax: distribution_panels.label_costs(x[:4], names, ax),
    "gains": lambda x, ax: distribution_panels.gains({"net": x[:, :3].reshape(6, 1, 3)}, list("uvwxyz"), ax),
    "filters_over_steps": lambda x, ax: filter_panels.filters_over_steps(x.reshape(1, 2, 3, 2, 2), ["0"], ax),
}


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_a_figure_takes_tensors_of_the_device(draw):
    figure, axes = plt.subplots(1, 2)
    for values, ax in zip((drawn, drawn.cuda()), axes, strict=True):
        draw(values, ax)
    ours, theirs = ([len(each.get_children()), *each.dataLim.bounds] for each in figure.axes[:2])
    assert theirs == pytest.approx(ours)
    plt.close(figure)


STATISTICS = {
    "standardized": lambda x: contrast.standardized(x, strokes.find_strokes(digits.images).ink),
    "adjusted": lambda x: contrast.adjusted(x.double(), strokes.find_strokes(digits.images)),
    "contrast": lambda x: contrast.contrast(x, digits.images[:, 0] > 200, digits.images[:, 0] < 10),
    "bootstrap_mean": lambda x: contrast.bootstrap_mean(x[:, 0, 14].double()),
    "bootstrap": lambda x: intervals.bootstrap(x[:3, :, 14] > 0.5).ends,
    "rank_correlation": lambda x: intervals.rank_correlation(range(28), x[:, 14]).numpy(),
    "trend": lambda x: intervals.trend(range(12), x[:, 14, 10:13]).ends,
    "find_strokes": lambda x: [each.cpu() for each in vars(strokes.find_strokes((255 * x).byte())).values()],
    "boxes": lambda x: strokes.boxes(x[0] > 0.5),
    "tsne": lambda x: tsne.in_the_record(tsne.tsne(x, perplexity=2.0)).numpy(),
}


@pytest.mark.parametrize("statistic", STATISTICS.values(), ids=STATISTICS)
def test_a_statistic_takes_tensors_of_the_device(statistic):
    pictures = digits.images[:, 0] / 255
    expected, found = statistic(pictures), statistic(pictures.cuda())
    found = found.cpu() if isinstance(found, torch.Tensor) else found
    torch.testing.assert_close(
        torch.as_tensor(found) if not isinstance(found, (list, tuple)) else found,
        torch.as_tensor(expected) if not isinstance(expected, (list, tuple)) else expected,
        rtol=1e-6,
        atol=1e-9,
        equal_nan=True,
    )


def test_a_report_takes_numbers_of_the_device():
    report = Report("device", size_says="few pictures")
    report.number("mean", drawn.cuda().mean())
    report.curve("rows", [drawn.cuda(), drawn], part=["device", "cpu"])
    assert report.numbers["mean"] == drawn.mean().item()
    assert report.curves["rows"][0].equals(report.curves["rows"][1].assign_coords(part="device"))


def test_a_time_is_taken_when_the_device_has_finished():
    x = drawn.cuda()
    with counted() as counts:
        milliseconds(lambda: x @ x.T, times=3)
    assert counts.launches == 3 and counts.syncs == 6
    assert {what for _, what in counts.waits if counts.waits[_, what]} == {"synchronize"}
