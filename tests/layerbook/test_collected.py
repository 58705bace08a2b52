"""One table of what the runs of a sweep reported."""

import json
import time

import pandas as pd
import pytest

from layerbook import cli
from layerbook.claims import judged
from layerbook.collected import collect, write
from layerbook.curves import curve_json
from layerbook.swept import SCHEMA
from layerbook.verdicts import above, below, within


def outcome(depth=2, error="", **report) -> dict:
    """What a sweep keeps of a run of a chapter with two parameters."""
    kept = {"numbers": {}, "curves": {}, "claims": []} | report
    known = {"commit": "a" * 40, "dirty": False, "host": "here", "date": "2025-01-02T00:00:00+00:00", "code": "c"}
    return {
        "schema": SCHEMA,
        "chapter": "toy",
        "parameters": {"depth": depth, "seeds": [0, 1]},
        "state": "failed" if error else "finished",
        "error": error,
        "duration_s": 1.5,
        "report": None if error else kept,
        **known,
    }


def keep(folder, *outcomes):
    for place, each in enumerate(outcomes):
        (folder / f"toy.{place}.json").write_text(json.dumps(each))


def test_a_row_holds_the_parameters_beside_one_number(tmp_path):
    keep(tmp_path, outcome(2, numbers={"error": 0.25, "layers": 3}), outcome(4, numbers={"error": 0.125, "layers": 5}))
    table = collect(tmp_path)
    found = table[table.kind == "number"]
    assert found[["run", "depth", "seeds", "name", "value"]].values.tolist() == [
        ["toy.0", 2, "[0, 1]", "error", 0.25],
        ["toy.0", 2, "[0, 1]", "layers", 3.0],
        ["toy.1", 4, "[0, 1]", "error", 0.125],
        ["toy.1", 4, "[0, 1]", "layers", 5.0],
    ]
    assert set(table.chapter) == {"toy"} and set(table.state) == {"finished"}
    assert table[table.kind == "run"][["name", "value"]].values.tolist() == [["duration_s", 1.5]] * 2


def test_a_failed_run_is_there_with_its_error(tmp_path):
    keep(tmp_path, outcome(13, "cell 2 failed"), outcome(2, numbers={"error": 0.5}))
    table = collect(tmp_path)
    assert table[table.depth == 13][["state", "error", "kind"]].values.tolist() == [["failed", "cell 2 failed", "run"]]
    assert len(table) == 3


def test_a_curve_has_a_row_for_each_measured_value_and_a_column_for_each_axis(tmp_path):
    values = [[0.1, 0.2], [0.3, float("nan")]]
    keep(tmp_path, outcome(curves={"readings": curve_json("readings", values, {"seed": [0, 7], "layer": [1, 2]})}))
    rows = collect(tmp_path).query("kind == 'curve'")
    assert rows[["name", "seed", "layer", "value"]].values.tolist() == [
        ["readings", 0, 1, 0.1],
        ["readings", 0, 2, 0.2],
        ["readings", 7, 1, 0.3],
    ]


def test_an_axis_that_is_called_as_a_parameter_is_told_from_it(tmp_path):
    keep(tmp_path, outcome(6, curves={"errors": curve_json("errors", [1, 2], {"depth": [3, 4]})}))
    rows = collect(tmp_path).query("kind == 'curve'")
    assert rows[["depth", "depth_axis", "value"]].values.tolist() == [[6, 3, 1.0], [6, 4, 2.0]]


def test_a_claim_has_its_outcome_and_the_numbers_that_it_follows_from(tmp_path):
    parts = [below("error", 0.5, 0.2), above("accuracy", 0.5, 0.4, (0.45, 0.55)), within("gap", 1, 0, 2)]
    claim = judged("3", "Deep is right", "right", "", parts, "smaller").to_json()
    keep(tmp_path, outcome(claims=[claim]))
    table = collect(tmp_path)
    [[name, value, told]] = table[table.kind == "claim"][["name", "value", "outcome"]].values.tolist()
    assert (name, told) == ("3", "holds in part") and pd.isna(value)
    columns = ["name", "value", "low", "high", "relation", "threshold", "threshold_high", "outcome"]
    rows = table[table.kind == "part"][columns].astype(object)
    assert rows.where(rows.notna(), None).values.tolist() == [
        ["3: error", 0.5, None, None, "≤", 0.2, None, "fails"],
        ["3: accuracy", 0.5, 0.45, 0.55, "≥", 0.4, None, "holds"],
        ["3: gap", 1.0, None, None, "from … to", 0.0, 2.0, "holds"],
    ]


