"""``layerlib inspect``: a network and samples in, a table and a page out; bad input is one line."""

import numpy as np
import pytest
import torch

import layerlib as ll
from layerlib.__main__ import main

MODULE = """
import torch
def make():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
def broken():
    raise RuntimeError("no such layer\\nand more")
NUMBER = 3
net = make()
class Tokens(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.top = torch.nn.Embedding(9, 6), torch.nn.Linear(6, 3)
    def forward(self, ids):
        return self.top(self.words(ids).mean(1))
def pictures():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(25, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3))
"""
x, y = np.random.default_rng(0).normal(size=(40, 6)), np.arange(40) % 3


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch, request):
    """A folder with a module of a name of its own, whatever was imported before."""
    name = f"mine_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    np.savez(tmp_path / "mine.npz", x=x, y=y)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_the_table_and_the_page_are_those_of_inspect(place, capsys, tmp_path):
    assert main(["inspect", f"{place}:make", "--data", "mine.npz", "--html", "out.html"]) == 0
    out = capsys.readouterr().out
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    expected = ll.inspect(model, (x, y))
    assert out.startswith(repr(expected)) and out.endswith("page: out.html\n")
    assert f"{expected.values['distance'][0]:.3g}" in out
    assert (tmp_path / "out.html").read_text() == expected.to_html()


@pytest.mark.parametrize("file", ["w.pt", "w.safetensors", "nested.pt"])
def test_weights_come_from_a_file(place, capsys, file):
    model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    if file == "w.safetensors":
        from safetensors.torch import save_file

        save_file(model.state_dict(), file)
    else:
        torch.save(model.state_dict() if file == "w.pt" else {"state_dict": model.state_dict(), "epoch": 3}, file)
    assert main(["inspect", f"{place}:make", "--data", "mine.npz", "--weights", file]) == 0
    assert capsys.readouterr().out.startswith(repr(ll.inspect(model, (x, y))))


def test_a_module_may_be_the_network_itself(place, capsys):
    assert main(["inspect", f"{place}:net", "--data", "mine.npz"]) == 0
    assert "Sequential: accuracy" in capsys.readouterr().out


def test_data_may_be_pictures_a_test_part_or_arrays_by_name(place, capsys):
    np.savez("pictures.npz", x=(x[:, :5, None] * np.ones(5) * 40 + 100).astype(np.uint8), y=y)
    np.savez("parts.npz", x_train=x, y_train=y, x_test=x[:20], y_test=y[:20])
    np.savez("tokens.npz", ids=np.arange(200).reshape(40, 5) % 9, labels=np.array(["a", "b", "c"])[y])
    for network, file, judged in (("pictures", "pictures", 20), ("make", "parts", 10), ("Tokens", "tokens", 20)):
        assert main(["inspect", f"{place}:{network}", "--data", f"{file}.npz"]) == 0
        assert f"on {judged} samples of 3 classes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{}:make"], "the following arguments are required: --data"),
        (["{}", "--data", "mine.npz"], "network: expected MODULE:CALLABLE, got"),
        (["nowhere.at_all:make", "--data", "mine.npz"], "nowhere.at_all:make: ModuleNotFoundError: No module named"),
        (["{}:gone", "--data", "mine.npz"], "AttributeError: module"),
        (["{}:broken", "--data", "mine.npz"], "RuntimeError: no such layer"),
        (["{}:NUMBER", "--data", "mine.npz"], "TypeError: 'int' object is not callable"),
        (["{}:dict", "--data", "mine.npz"], "AttributeError: module"),
        (["{}:make", "--data", "gone.npz"], "gone.npz: no such file"),
        (["{}:make", "--data", "text.npz"], "text.npz: expected a .npz of plain arrays"),
        (["{}:make", "--data", "wide.npz"], "data: expected samples that the network runs on"),
        (["{}:make", "--data", "mine.npz", "--weights", "gone.pt"], "gone.pt: no such file"),
        (["{}:make", "--data", "mine.npz", "--weights", "text.npz"], "text.npz: expected a state_dict"),
        (["{}:make", "--data", "mine.npz", "--weights", "other.pt"], "other.pt: Error(s) in loading state_dict"),
        (["{}:make", "--data", "mine.npz", "--html", "mine.npz/page.html"], "mine.npz"),
    ],
)
def test_bad_input_is_one_line(place, capsys, arguments, message):
    np.savez("wide.npz", x=np.ones((40, 7)), y=y)
    with open("text.npz", "w") as file:
        file.write("words")
    torch.save({"other": torch.ones(2)}, "other.pt")
    assert main(["inspect", *(word.format(place) for word in arguments)]) == 2
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1 and told.startswith("layerlib: ") and message in told
    assert len(told) < 500
