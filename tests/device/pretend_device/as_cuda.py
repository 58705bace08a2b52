"""The pretend device under the name of CUDA: what ``torch.cuda`` and ``device="cuda"`` say in this process."""

import types
from functools import cache

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from pretend_device.build import backend
from pretend_device.rules import rules

NAME = "pretend"


@cache
def install() -> types.ModuleType:
    """Build the pretend device, and let it pass for CUDA from now on; gives the compiled backend.

    Raises
    ------
    RuntimeError
        as `pretend_device.build.backend`
    """
    built = backend()
    built.set_rules(*rules())
    module = _device_module(built.default_generator())
    torch.utils.rename_privateuse1_backend(NAME)
    torch._register_device_module(NAME, module)
    torch.utils.generate_methods_for_privateuse1_backend(for_storage=True)
    for name, value in vars(module).items():
        if not name.startswith("__"):
            setattr(torch.cuda, name, value)
    torch.Tensor.is_cuda = property(lambda tensor: tensor.device.type == NAME)
    torch.Tensor.cuda = lambda tensor, *args, **kwargs: tensor.to(NAME)
    nn.Module.cuda = lambda module, *args, **kwargs: module.to(NAME)
    nn.Module._apply = _in_place(nn.Module._apply)
    CudaIsPretend().__enter__()
    return built


class CudaIsPretend(TorchFunctionMode):
    """Wherever "cuda" is asked for, the pretend device is meant."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if any(_is_cuda(each) for each in args):
            args = tuple(NAME if _is_cuda(each) else each for each in args)
        if kwargs and _is_cuda(kwargs.get("device")):
            kwargs = kwargs | {"device": NAME}
        return function(*args, **(kwargs or {}))


def _is_cuda(value: object) -> bool:
    return (isinstance(value, torch.device) and value.type == "cuda") or (
        isinstance(value, str) and value.split(":")[0] == "cuda"
    )


class _Current:
    """``with torch.cuda.device(0):``, where there is but one."""

    def __init__(self, index: object = None): ...

    def __enter__(self): ...

    def __exit__(self, *error: object): ...


def _device_module(generator: torch.Generator) -> types.ModuleType:
    """What ``torch.cuda`` offers, for one device without streams."""
    module = types.ModuleType(f"torch.{NAME}")
    for name, answer in {
        "is_available": True,
        "is_initialized": True,
        "device_count": 1,
        "current_device": 0,
        "_is_in_bad_fork": False,
        "_lazy_init": None,
        "set_device": None,
        "empty_cache": None,
        "is_current_stream_capturing": False,
        "get_device_name": "Pretend GPU",
        "get_amp_supported_dtype": [torch.float16, torch.bfloat16],
    }.items():
        setattr(module, name, lambda *args, answer=answer: answer)
    module.synchronize = _synchronize
    module.device = _Current
    module.default_generators = (generator,)
    module.manual_seed = module.manual_seed_all = generator.manual_seed
    module.get_rng_state = lambda device=None: generator.get_state()
    module.get_rng_state_all = lambda: [generator.get_state()]
    module.set_rng_state = lambda state, device=None: generator.set_state(state)
    module.set_rng_state_all = lambda states: generator.set_state(states[0])
    return module


def _synchronize(device: object = None) -> None:
    from pretend_device import counting

    counting.explicit_wait()


def _in_place(apply):
    """``Module.to`` leaves every parameter the object that it was, as between the CPU and CUDA."""

    def applied(module: nn.Module, fn, recurse: bool = True) -> nn.Module:
        first = next(module.parameters(), None)
        there = first if first is None else fn(first.new_empty(0)).device
        if first is None or there == first.device or "meta" in (first.device.type, there.type):
            return apply(module, fn, recurse)
        before = torch.__future__.get_swap_module_params_on_conversion()
        torch.__future__.set_swap_module_params_on_conversion(True)
        try:
            return apply(module, fn, recurse)
        finally:
            torch.__future__.set_swap_module_params_on_conversion(before)

    return applied
