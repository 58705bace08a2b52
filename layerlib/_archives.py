"""The arrays of an ``.npz`` file, whose sizes are looked at before any room is made for them."""

import math
import os
import tokenize
import zipfile
from collections.abc import Iterable
from contextlib import suppress

import numpy as np


def check_sizes(archive: zipfile.ZipFile, keys: Iterable[str]) -> None:
    """See whether arrays are as large as they declare, and together fit into the machine's memory.

    A file of a megabyte may unpack to a gigabyte of zeros, and one whose bytes were mixed up asks for anything.

    Raises
    ------
    ValueError
        naming the array
    """
    total, memory = 0, machine_memory()
    for key in keys:
        total += _declared(archive, key)
        if total > memory:
            raise ValueError(f"{key}: would take {total:.2g} bytes with those before it, the machine has {memory:.2g}")


def machine_memory() -> float:
    """Bytes of memory that the machine has; infinite where the system does not tell."""
    with suppress(AttributeError, ValueError, OSError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return math.inf


def _declared(archive: zipfile.ZipFile, key: str) -> int:
    info = archive.getinfo(f"{key}.npy")
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        try:
            shape, _, dtype = read(file)
        except (tokenize.TokenError, SyntaxError) as error:  # NumPy reads it as Python
            raise ValueError(f"{key}: its header is damaged") from error
        declared, there = math.prod(shape) * dtype.itemsize, info.file_size - file.tell()
    if not dtype.hasobject and declared != there:
        raise ValueError(f"{key}: declares {declared} bytes, and has {there}")
    return declared
