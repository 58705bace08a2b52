"""The look of the figures is seaborn's, without seaborn."""

import matplotlib as mpl
import numpy as np
import seaborn as sns
import torch
from matplotlib import pyplot as plt
from matplotlib.colors import is_color_like, to_rgb

from layerlib import palette

BOOK = {
    "figure.dpi": 110,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.92",
    "legend.frameon": False,
}


def settings():
    """What is set, colours by value, without the colours of pictures, which figures name themselves."""
    return {
        key: to_rgb(value) if is_color_like(value) else value
        for key, value in mpl.rcParams.items()
        if key != "image.cmap"
    }


def test_the_style_is_the_one_that_seaborn_sets():
    with plt.rc_context():
        mpl.rcdefaults()
        sns.set_theme(style="ticks", context="notebook", palette=palette.KIND_COLOURS, font_scale=0.85, rc=BOOK)
        expected = settings()
        mpl.rcdefaults()
        palette.use_style()
        found = settings()
    assert {key: (value, found[key]) for key, value in expected.items() if found[key] != value} == {}


def test_colours_of_classes_are_seaborns():
    np.testing.assert_array_equal(palette.CLASS_COLOURS, sns.color_palette("colorblind", 10))


def test_what_is_drawn_is_an_array_whatever_it_was():
    weight = torch.tensor([[1.0, 2.0]], requires_grad=True)
    for values in (weight, [weight[0]], ((1, 2),), np.array([[1, 2]]), [[torch.tensor(1), 2.0]]):
        found = palette.as_array(values)
        assert found.dtype == float and found.tolist() == [[1, 2]]
    assert palette.as_array(torch.tensor([3], dtype=torch.uint8), None).dtype == np.uint8
