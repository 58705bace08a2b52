"""The small tables of the chapter on forward and backward: each number is kept under its name, and shown in its row."""

import pytest
import torch

from layerbook.analysis.contrast import Bootstrapped
from layerbook.figures import forward_tables as tables
from layerbook.report import Report, above


@pytest.fixture
def report(tmp_path, monkeypatch):
    """A report without a record."""
    monkeypatch.chdir(tmp_path)
    return Report("toy")


def test_accuracies_are_means_over_seeds(report):
    tables.accuracies(report, {label: torch.tensor([90.0, 92.0]) for label in tables.NETWORKS})
    assert report.numbers == {"accuracy_mnist": 91, "accuracy_fashion": 91, "accuracy_sigmoid": 91}


def test_aligned_is_the_first_layer_at_both_ends(report):
    moments = torch.arange(24.0).reshape(3, 2, 2, 2)
    table = tables.aligned(report, moments)
    assert table.rows == [["dot product", "2.000", "18.000"], ["cosine", "3.00", "19.00"]]
    assert report.numbers["dot_end"] == 18 and report.numbers["cosine_start"] == 3


def test_others_are_told_beyond_random_labels_and_at_their_worst(report):
    separated = {label: torch.zeros(3, 2, 6, 3, 2) for label in tables.NETWORKS}
    separated["Fashion-MNIST"][1, :, :5, 0, 1] = 0.75
    separated["Fashion-MNIST"][1, :, :5, 1, 1] = 0.5
    separated["MNIST, sigmoid"][..., :2, 1] = 1
    separated["MNIST, sigmoid"][2, :, 3, 0, 1] = 0.5
    separated["MNIST, sigmoid"][2, :, 0, 2, 0] = 0.125
    tables.others(report, separated)
    assert report.numbers == {
        "fashion_excess_start": 0, "fashion_excess_early": 0.25, "sigmoid_targets": 0.5, "sigmoid_excess": 0.5,
        "sigmoid_knn": 0.125,
    }  # fmt: skip


def test_counted_are_the_claims_that_hold(report):
    report.claim("1", "One", "one", "", above("a", 1, 0), test="> 0", figure="f")
    report.claim("2", "Two", "two", "", above("a", -1, 0), test="> 0", figure="f")
    tables.counted(report)
    assert report.numbers == {"claims_tested": 2, "claims_held": 1}


def test_excesses_are_means_over_seeds_and_layers_and_gains_those_of_layer_1(report):
    excess = [torch.tensor([[0.0, 0.1]]).double(), torch.tensor([[0.2, 0.4]]).double()]
    table = tables.excesses(report, excess, torch.tensor([[0.5, 0.25, 9.0], [9.0, 9.0, 9.0]]), 100)
    assert [row[1] for row in table.rows] == ["0.050", "0.300", "0.500", "0.250"]
    assert "iteration 100" in table.rows[1][0]
    assert report.numbers["gain_random"] == 0.25


def test_the_first_layer_is_told_at_both_ends(report):
    alike = torch.tensor([[[0.1, 0.2], [0.3, 0.4]], [[0.5, 0.6], [0.7, 0.8]]]).double()
    tables.first_layer(report, torch.tensor([0.125, 0.5, 0.25]), torch.tensor([1.0, 0.5]), 0.75, alike)
    assert report.numbers == pytest.approx({
        "z1_start": 0.125, "z1_end": 0.25, "o1_end": 0.5, "pixels_silhouette": 0.75, "cka_start": 0.2, "cka_end": 0.6,
        "cka_pixels": 0.7,
    })  # fmt: skip


def test_features_stand_beside_the_pixels(report):
    table = tables.features(report, torch.tensor([0.5, 0.25]), torch.tensor([0.75, 0.5]), (0.9, 0.1))
    assert table.rows == [["k-NN accuracy", "50.0%", "75.0%", "90.0%"], ["silhouette", "0.25", "0.50", "0.10"]]
    assert report.numbers["knn_pixels"] == 0.9 and report.numbers["silhouette_after"] == 0.5


def test_pictures_have_a_column_a_kind(report):
    likened = {
        kind: [i, i + 0.1, i + 0.2]
        for i, kind in enumerate(("error", "label", "guided", "error, wrong label", "guided, wrong label"))
    }
    table = tables.drawn(report, likened, {"error": 0.5, "label": 0.6, "guided": 0.9})
    assert [row[1:] for row in table.rows] == [
        ["0.00", "1.00", "2.00"], ["0.10", "1.10", "2.10"], ["0.20", "1.20", "2.20"], ["50%", "60%", "90%"]
    ]  # fmt: skip
    assert report.numbers["cosine_wrong"] == 3 and report.numbers["cosine_guided_wrong"] == 4
    assert report.numbers["same_class_guided"] == 2.2 and report.numbers["nearer_error"] == 0.5


def test_marks_are_columns(report):
    def of(crossings, turns):
        return {
            (how, where): Bootstrapped(value + 0.1 * (how == "raw"), 0, 1, 9)
            for how in ("raw", "adjusted")
            for where, value in (("crossings", crossings), ("turns", turns))
        }

    over = {"crossings": Bootstrapped(0.25, 0, 1, 9), "turns": Bootstrapped(0.5, 0, 1, 9)}
    table = tables.marks(report, {"guided": of(1, 2), "label": of(3, 4)}, over)
    assert [row[1:] for row in table.rows] == [
        ["1.10", "2.10"], ["1.00", "2.00"], ["0.25", "0.50"], ["3.00", "4.00"]
    ]  # fmt: skip
    assert table.heads == ["", "at crossings", "at turns"] and report.numbers["unguided_turns"] == 4
