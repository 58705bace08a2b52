"""JupyterLab of the book's environment, as `make lab` starts it."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def lab(tmp_path):
    """The address of a JupyterLab that shows a folder with one notebook."""
    (tmp_path / "lab" / "student").mkdir(parents=True)
    empty = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "lab" / "student" / "toy.ipynb").write_text(json.dumps(empty))
    options = ["--no-browser", "--allow-root", "--ServerApp.root_dir=lab", f"--ServerApp.port={free_port()}"]
    env = os.environ | {
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
    }
    command = [sys.executable, "-m", "jupyterlab", *options, "--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=t"]
    with subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True) as server:
        try:
            found = (ADDRESS.search(line) for line in iter(server.stderr.readline, ""))
            address = next(filter(None, found))[0]
            yield address
        finally:
            server.terminate()


def get(address):
    asked = urllib.request.Request(address, headers={"Authorization": "token t"})
    for _ in range(60):  # it names its address shortly before it answers there
        with contextlib.suppress(urllib.error.URLError), urllib.request.urlopen(asked, timeout=120) as answer:
            return answer.read().decode()
        time.sleep(1)
    raise AssertionError(f"{address}: no answer")


def test_it_opens_the_notebooks_of_its_folder_with_this_python(lab):
    assert "JupyterLab" in get(f"{lab}lab/tree/student/toy.ipynb")
    assert [each["name"] for each in json.loads(get(f"{lab}api/contents/student"))["content"]] == ["toy.ipynb"]
    kernels = json.loads(get(f"{lab}api/kernelspecs"))
    assert kernels["default"] in kernels["kernelspecs"]


def test_make_lab_writes_over_nothing():
    makefile = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")
    recipe = makefile.partition("\nlab: ")[2].partition("\n\n")[0]
    assert re.search(r"cp -\w*n", recipe) and "rm " not in recipe