@pytest.mark.parametrize(("value", "share"), [(0.1, 1.0), (0.5, 0.0)])
def test_a_claim_that_holds_counts_one_and_one_that_fails_zero(tmp_path, value, share):
    claim = judged("3", "Deep is right", "right", "", [below("error", value, 0.2)], "smaller").to_json()
    keep(tmp_path, outcome(claims=[claim]))
    table = collect(tmp_path)
    assert table[table.kind == "claim"].value.tolist() == [share]


def test_runs_with_other_parameters_lie_in_one_table(tmp_path):
    other = outcome(numbers={"error": 1}) | {"chapter": "other", "parameters": {"width": 3}}
    keep(tmp_path, outcome(numbers={"error": 2}), other)
    rows = collect(tmp_path).query("kind == 'number'").sort_values("value")
    assert rows.width.tolist()[0] == 3 and pd.isna(rows.width.tolist()[1])


def test_the_csv_holds_what_the_table_holds(tmp_path):
    keep(tmp_path, outcome(numbers={"error": 0.1}, curves={"c": curve_json("c", [1 / 3], {"layer": [1]})}))
    table = collect(tmp_path)
    assert tmp_path / "runs.csv" in write(table, tmp_path)
    read = pd.read_csv(tmp_path / "runs.csv", keep_default_na=False, na_values={"value": ""})
    shown = ["run", "depth", "seeds", "error", "kind", "name", "value"]
    pd.testing.assert_frame_equal(read[shown], table[shown], check_dtype=False)
    assert read["layer"].tolist()[-1] == "1.0" and read["layer"].tolist()[0] == ""


def test_without_pyarrow_the_parquet_is_left_out_and_that_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("layerbook.collected.find_spec", lambda _: None)
    keep(tmp_path, outcome(numbers={"error": 0.1}))
    assert write(collect(tmp_path), tmp_path) == [tmp_path / "runs.csv"]
    assert "pip install 'layerlib[sweep]'" in capsys.readouterr().err


def test_the_parquet_holds_what_the_table_holds(tmp_path):
    pytest.importorskip("pyarrow")
    keep(tmp_path, outcome(numbers={"error": 0.1}, curves={"c": curve_json("c", [1, 2], {"layer": [1, 2]})}))
    table = collect(tmp_path)
    assert tmp_path / "runs.parquet" in write(table, tmp_path)
    read = pd.read_parquet(tmp_path / "runs.parquet")
    pd.testing.assert_frame_equal(read, table, check_dtype=False, check_column_type=False)


def test_the_folder_of_no_sweep_and_a_damaged_file_are_named(tmp_path, capsys):
    assert cli.main(["collect", str(tmp_path)]) == 2
    assert "expected the folder of a sweep, no run has ended there" in capsys.readouterr().err
    (tmp_path / "toy.0.json").write_text("{")
    assert cli.main(["collect", str(tmp_path)]) == 2
    assert "toy.0.json: not JSON" in capsys.readouterr().err


def test_the_commands_write_the_table_and_the_figure(tmp_path, capsys):
    keep(tmp_path, *(outcome(depth, numbers={"error": 1 / depth}) for depth in (2, 4, 8)))
    assert cli.main(["collect", str(tmp_path)]) == 0
    assert f"6 rows: {tmp_path / 'runs.csv'}\n" in capsys.readouterr().out
    assert cli.main(["plot", str(tmp_path), "--x", "depth", "--y", "error"]) == 0
    assert capsys.readouterr().out == f"figure: {tmp_path / 'error_by_depth.png'}\n"
    assert (tmp_path / "error_by_depth.png").read_bytes().startswith(b"\x89PNG")


def test_a_thousand_runs_are_collected_in_fifteen_seconds(tmp_path):
    curve = curve_json("readings", [[0.5] * 6] * 3, {"seed": [0, 1, 2], "layer": range(6)})
    claim = judged("3", "Deep is right", "right", "", [below("error", 0.1, 0.2)], "smaller").to_json()
    keep(
        tmp_path,
        *(outcome(d, numbers={"error": 0.1, "n": 1}, curves={"r": curve}, claims=[claim]) for d in range(1, 1001)),
    )
    began = time.process_time()  # other programs may want the processors, too
    assert len(collect(tmp_path)) == 1000 * (1 + 2 + 18 + 2)
    assert time.process_time() - began <= 15
