import os
from collections import Counter

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


LONGEST = ("device", "faults", "foreign", "lengthy", "slow", "chaos")  # marks


def pytest_addoption(parser):
    parser.addoption("--needing-cuda", action="store_true", help="only tests that are skipped where there is no CUDA")


def pytest_configure(config):
    """The mark of tests that stay together, also without the plugin that goes by it."""
    config.addinivalue_line("markers", "xdist_group(name): stays with one worker")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Where tests run side by side, those of one file stay together, with what it makes once for all of them.

    Slow ones have little to share, and go wherever there is room. Groups begin in the order in which they stand here
    (``--no-loadscope-reorder``): the longest first, so that none is left for one worker alone at the end.
    """
    if config.getoption("needing_cuda"):
        items[:] = [item for item in items if "CUDA" in _why_skipped(item) or "GPU" in _why_skipped(item)]
    for item in items:
        if not (item.get_closest_marker("xdist_group") or item.get_closest_marker("slow")):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    sizes = Counter(map(_group, items))
    items.sort(key=lambda item: (_takes(item), -sizes[_group(item)]))


def _group(item):
    mark = item.get_closest_marker("xdist_group")
    return mark.args[0] if mark else item.nodeid


def _takes(item):
    """Its place among the kinds of tests, those first that take longest at a time."""
    return next((place for place, kind in enumerate(LONGEST) if item.get_closest_marker(kind)), len(LONGEST))


def _why_skipped(item):
    return " ".join(mark.kwargs.get("reason", "") for mark in item.iter_markers("skipif"))
