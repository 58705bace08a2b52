"""What predictions and labels of several classes must look like."""

import torch
from torch import Tensor
from torch.nn import functional as F

from layerlib._tensors import as_tensor, numbers


def probabilities_of(value: Tensor, name: str = "probabilities", layers: bool = False) -> Tensor:
    """Probabilities as a tensor; ValueError unless they are floats in [0, 1], (..., K), of ``layers`` (L, N, K)."""
    value = as_tensor(name, value)
    if not value.is_floating_point():
        raise ValueError(f"{name}: expected a float tensor, got {value.dtype}")
    if value.ndim == 0 or value.shape[-1] == 0:
        raise ValueError(f"{name}: expected shape (..., K) with at least one class, got {tuple(value.shape)}")
    if value.numel():
        low, high = torch.stack(value.detach().aminmax()).tolist()
        if not (low >= 0 and high <= 1):
            raise ValueError(f"{name}: expected values in [0, 1], got {low:g} to {high:g}")
    if layers and (value.ndim != 3 or not len(value)):
        raise ValueError(f"{name}: expected shape (L, N, K) with at least one layer, got {tuple(value.shape)}")
    return value


def hot(labels: Tensor, predictions: Tensor, name: str = "probabilities") -> Tensor:
    """Which labels are positive, on the device of the predictions; ValueError unless each is 0 or 1, (N, K) as they."""
    labels = numbers("labels", labels)
    if predictions.ndim < 2 or labels.shape != predictions.shape[-2:]:
        raise ValueError(
            f"labels: expected the shape (N, K) of predictions {tuple(predictions.shape)}, "
            f"got {tuple(labels.shape)}: one row for each of {name}"
        )
    labels = labels.to(predictions.device)
    positive = labels == 1
    if not (positive | (labels == 0)).all():
        raise ValueError("labels: expected multi-hot labels, each 0 or 1")
    return positive


def targets_of(name: str, value: Tensor, samples: int, classes: int, soft: bool = True) -> Tensor:
    """Targets (N, K): class numbers as one-hot rows; ValueError unless they are that, or in [0, 1], or not ``soft``."""
    if value is None:
        raise ValueError(f"{name}: expected labels with these features, got None")
    value = numbers(name, value)
    if value.shape == (samples,) and not value.is_floating_point() and value.dtype != torch.bool:
        low, high = torch.stack(value.aminmax()).tolist() if samples else (0, 0)
        if not 0 <= low <= high < classes:
            raise ValueError(f"{name}: expected class numbers 0 to {classes - 1}, got {low} to {high}")
        return F.one_hot(value.long(), classes)
    if tuple(value.shape) != (samples, classes):
        raise ValueError(
            f"{name}: expected shape {(samples, classes)}, or class numbers, int64 {(samples,)}, "
            f"got {value.dtype} {tuple(value.shape)}"
        )
    value = value.float() if value.dtype == torch.bool else value
    low, high = torch.stack(value.aminmax()).tolist() if samples else (0, 1)
    if not 0 <= low <= high <= 1:
        raise ValueError(f"{name}: expected numbers in [0, 1], got {low:g} to {high:g}")
    if not soft and not ((value == 0) | (value == 1)).all():
        raise ValueError(f"{name}: expected multi-hot labels, each 0 or 1; a teacher's output goes to targets")
    return value
