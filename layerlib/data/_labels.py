"""The labels of a batch, and those of all batches as one tensor."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

LABEL_KEYS = ("labels", "label", "y")


def split_labels(batch: object) -> tuple[tuple | Mapping, Tensor | np.ndarray]:
    """A batch without its labels, and these: of a dict by their key, of a pair the last.

    Raises
    ------
    ValueError
        if it is neither, or a single sample
    """
    if isinstance(batch, Mapping):
        found = [key for key in LABEL_KEYS if key in batch]
        if not found:
            raise ValueError(
                f"data: expected labels under {', '.join(LABEL_KEYS)} of each batch, got {sorted(map(str, batch))}"
            )
        rest, labels = {key: value for key, value in batch.items() if key != found[0]}, batch[found[0]]
    elif isinstance(batch, tuple | list) and len(batch) > 1:
        rest, labels = tuple(batch[:-1]), batch[-1]
    else:
        raise ValueError(f"data: expected batches (x, y) or dicts with labels, got {_said(batch)}")
    labels = labels.detach() if isinstance(labels, Tensor) else _as_array(labels)
    if labels.ndim == 0:
        raise ValueError("data: expected batches of samples, got one sample at a time; wrap it in a DataLoader")
    if not isinstance(labels, Tensor) and labels.dtype.kind not in "biufSU":
        raise ValueError(f"data: expected labels as numbers or words, got an array of {labels.dtype}")
    return rest, labels


def joined_labels(parts: Sequence[Tensor | np.ndarray]) -> Tensor:
    """Class numbers, int64 (N,), or multi-hot labels, float32 (N, K), of all batches.

    Words are numbered in their order; one column is class numbers too.

    Raises
    ------
    ValueError
        if there is not one label, or one row of zeros and ones, for each sample
    """
    if any(isinstance(part, np.ndarray) and part.dtype.kind in "SU" for part in parts):
        return torch.from_numpy(np.unique(np.concatenate(parts), return_inverse=True)[1].astype(np.int64))
    labels = [_as_tensor(part) for part in parts]
    if len({part.shape[1:] for part in labels}) > 1 or labels[0].ndim > 2:
        raise ValueError(
            f"data: expected one label a sample, got shape {tuple(labels[0].shape)}, one for each of its "
            "pixels or tokens"
        )
    whole = torch.cat(labels)
    whole = whole[:, 0] if whole.ndim == 2 and whole.shape[1] == 1 else whole
    odd = whole[(whole != whole.round()) | whole.isinf()] if whole.is_floating_point() else whole[:0]
    if len(odd):
        raise ValueError(f"data: expected class numbers, or zeros and ones, as labels, got {odd[0].item():.4g}")
    if whole.ndim == 1:
        if (smallest := whole.min()) < 0:
            raise ValueError(f"data: expected class numbers from 0 up as labels, got {int(smallest)}")
        return whole.long()
    if not ((whole == 0) | (whole == 1)).all():
        raise ValueError(
            "data: expected one label a sample, or a row of zeros and ones, got shape "
            f"{tuple(whole.shape)} with {whole.max().item():g}, one for each of its tokens"
        )
    return whole.float()


def _as_array(labels: object) -> np.ndarray:
    try:
        return np.asarray(labels)
    except (ValueError, TypeError) as error:
        raise ValueError("data: expected as many labels for each sample, got lists of different lengths") from error


def _as_tensor(labels: Tensor | np.ndarray) -> Tensor:
    if isinstance(labels, np.ndarray):
        labels = torch.from_numpy(np.ascontiguousarray(labels, labels.dtype.newbyteorder("=")))
    # of these PyTorch knows no least
    return labels.long() if labels.dtype in (torch.uint16, torch.uint32, torch.uint64) else labels


def _said(batch: object) -> str:
    return f"a tensor {tuple(batch.shape)}" if isinstance(batch, Tensor) else type(batch).__name__
