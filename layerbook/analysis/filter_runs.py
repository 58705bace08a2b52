"""A training whose filters were followed, and what its snapshots say of the layers (Hu et al. 2018, fig. 2)."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from layerbook.training.fit import History
from layerlib import outputs
from layerlib._checks import checked, like, mapping, renamed, text
from layerlib._tensors import labelled, network, samples
from layerlib.data.splits import Split
from layerlib.filters.gradients import gradient_sizes
from layerlib.filters.tracking import FilterTracker

READINGS = ("as printed", "per weight", "relative")


def _kept(argument: str, value: object) -> object:
    for name in ("weights", "tracker"):
        mapping()(argument, mapping(name)(argument, value)[name])  # type: ignore[index]
    return value


@checked(
    start=network,
    model=network,
    tracker=like("FilterTracker", "to_frame"),
    history=like("History", "snapshots"),
    kept=_kept,
)
@dataclass
class FilterRun:
    """A network that was trained while its filters were followed.

    Parameters
    ----------
    start, model : the network before training and after it
    tracker : what followed the filters
    history : of the training
    kept : what `layerbook.training.learning.Learning` kept of the end of learning; None where it did not end
    """

    start: nn.Module
    model: nn.Module
    tracker: FilterTracker
    history: History
    kept: Mapping[str, Any] | None = None

    @cached_property
    def learned(self) -> "FilterRun":
        """The run to the end of its learning phase, with the network as it was then; all of it where it did not end."""
        if self.kept is None:
            return self
        model, tracker = copy.deepcopy((self.model, self.tracker))
        model.load_state_dict(self.kept["weights"])
        tracker.load_state_dict(self.kept["tracker"])
        return FilterRun(self.start, model, tracker, self.history)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """What the tracker measured."""
        return self.tracker.to_frame()

    @property
    def names(self) -> list[str]:
        """The layers followed, from bottom to top."""
        return list(self.tracker.names)

    @property
    def steps(self) -> np.ndarray:
        """After which a snapshot was taken, shape (snapshots,)."""
        return self.frame.step.unique()

    @property
    def weights(self) -> list[int]:
        """Weights of one filter of each layer."""
        return [self.model.get_submodule(name).weight[0].numel() for name in self.names]

    @checked(name=text)
    def filters(self, name: str) -> Tensor:
        """The filters of a layer that was followed, after training: (filters, channels, h, w), on the CPU."""
        if name not in self.names:
            raise ValueError(f"name: expected one of {', '.join(self.names)}, got {name!r}")
        return self.model.get_submodule(name).weight.detach().cpu()

    @checked(column=text)
    def series(self, column: str) -> np.ndarray:
        """A metric over training, one of the columns of ``frame``: shape (snapshots, layers)."""
        if column not in self.frame.columns[2:]:
            raise ValueError(f"column: expected one of {', '.join(self.frame.columns[2:])}, got {column!r}")
        return self.frame.pivot(index="step", columns="layer", values=column)[self.names].to_numpy()

    def changes(self) -> dict[str, np.ndarray]:
        """D in three readings: as printed, per weight, and per weight by the layer's initial mean square."""
        squares = [self.start.get_submodule(name).weight.detach().square().mean().item() for name in self.names]
        per_weight = self.series("per_weight")
        return dict(zip(READINGS, (self.series("distance"), per_weight, per_weight / np.array(squares)), strict=True))

    @checked(threshold=text)
    def null(self, threshold: str) -> np.ndarray:
        """Z as it would be if the weights of a channel moved independently: (snapshots, layers)."""
        places = [self.model.get_submodule(name).weight[0, 0].numel() for name in self.names]
        with renamed(column="threshold"):
            return (1 - self.series(f"significant_{threshold}")) ** np.array(places)

    @checked(batch=labelled)
    def gradient_sizes(self, batch: Split) -> Tensor:
        """Sizes of input, error and gradient at every convolution along the main path, see `gradient_sizes`.

        Returns
        -------
        shape (2, 3, convolutions), on the CPU: before training and after it; shortcuts are left out
        """
        names = [
            name
            for name, module in self.model.named_modules()
            if isinstance(module, nn.Conv2d) and "downsample" not in name
        ]
        return torch.stack(
            [torch.stack(gradient_sizes(model, names, batch)).cpu() for model in (self.start, self.model)]
        )

    def filter_changes(self) -> np.ndarray:
        """Mean D of every filter, shape (layers, filters), NaN beyond a layer's last filter."""
        rows = [self.tracker.mean_distance(name).cpu() for name in self.tracker.names]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=torch.nan).numpy()

    def idle(self) -> np.ndarray:
        """Share of each layer's filters whose mean D is below 1 % of the layer's median, shape (layers,)."""
        each = self.filter_changes()
        below = each < 0.01 * np.nanmedian(each, axis=1, keepdims=True)
        return below.sum(1) / (~np.isnan(each)).sum(1)

    @checked(images=samples)
    def first_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What the first layer puts out after a ReLU, before training and after it: (N, filters, h, w) on the CPU."""
        name = self.names[0]
        start, end = (outputs(model, name, images)[name].relu().cpu() for model in (self.start, self.model))
        return start, end

    def first_layer_moves(self) -> tuple[float, float]:
        """How far the first layer has moved by its length, and its answer to a plain grey picture by that before."""
        old, new = (model.get_submodule(self.names[0]).weight.detach().cpu() for model in (self.start, self.model))
        grey, grey_before = (weight.sum((1, 2, 3)).norm() for weight in (new - old, old))
        return ((new - old).norm() / old.norm()).item(), (grey / grey_before).item()
