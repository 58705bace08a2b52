"""The pictures at the head of an inspection's figure."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

from layerlib.palette import bare, pictures

if TYPE_CHECKING:
    from layerlib.inspection.result import Inspection


def pictured(inspection: Inspection, axes: np.ndarray) -> None:
    """The pictures in the upper axes, and what guided-bp-DNN draws for them in the lower."""
    images = inspection.images
    images = _spread(images.double()) if images.is_floating_point() else images / 255
    beside = np.pad(images.numpy(), ((0, 0), (0, 0), (0, 0), (1, 1)), constant_values=1)
    row = np.moveaxis(np.concatenate(beside, -1), 0, -1)
    axes[0].imshow(
        row[..., :3] if row.shape[-1] >= 3 else row[..., 0], cmap="gray", vmin=0, vmax=1, interpolation="nearest"
    )
    bare(axes[0], "images")
    if inspection.pictures is None:
        axes[1].set_axis_off()
        say(axes[1], f"No guided pictures: {inspection.reasons['input', 'pictures']}.")
    else:
        pictures(inspection.pictures.sum(1).double().numpy(), axes[1], "guided-\nbp-DNN")
        if unguided := inspection.about.get("unguided"):
            others = f" and {len(unguided) - 1} more" if len(unguided) > 1 else ""
            text = f"Not guided at {unguided[0]}{others}: the plain derivative passes."
            axes[1].set_xlabel(textwrap.shorten(text, 110, placeholder=" …"), fontsize="x-small", color="0.35")


def _spread(images: Tensor) -> Tensor:
    """Any numbers from 0 to 1, darkest to brightest."""
    low, high = images.min(), images.max()
    return (images - low) / (high - low if high > low else 1)


def say(ax: Axes, text: str) -> None:
    """Words in the place of what cannot be drawn."""
    ax.text(
        0.5,
        0.5,
        textwrap.fill(text, 90),
        transform=ax.transAxes,
        ha="center",
        va="center",
        fontsize="x-small",
        color="0.35",
        parse_math=False,
    )
