"""Stored trainings on disk: whole or refused, whatever happens to the writer, the folder or the file."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from layerbook.training import _trainer as trainer
from layerbook.training._store import Kept, Store
from layerbook.training.fit import fit
from layerlib._files import replacing
from layerlib.data.splits import Split
from layerlib.models import MLP

pytestmark = pytest.mark.lengthy
TRAIN = Split(torch.arange(60 * 4, dtype=torch.uint8).reshape(60, 1, 2, 2), torch.arange(60) % 3)


def trained(store, **options):
    torch.manual_seed(0)
    model = MLP((4, 5, 3))
    fit(model, TRAIN, **{"epochs": 2, "batch_size": 10, "device": "cpu"} | options, store=store)
    return model.state_dict()


def same(ours, theirs):
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


DAMAGES = {
    "one bit": lambda raw: raw[: len(raw) // 2] + bytes([raw[len(raw) // 2] ^ 1]) + raw[len(raw) // 2 + 1 :],
    "truncated": lambda raw: raw[:-1],
    "longer": lambda raw: raw + b"\0",
    "empty": lambda raw: b"",
    "garbage": lambda raw: b"garbage" * 9,
    "the header alone": lambda raw: raw[:52],
    "another format": lambda raw: raw[52:],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("suffix", [".pt", ".unfinished.pt"])
def test_a_damaged_file_is_named_with_what_to_do_and_deleting_it_helps(tmp_path, monkeypatch, damage, suffix):
    whole = trained(tmp_path)
    [path] = tmp_path.iterdir()
    if suffix != ".pt":
        path = path.rename(path.with_name(path.stem + suffix))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError) as caught:
        trained(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"store: {path} is damaged") and "delete it" in message
    assert "weights_only" not in message and "\n" not in message
    path.unlink()
    assert same(trained(tmp_path), whole)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_no_flipped_bit_is_read_back(tmp_path_factory, data):
    kept = Kept(tmp_path_factory.getbasetemp() / "kept.pt")
    kept.write({"weight": torch.arange(100.0)})
    raw = bytearray(kept.path.read_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    kept.path.write_bytes(raw)
    with pytest.raises(ValueError, match="is damaged"):
        kept.read()


@pytest.mark.parametrize(
    "make",
    [lambda folder: folder.write_text(""), lambda folder: folder.symlink_to(folder.parent / "nowhere" / "at all")],
)
def test_a_store_that_cannot_be_one_is_noticed_before_the_first_epoch(tmp_path, monkeypatch, make):
    folder = tmp_path / "store"
    make(folder)
    monkeypatch.setattr(trainer, "one_epoch", None)
    for store in (folder, str(folder), Store(folder), folder / "below" if folder.is_file() else folder):
        with pytest.raises(ValueError, match="store: expected a folder to write to, got '.*store.*': [A-Z]"):
            trained(store)


def test_a_read_only_store_gives_what_it_has_and_refuses_what_it_has_not(tmp_path, monkeypatch):
    whole = trained(tmp_path)

    def refused(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    # the rights of a folder do not stop an administrator, as whom tests may run
    monkeypatch.setattr("tempfile.TemporaryFile", refused)
    monkeypatch.setattr(Path, "unlink", refused)
    assert same(trained(tmp_path), whole)
    monkeypatch.setattr(trainer, "one_epoch", None)
    with pytest.raises(ValueError, match="store: expected a folder to write to, got .*: Permission denied"):
        trained(tmp_path, epochs=3)


def test_writers_with_equal_process_numbers_share_no_part(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: 7)
    with replacing(tmp_path / "a.pt") as first, replacing(tmp_path / "a.pt") as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.pt", "first")]


def test_parts_that_killed_writers_left_go_after_a_day_and_those_of_others_stay(tmp_path):
    old = time.time() - 25 * 3600
    names = {
        ".a.0.part.pt": old,
        ".a.1.part.pt": time.time(),
        ".b.0.part.pt": old,
        ".a.0.part.json": old,
        "a.0.pt": old,
    }
    for name, age in names.items():
        (tmp_path / name).write_text("left")
        os.utime(tmp_path / name, (age, age))
    with replacing(tmp_path / "a.pt") as beside:
        beside.write_text("whole")
    assert {path.name for path in tmp_path.iterdir()} == names.keys() - {".a.0.part.pt"} | {"a.pt"}


TRAINING = """
import sys; sys.path.insert(0, {tests!r})
import torch, test_store
from layerbook.training import _trainer as trainer
trainer.SAVE_EVERY = 0.0
state = test_store.trained({store!r}, epochs={epochs})
torch.save(state, {out!r})
"""


def process(store, out, epochs=12, before=""):
    script = before + TRAINING.format(tests=str(Path(__file__).parent), store=str(store), out=str(out), epochs=epochs)
    return subprocess.Popen(
        [sys.executable, "-c", script], stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )


def test_two_processes_that_train_the_same_end_well_with_the_same(tmp_path):
    outs = [tmp_path / f"{i}.pt" for i in range(2)]
    running = [process(tmp_path / "store", out) for out in outs]
    assert [(each.communicate()[1], each.returncode) for each in running] == [("", 0)] * 2
    ours, theirs = (torch.load(out, weights_only=True) for out in outs)
    assert same(ours, theirs) and same(ours, trained(None, epochs=12))
    assert [path.name.count(".") for path in (tmp_path / "store").iterdir() if "part" in path.name] == []
    assert same(trained(tmp_path / "store", epochs=12), ours)


DYING = """
import os, signal, torch
real, saved = torch.save, []
def save(kept, file):
    saved.append(kept)
    if len(saved) == {saving}:
        file.write(b"half"); file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    real(kept, file)
