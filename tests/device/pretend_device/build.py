"""The pretend device's C++, compiled once for each version of it and of PyTorch."""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import torch

SOURCES = sorted(Path(__file__).parent.glob("*.cpp")) + sorted(Path(__file__).parent.glob("*.h"))
NAME = "pretend_device_backend"


def unavailable() -> str | None:
    """Why the pretend device cannot be built on this machine, or None."""
    if sys.platform != "linux":
        return f"the pretend device is built on Linux only, this is {sys.platform}"
    if compiler() is None:
        return "the pretend device needs a C++ compiler, none was found as $CXX, c++, g++ or clang++"
    if not Path(headers := sysconfig.get_path("include"), "Python.h").is_file():
        return f"the pretend device needs the headers of Python, there is no Python.h in {headers}"
    return None


def compiler() -> str | None:
    """Path of a C++ compiler, ``$CXX`` first."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["c++", "g++", "clang++"]
    return next((found for name in names if (found := shutil.which(name))), None)


def folder() -> Path:
    """Where the compiled backend is kept: ``$TORCH_EXTENSIONS_DIR``, else ``_build`` of the project."""
    kept = os.environ.get("TORCH_EXTENSIONS_DIR") or Path(__file__).parents[3] / "_build"
    return Path(kept) / "pretend_device"


def backend() -> ModuleType:
    """The compiled backend, made first where it is not there yet.

    Raises
    ------
    RuntimeError
        if it cannot be built here, or the compiler fails, with what it said
    """
    if reason := unavailable():
        raise RuntimeError(reason)
    said = f"{torch.__version__} {sys.version} {compiler()}".encode()
    name = hashlib.sha256(said + b"".join(path.read_bytes() for path in SOURCES)).hexdigest()[:16]
    path = folder() / f"{name}.so"
    path.parent.mkdir(parents=True, exist_ok=True)
    # test processes side by side: the first one compiles, the others wait
    with open(path.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.is_file():
            _compile(path)
    spec = importlib.util.spec_from_file_location(NAME, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _compile(path: Path) -> None:
    home = Path(torch.__file__).parent
    headers = [f"-I{each}" for each in (home / "include", sysconfig.get_path("include"))]
    beside = path.with_suffix(".new")
    command = [
        compiler(),
        "-std=c++20",
        "-O1",
        "-fPIC",
        "-shared",
        "-w",
        f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}",
        *headers,
        *(str(source) for source in SOURCES if source.suffix == ".cpp"),
        "-o",
        str(beside),
        f"-L{home / 'lib'}",
        "-ltorch_cpu",
        "-lc10",
        "-ltorch_python",
        f"-Wl,-rpath,{home / 'lib'}",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the pretend device does not compile with {compiler()}:\n{done.stderr[-4000:]}")
    beside.rename(path)
