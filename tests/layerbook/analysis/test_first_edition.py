"""The first edition's tests, on readings whose order is known."""

import numpy as np
import pytest

from layerbook.analysis.agreement import LENSES
from layerbook.analysis.first_edition import claims
from layerbook.report import Report

STEPS = [0, 1, 3, 7, 15]


@pytest.fixture
def report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where there is no record
    made = Report("toy", "own")
    layer, time = np.arange(1, 6), np.log1p(STEPS)
    rising = np.add.outer(2 * time, layer) / 20  # upper layers read more, and pass a mark sooner
    falling = np.add.outer(2 * time, -layer) / 20 + 0.5
    each = np.stack([falling if lens == "patterns" else rising for lens in LENSES])
    each[LENSES.index("targets"), 0] += 1  # told from the beginning on
    each[LENSES.index("filters")] = layer * (time / time[-1])[:, None] ** (
        layer / 3
    )  # upper ones go further, and later
    claims(made, {"MLP": np.stack([each, each])}, STEPS, 0.5)
    return made


def values(report, item):
    return {part.text: part.value for part in report.claims[item].parts}


def test_the_orders_are_those_of_the_readings(report):
    assert list(report.claims) == ["44", "45", "46", "47", "48", "49", "50"]
    assert values(report, "44") == pytest.approx({"MLP, means": 1, "MLP, patterns": -1, "MLP, nodes": 1})
    assert values(report, "45")["MLP, means"] == pytest.approx(-1)
    assert report.claims["45"].outcome == "holds" and report.claims["44"].outcome == "holds in part"


def test_filters_are_asked_by_their_own_way(report):
    assert values(report, "46") == pytest.approx({"MLP, filters": 1})


def test_what_is_told_from_the_start_is_told_first_where_the_distance_comes_later(report):
    when_at_once = values(report, "47")["MLP"]
    assert 0 < when_at_once < 1  # the layers that are read from the start, too, are not told sooner


def test_every_two_lenses_are_compared_in_three_ways(report):
    over_layers, over_steps = values(report, "48"), values(report, "49")
    assert len(over_layers) == len(over_steps) == len(values(report, "50")) == 6
    assert over_layers["means and nodes, MLP"] == pytest.approx(1)
    assert over_layers["means and patterns, MLP"] == pytest.approx(-1)
    assert over_steps["patterns and nodes, MLP"] == pytest.approx(1)
