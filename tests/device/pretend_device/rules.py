"""CUDA's rules about devices, read off PyTorch's own table of operators."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import torchgen
import yaml

# kernels that the backend has itself
OWN = {
    "empty.memory_format",
    "empty_strided",
    "_copy_from",
    "_copy_from_and_resize",
    "_local_scalar_dense",
    "_fused_sdp_choice",
    "set_",
    "set_.source_Storage",
    "set_.source_Storage_storage_offset",
    "set_.source_Tensor",
}
NO_INTEGERS = frozenset(
    {
        "mm",
        "mm.out",
        "addmm",
        "addmm.out",
        "bmm",
        "bmm.out",
        "baddbmm",
        "baddbmm.out",
        "mv",
        "addmv.out",
        "dot",
        "vdot",
        "convolution",
        "avg_pool2d",
        "avg_pool2d.out",
        "max_pool2d_with_indices",
        "_adaptive_avg_pool2d",
        "upsample_bilinear2d",
        "_cdist_forward",
    }
)
# CUDA counts first and makes the result afterwards: the host waits for the number
WAITING = frozenset(
    {
        "nonzero",
        "nonzero.out",
        "masked_select",
        "masked_select.out",
        "_unique2",
        "unique_dim",
        "unique_consecutive",
        "bincount",
        "equal",
        "repeat_interleave.Tensor",
    }
)


class Rules(NamedTuple):
    """Names of operators, as ``add.Tensor``: see ``device.cpp``."""

    mixing: frozenset[str]
    cpu_only: frozenset[str]
    no_integers: frozenset[str]
    waiting: frozenset[str]
    whole: list[str]


@cache
def rules() -> Rules:
    """Read the table that comes with PyTorch."""
    table = Path(torchgen.__file__).parent / "packaged" / "ATen" / "native" / "native_functions.yaml"
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    mixing, cpu_only, whole = set(), set(), []
    for entry in yaml.load(table.read_text(encoding="utf-8"), loader):
        name = entry["func"].split("(")[0]
        # only operators without a check of their own take a number on the CPU beside tensors of the GPU
        if entry.get("device_check") == "NoCheck":
            mixing.add(name)
        backends = {key.strip() for keys in entry.get("dispatch") or {} for key in keys.split(",")}
        if "CPU" in backends and "CUDA" not in backends and not any(key.startswith("Composite") for key in backends):
            cpu_only.add(name)
        # of a list of tensors, too, CUDA makes one launch, but where it copies from the host
        listed = name.startswith("_foreach_") and "CUDA" in backends and not name.startswith("_foreach_copy")
        if ("structured_delegate" in entry or listed) and name not in OWN:
            whole.append(name)
    return Rules(frozenset(mixing), frozenset(cpu_only), NO_INTEGERS, WAITING, sorted(whole))
