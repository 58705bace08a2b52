"""Where trainings came from: kept beside the weights, gathered by the store, told by report and record."""

import json
import re
from datetime import datetime

import nbformat
import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook, new_output

from layerbook import chapters, cli, provenance
from layerbook.provenance import code_state, git_state
from layerbook.record import MIME, read_record, write_record
from layerbook.report import Report, above, recorded_by
from layerbook.training._store import Store
from layerbook.training.fit import fit, fit_ensemble
from layerbook.training.origins import summarised, trained_by
from layerlib.data.splits import Split
from layerlib.models import MLP

NOWHERE = {"commit": None, "dirty": None}
TRAIN = Split(torch.arange(40 * 4, dtype=torch.uint8).reshape(40, 1, 2, 2), torch.arange(40) % 3)


def made(commit="a", device="CPU", seconds=10.0, date="2025-01-02T03:04:05+00:00", torch="2.6", dirty=False):
    return {
        "commit": commit * 40,
        "dirty": dirty,
        "device": device,
        "versions": {"torch": torch},
        "date": date,
        "seconds": seconds,
    }


def trained(store, **options):
    torch.manual_seed(0)
    return fit(MLP((4, 5, 3)), TRAIN, store=store, device="cpu", **{"epochs": 2} | options)


def test_a_training_tells_where_it_came_from_fresh_and_read_back(tmp_path):
    fresh, later = Store(tmp_path), Store(tmp_path)
    seconds = trained(fresh).seconds
    [origin] = fresh.used.values()
    assert origin | code_state() == origin and set(origin["versions"]) >= {"python", "torch", "numpy"}
    assert origin["device"].startswith("CPU (") and origin["seconds"] == round(seconds, 1)
    assert abs((datetime.fromisoformat(origin["date"]) - datetime.now().astimezone()).total_seconds()) < 60
    for _ in range(2):
        trained(later)
    assert later.used == fresh.used


def test_a_store_gathers_what_was_used_and_not_what_else_lies_there(tmp_path):
    first, second = Store(tmp_path), Store(tmp_path)
    trained(first)
    fit_ensemble(lambda: MLP((4, 5, 3)), [0, 1], TRAIN, epochs=1, store=first, device="cpu")
    trained(second)
    trained(str(tmp_path), epochs=1)
    assert len(first.used) == 2 and len(second.used) == 1 and second.used.items() < first.used.items()
    assert len(list(tmp_path.iterdir())) == 3


