"""A report that holds what the record of a chapter holds, so that figures are drawn from real curves."""

import html
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from layerbook.record import read_record
from layerbook.report import Report

RECORDS = Path(__file__).parents[3] / "book" / "records"


@pytest.fixture(autouse=True)
def no_figure_of_another_test():
    plt.close("all")


@pytest.fixture
def kept(monkeypatch):
    """page -> whether its files hold the numbers of every curve that was read for it, each file a curve or several."""
    read, sides = set(), Report.sides
    monkeypatch.setattr(Report, "sides", lambda report, name: read.add(name) or sides(report, name))

    def check(page: str) -> bool:
        files = {html.unescape(file).split()[0] for file in re.findall(r'download="([^"]+)"', page)}
        return bool(read) and all(any(f"{name}_".startswith(f"{file}_") for file in files) for name in read)

    return check


@pytest.fixture
def as_recorded():
    """chapter -> its report, with the record's numbers and curves as those of this run, beside the record."""

    def report(chapter: str) -> Report:
        path = RECORDS / f"{chapter}.json"
        record, made = read_record(path), Report(chapter, "smaller", record=path)
        for name in record["curves"]:
            curve = made.recorded_curve(name)
            made.curve(name, curve.values, **{dim: curve[dim].values.tolist() for dim in curve.dims})
        for name, value in record["numbers"].items():
            made.number(name, value)
        made.claims |= made._recorded
        return made

    yield report
    plt.close("all")
