"""Small operations run on one thread, and the caller has as many as before afterwards."""

import pytest
import torch

from layerlib import _threads, patterns
from layerlib._threads import one_thread
from layerlib.distributions import _transport as transport
from layerlib.distributions import linear
from layerlib.distributions.distances import label_cost, label_distribution, sinkhorn, wasserstein
from layerlib.distributions.linear import LinearProbes
from layerlib.inspection import _jobs, _passes
from layerlib.inspection import _lenses as lenses
from layerlib.inspection.inspect import inspect
from layerlib.models import MLP
from layerlib.nodes import classifiers
from layerlib.nodes.classifiers import NodeClassifiers
from layerlib.patterns import layer_perplexity


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def counting(monkeypatch, module, name):
    """How many threads ``module.name`` had, each time that it was called."""
    seen, whole = [], getattr(module, name)

    def watched(*args, **named):
        seen.append(torch.get_num_threads())
        return whole(*args, **named)

    monkeypatch.setattr(module, name, watched)
    return seen


def test_few_numbers_have_one_thread_and_many_all(two_threads):
    for numbers, threads in ((0, 1), (_threads.FEW, 1), (_threads.FEW + 1, 2)):
        with one_thread(numbers):
            assert torch.get_num_threads() == threads
            with one_thread():
                assert torch.get_num_threads() == 1
            assert torch.get_num_threads() == threads
        assert torch.get_num_threads() == 2


def test_an_error_gives_the_threads_back_too(two_threads):
    with pytest.raises(KeyError), one_thread():
        raise KeyError
    assert torch.get_num_threads() == 2


def calls():
    random = torch.Generator().manual_seed(0)
    p, q = (label_distribution(torch.rand(300, 8, generator=random)) for _ in range(2))
    cost = label_cost(torch.randn(8, 2, generator=random))
    x, labels = torch.randn(2, 300, 200, generator=random), torch.arange(300) % 3
    return {
        "exact": (transport, "exact", lambda: wasserstein(p, q, cost)),
        "entropic": (transport, "entropic", lambda: sinkhorn(p, q, cost, 0.1).cost),
        "train": (linear, "one_epoch", lambda: LinearProbes(3).train(x, labels, epochs=2)),
        "fit": (linear, "logistic_regression", lambda: LinearProbes(3).fit(x, labels)),
        "perplexity": (patterns, "grouped", lambda: layer_perplexity(x[0] > 0, labels)),
        "densities": (classifiers, "row_blocks", lambda: NodeClassifiers.fit(x[0], labels).log_posterior(x[1])),
    }


@pytest.mark.parametrize("name", calls())
def test_two_threads_give_what_one_gives_to_the_last_bit(monkeypatch, two_threads, name):
    module, inner, run = calls()[name]
    seen = counting(monkeypatch, module, inner)
    found = run()
    assert set(seen) == {1} and torch.get_num_threads() == 2
    torch.set_num_threads(1)
    assert torch.equal(found, run())


def test_what_inspect_makes_of_few_readings_runs_on_one_thread(monkeypatch, two_threads):
    seen = {name: counting(monkeypatch, lenses, name) for name in ("patterns", "nodes", "separated")}
    torch.manual_seed(0)
    model, passes = MLP((12, 9, 3)), []
    model.register_forward_hook(lambda *_: passes.append(torch.get_num_threads()))
    inspect(model, (torch.randn(60, 12), torch.arange(60) % 3))
    assert [set(threads) for threads in seen.values()] == [{1}] * 3
    assert set(passes) == {1, 2} and torch.get_num_threads() == 2  # what it puts out is looked at first


@pytest.mark.parametrize(("width", "threads"), [(8, {1}), (2000, {2})])
def test_a_small_network_is_read_on_one_thread_and_a_large_one_on_all(monkeypatch, two_threads, width, threads):
    """20 samples are judged, few of any width; 2,000 × 2,000 weights are a product for all threads."""
    back, ranked = counting(monkeypatch, _passes, "_back"), counting(monkeypatch, _jobs, "rank")
    split = torch.rand(40, 4), torch.arange(40) % 2
    inspect(MLP((4, width, width, 2)), split, instruments=("targets", "rank"))
    assert set(back) == threads and set(ranked) == {1}
    assert torch.get_num_threads() == 2