def test_the_time_of_an_interrupted_training_is_that_of_all_its_parts(tmp_path, monkeypatch):
    from layerbook.training import _trainer

    monkeypatch.setattr(_trainer, "SAVE_EVERY", 0.0)
    clock = iter(range(10_000))
    monkeypatch.setattr(_trainer.time, "monotonic", lambda: float(next(clock)))
    seen = []

    class Stop:
        def __call__(self, step, model):
            seen.append(step)
            if len(seen) == 4:
                raise KeyboardInterrupt

        def __repr__(self):
            return "Stop()"

        def state_dict(self):
            return {}

        def load_state_dict(self, state):
            pass

    store = Store(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        trained(store, epochs=6, callbacks=[Stop()])
    assert store.used == {}
    history = trained(store, epochs=6, callbacks=[Stop()])
    [origin] = store.used.values()
    assert len(seen) == 8 and origin["seconds"] == round(history.seconds, 1) > 6


def test_outside_git_the_code_has_no_commit_also_where_another_repository_is_around(tmp_path, monkeypatch):
    here = code_state()
    assert here == git_state(provenance.Path(provenance.__file__).parent)
    for folder in (tmp_path, provenance.Path(provenance.__file__).parent):
        monkeypatch.setattr(provenance, "__file__", str(folder / "not_kept_by_git.py"))
        assert code_state() == NOWHERE


def test_trainings_are_told_once_for_each_code_device_and_versions():
    origins = [
        made(date="2025-01-04T00:00:00+00:00"),
        made(seconds=5.5),
        made("b", seconds=1),
        made(device="H100"),
        made(torch="2.7"),
        made(dirty=True),
    ]
    told = summarised(origins)
    assert len(told) == 5 and sum(each["trainings"] for each in told) == 6
    [twice] = [each for each in told if each["trainings"] == 2]
    assert twice["seconds"] == 15.5 and twice["first"] == origins[1]["date"] and twice["last"] == origins[0]["date"]
    assert summarised(reversed(origins))[-1:] and summarised([]) == []
    assert json.loads(json.dumps(told)) == told


@pytest.mark.parametrize(
    ("origins", "words"),
    [
        ([made(seconds=195.4)], "trained at commit aaaaaaa on CPU in 195 s (1 training, 2025-01-02)"),
        (
            [made(seconds=2000), made(seconds=2380)],
            "trained at commit aaaaaaa on CPU in 73 min (2 trainings, 2025-01-02)",
        ),
        (
            [made(seconds=18_000), made("b", "H100", dirty=True, date="2025-01-03T00:00:00+00:00")],
            "trained at commit aaaaaaa on CPU in 5.0 h (1 training, 2025-01-02); at commit bbbbbbb with local "
            "changes on H100 in 10 s (1 training, 2025-01-03)",
        ),
        (
            [made() | NOWHERE, made(date="2025-02-01T00:00:00+00:00") | NOWHERE],
            "trained outside git on CPU in 20 s (2 trainings, 2025-01-02 to 2025-02-01)",
        ),
    ],
)
def test_trainings_in_words(origins, words):
    assert trained_by(summarised(origins)) == words


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """Make a record of a run whose report has this store."""

    def record(store):
        report = Report("toy", "paper", store=store)
        report.claim("1", "s", "p", "h", above("text", 2.0, 1.0))
        output = new_output("display_data", metadata=json.loads(json.dumps({MIME: report.payload()})))
        notebook = new_notebook(cells=[new_code_cell("report", outputs=[output])])
        notebook.metadata["papermill"] = {"duration": 195.2}
        assert chapters.reported(notebook) is not None
        cli._record(tmp_path / "records" / "toy.json", nbformat.from_dict(notebook), {}, NOWHERE)
        return read_record(tmp_path / "records" / "toy.json")

    monkeypatch.chdir(tmp_path)
    return record


def test_a_record_dates_the_trainings_beside_the_run(tmp_path, recorded):
    store = Store(tmp_path / "store")
    trained(store)
    record = recorded(store)
    assert record["provenance"]["trainings"] == summarised(store.used.values())
    [told] = record["provenance"]["trainings"]
    shown = recorded_by(record, tmp_path / "records")
    commit = f"at commit {told['commit'][:7]}( with local changes)?" if told["commit"] else "outside git"
    trained_words = rf"trained {commit} on CPU \(.*\) in \d+ s \(1 training, {told['first'][:10]}\)"
    measured_words = rf"measured outside git on .* in 195 s \({record['provenance']['date'][:10]}\)"
    assert re.fullmatch(f"{trained_words}, {measured_words}, at the paper's size", shown)
    assert shown in repr(Report("toy", "paper"))


def test_records_without_trainings_are_read_and_shown_as_they_were(tmp_path, recorded):
    for store in (None, Store(tmp_path / "empty")):
        record = recorded(store)
        assert "trainings" not in record["provenance"]
        origin = record["provenance"]
        shown = f"{origin['date'][:10]}, {origin['device']}, outside git, at the paper's size"
        assert recorded_by(record, tmp_path / "records") == shown


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trainings": None}, "trainings: expected integer, got null"),
        ({"device": 7}, "device: expected string, got"),
        ({"commit": "7"}, "commit: expected 40 hexadecimal"),
        ({"seconds": True}, "seconds: expected number, got boolean"),
        ({"first": "yesterday"}, "first: expected year-month-day and time, got 'yesterday'"),
    ],
)
def test_a_record_with_damaged_trainings_is_not_written(tmp_path, recorded, change, message):
    record = recorded(None)
    record["provenance"]["trainings"] = [summarised([made()])[0] | change]
    with pytest.raises(ValueError, match=rf"provenance: trainings\[0\]: {message}"):
        write_record(record, tmp_path / "other.json")
