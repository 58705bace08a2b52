"""Data as people have it: tensors, arrays, datasets, loaders, batches of any form, gone through once and kept."""

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset, default_collate

from layerlib._checks import in_short, kind_of
from layerlib.data._labels import joined_labels, split_labels
from layerlib.data._samples import Given, Kept, Samples, per_sample
from layerlib.data.splits import Split

AT_A_TIME = 256  # samples of a dataset, or of what lies in memory where ``input`` has to be called on it


def gather(
    data: object,
    model: nn.Module,
    *,
    input: Callable | None = None,
    mask: str | Tensor | np.ndarray | Callable | None = None,
    memory: float = 2e9,
) -> Samples:
    """Go through a source of labelled samples once, and keep them.

    Parameters
    ----------
    data : a ``Split``; ``(x, y)`` of tensors or arrays; a ``Dataset``; a ``DataLoader`` or any iterable of batches,
        each a pair ``(x, y)``, several inputs before the labels, or a dict: labels from ``labels``, ``label`` or ``y``,
        and of the rest the keys that ``model.forward`` names become keyword arguments
    input : a batch -> what the network is called with: one tensor, several by position, or a dict by name
    mask : where tokens count, as a key of the batch, a function of it, or for all samples; by default the input
        ``attention_mask`` where there is one
    memory : bytes; what needs more lies in a file

    Raises
    ------
    ValueError
        if it is no such source, has no samples, or labels are not one class or one row of zeros and ones a sample; or
        if no token of a sample counts
    """
    if isinstance(data, Samples):
        return data
    if isinstance(data, Split) and input is None and mask is None:
        return Samples((Given({0: data.images}),), data.labels)
    kept, labels, start = Kept(memory), [], 0
    names = _argument_names(model)
    with torch.random.fork_rng([]):  # loaders draw their order; a training around this goes on as it would have
        source = _batches(data, input is not None)
        # what yields batches may fill the same memory again for the next
        passing = source is data and not isinstance(data, list | tuple)
        for batch in source:
            inputs, told = split_labels(batch)
            given = _given(inputs, names) if input is None else _given_by(input(batch))
            call = Given(given)
            if len(told) != len(call):
                raise ValueError(f"data: expected as many labels as samples, {len(call)}, got {len(told)}")
            call = Given(given, _mask(mask, batch, given, start, len(call)))
            kept.add(call.copied() if passing else call)
            labels.append(copy.deepcopy(told) if passing else told)
            start += len(call)
    if not start:
        raise ValueError("data: expected labelled samples, got none")
    return Samples(kept.blocks(), joined_labels(labels))


def _batches(data: Any, called: bool) -> Iterable:
    """The source, batch by batch; what lies in memory is one batch, or many where ``input`` is called on them."""
    if isinstance(data, Split):
        data = (data.images, data.labels)
    if type(data) is TensorDataset:  # others may have items of their own
        data = data.tensors
    if isinstance(data, Mapping) or _is_pair(data):
        return _cut(data) if called else (data,)
    by_number = hasattr(data, "__getitem__") and hasattr(data, "__len__") and not _array(data)
    if isinstance(data, Dataset) or (by_number and not isinstance(data, list | tuple | str | bytes)):
        return DataLoader(data, batch_size=AT_A_TIME, collate_fn=_collated)
    if isinstance(data, (str, bytes)) or _array(data) or not isinstance(data, Iterable):
        got = f"{type(data).__name__} {tuple(data.shape)}" if hasattr(data, "shape") else type(data).__name__
        raise ValueError(
            "data: expected a Split, (x, y), a Dataset, a DataLoader or batches of samples with their "
            f"labels, got {got}"
        )
    return data


def _is_pair(data: object) -> bool:
    return (
        isinstance(data, tuple | list)
        and len(data) > 1
        and _array(data[-1])
        and all(_array(each) or isinstance(each, Mapping) for each in data)
    )


def _array(value: object) -> bool:
    return (isinstance(value, list) and _plain(value)) or (
        hasattr(value, "__array__") and getattr(value, "ndim", 0) > 0
    )


def _plain(value: object) -> bool:
    """Whether it is a number or a word, or a list of such, or of such lists."""
    if isinstance(value, list):
        return bool(value) and all(map(_plain, value))
    return isinstance(value, (int, float, str))


