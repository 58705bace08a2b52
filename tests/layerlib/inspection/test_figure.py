"""The figure of an inspection: what is drawn, what is grey, and what is said where nothing could be read."""

from dataclasses import replace
from itertools import pairwise

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from networks import NETWORKS

from layerlib import inspect
from layerlib.inspection._figure import figure
from layerlib.inspection._intervals import DRAWS, Estimate
from layerlib.inspection._lenses import QUANTITIES
from layerlib.inspection._named import NAMES
from layerlib.inspection.result import Inspection

ALL = [quantity for quantities in QUANTITIES.values() for quantity in quantities]


def made(layers=7, missing=None, channels=1, pictures=True, changed=True, names=None, twin=None):
    """An inspection with numbers of its own, without a network; ``missing``: instrument -> which layers."""
    random = torch.Generator().manual_seed(0)
    values = {quantity: torch.rand(layers, generator=random, dtype=torch.float64) for quantity in ALL}
    for quantity in ("perplexity", "effective_rank"):
        values[quantity] = 1 + 20 * values[quantity]
    nulls = {quantity: each / 2 for quantity, each in values.items()}
    draws, null_draws = (
        {quantity: each.float()[:, None] * torch.linspace(0.8, 1.2, DRAWS) for quantity, each in part.items()}
        for part in (values, nulls)
    )
    names = tuple(names or (f"layer{i}" for i in range(layers)))
    missing = (missing or {}) | ({} if changed else {"filters": range(layers), "cka": range(layers)})
    reasons = {
        (names[i], instrument): f"{instrument} cannot be read" for instrument, which in missing.items() for i in which
    }
    for name, instrument in reasons:
        for quantity in QUANTITIES[instrument]:
            values[quantity][names.index(name)] = torch.nan
    images = torch.randint(256, (8, channels, 12, 12), dtype=torch.uint8, generator=random)
    if not pictures:
        reasons["input", "pictures"] = "model: 'gate' cannot be guided"
    about = {"instruments": [*QUANTITIES, "pictures"], "network": "Made", "judged": 9, "classes": 3, "read": "mean"}
    return Inspection(
        names,
        names,
        values,
        nulls,
        draws,
        null_draws,
        reasons,
        {"distance": 0.9, "accuracy": 0.1},
        Estimate(0.8, torch.linspace(0.7, 0.9, DRAWS)),
        images,
        torch.randn(8, channels, 12, 12, generator=random) if pictures else None,
        about,
        torch.rand(layers, layers, generator=random, dtype=torch.float64),
        twin,
    )


def panels(fig):
    """Axes of the panels by the first word beside them."""
    return {ax.get_ylabel().split()[0]: ax for ax in fig.axes if ax.get_ylabel()}


def texts(ax):
    return " ".join([text.get_text() for text in ax.texts] + [ax.get_title(loc="left")]).replace("\n", " ")


def lines(ax):
    return {line.get_label(): np.asarray(line.get_ydata()) for line in ax.lines if not line.get_label().startswith("_")}


def bands(ax):
    return sorted((p.get_x(), p.get_x() + p.get_width()) for p in ax.patches if p.get_width() == 1)


def shades(ax):
    """Lowest and highest point of each shaded area, by label."""
    areas = {}
    for area in ax.collections:
        y = np.concatenate([path.vertices[:, 1] for path in area.get_paths()] or [[]])
        areas.setdefault(area.get_label() if not area.get_label().startswith("_") else "", []).append(
            (y.min(), y.max()) if len(y) else None
        )
    return areas


def test_each_panel_draws_the_numbers_of_its_instrument():
    inspection = made()
    drawn = panels(figure(inspection))
    assert list(drawn) == [
        "images",
        "guided-",
        "distance",
        "perplexity",
        "Hamming,",
        "accuracy",
        "silhouette",
        "effective",
        "likeness",
        "CKA",
        "relative",
    ]
    for panel, label, quantity, scale in (
        ("distance", "layer's probe", "distance", 1),
        ("perplexity", "mean over classes", "perplexity", 1),
        ("accuracy", "discrete", "discrete", 100),
        ("accuracy", "combined", "combined", 100),
        ("silhouette", "targets", "target_silhouette", 1),
        ("silhouette", "outputs", "feature_silhouette", 1),
        ("Hamming,", "pairs of samples", "hamming", 1),
        ("effective", "outputs", "effective_rank", 1),
        ("CKA", "outputs", "cka", 1),
        ("relative", "weights", "relative_change", 1),
    ):
        np.testing.assert_allclose(lines(drawn[panel])[label], scale * inspection.values[quantity])
    assert set(lines(drawn["distance"])["class frequencies"]) == {0.9}
    assert set(lines(drawn["accuracy"])["network"]) == {80}
    assert drawn["perplexity"].get_yscale() == "log"
    assert [label.get_text() for label in drawn["relative"].get_xticklabels()] == list(inspection.layers)


