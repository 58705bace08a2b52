"""Readings of networks small enough to redo by hand, sample by sample and node by node."""

from types import SimpleNamespace

import pytest
import torch

from layerbook.analysis import node_readings as readings
from layerlib.data.splits import Split
from layerlib.models import MLP
from layerlib.nodes.classifiers import NodeClassifiers
from layerlib.patterns import layer_perplexity

SHAPE = (6, 5, 5, 3)  # two hidden layers


@pytest.fixture(scope="module")
def models():
    made = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        made.append(MLP(SHAPE))
    return made


def images(samples, seed):
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(samples) % 3
    noise = torch.randint(0, 180, (samples, 1, 2, 3), generator=random)
    return Split((noise + 35 * labels[:, None, None, None]).to(torch.uint8), labels)


def by_hand(model, split):
    """Pre-activations of every layer, by matrices alone."""
    z, a = [], split.images.flatten(1) / 255
    for i in (1, 2, 3):
        layer = getattr(model, f"linear{i}")
        z.append(a @ layer.weight.T + (layer.bias if layer.bias is not None else 0))
        a = z[-1].relu()
    return [each.detach() for each in z]


def test_shares_of_each_class_stand_layer_by_layer_with_the_output_last(models):
    split = images(90, 0)
    found = readings.active_shares(models, split)
    assert found.shape == (2, 3, 13)
    on = torch.cat([z > 0 for z in by_hand(models[1], split)], 1).double()
    expected = torch.stack([on[split.labels == c].mean(0) for c in range(3)])
    torch.testing.assert_close(found[1].double(), expected, check_dtype=False)


def test_patterns_and_their_perplexity_are_of_hidden_layers(models):
    split = images(90, 0)
    on = torch.stack([z > 0 for z in by_hand(models[0], split)[:2]])
    assert torch.equal(readings.patterns(models[0], split.images), on)
    found = readings.perplexities(models, split)
    assert found.shape == (2, 2, 3)
    torch.testing.assert_close(found[0], layer_perplexity(on, split.labels))


def test_draws_lie_around_the_perplexity(models):
    split = images(120, 0)
    drawn = readings.drawn_perplexities(models, split).log().mean(0)
    torch.testing.assert_close(drawn, readings.perplexities(models, split).log(), rtol=1e-12, atol=1e-12)


def test_samples_that_light_the_first_layer_are_counted(models):
    split = images(90, 0)
    assert readings.lit(models, split)[1].tolist() == (by_hand(models[1], split)[0] > 0).sum(0).tolist()


def test_answers_and_errors_are_of_the_last_layer(models):
    split = images(90, 0)
    expected = torch.stack([by_hand(model, split)[2].argmax(1) == split.labels for model in models])
    assert torch.equal(readings.answered(models, split), expected)
    torch.testing.assert_close(readings.errors(models, split), 1 - expected.float().mean(1))
    assert readings.own_accuracy(models, split) == pytest.approx(expected.double().mean().item())


def test_as_printed_each_node_brings_the_prior_once_more():
    random = torch.Generator().manual_seed(0)
    labels = torch.tensor([0] * 30 + [1] * 10)
    z = torch.randn(40, 4, generator=random) + labels[:, None]
    nodes = NodeClassifiers.fit(z, labels)
    once, printed = readings.votes(nodes, z)
    assert torch.equal(once[2], nodes.predict(z, "combined"))
    single = sum(NodeClassifiers.fit(z[:, [i]], labels).log_posterior(z[:, [i]], "discrete") for i in range(4))
    assert torch.equal(printed[0], single.argmax(1))  # the product of the nodes' posteriors
    assert not torch.equal(once, printed)


def test_systems_are_estimated_on_one_split_and_judged_on_others(models):
    learned, test = images(240, 0), images(60, 1)
    on_learned, on_test = readings.right(models, learned, learned, test)
    assert on_learned.shape == (2, 3, 2, 2, 240) and on_test.shape == (2, 3, 2, 2, 60)
    fitted, asked = by_hand(models[1], learned)[1], by_hand(models[1], test)[1]
    voted = NodeClassifiers.fit(fitted, learned.labels).predict(asked, "continuous")
    assert torch.equal(on_test[0, 1, 1, 1], voted == test.labels)
    [last] = readings.right(models, learned, test, layers=slice(-1, None))
    assert torch.equal(last, on_test[..., -1:, :])
    [wide] = readings.right(models, learned, test, bandwidth=1.0)
    assert torch.equal(wide[:, 0], on_test[:, 0]) and not torch.equal(wide[:, 1], on_test[:, 1])
    expected = torch.stack([each.double().mean(-1) for each in (on_learned, on_test)])
    assert torch.equal(readings.accuracy(models, learned, learned, test), expected)


def test_networks_that_do_not_know_their_images_say_so():
    def trained(reached, *courses):
        history = SimpleNamespace(reached=torch.tensor(reached), measured=torch.tensor(courses, dtype=torch.float64))
        return SimpleNamespace(history=history)

    known = trained([True, True], [0.5, 0.99], [0.9, 1.0])
    assert readings.unknown(known) == ""
    assert readings.unknown(known, trained([True, False], [0.4, 0.99], [0.5, 0.875])).startswith("some know only 87.5%")
