"""`inspect`, again and again, while a network learns."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from inspect import signature
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import nn

from layerlib._checks import checked, did_you_mean, function, mapping, whole_number
from layerlib.data._source import gather
from layerlib.inspection import _keeping
from layerlib.inspection._lenses import QUANTITIES
from layerlib.inspection.inspect import inspect
from layerlib.inspection.result import Inspection
from layerlib.layers._names import bare

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OPTIONS = tuple(signature(inspect).parameters)[2:]


class Watch:
    """Inspects a network every ``every`` steps of its training, the first time as it is given.

    Make it before the first step, and call ``watch.step()`` after each ``optimizer.step()``. The data are gone through
    once, and the same samples inspected each time. The network is left as it is: modes, gradients, random state.

    Parameters
    ----------
    model : that is trained
    data : as of ``inspect``; a thousand samples tell much, at little cost
    every : steps between two inspections
    options : of ``inspect``. By default all instruments but pictures and the twin, and ``before`` is the network as it
        is given: its first inspection is the twin's

    Attributes
    ----------
    inspections : step -> Inspection
    seconds : spent with them so far

    Raises
    ------
    ValueError
        if ``every`` is below 1, an option is none of ``inspect``, or as ``inspect``

    Examples
    --------
    >>> watch = Watch(model, (x[:1000], y[:1000]), every=100)
    >>> for batch in loader:
    ...     train_one_step(batch)
    ...     watch.step()
    >>> watch.to_frame().query("quantity == 'distance'").pivot(index="step", columns="layer", values="value")
    """

    @checked(every=whole_number)
    def __init__(self, model: nn.Module, data: object, every: int = 100, **options: Any):
        for name in options:
            if name not in OPTIONS:
                raise ValueError(
                    f"options: expected some of {', '.join(OPTIONS)}, got {name!r}: "
                    f"{did_you_mean(name, OPTIONS) or 'inspect takes no such'}"
                )
        self.model, self.every, self.inspections, self.seconds = model, every, {}, 0.0
        self._step, self._began, self._logs = 0, time.perf_counter(), []
        sources = {name: options.pop(name) for name in ("input", "mask") if name in options}
        self._samples = gather(data, bare(model), **sources, memory=options.get("memory", 2e9))
        self._options = {"instruments": tuple(QUANTITIES)} | options
        if self._options.get("before") is None:
            self._options["before"] = copy.deepcopy(bare(model).state_dict())
        self.look()

    def step(self) -> None:
        """Take note of one more step: call it after ``optimizer.step()``."""
        self._step += 1
        if self._step % self.every == 0:
            self.look()

    def look(self) -> Inspection:
        """Inspect now, whatever the step, and tell the functions of ``log_to``.

        Returns
        -------
        the inspection, which is also kept
        """
        started = time.perf_counter()
        found = self.inspections[self._step] = inspect(self.model, self._samples, **self._options)
        self.seconds += time.perf_counter() - started
        for log in self._logs:
            log(_flat(found), self._step)
        return found

    @property
    def share(self) -> float:
        """Share of the time since the watch was made that inspections took."""
        return self.seconds / max(time.perf_counter() - self._began, 1e-9)

    @checked(function=function)
    def log_to(self, function: Callable[[dict[str, float], int], object]) -> Watch:
        """Call ``function(numbers, step)`` after every inspection, and at once for those made so far.

        Parameters
        ----------
        function : takes a dict from "layer/quantity", and "accuracy", to a number, and the step: ``wandb.log``,
            or, for TensorBoard, a loop of ``writer.add_scalar(name, value, step)``

        Returns
        -------
        the watch itself
        """
        for step, found in self.inspections.items():
            function(_flat(found), step)
        self._logs.append(function)
        return self

    def to_frame(self) -> pd.DataFrame:
        """One row for each step, layer and quantity: step, and the columns of ``Inspection.to_frame``."""
        frames = [found.to_frame().assign(step=step) for step, found in self.inspections.items()]
        whole = pd.concat(frames, ignore_index=True)
        return whole[["step", *whole.columns.drop("step")]]

    def figure(self) -> Figure:
        """Every instrument over layers and steps: at which layer, and when.

        Returns
        -------
        a figure of matplotlib, which pyplot does not keep
        """
        from layerlib.inspection._over_training import figure

        return figure(self.inspections)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training needs, as tensors and numbers: ``torch.save`` it with the model.

        Returns
        -------
        the steps, all inspections, and the weights that they are compared with
        """
        before = self._options["before"]
        return {
            "every": self.every,
            "step": self._step,
            "kept": {
                step: {name: torch.as_tensor(array) for name, array in _keeping.packed(found).items()}
                for step, found in self.inspections.items()
            },
            "before": dict(before.state_dict() if isinstance(before, nn.Module) else before),
        }

    @checked(state=mapping("every", "step", "kept", "before"))
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``, to be loaded together with the model's.

        Parameters
        ----------
        state : of ``state_dict``, of a watch with the same interval

        Raises
        ------
        ValueError
            if it is that of a watch with another interval
        """
        if state["every"] != self.every:
            raise ValueError(f"state: expected every {self.every}, got {state['every']}")
        self._step = state["step"]
        self.inspections = {
            step: _keeping.unpacked({name: tensor.cpu().numpy() for name, tensor in arrays.items()})
            for step, arrays in state["kept"].items()
        }
        self._options["before"] = dict(state["before"])


def _flat(inspection: Inspection) -> dict[str, float]:
    """Numbers by "layer/quantity", without those that could not be read."""
    numbers = {
        f"{layer}/{quantity}": value
        for quantity, values in inspection.values.items()
        for layer, value in zip(inspection.layers, values.tolist(), strict=True)
        if math.isfinite(value)
    }
    return numbers if math.isnan(inspection.accuracy) else {"accuracy": float(inspection.accuracy)} | numbers