def test_the_network_before_is_a_line_of_its_own_where_there_is_one():
    earlier = made()
    for values in earlier.values.values():
        values.mul_(0.9)
    for name, ax in panels(figure(made(twin=earlier))).items():
        if name not in ("images", "guided-", "likeness"):
            assert "before" in lines(ax), name
            assert "before" not in lines(panels(figure(made()))[name])
    drawn = panels(figure(made(twin=earlier)))
    np.testing.assert_allclose(lines(drawn["distance"])["before"], earlier.values["distance"])
    np.testing.assert_allclose(lines(drawn["accuracy"])["before"], 100 * earlier.values["discrete"])
    assert sum(line.get_markerfacecolor() == "white" for line in drawn["accuracy"].lines) == 3


def test_likeness_between_the_layers_shown_is_a_map_with_these_layers_both_ways():
    of_outputs = [instrument for instrument in QUANTITIES if instrument != "filters"]
    inspection = made(missing={instrument: [1, 4] for instrument in of_outputs})
    (drawn,) = panels(figure(inspection))["likeness"].images
    shown = [0, 2, 3, 5, 6]
    np.testing.assert_allclose(drawn.get_array(), inspection.between[shown][:, shown])
    assert drawn.get_clim() == (0, 1)
    assert "likeness" not in panels(figure(replace(inspection, between=None)))
    assert "likeness" not in panels(figure(made(1)))


def test_without_a_change_there_is_no_panel_of_it():
    assert not {"relative", "CKA"} & {*panels(figure(made(changed=False)))}


def test_every_panel_has_the_null_as_a_grey_band_and_a_shade_for_the_interval():
    inspection = made()
    for name, ax in panels(figure(inspection)).items():
        if not ax.images:
            assert "null" in shades(ax), name
    ax = panels(figure(inspection))["Hamming,"]
    null, shade = inspection.nulls["hamming"], inspection.values["hamming"]
    np.testing.assert_allclose(shades(ax)["null"][0], (0.81 * null.min(), 1.19 * null.max()), rtol=1e-3)
    np.testing.assert_allclose(shades(ax)[""][0], (0.81 * shade.min(), 1.19 * shade.max()), rtol=1e-3)


def test_a_null_of_no_width_is_within_the_panel_and_seen():
    inspection = made()
    for quantity in ALL:
        inspection.null_draws[quantity][:] = inspection.nulls[quantity].float()[:, None]
    for quantity in QUANTITIES["filters"]:
        inspection.nulls[quantity][:] = 0
        inspection.null_draws[quantity][:] = 0
    for name, ax in panels(figure(inspection)).items():
        if not ax.images:
            (area,) = (area for area in ax.collections if area.get_label() == "null")
            low, high = ax.get_ylim()
            assert (
                area.get_linewidth()[0] >= 1.5 and low < shades(ax)["null"][0][0] <= shades(ax)["null"][0][1] < high
            ), name


def test_layers_that_nothing_could_read_are_named_below_and_take_no_place():
    of_outputs = [instrument for instrument in QUANTITIES if instrument != "filters"]
    inspection = made(missing={instrument: [1, 4] for instrument in of_outputs})
    ax = panels(figure(inspection))["relative"]
    assert "Not read: layer1, layer4: distribution cannot be read." in ax.get_xlabel()
    assert [label.get_text() for label in ax.get_xticklabels()] == ["layer0", "layer2", "layer3", "layer5", "layer6"]
    assert not bands(panels(figure(inspection))["distance"])


def test_only_what_was_asked_for_has_a_panel():
    inspection = made()
    inspection.about["instruments"] = ["nodes"]
    assert list(panels(figure(inspection))) == ["accuracy"]


