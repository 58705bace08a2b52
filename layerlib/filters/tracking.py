"""Filters followed while a network trains (Hu et al. 2018, sec. IV)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from layerlib._checks import above_zero as above
from layerlib._checks import checked, mapping, names_of, several_names, whole_number
from layerlib._tensors import network
from layerlib.filters.change import above_zero, measure
from layerlib.filters.zeroing import layer
from layerlib.layers._weights import weight_of

Threshold = float | Callable[[int], float]


def _thresholds(argument: str, value: object) -> object:
    for each in value.values() if isinstance(value, Mapping) else [value]:
        if not callable(each):
            above(argument, each)
    return value


@checked(model=network, names=several_names, every=whole_number, threshold=_thresholds)
class FilterTracker:
    """Follows the filters of named layers while a network trains (Hu et al. 2018, sec. IV-B and C).

    Every ``every`` steps it compares the weights with those ``every`` steps before, of which it keeps the one copy
    there is; no model is ever saved. What it measures stays on the device until it is asked for.

    In ``fit`` it is a callback: ``fit(model, split, callbacks=[tracker], …)``. In a loop of your own, make it before
    the first step and call ``tracker.step()`` after each. The model may be compiled, and trained in mixed precision.

    Parameters
    ----------
    model : any module
    names : of its layers to follow, linear ones and convolutions, transposed ones too, in any number of dimensions;
        of a parametrised or pruned layer what it makes of its parameters is followed
    every : steps between two measurements
    threshold : τ of S_t and Z_t; a number, or a function of the step at which is measured, such as
        ``lambda step: 2e-4 * schedule(step - 1)``; or several of these by name, measured in one pass

    Raises
    ------
    ValueError
        for a layer that is unknown (with the closest names), named twice, without a weight or with one of one
        dimension, ``every`` other than a whole number from 1 up, or a threshold that is not above 0; later on, if a
        weight was replaced

    Examples
    --------
    >>> tracker = FilterTracker(model, ["features.0", "features.28"], every=10, threshold=2e-4)
    >>> history = fit(model, train, epochs=1, callbacks=[tracker])
    >>> tracker.to_frame().columns.tolist()
    ['step', 'layer', 'distance', 'per_weight', 'significant', 'still']
    >>> tracker.mean_distance("features.28").shape
    torch.Size([512])
    """

    _step: int
    _copied_at: int
    _steps: list[int]
    _rows: list[Tensor]
    _copy: dict[str, Tensor]
    _sums: dict[str, Tensor]

    def __init__(
        self,
        model: nn.Module,
        names: str | Sequence[str],
        every: int = 10,
        threshold: Threshold | Mapping[str, Threshold] = 2e-4,
    ):
        self.names = names_of(names)
        if not self.names or len(set(self.names)) < len(self.names):
            raise ValueError(f"names: expected at least one layer, each once, got {list(self.names)}")
        self.every = whole_number("every", every)
        # without a name of its own the one threshold adds nothing to the names of columns
        named = threshold if isinstance(threshold, Mapping) else {"": threshold}
        self._thresholds = {key: each if callable(each) else above_zero(each) for key, each in named.items()}
        if not self._thresholds:
            raise ValueError("threshold: expected at least one, got none")
        self._layers = {name: layer(model, name) for name in self.names}
        # a weight that a layer makes of others is no parameter, and another tensor every time
        self._parameters = {name: each._parameters.get("weight") for name, each in self._layers.items()}
        for name, weight in self._weights().items():
            if weight.ndim < 2:
                raise ValueError(
                    f"names: expected weights (filters, channels, …), got {tuple(weight.shape)} of {name!r}"
                )
        self._restart()

    def __repr__(self) -> str:
        # a stored run is known by its settings, of which this is one
        named = {key: getattr(each, "__qualname__", each) for key, each in self._thresholds.items()}
        return f"FilterTracker({list(self.names)}, every={self.every}, threshold={named.get('', named)})"

    @torch.no_grad()
    def __call__(self, step: int, model: nn.Module | None = None) -> None:
        """Take note of ``step`` steps having been made; with 0, begin anew from the weights as they are."""
        if step == 0:
            self._restart()
        self._step = step
        if step == 0 or step % self.every:
            return
        self._check(model)
        # after a gap, as in a run resumed without this tracker's state, there is nothing of the right age to compare
        if self._copied_at == step - self.every:
            self._record(step)
        for name, weight in self._weights().items():
            self._copy[name].copy_(weight)
        self._copied_at = step

    def step(self) -> None:
        """Take note of one more step: call it after ``optimizer.step()``."""
        self(self._step + 1)

    def to_frame(self) -> pd.DataFrame:
        """One row for each measurement and layer.

        Columns are step, layer, distance (D_t as printed), per_weight, significant (S_t) and still (Z_t); with named
        thresholds ``significant_NAME`` and ``still_NAME``.
        """
        keys = [f"{metric}_{key}" if key else metric for key in self._thresholds for metric in ("significant", "still")]
        columns = ["distance", "per_weight", *keys]
        shape = (0, len(self.names), len(columns))
        values = torch.stack(self._rows).cpu().numpy() if self._rows else np.empty(shape)
        frame = pd.DataFrame(values.reshape(-1, len(columns)), columns=columns)
        frame.insert(0, "step", np.repeat(np.array(self._steps, dtype=np.int64), len(self.names)))
        frame.insert(1, "layer", list(self.names) * len(self._steps))
        return frame

    def mean_distance(self, name: str) -> Tensor:
        """Each filter's squared distance, averaged over all measurements.

        Parameters
        ----------
        name : of a tracked layer

        Returns
        -------
        float64, shape (filters,)
        """
        return self._mean(name)[0]

    def mean_still(self, name: str, threshold: str | None = None) -> Tensor:
        """Each filter's share of still channels, averaged over all measurements.

        Parameters
        ----------
        name : of a tracked layer
        threshold : one of several by its name; by default the first

        Returns
        -------
        float64, shape (filters,)

        Raises
        ------
        ValueError
            if there is no threshold of that name
        """
        keys = list(self._thresholds)
        if threshold is not None and threshold not in keys:
            raise ValueError(f"threshold: expected one of {keys}, got {threshold!r}")
        return self._mean(name)[1 + (keys.index(threshold) if threshold else 0)]

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs, as tensors, numbers and names: ``torch.save`` it with the model."""
        rows = torch.stack(self._rows) if self._rows else torch.empty(0)
        return {
            "names": list(self.names),
            "thresholds": list(self._thresholds),
            "every": self.every,
            "step": self._step,
            "copied_at": self._copied_at,
            "steps": list(self._steps),
            "rows": rows,
            "copy": {name: tensor.clone() for name, tensor in self._copy.items()},
            "sums": {name: tensor.clone() for name, tensor in self._sums.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where another tracker was.

        Parameters
        ----------
        state : of its ``state_dict``, to be loaded together with the model's

        Raises
        ------
        ValueError
            if it is the state of a tracker of other layers, shapes, thresholds or another interval
        """
        own = {"names": list(self.names), "thresholds": list(self._thresholds), "every": self.every}
        for key, expected in own.items():
            if state[key] != expected:
                raise ValueError(f"state: expected {key} {expected}, got {state[key]}")
        weights = self._weights()
        for name, weight in weights.items():
            if state["copy"][name].shape != weight.shape:
                raise ValueError(
                    f"state: expected {name!r} of shape {tuple(weight.shape)}, got {tuple(state['copy'][name].shape)}"
                )
        self._step, self._copied_at, self._steps = state["step"], state["copied_at"], list(state["steps"])
        self._copy, self._sums = (
            {name: state[key][name].to(weight.device, copy=True) for name, weight in weights.items()}
            for key in ("copy", "sums")
        )
        self._rows = list(state["rows"].to(next(iter(self._sums.values())).device).unbind())

    def _restart(self) -> None:
        self._step = self._copied_at = 0
        self._steps, self._rows = [], []
        weights = self._weights()
        self._copy = {name: weight.clone() for name, weight in weights.items()}
        self._sums = {
            name: torch.zeros(1 + len(self._thresholds), len(weight), dtype=torch.float64, device=weight.device)
            for name, weight in weights.items()
        }

    @torch.no_grad()
    def _weights(self) -> dict[str, Tensor]:
        return {name: weight_of(each, name).detach() for name, each in self._layers.items()}

    def _check(self, model: nn.Module | None) -> None:
        for name, module in self._layers.items():
            if module._parameters.get("weight") is not self._parameters[name]:
                raise ValueError(
                    f"model: the weight of {name!r} was replaced by another parameter; copy into the "
                    "weight instead, or make a new tracker"
                )
        if model is not None and not set(self._layers.values()) <= set(model.modules()):
            raise ValueError(f"model: expected the one whose layers are tracked, got another {type(model).__name__}")

    def _record(self, step: int) -> None:
        thresholds = [above_zero(each(step)) if callable(each) else each for each in self._thresholds.values()]
        row = []
        # layers differ in shape, so that there is no batch of them to be had
        for name, weight in self._weights().items():
            copy, sums = self._copy[name], self._sums[name]
            if copy.device != weight.device:
                copy, sums = self._copy[name], self._sums[name] = copy.to(weight.device), sums.to(weight.device)
            per_filter, significant, still = measure(copy, weight, thresholds)
            sums += torch.cat([per_filter[None], still])
            distance = per_filter.mean()
            shares = torch.stack([significant.mean(1), still.mean(1)], 1).flatten()
            row.append(torch.cat([torch.stack([distance, distance / weight[0].numel()]), shares]))
        self._rows.append(torch.stack([values.to(row[0].device) for values in row]))
        self._steps.append(step)

    def _mean(self, name: str) -> Tensor:
        if name not in self.names:
            raise ValueError(f"name: expected one of the layers tracked, {list(self.names)}, got {name!r}")
        return self._sums[name] / len(self._steps) if self._steps else self._sums[name] * torch.nan


# beside the class, whose text is part of the names of stored trainings
FilterTracker.load_state_dict = checked(  # type: ignore[method-assign]
    state=mapping("names", "thresholds", "every", "step", "copied_at", "steps", "rows", "copy", "sums")
)(FilterTracker.load_state_dict)
