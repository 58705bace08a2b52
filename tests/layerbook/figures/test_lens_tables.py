"""The small tables of the four lenses: a column a network, each number under its name."""

import numpy as np
import pytest
import torch
from records import record as kept_record

from layerbook.analysis.agreement import LENSES
from layerbook.figures import lens_tables as tables
from layerbook.record import write_record
from layerbook.report import Report
from layerlib import Split, inspect

NETS = list(tables.SHORT)


@pytest.fixture
def report(tmp_path, monkeypatch):
    """A report without a record."""
    monkeypatch.chdir(tmp_path)
    return Report("toy")


def by_network(value):
    return dict.fromkeys(NETS, value)


def test_errors_are_means_over_seeds(report):
    table = tables.errors(report, by_network([10.0, 20.0]))
    assert table.heads == ["", *NETS] and table.rows == [["named wrongly [%]", *["15.0"] * 4]]
    assert report.numbers["wrong_residual"] == 15


def test_an_order_is_of_the_networks_that_have_one(report):
    when = np.full((2, len(LENSES), 4), 7.0)
    when[:, LENSES.index("flat"), 1:] = 0  # three of four layers are ready from the beginning
    orders = {("plain CNN", "means"): -0.9, ("plain CNN", "flat"): 0.1}
    table = tables.read_outs(report, by_network(when), orders)
    assert [row[1:] for row in table.rows] == [["75"] * 4, ["–", "−0.90", "–", "–"], ["–", "0.10", "–", "–"]]
    assert report.numbers["ready_vit"] == 75 and "order_flat_mlp" not in report.numbers


def test_the_output_is_the_last_layer_and_its_steps_are_geometric_means(report):
    when = np.zeros((2, len(LENSES), 3))
    when[:, LENSES.index("flat"), -1] = [9, 999]
    when[:, LENSES.index("nodes"), -1] = [9, np.nan]  # never: as if at the last step
    tables.outputs(report, by_network(when), 99)
    assert report.numbers["out_flat_mlp"] == pytest.approx(99)  # 10 and 1,000
    assert report.numbers["out_nodes_mlp"] == pytest.approx(1000**0.5 - 1)


def test_hidden_layers_have_an_order_of_their_own_or_none_where_they_are_tied(report):
    when = np.zeros((2, len(LENSES), 4))
    when[..., -1] = 50  # only the output is later
    when[:, LENSES.index("nodes")] = [30, 20, 10, 50]
    table = tables.marks(report, by_network(when), by_network(when))
    told = {name: cells[0] for name, *cells in table.rows}
    tied, falls = (told["flat, by the network's end"], told["nodes, by the network's end"])
    assert float(tied) > 0.7 and falls == "0.20"
    rows = [cells for name, *cells in table.rows if name.endswith("hidden layers alone")]
    assert [row[0] for row in rows] == ["–", "–", "−1.00"], "means, flat, nodes"
    assert (
        report.numbers["order_hidden_nodes_mlp"] == pytest.approx(-1) and "order_hidden_flat_mlp" not in report.numbers
    )


def test_pixels_are_read_beside_the_hidden_layers_of_the_first_and_the_last_moment(report):
    torch.manual_seed(0)
    images, labels = torch.randint(256, (60, 1, 4, 4), dtype=torch.uint8), torch.arange(60) % 3
    images[:, 0, 0, 0] = 100 * labels  # the pixels tell the class
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 5), torch.nn.Linear(5, 3))
    split = Split(images, labels)
    bare = inspect(network, split, ["0"], read="flat", instruments="distribution")
    seen = inspect(network, split, ["1", "2"], read="flat", instruments="distribution")
    table = tables.pixels(report, bare, by_network([[[bare, seen]], [[bare, seen], [bare, seen]]]))
    assert report.numbers["ridge_pixels_vit"] == pytest.approx(100 * bare.values["probe_accuracy"].item())
    hidden = 100 * seen.values["probe_accuracy"][0].item()
    assert report.numbers["ridge_start_mlp"] == report.numbers["ridge_end_mlp"] == pytest.approx(hidden)
    assert len(table.rows) == 3 and hidden != report.numbers["ridge_pixels_mlp"]


def test_who_follows_is_counted_at_both_ends(report):
    follows = torch.zeros(1, 3, 2, 2, 4, dtype=torch.bool)
    follows[:, 0, :, 0, 0] = follows[:, -1, :, 0, :3] = follows[:, -1, 0, 1, 0] = True
    table = tables.obeyed(report, by_network(follows))
    assert [row[1] for row in table.rows] == ["25", "75", "12"]
    assert report.numbers["shuffled_mlp"] == 12.5


def test_a_lens_that_never_changes_agrees_with_nothing(report):
    both = np.full((2, len(LENSES), len(LENSES)), 0.5)
    both[1, LENSES.index("flat"), LENSES.index("targets")] = np.nan
    steps = np.full_like(both, 0.25)
    tables.agreed(report, by_network({"rest": both, "steps": steps}))
    assert report.numbers["rest_nodes_vit"] == 0.5 and report.numbers["rest_targets_vit"] == 0
    assert report.numbers["steps_filters_plain"] == 0.25


def test_numbers_of_the_first_edition_are_not_shown_beside(tmp_path):
    record = {"numbers": {"wrong_mlp": 3.0}, "curves": {}}
    for curves, sides in (({}, 1), ({"readings_mlp": {"dims": ["seed"], "axes": {"seed": [0]}, "values": [0.5]}}, 2)):
        write_record(kept_record() | record | {"curves": curves}, tmp_path / "toy.json")
        report = Report("toy", "smaller", record=tmp_path / "toy.json")
        assert len(tables.errors(report, by_network([5.0])).heads) == 1 + 4 * sides


def test_orders_are_shown_by_both_marks_and_none_is_0(report):
    when, own = (np.zeros((2, len(LENSES), 4)) for _ in range(2))
    when[:, LENSES.index("means")] = [4, 3, 2, 1]
    own[:, LENSES.index("means")] = [1, 2, 3, np.nan]  # never is last
    tables.marks(report, by_network(when), by_network(own))
    assert report.numbers["order_network_means_mlp"] == pytest.approx(-1)
    assert report.numbers["order_own_means_vit"] == pytest.approx(1)
    assert report.numbers["order_own_nodes_plain"] == 0


def test_what_is_told_is_of_hidden_layers_at_both_ends(report):
    excess = np.array([[[0.0, 0.2, 9], [5, 5, 5], [0.4, 0.6, 9]]])
    table = tables.told(report, by_network(excess))
    assert [row[1] for row in table.rows] == ["0.10", "0.50"]
    assert report.numbers["told_beyond_end_mlp"] == 0.5
