"""For pytest, ``-p pretend_device.plugin``: the tests of this process run where the pretend device passes for CUDA.

Whatever CUDA would refuse fails the test, also where the code under test caught the error; a test marked ``refuses`` is
about just that.
"""

import pytest

from pretend_device import install


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "refuses: what the device refuses is what this test is about")
    install()


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function):
    """A test passes only if the device refused nothing."""
    backend = install()
    backend.forget_refused()
    result = yield
    if (found := backend.refused()) and not pyfuncitem.get_closest_marker("refuses"):
        pytest.fail(f"the device refused, and the code under test caught it: {found}", pytrace=False)
    return result
