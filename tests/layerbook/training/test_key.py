"""The names of stored trainings: two different things never share one, and the same thing always has one."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from layerbook.training._key import CODE, fingerprint
from layerbook.training.fit import fit, fit_ensemble
from layerbook.training.settings import OneCycle, Settings, cross_entropy
from layerlib.data.splits import Split
from layerlib.models import MLP

pytestmark = pytest.mark.lengthy
TOP = Path(__file__).parents[3]
TRAIN = Split(torch.arange(40 * 4, dtype=torch.uint8).reshape(40, 1, 2, 2), torch.arange(40) % 3)
BASE = Settings(epochs=1)


def key(model, train=TRAIN, validation=None, seeds=(0,), **changes):
    return fingerprint([model], list(seeds), train, validation, replace(BASE, **changes))


def network(**options):
    torch.manual_seed(0)
    return MLP((4, 5, 3), **options)


class Scaled(nn.Module):
    """A network whose outputs depend on a number, and on a tensor that its state dict leaves out."""

    def __init__(self, scale=2.0, shift=0.0, act=F.relu, sizes=(1, 2)):
        super().__init__()
        torch.manual_seed(0)
        self.scale, self.act, self.sizes = scale, act, sizes
        self.linear = nn.Linear(4, 3)
        self.register_buffer("shift", torch.tensor(shift), persistent=False)

    def forward(self, x):
        return self.act(self.linear(x.flatten(1)) * self.scale + self.shift)


class Doubled(Scaled):
    def forward(self, x):
        return 2 * super().forward(x)


def frozen(model):
    model.linear1.requires_grad_(False)
    return model


def tied():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.Linear(4, 4))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(0.1)
    return model


def hooked(model):
    model.linear1.register_forward_hook(double)
    return model


def double(module, inputs, output):
    return 2 * output


def shared():
    model = tied()
    model[2].weight = model[1].weight
    return model


def swapped():
    model = network()
    relu, linear = model._modules.pop("relu1"), model._modules.pop("linear2")
    model.add_module("linear2", linear)
    model.add_module("relu1", relu)
    return model


DIFFERENT = {
    "itself": network,
    "another activation": lambda: network(activation="tanh"),
    "frozen": lambda: frozen(network()),
    "double": lambda: network().double(),
    "hooked": lambda: hooked(network()),
    "another order": swapped,
    "tied by value": tied,
    "tied": shared,
    "a number": Scaled,
    "another number": lambda: Scaled(3.0),
    "text for a number": lambda: Scaled("2.0"),
    "a function": lambda: Scaled(act=torch.tanh),
    "a tuple": lambda: Scaled(sizes=(2, 1)),
    "a buffer that is not saved": lambda: Scaled(shift=1.0),
    "other code": Doubled,
}


def test_different_networks_have_different_keys_and_each_always_the_same():
    keys = {name: key(make()) for name, make in DIFFERENT.items()}
    assert len(set(keys.values())) == len(DIFFERENT)
    assert keys == {name: key(make()) for name, make in DIFFERENT.items()}


def test_equal_values_in_another_layout_or_mode_are_the_same_network():
    plain = nn.Sequential(nn.Conv2d(1, 3, 2), nn.Flatten())
    other = nn.Sequential(nn.Conv2d(1, 3, 2), nn.Flatten()).to(memory_format=torch.channels_last).eval()
    other.load_state_dict(plain.state_dict())
    assert key(plain) == key(other)


SETTINGS = [
    {},
    {"epochs": 2},
    {"epochs": None, "steps": 1},
    {"batch_size": 7},
    {"noise": 0.1},
    {"snapshots": (0,)},
    {"loss": cross_entropy},
    {"schedule": OneCycle(5)},
    {"schedule": OneCycle(6)},
    {"optimizer": partial(torch.optim.SGD, lr=0.1)},
    {"optimizer": partial(torch.optim.SGD, lr=0.2)},
    {"optimizer": partial(torch.optim.Adam, lr=0.1)},
    {"seeds": [1]},
    {"validation": TRAIN},
    {"train": TRAIN[:-1]},
    {"train": Split(TRAIN.images, TRAIN.labels.flip(0))},
]


def test_different_settings_have_different_keys_and_each_always_the_same():
    keys = [key(network(), **change) for change in SETTINGS]
    assert len(set(keys)) == len(SETTINGS)
    assert keys == [key(network(), **change) for change in SETTINGS]
    assert key(network()) == key(network(), progress="shown", snapshots=iter(()), callbacks=[])


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text("ab", max_size=2), inner, max_size=2)
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(plain, plain)
def test_networks_share_a_key_exactly_where_their_plain_attributes_are_the_same(one, other):
    assert (key(Scaled(scale=one)) == key(Scaled(scale=other))) == (repr(one) == repr(other))


def test_a_network_frozen_after_its_training_is_trained_again_and_not_read_back(tmp_path):
    setting = {"epochs": 2, "store": tmp_path, "device": "cpu"}
    fit(network(), TRAIN, **setting)
    model = frozen(network())
    before = model.linear1.weight.clone()
    fit(model, TRAIN, **setting)
    assert torch.equal(model.linear1.weight, before) and len(list(tmp_path.iterdir())) == 2


def test_a_buffer_that_a_state_dict_leaves_out_is_read_back_too(tmp_path):
    class Counting(Scaled):
        def forward(self, x):
            if self.training:
                self.shift += 1
            return super().forward(x)

    fresh, read = Counting(), Counting()
    for model in (fresh, read):
        history = fit(model, TRAIN, epochs=2, snapshots=[1], store=tmp_path, device="cpu")
        model.load_state_dict(history.snapshots[1])
    assert fresh.shift == read.shift == 2 and len(list(tmp_path.iterdir())) == 1


def test_an_ensemble_keeps_buffers_that_a_state_dict_leaves_out(tmp_path):
    for _ in range(2):
        trained = fit_ensemble(partial(Scaled, shift=0.5), [0, 1], TRAIN, epochs=1, store=tmp_path, device="cpu")
        assert [model.shift.item() for model in trained.models] == [0.5, 0.5]
    assert len(list(tmp_path.iterdir())) == 1


MODULE = """
from layerbook.training.fit import mse
{constant}


