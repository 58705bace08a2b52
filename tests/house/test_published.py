"""How the project is tried and published elsewhere: workflows, Binder, a container, Pythons, a source package."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from fresh import run, wheel

import layerlib

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
OLDEST, NEWEST = (int(re.search(rf"(?m)^{name} := \(3, (\d+)\)$", MAKEFILE)[1]) for name in ("OLDEST", "NEWEST"))
PYTHONS = [f"3.{minor}" for minor in range(OLDEST, NEWEST + 1)]


def workflow(name):
    return yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8"))


def test_every_workflow_names_its_rights_and_gives_every_job_a_machine():
    assert {path.stem for path in WORKFLOWS} == {"tests", "book", "drift"}
    for path in WORKFLOWS:
        told = workflow(path.stem)
        assert told["permissions"], path
        assert all(job["runs-on"] and job["steps"] for job in told["jobs"].values()), path
        uses = [step["uses"] for job in told["jobs"].values() for step in job["steps"] if "uses" in step]
        assert all(re.fullmatch(r"actions/[\w-]+@v\d+", each) for each in uses), path


def test_tests_run_on_every_python_that_make_takes():
    assert workflow("tests")["jobs"]["test"]["strategy"]["matrix"]["python"] == PYTHONS
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'requires-python = ">=3.{OLDEST}"' in project
    names = re.search(r"for p in (.+?); do", MAKEFILE)[1].split()
    assert names == [*(f"python{each}" for each in reversed(PYTHONS)), "python3", "python"]  # the newest first


def test_the_drift_is_between_the_oldest_and_the_newest():
    runs = workflow("drift")["jobs"]["run"]["strategy"]["matrix"]["include"]
    assert {each["name"]: (each["python"], each["resolution"]) for each in runs} == {
        "newest": (PYTHONS[-1], "highest"),
        "oldest": (PYTHONS[0], "lowest-direct"),
    }


def test_what_they_call_is_there():
    text = "\n".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    targets = re.search(r"(?m)^\.PHONY: (.+)$", MAKEFILE)[1].split()
    assert set(re.findall(r"make ([\w-]+)", text)) <= set(targets)
    assert all((ROOT / "layerbook" / f"{name}.py").is_file() for name in re.findall(r"-m layerbook\.(\w+)", text))
    assert (ROOT / ".ci" / "run").is_file()


def test_binder_and_the_container_take_what_is_pinned_on_a_python_that_will_do():
    assert (ROOT / "binder" / "runtime.txt").read_text().strip().removeprefix("python-") in PYTHONS
    assert (ROOT / "binder" / "requirements.txt").read_text().split() == ["-r", "../requirements.txt"]
    assert (ROOT / "binder" / "postBuild").stat().st_mode & 0o111
    told = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    assert told["image"].rpartition(":")[2] in PYTHONS
    assert told["postCreateCommand"] == "make .venv/.ready"


def test_every_place_names_the_same_version():
    text = {
        name: (ROOT / name).read_text(encoding="utf-8") for name in ("pyproject.toml", "CITATION.cff", "CHANGELOG.md")
    }
    [version] = re.findall(r'(?m)^version = "(.+)"$', text["pyproject.toml"])
    assert layerlib.__version__ == version
    assert yaml.safe_load(text["CITATION.cff"])["version"] == version
    assert re.findall(r"(?m)^## \[(\d.*)\]", text["CHANGELOG.md"])[0] == version


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
def test_make_refuses_another_python_in_one_sentence(tmp_path):
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\nexit 1\n")
    other.chmod(0o755)
    done = run("make", ".venv/.ready", f"PYTHON={other}", folder=tmp_path)
    assert done.returncode != 0
    assert f"{other} will not do: the pinned packages are for Python {PYTHONS[0]} to {PYTHONS[-1]}" in done.stderr
    assert not (tmp_path / ".venv").exists()


@pytest.mark.slow
def test_the_source_package_gives_the_same_wheel(tmp_path):
    made = wheel(tmp_path)
    build = "from setuptools.build_meta import build_sdist; print(build_sdist('..'))"
    told = subprocess.run(
        [sys.executable, "-c", build], cwd=tmp_path / "source", capture_output=True, text=True, check=True
    )
    [source] = tmp_path.glob("layerlib-*.tar.gz")
    assert source.name == told.stdout.split()[-1]
    again = tmp_path / "again"
    command = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", again, source]
    run(sys.executable, "-m", "pip", *command).check_returncode()
    names = [sorted(zipfile.ZipFile(path).namelist()) for path in (made, again / made.name)]
    assert names[0] == names[1]
