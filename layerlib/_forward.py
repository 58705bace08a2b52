"""What every pass through a network needs: the device, pixels as input, modes kept, batch by batch, wrong answers."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from layerlib._checks import in_short, kind_of
from layerlib._precision import as_asked
from layerlib._tensors import first_parameter, place


def pick_device(device: str | torch.device = "auto") -> torch.device:
    """``"auto"`` is CUDA where there is one, else the CPU."""
    if isinstance(device, str) and device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return place("device", device)


def as_input(images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Pixels 0 .. 255, uint8, as numbers in [0, 1], the input of every network of the book; others as they are."""
    return images.to(dtype).div_(255) if images.dtype == torch.uint8 else images


def batches(images: Tensor | np.ndarray, batch_size: int, like: Tensor) -> Iterator[Tensor]:
    """The input of a network whose parameters are ``like`` this one, ``batch_size`` samples at a time.

    Each is a copy on the device of ``like``, pixels divided by 255; floats of an array get the precision of ``like``.

    Raises
    ------
    ValueError
        if ``images`` are neither a tensor nor an array, or floats of another precision
    """
    if not isinstance(images, (Tensor, np.ndarray)):
        raise ValueError(f"images: expected a tensor or a numpy array, got {kind_of(images)}")
    if isinstance(images, np.ndarray):
        images = torch.from_numpy(np.require(images, images.dtype.newbyteorder("="), ["C", "W"]))
        images = images.to(like.dtype) if images.is_floating_point() else images
    if images.is_floating_point() and images.dtype != like.dtype:
        raise ValueError(f"images: expected uint8 pixels, 0 to 255, or {like.dtype} like the model, got {images.dtype}")
    for batch in images.split(batch_size):
        x = as_input(batch.to(like.device), like.dtype)
        # a network that works in place on its input must not change the caller's
        yield x.clone() if x is batch else x


@torch.inference_mode(False)  # so that the caller may take gradients of what is made of it
@torch.no_grad()
def evaluated(model: nn.Module, images: Tensor | np.ndarray, batch_size: int) -> Iterator[Tensor]:
    """What ``model`` puts out for ``images``, batch by batch, in evaluation mode and without gradients.

    Between two batches the network is in the mode it was in, so that the caller may stop anywhere.

    Parameters
    ----------
    images : as of ``batches``, on any device

    Raises
    ------
    ValueError
        if the network has no parameters, or parameters without values
    """
    for x in batches(images, batch_size, first_parameter(model)):
        with evaluating(model):
            output = model(x)
        yield output


@contextmanager
def running(argument: str, given: Tensor) -> Iterator[None]:
    """Within the context a network runs on what was ``given``; where it does not, a ValueError names the argument."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, IndexError) as error:
        kind = f"{str(given.dtype).removeprefix('torch.')} of shape {tuple(given.shape[1:])}"
        raise ValueError(
            f"{argument}: expected samples that the network runs on, got {kind} and from it {in_short(error)}"
        ) from error


def wrong(logits: Tensor, labels: Tensor) -> Tensor:
    """Which answers are wrong: the largest logit is not the label; of several labels, the positive logits are not they.

    Parameters
    ----------
    logits : shape (…, N, K)
    labels : int64, shape (N,), or multi-hot, shape (N, K)

    Returns
    -------
    bool, shape (…, N)
    """
    labels = labels.to(logits.device)
    return logits.argmax(-1) != labels if labels.ndim == 1 else ((logits > 0) != labels.bool()).any(-1)


def label_error(logits: Tensor, y: Tensor) -> Tensor:
    """p - y for logits (N, K) and class numbers y (N,), exact even where p is 1 to the last digit.

    It is the derivative of the cross-entropy in the logits (Xie & Lai 2018, eq. 3).
    """
    others = logits.softmax(1).scatter(1, y[:, None], 0)
    # p_y - 1 would cancel; it is minus the sum of the other probabilities
    return others.scatter(1, y[:, None], -others.sum(1, keepdim=True))


def ordinary(x: Tensor) -> Tensor:
    """A copy of x as a constant, also where the caller made it in inference mode."""
    return x.detach().clone()


_turn = threading.Condition()
_held: WeakKeyDictionary[nn.Module, tuple[int, int]] = WeakKeyDictionary()  # module -> thread that holds it, how often


@contextmanager
def alone(model: nn.Module) -> Iterator[None]:
    """Within the context no other thread is in one with a module of ``model``: it waits until it is its turn."""
    modules, thread = list(model.modules()), threading.get_ident()
    with _turn:
        _turn.wait_for(lambda: all(_held.get(module, (thread, 0))[0] == thread for module in modules))
        for module in modules:
            _held[module] = thread, _held.get(module, (thread, 0))[1] + 1
    try:
        yield
    finally:
        with _turn:
            for module in modules:
                times = _held.pop(module)[1] - 1
                if times:
                    _held[module] = thread, times
            _turn.notify_all()


@contextmanager
def modes_kept(model: nn.Module) -> Iterator[None]:
    """Afterwards every module of ``model`` is in training or evaluation mode as it was before."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, for one thread at a time, in the precision asked for; afterwards the modes are as before."""
    with alone(model), modes_kept(model), as_asked():
        model.eval()
        yield


@contextmanager
def differentiating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode with gradients on, whatever the caller's mode; modes and random state are restored.

    What is compiled runs as written, so that hooks see it.

    Raises
    ------
    ValueError
        if batch norm keeps no running statistics, so that it couples samples in evaluation mode too
    """
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) and module.running_mean is None:
            raise ValueError(
                f"model: {name!r} normalises by the batch in evaluation mode too "
                "(track_running_stats=False), so no gradient belongs to one sample"
            )
    devices = {p.device for p in model.parameters() if p.is_cuda}
    with (
        evaluating(model),
        torch.random.fork_rng(devices),
        torch.inference_mode(False),
        torch.enable_grad(),
        as_written(model),
        padded(model),
    ):
        yield


@contextmanager
def padded(model: nn.Module, names: Iterable[str] | None = None) -> Iterator[None]:
    """Within the context encoders, or those around one of these layers, hand on padding from layer to layer.

    Without gradients they would leave it out, and nested tensors have no shape to be read by.
    """
    encoders = [
        module
        for name, module in model.named_modules()
        if getattr(module, "use_nested_tensor", False)
        and (names is None or any(each != name and each.startswith(name and f"{name}.") for each in names))
    ]
    for module in encoders:
        module.use_nested_tensor = False
    try:
        yield
    finally:
        for module in encoders:
            module.use_nested_tensor = True


def as_written(model: nn.Module) -> AbstractContextManager:
    """Context in which the compiled parts of ``model`` run as written."""
    compiled = any(hasattr(module, "_orig_mod") or module._compiled_call_impl is not None for module in model.modules())
    # asked for only where it is needed: it imports the whole compiler
    return torch.compiler.set_stance("force_eager") if compiled else nullcontext()
