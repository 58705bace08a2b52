"""How many samples at a time, and how their pictures lie in memory."""

import pytest
import torch
from networks import picture_split
from torch import nn

from layerlib.data._source import gather
from layerlib.inspection import _sizes as sizes
from layerlib.inspection._passes import Reader
from layerlib.inspection._reading import read
from layerlib.layers._survey import survey


class Viewed(nn.Module):
    """Wants its input in the usual order."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4 * 32 * 32, 10)

    def forward(self, x):
        return self.head(self.conv(x).view(len(x), -1))


class Strided(Viewed):
    """Reads its input as it lies, whatever that is: another order is another picture."""

    def forward(self, x):
        x = x.as_strided(x.shape, (3 * 32 * 32, 32 * 32, 32, 1))
        return self.head(self.conv(x).flatten(1))


def plain():
    convolutions = nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 8, 3)
    return nn.Sequential(*convolutions, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128, 10))


def reader_of(model, split, size):
    samples, like = gather(split, model), next(model.parameters())
    few = samples.blocks[0][:2].ready(like)
    places = survey(model, few, None)[0]
    return sizes.batched(Reader(model, places, like), few, size), samples


@pytest.mark.parametrize(
    ("make", "size", "laid"),
    [
        (plain, 8, True),
        (plain, sizes.MOST, False),
        (Viewed, 8, False),
        (Strided, 8, False),
        (lambda: nn.Sequential(nn.Conv2d(3, 6, 3, groups=3), nn.Flatten(), nn.LazyLinear(10)), 8, False),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)), 8, False),
    ],
)
def test_only_large_networks_that_do_not_mind_are_given_pictures_with_channels_last(make, size, laid):
    torch.manual_seed(0)
    model, split = make(), picture_split(20)
    model(torch.zeros(2, 3, 32, 32))
    reader, samples = reader_of(model, split, size)
    assert (reader.channels_last, reader.batch_size, reader.ahead) == (laid, size, 2 * size if laid else size)
    everything = torch.ones(len(samples), dtype=torch.bool)
    found = read(reader, samples, everything, samples.labels)
    expected = read(Reader(model, reader.places, reader.like), samples, everything, samples.labels)
    for name in reader.places:
        torch.testing.assert_close(found.outputs[name], expected.outputs[name])
        torch.testing.assert_close(found.targets[name], expected.targets[name])
