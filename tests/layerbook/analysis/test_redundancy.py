import copy

import numpy as np
import pytest
import torch
from torch import nn

from layerbook.analysis.redundancy import features_kept, rank_shares, shares_gained
from layerlib.models import build


@pytest.fixture(scope="module")
def images():
    return torch.randint(256, (23, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_a_share_is_the_rank_of_the_channels_over_all_places(images):
    torch.manual_seed(0)
    model = build("vgg16_bn", 5, width=0.1).eval()
    names = ["features.0", "features.3"]
    found = rank_shares(model, names, images, batch_size=7)
    with torch.no_grad():
        x = images / 255
        for name, share in zip(names, found, strict=True):
            z = model.features[: int(name.split(".")[1]) + 1](x)
            rows = z.permute(0, 2, 3, 1).flatten(0, 2).double().numpy()
            values = np.linalg.eigvalsh(np.cov(rows.T)).clip(0)
            p = values / values.sum()
            expected = np.exp(-(p * np.log(np.where(p > 0, p, 1))).sum()) / rows.shape[1]
            np.testing.assert_allclose(share, expected, rtol=1e-5)


def test_channels_that_repeat_one_have_one_by_their_number(images):
    layer = nn.Conv2d(3, 4, 3)
    with torch.no_grad():
        layer.weight[:] = layer.weight[:1] * torch.tensor([1.0, 2.0, -1.0, 0.5])[:, None, None, None]
    torch.testing.assert_close(rank_shares(nn.Sequential(layer), ["0"], images), torch.tensor([0.25]).double())


def test_shares_before_and_after_are_those_of_the_3_x_3_convolutions(images):
    before, after = (build("preresnet50", 5, width=0.1, stem=3).eval() for _ in range(2))
    names = ["conv1", *(f"layer{i}.{k}.conv2" for i, count in enumerate((3, 4, 6, 3), start=1) for k in range(count))]
    found = shares_gained(before, after, images)
    for model, shares in zip((before, after), found, strict=True):
        torch.testing.assert_close(shares, rank_shares(model, names, images))


def test_what_is_kept_is_the_cosine_after_norm_and_relu(images):
    torch.manual_seed(0)
    before, after = (build("vgg16_bn", 5, width=0.1).eval() for _ in range(2))
    nn.init.uniform_(after.features[1].bias)
    found = features_kept(before, after, "features.0", "features.1", images)
    with torch.no_grad():
        maps = []
        for model in (before, after):
            z = model.features[0](images / 255)
            z = (z - z.mean((0, 2, 3), keepdim=True)) / (z.var((0, 2, 3), keepdim=True, unbiased=False) + 1e-5).sqrt()
            weight, bias = (each[:, None, None] for each in (model.features[1].weight, model.features[1].bias))
            maps.append((weight * z + bias).clamp(min=0).flatten(1).double())
    expected = (maps[0] * maps[1]).sum(1) / maps[0].norm(dim=1) / maps[1].norm(dim=1)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_longer_filters_before_a_norm_keep_all(images):
    torch.manual_seed(0)
    before = build("vgg16_bn", 5, width=0.1).eval()
    after = copy.deepcopy(before)
    with torch.no_grad():
        after.features[0].weight *= 100
        after.features[0].bias += 3
    assert features_kept(before, after, "features.0", "features.1", images).min() > 0.999
