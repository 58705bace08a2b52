"""A visit to a borrowed GPU rehearsed from its first step to the record that it brings, on the pretend device."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pretend_device import unavailable
from smallest import datasets, parameters

from layerbook.record import read_record

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.device, pytest.mark.skipif(bool(unavailable()), reason=str(unavailable()))]
PRETEND = "from pretend_device import install\n\ninstall()\n"  # in every Python of the visit, kernels too


def test_a_visit_brings_a_record_home(tmp_path):
    out, site = tmp_path / "out", tmp_path / "site"
    site.mkdir()
    before = (ROOT / "book" / "records" / "filter_evolution.json").read_bytes()
    (site / "sitecustomize.py").write_text(PRETEND, encoding="utf-8")
    values = parameters("filter_evolution", datasets(tmp_path))
    small = {name: values.pop(name) for name in ("images", "epochs")}
    ladder = {
        "first_takes": 30,
        "grows_with": ["images", "epochs"],
        "values": values,
        "rungs": [small, small | {"images": 10**9}],
    }
    (tmp_path / "plan.json").write_text(json.dumps({"filter_evolution": ladder}), encoding="utf-8")
    path = os.pathsep.join([str(site), str(ROOT / "tests" / "device"), str(ROOT)])
    files = ["--plan", tmp_path / "plan.json", "--work", tmp_path / "work", "--out", out]
    ran = subprocess.run(
        # far more minutes than it takes: a busy machine must not fail it
        ["bash", ROOT / "tools" / "gpu_visit.sh", "go", "--only", "records", "--minutes", "60", *files],
        env=os.environ | {"PYTHON": sys.executable, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    done = {each["step"]: each for each in json.loads((out / "visit.json").read_text(encoding="utf-8"))}
    assert ran.returncode == 0, ran.stdout + ran.stderr + (out / "log.txt").read_text(encoding="utf-8")
    assert done["look"]["device"] == "Pretend GPU" and done["look"]["error"] < 1e-2
    assert done["tests"]["left_out"] == done["bench"]["left_out"] == "not asked for"
    assert done["filter_evolution: plan"]["rung"] == 0  # the larger one would take years
    record = read_record(out / "filter_evolution.json")
    assert {each["device"] for each in record["provenance"]["trainings"]} == {"Pretend GPU"}
    assert (out / "filter_evolution.ipynb").is_file()
    assert (ROOT / "book" / "records" / "filter_evolution.json").read_bytes() == before