torch.save = save
"""


@pytest.mark.parametrize("saving", [1, 4, 12])
def test_a_run_killed_while_it_saves_goes_on_to_the_same_weights(tmp_path, saving):
    store, out = tmp_path / "store", tmp_path / "out.pt"
    killed = process(store, out, before=DYING.format(saving=saving))
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    left = sorted(path.name.split(".", 2)[-1] for path in store.iterdir())
    assert len(left) == (1 if saving == 1 else 2) and any("part" in name for name in left)
    again = process(store, out)
    assert (again.communicate()[1], again.returncode) == ("", 0)
    assert same(torch.load(out, weights_only=True), trained(None, epochs=12))


NUMBERS = st.sampled_from(
    [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool]
)
TENSORS = st.builds(
    lambda dtype, shape, seed: torch.randint(2, shape, generator=torch.Generator().manual_seed(seed)).to(dtype),
    NUMBERS,
    st.lists(st.integers(0, 3), max_size=3).map(tuple),
    st.integers(0, 99),
)
SPECIAL = st.sampled_from([torch.tensor([torch.nan, torch.inf, -torch.inf, -0.0]), torch.empty(0)])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | TENSORS | SPECIAL,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=8,
)


def told(value):
    """A value as text that is equal for equal ones, to the bit, NaN and minus zero among them."""
    if isinstance(value, torch.Tensor):
        return str(value.dtype), tuple(value.shape), value.contiguous().view(-1).view(torch.uint8).tolist()
    if isinstance(value, dict):
        return [(repr(key), told(each)) for key, each in value.items()]
    return [told(each) for each in value] if isinstance(value, list) else repr(value)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_whatever_is_kept_is_read_as_it_was(tmp_path_factory, kept):
    file = Kept(tmp_path_factory.getbasetemp() / "round.pt")
    file.write(kept)
    assert told(file.read()) == told(kept)


def test_a_full_disk_is_noticed_before_the_first_epoch(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=100))
    monkeypatch.setattr(trainer, "one_epoch", None)
    with pytest.raises(ValueError, match=r"store: expected room for .* bytes in '.*', got 1e\+02"):
        trained(tmp_path)
