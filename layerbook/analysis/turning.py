"""By which angle filters turn while a network trains, beside how far they move (for Hu et al. 2018, fig. 2)."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from layerlib.filters.tracking import FilterTracker


class TurningTracker(FilterTracker):
    """A `layerlib.FilterTracker` that also measures the angle between each filter and itself ``every`` steps before.

    A batch norm behind a filter divides by its length. So twice the filter makes the same network, and how far it
    moves says little; the angle by which it turns is what the network sees. In `to_frame` the column ``angle``: the
    mean over a layer's filters, in degrees. Parameters and errors are those of `layerlib.FilterTracker`.

    Examples
    --------
    >>> tracker = TurningTracker(model, ["features.0", "features.28"], every=10, threshold=2e-4)
    >>> history = fit(model, train, epochs=1, callbacks=[tracker])
    >>> tracker.to_frame().angle.max() < 180
    True
    """

    _angles: list[Tensor]

    def to_frame(self) -> pd.DataFrame:
        """One row for each measurement and layer, as of `layerlib.FilterTracker.to_frame`, with the ``angle``."""
        angles = torch.stack(self._angles).cpu().numpy().ravel() if self._angles else []
        return super().to_frame().assign(angle=angles)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs, as tensors, numbers and names."""
        return super().state_dict() | {"angles": list(self._angles)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where another tracker was, see `layerlib.FilterTracker.load_state_dict`."""
        super().load_state_dict(state)
        self._angles = list(state["angles"])

    def _restart(self) -> None:
        super()._restart()
        self._angles = []

    def _record(self, step: int) -> None:
        weights = self._weights()
        turned = [angles(self._copy[name], weight).mean() for name, weight in weights.items()]
        self._angles.append(torch.stack([each.to(turned[0].device) for each in turned]))
        super()._record(step)


def angles(before: Tensor, after: Tensor) -> Tensor:
    """Angle between each filter before and after, in degrees, exact for small ones too.

    Parameters
    ----------
    before, after : float, shape (filters, …); NaN where a filter is zero

    Returns
    -------
    float64, shape (filters,), on the device of ``after``
    """
    one, other = (each.to(after.device).flatten(1).double() for each in (before, after))
    one, other = (each / each.norm(dim=1, keepdim=True) for each in (one, other))
    # of unit vectors; the cosine would lose what is small
    return torch.atan2((one - other).norm(dim=1), (one + other).norm(dim=1)).rad2deg() * 2