def loss(logits, labels):
    {text}
    return helped(mse(logits, labels))


def helped(values):
    return {helped}
"""
SAME = [{}, {"text": '"""Explained."""'}, {"text": "# explained"}, {"constant": "FACTOR = 2.0\nother = 5"}]
OTHER = [{"helped": "FACTOR * values + 1"}, {"constant": "FACTOR = 3.0"}, {"text": "logits = logits + 1"}]


def loss_of(folder, **parts):
    """The function ``loss`` of a module written for it."""
    text = MODULE.format(**{"constant": "FACTOR = 2.0", "text": "", "helped": "FACTOR * values"} | parts)
    folder.mkdir()
    (folder / "written.py").write_text(text)
    spec = __import__("importlib.util").util.spec_from_file_location("written", folder / "written.py")
    module = __import__("importlib.util").util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.loss


def test_a_function_counts_by_its_code_and_by_what_it_reads_not_by_its_file_or_comments(tmp_path):
    keys = [key(network(), loss=loss_of(tmp_path / str(i), **parts)) for i, parts in enumerate(SAME + OTHER)]
    assert len(set(keys[: len(SAME)])) == 1 and len(set(keys)) == 1 + len(OTHER)


def test_code_that_was_changed_after_its_import_names_no_training(tmp_path):
    loss = loss_of(tmp_path / "a")
    before = key(network(), loss=loss)
    path = tmp_path / "a" / "written.py"
    path.write_text(path.read_text().replace("FACTOR * values", "FACTOR - values"))
    later = path.stat().st_mtime + 10
    os.utime(path, (later, later))
    with pytest.raises(ValueError, match=f"store: {path} was changed after it had been imported: begin anew"):
        key(network(), loss=loss)
    path.write_text(path.read_text().replace("FACTOR - values", "FACTOR * values"))
    assert key(network(), loss=loss) == before


FACTOR, SEEN = 1.0, []


def threshold(step):
    return FACTOR * step


def half(step):
    return 0.5 * step


class Watch:
    """A callback whose answers lie outside of it."""

    def __init__(self, *thresholds):
        self.thresholds = dict(enumerate(thresholds))

    def __call__(self, step, model):
        SEEN.append(step)

    def __repr__(self):
        return "Watch()"

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


class OtherWatch(Watch):
    def __call__(self, step, model):
        SEEN.append(2 * step)


def test_a_callback_counts_by_its_code_and_its_functions_and_not_by_what_it_has_seen(monkeypatch):
    def keys():
        return [
            key(network(), callbacks=[watch])
            for watch in (Watch(), OtherWatch(), Watch(threshold), Watch(half), Watch(threshold, half))
        ]

    before = keys()
    SEEN.append("something")
    assert keys() == before and len(set(before)) == 5
    monkeypatch.setattr(sys.modules[__name__], "FACTOR", 2.0)
    assert [ours == theirs for ours, theirs in zip(keys(), before, strict=True)] == [True, True, False, True, False]


def scenes(count):
    return lambda epoch: TRAIN[: 10 + count * (epoch - 1)]


class Scenes:
    def __init__(self, count):
        self.count = count

    def __call__(self, epoch):
        return scenes(self.count)(epoch)


@pytest.mark.parametrize(
    "make",
    [
        scenes,
        Scenes,
        lambda count: partial(Scenes.__call__, Scenes(count)),
        lambda count: Scenes(count).__call__,
        lambda count: [lambda epoch: TRAIN[: 9 + epoch], lambda epoch: TRAIN[: 8 + 2 * epoch]][count - 1],
    ],
)
def test_a_function_of_the_epoch_counts_by_what_it_gives_later_too(make):
    assert key(network(), make(1)) == key(network(), make(1)) != key(network(), make(2))


def test_the_precision_around_a_training_counts():
    alone = key(network())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert key(network()) != alone
    with torch.autocast("cpu", enabled=False):
        assert key(network()) == alone


def test_names_of_trainings_on_the_cpu_are_those_under_which_trainings_are_kept():
    model = tied()
    assert key(model, seeds=(0, 1)) == "c1e046c58bc56daeeb71ae5a"
    changes = {"noise": 0.1, "schedule": OneCycle(4), "snapshots": (0,), "loss": cross_entropy}
    assert key(model, validation=TRAIN, **changes) == "0af1878f174d169331baf9d3"


SCRIPT = """
import sys; sys.path[:0] = [{tree!r}, {tests!r}]
import test_key as t
print([t.key(make()) for make in t.DIFFERENT.values()] + [t.key(t.network(), **change) for change in t.SETTINGS])
"""


def printed(tree, seed):
    """The keys that another process finds with the packages in ``tree``."""
    command = [sys.executable, "-c", SCRIPT.format(tree=str(tree), tests=str(Path(__file__).parent))]
    env = os.environ | {"PYTHONPATH": str(tree), "PYTHONHASHSEED": seed}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=env, cwd=tree).stdout


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A copy of the packages, and the keys that it prints."""
    tree = tmp_path_factory.mktemp("tree")
    for package in ("layerlib", "layerbook"):
        shutil.copytree(TOP / package, tree / package, ignore=shutil.ignore_patterns("__pycache__", "*.npz"))
    return tree, printed(tree, "0")


