"""Within ``torch.autocast`` instruments say what they say without, of networks that run in the precision asked for."""

import pytest
import torch
from torch import nn

import layerlib as ll
from layerlib._checks import checked
from layerlib._precision import as_asked, own_precision
from layerlib.backward.separation import separation
from layerlib.distributions.bootstrap import difference_draws
from layerlib.distributions.ridge import flat_blocks, grams
from layerlib.filters.gradients import gradient_sizes
from layerlib.nodes.classifiers import NodeClassifiers
from layerlib.patterns import activation_share, hamming

SAMPLES = 700
random = torch.Generator().manual_seed(0)
Z, LABELS = torch.randn(SAMPLES, 6, generator=random), torch.arange(SAMPLES) % 2
ON, TWO = Z > -2, nn.functional.pad(nn.functional.one_hot(LABELS, 2).float(), (0, 4))
MASSES = torch.rand(2, SAMPLES, 6, generator=random).softmax(-1)
IMAGES = torch.rand(SAMPLES, 1, 6, 6, generator=random)
INSTRUMENTS = {
    "shares": lambda: activation_share(ON, LABELS),
    "hamming": lambda: hamming(ON, LABELS),
    "perplexity": lambda: ll.layer_perplexity(ON, LABELS),
    "nodes": lambda: NodeClassifiers.fit(Z, LABELS).log_posteriors(Z),
    "separation": lambda: torch.tensor(separation(Z, LABELS)),
    "rank": lambda: torch.tensor(ll.effective_rank(Z)),
    "cka": lambda: torch.tensor(ll.cka(Z, Z[:, :3].relu())),
    "wasserstein": lambda: ll.wasserstein(*MASSES, ll.label_cost(Z[:6])),
    "wasserstein from few labels": lambda: ll.wasserstein(MASSES[0], TWO, ll.label_cost(Z[:6])),
    "sinkhorn": lambda: ll.sinkhorn(*MASSES[:, :20], ll.label_cost(Z[:6]))[0],
    "draws": lambda: difference_draws(MASSES[0], MASSES[1], torch.ones(SAMPLES, 6), 20),
    "grams": lambda: grams(flat_blocks(Z, Z))[0],
    "probes": lambda: fitted().logits(Z),
    "trained probes": lambda: ll.LinearProbes(2).train(Z, LABELS, epochs=1),
}


def fitted():
    probes = ll.LinearProbes(2)
    probes.fit(Z, LABELS)
    return probes


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2))


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_an_instrument_says_the_same_within_an_autocast(name):
    plain = INSTRUMENTS[name]()
    with torch.autocast("cpu", torch.bfloat16):
        within = INSTRUMENTS[name]()
    assert within.dtype == plain.dtype and torch.equal(within, plain)


def test_a_network_runs_in_the_precision_asked_for_and_its_readings_are_judged_in_full():
    model, data = network(), (IMAGES, LABELS)
    with torch.autocast("cpu", torch.bfloat16):
        seen, found = ll.outputs(model, "3", IMAGES)["3"], ll.inspect(model, data, "3", instruments="rank")
        plain = model.eval()(IMAGES).detach()
        gradients = gradient_sizes(model, "3", ll.Split((255 * IMAGES).byte(), LABELS))
        own = ll.LayerProbes(model, ["0"], 2).features(data).pooled
    assert seen.dtype == torch.bfloat16 and torch.equal(seen, plain)
    assert gradients.error != gradient_sizes(model, "3", ll.Split((255 * IMAGES).byte(), LABELS)).error
    assert not torch.equal(own, ll.LayerProbes(model, ["0"], 2).features(data).pooled)
    judged = torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(0))[: SAMPLES // 2]
    assert found.values["effective_rank"].item() == pytest.approx(ll.effective_rank(plain[judged].float()), rel=1e-3)


def test_autocast_is_off_within_an_instrument_on_for_its_network_and_afterwards_as_it_was():
    def state():
        return torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu"), torch.is_autocast_cache_enabled()

    with torch.autocast("cpu", torch.float16):
        before = state()
        with pytest.raises(ZeroDivisionError), own_precision():
            assert not torch.is_autocast_enabled("cpu")
            with as_asked(), own_precision(), as_asked():
                assert state()[:2] == before[:2]
            assert not torch.is_autocast_enabled("cpu")
            raise ZeroDivisionError
        with as_asked():
            assert state() == before
        assert checked()(state)()[0]  # a function of no package of ours, such as the book's that train
    with own_precision(), as_asked():
        assert not torch.is_autocast_enabled("cpu")