def _cut(batch: Mapping | tuple | list) -> Iterator:
    whole = batch.values() if isinstance(batch, Mapping) else batch
    for start in range(0, max((len(each) for each in whole if _array(each)), default=1), AT_A_TIME):
        some = slice(start, start + AT_A_TIME)
        if isinstance(batch, Mapping):
            yield _rows(batch, some)
        else:
            yield tuple(_rows(each, some) for each in batch)


def _rows(value: Any, some: slice) -> Any:
    """Some samples of what has them, in a dict or not; what all of them share as it is."""
    if isinstance(value, Mapping):
        return {key: _rows(each, some) for key, each in value.items()}
    return value[some] if _array(value) else value


def _collated(items: list) -> Any:
    try:
        return default_collate(items)
    except (RuntimeError, TypeError, KeyError) as error:
        raise ValueError(
            f"data: expected items of a Dataset that stack into a batch, got {in_short(error)}; give a DataLoader "
            "whose collate_fn pads or converts them"
        ) from error


def _argument_names(model: nn.Module) -> tuple[set[str], bool]:
    """The names of what ``forward`` takes, and whether it takes any other."""
    parameters = inspect.signature(model.forward).parameters.values()
    return {each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)}, any(
        each.kind is each.VAR_KEYWORD for each in parameters
    )


def _given(inputs: tuple | Mapping, names: tuple[set[str], bool]) -> dict[int | str, object]:
    if isinstance(inputs, tuple) and not (len(inputs) == 1 and isinstance(inputs[0], Mapping)):
        return _given_by(inputs)
    inputs = inputs if isinstance(inputs, Mapping) else inputs[0]
    known = {key: value for key, value in inputs.items() if key in names[0]}
    if not known and (names[1] or len(inputs) == 1):  # of any name, or nothing else that could be meant
        known = inputs if names[1] else {0: next(iter(inputs.values()))}
    if not known:
        raise ValueError(
            f"data: expected keys that forward names, {sorted(names[0])}, got {sorted(map(str, inputs))}; "
            "say with input what the network is called with"
        )
    return _converted(known)


def _given_by(result: object) -> dict[int | str, object]:
    """Of one tensor, several by position or a dict: what the network is called with."""
    if isinstance(result, Mapping):
        return _converted(result)
    return _converted(dict(enumerate(result if isinstance(result, tuple | list) and not _array(result) else (result,))))


def _converted(given: Mapping) -> dict[int | str, object]:
    given = {key: as_tensor(value) if _array(value) else value for key, value in given.items()}
    sizes = {len(value) for value in given.values() if per_sample(value)}
    if len(sizes) != 1 or any(isinstance(value, (Mapping, list, tuple)) for value in given.values()):
        got = {key: tuple(value.shape) if per_sample(value) else type(value).__name__ for key, value in given.items()}
        raise ValueError(f"data: expected tensors of equally many samples for the network, got {got}")
    return given


def as_tensor(value: object) -> Tensor:
    """An array, or a list of numbers, as a tensor that needs no gradient."""
    if isinstance(value, Tensor):
        return value.detach()
    try:
        value = np.asarray(value)
    except ValueError as error:
        raise ValueError("data: expected numbers, got lists of different lengths") from error
    if value.dtype.kind not in "biuf":
        raise ValueError(f"data: expected numbers, got an array of {value.dtype}")
    return torch.from_numpy(np.require(value, value.dtype.newbyteorder("="), ["C", "W"]))


def _mask(mask: Any, batch: object, given: Mapping, start: int, samples: int) -> Tensor | None:
    if mask is None:
        found = given.get("attention_mask")
    elif isinstance(mask, str):
        if not isinstance(batch, Mapping) or mask not in batch:
            raise ValueError(f"mask: expected a key of the batches, got {mask!r}")
        found = batch[mask]
    else:
        if not callable(mask) and not _array(mask):
            raise ValueError(
                f"mask: expected a key of the batches, a function of one, or an array, got {kind_of(mask)}"
            )
        found = mask(batch) if callable(mask) else mask[start : start + samples]
    if found is None:
        return None
    found = as_tensor(found)
    if found.ndim != 2 or len(found) != samples:
        if mask is None:
            return None  # of another kind, which the network alone knows
        raise ValueError(f"mask: expected shape ({samples}, tokens), got {tuple(found.shape)}")
    kept = found.bool()
    if empty := int((~kept.any(1)).sum()):
        raise ValueError(f"mask: expected a token that counts in every sample, got none in {empty} of {samples}")
    return kept
