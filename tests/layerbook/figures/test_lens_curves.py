"""What the chapter on four lenses keeps: the right numbers under the right names."""

from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from layerbook.figures import lens_curves as curves
from layerbook.report import Report
from layerbook.training.fit import Trained
from layerlib.data.splits import Split
from layerlib.inspection.result import Inspection


@pytest.fixture
def report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where there is no record
    return Report("toy", "own")


def look(number):
    """An inspection of two layers, the output last."""
    targets, nulls = torch.tensor([0.1, 9]) * number, torch.tensor([0.01, 9]) * number
    return [Mock(spec=Inspection, values={"target_silhouette": targets}, nulls={"target_silhouette": nulls},
                            pictures=torch.tensor([[1.0, 0], [1, number]]))]  # fmt: skip


LOOKS = {("digits", "MLP"): [[look(1), look(2)], [look(3), look(4)]], ("clothes", "MLP"): [[look(5)], [look(6)]]}


def test_what_is_told_is_kept_of_hidden_layers_of_the_first_data(report):
    curves.told(report, LOOKS, "digits", [7, 8], [0, 10])
    [kept] = report.curves.values()
    assert list(report.curves) == ["told_mlp"] and kept.layer.values.tolist() == [1]
    assert kept.sel(what="targets", seed=8, step=0, layer=1) == pytest.approx(0.2)
    assert kept.sel(what="permuted errors", seed=7, step=10, layer=1) == pytest.approx(0.03)


def test_drawings_are_compared_with_the_last_ones_of_the_first_seed(report):
    curves.drawn(report, LOOKS, "digits", [0, 10])
    kept = report.curves["drawn_alike"].sel(network="MLP")
    assert kept.sel(step=10) == pytest.approx(1)
    assert kept.sel(step=0) == pytest.approx((1 + 4 / 20**0.5) / 2)  # (1, 1) and (1, 3)


def test_readings_are_kept_by_lens_of_the_first_data_and_given_back_of_all(report, monkeypatch):
    def readings(moments, drawn=False):
        numbers = np.array([each[0].pictures[1, 1].item() for each in moments])
        return np.broadcast_to(numbers[:, None], (*(5, 7)[1 - drawn :], len(moments), 2))

    monkeypatch.setattr(curves, "readings", readings)
    read, drawn = curves.looked(report, LOOKS, "digits", [7, 8], [0, 10])
    assert set(read) == set(LOOKS) and read["digits", "MLP"].shape == (2, 7, 2, 2)
    assert drawn["digits", "MLP"].shape == (5, 2, 7, 2, 2)
    assert list(report.curves) == ["readings_mlp"]
    assert report.curves["readings_mlp"].dims == ("seed", "lens", "step", "layer")
    assert report.curves["readings_mlp"].sel(seed=8, lens="nodes", step=10, layer=1) == 4


def test_networks_that_know_by_heart_are_kept_by_their_controls(report, monkeypatch):
    def inspect(model, split, names, read="mean", instruments=""):
        assert isinstance(split, Split) and names == "layers of the net"
        assert (read == "flat") == (instruments == "distribution")
        values = {"distance": torch.tensor([0.2, 0.4, 9]), "entropy": torch.tensor([3.0, 2, 9])}
        draws = {what: torch.rand(3, 20, dtype=torch.float64) for what in values}
        nulls = {"entropy": torch.tensor([4.0, 4, 9])}
        return Mock(spec=Inspection, values=values, draws=draws, nulls=nulls, baseline={"distance": 0.8})

    monkeypatch.setattr(curves, "inspect", inspect)
    monkeypatch.setattr(curves, "taps", "layers of the {}".format)
    history = SimpleNamespace(measured=torch.tensor([[0.5, 0.25]]), reached=torch.tensor([False]))
    run = Mock(spec=Trained, models=["net"], history=history)
    test = {"digits": Mock(spec=Split), "clothes": Mock(spec=Split)}
    parts = curves.by_heart(report, {("digits", "ViT"): run, ("clothes", "MLP"): run}, test, "digits")
    assert [part.text for part in parts][1:3] == ["entropy, ViT, digits", "distance, MLP, clothes"]
    assert {(part.outcome, part.reason) for part in parts} == {
        ("undecided", "some know only 25.0% of the drawn labels")
    }
    assert list(report.curves) == ["by_heart_vit"]
    kept = report.curves["by_heart_vit"].sel(seed=0)
    assert kept.sel(what="distance").values == pytest.approx([0.25, 0.5])
    assert kept.sel(what="entropy").values == pytest.approx([0.75, 0.5])


def test_what_follows_is_kept_beside_the_reading(report):
    part = np.array([[[0.25, 0.75]]])
    follows = torch.tensor([[True, False, False, True], [False, False, False, True]])
    found = torch.stack([follows, ~follows])[None, None]  # (seeds, moments, layers, 2, samples)
    curves.obeyed(report, {"plain CNN": (part, found)}, [3], [0])
    kept = report.curves["obeyed_plain"].sel(seed=3, step=0)
    assert kept.sel(what="reading").values == pytest.approx([0.25, 0.75])
    assert kept.sel(what="moved").values == pytest.approx([0.5, 0.5])
    assert kept.sel(what="shuffled").values == pytest.approx([0.25, 0.75])
