from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from layerbook.analysis.filter_pair import QUESTIONS, answers
from layerbook.analysis.filter_runs import FilterRun
from layerlib import FilterTracker
from layerlib.data.splits import Split

STEPS, EVERY = 12, 3


def network():
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 1), nn.Flatten(), nn.Linear(80, 3)
    )


def trained(seed, known):
    """A network whose weights are pushed about, and every copy of them."""
    torch.manual_seed(seed)
    start, model = network(), network()
    model.load_state_dict(start.state_dict())
    names = ["0", "2", "4"]
    tracker = FilterTracker(model, names, EVERY, {"fixed": 0.02, "falling": 0.01})
    copies = [[model.get_submodule(name).weight.detach().clone() for name in names]]
    for step in range(1, STEPS + 1):
        with torch.no_grad():
            for p in model.parameters():
                p += 0.01 * torch.randn_like(p)
        tracker.step()
        if step % EVERY == 0:
            copies.append([model.get_submodule(name).weight.detach().clone() for name in names])
    kept = {"step": known, "weights": model.state_dict(), "tracker": tracker.state_dict()} if known else None
    return FilterRun(start, model, tracker, SimpleNamespace(snapshots={}), kept), copies


@pytest.fixture(scope="module")
def pair():
    return trained(1, 6), trained(2, None)


@pytest.fixture(scope="module")
def test():
    generator = torch.Generator().manual_seed(0)
    return Split(torch.randint(256, (40, 1, 8, 8), dtype=torch.uint8, generator=generator), torch.arange(40) % 3)


LOST = np.array([[1.0, 9, 9, 2, 3, 4], [5.0, 9, 9, 2, 3, 4], [0.0, 9, 9, 1, 1, 1]])  # three picks, then three draws


@pytest.fixture(scope="module")
def found(pair, test):
    (vgg, _), (resnet, _) = pair
    return answers(vgg, resnet, LOST, 3, test, 30)


def moved(copies):
    """D as printed and per weight, and S and Z, from the copies: (snapshots, layers) each."""
    pairs = [list(zip(*two, strict=True)) for two in pairwise(copies)]
    d = [[(b - a).double().square().sum((1, 2, 3)).mean().item() for a, b in layers] for layers in pairs]
    per = [[(b - a).double().square().mean().item() for a, b in layers] for layers in pairs]
    s = [[((b - a).abs() > 0.02).double().mean().item() for a, b in layers] for layers in pairs]
    z = [[((b - a).abs() <= 0.02).flatten(2).all(-1).double().mean().item() for a, b in layers] for layers in pairs]
    return np.array(d), np.array(per), np.array(s), np.array(z)


def test_each_question_but_the_size_is_answered(found):
    assert [*found] == [*QUESTIONS][2:]


def test_orders_and_variances_are_those_of_the_copies(pair, found):
    (_, vgg), (_, resnet) = pair
    d, per, s, z = moved(vgg)
    for name, change in (("printed", d), ("weight", per)):
        by_hand = np.mean([spearmanr(range(3), each).statistic for each in change])
        assert found[f"order_{name}"] == pytest.approx(by_hand)
    ratio = [
        np.log(ours).var(1).mean() / np.log(theirs).var(1).mean()
        for ours, theirs in zip(moved(resnet), (d, per), strict=False)
    ]
    assert [found["variance_printed"], found["variance_weight"]] == pytest.approx(ratio, rel=1e-4)
    assert found["mirrored_vgg"] == pytest.approx(spearmanr(s.ravel(), z.ravel()).statistic)
    assert found["still_top"] == pytest.approx(z[:, -1].min())


def test_wrong_names_first_features_and_what_is_known(pair, test, found):
    (vgg, _), (resnet, _) = pair
    with torch.no_grad():
        wrong = [(run.model(test.images / 255).argmax(1) != test.labels).double().mean() for run in (vgg, resnet)]
        first = [
            [net[:2](test.images[:30] / 255).flatten(1) for net in (run.start, run.model)] for run in (vgg, resnet)
        ]
    assert [found["wrong_vgg"], found["wrong_resnet"]] == pytest.approx([float(each) for each in wrong])
    alike = [torch.cosine_similarity(*each).double().mean().item() for each in first]
    assert found["kept_more"] == pytest.approx(alike[1] - alike[0], abs=1e-6)
    assert found["known_vgg"] == 6 / STEPS and np.isnan(found["known_resnet"])


def test_layers_where_the_first_pick_is_cheaper_than_the_draws(found):
    assert found["cheap"] == 2


def test_idle_filters_move_less_than_a_hundredth_of_the_median():
    run, _ = trained(1, None)
    run.filter_changes = lambda: np.array([[1.0, 1.0, 0.009, np.nan], [1.0, 1.0, 1.0, 0.02]])
    assert run.idle().tolist() == [1 / 3, 0]
