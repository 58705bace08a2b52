import pytest
import torch
from hypothesis import settings

# with tensors this small, threads only wait for one another
torch.set_num_threads(1)

# a shared machine is slow at times, which must not fail a test
settings.register_profile("layerlib", deadline=None, max_examples=40)
settings.load_profile("layerlib")


def pytest_configure(config):
    """The mark of tests that stay together, also without the plugin that goes by it."""
    config.addinivalue_line("markers", "xdist_group(name): stays with one worker")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Where tests run side by side, those of one file stay together, with what it makes once for all of them.

    Slow ones have little to share, and go wherever there is room.
    """
    for item in items:
        if not (item.get_closest_marker("xdist_group") or item.get_closest_marker("slow")):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
