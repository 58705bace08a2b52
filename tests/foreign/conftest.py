"""Packages of others lie in a folder of their own: make _build/foreign/.ready."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PACKAGES = HERE.parents[1] / "_build" / "foreign"


def pytest_configure():
    sys.path[:] = [str(HERE), *sys.path, str(PACKAGES)]  # last, so that nothing of the environment is replaced


@pytest.hookimpl(tryfirst=True)  # before they are put in order, by their marks
def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.foreign)