@pytest.fixture
def copied(kept, tmp_path):
    """The copy once more, to be changed, and the keys before that."""
    shutil.copytree(kept[0], tmp_path, dirs_exist_ok=True)
    return tmp_path, kept[1]


def test_keys_are_the_same_in_another_process_and_after_modules_have_moved(copied):
    tree, before = copied
    assert before.count("'") == 2 * (len(DIFFERENT) + len(SETTINGS))
    moved = {each.__module__ for each in (*CODE, MLP, OneCycle)}
    for path in tree.rglob("*.py"):
        text = path.read_text()
        for module in moved:
            text = text.replace(f"from {module} import", f"from {module}_moved import")
        path.write_text(f'"""Another text."""\n\n{text}')
    for module in moved:
        path = tree.joinpath(*module.split(".")).with_suffix(".py")
        path.rename(path.with_stem(f"{path.stem}_moved"))
        path.write_text(f"from {module}_moved import *\n")  # for the tests' own imports
    assert printed(tree, "2") == before


@pytest.mark.parametrize(
    "old, new",
    [
        ("each.mean(1).sum()", "each.mean(1).mean()"),
        ("div_(255)", "div_(256)"),
        ("manual_seed(seeds[0])", "manual_seed(seeds[-1])"),
    ],
)
def test_other_code_that_trains_has_another_key(copied, old, new):
    tree, before = copied
    changed = [path for path in tree.rglob("*.py") if old in path.read_text()]
    for path in changed:
        path.write_text(path.read_text().replace(old, new))
    assert changed and not set(eval(printed(tree, "0"))) & set(eval(before))
