"""A visit to a borrowed GPU rehearsed from its first step to the record that it brings, on the pretend device."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from pretend_device import unavailable
from smallest import datasets, parameters

from layerbook.record import read_record
from tools.gpu_visit import A_FILE, ALL_FILES

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.device, pytest.mark.skipif(bool(unavailable()), reason=str(unavailable()))]
PRETEND = "from pretend_device import install\n\ninstall()\n"  # in every Python of the visit, kernels too


@pytest.fixture
def pretending(tmp_path):
    """The environment of a visit to the pretend device."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(PRETEND, encoding="utf-8")
    path = os.pathsep.join([str(site), str(ROOT / "tests" / "device")])
    return os.environ | {"PYTHON": sys.executable, "PYTHONPATH": path}


def visited(script, env, **options):
    """What a visit did, by its steps; its output if it failed."""
    given = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    ran = subprocess.run(["bash", script, "go", *given], env=env, capture_output=True, text=True)
    out = options["out"]
    assert ran.returncode == 0, ran.stdout + ran.stderr + (out / "log.txt").read_text(encoding="utf-8")
    return {each["step"]: each for each in json.loads((out / "visit.json").read_text(encoding="utf-8"))}


def test_a_visit_brings_a_record_home(tmp_path, pretending):
    out = tmp_path / "out"
    before = (ROOT / "book" / "records" / "filter_evolution.json").read_bytes()
    values = parameters("filter_evolution", datasets(tmp_path))
    small = {name: values.pop(name) for name in ("images", "epochs")}
    plan = planned(tmp_path, filter_evolution=ladder(values, small, {"epochs": 10**9}))
    files = {"plan": plan, "work": tmp_path / "work", "out": out}
    # far more minutes than it takes: a busy machine must not fail it
    done = visited(ROOT / "tools" / "gpu_visit.sh", pretending, only="records", minutes=60, **files)
    assert done["look"]["device"] == "Pretend GPU" and done["look"]["error"] < 1e-2
    assert done["tests"]["left_out"] == done["bench"]["left_out"] == "not asked for"
    assert done["filter_evolution: plan"]["rung"] == 0  # the larger one would take years
    record = read_record(out / "filter_evolution.json")
    assert {each["device"] for each in record["provenance"]["trainings"]} == {"Pretend GPU"}
    assert record["provenance"]["precision"] == "matrix products and convolutions in float32"
    assert (out / "filter_evolution.ipynb").is_file()
    assert (ROOT / "book" / "records" / "filter_evolution.json").read_bytes() == before


def planned(folder, **chapters):
    """The file of a plan: few tests and few benchmarks, each with far more time than a quiet machine takes."""
    names = {"tests": ["tests/layerlib/distributions"], "bench": ["perplexity"]}
    steps = {step: {"share": 0.3, "at_least": 5, "names": each} for step, each in names.items()}
    (folder / "plan.json").write_text(json.dumps({"steps": steps, "chapters": chapters}), encoding="utf-8")
    return folder / "plan.json"


def ladder(values, *rungs):
    """Of one chapter: the first rung, and that with what is other in the next ones."""
    return {
        "first_takes": 30,
        "grows_with": ["images", "epochs"],
        "pictures": ["images"],
        "size": {"seed": 1, "images": 1, "epochs": 1},
        "values": values | {"seed": 10**6},  # larger than the book's record
        "rungs": [rungs[0] | each for each in ({}, *rungs[1:])],
    }


TOY = [
    "data: str = 'cifar10-mini'\nimages: int = 64\nepochs: int = 1\nseed: int = 0\nstore: str = ''",
    "# Toy",
    """import torch
from layerbook.report import Report
from layerbook.training.fit import Store, cross_entropy, fit
from layerlib import load
from layerlib.models import MLP
pictures, trainings = load(data).train[:images], Store(store)
report = Report("toy", store=trainings)
torch.manual_seed(seed)
history = fit(MLP((3072, 10)), pictures, seed=seed, epochs=epochs, loss=cross_entropy, store=trainings)
report.number("loss", history.loss[-1])
report""",
]


