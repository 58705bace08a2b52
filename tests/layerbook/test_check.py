"""The check of the evening before: what it finds, and that it finds what is wrong."""

import json
import math
import os
import platform
import re
import subprocess
from collections import Counter

import pytest
import torch
from packaging.requirements import Requirement
from repository import ROOT

from layerbook import check, cli, small_run
from layerlib.data import load as loading


@pytest.fixture(scope="module")
def trained():
    return small_run.Trained.on("cpu")


@pytest.mark.parametrize("name", small_run.INSTRUMENTS)
def test_an_instrument_says_what_is_stored(name, trained):
    assert small_run.apart(small_run.measured(name, trained), small_run.stored()[name]) == ""


def test_the_stored_numbers_do_not_hang_on_the_last_digits_of_the_pictures(monkeypatch):
    exact, random = small_run.pixels, torch.Generator().manual_seed(0)

    def shaken(split):
        images = exact(split)
        return images * (1 + 1e-12 * torch.rand(images.shape, dtype=images.dtype, generator=random))

    monkeypatch.setattr(small_run, "pixels", shaken)
    run = small_run.Trained.on("cpu")
    for name in ("patterns", "nodes", "targets", "distributions", "filters"):
        assert small_run.apart(small_run.measured(name, run), small_run.stored()[name]) == ""


def test_the_stored_perplexity_is_that_of_counted_patterns(trained):
    labels, found = trained.asked.labels.tolist(), []
    lit = [tuple(row) for row in (trained.nodes["linear1"] > 0).tolist()]
    for c in range(10):
        counts = Counter(pattern for pattern, label in zip(lit, labels, strict=True) if label == c)
        total = counts.total()
        found.append(math.exp(-sum(n / total * math.log(n / total) for n in counts.values())))
    assert small_run.stored()["patterns"][0] == pytest.approx(sum(found) / 10)


def test_a_number_that_moved_is_told():
    assert small_run.apart([1.0, 0.5], [1.0, 0.5]) == ""
    assert small_run.apart([1.0, 0.50001], [1.0, 0.5]) == "0.50001, 0.5 is stored"
    assert small_run.apart([float("nan")], [0.5]) == "nan, 0.5 is stored"
    assert small_run.apart([1.0], [1.0, 2.0]) == "1 numbers, 2 are stored"


def test_an_instrument_that_fails_or_says_something_else_is_named_and_the_others_go_on(monkeypatch):
    def broken(run):
        raise RuntimeError("no such kernel\nand more")

    few = {"patterns": lambda run: [0.0, 0.0], "nodes": broken, "filters": small_run.INSTRUMENTS["filters"]}
    monkeypatch.setattr(small_run, "INSTRUMENTS", few)
    patterns, nodes, filters = check.instruments()
    assert not patterns.fine and patterns.says.endswith("is stored")
    assert not nodes.fine and nodes.says == "RuntimeError: no such kernel"
    assert filters.fine and "5 numbers as stored" in filters.says
    assert "requirements.txt" in str(nodes) and "requirements.txt" not in str(filters)


@pytest.mark.parametrize("version, fine", [((3, 10, 14), False), ((3, 11, 0), True), ((3, 12, 4), True)])
def test_a_python_that_is_too_old_is_told(version, fine):
    assert check.python(version).fine is fine


def test_a_package_that_is_missing_or_of_another_version_is_told(monkeypatch):
    asked = ["numpy>=2", "torch>=99", "no-such-package-here>=1", 'not-asked; extra == "test"']
    monkeypatch.setattr(check.metadata, "requires", lambda name: asked)
    (found,) = check.packages(None)
    assert not found.fine and "make book" in str(found)
    assert re.fullmatch(r"torch .+, not >=99; no-such-package-here is missing", found.says)


def test_versions_other_than_pinned_are_told_but_may_do(tmp_path):
    (tmp_path / "requirements.txt").write_text("# set\nnumpy==1.0\nscipy==1.0\nnever==1; python_version < '3'\n")
    (tmp_path / "book").mkdir()
    found = list(check.packages(tmp_path / "book"))[-1]
    assert found.fine and re.match(r"2 other than pinned: numpy .+, not ==1.0; scipy .+, not ==1.0", found.says)


def test_without_torch_the_instruments_are_not_tried(monkeypatch):
    monkeypatch.setattr(check, "_other_than", lambda wanted: "missing" if Requirement("torch") == wanted else "")
    found = list(check.findings(None))
    assert found[-1].what == "instruments" and "torch" in found[-1].says and not found[-1].fine


def test_little_memory_or_room_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(check, "MEMORY", 2**60)
    monkeypatch.setattr(check, "DISK", 2**60)
    assert not check.disk(tmp_path).fine
    assert "room" in str(check.disk(tmp_path))
    memory = check.memory()
    assert not memory.fine or "not told" in memory.says


def test_data_that_are_damaged_are_told_and_whole_sets_may_be_missing(monkeypatch, tmp_path):
    (tmp_path / "MNIST" / "raw").mkdir(parents=True)
    monkeypatch.setenv("LAYERLIB_DATA", str(tmp_path))
    embedded, whole = check.data()
    assert embedded.fine and whole.fine
    assert whole.says.startswith(f"mnist in {tmp_path}; not fashion_mnist, cifar10")

    def damaged(path):
        raise ValueError("truncated")

    monkeypatch.setattr(loading, "from_npz", damaged)
    embedded, _ = check.data()
    assert not embedded.fine and "mnist-mini: truncated" in embedded.says


@pytest.mark.parametrize("fine, code, last", [(True, 0, "All is there."), (False, 1, "1 to look at, marked FAILS.")])
def test_the_exit_status_says_whether_all_is_fine(monkeypatch, capsys, fine, code, last):
    two = [check.Finding("disk", "9 GiB free"), check.Finding("device", "CPU", fine, "take another")]
    monkeypatch.setattr(check, "findings", lambda book: iter(two))
    assert cli.main(["check"]) == code
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[-1] == last
    assert lines[1].endswith("CPU" if fine else "CPU -> take another")


def test_a_book_that_is_named_must_be_there(capsys, tmp_path):
    assert cli.main(["check", "--book", str(tmp_path / "none")]) == 2
    assert "no book folder" in capsys.readouterr().err


@pytest.mark.slow
def test_twice_as_many_threads_train_the_same_network_and_every_instrument_says_the_same_to_six_digits():
    threads = torch.get_num_threads()
    torch.set_num_threads(2 * threads)
    try:
        run = small_run.Trained.on("cpu")
        found = {
            name: small_run.apart(small_run.measured(name, run), small_run.stored()[name])
            for name in small_run.INSTRUMENTS
        }
    finally:
        torch.set_num_threads(threads)
    assert not [told for told in found.items() if told[1]]


@pytest.mark.slow
def test_another_python_says_the_same_to_six_digits():
    """``OTHER_PYTHON`` names one of another version that has the packages of requirements.txt."""
    if not (other := os.environ.get("OTHER_PYTHON")):
        pytest.skip("OTHER_PYTHON names no Python of another version")
    ended = subprocess.run([other, "-c", ANOTHER], cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(ended.stdout)
    assert found.pop("python") != platform.python_version()
    assert not [name for name, values in found.items() if small_run.apart(values, small_run.stored()[name])]


ANOTHER = """
import json, platform
from layerbook.small_run import INSTRUMENTS, Trained, measured
run = Trained.on("cpu")
print(json.dumps({name: measured(name, run) for name in INSTRUMENTS} | {"python": platform.python_version()}))
"""
