"""A record's run made again: what is compared, how strictly, and from which store."""

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from layerbook import cli, running
from layerbook.anew import ELSEWHERE, SAME_SETTING, anew

PARAMETERS = "depth: int = 3\nstore: str = 'kept'"
CODE = """\
from layerbook.report import Report, above
report = Report("toy", "smaller", "3 layers")
report.number("found", depth / 7)
report.curve("c", [depth, 100.0, float("nan")], layer=[1, 2, 3])
report.claim("1", "s", "p", "", above("found", depth / 7, 0.5), test="≥ 0.5", figure="f")
report
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A book with a toy chapter and its record."""
    book = tmp_path_factory.mktemp("anew") / "book"
    for name in ("records", "parameters"):
        (book / name).mkdir(parents=True)
    (book / "parameters" / "toy.yaml").write_text("depth: 5\n")
    cells = [new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}), new_code_cell(CODE)]
    nbformat.write(new_notebook(cells=cells), book / "toy.ipynb")
    assert cli.main(["record", "toy", "--book", str(book)]) == 0
    return book, json.loads((book / "records" / "toy.json").read_text())


@pytest.fixture
def runs(recorded, monkeypatch):
    """Runs that are not made, but give what the record's gave: the parameters that each was given."""
    book, _ = recorded
    ran, given = nbformat.read(book.parent / "_build" / "runs" / "toy.full.ipynb", as_version=4), []
    monkeypatch.setattr(running, "execute", lambda chapter, values, out: given.append(values) or ran)
    return given


@pytest.fixture
def keep(recorded):
    """Write the record as it was made, but for some fields."""
    book, record = recorded

    def write(**changed):
        (book / "records" / "toy.json").write_text(json.dumps(record | changed))
        return book / "records" / "toy.json"

    write()
    return write


def test_a_record_whose_run_gives_the_same_is_fine(recorded, keep, capsys):
    book, _ = recorded
    assert cli.main(["verify", "toy", "--book", str(book)]) == 0
    out = book.parent / "_build" / "runs" / "toy.again.ipynb"
    said = capsys.readouterr()
    assert said.out == f"toy: 3 numbers, curves and verdicts compared, tolerance 1e-05\nexecuted notebook: {out}\n"
    assert said.err == "layerlib: running toy as its record was made, training anew\n"
    assert out.is_file()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"numbers": {"found": 5 / 7 * (1 + 2e-5)}}, "number found: 0.7143 in the record, 0.714286 now"),
        ({"numbers": {"found": 5 / 7, "lost": 1}}, "number lost: not reported today"),
        ({"values": [5.002, 100, None]}, "curve c: up to 2e-05 of its largest value apart"),
        ({"values": [5, 100, 3]}, "curve c: other values are missing"),
        ({"values": [5, 100]}, "curve c: shape (2,) in the record, (3,) now"),
        ({"name": "d"}, "curve d: not reported today"),
        ({"item": "2"}, "claim 2: not judged today"),
        ({"parameters": {"depth": 5, "width": 2}}, "parameter width: the chapter has none of that name today"),
    ],
)
def test_what_differs_is_said(recorded, runs, keep, capsys, changed, told):
    book, record = recorded
    if "values" in changed or "name" in changed:
        values = changed.pop("values", [5, 100, None])
        axes = {"layer": list(range(1, 1 + len(values)))}
        changed = {"curves": {changed.get("name", "c"): {"dims": ["layer"], "axes": axes, "values": values}}}
    if "item" in changed:
        changed = {"claims": [record["claims"][0] | changed]}
    keep(**changed)
    assert cli.main(["verify", "toy", "--book", str(book)]) == 1
    assert capsys.readouterr().out.splitlines()[1:-1] == [f"  {told}"]


def test_no_run_takes_as_long_as_another(recorded, runs, keep, monkeypatch):
    book, record = recorded
    axes = {"what": ["time", "error"], "step": [1, 2]}
    then, now = (
        {"dims": list(axes), "axes": axes, "values": [times, [5.0, 7.0]]} for times in ([1.0, 2.0], [4.0, 3.0])
    )
    monkeypatch.setattr("layerbook.anew.reported", lambda _: record | {"curves": {"c": now}})
    assert anew(keep(curves={"c": then}), book).differences == []


def test_another_verdict_is_a_difference_whatever_the_tolerance(recorded, runs, keep):
    book, record = recorded
    [claim] = record["claims"]
    part = claim["parts"][0] | {"value": 0.4, "outcome": "fails"}
    path = keep(claims=[claim | {"parts": [part], "outcome": "fails"}])
    assert anew(path, book).differences == ["claim 1: fails in the record, holds now"]


def test_another_setting_has_a_wider_tolerance_and_is_named(recorded, runs, keep):
    book, record = recorded
    origin = record["provenance"] | {"device": "H200"}
    near = keep(provenance=origin, numbers={"found": 5 / 7 * (1 - 0.9 * ELSEWHERE)})
    found = anew(near, book)
    assert (found.tolerance, found.differences) == (ELSEWHERE, [])
    assert [each.startswith("device H200 then, ") for each in found.because] == [True]
    assert anew(keep(provenance=origin, numbers={"found": 5 / 7 * (1 + 2 * ELSEWHERE)}), book).differences
    assert not anew(keep(numbers={"found": 5 / 7 * (1 + SAME_SETTING / 2)}), book).differences


def test_a_record_names_no_folder_of_stored_trainings(recorded):
    assert recorded[1]["parameters"] == {"depth": 5}


def test_networks_are_trained_anew_unless_a_store_is_given(recorded, runs, keep, tmp_path, monkeypatch):
    command = ["verify", "toy", "--book", str(recorded[0])]
    monkeypatch.chdir(tmp_path)
    assert [cli.main(command), cli.main([*command, "--from-store", "."])] == [0, 0]
    assert runs == [{"depth": 5, "store": ""}, {"depth": 5, "store": str(tmp_path.resolve())}]


def test_a_store_that_is_not_there_is_no_reason_to_train_anew(recorded, runs, keep, tmp_path, capsys):
    assert cli.main(["verify", "toy", "--book", str(recorded[0]), "--from-store", str(tmp_path / "lost")]) == 2
    assert f"from_store: expected a folder of stored trainings, got {tmp_path / 'lost'}" in capsys.readouterr().err
    assert runs == []


def test_a_small_run_takes_nothing_from_a_store(recorded, keep, capsys):
    book, _ = recorded
    assert cli.main(["verify", "toy", "--book", str(book), "--size", "small", "--from-store", "."]) == 2
    assert "--from-store: a small run trains anew" in capsys.readouterr().err