def test_words_with_dollars_are_text():
    names = [r"$\frac{$", "$x$"]
    fig = figure(made(2, names=names, missing={"nodes": [0, 1]}))
    FigureCanvasAgg(fig).draw()
    assert [label.get_text() for label in panels(fig)["relative"].get_xticklabels()] == names


def test_layers_that_could_not_be_read_are_hatched():
    drawn = panels(figure(made(missing={"patterns": [2, 5], "targets": [0]})))
    assert bands(drawn["perplexity"]) == [(1.5, 2.5), (4.5, 5.5)] and bands(drawn["silhouette"]) == [(-0.5, 0.5)]
    assert not bands(drawn["distance"])
    assert "not read" in [text.get_text() for text in drawn["perplexity"].get_legend().get_texts()]


def test_a_panel_without_any_number_says_why():
    drawn = panels(figure(made(missing={"nodes": range(7)}, pictures=False)))
    assert "Not read: nodes cannot be read." in texts(drawn["accuracy"]) and not drawn["accuracy"].lines
    assert drawn["accuracy"].get_legend() is None


def test_missing_pictures_are_told_in_words():
    fig = figure(made(pictures=False))
    assert any("No guided pictures: model: 'gate' cannot be guided." in texts(ax) for ax in fig.axes)
    assert "guided-" not in panels(fig)


def test_what_pictures_pass_unguided_is_said_below_them():
    inspection = made()
    inspection.about["unguided"] = ["blocks.0.attn (Attention)", "blocks.1.attn (Attention)"]
    said = [ax.get_xlabel() for ax in figure(inspection).axes]
    assert "Not guided at blocks.0.attn (Attention) and 1 more: the plain derivative passes." in said


def test_targets_alone_missing_are_told_above_the_panel():
    inspection = made()
    inspection.values["target_silhouette"][:] = torch.nan
    inspection.reasons.update({(name, "targets"): "model: expected logits" for name in inspection.layers})
    ax = panels(figure(inspection))["silhouette"]
    assert "targets not read: model: expected logits" in texts(ax) and list(lines(ax)) == ["outputs"]


@pytest.mark.parametrize(("layers", "shown"), [(1, 1), (33, 17), (121, 31)])
def test_names_of_many_layers_are_thinned_out_and_within_the_figure(layers, shown):
    names = [f"features.{i}.block.0.convolution.with.a.long.name" for i in range(layers)]
    fig = figure(made(layers, names=names))
    labels = [label for label in panels(fig)["relative"].get_xticklabels() if label.get_text()]
    assert len(labels) == shown <= NAMES and all(len(label.get_text()) <= 30 for label in labels)
    FigureCanvasAgg(fig).draw()
    boxes = [label.get_window_extent() for label in labels]
    assert min(box.y0 for box in boxes) >= 0 and fig.get_size_inches().max() < 16
    assert all(left.x1 <= right.x0 + 1 for left, right in pairwise(boxes))


def test_legends_are_outside_the_data():
    fig = figure(made())
    FigureCanvasAgg(fig).draw()
    for name in ("distance", "perplexity", "Hamming,", "accuracy", "silhouette", "effective", "CKA", "relative"):
        ax = panels(fig)[name]
        assert ax.get_legend().get_window_extent().x0 >= ax.get_window_extent().x1
        assert ax.get_legend().get_window_extent().x1 <= fig.bbox.x1


@pytest.mark.parametrize("channels", [2, 3])
def test_images_of_any_number_of_channels_are_drawn(channels):
    assert len(panels(figure(made(3, channels=channels)))["images"].images) == 1


def test_the_style_and_the_open_figures_are_left_as_they_were():
    with plt.rc_context({"grid.color": "red", "figure.dpi": 50}):
        before, numbers = dict(matplotlib.rcParams), plt.get_fignums()
        figure(made(3))
        assert dict(matplotlib.rcParams) == before and plt.get_fignums() == numbers


@pytest.mark.parametrize("name", ["vit", "borrowed weights", "not finite"])
def test_figures_of_networks_have_no_panel_without_words(name):
    torch.manual_seed(0)
    model, split, _ = NETWORKS[name]()
    fig = inspect(model, split).figure()
    FigureCanvasAgg(fig).draw()
    for ax in fig.axes:
        assert ax.images or lines(ax) or texts(ax).strip()
