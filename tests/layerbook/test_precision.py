"""TF32 is set in one place: for the steps of trainings alone, and undone; on the CPU nothing is set or told."""

import types

import pytest
import torch

from layerbook import precision
from layerbook.precision import MEASURING, TRAINING, exact, rounding, told
from layerbook.provenance import provenance
from layerbook.report import Report
from layerbook.training.origins import origin, summarised

NOWHERE = {"commit": None, "dirty": None}


def switches():
    return [getattr(*switch) for switch in precision._switches()]


@pytest.fixture(autouse=True)
def as_before():
    before = switches()
    yield
    for switch, value in zip(precision._switches(), before, strict=True):
        setattr(*switch, value)


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Fast GPU")


def test_a_training_rounds_and_then_all_is_as_it_was():
    before = switches()
    with pytest.raises(ZeroDivisionError), rounding():
        assert switches() == ["tf32"] * 3
        raise ZeroDivisionError
    assert switches() == before != ["tf32"] * 3


def test_a_report_has_the_chapter_measure_in_full_float32(gpu, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "tf32" in switches()  # PyTorch's own choice for convolutions
    Report("toy")
    assert switches() == ["ieee"] * 3
    with rounding():
        assert switches() == ["tf32"] * 3
    assert switches() == ["ieee"] * 3


def test_without_a_gpu_nothing_is_set(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    before = switches()
    exact()
    assert switches() == before


def test_an_older_pytorch_has_older_switches(monkeypatch):
    old = types.SimpleNamespace(
        cuda=types.SimpleNamespace(matmul=types.SimpleNamespace(allow_tf32=False)),
        cudnn=types.SimpleNamespace(allow_tf32=True),
    )
    monkeypatch.setattr(precision.torch, "backends", old)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with rounding():
        assert switches() == [True, True]
    assert switches() == [False, True]
    exact()
    assert switches() == [False, False]


def test_records_and_trainings_tell_it_of_a_gpu_alone(gpu):
    assert origin(NOWHERE, "cuda:0", 1.0)["precision"] == told(TRAINING)
    assert provenance(NOWHERE, {}, 1.0)["precision"] == told(MEASURING) != told(TRAINING)
    assert "precision" not in origin(NOWHERE, "cpu", 1.0)
    assert "precision" not in provenance(NOWHERE, {"device": "cpu"}, 1.0)


def test_trainings_of_another_precision_are_told_apart_and_older_ones_tell_none(gpu):
    new = origin(NOWHERE, "cuda:0", 1.0)
    old = {name: value for name, value in new.items() if name != "precision"}
    assert [each.get("precision") for each in summarised([old, new, new])] == [None, told(TRAINING)]