def toy(book):
    """A book's chapter that takes a moment."""
    new = nbformat.v4
    cells = [new.new_code_cell(TOY[0], metadata={"tags": ["parameters"]}), new.new_markdown_cell(TOY[1])]
    (book / "parameters").mkdir(parents=True)
    (book / "parameters" / "toy.yaml").write_text("images: 256\n", encoding="utf-8")
    nbformat.write(new.new_notebook(cells=[*cells, new.new_code_cell(TOY[2])]), book / "toy.ipynb")


def test_what_was_packed_is_visited_within_two_minutes(tmp_path, pretending):
    if not (ROOT / ".git").exists():
        pytest.skip("a commit is packed, and here is none")
    data, folder, out = tmp_path / "data", tmp_path / "packed", tmp_path / "out"
    data.mkdir()
    shutil.copy(ROOT / "layerlib" / "datasets" / "cifar10-mini.npz", data / "cifar10_jpeg.npz")
    home = os.environ | {"PYTHON": sys.executable, "LAYERLIB_DATA": str(data)}
    pack = ["bash", ROOT / "tools" / "gpu_visit.sh", "pack", folder, "256", "-"]
    subprocess.run(pack, cwd=ROOT, env=home, check=True, capture_output=True)
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < ALL_FILES
    small, values = {"images": 128, "epochs": 1}, {"data": "_build/visit/cifar10.npz"}
    rungs = [small, {"images": 256, "epochs": 2}, {"epochs": 10**9}, {"images": 257}]
    toy(tmp_path / "work" / "book")
    files = {"plan": planned(tmp_path, toy=ladder(values, *rungs)), "work": tmp_path / "work", "out": out}
    done = visited(folder / "gpu_visit.sh", pretending, minutes=2, **files)
    assert done["end"]["seconds"] <= 120 and "too_large" not in done["end"]
    assert done["toy: rungs"]["left_out"] == {"3": "it asks for 257 pictures, and 256 were packed"}
    for step, did in done.items():
        assert step in ("look", "end") or "left_out" in did or "rung" in did or did["code"] in (0, "out of time"), did
    for step in ("tests", "bench"):
        if done[step]["code"]:  # out of time, on a machine that is busy: again, with time enough
            done |= visited(folder / "gpu_visit.sh", pretending, minutes=60, only=step, **files)
        assert done[step]["code"] == 0, done[step]
    assert re.search(r"^\.+ +\[100%\]", (out / "log.txt").read_text(encoding="utf-8"), re.MULTILINE)
    rows = json.loads((out / "bench.json").read_text(encoding="utf-8"))["gpu"]["rows"]
    assert {row["module"] for row in rows} == {"perplexity"} and all(row["gpu_ms"]["median"] > 0 for row in rows)
    brought = {path.name: path.stat().st_size for path in out.iterdir()}
    assert brought.keys() <= {"visit.json", "log.txt", "bench.json", "toy.json", "toy.ipynb"}
    assert max(brought.values()) <= A_FILE and sum(brought.values()) <= ALL_FILES
    # a machine may be too busy for the first or the second rung; the third would take years
    whole = [rung for rung in (0, 1) if done.get(f"toy: rung {rung}", {}).get("code") == 0]
    assert "toy: rung 2" not in done and ("toy.json" in brought) == bool(whole)
    if whole:
        assert done["toy: plan"]["rung"] < 2 < len(done["toy: plan"]["needs"])
        asked = read_record(out / "toy.json")["parameters"]
        assert (asked["images"], asked["epochs"]) == [(128, 1), (256, 2)][whole[-1]]
    trained = {path: path.stat().st_mtime_ns for path in (tmp_path / "work" / "trained").glob("*.pt")}
    again = visited(
        folder / "gpu_visit.sh", pretending, minutes=60, only="records", **files | {"out": tmp_path / "again"}
    )
    assert again["toy: rung 1"]["code"] == 0
    finished = [path for path in trained if "unfinished" not in path.name]
    assert len(finished) >= len(whole) and all(path.stat().st_mtime_ns == trained[path] for path in finished)
    if 1 in whole:  # all that it asks for was trained: it is read back
        first, second = (read_record(path / "toy.json") for path in (out, tmp_path / "again"))
        assert set((tmp_path / "work" / "trained").glob("*.pt")) == set(trained)
        assert second["provenance"]["trainings"] == first["provenance"]["trainings"]
