"""A null test for each instrument: of data that has nothing to do with the labels, its number lies within its own null.

The null is made by giving the samples one another's labels. The same instrument leaves it on data that has to do with
the labels, so that a test that never leaves cannot pass.
"""

from statistics import mean, stdev

import pytest
import torch
from torch import nn

import layerlib as ll
from layerlib.backward.guided import alignment
from layerlib.backward.targets import propagate
from layerlib.distributions.early_exit import at_exit, exit_layers
from layerlib.distributions.scores import scores
from layerlib.nodes.classifiers import NodeClassifiers
from layerlib.patterns import activation_share, hamming

CLASSES, SAMPLES, DRAWS = 3, 300, 40
LEARN, ASK = slice(0, SAMPLES // 2), slice(SAMPLES // 2, None)
COST = ll.label_cost(CLASSES)


def hot(labels):
    return nn.functional.one_hot(labels, CLASSES).double()


def network():
    """What answers with the largest of the first features, as is right for the planted classes."""
    model = nn.Sequential(nn.Linear(8, 8, bias=False), nn.ReLU(), nn.Linear(8, CLASSES, bias=False)).double()
    for layer in (model[0], model[2]):
        nn.init.eye_(layer.weight)
    return model


def probed(x, labels):
    """What probes that learned on one half say of the other."""
    probes = ll.LinearProbes(CLASSES)
    probes.fit(x[None, LEARN], labels[LEARN])
    return probes.predict(x[None, ASK])[0]


def probe_trained(x, labels):
    probes = ll.LinearProbes(CLASSES)
    probes.train(x[None, LEARN].float(), hot(labels[LEARN]).float(), epochs=20)
    return (probes.predict(x[None, ASK].float())[0].argmax(1) == labels[ASK]).double().mean().item()


def node_accuracy(system):
    def number(x, labels):
        nodes = NodeClassifiers.fit(x[LEARN], labels[LEARN])
        return (nodes.predict(x[ASK], system) == labels[ASK]).double().mean().item()

    return number


def node_likelihood(x, labels):
    return NodeClassifiers.fit(x[LEARN], labels[LEARN]).log_likelihood(x[ASK], labels[ASK]).mean().item()


def distance(x, labels):
    return ll.wasserstein(x[:, :CLASSES].softmax(1), hot(labels), COST).mean().item()


def entropic(x, labels):
    found = ll.sinkhorn(x[:60, :CLASSES].softmax(1), hot(labels[:60]), COST, epsilon=0.1)
    return found.cost.mean().item()


def aligned(x, labels):
    """How far the targets of a layer point where the layer points already."""
    passed = propagate(network(), x, labels)["0"]
    return alignment(-passed.target, passed.preactivation)[1].nanmean().item()


def moved(x, labels):
    """How far they would change what the layer puts out, along it."""
    return (ll.targets(network(), x, labels)["0"] * network()[0](x)).sum(1).mean().item()


def spread(x, labels):
    return sum(ll.effective_rank(x[labels == i]) for i in range(CLASSES))


def most_shared(x, labels):
    """How far the share of samples that a node is on for differs between classes."""
    shares = activation_share(x > 0, labels)
    return (shares.max(-1).values - shares.min(-1).values).mean().item()


def likeness(x, labels):
    """How much nearer the patterns of a class lie to one another than to those of others."""
    within, between = hamming(x > 0, labels)
    return (between - within).item()


def leaving(x, labels):
    """Accuracy where samples leave at the first of two layers if that is sure enough."""
    both = torch.stack([probed(x[:, :2], labels), probed(x, labels)])
    layers = exit_layers(both, s2=0.6, rho=1.0)
    return at_exit(both.argmax(-1) == labels[ASK], layers).double().mean().item()


def without_a_filter(x, labels):
    """Accuracy that a zeroed filter costs."""
    model = network()
    whole = (model(x).argmax(1) == labels).double().mean()
    with ll.zeroed(model, "0", [0]):
        return (whole - (model(x).argmax(1) == labels).double().mean()).item()


def pictured(make):
    """How far a picture sent back from the output brightens what the sample has."""
    return lambda x, labels: (make(network(), x, labels) * x).sum(1).mean().item()


NUMBERS = {
    "hamming of patterns": likeness,
    "early exit": leaving,
    "zeroed filters": without_a_filter,
    "pictures": pictured(ll.bp_image),
    "pictures, guided": pictured(ll.guided_bp_image),
    "perplexity of patterns": lambda x, labels: ll.layer_perplexity(x > 0, labels).mean().item(),
    "shares of activations": most_shared,
    "nodes, discrete": node_accuracy("discrete"),
    "nodes, continuous": node_accuracy("continuous"),
    "nodes, combined": node_accuracy("combined"),
    "likelihood of nodes": node_likelihood,
    "probes": lambda x, labels: (probed(x, labels).argmax(1) == labels[ASK]).double().mean().item(),
    "probes by descent": probe_trained,
    "scores": lambda x, labels: scores(probed(x, labels), hot(labels[ASK]))["map"],
    "transport": distance,
    "entropic transport": entropic,
    "targets, by their angle": aligned,
    "targets, by their product": moved,
    "separation, neighbours": lambda x, labels: ll.separation(x, labels)[0],
    "separation, silhouette": lambda x, labels: ll.separation(x, labels)[1],
    "cka": lambda x, labels: ll.cka(x, hot(labels)),
    "effective rank": spread,
}


def data(planted, seed=0):
    """Samples and labels; ``planted``: each class in a place of its own, and narrow in directions of its own."""
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(SAMPLES, 8, generator=random, dtype=torch.float64)
    labels = torch.randint(CLASSES, (SAMPLES,), generator=random)
    if planted:
        narrow = torch.ones(CLASSES, 8, dtype=torch.float64)
        narrow[:, 4:] = torch.rand(CLASSES, 4, generator=random, dtype=torch.float64) * 0.3
        x = x * narrow[labels]
        x[:, :CLASSES] += 2 * hot(labels)
    return x, labels


def away(number, x, labels):
    """How many standard deviations of its null the number lies from the mean of that."""
    random = torch.Generator().manual_seed(1)
    null = [number(x, labels[torch.randperm(SAMPLES, generator=random)]) for _ in range(DRAWS)]
    return abs(number(x, labels) - mean(null)) / stdev(null)


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
def test_of_labels_that_mean_nothing_a_number_lies_within_its_null(number):
    assert away(number, *data(planted=False)) <= 4


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
def test_of_labels_that_mean_something_it_does_not(number):
    assert away(number, *data(planted=True)) > 4
