"""A reader's own network and samples, as the template notebook takes them."""

import numpy as np
import pytest
import torch
from torch import nn

from layerbook.analysis.your_network import network, samples
from layerlib import load


def state(model):
    return torch.cat([each.flatten() for each in model.cpu().state_dict().values()])


def test_a_network_of_a_file_has_the_same_first_weights_and_those_of_another(tmp_path):
    (tmp_path / "own_net_3.py").write_text("from torch import nn\n\ndef make(size=4):\n    return nn.Linear(size, 3)\n")
    code = str(tmp_path / "own_net_3.py")
    one, other = network(code, "make", {}), network(code, "make", {})
    assert torch.equal(state(one), state(other)) and one.in_features == 4
    torch.manual_seed(5)
    torch.save(trained := nn.Linear(6, 3).state_dict(), tmp_path / "w.pt")
    assert torch.equal(network(code, "make", {"size": 6}, str(tmp_path / "w.pt")).cpu().weight, trained["weight"])


@pytest.mark.parametrize(
    ("code", "make", "weights", "message"),
    [
        ("gone.py", "make", "", "code: gone.py: no such file"),
        ("torch.nn", "Linea", "", "torch.nn:Linea: .*has no attribute"),
        ("torch.nn", "Identity", "gone.pt", "gone.pt: no such file"),
    ],
)
def test_what_is_not_there_is_named(code, make, weights, message):
    with pytest.raises(ValueError, match=message):
        network(code, make, {}, weights)


def test_samples_of_an_embedded_set_are_those_of_its_two_parts():
    (x, y), (own_x, own_y) = samples("mnist-mini", 50)
    data = load("mnist-mini")
    assert len(x) == len(y) == len(data.train) and torch.equal(own_y, data.test.labels[:50])
    assert torch.equal(own_x, data.test.images[:50] / 255)


def test_samples_of_one_part_are_dealt_out(tmp_path):
    x, y = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32), np.arange(30) % 3
    np.savez(tmp_path / "own.npz", x=x, y=y)
    (some, labels), (others, more) = samples(str(tmp_path / "own.npz"), 12)
    assert (len(some), len(others)) == (18, 12)
    together = torch.cat([some, others]).numpy()
    assert sorted(map(tuple, together)) == sorted(map(tuple, x))
    numbers = [list(map(tuple, x)).index(tuple(row)) for row in together]
    assert torch.cat([labels, more]).tolist() == [y[n] for n in numbers]
    nothing, every = samples(str(tmp_path / "own.npz"), 100)
    assert nothing is None and len(every[1]) == 30


def test_tables_with_a_part_to_learn_from_keep_it(tmp_path):
    arrays = {"x_train": np.zeros((5, 4)), "y_train": np.arange(5), "x_test": np.ones((6, 4)), "y_test": np.arange(6)}
    np.savez(tmp_path / "own.npz", **arrays)
    (x, y), (own_x, own_y) = samples(str(tmp_path / "own.npz"), 4)
    assert x.shape == (5, 4) and y.tolist() == [0, 1, 2, 3, 4]
    assert own_x.eq(1).all() and own_y.tolist() == [0, 1, 2, 3]


def test_samples_by_name_are_inspected_alone(tmp_path):
    ids, labels = np.ones((9, 5), np.int64), np.arange(9) % 2
    np.savez(tmp_path / "own.npz", input_ids=ids, labels=labels)
    nothing, own = samples(str(tmp_path / "own.npz"), 7)
    assert nothing is None and own["input_ids"].shape == (7, 5) and len(own["labels"]) == 7


def test_pictures_of_bytes_are_numbers_from_0_to_1(tmp_path):
    np.savez(tmp_path / "own.npz", x=np.full((8, 1, 3, 3), 255, np.uint8), y=np.arange(8) % 2)
    _, (x, _) = samples(str(tmp_path / "own.npz"), 8)
    assert x.shape == (8, 1, 3, 3) and x.eq(1).all()
