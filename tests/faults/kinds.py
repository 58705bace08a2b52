"""Bad values for an argument, by the kind of a valid one: what is given, and what it must be the same as, if any."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from layerlib.data.splits import Split

NOTHING = object()  # no documented equivalent: the call has to raise
FINITE = object()  # degenerate, yet in range: the call may answer with finite numbers


@dataclass(frozen=True)
class Fault:
    """A bad value; ``equal_to`` is the documented equivalent, a valid value, where the call may answer instead."""

    name: str
    value: object
    equal_to: object = NOTHING


class Anything:
    """An object that nothing takes."""

    def __repr__(self) -> str:
        return "Anything()"


@dataclass(frozen=True)
class StandIn:
    """Of a kind that is right, and nothing more: only other kinds are faults."""

    value: object


def faults(valid: object) -> Iterator[Fault]:
    """The faults for an argument of which ``valid`` is a valid value."""
    yield Fault("an object", Anything())
    if valid is None:
        return
    yield Fault("none", None)
    found = next((make for kind, make in _KINDS if isinstance(valid, kind)), None)
    if found is None:
        raise TypeError(f"no faults for {type(valid).__name__}")
    yield from found(valid)


def _tensors(valid: Tensor) -> Iterator[Fault]:
    yield Fault("text", "abc")
    yield Fault("ragged", [[1.0, 2.0], [3.0]])
    yield Fault("no numbers", np.array(["a", "b"]))
    yield Fault("complex", valid.to(torch.complex64))
    yield Fault("numpy", valid.numpy(), valid)
    yield Fault("list", valid.tolist(), valid)
    if valid.ndim:
        yield Fault("one number", valid.flatten()[0])
        yield Fault("empty", valid[:0])
    if valid.ndim > 1:
        yield Fault("a row", valid[0])
        yield Fault("strided", valid.mT.contiguous().mT, valid)
    if valid.ndim > 2:
        yield Fault("narrow", valid[..., :1])
    yield Fault("axis more", valid[None])
    yield Fault("meta", valid.to("meta"))
    yield Fault("sparse", valid.to_sparse())
    if torch.cuda.is_available():
        yield Fault("device", valid.cuda(), valid)
    if valid.is_floating_point():
        yield from (Fault(name, _with(valid, value)) for name, value in (("NaN", torch.nan), ("infinite", torch.inf)))
        yield Fault("integers", valid.long(), valid.long().to(valid.dtype))
        top = torch.finfo(valid.dtype).max
        yield from (
            Fault(name, value, FINITE)
            for name, value in (
                ("huge", valid * (top / 2)),
                ("huge doubles", valid.double() * 1e300),
                ("tiny", valid * 1e-40),
                ("all alike", valid.flatten()[0].expand_as(valid).clone()),
                ("zeros", torch.zeros_like(valid)),
            )
        )
        yield Fault("gradient", valid.clone().requires_grad_(), valid)
        yield Fault("bool", valid > 0.5, (valid > 0.5).to(valid.dtype))
        other = torch.float64 if valid.dtype == torch.float32 else torch.float32
        yield Fault(str(other)[6:], valid.to(other), valid)
    elif valid.dtype == torch.bool:
        yield Fault("integers", valid.long(), valid)
        yield Fault("floats", valid.float(), valid)
    else:
        yield Fault("floats", valid.float(), valid)
        yield Fault("halves", valid + 0.5)
        yield Fault("bool", valid.bool(), valid.bool().to(valid.dtype))
        if valid.dtype == torch.int64:
            yield Fault("int32", valid.int(), valid)
            yield Fault("negative", _with(valid, -1))
            yield Fault("far out", _with(valid, 10**12))


def _with(valid: Tensor, value: float) -> Tensor:
    spoilt = valid.clone()
    spoilt.view(-1)[-1:] = value
    return spoilt


def _arrays(valid: np.ndarray) -> Iterator[Fault]:
    yield Fault("text", "abc")
    yield Fault("ragged", [[1.0, 2.0], [3.0]])
    yield Fault("no numbers", np.full(valid.shape, "a"))
    yield Fault("complex", valid.astype(complex) + 1j)
    yield Fault("tensor", torch.from_numpy(valid), valid)
    yield Fault("list", valid.tolist(), valid)
    yield Fault("empty", valid[:0])
    yield Fault("one number", valid.flatten()[0])
    yield Fault("axis more", valid[None])
    if valid.ndim > 1:
        yield Fault("a row", valid[0])
    if valid.dtype.kind == "f":
        yield Fault("infinite", _array_with(valid, np.inf))


def _array_with(valid: np.ndarray, value: float) -> np.ndarray:
    spoilt = valid.copy()
    spoilt.reshape(-1)[-1:] = value
    return spoilt


def _other_kinds(valid: StandIn) -> Iterator[Fault]:
    """Values of other kinds, also within a mapping or a list."""
    value = valid.value
    if not isinstance(value, str):
        yield Fault("text", "abc")
    if isinstance(value, Mapping):
        yield Fault("of objects", dict.fromkeys(value, Anything()))
        yield Fault("keys of objects", {Anything(): each for each in value.values()})
    elif isinstance(value, list):
        yield Fault("of objects", [Anything()])
    elif isinstance(value, Tensor | np.ndarray):
        yield Fault("no numbers", np.array(["a", "b"]))
        yield Fault("ragged", [[1.0, 2.0], [3.0]])
        yield Fault("complex", np.array([1j]))
    elif isinstance(value, int | float):
        yield Fault("complex", 0.5 + 0.5j)


def _flags(valid: bool) -> Iterator[Fault]:
    yield Fault("text", "no")
    yield Fault("number", 2)
    yield Fault("NaN", float("nan"))
    yield Fault("numpy", np.bool_(valid), valid)


def _whole(valid: int) -> Iterator[Fault]:
    yield Fault("text", "3")
    yield Fault("half", valid + 0.5)
    yield Fault("NaN", float("nan"))
    yield Fault("infinite", float("inf"))
    yield Fault("negative", -3)
    yield Fault("flag", True)
    yield Fault("several", [valid, valid])
    yield Fault("numpy", np.int64(valid), valid)


def _real(valid: float) -> Iterator[Fault]:
    yield Fault("text", "0.5")
    yield Fault("NaN", float("nan"))
    yield Fault("infinite", float("inf"))
    yield Fault("negative", -0.25)
    yield Fault("complex", 0.5 + 0.5j)
    yield Fault("flag", True)
    yield Fault("several", [valid, valid])
    yield Fault("numpy", np.float64(valid), valid)


def _text(valid: str) -> Iterator[Fault]:
    yield Fault("another", "no such thing")
    yield Fault("nothing in it", "")
    yield Fault("number", 3)
    yield Fault("bytes", valid.encode())
    yield Fault("several", [valid, valid])


def _sequences(valid: tuple | list) -> Iterator[Fault]:
    yield Fault("number", 3)
    if valid:
        yield Fault("empty", type(valid)())
    yield Fault("of objects", [Anything() for _ in valid or "a"])
    yield Fault("of none", [None for _ in valid or "a"])
    yield Fault("list or tuple", list(valid) if isinstance(valid, tuple) else tuple(valid), valid)
    if not valid:
        yield Fault("text", "abc")
    elif all(isinstance(each, str) for each in valid):
        yield Fault("one string", valid[0], valid[:1])
        yield Fault("unknown", ["no such thing", *valid[1:]])
        yield Fault("numbers", list(range(len(valid))))
    elif all(isinstance(each, (int, float)) for each in valid):
        yield Fault("text", "abc")
        yield Fault("of text", ["a"] * len(valid))
        yield Fault("NaN", [*valid[:-1], float("nan")])
        yield Fault("infinite", [*valid[:-1], float("inf")])
        yield Fault("negative", [*valid[:-1], -3])
        yield Fault("numpy", np.array(valid), valid)
        yield Fault("nested", [list(valid)])
    else:
        yield Fault("text", "abc")


def _modules(valid: nn.Module) -> Iterator[Fault]:
    yield Fault("text", "resnet18")
    yield Fault("its class", type(valid))
    yield Fault("weights", valid.state_dict())
    yield Fault("number", 3)


def _paths(valid: Path) -> Iterator[Fault]:
    yield Fault("not there", valid.parent / "nothing" / valid.name)
    yield Fault("number", 3.5)
    yield Fault("as text", str(valid), valid)
    yield Fault("several", [valid])
    yield Fault("zero byte", "a\0b.npz")


def _splits(valid: Split) -> Iterator[Fault]:
    yield Fault("images alone", valid.images)
    yield Fault("text", "mnist-mini")
    yield Fault("number", 3)
    yield Fault("empty list", [])


def _mappings(valid: Mapping) -> Iterator[Fault]:
    yield Fault("empty", {})
    yield Fault("number", 3)
    yield Fault("text", "abc")
    yield Fault("list", list(valid))
    yield Fault("of objects", {name: Anything() for name in valid})
    yield Fault("of none", dict.fromkeys(valid))


def _callables(valid: Callable) -> Iterator[Fault]:
    yield Fault("number", 3)
    yield Fault("text", "mse")


def _any_other(valid: object) -> Iterator[Fault]:
    yield Fault("number", 3)
    yield Fault("text", "abc")
    yield Fault("empty list", [])


_KINDS: tuple[tuple[type | tuple[type, ...], Callable], ...] = (
    (StandIn, _other_kinds),
    (Tensor, _tensors),
    (np.ndarray, _arrays),
    (bool, _flags),
    (int, _whole),
    (float, _real),
    (str, _text),
    (nn.Module, _modules),
    (Path, _paths),
    (Split, _splits),
    (Mapping, _mappings),
    ((tuple, list), _sequences),
    (object, _any_other),
)
