"""How filters changed between two moments: D_t, S_t and Z_t (Hu et al. 2018)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from layerlib._asking import Asking, answered
from layerlib._checks import above_zero as above
from layerlib._checks import checked
from layerlib._tensors import all_finite, floats


@dataclass(frozen=True)
class FilterChange:
    """How a layer's filters changed between two moments (Hu et al. 2018, eqs. 1-3).

    Attributes
    ----------
    distance : float64, shape (), D_t as printed: the squared distance of a filter, averaged over filters; it grows
        with the number of weights of a filter
    significant : float64, shape (), S_t, the share of weights that moved by more than the threshold
    still : float64, shape (), Z_t, the share of channels none of whose weights did
    per_filter : float64, shape (filters,), each filter's squared distance
    weights : number of weights of one filter, channels x h x w
    """

    distance: Tensor
    significant: Tensor
    still: Tensor
    per_filter: Tensor
    weights: int

    @property
    def per_weight(self) -> Tensor:
        """D_t by the number of weights of a filter: the mean squared change of one weight, float64, shape ()."""
        return self.distance / self.weights


@torch.no_grad()
@checked(before=floats, after=floats, threshold=above)
def filter_change(before: Tensor, after: Tensor, threshold: float) -> FilterChange:
    """Change of a layer's filters from ``before`` to ``after`` (Hu et al. 2018, eqs. 1-3).

    D_t = mean_i ‖f_i' - f_i‖², S_t = mean 1(abs(f' - f) > τ), Z_t = mean_{i,c} 1(no weight of channel c of filter i
    moved by more than τ). Differences are taken in float32 at least.

    Parameters
    ----------
    before, after : float, shape (filters, channels, …), of convolutions in any number of dimensions; or (filters,
        channels), a linear layer, as 1 x 1. Of a transposed convolution, whose filters are the second dimension, give
        ``weight.transpose(0, 1)``; `layerlib.FilterTracker` does so by itself.
    threshold : τ > 0, in units of the weights

    Returns
    -------
    FilterChange, on the device of the weights

    Raises
    ------
    ValueError
        if the shapes differ or are others, a value is not finite, or the threshold is not above 0

    Examples
    --------
    >>> change = filter_change(torch.zeros(64, 3, 3, 3), torch.full((64, 3, 3, 3), 0.1), threshold=0.01)
    >>> round(change.distance.item(), 3), change.significant.item(), change.still.item(), change.per_filter.shape
    (0.27, 1.0, 0.0, torch.Size([64]))
    """
    return answered(changed(before, after, threshold))


def changed(before: Tensor, after: Tensor, threshold: float) -> Asking[FilterChange]:
    """What ``filter_change`` gives of float weights, asked once whether these are finite and what came of them is."""
    for name, weight in (("before", before), ("after", after)):
        if weight.ndim < 2 or not weight.numel():
            raise ValueError(f"{name}: expected shape (filters, channels, …), got {tuple(weight.shape)}")
    if before.shape != after.shape:
        raise ValueError(f"after: expected the shape {tuple(before.shape)} of before, got {tuple(after.shape)}")
    after = after.to(before.device)
    per_filter, significant, still = measure(before, after, [threshold])
    *finite, fits = yield torch.stack([all_finite(each) for each in (before, after, per_filter)])
    for name, well in zip(("before", "after"), finite, strict=True):
        if not well:
            raise ValueError(f"{name}: expected finite weights, got NaN or infinity")
    if not fits:
        raise ValueError("before, after: expected differences whose squares are finite, got larger ones")
    return FilterChange(per_filter.mean(), significant[0].mean(), still[0].mean(), per_filter, before[0].numel())


def measure(before: Tensor, after: Tensor, thresholds: Sequence[float]) -> tuple[Tensor, Tensor, Tensor]:
    """Each filter's squared distance (filters,), share of moved weights and of still channels (thresholds, filters)."""
    at_least = torch.promote_types(after.dtype, torch.float32)
    change = (after.to(at_least) - before.to(at_least)).abs_()
    change = change.flatten(2) if change.ndim > 2 else change[..., None]
    largest = change.amax(2)
    significant = torch.stack([(change > each).sum((1, 2)) for each in thresholds]).double() / change[0].numel()
    still = torch.stack([(largest <= each).sum(1) for each in thresholds]).double() / largest.shape[1]
    return change.square_().sum((1, 2)).double(), significant, still


def above_zero(threshold: float) -> float:
    """The threshold as a float; ValueError unless it is above 0."""
    if not threshold > 0:
        raise ValueError(f"threshold: expected a number above 0, got {threshold}")
    return float(threshold)
