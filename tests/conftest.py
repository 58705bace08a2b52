import os

import pytest
import torch
from hypothesis import settings

# with tensors this small, threads only wait for one another
torch.set_num_threads(1)

# a make that a test starts is its own, also where these tests run under one
for name in ("MAKEFLAGS", "MAKELEVEL"):
    os.environ.pop(name, None)

# a shared machine is slow at times, which must not fail a test
settings.register_profile("layerlib", deadline=None, max_examples=40)
settings.load_profile("layerlib")


def pytest_addoption(parser):
    parser.addoption("--needing-cuda", action="store_true", help="only tests that are skipped where there is no CUDA")


def pytest_configure(config):
    """The mark of tests that stay together, also without the plugin that goes by it."""
    config.addinivalue_line("markers", "xdist_group(name): stays with one worker")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Where tests run side by side, those of one file stay together, with what it makes once for all of them.

    Slow ones have little to share, and go wherever there is room.
    """
    if config.getoption("needing_cuda"):
        items[:] = [item for item in items if "CUDA" in _why_skipped(item) or "GPU" in _why_skipped(item)]
    for item in items:
        if not (item.get_closest_marker("xdist_group") or item.get_closest_marker("slow")):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


def _why_skipped(item):
    return " ".join(mark.kwargs.get("reason", "") for mark in item.iter_markers("skipif"))
