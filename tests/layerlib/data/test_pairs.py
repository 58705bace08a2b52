"""Probes and outputs take data as people have them."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

import layerlib as ll
from layerlib.data._pairs import pairs
from layerlib.data._source import gather


@pytest.fixture
def given():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3))
    return model, torch.randn(40, 5), torch.arange(40) % 3


def forms(x, y):
    data = TensorDataset(x, y)
    return {
        "pair": (x, y),
        "arrays": (x.numpy().astype(np.float64), y.numpy()),
        "lists": (x.tolist(), y.tolist()),
        "dataset": data,
        "loader": DataLoader(data, batch_size=16),
        "batches": [(x[:30], y[:30]), (x[30:], y[30:])],
    }


def test_outputs_are_those_of_the_samples(given):
    model, x, y = given
    expected = ll.outputs(model, "0", x)["0"]
    for form, data in forms(x, y).items():
        assert torch.equal(ll.outputs(model, "0", data)["0"], expected), form


def test_probes_are_those_of_the_samples(given):
    model, x, y = given
    probes = ll.LayerProbes(model, ["0", "2"], 3)
    losses = {form: probes.fit(data) for form, data in forms(x, y).items()}
    assert all(torch.equal(loss, losses["pair"]) for loss in losses.values())
    z = model[0](x).detach()
    alone = ll.LinearProbes(3)
    assert losses["pair"][0] == pytest.approx(alone.fit(z, y).item(), rel=1e-6)
    assert torch.allclose(probes.predict(x)[0], alone.predict(z), atol=1e-5)
    assert torch.equal(probes.predict(x.numpy()), probes.predict(x))


class Pictures(Dataset):
    """Its samples are not the images that it holds."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.images[i] / 255, self.labels[i]


class Scaled(TensorDataset):
    def __getitem__(self, i):
        return self.tensors[0][i] / 255, self.tensors[1][i]


@pytest.mark.parametrize("kind", [Pictures, Scaled])
def test_samples_of_a_data_set_are_its_items_whatever_it_holds(given, kind):
    model, x, y = given
    data = kind(255 * x, y)
    probes = ll.LayerProbes(model, ["0"], 3)
    assert torch.allclose(ll.outputs(model, "0", data)["0"], model[0](x), atol=1e-6)
    assert torch.allclose(probes.features(data).pooled[0], model[0](x), atol=1e-6)
    assert torch.equal(gather(data, model).blocks[0].given[0], 255 * x / 255)


def test_images_with_labels_and_no_items_are_taken_as_they_are(given):
    model, x, y = given
    data = SimpleNamespace(images=x, labels=y)
    assert pairs("split", data, model) is data


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(5, 3)

    def forward(self, x, y):
        return self.layer(x + y)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (7, "split: expected a Split, .x, y., a Dataset, a DataLoader or batches"),
        (
            [(torch.zeros(4, 5), torch.zeros(4, 5), torch.arange(4))],
            "split: expected one tensor of samples of one shape",
        ),
        ([(torch.zeros(4, 5), torch.zeros(3, dtype=torch.int64))], "split: expected as many labels as samples"),
        (([[1.0, 2.0], [3.0]], [0, 1]), "split: expected numbers, got lists of different lengths"),
    ],
)
def test_what_a_network_of_one_tensor_cannot_take_is_named(data, message):
    with pytest.raises(ValueError, match=message):
        pairs("split", data, Two())
